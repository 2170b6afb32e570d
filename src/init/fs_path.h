/* SPDX-License-Identifier: MIT */
/* From a path as a model writes it to a directory descriptor and a name. */
#ifndef INIT_FS_PATH_H
#define INIT_FS_PATH_H

#include <sys/stat.h>

#include "init/fs_ops.h"

/* One place in the file system. The directory's own path held no symlink when it was opened, so
 * dirfd and name stay what they are whatever happens to the path. */
struct fs_place {
	int dirfd; /* O_PATH, owned: the deepest directory that is there */
	const char *missing; /* arena: "a/b" to be made below dirfd first, or NULL */
	const char *name; /* arena: the last part; "." for the root of all paths */
	const char *shown; /* arena: relative to the workspace, or absolute outside of it */
	const char *label; /* arena: the path for a message, control bytes escaped */
	bool exists;
	struct stat st; /* of name, not followed, when it exists */
};
void fs_place_finish(struct fs_place *place);

enum fs_follow { FS_NO_FOLLOW, FS_FOLLOW };

/* -EPERM: it leads out of the workspace and must not; -ENOTDIR, -ELOOP, -EINVAL (empty path), ... A
 * last part that is not there is no error. */
int fs_place_find(const struct fs_root *root, struct arena *arena, const char *path,
	enum fs_follow follow, struct fs_place *ret, struct error *err);

/*
 * Open what is there for reading, without waiting: -EISDIR for a directory, -EINVAL for anything but
 * a regular file, -ENOENT ("File not found: path"), -EPERM for a second name when that is forbidden.
 * *ret_st is of what was opened.
 */
int fs_place_open(const struct fs_root *root, const struct fs_place *place, int *ret_fd,
	struct stat *ret_st, struct error *err);

/* The regular-file and hard-link rules alone. */
int fs_check_file(
	const struct fs_root *root, const struct stat *st, const char *label, struct error *err);

/* A directory, O_RDONLY, to be walked. -ENOTDIR for a file. */
int fs_open_directory(const struct fs_root *root, struct arena *arena, const char *path,
	int *ret_fd, const char **ret_shown, struct error *err);

/* A whole regular file, at most max bytes. -EFBIG. */
int fs_read_whole(int fd, size_t max, const char *label, struct buf *out, struct error *err);

#endif
