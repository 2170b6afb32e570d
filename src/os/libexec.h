/* SPDX-License-Identifier: MIT */
/* Creel's other programs: where they are, and starting one. */
#ifndef OS_LIBEXEC_H
#define OS_LIBEXEC_H

#include <stddef.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"

/*
 * The path of a program: beside this one, in folder of the build directory that this one runs from, in
 * the libexec directory that belongs to it or that was set when Creel was built. From the arena.
 * -ENOENT: nowhere.
 */
int libexec_find(struct arena *arena, const char *name, const char *folder, const char **ret,
	struct error *err);

/* How many descriptors a program is given at most. */
enum { LIBEXEC_FDS_MAX = 2 };

/*
 * Start it without arguments and environment, no signal blocked, with copies of the count descriptors in
 * fds as its descriptors 3 and up. Its standard descriptors are ours; all others of ours are close-on-exec
 * by rule.
 */
int libexec_start(const char *name, const char *folder, const int *fds, size_t count,
	pid_t *ret_pid, struct error *err);

#endif
