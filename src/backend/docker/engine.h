/* SPDX-License-Identifier: MIT */
/* The client of a container engine's API (Docker, Podman) on its unix socket. Blocks; one caller. */
#ifndef DOCKER_ENGINE_H
#define DOCKER_ENGINE_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

enum {
	/* What one answer may hold. A list of a thousand containers is about 2 MiB. */
	ENGINE_ANSWER_MAX = 4 * 1024 * 1024,
	/* What of an engine's own message gets into ours. */
	ENGINE_MESSAGE_MAX = 400,
	ENGINE_CONNECT_MS = 2000,
	/* Looking at something; then making, starting, removing, which may have to wait for a disk. */
	ENGINE_LOOK_MS = 10000,
	ENGINE_WORK_MS = 120000,
};

struct engine;

struct engine_answer {
	long status; /* 200..599 */
	json_t *body; /* NULL: none, or none that is JSON */
	char message[ENGINE_MESSAGE_MAX + 4]; /* what the engine said about a status from 300 on */
};
void engine_answer_finish(struct engine_answer *answer);

struct engine_call {
	const char *method;
	const char *path; /* below the version: "/containers/create?name=x" */
	const json_t *body;
	int timeout_ms;
	const char *doing; /* for errors: "create the container" */
};

/*
 * Ask the engine for its version and agree on one of the API's. -errno with one sentence: nobody
 * there, not allowed, no engine, too old, too new.
 */
int engine_open(const char *socket_path, struct engine **ret, struct error *err);
struct engine *engine_close(struct engine *engine); /* takes NULL, returns NULL */
const char *engine_version(const struct engine *engine); /* "20.10.24" */
const char *engine_api(const struct engine *engine); /* "1.41" */
bool engine_is_podman(const struct engine *engine);

/*
 * One call. 0: the engine answered, with whatever status; *ret is filled, finish it. Negative errno:
 * it did not, and whether it did what was asked is unknown (-ETIMEDOUT, -ECONNRESET, -EPROTO, ...).
 */
int engine_call(struct engine *engine, const struct engine_call *call, struct engine_answer *ret,
	struct error *err);

/* The error that a status from 400 on stands for: "cannot create the container: ...". */
int engine_refused(
	const struct engine_call *call, const struct engine_answer *answer, struct error *err);

#endif
