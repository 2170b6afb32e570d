/* SPDX-License-Identifier: MIT */
#include "backend/docker/home.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/native/rundir.h"
#include "base/own.h"
#include "base/path.h"

enum { MAKE_TRIES = 100 };

#define NAME_PREFIX "creel-"
#define NAME_PATTERN NAME_PREFIX "XXXXXX"

/* The engine must see the same directory there: not a private /tmp, if there is anything better. */
static const char *base_dir(void)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0 && access("/run", W_OK) == 0) {
		return "/run";
	}
	return runtime != NULL && path_is_absolute(runtime) && access(runtime, W_OK) == 0 ? runtime
											  : "/tmp";
}

static int open_up(struct arena *arena, const char *run_dir, struct error *err)
{
	/* Connecting needs permission to write. */
	if (chmod(path_join(arena, run_dir, "socket"), 0666) < 0 ||
		chmod(path_join(arena, run_dir, "token"), 0444) < 0 ||
		chmod(path_join(arena, run_dir, "init"), 0555) < 0 || chmod(run_dir, 0755) < 0) {
		return error_set(err, errno, "cannot set the modes in '%s'", run_dir);
	}
	return 0;
}

static bool is_ours(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_uid == geteuid() && (st.st_mode & 0777) == 0700;
}

/* What nobody holds a lock on was left by processes that were killed. */
static void sweep(struct arena *arena, const char *base)
{
	DIR *list = opendir(base);
	const struct dirent *entry;

	while (list != NULL && (entry = readdir(list)) != NULL) {
		_cleanup_close_ int fd = FD_NONE;

		if (strncmp(entry->d_name, NAME_PREFIX, strlen(NAME_PREFIX)) != 0 ||
			strlen(entry->d_name) != strlen(NAME_PATTERN)) {
			continue;
		}
		fd = openat(dirfd(list), entry->d_name,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && is_ours(fd) && flock(fd, LOCK_EX | LOCK_NB) == 0) {
			home_remove(path_join(arena, base, entry->d_name));
		}
	}
	if (list != NULL) {
		(void)closedir(list);
	}
}

/* Somebody may sweep between its making and its locking: then it is gone, and made again. */
static int make_locked(struct arena *arena, const char **ret, struct error *err)
{
	for (int i = 0; i < MAKE_TRIES; i++) {
		char *dir = path_join(arena, base_dir(), NAME_PATTERN);
		_cleanup_close_ int fd = FD_NONE;
		struct stat st;

		if (mkdtemp(dir) == NULL) {
			return error_set(
				err, errno, "cannot make a directory '%s' for the sandbox", dir);
		}
		fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && flock(fd, LOCK_SH) == 0 && fstat(fd, &st) == 0 && st.st_nlink > 0) {
			*ret = dir;
			return TAKE_FD(fd);
		}
		(void)rmdir(dir);
	}
	return error_plain(
		err, EAGAIN, "cannot keep a directory for the sandbox in '%s'", base_dir());
}

int home_make(struct arena *arena, struct home *ret, uint8_t ret_token[WIRE_TOKEN_SIZE],
	int *ret_listen_fd, struct error *err)
{
	_cleanup_close_ int lock_fd = FD_NONE;
	_cleanup_close_ int fd = FD_NONE;
	const char *dir, *run_dir;
	int r;

	sweep(arena, base_dir());
	lock_fd = make_locked(arena, &dir, err);
	if (lock_fd < 0) {
		return lock_fd;
	}
	run_dir = path_join(arena, dir, "run");
	r = rundir_prepare(run_dir, ret_token, &fd, err);
	if (r == 0) {
		r = open_up(arena, run_dir, err);
	}
	if (r < 0) {
		home_remove(dir);
		return r;
	}
	*ret = (struct home){.dir = dir, .run_dir = run_dir, .lock_fd = TAKE_FD(lock_fd)};
	*ret_listen_fd = TAKE_FD(fd);
	return 0;
}

int home_seal(const struct home *home, struct error *err)
{
	static const char *const names[] = {"token", "socket"};
	_cleanup_arena_ struct arena arena = {0};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (unlink(path_join(&arena, home->run_dir, names[i])) < 0 && errno != ENOENT) {
			return error_set(err, errno, "cannot remove the %s in '%s'", names[i],
				home->run_dir);
		}
	}
	return 0;
}

void home_remove(const char *dir)
{
	_cleanup_arena_ struct arena arena = {0};

	rundir_remove(path_join(&arena, dir, "run"));
	(void)unlink(path_join(&arena, dir, "init")); /* siblings.h */
	(void)rmdir(dir);
}
