/* SPDX-License-Identifier: MIT */
/* A list of strings. */
#ifndef BASE_STRV_H
#define BASE_STRV_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

/* items is NULL-terminated once anything was added (usable as argv/envp). Items and the array
 * belong to whoever made them: with strv_add() to the arena passed. */
struct strv {
	const char **items;
	size_t count, cap;
};

void strv_add(struct strv *v, struct arena *a, const char *item); /* copies item into a */
void strv_add_ref(struct strv *v, struct arena *a, const char *item); /* keeps the pointer */
bool strv_contains(const struct strv *v, const char *item);

#endif
