/* SPDX-License-Identifier: MIT */
/* apply_patch: work out every file in memory, write all of it aside, then rename all of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/own.h"
#include "init/fs_change.h"
#include "init/patch.h"

/* One name that the patch touches, as it is on disk and as it shall be. */
struct target {
	struct fs_place place;
	int fd; /* open and locked, FD_NONE: not there, or only its name matters */
	dev_t dir_dev;
	ino_t dir_ino;
	struct buf text; /* what it holds now, once loaded */
	bool loaded, exists, touched;
	const struct stat *like; /* whose rights it takes, where the file was moved from */
	int like_fd;
	struct fs_change change;
};

struct session {
	const struct fs_root *root;
	struct arena *arena;
	struct target *targets; /* room for LIMIT_PATCH_FILES: pointers into it stay */
	size_t count, bytes;
	struct fs_patch_result *result;
	struct error *err;
};

static void session_finish(struct session *s)
{
	for (size_t i = 0; i < s->count; i++) {
		struct target *t = &s->targets[i];

		fs_change_finish(&t->change);
		fs_place_finish(&t->place);
		if (t->fd >= 0) {
			(void)close(t->fd);
		}
		buf_finish(&t->text);
	}
	free(s->targets);
}

static struct target *find_target(struct session *s, const struct fs_place *place)
{
	struct stat dir;

	if (fstat(place->dirfd, &dir) < 0) {
		return NULL;
	}
	for (size_t i = 0; i < s->count; i++) {
		struct target *t = &s->targets[i];

		if (t->dir_dev == dir.st_dev && t->dir_ino == dir.st_ino &&
			strcmp(t->place.name, place->name) == 0 &&
			strcmp(t->place.missing != NULL ? t->place.missing : "",
				place->missing != NULL ? place->missing : "") == 0) {
			return t;
		}
	}
	return NULL;
}

/* Takes over place and fd: TAKE_FD() writes it. NOLINTNEXTLINE(readability-non-const-parameter) */
static int add_target(struct session *s, struct fs_place *place, int *fd, struct target **ret)
{
	struct target *t = &s->targets[s->count];
	struct stat dir;

	if (s->count == LIMIT_PATCH_FILES) {
		return error_plain(s->err, E2BIG, "the patch touches more than %d files: split it",
			LIMIT_PATCH_FILES);
	}
	if (fstat(place->dirfd, &dir) < 0) {
		return error_set(s->err, errno, "cannot reach '%s'", place->label);
	}
	*t = (struct target){
		.place = *place,
		.fd = TAKE_FD(*fd),
		.like_fd = FD_NONE,
		.dir_dev = dir.st_dev,
		.dir_ino = dir.st_ino,
		.exists = place->exists,
	};
	place->dirfd = FD_NONE;
	fs_change_init(&t->change, &t->place);
	s->count++;
	*ret = t;
	return 0;
}

/* What the patch has made of path so far. ret_shown: its name in the summary. */
static int get_target(struct session *s, const char *path, enum fs_follow follow,
	struct target **ret, const char **ret_shown)
{
	_cleanup_(fs_place_finish) struct fs_place place = {.dirfd = FD_NONE};
	_cleanup_close_ int fd = FD_NONE;
	int r = fs_place_find(s->root, s->arena, path, FS_NO_FOLLOW, &place, s->err);

	if (r < 0) {
		return r;
	}
	*ret_shown = place.shown;
	*ret = find_target(s, &place);
	if (*ret != NULL) {
		return 0;
	}
	if (follow == FS_FOLLOW) {
		if (place.exists && S_ISLNK(place.st.st_mode)) {
			fs_place_finish(&place);
			r = fs_place_find(s->root, s->arena, path, FS_FOLLOW, &place, s->err);
			*ret = r == 0 ? find_target(s, &place) : NULL;
			if (r < 0 || *ret != NULL) {
				return r;
			}
		}
		fs_place_finish(&place);
		r = fs_place_lock(s->root, s->arena, path, &place, &fd, s->err);
	} else if (place.exists && S_ISDIR(place.st.st_mode)) {
		r = error_plain(s->err, EISDIR,
			"'%s' is a directory: apply_patch deletes files alone", place.label);
	}
	return r < 0 ? r : add_target(s, &place, &fd, ret);
}

static int load(struct session *s, struct target *t)
{
	if (!t->exists) {
		return error_plain(s->err, ENOENT, "File not found: %s", t->place.label);
	}
	if (t->loaded) {
		return 0;
	}
	t->loaded = true;
	return fs_read_whole(t->fd, LIMIT_EDIT_FILE, t->place.label, &t->text, s->err);
}

/* Moves text into the target. */
static int set_text(struct session *s, struct target *t, struct buf *text)
{
	s->bytes += text->len;
	if (s->bytes > LIMIT_PATCH_TOTAL || text->len > LIMIT_EDIT_FILE) {
		return error_plain(s->err, EFBIG,
			"the patch makes more than %d bytes in one file, or %d in all: split it",
			LIMIT_EDIT_FILE, LIMIT_PATCH_TOTAL);
	}
	buf_finish(&t->text);
	t->text = *text;
	*text = (struct buf){0};
	t->loaded = t->exists = t->touched = true;
	return 0;
}

static void note(struct session *s, struct strv *list, const char *shown)
{
	if (!strv_contains(list, shown)) {
		strv_add_ref(list, s->arena, shown);
	}
}

static int run_add(struct session *s, const struct patch_hunk *hunk)
{
	_cleanup_buf_ struct buf text = {0};
	struct target *t;
	const char *shown;
	int r = get_target(s, hunk->path, FS_FOLLOW, &t, &shown);

	if (r < 0) {
		return r;
	}
	patch_added_text(hunk, &text);
	r = set_text(s, t, &text);
	if (r == 0) {
		note(s, &s->result->added, shown);
	}
	return r;
}

static int remove_name(struct session *s, const char *path, const char **ret_shown)
{
	struct target *t;
	int r = get_target(s, path, FS_NO_FOLLOW, &t, ret_shown);

	if (r < 0) {
		return r;
	}
	if (!t->exists) {
		return error_plain(s->err, ENOENT, "File not found: %s", t->place.label);
	}
	t->exists = false;
	t->touched = true;
	return 0;
}

static int run_update(struct session *s, const struct patch_hunk *hunk)
{
	_cleanup_buf_ struct buf text = {0};
	struct target *from = NULL, *to;
	const char *shown, *unused;
	int r = get_target(s, hunk->path, FS_FOLLOW, &from, &shown);

	if (r == 0) {
		r = load(s, from);
	}
	if (r == 0) {
		r = patch_apply(hunk, from->place.label,
			(struct span){from->text.len > 0 ? from->text.data : "", from->text.len},
			&text, s->err);
	}
	to = from;
	if (r == 0 && hunk->move != NULL) {
		r = get_target(s, hunk->move, FS_FOLLOW, &to, &shown);
		if (r == 0 && to == from) {
			r = error_plain(s->err, EINVAL,
				"'%s' cannot be moved onto itself: leave out '*** Move to'",
				from->place.label);
		}
		if (r == 0) {
			to->like = from->place.exists ? &from->place.st : from->like;
			to->like_fd = from->place.exists ? from->fd : from->like_fd;
			r = remove_name(s, hunk->path, &unused);
		}
	}
	if (r == 0) {
		r = set_text(s, to, &text);
	}
	if (r == 0) {
		note(s, &s->result->modified, shown);
	}
	return r;
}

static int run_hunk(struct session *s, const struct patch_hunk *hunk)
{
	const char *shown;
	int r;

	switch (hunk->action) {
	case PATCH_ADD:
		return run_add(s, hunk);
	case PATCH_DELETE:
		r = remove_name(s, hunk->path, &shown);
		if (r == 0) {
			note(s, &s->result->deleted, shown);
		}
		return r;
	case PATCH_UPDATE:
		return run_update(s, hunk);
	}
	return 0;
}

static int prepare(struct session *s, bool sync)
{
	for (size_t i = 0; i < s->count; i++) {
		struct target *t = &s->targets[i];
		int r;

		t->touched = t->touched && (t->exists || t->place.exists);
		if (!t->touched) {
			continue;
		}
		t->change.data = t->text.len > 0 ? t->text.data : "";
		t->change.len = t->text.len;
		t->change.remove = !t->exists;
		t->change.like = t->like;
		t->change.source_fd = t->like != NULL ? t->like_fd : t->fd;
		t->change.sync = sync;
		r = fs_change_prepare(&t->change, s->err);
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

static int commit(struct session *s)
{
	for (size_t i = 0; i < s->count; i++) {
		if (s->targets[i].touched) {
			int r = fs_change_commit(&s->targets[i].change, true, true, s->err);

			if (r < 0) {
				return r;
			}
		}
	}
	return 0;
}

static void add_list(struct buf *out, char sign, const struct strv *list)
{
	for (size_t i = 0; i < list->count; i++) {
		buf_addf(out, "\n%c %s", sign, list->items[i]);
	}
}

void fs_patch_result_finish(struct fs_patch_result *result)
{
	buf_finish(&result->text);
}

int fs_patch(const struct fs_root *root, const char *patch, size_t len, bool sync,
	struct arena *arena, struct fs_patch_result *ret, struct error *err)
{
	struct fs_patch_result result = {0};
	struct patch_hunk *hunks;
	_cleanup_(session_finish) struct session s = {
		.root = root, .arena = arena, .result = &result, .err = err};
	int r = patch_parse((struct span){patch, len}, arena, &hunks, err);

	if (r < 0) {
		return r;
	}
	s.targets = xcalloc(LIMIT_PATCH_FILES + 1, sizeof(*s.targets));
	for (const struct patch_hunk *hunk = hunks; hunk != NULL; hunk = hunk->next) {
		r = run_hunk(&s, hunk);
		if (r < 0) {
			return r;
		}
	}
	r = prepare(&s, sync);
	if (r == 0) {
		r = commit(&s);
	}
	if (r < 0) {
		for (size_t i = s.count; i-- > 0;) {
			fs_change_rollback(&s.targets[i].change);
		}
		return r;
	}
	buf_add_str(&result.text, "Success. Updated the following files:");
	add_list(&result.text, 'A', &result.added);
	add_list(&result.text, 'M', &result.modified);
	add_list(&result.text, 'D', &result.deleted);
	*ret = result;
	return 0;
}
