/* SPDX-License-Identifier: MIT */
/* What is done with one container. */
#ifndef DOCKER_CONTAINER_H
#define DOCKER_CONTAINER_H

#include "backend/docker/engine.h"

enum {
	CONTAINER_NAME_MAX = 128,
	/* An id (64 digits) or a name. */
	CONTAINER_REF_SIZE = CONTAINER_NAME_MAX + 1,
};

struct container_request {
	const char *name;
	const json_t *body; /* see create.h */
	const char *setup_script; /* makes the image, named when it is missing */
	bool own_name; /* a random one: whatever has it was made by this call */
	bool swap_asked_for; /* memorySwap is configured: an engine that cannot must not go on */
};

/*
 * Make and start it. On failure ret_ref is what may be there all the same and has to be removed, "" for
 * nothing: a call that broke off may have been carried out. A name that is taken is -EEXIST; an engine
 * that would leave out a limit is -ENOTSUP.
 * *ret_env: the container's variables, the image's and those of the request; a list of the caller's.
 */
int container_run(struct engine *engine, const struct container_request *request,
	char ret_ref[CONTAINER_REF_SIZE], json_t **ret_env, struct error *err);

/* End it, remove it and its anonymous volumes, and wait until it is gone. Gone already: 0. */
int container_remove(struct engine *engine, const char *id, struct error *err);

/* What the engine says of a container, GET /containers/REF/json; *ret NULL: there is none. A new reference. */
int container_inspect(struct engine *engine, const char *ref, json_t **ret, struct error *err);
/* Start one that has stopped; one that runs is left alone. */
int container_start(struct engine *engine, const char *id, struct error *err);
/* -EEXIST: the name is taken. */
int container_rename(struct engine *engine, const char *id, const char *name, struct error *err);
/* Every container, running or not, that has a label: NAME=VALUE. A new reference, an array; of each Id,
 * Names, Labels, State, Image, Created, and Mounts of one with the label creel.once. */
int container_list(struct engine *engine, const char *label, json_t **ret, struct error *err);

struct container_state {
	bool exists, running;
	int exit_code;
	int64_t pid; /* of its first process, on the engine's host; 0: none */
	char message[ENGINE_MESSAGE_MAX + 4]; /* why it did not start; "" */
};
int container_look(
	struct engine *engine, const char *id, struct container_state *ret, struct error *err);

#endif
