/* SPDX-License-Identifier: MIT */
/* Bytes as text, for images in JSON. */
#include "tools/base64.h"

#include <errno.h>
#include <stdint.h>

void base64_add(struct buf *out, const void *data, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *bytes = data;
	char *to = buf_reserve(out, (len + 2) / 3 * 4);
	size_t used = 0;

	if (to == NULL) {
		return;
	}
	for (size_t i = 0; i < len; i += 3) {
		uint32_t group = (uint32_t)bytes[i] << 16;

		group |= i + 1 < len ? (uint32_t)bytes[i + 1] << 8 : 0;
		group |= i + 2 < len ? bytes[i + 2] : 0;
		to[used++] = digits[group >> 18];
		to[used++] = digits[group >> 12 & 63];
		to[used++] = i + 1 < len ? digits[group >> 6 & 63] : '=';
		to[used++] = i + 2 < len ? digits[group & 63] : '=';
	}
	buf_commit(out, used);
}

static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z') {
		return c - 'A';
	}
	if (c >= 'a' && c <= 'z') {
		return c - 'a' + 26;
	}
	if (c >= '0' && c <= '9') {
		return c - '0' + 52;
	}
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int base64_decode(struct buf *out, const char *text, size_t len)
{
	if (len % 4 != 0) {
		return -EINVAL;
	}
	for (size_t i = 0; i < len; i += 4) {
		/* Padding stands in the last group alone. */
		size_t pad = i + 4 < len ? 0 : text[i + 3] != '=' ? 0 : text[i + 2] != '=' ? 1 : 2;
		uint32_t bits = 0;

		for (size_t j = 0; j < 4 - pad; j++) {
			int value = value_of(text[i + j]);

			if (value < 0) {
				return -EINVAL;
			}
			bits |= (uint32_t)value << (18 - 6 * j);
		}
		buf_add_char(out, (char)(bits >> 16));
		if (pad < 2) {
			buf_add_char(out, (char)(bits >> 8 & 0xff));
		}
		if (pad < 1) {
			buf_add_char(out, (char)(bits & 0xff));
		}
	}
	return 0;
}
