/* SPDX-License-Identifier: MIT */
/* Edit distance with a limit that grows with the name. */
#include "config/nearest.h"

#include <stdbool.h>
#include <string.h>

static char lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

enum { NAME_MAX_LEN = 48 };

/* Letters to insert, delete, replace or swap with a neighbour; case does not count. Optimal string
 * alignment over three rows. */
static unsigned distance(const char *a, const char *b)
{
	size_t a_len = strlen(a), b_len = strlen(b);
	unsigned rows[3][NAME_MAX_LEN + 1];

	if (a_len > NAME_MAX_LEN || b_len > NAME_MAX_LEN) {
		return NAME_MAX_LEN;
	}
	for (size_t j = 0; j <= b_len; j++) {
		rows[0][j] = (unsigned)j;
	}
	for (size_t i = 1; i <= a_len; i++) {
		unsigned *now = rows[i % 3], *up = rows[(i + 2) % 3], *up2 = rows[(i + 1) % 3];

		now[0] = (unsigned)i;
		for (size_t j = 1; j <= b_len; j++) {
			unsigned same = lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1;
			unsigned best = up[j - 1] + same;

			best = up[j] + 1 < best ? up[j] + 1 : best;
			best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
			if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
				lower(a[i - 2]) == lower(b[j - 1]) && up2[j - 2] + 1 < best) {
				best = up2[j - 2] + 1;
			}
			now[j] = best;
		}
	}
	return rows[a_len % 3][b_len];
}

/* "readOnly" is meant to be "readOnlyRoot", however many letters are missing. */
static bool is_start_of(const char *name, const char *key)
{
	size_t i = 0;

	while (name[i] != '\0' && lower(name[i]) == lower(key[i])) {
		i++;
	}
	return name[i] == '\0' && i >= 4;
}

int nearest_distance(const char *name, const char *candidate)
{
	/* A third of the letters may differ, at least one and at most three. */
	size_t len = strlen(name);
	unsigned limit = len < 6 ? 1 + (len > 3) : 3;
	unsigned d = distance(name, candidate);

	if (d <= limit) {
		return (int)d;
	}
	return is_start_of(name, candidate) ? (int)limit : NEAREST_NONE;
}

const char *nearest_name(const char *name, const char *const *candidates, size_t count)
{
	const char *nearest = NULL;
	int best = NEAREST_NONE;

	for (size_t i = 0; i < count; i++) {
		int d = nearest_distance(name, candidates[i]);

		if (d < best) {
			best = d;
			nearest = candidates[i];
		}
	}
	return nearest;
}
