/* SPDX-License-Identifier: MIT */
/* Where a path or a working directory of a tool call is, as the sandbox sees it. */
#ifndef TOOLS_WORKDIR_H
#define TOOLS_WORKDIR_H

#include "base/arena.h"
#include "policy/decide.h"

/* The directory that relative paths start from: the container's workdir, or the agent's
 * workspace on the host when the session is not sandboxed. */
const char *workdir_root(const struct decision *decision);

/*
 * The container path for what a model wrote: blanks of Unicode become spaces, a leading '@' goes,
 * '~' is the workdir's home, relative paths start at the workdir, host paths inside the workspace
 * are mapped. Other absolute paths are the container's own. Arena memory.
 */
const char *workdir_map(struct arena *arena, const struct decision *decision, const char *path);

/* Only the mapping of a host path inside the workspace; anything else as it is written. */
const char *workdir_map_host(
	struct arena *arena, const struct decision *decision, const char *path);

/* The same path for people: relative to the workdir when it is below it. */
const char *workdir_display(const struct decision *decision, const char *path);

#endif
