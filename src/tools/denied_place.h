/* SPDX-License-Identifier: MIT */
/* Which part of a decision makes a place in the sandbox read-only, or small. Pure text: nothing is looked up. */
#ifndef TOOLS_DENIED_PLACE_H
#define TOOLS_DENIED_PLACE_H

#include <stdbool.h>

#include "backend/denials.h"
#include "base/arena.h"

/* path: absolute and normalised, as the sandbox sees it. true: the decision has this place read-only; layer,
 * what, rule and fix of ret are set, memory from the arena or the spec. */
bool denied_place_read_only(
	const struct sandbox_spec *spec, const char *path, struct arena *arena, struct denial *ret);
/* The same for a tmpfs, which is as large as the decision has it. */
bool denied_place_full(
	const struct sandbox_spec *spec, const char *path, struct arena *arena, struct denial *ret);

/* A write of which no more is known than that its place was read-only. */
void denied_place_somewhere(struct denial *ret);

#endif
