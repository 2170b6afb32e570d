/* SPDX-License-Identifier: MIT */
/* Files that came in with messages, brought to where the sandbox can read them. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "base/path.h"
#include "os/sys.h"
#include "sandbox/content.h"
#include "sandbox/copy.h"

/* How many files of one name; then whoever sends them has something else in mind. */
enum { NAME_TRIES = 1000 };

#define INBOUND "media/inbound"

/* file://localhost/x is file:///x, RFC 8089. Escapes are not undone: senders of paths do not make them. */
static const char *strip_scheme(const char *source)
{
	static const char *const schemes[] = {"file://localhost/", "file:///"};

	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		size_t len = strlen(schemes[i]);

		if (strncmp(source, schemes[i], len) == 0) {
			return source + len - 1;
		}
	}
	return source;
}

/* The file, open for reading; it lies below the media directory by any of its names. */
static int open_source(struct decision *d, const char *source, struct error *err)
{
	const char *media = path_join(&d->arena, d->config->state_dir, "media");
	const char *path = strip_scheme(source);
	_cleanup_close_ int root = FD_NONE;
	_cleanup_close_ int fd = FD_NONE;
	struct stat st;

	if (!path_is_absolute(path)) {
		return error_plain(err, EINVAL,
			"'%.200s' is neither an absolute path nor a file:// URL", source);
	}
	path = path_normalize(&d->arena, path);
	if (!path_is_below(path, media) || strcmp(path, media) == 0) {
		return error_plain(err, EINVAL,
			"'%.200s' is not below '%s'; only files that came in there are copied",
			path, media);
	}
	root = open(media, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0) {
		return error_set(err, errno, "cannot open the media directory '%s'", media);
	}
	fd = sys_openat2(root, path + strlen(media) + 1, O_RDONLY | O_NONBLOCK | O_NOCTTY,
		RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	if (fd < 0) {
		return error_set(err, -fd, "cannot open '%.200s'", path);
	}
	/* A second name may be that of a file which nobody meant to send. */
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1) {
		return error_plain(err, EINVAL,
			"'%.200s' is not a regular file with one name; it is not copied", path);
	}
	return TAKE_FD(fd);
}

/* "a.tar.gz" -> "a.tar-1.gz"; ".x" has no ending. */
static const char *numbered(struct arena *arena, const char *name, int number)
{
	const char *dot = strrchr(name, '.');
	size_t stem = dot != NULL && dot != name ? (size_t)(dot - name) : strlen(name);

	return number == 0 ? name
			   : arena_printf(arena, "%.*s-%d%s", (int)stem, name, number, name + stem);
}

static int open_inbound(const struct decision *d, struct copy_dir *ret, struct error *err)
{
	_cleanup_copy_dir_ struct copy_dir workspace = COPY_DIR_NONE;
	_cleanup_copy_dir_ struct copy_dir media = COPY_DIR_NONE;
	int r = copy_dir_open(d->spec.workspace_dir, &workspace, err);

	if (r == 0) {
		r = copy_dir_enter(&workspace, "media", &media, err);
	}
	if (r == 0) {
		r = copy_dir_enter(&media, "inbound", ret, err);
	}
	return r < 0 ? error_prefix(err, "cannot use " INBOUND " in '%s'", d->spec.workspace_dir)
		     : 0;
}

int media_stage(struct decision *decision, const char *source, const char **ret, struct error *err)
{
	_cleanup_copy_dir_ struct copy_dir inbound = COPY_DIR_NONE;
	_cleanup_close_ int fd = open_source(decision, source, err);
	const char *name = path_basename(strip_scheme(source));
	int r = fd < 0 ? fd : open_inbound(decision, &inbound, err);

	if (r < 0) {
		return r;
	}
	for (int i = 0; i < NAME_TRIES; i++) {
		const char *free_name = numbered(&decision->arena, name, i);

		r = copy_file(fd, &inbound, free_name, LIMIT_MEDIA_FILE, err);
		if (r == 0) {
			*ret = arena_printf(&decision->arena, INBOUND "/%s", free_name);
			return 0;
		}
		if (r != -EEXIST) {
			return r;
		}
	}
	return error_plain(err, EEXIST,
		INBOUND " has %d files of the name '%.200s'; remove some of them", NAME_TRIES,
		name);
}
