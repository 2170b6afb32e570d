/* SPDX-License-Identifier: MIT */
/* Fields out of a payload, little endian, each checked. */
#include "wire/cursor.h"

#include <errno.h>
#include <string.h>

struct cursor cursor_on(struct wire_bytes payload)
{
	return (struct cursor){.at = payload.data, .left = payload.len};
}

void cursor_reject(struct cursor *c, const char *field)
{
	if (c->bad == NULL) {
		c->bad = field;
	}
	c->left = 0;
}

const uint8_t *cursor_raw(struct cursor *c, size_t len, const char *field)
{
	const uint8_t *at = c->at;

	if (c->bad != NULL || c->left < len) {
		cursor_reject(c, field);
		return NULL;
	}
	c->at += len;
	c->left -= len;
	return at;
}

uint64_t cursor_uint(struct cursor *c, size_t size, const char *field)
{
	const uint8_t *at = cursor_raw(c, size, field);
	uint64_t value = 0;

	for (size_t i = 0; at != NULL && i < size; i++) {
		value |= (uint64_t)at[i] << (8 * i);
	}
	return value;
}

uint16_t cursor_u16(struct cursor *c, const char *field)
{
	return (uint16_t)cursor_uint(c, 2, field);
}

uint32_t cursor_u32(struct cursor *c, const char *field)
{
	return (uint32_t)cursor_uint(c, 4, field);
}

uint64_t cursor_u64(struct cursor *c, const char *field)
{
	return cursor_uint(c, 8, field);
}

uint32_t cursor_range(struct cursor *c, size_t size, uint32_t min, uint32_t max, const char *field)
{
	uint64_t value = cursor_uint(c, size, field);

	if (c->bad == NULL && (value < min || value > max)) {
		cursor_reject(c, field);
	}
	return c->bad == NULL ? (uint32_t)value : min;
}

bool cursor_bool(struct cursor *c, const char *field)
{
	return cursor_range(c, 1, 0, 1, field) == 1;
}

struct wire_bytes cursor_string(struct cursor *c, size_t max, const char *field)
{
	uint32_t len = cursor_u32(c, field);
	const uint8_t *at;

	if (len > max) {
		cursor_reject(c, field);
	}
	at = cursor_raw(c, len, field);
	if (at != NULL && len > 0 && memchr(at, '\0', len) != NULL) {
		cursor_reject(c, field);
	}
	if (c->bad != NULL) {
		return (struct wire_bytes){0};
	}
	return (struct wire_bytes){.data = at, .len = len};
}

int cursor_end(const struct cursor *c, const char *frame, struct error *err)
{
	if (c->bad != NULL) {
		return error_plain(err, EPROTO, "malformed %s frame: bad %s", frame, c->bad);
	}
	if (c->left > 0) {
		return error_plain(
			err, EPROTO, "malformed %s frame: %zu bytes left over", frame, c->left);
	}
	return 0;
}
