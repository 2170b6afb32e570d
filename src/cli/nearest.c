/* SPDX-License-Identifier: MIT */
/* The nearest name, for "did you mean". */
#include <string.h>

#include "cli/cmd.h"

enum { NEAREST_MAX = 40 };

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned least = a < b ? a : b;

	return least < c ? least : c;
}

/* Edit distance with swaps of neighbours (optimal string alignment). Both at most NEAREST_MAX. */
static unsigned distance(const char *a, const char *b)
{
	unsigned rows[3][NEAREST_MAX + 1];
	unsigned *before = rows[0], *last = rows[1], *now = rows[2];
	size_t len_a = strlen(a), len_b = strlen(b);

	for (size_t j = 0; j <= len_b; j++) {
		last[j] = (unsigned)j;
		before[j] = 0;
	}
	for (size_t i = 1; i <= len_a; i++) {
		unsigned *spare = before;

		now[0] = (unsigned)i;
		for (size_t j = 1; j <= len_b; j++) {
			unsigned cost = a[i - 1] != b[j - 1];

			now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + cost);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
				before[j - 2] + 1 < now[j]) {
				now[j] = before[j - 2] + 1;
			}
		}
		before = last;
		last = now;
		now = spare;
	}
	return last[len_b];
}

const char *nearest_word(const char *word, const char *const *candidates, size_t count)
{
	size_t len = strlen(word);
	const char *best = NULL;
	unsigned best_distance = (unsigned)len / 3 + 2; /* a third of it wrong is no slip */

	if (len == 0 || len > NEAREST_MAX) {
		return NULL;
	}
	for (size_t i = 0; i < count; i++) {
		unsigned d;

		if (strlen(candidates[i]) > NEAREST_MAX) {
			continue;
		}
		d = distance(word, candidates[i]);
		if (d < best_distance) {
			best_distance = d;
			best = candidates[i];
		}
	}
	return best;
}
