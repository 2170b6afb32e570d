/* SPDX-License-Identifier: MIT */
/* Names as people write them: blanks around them and letter case do not count. */
#ifndef POLICY_TEXT_H
#define POLICY_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

/* A copy in lower case, every Unicode letter that has one (invalid UTF-8 is kept as it is). */
char *text_lower(struct arena *a, const char *text);

/* A copy without Unicode white space at both ends. */
char *text_trim(struct arena *a, const char *text);

/* Nothing but white space, or nothing at all; NULL counts as blank. */
bool text_is_blank(const char *text);

bool text_is_utf8(const char *text);

/* For a message of several lines: control characters as \xNN, so that a name cannot add lines. */
char *text_shown(struct arena *a, const char *text);

/* As one word of a shell command: quoted where it has to be. */
char *text_shell_word(struct arena *a, const char *text);

/* The texts one after the other, up to a NULL. Many times the speed of arena_printf(). */
char *text_concat(struct arena *a, const char *first, ...) __attribute__((sentinel));

/* text_lower(text_trim()): the form in which names are compared. */
char *text_fold(struct arena *a, const char *text);

#endif
