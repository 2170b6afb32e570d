/* SPDX-License-Identifier: MIT */
/* The variables of a .env file. */
#ifndef CONFIG_DOTENV_H
#define CONFIG_DOTENV_H

#include "base/arena.h"
#include "config/index.h"

/*
 * Lines NAME=value, also with "export " before it; the value bare up to a "#", or in quotes ', " or `,
 * which may span lines; within " alone, \n and \r are line ends. A line that is something else is
 * passed over, and the last of several values counts. ret finds the values as texts, in memory of a.
 */
void dotenv_parse(struct arena *a, const char *text, struct doc_index *ret);

#endif
