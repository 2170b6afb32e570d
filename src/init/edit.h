/* SPDX-License-Identifier: MIT */
/*
 * The edit engine: replace one passage of a text. Pure: bytes in, bytes out.
 *
 * The passage is sought as it is first; line ends do not matter, a byte order mark at the start of
 * the file is not part of the text. When it is not there, trailing blanks are ignored and quotes,
 * dashes and spaces of typography count as their ASCII twins. Only the passage is replaced: every
 * other byte of the file stays, and the new text takes the file's line ends.
 */
#ifndef INIT_EDIT_H
#define INIT_EDIT_H

#include "base/buf.h"
#include "base/error.h"
#include "init/edit_text.h"

struct edit_request {
	const char *name; /* the file in messages */
	struct span text; /* the file, at most LIMIT_EDIT_FILE bytes */
	struct span old, new; /* old must not be empty */
};

struct edit_result {
	struct buf text; /* the file afterwards; owned */
	struct buf diff; /* owned; at most LIMIT_EDIT_DIFF bytes, diff.overflow: it is cut */
	size_t first_line; /* first changed line of the new text, from 1 */
	bool tolerant; /* the passage was found by tolerant matching */
};

void edit_result_finish(struct edit_result *result);

/*
 * -ENOENT: the passage is not there (the nearest line is named); -EEXIST: it is there more than once,
 * counted tolerantly (their lines are named); -EINVAL: old is empty, or nothing would change; -EFBIG.
 */
int edit_apply(const struct edit_request *request, struct edit_result *ret, struct error *err);

/*
 * The change in the form models know: "-2 old", "+2 new", " 3 context" with line numbers padded to
 * equal width, four lines of context, " ..." for what is left out. text is the old text, and
 * [start, end) of it becomes new. Returns the first changed line.
 */
size_t edit_diff(struct span text, size_t start, size_t end, struct span new, struct buf *out);

#endif
