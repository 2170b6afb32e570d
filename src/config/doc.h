/* SPDX-License-Identifier: MIT */
/* A parsed document as a tree that remembers where each value was written. */
#ifndef CONFIG_DOC_H
#define CONFIG_DOC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"

/* DOC_BAD stands where a value was refused and reported; nothing more is said about it. */
enum doc_type {
	DOC_BAD,
	DOC_NULL,
	DOC_BOOL,
	DOC_INT,
	DOC_REAL,
	DOC_STRING,
	DOC_ARRAY,
	DOC_OBJECT,
	DOC_COUNT_,
};

/*
 * One value. Everything belongs to the arena it was parsed into. Children hang in a list in the
 * order they were written; trees are small in width, and order is what errors and merging need.
 *
 * next links the tree as it is now; written_parent and written_key say where the value stood in the
 * file, which includes and the migration of old layouts do not change.
 */
struct doc_node {
	struct doc_node *next;
	const char *key; /* in an object; NULL in a list and at the root */
	uint32_t key_len;
	uint32_t offset, key_offset; /* bytes into source */
	uint32_t end; /* past the value */
	uint32_t lead; /* past the bracket or comma before this member */
	uint32_t tail; /* past the last bracket or comma inside this container */
	uint16_t source; /* index into the list of sources */
	uint8_t type; /* enum doc_type */
	bool boolean;
	bool changed; /* its members are no longer those in the file */
	bool made; /* stands nowhere in the file; its place is borrowed */
	uint32_t index; /* in a list */
	uint32_t count; /* children, or bytes of text */
	const struct doc_node *written_parent;
	const char *written_key; /* NULL: key */
	union {
		int64_t integer;
		double real;
		const char *text; /* NUL-terminated; has no NUL inside */
		struct {
			struct doc_node *first, *last;
		};
	};
};

const char *doc_type_name(enum doc_type type); /* "a list", "a string", ... */

struct doc_node *doc_get(
	const struct doc_node *object, const char *key); /* NULL: absent, no object */
struct doc_node *doc_item(const struct doc_node *list, size_t index);

/* New nodes take their place in the file from like. */
struct doc_node *doc_new(struct arena *a, enum doc_type type, const struct doc_node *like);
struct doc_node *doc_new_string(struct arena *a, const char *text, const struct doc_node *like);
/* A node of its own with the same content, so that it can hang in another list. */
struct doc_node *doc_alias(struct arena *a, const struct doc_node *node);

/* Is it a number without a fraction? One that is written 24.0 or 1e3 becomes DOC_INT; past 2^53 a
 * double no longer tells. */
bool doc_make_integer(struct doc_node *node);

void doc_append(struct doc_node *container, struct doc_node *child); /* key or index is set */
/* Under key, which must live as long as the tree. doc_add() is for a key that is not there yet. */
void doc_set(struct doc_node *object, const char *key, struct doc_node *child); /* replaces */
void doc_add(struct doc_node *object, const char *key, struct doc_node *child);
struct doc_node *doc_take(struct doc_node *object, const char *key); /* NULL: absent */

/* The path as it was written: "agents.list[1].sandbox". NULL node: "". Arena memory. */
const char *doc_path(struct arena *a, const struct doc_node *node);
/* Append one step to a path: ".key", "key" at the start, or ["odd key"]. */
void doc_path_add_key(struct buf *path, const char *key);

/* One step of a path text. *path moves past it. False at the end or when it is malformed. */
struct doc_step {
	const char *key; /* not NUL-terminated unless quoted away; NULL: an index */
	size_t key_len, index;
	bool numeric; /* a bare number: an index in a list, a key in an object */
};
bool doc_path_step(const char **path, struct doc_step *ret);
struct doc_node *doc_at(struct doc_node *root, const char *path);

/*
 * The same content as jansson values, all of it in arena memory: reference counts in it must never
 * reach zero, and it lives exactly as long as the arena. Numbers and texts are exact; DOC_BAD
 * becomes null.
 */
json_t *doc_to_json(struct arena *a, const struct doc_node *node);
/* The same as ordinary heap values that the caller releases with json_decref(). */
json_t *doc_to_heap_json(const struct doc_node *node);

#endif
