/* SPDX-License-Identifier: MIT */
/* File name patterns. Pure. */
#ifndef INIT_GLOB_H
#define INIT_GLOB_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/strv.h"

/*
 * Does path, relative and with single slashes, match one pattern?
 *	*        any characters but '/'           ?      one character but '/'
 *	[a-z]    one of them, [!a-z] [^a-z] one of the others, never '/'; [[:alpha:]] and its kin
 *	**       as a whole part: any parts, none too      \x     x itself
 * A broken set ("[abc") is taken literally. Time is at most the product of the two lengths, squared
 * for "**"; no memory.
 */
bool glob_match(const char *pattern, const char *path);

/* A pattern with alternatives: {a,b} may be nested. */
struct glob {
	struct strv patterns;
};

/* -E2BIG: more than LIMIT_GLOB_ALTERNATIVES come of it. Arena memory. */
int glob_compile(const char *text, struct arena *arena, struct glob *ret, struct error *err);
bool glob_matches(const struct glob *glob, const char *path);

#endif
