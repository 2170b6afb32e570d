/* SPDX-License-Identifier: MIT */
/*
 * The patch engine: the "*** Begin Patch" format that models write. Pure: bytes in, bytes out.
 *
 *	*** Begin Patch
 *	*** Add File: P            then lines "+text"; what was at P is replaced
 *	*** Delete File: P
 *	*** Update File: P         then, optionally, "*** Move to: Q", then chunks:
 *	@@ line to look for        or "@@"; the first chunk needs neither
 *	 same / -old / +new        an empty line is an empty line that stays
 *	*** End of File            the lines above it are at the end of the file
 *	*** End Patch
 *
 * A here-document around it (<<EOF, <<'EOF', <<"EOF") is taken off. Lines are sought as they are,
 * then without blanks at their end, then at both ends, then with the quotes, dashes and spaces of
 * typography as their ASCII twins.
 */
#ifndef INIT_PATCH_H
#define INIT_PATCH_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "init/edit_text.h"

enum patch_action { PATCH_ADD, PATCH_DELETE, PATCH_UPDATE };

/* Lines of the patch text, each with its sign; walk them with text_next_line(). */
struct patch_chunk {
	struct span context; /* the line after "@@", empty: none */
	struct span lines;
	size_t old_count, new_count; /* lines that are sought, lines they become */
	size_t line; /* where it starts in the patch, from 1 */
	bool at_end;
	struct patch_chunk *next;
};

struct patch_hunk {
	enum patch_action action;
	const char *path, *move; /* arena; move NULL: stays where it is */
	struct span added; /* PATCH_ADD: lines "+text" */
	struct patch_chunk *chunks;
	size_t line;
	struct patch_hunk *next;
};

/* *ret and what it points to are the arena's and text's memory. -EINVAL: err says which line of the
 * patch is wrong; -E2BIG: over LIMIT_PATCH_INPUT. */
int patch_parse(struct span text, struct arena *arena, struct patch_hunk **ret, struct error *err);

/* The content of a PATCH_ADD. */
void patch_added_text(const struct patch_hunk *hunk, struct buf *out);

/*
 * Append what a PATCH_UPDATE makes of text, which is called name in messages. Lines that the patch
 * does not touch keep their bytes, line ends included; added lines take the style of the file; the
 * last line always gets its end. Bytes that are not UTF-8 become U+FFFD, as in the peer.
 *
 * -ENOENT: a line or passage is not there; err says which chunk, which line was expected and the
 * nearest text with its line number. -EFBIG, -E2BIG: over LIMIT_EDIT_FILE, LIMIT_PATCH_COMPARES.
 */
int patch_apply(const struct patch_hunk *hunk, const char *name, struct span text, struct buf *out,
	struct error *err);

#endif
