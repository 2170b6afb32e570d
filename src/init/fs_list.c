/* SPDX-License-Identifier: MIT */
/* ls and glob. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "base/limits.h"
#include "base/own.h"
#include "init/fs_walk.h"
#include "init/glob.h"

enum { LIST_DEFAULT = 500, GLOB_DEFAULT = 1000 };

static void describe(int dirfd, struct arena *arena, struct fs_entry *entry)
{
	static const char types[] = "?pc?d?b?f?l?s";
	char target[PATH_MAX];
	struct stat st;
	ssize_t n;

	if (fstatat(dirfd, entry->name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		return;
	}
	if ((st.st_mode & S_IFMT) >> 12 < sizeof(types) - 1) {
		entry->type = types[(st.st_mode & S_IFMT) >> 12];
	}
	entry->size = (uint64_t)st.st_size;
	entry->mtime_s = st.st_mtim.tv_sec;
	entry->mode = st.st_mode & 07777;
	if (S_ISLNK(st.st_mode)) {
		n = readlinkat(dirfd, entry->name, target, sizeof(target));
		entry->target = n >= 0 ? arena_strndup(arena, target, (size_t)n) : NULL;
	}
}

int fs_list(const struct fs_root *root, const char *path, size_t limit, struct arena *arena,
	struct fs_list_result *ret, struct error *err)
{
	_cleanup_close_ int fd = FD_NONE, dup_fd = FD_NONE;
	_cleanup_free_ struct name_entry *names = NULL;
	struct fs_list_result result = {0};
	const char *shown;
	bool more = false;
	int r = fs_open_directory(root, arena, path, &fd, &shown, err);

	if (r < 0) {
		return r;
	}
	limit = limit > 0 ? limit : LIST_DEFAULT;
	dup_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	r = dup_fd < 0 ? -errno
		       : fs_read_names(TAKE_FD(dup_fd), LIMIT_LIST_NAMES, arena, &names,
				 &result.count, &more);
	if (r < 0) {
		return error_set(err, -r, "cannot list '%s'", shown);
	}
	result.truncated = more || result.count > limit;
	result.count = result.count < limit ? result.count : limit;
	result.entries = arena_calloc(arena, result.count + 1, sizeof(*result.entries));
	for (size_t i = 0; i < result.count; i++) {
		result.entries[i].name = names[i].name;
		result.entries[i].type = '?';
		describe(fd, arena, &result.entries[i]);
	}
	*ret = result;
	return 0;
}

struct globbing {
	struct glob glob;
	struct arena *arena;
	struct fs_glob_result result;
	size_t limit;
};

static int glob_entry(void *arg, const struct walk_entry *entry, struct error *err)
{
	struct globbing *g = arg;

	(void)err;
	if (!glob_matches(&g->glob, entry->path)) {
		return 0;
	}
	if (g->result.paths.count == g->limit) {
		return 1;
	}
	strv_add(&g->result.paths, g->arena, entry->shown);
	return 0;
}

int fs_glob(const struct fs_root *root, const char *pattern, const struct fs_walk_opts *opts,
	struct arena *arena, struct fs_glob_result *ret, struct error *err)
{
	struct globbing g = {.arena = arena, .limit = opts->limit > 0 ? opts->limit : GLOB_DEFAULT};
	size_t n = strlen(root->path);
	int r;

	/* Models like to write where they are. */
	if (opts->path == NULL && strncmp(pattern, root->path, n) == 0 && pattern[n] == '/') {
		pattern += n + 1;
	}
	if (*pattern == '\0') {
		return error_plain(err, EINVAL, "the pattern is empty: '**' finds every file");
	}
	if (g.limit > LIMIT_GLOB_RESULTS) {
		g.limit = LIMIT_GLOB_RESULTS;
	}
	r = glob_compile(pattern, arena, &g.glob, err);
	if (r == 0) {
		r = fs_walk(root, opts, glob_entry, &g, &g.result.truncated, err);
	}
	if (r < 0) {
		return r;
	}
	*ret = g.result;
	return 0;
}
