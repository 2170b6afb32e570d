/* SPDX-License-Identifier: MIT */
/* A list of strings. */
#include "base/strv.h"

#include <string.h>

void strv_add_ref(struct strv *v, struct arena *a, const char *item)
{
	/* One place is always kept for the closing NULL. */
	if (v->count + 1 >= v->cap) {
		size_t cap = v->cap > 0 ? v->cap * 2 : 8;
		const char **items = arena_calloc(a, cap, sizeof(*items));

		if (v->count > 0) {
			memcpy(items, v->items, v->count * sizeof(*items));
		}
		v->items = items;
		v->cap = cap;
	}
	v->items[v->count++] = item;
	v->items[v->count] = NULL;
}

void strv_add(struct strv *v, struct arena *a, const char *item)
{
	strv_add_ref(v, a, arena_strdup(a, item));
}

bool strv_contains(const struct strv *v, const char *item)
{
	for (size_t i = 0; i < v->count; i++) {
		if (strcmp(v->items[i], item) == 0) {
			return true;
		}
	}
	return false;
}
