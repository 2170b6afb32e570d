/* SPDX-License-Identifier: MIT */
/* Many small allocations that live and die together. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "base/macro.h"

/*
 * Memory from an arena is zeroed, aligned to 16 and valid until arena_finish(). There is no
 * free of a single piece. Out of memory aborts. A zeroed struct arena is valid and empty.
 */
struct arena_chunk;
struct arena {
	struct arena_chunk *chunks; /* newest first */
};

void arena_finish(struct arena *a);
void *arena_alloc(struct arena *a, size_t size);
void *arena_calloc(struct arena *a, size_t count, size_t size); /* aborts on overflow */
char *arena_strdup(struct arena *a, const char *text); /* NULL gives NULL */
char *arena_strndup(struct arena *a, const char *text, size_t len);
char *arena_printf(struct arena *a, const char *fmt, ...) _printf_(2, 3);

#define _cleanup_arena_ _cleanup_(arena_finish)

#endif
