/* SPDX-License-Identifier: MIT */
/* /elevated and /exec in a message: what they say, and the message without them. */
#ifndef POLICY_DIRECTIVE_H
#define POLICY_DIRECTIVE_H

#include <stdbool.h>

#include "base/arena.h"

/* "off", "on", "ask" or "full" for any of the words that mean it; NULL: no such level. */
const char *elevated_level(const char *word);

struct directives {
	bool has_elevated, has_exec;
	const char *level; /* NULL: none given, or not understood */
	const char *level_raw; /* the word after /elevated; NULL: none */
	const char *host, *security, *ask, *node; /* NULL: not given */
	const char *invalid; /* "Unrecognized exec host: x"; NULL: all understood */
	const char *cleaned; /* the text that is left, blanks squeezed */
	bool effective; /* nothing else in the message: this changes the session */
};

/* Never fails; text may be anything. Memory from the arena. */
void directives_parse(struct arena *a, const char *text, struct directives *ret);

#endif
