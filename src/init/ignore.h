/* SPDX-License-Identifier: MIT */
/* .gitignore: the rules of gitignore(5). Pure. */
#ifndef INIT_IGNORE_H
#define INIT_IGNORE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

struct ignore_rule {
	const char *pattern; /* for glob_match() */
	bool negate, dir_only, anchored;
};

/* One file's rules. Those of the directory above are asked when none of these decides. */
struct ignore {
	const struct ignore *above;
	struct ignore_rule *rules;
	size_t count;
	size_t base; /* bytes of a path that lead to this file's directory, its slash included */
};

/* Text of a .gitignore; rules are the arena's memory. */
void ignore_parse(const char *text, size_t len, struct arena *arena, struct ignore *ret);

/*
 * Is path ignored by its own name? The caller does not enter ignored directories, so rules about
 * parents have been asked before. rules may be NULL.
 */
bool ignore_match(const struct ignore *rules, const char *path, bool is_dir);

#endif
