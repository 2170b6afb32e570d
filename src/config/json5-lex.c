/* SPDX-License-Identifier: MIT */
/* JSON5: characters, blanks, comments and unquoted names. */
#include <string.h>

#include "base/mem.h"
#include "config/json5-internal.h"
#include "config/unicode.h"

/* Well-formed UTF-8 only (Unicode 14, table 3-7): no overlong forms, no surrogates. */
unsigned json5_peek(const struct json5_reader *r, const char *at, uint32_t *ret_c)
{
	const unsigned char *p = (const unsigned char *)at;
	size_t left = (size_t)(r->end - at);
	unsigned len;
	uint32_t c, min;

	*ret_c = UINT32_MAX;
	if (left == 0) {
		return 0;
	}
	if (p[0] < 0x80) {
		*ret_c = p[0];
		return 1;
	}
	if (p[0] < 0xc2 || p[0] > 0xf4) {
		return 1;
	}
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	c = p[0] & (0x7fU >> len);
	min = len == 2 ? 0x80 : len == 3 ? 0x800 : 0x10000;
	for (unsigned i = 1; i < len; i++) {
		if (i >= left || (p[i] & 0xc0) != 0x80) {
			return 1;
		}
		c = c << 6 | (p[i] & 0x3fU);
	}
	if (c < min || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
		return 1;
	}
	*ret_c = c;
	return len;
}

size_t json5_put_utf8(char *to, uint32_t c)
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (char)(0xc0 | c >> 6);
		to[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (char)(0xe0 | c >> 12);
		to[1] = (char)(0x80 | (c >> 6 & 0x3f));
		to[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | c >> 18);
	to[1] = (char)(0x80 | (c >> 12 & 0x3f));
	to[2] = (char)(0x80 | (c >> 6 & 0x3f));
	to[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

int json5_hex(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	if (c >= 'a' && c <= 'f') {
		return c - 'a' + 10;
	}
	if (c >= 'A' && c <= 'F') {
		return c - 'A' + 10;
	}
	return -1;
}

void json5_scratch(struct json5_reader *r, size_t size)
{
	if (r->scratch_size < size) {
		r->scratch_size = size + size / 2;
		r->scratch = xreallocarray(r->scratch, r->scratch_size, 1);
	}
}

/* What a comment cannot hold: broken UTF-8, and NUL, which ends a text for half of all programs. */
static bool check_comment_char(struct json5_reader *r, uint32_t c)
{
	if (c == UINT32_MAX) {
		return json5_unexpected(r, "a comment");
	}
	return c != 0 || json5_fail(r, r->at, "the file holds the character NUL", NULL);
}

static bool skip_line_comment(struct json5_reader *r)
{
	uint32_t c;
	unsigned len;

	for (r->at += 2; (len = json5_peek(r, r->at, &c)) > 0; r->at += len) {
		if (!check_comment_char(r, c)) {
			return false;
		}
		if (c == '\n' || c == '\r' || c == 0x2028 || c == 0x2029) {
			return true;
		}
	}
	return true;
}

static bool skip_block_comment(struct json5_reader *r)
{
	const char *start = r->at;
	uint32_t c;
	unsigned len;

	for (r->at += 2; (len = json5_peek(r, r->at, &c)) > 0; r->at += len) {
		if (!check_comment_char(r, c)) {
			return false;
		}
		if (c == '*' && r->end - r->at > 1 && r->at[1] == '/') {
			r->at += 2;
			return true;
		}
	}
	return json5_fail(r, start, "this comment has no end", "close it with */");
}

/* Not ASCII at r->at: skip it when it is a blank. *ret_done: it is not. */
static bool skip_wide_space(struct json5_reader *r, bool *ret_done)
{
	uint32_t c;
	unsigned len = json5_peek(r, r->at, &c);

	if (c == UINT32_MAX) {
		return json5_unexpected(r, "a value");
	}
	*ret_done = !unicode_is_space(c);
	r->at += *ret_done ? 0 : len;
	return true;
}

bool json5_skip_space(struct json5_reader *r)
{
	bool done = false;

	while (r->at < r->end && !done) {
		unsigned char c = (unsigned char)*r->at;

		if (c == ' ' || (c >= '\t' && c <= '\r')) {
			r->at++;
		} else if (c == '/' && r->end - r->at > 1 && (r->at[1] == '/' || r->at[1] == '*')) {
			if (!(r->at[1] == '/' ? skip_line_comment(r) : skip_block_comment(r))) {
				return false;
			}
		} else if (c >= 0x80) {
			if (!skip_wide_space(r, &done)) {
				return false;
			}
		} else {
			done = true;
		}
	}
	return true;
}

/* \uXXXX in a name. */
static bool read_name_escape(struct json5_reader *r, uint32_t *ret_c)
{
	const char *start = r->at;
	uint32_t c = 0;

	if (r->end - r->at < 6 || r->at[1] != 'u') {
		return json5_fail(
			r, start, "a name can hold \\uXXXX escapes only", "put the key in quotes");
	}
	for (int i = 2; i < 6; i++) {
		int digit = json5_hex(r->at[i]);

		if (digit < 0) {
			return json5_fail(r, start, "\\u needs four hexadecimal digits", NULL);
		}
		c = c << 4 | (uint32_t)digit;
	}
	r->at += 6;
	*ret_c = c;
	return true;
}

static bool is_name_start(uint32_t c)
{
	return c == '$' || c == '_' || unicode_is_letter(c);
}

/* One character of a name. *ret_c is 0 where the name ends. */
static bool read_name_char(struct json5_reader *r, bool first, uint32_t *ret_c)
{
	const char *start = r->at;
	unsigned len = json5_peek(r, r->at, ret_c);
	bool escaped = len > 0 && *ret_c == '\\';

	if (len > 0 && *ret_c == UINT32_MAX) {
		return json5_unexpected(r, "a key");
	}
	if (escaped && !read_name_escape(r, ret_c)) {
		return false;
	}
	if (len > 0 && (is_name_start(*ret_c) || (!first && unicode_is_part(*ret_c)))) {
		r->at += escaped ? 0 : len;
		return true;
	}
	if (escaped) {
		return json5_fail(
			r, start, "this escape does not belong in a name", "put the key in quotes");
	}
	*ret_c = 0;
	return true;
}

static void set_key(struct json5_reader *r, struct doc_node *node, const char *key, size_t len)
{
	char *copy = arena_alloc(r->arena, len + 1);

	memcpy(copy, key, len);
	node->key = copy;
	node->key_len = (uint32_t)len;
}

/* The usual case: letters, digits, '_' and '$' alone, and nothing else that a name could hold. */
static bool read_plain_name(struct json5_reader *r, struct doc_node *node)
{
	const char *at = r->at;
	unsigned char c = (unsigned char)*at;

	if (at < r->end && c >= '0' && c <= '9') {
		return false;
	}
	for (; at < r->end; at++) {
		c = (unsigned char)*at;
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			    c == '_' || c == '$')) {
			break;
		}
	}
	if (at == r->at || at == r->end || c >= 0x80 || c == '\\') {
		return false;
	}
	set_key(r, node, r->at, (size_t)(at - r->at));
	r->at = at;
	return true;
}

bool json5_read_name(struct json5_reader *r, struct doc_node *node)
{
	size_t len = 0;
	uint32_t c;

	if (r->at < r->end && read_plain_name(r, node)) {
		return true;
	}
	for (;;) {
		json5_scratch(r, len + 4);
		if (!read_name_char(r, len == 0, &c)) {
			return false;
		}
		if (c == 0) {
			break;
		}
		len += json5_put_utf8(r->scratch + len, c);
	}
	if (len == 0) {
		return json5_unexpected(r, "a key or '}'");
	}
	set_key(r, node, r->scratch, len);
	return true;
}
