/* SPDX-License-Identifier: MIT */
/* Resolve a path in two steps: as text, then by one open that refuses every symlink. */
#include "init/fs_path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/own.h"
#include "base/path.h"
#include "init/edit_text.h"

/*
 * A symlink is followed by rewriting the text of the path. The directory is then opened below the
 * root with RESOLVE_NO_SYMLINKS: if somebody changes a part into a symlink in between, the open
 * fails. So the text may be worked out without any care for races, and nothing outside the root is
 * ever opened (openat2(2)).
 */
struct open_how_v0 {
	uint64_t flags, mode, resolve;
};
enum {
	HOW_NO_MAGICLINKS = 0x02,
	HOW_NO_SYMLINKS = 0x04,
	HOW_BENEATH = 0x08,
	LINKS_MAX = 40,
};
#ifndef SYS_openat2
#	define SYS_openat2 437
#endif

/* Relative to base; "" is base itself. Without openat2: part by part, each not followed. */
static int open_beneath(const struct fs_root *root, int base, const char *path)
{
	struct open_how_v0 how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = HOW_NO_MAGICLINKS | HOW_NO_SYMLINKS | HOW_BENEATH,
	};
	_cleanup_close_ int fd = FD_NONE;
	char part[NAME_MAX + 1];
	struct stat st;

	if (!root->no_openat2) {
		int r = (int)syscall(
			SYS_openat2, base, *path != '\0' ? path : ".", &how, sizeof(how));

		/* A seccomp filter may say EPERM where it means that it does not know the call. */
		if (r >= 0 || (errno != ENOSYS && errno != EPERM)) {
			return r >= 0 ? r : -errno;
		}
	}
	fd = openat(base, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	while (fd >= 0 && *(path += strspn(path, "/")) != '\0') {
		size_t n = strcspn(path, "/");
		int next;

		if (n >= sizeof(part)) {
			return -ENAMETOOLONG;
		}
		memcpy(part, path, n);
		part[n] = '\0';
		path += n;
		next = openat(fd, part, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0) {
			return -errno;
		}
		(void)close(fd);
		fd = next;
		if (fstat(fd, &st) < 0) {
			return -errno;
		}
		if (!S_ISDIR(st.st_mode)) {
			return S_ISLNK(st.st_mode) ? -ELOOP : -ENOTDIR;
		}
	}
	return fd >= 0 ? TAKE_FD(fd) : -errno;
}

static int fail_escape(const struct fs_root *root, const struct fs_place *place, struct error *err)
{
	return error_plain(err, EPERM,
		"Path escapes sandbox root (%.256s): %s; tools.fs.workspaceOnly allows the workspace alone",
		root->path, place->label);
}

/* The part of an absolute, normalised path that is below dir, or NULL. */
static const char *below(const char *path, const char *dir)
{
	if (!path_is_below(path, dir)) {
		return NULL;
	}
	path += strcmp(dir, "/") == 0 ? 0 : strlen(dir);
	return path + strspn(path, "/");
}

/* A model's path: odd spaces, "@" and "~". */
static char *clean_path(const struct fs_root *root, struct arena *arena, const char *path)
{
	char *out = arena_alloc(arena, strlen(path) + 1), *end = out;
	struct stat st;

	if (*path == '@' && fstatat(root->fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		path++;
	}
	while (*path != '\0') {
		uint32_t point;
		size_t n = text_next(path, strlen(path), &point);

		if (text_fold(point) == ' ' || point == 0x2000 || point == 0x2001) {
			*end++ = ' ';
		} else {
			memcpy(end, path, n);
			end += n;
		}
		path += n;
	}
	*end = '\0';
	return root->home != NULL ? path_expand_home(arena, out, root->home) : out;
}

/* Where a walk over the text of a path has got to. */
struct resolver {
	const struct fs_root *root;
	struct arena *arena;
	const char *base_path; /* what base is called */
	int base;
	const char *done; /* canonical, relative to base; "" is base */
	const char *rest;
	int links;
};

/* Put the target of a symlink before what is left. false: it leads out of the workspace. */
static bool follow_link(struct resolver *r, const char *target)
{
	if (*target == '/') {
		const char *inside = target;

		if (r->root->workspace_only) {
			size_t n = strcmp(r->base_path, "/") != 0 ? strlen(r->base_path) : 0;

			if (strncmp(target, r->base_path, n) != 0 ||
				(target[n] != '/' && target[n] != '\0')) {
				return false;
			}
			inside = target + n;
		}
		target = inside;
		r->done = "";
	}
	r->rest = arena_printf(r->arena, "%s/%s", target, r->rest);
	return true;
}

/* One part of rest goes to done. 0, -EPERM (leads out), -ELOOP or what readlinkat(2) says. */
static int resolve_part(struct resolver *r, bool follow_last)
{
	size_t n;
	char target[PATH_MAX];
	const char *part, *next;
	ssize_t len = -1;

	r->rest += strspn(r->rest, "/");
	n = strcspn(r->rest, "/");
	part = r->rest;
	r->rest += n;
	r->rest += strspn(r->rest, "/");
	if (n == 0 || (n == 1 && *part == '.')) {
		return 0;
	}
	if (n == 2 && memcmp(part, "..", 2) == 0) {
		const char *slash = strrchr(r->done, '/');

		if (*r->done == '\0') {
			return r->root->workspace_only ? -EPERM : 0;
		}
		r->done = slash != NULL
				  ? arena_strndup(r->arena, r->done, (size_t)(slash - r->done))
				  : "";
		return 0;
	}
	next = arena_printf(
		r->arena, "%s%s%.*s", r->done, *r->done != '\0' ? "/" : "", (int)n, part);
	if (*r->rest != '\0' || follow_last) {
		len = readlinkat(r->base, next, target, sizeof(target) - 1);
		/* Not there, not a link, below a file: what is wrong shows when it is opened. */
		if (len < 0 && errno != EINVAL && errno != ENOENT && errno != ENOTDIR) {
			return -errno;
		}
	}
	if (len < 0) {
		r->done = next;
		return 0;
	}
	target[len] = '\0';
	if (++r->links > LINKS_MAX) {
		return -ELOOP;
	}
	return follow_link(r, target) ? 0 : -EPERM;
}

/* Opens the deepest directory of dir that is there. */
static int open_deepest(const struct fs_root *root, struct arena *arena, int base, const char *dir,
	struct fs_place *ret)
{
	char *have = arena_strdup(arena, dir);
	size_t len = strlen(have);

	for (;;) {
		int fd = open_beneath(root, base, have);

		if (fd >= 0) {
			ret->dirfd = fd;
			ret->missing = dir[len] == '\0' ? NULL : dir + len + (dir[len] == '/');
			return 0;
		}
		if (fd != -ENOENT || len == 0) {
			return fd;
		}
		while (len > 0 && have[--len] != '/') {
		}
		have[len] = '\0';
	}
}

/* done is canonical but for its last part. */
static int open_place(struct resolver *r, struct fs_place *ret)
{
	const char *slash = strrchr(r->done, '/');
	const char *dir =
		slash != NULL ? arena_strndup(r->arena, r->done, (size_t)(slash - r->done)) : "";
	int ret_open = open_deepest(r->root, r->arena, r->base, dir, ret);

	if (ret_open < 0) {
		return ret_open;
	}
	ret->name = slash != NULL ? slash + 1 : *r->done != '\0' ? r->done : ".";
	ret->exists = ret->missing == NULL &&
		      fstatat(ret->dirfd, ret->name, &ret->st, AT_SYMLINK_NOFOLLOW) == 0;
	if (!ret->exists && ret->missing == NULL && errno != ENOENT) {
		return -errno;
	}
	return 0;
}

void fs_place_finish(struct fs_place *place)
{
	if (place->dirfd >= 0) {
		(void)close(place->dirfd);
	}
	place->dirfd = FD_NONE;
}

static const char *shown_path(const struct fs_root *root, const char *absolute)
{
	const char *inside = below(absolute, root->path);

	return inside != NULL && *inside != '\0' ? inside : absolute;
}

/* For a message. */
static const char *quote(struct arena *arena, const char *path)
{
	_cleanup_buf_ struct buf out = {0};

	buf_add_escaped(&out, path, strlen(path), 400);
	return arena_strndup(arena, out.data != NULL ? out.data : "", out.len);
}

int fs_place_find(const struct fs_root *root, struct arena *arena, const char *path,
	enum fs_follow follow, struct fs_place *ret, struct error *err)
{
	_cleanup_close_ int slash = FD_NONE;
	_cleanup_(fs_place_finish) struct fs_place place = {.dirfd = FD_NONE};
	struct resolver r = {.root = root, .arena = arena, .base_path = "/", .done = ""};
	const char *absolute;
	int ret_code;

	if (*path == '\0') {
		return error_plain(err, EINVAL, "the path is empty: name a file");
	}
	place.label = quote(arena, path);
	absolute =
		path_normalize(arena, path_join(arena, root->path, clean_path(root, arena, path)));
	if (root->workspace_only) {
		r.base_path = root->path;
		r.base = root->fd;
	} else {
		slash = r.base = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	r.rest = below(absolute, r.base_path);
	if (r.rest == NULL) {
		return fail_escape(root, &place, err);
	}

	/* Most paths hold no symlink: one open tells. */
	r.done = r.rest;
	ret_code = open_place(&r, &place);
	if (ret_code == -ELOOP || (ret_code == 0 && follow == FS_FOLLOW && place.exists &&
					  S_ISLNK(place.st.st_mode))) {
		fs_place_finish(&place);
		r.rest = r.done;
		r.done = "";
		ret_code = 0;
		while (*r.rest != '\0' && ret_code == 0) {
			ret_code = resolve_part(&r, follow == FS_FOLLOW);
		}
		if (ret_code == 0) {
			ret_code = open_place(&r, &place);
		}
	}
	if (ret_code == -EPERM) {
		return fail_escape(root, &place, err);
	}
	if (ret_code < 0) {
		return error_set(err, -ret_code, "cannot reach '%s'", place.label);
	}
	place.shown = shown_path(root, absolute);
	*ret = place;
	place.dirfd = FD_NONE;
	return 0;
}

int fs_check_file(
	const struct fs_root *root, const struct stat *st, const char *label, struct error *err)
{
	if (S_ISDIR(st->st_mode)) {
		return error_plain(err, EISDIR, "'%s' is a directory, not a file", label);
	}
	if (!S_ISREG(st->st_mode)) {
		return error_plain(err, EINVAL, "'%s' is a %s, not a regular file", label,
			S_ISFIFO(st->st_mode)   ? "FIFO"
			: S_ISSOCK(st->st_mode) ? "socket"
			: S_ISLNK(st->st_mode)  ? "symbolic link"
						: "device");
	}
	if (root->workspace_only && st->st_nlink > 1) {
		return error_plain(err, EPERM,
			"Hardlinked path is not allowed: %s has %llu names, and one may be outside the "
			"workspace (tools.fs.workspaceOnly)",
			label, (unsigned long long)st->st_nlink);
	}
	return 0;
}

int fs_place_open(const struct fs_root *root, const struct fs_place *place, int *ret_fd,
	struct stat *ret_st, struct error *err)
{
	_cleanup_close_ int fd = FD_NONE;
	int r;

	if (!place->exists) {
		return error_plain(err, ENOENT, "File not found: %s", place->label);
	}
	/* Before the open: opening a device can do things. */
	r = fs_check_file(root, &place->st, place->label, err);
	if (r < 0) {
		return r;
	}
	fd = openat(place->dirfd, place->name,
		O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, ret_st) < 0) {
		return error_set(err, errno, "cannot open '%s'", place->label);
	}
	r = fs_check_file(root, ret_st, place->label, err);
	if (r < 0) {
		return r;
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int fs_open_directory(const struct fs_root *root, struct arena *arena, const char *path,
	int *ret_fd, const char **ret_shown, struct error *err)
{
	_cleanup_(fs_place_finish) struct fs_place place = {.dirfd = FD_NONE};
	int fd, r;

	r = fs_place_find(
		root, arena, path != NULL && *path != '\0' ? path : ".", FS_FOLLOW, &place, err);
	if (r < 0) {
		return r;
	}
	if (!place.exists) {
		return error_plain(err, ENOENT, "Path not found: %s", place.label);
	}
	fd = openat(place.dirfd, place.name,
		O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		return error_set(err, errno, "cannot open directory '%s'", place.label);
	}
	*ret_fd = fd;
	*ret_shown = place.shown;
	return 0;
}

int fs_read_whole(int fd, size_t max, const char *label, struct buf *out, struct error *err)
{
	struct stat st;
	size_t chunk;

	/* The size is a hint: files of /proc say 0, others grow. */
	chunk = fstat(fd, &st) == 0 && st.st_size > 0 && (uint64_t)st.st_size < max
			? (size_t)st.st_size + 1
			: 16384;
	for (;;) {
		char *room = buf_reserve(out, chunk);
		ssize_t n = read(fd, room, chunk);

		if (n < 0) {
			return error_set(err, errno, "cannot read '%s'", label);
		}
		if (n == 0) {
			return 0;
		}
		buf_commit(out, (size_t)n);
		if (out->len > max) {
			return error_plain(err, EFBIG, "'%s' is larger than %zu bytes", label, max);
		}
		/* The end is asked for in the room that is left: no second allocation for most files. */
		chunk = out->cap - out->len - 1;
		if (chunk == 0) {
			chunk = out->len < 65536 ? 16384 : 262144;
		}
	}
}
