/* SPDX-License-Identifier: MIT */
/* JSON5 1.0 (https://spec.json5.org) read into a document tree. */
#ifndef CONFIG_JSON5_H
#define CONFIG_JSON5_H

#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "config/doc.h"

/* One thing wrong, at a byte of the text. */
struct json5_problem {
	struct json5_problem *next;
	uint32_t offset;
	const char *path; /* of the value, or "" */
	const char *message; /* arena or static memory */
	const char *hint; /* NULL */
};

struct json5_result {
	struct doc_node *root; /* NULL: the text has no structure that could be followed */
	struct json5_problem *first, *last;
};

enum { JSON5_PROBLEMS_MAX = 100 };

/*
 * Read the whole text. 0: no problems. -EINVAL: ret->first is the list of them, in the order they
 * were found. A problem that leaves the structure intact (a duplicate key, NaN, a number that a
 * 64-bit integer cannot hold, NUL, a lone surrogate) leaves DOC_BAD in its place and reading goes
 * on; a syntax error ends it and leaves root NULL.
 *
 * Limits: LIMIT_CONFIG_BYTES and LIMIT_CONFIG_DEPTH. text needs no NUL at its end, and the tree does
 * not point into it. source goes into every node. place: where the value will stand, for the
 * paths of an included file; NULL for the top.
 */
int json5_parse(struct arena *a, const char *text, size_t len, uint16_t source,
	const struct doc_node *place, struct json5_result *ret);

/* For a text that is no file, as an argument: heap values, and the first problem as err with its
 * line and column. what names the text: "--policy". */
int json5_loads(const char *text, size_t len, const char *what, json_t **ret, struct error *err);

#endif
