/* SPDX-License-Identifier: MIT */
/*
 * One file that is about to be written, replaced or removed, in steps that can be taken back:
 * prepare (everything that can fail for want of space or rights), commit, and then finish; rollback
 * undoes what was done so far, even after commit when that kept a backup.
 */
#ifndef INIT_FS_CHANGE_H
#define INIT_FS_CHANGE_H

#include "init/fs_path.h"

enum { FS_TEMP_NAME_SIZE = 32 };

struct fs_change {
	/* Set by the caller; borrowed. place is where, and what stood there when it was looked at. */
	struct fs_place *place;
	const char *data;
	size_t len;
	bool remove; /* no data: the name goes away */
	const struct stat
		*like; /* whose mode and owner it takes; NULL: of what is there, or the umask's */
	int source_fd; /* borrowed: whose extended attributes and ACL it takes; FD_NONE: none */
	bool sync;

	/* What was done. */
	bool in_place, committed;
	bool has_temp, has_backup;
	char temp[FS_TEMP_NAME_SIZE], backup[FS_TEMP_NAME_SIZE];
	int made_below; /* owned: where made_dirs parts of missing were made */
	unsigned made_dirs;
	struct buf original; /* owned: for an in-place change with a backup */
};

void fs_change_init(struct fs_change *change, struct fs_place *place);

/* Parents are made (and place->dirfd moves down), the new content is on disk under another name. */
int fs_change_prepare(struct fs_change *change, struct error *err);

/* -ESTALE: strict, and what is there is not what place says. backup: rollback stays possible. */
int fs_change_commit(struct fs_change *change, bool strict, bool backup, struct error *err);
void fs_change_rollback(struct fs_change *change);

/* Drops temporary names and backups. Without commit, nothing has happened but made parents. */
void fs_change_finish(struct fs_change *change);

/*
 * fs_place_find() and fs_place_open() with the file locked against other writers of this program
 * (flock, for at most two seconds: a foreign lock must not stop us for ever). A file that is not
 * there: 0 and *ret_fd is FD_NONE.
 */
int fs_place_lock(const struct fs_root *root, struct arena *arena, const char *path,
	struct fs_place *ret, int *ret_fd, struct error *err);

#endif
