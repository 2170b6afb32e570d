/* SPDX-License-Identifier: MIT */
/* Walk a tree in the order of its paths, leaving out what .gitignore hides. */
#ifndef INIT_FS_WALK_H
#define INIT_FS_WALK_H

#include "init/fs_path.h"

struct walk_entry {
	int dirfd; /* the directory that holds it; borrowed */
	const char *name; /* in dirfd */
	const char *path; /* below the start */
	const char *shown; /* relative to the workspace, or absolute outside of it */
	unsigned char type; /* DT_* */
};

/* 0: go on. 1: enough. Negative: an error that ends the walk. */
typedef int (*walk_fn)(void *arg, const struct walk_entry *entry, struct error *err);

/*
 * Calls fn for everything but directories below opts->path, sorted by path as bytes. Symlinks are
 * reported, not followed; .git is not entered; a directory that cannot be opened is passed over.
 * *ret_truncated: the walk ended at a limit of base/limits.h or because fn said 1. opts->path may
 * be a file: then that is all there is.
 */
int fs_walk(const struct fs_root *root, const struct fs_walk_opts *opts, walk_fn fn, void *arg,
	bool *ret_truncated, struct error *err);

/* The names in a directory, sorted by bytes, without "." and "..". At most max: *ret_more. */
struct name_entry {
	const char *name;
	unsigned char type;
};
int fs_read_names(int adopt_fd, size_t max, struct arena *arena, struct name_entry **ret,
	size_t *ret_count, bool *ret_more);

/* The walk's clock: has LIMIT_WALK_MS gone by since start_ns? */
bool fs_walk_is_late(uint64_t start_ns);

#endif
