/* SPDX-License-Identifier: MIT */
/* Text as tolerant matching sees it: characters, blanks, and the ASCII twins of typography. */
#ifndef INIT_EDIT_TEXT_H
#define INIT_EDIT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Bytes of some text, not NUL-terminated, borrowed. */
struct span {
	const char *data;
	size_t len;
};

enum { TEXT_INVALID = 0x7fffffff };

/*
 * The character at text (len > 0): its code point, and its length in bytes as the result. Bytes that
 * are not UTF-8 give TEXT_INVALID and the length of the part that a decoder replaces by one U+FFFD
 * (Unicode 15, 3.9, "maximal subpart").
 */
size_t text_next(const char *text, size_t len, uint32_t *ret_point);

/* White space and line ends as ECMAScript's trim() takes them, U+FEFF among them. */
bool text_is_space(uint32_t point);

/* The ASCII character that a model would type for a quote, dash or odd space, or 0. */
char text_fold(uint32_t point);

struct span text_trim_end(struct span text);
struct span text_trim(struct span text);

/* Equal once folded character by character? */
bool text_equal_folded(struct span a, struct span b);

/* Cut the next line off *rest: without its '\n' and, with strip_cr, without a '\r' before it. false
 * when nothing is left. */
bool text_next_line(struct span *rest, bool strip_cr, struct span *ret_line);

/* Does the first line end say "\r\n"? That is the style of the file. */
bool text_is_crlf(struct span text);

size_t text_count_char(struct span text, char c);

/* 'text' for a message: trimmed, control bytes escaped, cut at 120 bytes. */
void text_add_quoted(struct buf *out, struct span text);

/* How alike are two lines: 0 (not at all) to 100 (the same but for blanks and typography). */
unsigned text_likeness(struct span a, struct span b);

#endif
