/* SPDX-License-Identifier: MIT */
/* What the pieces of the JSON5 reader share. */
#ifndef CONFIG_JSON5_INTERNAL_H
#define CONFIG_JSON5_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "config/json5.h"

struct json5_reader {
	struct arena *arena;
	const char *text, *end, *at;
	uint16_t source;
	unsigned depth;
	const char *lead; /* past the last bracket or comma */
	struct json5_result *result;
	size_t problems;
	bool failed; /* a syntax error: unwind */
	char *scratch; /* texts are put together here before they are copied */
	size_t scratch_size;
	const struct doc_node **sorted; /* for finding duplicates in large objects */
	size_t sorted_size;
};

/* A refused value: reading goes on. key: the member being read, or NULL. */
void json5_refuse(struct json5_reader *r, const char *at, const struct doc_node *node,
	const char *message, const char *hint);
/* A syntax error: nothing after it can be trusted. Returns false. */
bool json5_fail(struct json5_reader *r, const char *at, const char *message, const char *hint);
/* json5_fail() with what stands there: "unexpected 'x'; expected ...". */
bool json5_unexpected(struct json5_reader *r, const char *expected);

/* Decode one character; 0 bytes at the end, and *ret_c is UINT32_MAX for invalid UTF-8. */
unsigned json5_peek(const struct json5_reader *r, const char *at, uint32_t *ret_c);
void json5_scratch(struct json5_reader *r, size_t size); /* at least size bytes of scratch */
size_t json5_put_utf8(char *to, uint32_t c);
int json5_hex(char c); /* -1: no hexadecimal digit */

bool json5_skip_space(struct json5_reader *r); /* blanks and comments; false: failed */
bool json5_read_string(struct json5_reader *r, struct doc_node *node, bool as_key);
bool json5_read_name(struct json5_reader *r, struct doc_node *node);
bool json5_read_number(struct json5_reader *r, struct doc_node *node);

#endif
