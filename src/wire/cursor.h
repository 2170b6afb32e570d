/* SPDX-License-Identifier: MIT */
/*
 * Reading the fields of a payload. The first field that does not fit or is not allowed is remembered
 * by name, and every later read gives zeroes: a decoder reads all its fields and asks once, with
 * cursor_end().
 */
#ifndef WIRE_CURSOR_H
#define WIRE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "wire/frame.h"

struct cursor {
	const uint8_t *at; /* borrowed from the payload */
	size_t left;
	const char *bad; /* NULL: every field so far is good */
};

struct cursor cursor_on(struct wire_bytes payload);
void cursor_reject(struct cursor *c, const char *field);

/* len bytes as they are, NULL when they are not there. */
const uint8_t *cursor_raw(struct cursor *c, size_t len, const char *field);
uint64_t cursor_uint(struct cursor *c, size_t size, const char *field);
uint16_t cursor_u16(struct cursor *c, const char *field);
uint32_t cursor_u32(struct cursor *c, const char *field);
uint64_t cursor_u64(struct cursor *c, const char *field);
/* A value within min..max; min when it is not. */
uint32_t cursor_range(struct cursor *c, size_t size, uint32_t min, uint32_t max, const char *field);
bool cursor_bool(struct cursor *c, const char *field);
/* A length and as many bytes, at most max, none of them 0. */
struct wire_bytes cursor_string(struct cursor *c, size_t max, const char *field);

/* The verdict on a whole payload: 0, or -EPROTO when a field was bad or bytes are left over. */
int cursor_end(const struct cursor *c, const char *frame, struct error *err);

#endif
