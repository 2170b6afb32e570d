/* SPDX-License-Identifier: MIT */
/*
 * What the output of a command that failed says of refusals that the kernel tells to nobody else: the
 * names of errors, as the C library, Go, Node and Python write them, and a path beside them. A command
 * may print what it likes: rows from here are likely (DENIAL_OUTPUT), and only what the decision does
 * refuse becomes one.
 */
#ifndef TOOLS_DENIED_HINT_H
#define TOOLS_DENIED_HINT_H

#include <stddef.h>

#include "backend/denials.h"

struct hint_request {
	const char *output; /* any bytes */
	size_t len;
	const char *cwd; /* where the command began, in the sandbox; absolute */
	const struct sandbox_spec *spec;
};

/* Rows live until this returns. Of long output only the end is looked at. */
void denied_hints(const struct hint_request *request, denial_fn told, void *arg);

#endif
