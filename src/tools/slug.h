/* SPDX-License-Identifier: MIT */
/* Names for background processes that a model can remember and retype. */
#ifndef TOOLS_SLUG_H
#define TOOLS_SLUG_H

#include <stdbool.h>

typedef bool (*slug_taken_fn)(const void *arg, const char *slug);

/* "quiet-otter", with -2 to -12 when taken, then three words, then a number. Heap memory. */
char *slug_new(slug_taken_fn taken, const void *arg);

/* First word and first argument that is no flag, cut to 48 bytes at a character: the display name of
 * a command. Heap memory. */
char *slug_command_name(const char *command);

#endif
