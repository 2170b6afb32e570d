/* SPDX-License-Identifier: MIT */
/* Bytes of a process turned into text that a model, a terminal and JSON can take. */
#ifndef TOOLS_UTF8_H
#define TOOLS_UTF8_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/*
 * Append data as valid UTF-8: control characters other than tab, LF and CR, DEL, C1, Unicode format
 * characters (bidi overrides hide what a command printed) and encoded surrogates are left out,
 * invalid bytes become U+FFFD. A sequence cut off at the very end or whose first bytes are missing
 * at the very start (data was cut out of a stream) is dropped.
 */
void utf8_clean(struct buf *out, const char *data, size_t len);

/* Characters (code points) of valid UTF-8. */
size_t utf8_count(const char *text, size_t len);

/* Where the last max characters begin. */
size_t utf8_tail_offset(const char *text, size_t len, size_t max);

/* The text without blanks and line ends around it; a view. */
const char *utf8_trim(const char *text, size_t len, size_t *ret_len);

/* Is it all valid UTF-8? A NUL is. */
bool utf8_is_valid(const char *text, size_t len);

size_t utf8_count_lines(const char *text, size_t len); /* a last line without LF counts */

#endif
