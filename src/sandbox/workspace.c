/* SPDX-License-Identifier: MIT */
/* Finding and making workspace directories. */
#include "sandbox/workspace.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "base/path.h"

enum { WORKSPACE_MODE = 0700 };

static const char *parent_of(struct arena *a, const char *path)
{
	const char *name = path_basename(path);
	size_t len = (size_t)(name - path);

	/* Without the slash, but "/" stays. */
	return len > 1 ? arena_strndup(a, path, len - 1) : "/";
}

/* The directory, made when it is missing. Only what did not exist gets a mode and an owner from us. */
static int make_parents(struct arena *a, const char *path, struct error *err)
{
	struct stat st;
	int r;

	if (stat(path, &st) == 0) {
		return S_ISDIR(st.st_mode) ? 0
					   : error_set(err, ENOTDIR,
						     "cannot make a workspace below '%s'", path);
	}
	if (errno != ENOENT) {
		return error_set(err, errno, "cannot look at '%s'", path);
	}
	r = make_parents(a, parent_of(a, path), err);
	if (r < 0) {
		return r;
	}
	if (mkdir(path, WORKSPACE_MODE) < 0 && errno != EEXIST) {
		return error_set(err, errno, "cannot make the directory '%s'", path);
	}
	return 0;
}

/* The sandbox's own directory lies where several sandboxes' directories lie. Were it a link, or
 * somebody else's, a command could be led to write outside, or be read by others. */
static int check_own(const char *path, struct error *err)
{
	struct stat st;

	if (lstat(path, &st) < 0) {
		return error_set(err, errno, "cannot look at the workspace '%s'", path);
	}
	if (S_ISLNK(st.st_mode)) {
		return error_plain(err, ELOOP,
			"the workspace '%s' is a symbolic link; a sandbox's own workspace "
			"must be a directory",
			path);
	}
	if (!S_ISDIR(st.st_mode)) {
		return error_plain(err, ENOTDIR, "the workspace '%s' is not a directory", path);
	}
	return 0;
}

static int check_given(const char *path, struct error *err)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		return error_set(err, errno, "cannot use the workspace '%s'", path);
	}
	if (!S_ISDIR(st.st_mode)) {
		return error_plain(err, ENOTDIR, "the workspace '%s' is not a directory", path);
	}
	return 0;
}

int workspace_prepare(
	struct arena *a, const char *path, enum workspace_kind kind, bool create, struct error *err)
{
	struct stat st;
	int r;

	if (lstat(path, &st) < 0 && errno == ENOENT && kind != WORKSPACE_GIVEN) {
		if (!create) {
			return 0;
		}
		r = make_parents(a, parent_of(a, path), err);
		/* mkdir() does not follow a link at the end, and leaves what is there alone. */
		if (r == 0 && mkdir(path, WORKSPACE_MODE) < 0 && errno != EEXIST) {
			r = error_set(err, errno, "cannot make the workspace '%s'", path);
		}
		if (r < 0) {
			return r;
		}
	}
	return kind == WORKSPACE_OWN ? check_own(path, err) : check_given(path, err);
}
