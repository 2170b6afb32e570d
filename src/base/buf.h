/* SPDX-License-Identifier: MIT */
/* A growing byte buffer with a ceiling. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

/*
 * Invariants: data[len] is NUL whenever data is not NULL; len <= max; once an append
 * would pass max, overflow is set, nothing more is appended, and it stays set until
 * buf_clear(). So a chain of appends needs one check at its end.
 *
 * A zeroed struct buf is a valid empty buffer with no ceiling (max 0 means SIZE_MAX / 2).
 */
struct buf {
	char *data;
	size_t len, cap, max;
	bool overflow;
};

void buf_init(struct buf *b, size_t max);
void buf_finish(struct buf *b); /* frees; the struct is an empty buffer afterwards */
void buf_clear(struct buf *b); /* len 0, overflow off, memory kept */

/* Appending. Out of memory aborts; passing max sets overflow and appends nothing of that call. */
void buf_add(struct buf *b, const void *data, size_t len);
void buf_add_str(struct buf *b, const char *text);
void buf_add_char(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) _printf_(2, 3);
void buf_vaddf(struct buf *b, const char *fmt, va_list args) _printf_(2, 0);

/* Little-endian integers, for the wire. */
void buf_add_u8(struct buf *b, uint8_t v);
void buf_add_u16le(struct buf *b, uint16_t v);
void buf_add_u32le(struct buf *b, uint32_t v);
void buf_add_u64le(struct buf *b, uint64_t v);

/* Room for len more bytes, returned as a pointer to fill; buf_commit() then adds what was filled.
 * NULL (and overflow set) past max. */
char *buf_reserve(struct buf *b, size_t len);
void buf_commit(struct buf *b, size_t len);

/* Drop len bytes from the front (len <= b->len). */
void buf_consume(struct buf *b, size_t len);

/* Hand the memory over: a NUL-terminated heap string, never NULL. The buffer is empty afterwards. */
char *buf_take(struct buf *b);

/* Text safe to print between '' in a message: control characters (C0, C1, DEL), invalid UTF-8 and
 * the quote ' as \xNN, cut at limit bytes with "..." (0: no cut). Log injection ends here. */
void buf_add_escaped(struct buf *b, const char *text, size_t len, size_t limit);
/* The same for a whole message, whose quotes stay. */
void buf_add_printable(struct buf *b, const char *text, size_t len, size_t limit);

#define _cleanup_buf_ _cleanup_(buf_finish)

#endif
