/* SPDX-License-Identifier: MIT */
/*
 * Which host paths may be bound into a sandbox. Every source is judged as written and in canonical
 * form, because a link inside a workspace may point anywhere.
 */
#ifndef SANDBOX_BINDS_H
#define SANDBOX_BINDS_H

#include "policy/decide.h"

/*
 * Where a path really leads: every symbolic link resolved, through the deepest ancestor that exists,
 * the missing rest appended. *ret_missing: the path does not lead to anything (a dangling or circular
 * link counts). Memory from the arena. -errno only when a directory on the way cannot be read.
 */
int bind_canonical(
	struct arena *a, const char *path, char **ret, bool *ret_missing, struct error *err);

/* Every blocked path: the system's, those in each home, the state directory. homes: absolute and
 * normalised. Memory from the arena. */
void bind_blocked_list(
	struct arena *a, const struct strv *homes, const char *state_dir, struct strv *ret);

/*
 * The blocked path that a source is, lies below or contains; NULL when it is clear of all of them.
 * workspace: the workspace that the source lies in, NULL for none; blocked paths that hold this
 * workspace do not count, those inside it do. *ret_contains: the source is the blocked path itself or
 * holds it.
 */
const char *bind_blocked(struct arena *a, const char *source, const struct strv *blocked,
	const char *workspace, bool *ret_contains);

/*
 * A workspace is bound too. One that is, contains or lies in a system directory ("/", "/etc", "/var",
 * "/proc/self"), in a directory of keys (~/.ssh) or is the state directory would hand the host over:
 * -EINVAL. A home directory is a person's own to give; it is not refused.
 */
int bind_check_workspace(struct decision *decision, const char *path, struct error *err);

/* Check the binds of a decision and put the canonical sources into its mounts (contract section 4).
 * -EINVAL: err names the entry, the reason and the key. Reads the file system, changes nothing. */
int binds_resolve(struct decision *decision, struct error *err);

#endif
