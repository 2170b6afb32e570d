/* SPDX-License-Identifier: MIT */
/*
 * The file tools inside the sandbox: read, write, edit, apply_patch, ls, glob and grep.
 *
 * They run in the sandbox's own mount namespace as the process that calls them, block for the disk,
 * and are bounded in memory, bytes and time by base/limits.h. Paths are absolute container paths or
 * relative to the workspace; "." and ".." count as text, before any symlink is followed. A leading
 * "@" goes when no such file is there, "~" is home, odd spaces become ASCII ones.
 *
 * Every function fails with a negative errno and one sentence in err. Texts that models have learnt
 * start with a capital letter.
 */
#ifndef INIT_FS_OPS_H
#define INIT_FS_OPS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/strv.h"

/* Where paths start and how far they may lead. All borrowed. */
struct fs_root {
	int fd; /* the workspace, O_PATH | O_DIRECTORY */
	const char *path; /* its absolute, normalised path in the container */
	const char *home; /* what "~" is, NULL: nothing */
	/* Nothing outside the workspace: neither by "..", nor by a symlink, nor an absolute path; and
	 * no file that has a second name (hard link), which may be outside. */
	bool workspace_only;
	bool no_openat2; /* pretend that the kernel lacks it (tests) */
};

/* ---- read ---- */

enum fs_read_kind { FS_READ_TEXT, FS_READ_IMAGE, FS_READ_BINARY, FS_READ_RAW };

/* Why a page ends before the file does. */
enum fs_cut {
	FS_CUT_NONE,
	FS_CUT_LIMIT, /* the caller's limit of lines */
	FS_CUT_LINES, /* LIMIT_READ_LINES */
	FS_CUT_BYTES, /* max_bytes */
	FS_CUT_LONG_LINE, /* the first line alone is over max_bytes: no data */
};

struct fs_read_opts {
	uint64_t offset; /* first line, from 1; 0: 1 */
	uint64_t limit; /* lines; 0: LIMIT_READ_LINES, which is also the most */
	size_t max_bytes; /* 0: LIMIT_READ_PAGE; at most LIMIT_READ_PAGE_MAX */
	size_t max_image; /* larger images come without data; 0: LIMIT_READ_IMAGE */
	bool raw; /* offset, from 0, and limit are bytes, whatever the file is; limit 0: LIMIT_READ_RAW,
		   * which is also the most */
};

struct fs_read_result {
	enum fs_read_kind kind;
	struct buf data; /* owned: the lines, raw, with their ends but the last when cut; the image,
			    unless it is over max_image; nothing for binary; raw: the
			    bytes */
	uint64_t size; /* bytes of the file */
	uint64_t first_line; /* of data */
	uint64_t line_count;
	uint64_t next_offset; /* line to go on with, 0: the end was reached */
	uint64_t total_lines; /* 0: not counted, the file is large */
	enum fs_cut cut;
	uint64_t long_line; /* FS_CUT_LONG_LINE: its length in bytes, or what of it was looked at */
	const char *mime; /* image: static text; width and height 0: unknown */
	uint32_t width, height;
};
void fs_read_result_finish(struct fs_read_result *result);

/*
 * -ENOENT, -EISDIR, -EINVAL (FIFO, device, socket), -ERANGE: offset behind the end
 * ("Offset N is beyond end of file (M lines total)"), -ETIMEDOUT: the line is over LIMIT_READ_SKIP
 * bytes away.
 */
int fs_read(const struct fs_root *root, const char *path, const struct fs_read_opts *opts,
	struct fs_read_result *ret, struct error *err);

/* ---- write, edit ---- */

/* Files are replaced by a rename, so nobody sees half of one; mode, owner and symlinks are kept. Where
 * the directory or the owner does not allow that, or the file is a mount point, it is written in
 * place, growth first, so that a full disk leaves it as it was. */
struct fs_write_result {
	bool created;
	bool in_place;
	uint64_t bytes;
	uint64_t other_names; /* hard links that still show the old content */
};

int fs_write(const struct fs_root *root, const char *path, const void *data, size_t len, bool sync,
	struct fs_write_result *ret, struct error *err);

struct fs_edit_result {
	struct buf diff; /* owned */
	bool diff_cut;
	uint64_t first_line;
	bool tolerant;
	struct fs_write_result written;
};
void fs_edit_result_finish(struct fs_edit_result *result);

/* Errors of edit_apply(); -ESTALE: somebody else wrote the file meanwhile. Writers of this program
 * wait for each other (flock), so of edits that come together each sees the one before. */
int fs_edit(const struct fs_root *root, const char *path, const char *old_text, size_t old_len,
	const char *new_text, size_t new_len, bool sync, struct fs_edit_result *ret,
	struct error *err);

/* ---- apply_patch ---- */

struct fs_patch_result {
	struct strv added, modified, deleted; /* relative to the workspace where they are in it */
	struct buf text; /* owned: "Success. Updated the following files:" and a line for each */
};
void fs_patch_result_finish(struct fs_patch_result *result);

/* All or nothing: on failure no file has changed. Lists are the arena's memory. */
int fs_patch(const struct fs_root *root, const char *patch, size_t len, bool sync,
	struct arena *arena, struct fs_patch_result *ret, struct error *err);

/* ---- ls, glob, grep ---- */

struct fs_entry {
	const char *name; /* arena */
	const char *target; /* of a symlink, arena; else NULL */
	char type; /* as find -type: f d l p s b c, or ? */
	uint64_t size;
	int64_t mtime_s;
	uint32_t mode;
};

struct fs_list_result {
	struct fs_entry *entries; /* arena, sorted by name */
	size_t count;
	bool truncated;
};

/* limit 0: 500. Hidden names are listed. */
int fs_list(const struct fs_root *root, const char *path, size_t limit, struct arena *arena,
	struct fs_list_result *ret, struct error *err);

struct fs_walk_opts {
	const char *path; /* where to start; NULL: the workspace */
	bool no_ignore; /* look at what .gitignore hides, too */
	size_t limit; /* results; 0: 1000 (glob), 100 (grep) */
};

struct fs_glob_result {
	struct strv paths; /* arena, sorted; relative to the workspace where they are in it */
	bool truncated;
};

/* Files, symlinks and the rest but directories whose path below the start matches (base rules of
 * glob.h). .git is never entered, symlinks to directories are not followed. */
int fs_glob(const struct fs_root *root, const char *pattern, const struct fs_walk_opts *opts,
	struct arena *arena, struct fs_glob_result *ret, struct error *err);

struct fs_grep_opts {
	struct fs_walk_opts walk;
	const char *glob; /* NULL: every file; without '/' it is matched against the last name */
	bool literal; /* pattern is no regular expression (POSIX extended, \d \w \s \b known) */
	bool ignore_case;
	unsigned context; /* lines before and after, at most 20 */
};

struct fs_grep_result {
	struct buf
		text; /* owned: "path:12: line" and, context, "path-11- line"; "--" between groups */
	uint64_t matches, files, files_searched;
	bool truncated; /* something was left out: matches, bytes, files or time */
	bool lines_cut; /* long lines were cut */
};
void fs_grep_result_finish(struct fs_grep_result *result);

int fs_grep(const struct fs_root *root, const char *pattern, const struct fs_grep_opts *opts,
	struct fs_grep_result *ret, struct error *err);

#endif
