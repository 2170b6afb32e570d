/* SPDX-License-Identifier: MIT */
/* The name that was meant, for "did you mean". */
#ifndef CONFIG_NEAREST_H
#define CONFIG_NEAREST_H

#include <limits.h>
#include <stddef.h>

enum { NEAREST_NONE = INT_MAX };

/* Slips that lead from candidate to name: letters left out, added, changed or swapped with their
 * neighbour; case does not count. NEAREST_NONE: more than are likely in a name of this length. */
int nearest_distance(const char *name, const char *candidate);

/* The candidate with the fewest slips, the first of several; NULL: none is near. */
const char *nearest_name(const char *name, const char *const *candidates, size_t count);

#endif
