/* SPDX-License-Identifier: MIT */
/* Bytes as text, for images in JSON. */
#include "tools/base64.h"

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
