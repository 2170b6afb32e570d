/* SPDX-License-Identifier: MIT */
/*
 * Copying into a directory that the processes of a sandbox change while we do it. Each step starts from
 * a descriptor and follows no link, so that what is written lands below that descriptor or nowhere.
 */
#ifndef SANDBOX_COPY_H
#define SANDBOX_COPY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/own.h"
#include "base/strv.h"

/* A directory to copy into. What is made there belongs to its owner. */
struct copy_dir {
	int fd;
	uid_t uid;
	gid_t gid;
};

static inline void copy_dir_close(const struct copy_dir *dir)
{
	cleanup_closep(&dir->fd);
}
#define _cleanup_copy_dir_ _cleanup_(copy_dir_close)
#define COPY_DIR_NONE ((struct copy_dir){.fd = FD_NONE})

/* path itself may be a link: it comes from the configuration, not from a sandbox. */
int copy_dir_open(const char *path, struct copy_dir *ret, struct error *err);
/* The directory of that name in another, made with mode 0700 when it is missing. -ELOOP or -ENOTDIR:
 * something else has the name. */
int copy_dir_enter(
	const struct copy_dir *in, const char *name, struct copy_dir *ret, struct error *err);

/*
 * All of a regular file, at most max bytes, as a new one of that name with the mode's execute bits and
 * 0600, and the time of its last change. -EEXIST: the name is taken, nothing was written; -EFBIG:
 * longer than max, also when it grows meanwhile. On failure no half file is left.
 */
int copy_file(
	int from_fd, const struct copy_dir *to, const char *name, uint64_t max, struct error *err);

/* A file or a whole tree. Absent: nothing to do. What cannot be removed is left. */
void copy_remove(int dir_fd, const char *name);

/* The names in a directory without "." and "..", sorted by bytes. -E2BIG: more than max. */
int copy_names(struct arena *arena, int dir_fd, size_t max, struct strv *ret, struct error *err);

#endif
