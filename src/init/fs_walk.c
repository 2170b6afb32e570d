/* SPDX-License-Identifier: MIT */
/* Walk a tree with its .gitignore files. */
#include "init/fs_walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/own.h"
#include "base/path.h"
#include "init/ignore.h"

struct walk {
	walk_fn fn;
	void *arg;
	struct error *err;
	bool no_ignore, truncated;
	struct buf path; /* from the workspace (or from "/") to where the walk is */
	size_t start_len; /* of path, what leads to the start */
	const char *prefix; /* before path to make it absolute: "" or "/" */
	size_t entries;
	uint64_t start_ns;
};

bool fs_walk_is_late(uint64_t start_ns)
{
	return clock_now_ns() - start_ns > LIMIT_WALK_MS * NS_PER_MS;
}

static int compare_names(const void *a, const void *b)
{
	const struct name_entry *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* As bytes of the whole path: a directory sorts as its name and a slash. */
static int compare_paths(const void *a, const void *b)
{
	const struct name_entry *x = a, *y = b;
	const uint8_t *p = (const uint8_t *)x->name, *q = (const uint8_t *)y->name;
	int c, d;

	while (*p == *q && *p != '\0') {
		p++;
		q++;
	}
	c = *p == '\0' && x->type == DT_DIR ? '/' : *p;
	d = *q == '\0' && y->type == DT_DIR ? '/' : *q;
	return c - d;
}

int fs_read_names(int adopt_fd, size_t max, struct arena *arena, struct name_entry **ret,
	size_t *ret_count, bool *ret_more)
{
	DIR *dir = fdopendir(adopt_fd);
	struct name_entry *names = NULL;
	size_t count = 0, cap = 0;
	struct dirent *entry;

	if (dir == NULL) {
		int saved = errno;

		(void)close(adopt_fd);
		return -saved;
	}
	*ret_more = false;
	while ((entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
			continue;
		}
		if (count == max) {
			*ret_more = true;
			break;
		}
		if (count == cap) {
			cap = cap > 0 ? cap * 2 : 32;
			names = xreallocarray(names, cap, sizeof(*names));
		}
		if (entry->d_type == DT_UNKNOWN) {
			struct stat st;

			/* IFTODT(): some file systems do not say. */
			if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
				entry->d_type = (unsigned char)((st.st_mode & S_IFMT) >> 12);
			}
		}
		names[count++] =
			(struct name_entry){arena_strdup(arena, entry->d_name), entry->d_type};
	}
	(void)closedir(dir);
	if (count > 1) {
		qsort(names, count, sizeof(*names), compare_names);
	}
	*ret = names;
	*ret_count = count;
	return 0;
}

/* The rules of one directory, or above when it has none. file: ".gitignore". */
static const struct ignore *load_rules(
	int dirfd, const char *file, size_t base, const struct ignore *above, struct arena *arena)
{
	_cleanup_close_ int fd =
		openat(dirfd, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	_cleanup_buf_ struct buf text = {0};
	struct ignore *rules;
	struct error unused;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
		fs_read_whole(fd, LIMIT_IGNORE_FILE, file, &text, &unused) < 0 || text.len == 0) {
		return above;
	}
	rules = arena_alloc(arena, sizeof(*rules));
	ignore_parse(text.data, text.len, arena, rules);
	rules->above = above;
	rules->base = base;
	return rules;
}

static int visit(struct walk *w, int dirfd, const struct name_entry *name, bool shown_absolute)
{
	_cleanup_buf_ struct buf shown = {0};
	struct walk_entry entry = {
		.dirfd = dirfd,
		.name = name->name,
		.path = w->path.data + w->start_len,
		.shown = w->path.data,
		.type = name->type,
	};

	if (shown_absolute) {
		buf_addf(&shown, "/%s", w->path.data);
		entry.shown = shown.data;
	}
	return w->fn(w->arg, &entry, w->err);
}

static int walk_directory(struct walk *w, int adopt_fd, const struct ignore *above, unsigned depth);

/* One name of a directory; w->path holds it. */
static int walk_name(struct walk *w, int dirfd, const struct name_entry *name,
	const struct ignore *rules, unsigned depth)
{
	bool is_dir = name->type == DT_DIR;
	int fd, r;

	if (++w->entries > LIMIT_WALK_ENTRIES ||
		(w->entries % 64 == 0 && fs_walk_is_late(w->start_ns))) {
		w->truncated = true;
		return 1;
	}
	if (!w->no_ignore && ignore_match(rules, w->path.data, is_dir)) {
		return 0;
	}
	if (!is_dir) {
		r = visit(w, dirfd, name, *w->prefix != '\0');
		w->truncated |= r == 1;
		return r;
	}
	if (depth >= LIMIT_WALK_DEPTH) {
		w->truncated = true;
		return 0;
	}
	fd = openat(
		dirfd, name->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		return 0;
	}
	buf_add_char(&w->path, '/');
	return walk_directory(w, fd, rules, depth + 1);
}

static int walk_directory(struct walk *w, int adopt_fd, const struct ignore *above, unsigned depth)
{
	_cleanup_close_ int fd = fcntl(adopt_fd, F_DUPFD_CLOEXEC, 3);
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_free_ struct name_entry *names = NULL;
	const struct ignore *rules = above;
	size_t count = 0, len = w->path.len;
	bool more = false;
	int r = 0;

	if (fd < 0) {
		(void)close(adopt_fd);
		w->truncated = true;
		return 0;
	}
	if (fs_read_names(adopt_fd, LIMIT_WALK_ENTRIES, &arena, &names, &count, &more) < 0) {
		return 0;
	}
	w->truncated |= more;
	if (count > 1) {
		qsort(names, count, sizeof(*names), compare_paths);
	}
	if (!w->no_ignore) {
		rules = load_rules(fd, ".git/info/exclude", len, rules, &arena);
		rules = load_rules(fd, ".gitignore", len, rules, &arena);
	}
	for (size_t i = 0; i < count && r == 0; i++) {
		if (strcmp(names[i].name, ".git") == 0) {
			continue;
		}
		buf_add_str(&w->path, names[i].name);
		r = walk_name(w, fd, &names[i], rules, depth);
		w->path.len = len;
		w->path.data[len] = '\0';
	}
	return r;
}

/* The rules of the directories from the workspace down to the start, which has its own read later. */
static const struct ignore *load_above(
	const struct fs_root *root, const char *inside, struct arena *arena)
{
	const struct ignore *rules = NULL;
	const char *at = inside;

	while (*at != '\0') {
		const char *dir = arena_strndup(arena, inside, (size_t)(at - inside));
		const char *shown, *slash = strchr(at, '/');
		struct error unused;
		_cleanup_close_ int fd = FD_NONE;

		if (fs_open_directory(root, arena, dir, &fd, &shown, &unused) < 0) {
			break;
		}
		rules = load_rules(fd, ".git/info/exclude", (size_t)(at - inside), rules, arena);
		rules = load_rules(fd, ".gitignore", (size_t)(at - inside), rules, arena);
		at = slash != NULL ? slash + 1 : at + strlen(at);
	}
	return rules;
}

static int walk_file(struct walk *w, const struct fs_place *place)
{
	struct name_entry name = {place->name, (unsigned char)((place->st.st_mode & S_IFMT) >> 12)};

	w->start_len = w->path.len - strlen(path_basename(w->path.data));
	return visit(w, place->dirfd, &name, *w->prefix != '\0');
}

int fs_walk(const struct fs_root *root, const struct fs_walk_opts *opts, walk_fn fn, void *arg,
	bool *ret_truncated, struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_(fs_place_finish) struct fs_place place = {.dirfd = FD_NONE};
	const char *path = opts->path != NULL && *opts->path != '\0' ? opts->path : ".", *shown;
	struct walk w = {
		.fn = fn, .arg = arg, .err = err, .no_ignore = opts->no_ignore, .prefix = ""};
	const struct ignore *rules = NULL;
	int fd, r = fs_place_find(root, &arena, path, FS_FOLLOW, &place, err);

	if (r < 0) {
		return r;
	}
	if (!place.exists) {
		return error_plain(err, ENOENT, "Path not found: %s", place.label);
	}
	w.start_ns = clock_now_ns();
	shown = strcmp(place.shown, root->path) == 0 ? "" : place.shown;
	if (*shown == '/') {
		w.prefix = "/";
		shown++;
	}
	buf_add_str(&w.path, shown);
	if (!S_ISDIR(place.st.st_mode)) {
		r = walk_file(&w, &place);
	} else {
		if (!w.no_ignore && *w.prefix == '\0') {
			rules = load_above(root, shown, &arena);
		}
		if (w.path.len > 0) {
			buf_add_char(&w.path, '/');
		}
		w.start_len = w.path.len;
		r = fs_open_directory(root, &arena, path, &fd, &shown, err);
		if (r == 0) {
			r = walk_directory(&w, fd, rules, 0);
		}
	}
	buf_finish(&w.path);
	if (r >= 0) {
		*ret_truncated = w.truncated;
	}
	return r < 0 ? r : 0;
}
