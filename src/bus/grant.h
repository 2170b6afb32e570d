/* SPDX-License-Identifier: MIT */
/*
 * What the broker hands out for one caller in one session: all that src/tools needs of a decision,
 * and nothing else of the configuration. It travels as JSON; decoded, it is a struct decision again,
 * with which tools behave as they do with the one it was made from.
 */
#ifndef BUS_GRANT_H
#define BUS_GRANT_H

#include <jansson.h>

#include "policy/decide.h"
#include "wire/frame.h"

/* One tool of the table, as policy leaves it to this caller. */
struct grant_tool {
	const char *name;
	struct tool_verdict verdict;
};

struct grant {
	json_t *json; /* owned: what the strings below point into */
	struct config config; /* root: tools.exec and tools.fs only */
	struct decision decision; /* with config; only what src/tools reads is filled */
	const struct brand *brand;
	struct grant_tool *tools; /* of the arena */
	size_t tool_count;
	const char *sandbox; /* what broker and front call it; NULL: nothing is started yet */
	const char *backend; /* "native" */
	uint8_t token[WIRE_TOKEN_SIZE]; /* that creel-init says in hello */
	bool has_token, once; /* for link_new() */
	bool admin; /* the caller is an administrator */
	const char *notice; /* to be told to the caller once; NULL */
	struct strv image_env; /* the image's variables */
	const json_t *control; /* {"pipe","host","path","timeoutMs"}: a browser outside; NULL */
	struct strv passwords; /* of a browser's VNC: that may act, that only watches; or none */
};

/* A resolved decision as JSON, new reference. Verdicts of all tools are those for request. */
json_t *grant_encode(struct decision *decision, const struct decide_request *request);

/* Takes over json, also when it fails: -EPROTO, it is no grant. */
int grant_decode(json_t *json, struct grant **ret, struct error *err);
struct grant *grant_free(struct grant *grant); /* NULL ok; NULL */

/* The verdict on a tool of the table, by any of its names; NULL: there is no such tool. */
const struct tool_verdict *grant_verdict(const struct grant *grant, const char *tool);

#endif
