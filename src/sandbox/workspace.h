/* SPDX-License-Identifier: MIT */
/* The directories that a sandbox works in. */
#ifndef SANDBOX_WORKSPACE_H
#define SANDBOX_WORKSPACE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/error.h"

enum workspace_kind {
	WORKSPACE_OWN, /* the sandbox's own, below workspaceRoot: never a link, and ours */
	WORKSPACE_AGENT, /* the agent's, from the configuration: may be a link */
	WORKSPACE_GIVEN, /* named for this call: has to be there */
};

/*
 * See that a workspace is there and is a directory. With create a missing one is made with mode 0700,
 * its parents too; without, a missing one is left missing (except WORKSPACE_GIVEN). err says what
 * stands in the way.
 */
int workspace_prepare(struct arena *a, const char *path, enum workspace_kind kind, bool create,
	struct error *err);

#endif
