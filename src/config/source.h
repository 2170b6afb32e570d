/* SPDX-License-Identifier: MIT */
/* The files a configuration was read from, and places in them. */
#ifndef CONFIG_SOURCE_H
#define CONFIG_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

struct source {
	const char *name; /* the path as it was opened */
	const char *text; /* NUL-terminated, without a leading byte order mark taken off */
	size_t len;
};

struct sources {
	struct source *items;
	size_t count, cap;
	size_t bytes; /* of all of them together: at most LIMIT_CONFIG_BYTES */
};

enum { SOURCES_MAX = UINT16_MAX };

/*
 * Read a whole file: regular, all of them together at most LIMIT_CONFIG_BYTES. *ret_index is its place in sources.
 * -errno with a sentence that names the file: missing, unreadable, a directory, a device, too large,
 * or changed while it was being read.
 */
int source_read(struct sources *sources, struct arena *a, const char *path, uint16_t *ret_index,
	struct error *err);

/* Is the byte at offset the last of a line? A line ends with LF, CR or CRLF. */
bool text_ends_line(const char *text, size_t len, size_t offset);

/* Go on from *offset, which stands at line and column, to the byte at to. */
void text_advance(const char *text, size_t len, size_t *offset, size_t to, int *line, int *column);

/* Line and column from 1 of a byte; a column is a character. */
void text_position(const char *text, size_t len, size_t offset, int *ret_line, int *ret_column);

/*
 * The line that holds the byte, which has this number, and below it a caret under the character:
 *
 *     12 |   mode: "sometimes",
 *        |         ^
 *
 * Tabs stay tabs, wide characters count two columns, control characters show as '?', and a long
 * line is cut around the place with "...".
 */
void text_caret(const char *text, size_t len, size_t offset, int line, struct buf *out);

#endif
