/* SPDX-License-Identifier: MIT */
/* write and edit. */
#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "base/own.h"
#include "init/edit.h"
#include "init/fs_change.h"

/* Puts data where place is, fd (FD_NONE: not open) being what is there; place->st is what was read, if
 * strict. */
static int replace(struct fs_place *place, int fd, struct span text, bool sync, bool strict,
	struct fs_write_result *ret, struct error *err)
{
	struct fs_change change;
	int r;

	fs_change_init(&change, place);
	change.data = text.data;
	change.len = text.len;
	change.source_fd = fd;
	change.sync = sync;
	r = fs_change_prepare(&change, err);
	if (r == 0) {
		r = fs_change_commit(&change, strict, false, err);
	}
	if (r == 0) {
		*ret = (struct fs_write_result){
			.created = !place->exists,
			.in_place = change.in_place,
			.bytes = text.len,
			.other_names = place->exists && !change.in_place && place->st.st_nlink > 1
					       ? place->st.st_nlink - 1
					       : 0,
		};
	} else if (!change.committed) {
		fs_change_rollback(&change);
	}
	fs_change_finish(&change);
	return r;
}

int fs_write(const struct fs_root *root, const char *path, const void *data, size_t len, bool sync,
	struct fs_write_result *ret, struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_(fs_place_finish) struct fs_place place = {.dirfd = FD_NONE};
	_cleanup_close_ int fd = FD_NONE;
	struct error why;
	int r = fs_place_lock(root, &arena, path, &place, &fd, &why);

	if (r == -EACCES) {
		/* Not readable, perhaps still to be written: then without the lock. */
		r = fs_place_find(root, &arena, path, FS_FOLLOW, &place, &why);
		if (r == 0 && place.exists) {
			r = fs_check_file(root, &place.st, place.label, &why);
		}
	}
	if (r < 0) {
		*err = why;
		return r;
	}
	return replace(&place, fd, (struct span){data, len}, sync, false, ret, err);
}

void fs_edit_result_finish(struct fs_edit_result *result)
{
	buf_finish(&result->diff);
}

/* The parts of one request. NOLINTNEXTLINE(readability-function-size) */
int fs_edit(const struct fs_root *root, const char *path, const char *old_text, size_t old_len,
	const char *new_text, size_t new_len, bool sync, struct fs_edit_result *ret,
	struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_(fs_place_finish) struct fs_place place = {.dirfd = FD_NONE};
	_cleanup_(edit_result_finish) struct edit_result edited = {0};
	_cleanup_close_ int fd = FD_NONE;
	_cleanup_buf_ struct buf text = {0};
	struct edit_request request = {.old = {old_text, old_len}, .new = {new_text, new_len}};
	struct fs_write_result written;
	int r = fs_place_lock(root, &arena, path, &place, &fd, err);

	if (r < 0) {
		return r;
	}
	if (fd < 0) {
		return error_plain(err, ENOENT, "File not found: %s", place.label);
	}
	r = fs_read_whole(fd, LIMIT_EDIT_FILE, place.label, &text, err);
	if (r < 0) {
		return r;
	}
	request.name = place.label;
	request.text = (struct span){text.len > 0 ? text.data : "", text.len};
	r = edit_apply(&request, &edited, err);
	if (r < 0) {
		return r;
	}
	r = replace(&place, fd, (struct span){edited.text.data, edited.text.len}, sync, true,
		&written, err);
	if (r < 0) {
		return r;
	}
	*ret = (struct fs_edit_result){
		.diff = edited.diff,
		.diff_cut = edited.diff.overflow,
		.first_line = edited.first_line,
		.tolerant = edited.tolerant,
		.written = written,
	};
	edited.diff = (struct buf){0};
	return 0;
}
