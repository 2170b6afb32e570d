/* SPDX-License-Identifier: MIT */
/* JSON5: quoted texts. */
#include <string.h>

#include "config/json5-internal.h"

static bool read_hex(struct json5_reader *r, unsigned digits, uint32_t *ret_c)
{
	uint32_t c = 0;

	for (unsigned i = 0; i < digits; i++) {
		int digit = r->at < r->end ? json5_hex(*r->at) : -1;

		if (digit < 0) {
			return json5_fail(r, r->at,
				digits == 2 ? "\\x needs two hexadecimal digits"
					    : "\\u needs four hexadecimal digits",
				NULL);
		}
		c = c << 4 | (uint32_t)digit;
		r->at++;
	}
	*ret_c = c;
	return true;
}

/* The second half of a surrogate pair. *ret_c stays a lone surrogate when there is none. */
static bool read_low_surrogate(struct json5_reader *r, uint32_t *ret_c)
{
	const char *back = r->at;
	uint32_t low;

	if (r->end - r->at < 6 || r->at[0] != '\\' || r->at[1] != 'u') {
		return true;
	}
	r->at += 2;
	if (!read_hex(r, 4, &low)) {
		return false;
	}
	if (low >= 0xdc00 && low <= 0xdfff) {
		*ret_c = 0x10000 + ((*ret_c - 0xd800) << 10 | (low - 0xdc00));
	} else {
		r->at = back;
	}
	return true;
}

/* After a backslash: a line end, which stands for nothing. */
static bool skip_line_end(struct json5_reader *r, uint32_t c, unsigned len)
{
	if (c != '\n' && c != '\r' && c != 0x2028 && c != 0x2029) {
		return false;
	}
	r->at += len;
	if (c == '\r' && r->at < r->end && *r->at == '\n') {
		r->at++;
	}
	return true;
}

static bool simple_escape(uint32_t c, uint32_t *ret_c)
{
	static const char from[] = "bfnrtv", to[] = "\b\f\n\r\t\v";
	const char *found = c < 0x80 && c != 0 ? strchr(from, (int)c) : NULL;

	if (found == NULL) {
		return false;
	}
	*ret_c = (unsigned char)to[found - from];
	return true;
}

/* r->at is past the backslash. *ret_c is UINT32_MAX for an escape that stands for nothing. */
static bool read_escape(struct json5_reader *r, uint32_t *ret_c)
{
	const char *start = r->at - 1;
	uint32_t c;
	unsigned len = json5_peek(r, r->at, &c);

	*ret_c = UINT32_MAX;
	if (len == 0 || c == UINT32_MAX) {
		return json5_unexpected(r, "the rest of an escape");
	}
	if (skip_line_end(r, c, len)) {
		return true;
	}
	if (c >= '0' && c <= '9' &&
		(c != '0' || (r->end - r->at > 1 && r->at[1] >= '0' && r->at[1] <= '9'))) {
		return json5_fail(r, start, "octal escapes are not part of JSON5", "write \\xHH");
	}
	r->at += len;
	*ret_c = c;
	if (c == '0') {
		*ret_c = 0;
		return true;
	}
	if (c == 'x' || c == 'u') {
		if (!read_hex(r, c == 'x' ? 2 : 4, ret_c)) {
			return false;
		}
		return *ret_c < 0xd800 || *ret_c > 0xdbff || read_low_surrogate(r, ret_c);
	}
	(void)simple_escape(c, ret_c);
	return true;
}

/* The decoded text in scratch; false: failed. */
struct text {
	size_t len;
	bool refused;
};

static void refuse_text(struct json5_reader *r, const char *at, const struct doc_node *node,
	struct text *text, const char *message)
{
	if (!text->refused) {
		json5_refuse(r, at, node, message, NULL);
	}
	text->refused = true;
}

static bool add_escape(struct json5_reader *r, const struct doc_node *node, struct text *text)
{
	const char *start = r->at++;
	uint32_t c;

	if (!read_escape(r, &c)) {
		return false;
	}
	if (c == UINT32_MAX) {
		return true;
	}
	if (c == 0) {
		refuse_text(r, start, node, text, "a text cannot hold the character NUL");
		return true;
	}
	if (c >= 0xd800 && c <= 0xdfff) {
		refuse_text(r, start, node, text,
			"half of a surrogate pair; a character beyond U+FFFF needs both halves");
		return true;
	}
	text->len += json5_put_utf8(r->scratch + text->len, c);
	return true;
}

/* A raw character that is not plain ASCII. */
static bool add_char(struct json5_reader *r, const struct doc_node *node, struct text *text)
{
	uint32_t c;
	unsigned len = json5_peek(r, r->at, &c);

	if (c == UINT32_MAX) {
		return json5_unexpected(r, "a text");
	}
	if (c == '\n' || c == '\r') {
		return json5_fail(r, r->at, "the text has no closing quote in this line",
			"end the line with \\ to go on in the next");
	}
	if (c == 0) {
		refuse_text(r, r->at, node, text, "a text cannot hold the character NUL");
	} else {
		memcpy(r->scratch + text->len, r->at, len);
		text->len += len;
	}
	r->at += len;
	return true;
}

static const char *skip_plain(const char *at, const char *end, char quote)
{
	while (at < end && *at != quote && *at != '\\' && (unsigned char)*at >= 0x20 &&
		(unsigned char)*at < 0x80) {
		at++;
	}
	return at;
}

static bool read_text(struct json5_reader *r, const struct doc_node *node, struct text *ret)
{
	const char *start = r->at;
	char quote = *r->at++;

	for (;;) {
		const char *plain = skip_plain(r->at, r->end, quote);
		size_t len = (size_t)(plain - r->at);

		json5_scratch(r, ret->len + len + 8);
		memcpy(r->scratch + ret->len, r->at, len);
		ret->len += len;
		r->at = plain;
		if (plain >= r->end) {
			return json5_fail(r, start, "this text has no end",
				quote == '"' ? "close it with \"" : "close it with '");
		}
		if (*plain == quote) {
			r->at++;
			return true;
		}
		if (!(*plain == '\\' ? add_escape(r, node, ret) : add_char(r, node, ret))) {
			return false;
		}
	}
}

static void set_text(
	struct json5_reader *r, struct doc_node *node, const char *text, size_t len, bool as_key)
{
	char *copy = arena_alloc(r->arena, len + 1);

	memcpy(copy, text, len);
	if (as_key) {
		node->key = copy;
		node->key_len = (uint32_t)len;
	} else {
		node->type = DOC_STRING;
		node->text = copy;
		node->count = (uint32_t)len;
	}
}

bool json5_read_string(struct json5_reader *r, struct doc_node *node, bool as_key)
{
	struct text text = {0};
	const struct doc_node *about = as_key ? node->written_parent : node;
	const char *plain = skip_plain(r->at + 1, r->end, *r->at);

	/* The usual case: nothing to decode. */
	if (plain < r->end && *plain == *r->at) {
		set_text(r, node, r->at + 1, (size_t)(plain - r->at - 1), as_key);
		r->at = plain + 1;
		return true;
	}
	if (!read_text(r, about, &text)) {
		return false;
	}
	set_text(r, node, r->scratch, text.len, as_key);
	if (as_key) {
		node->made = text.refused; /* for the object's reader, which clears it */
	} else if (text.refused) {
		node->type = DOC_BAD;
	}
	return true;
}
