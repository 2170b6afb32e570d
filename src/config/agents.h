/* SPDX-License-Identifier: MIT */
/* Agent ids. */
#ifndef CONFIG_AGENTS_H
#define CONFIG_AGENTS_H

#include "base/arena.h"

/* An id as it is compared and used in names: trimmed and lowercased; everything but letters, digits,
 * '-' and '_' becomes '-'; at most 64 characters; "main" when nothing is left. */
char *agent_id_normalize(struct arena *a, const char *id);

#endif
