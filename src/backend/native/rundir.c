/* SPDX-License-Identifier: MIT */
/* Makes and removes the run directory of a lasting sandbox. */
#include "backend/native/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/own.h"

static const char *const files[] = {"socket", "token", "init"};

static int listen_in(int dir_fd, const char *dir, struct error *err)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	/* Through the descriptor: a run directory's path may be longer than a socket address. */
	(void)snprintf(
		address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/socket", dir_fd);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
		fchmodat(dir_fd, "socket", 0600, 0) < 0 || listen(fd, 1) < 0) {
		return error_set(err, errno, "cannot listen in the run directory '%s'", dir);
	}
	return TAKE_FD(fd);
}

static int put_file(int dir_fd, const char *name, mode_t mode, const void *data, size_t len,
	const char *dir, struct error *err)
{
	_cleanup_close_ int fd =
		openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);

	if (fd < 0 || (len > 0 && write(fd, data, len) != (ssize_t)len)) {
		return error_set(
			err, errno, "cannot write '%s' in the run directory '%s'", name, dir);
	}
	return 0;
}

static int fill(int dir_fd, const char *dir, uint8_t token[WIRE_TOKEN_SIZE], int *ret_listen_fd,
	struct error *err)
{
	_cleanup_close_ int fd = listen_in(dir_fd, dir, err);
	int r;

	if (fd < 0) {
		return fd;
	}
	arc4random_buf(token, WIRE_TOKEN_SIZE);
	r = put_file(dir_fd, "token", 0400, token, WIRE_TOKEN_SIZE, dir, err);
	if (r == 0) {
		r = put_file(dir_fd, "init", 0500, NULL, 0, dir, err);
	}
	if (r == 0) {
		*ret_listen_fd = TAKE_FD(fd);
	}
	return r;
}

int rundir_prepare(
	const char *dir, uint8_t ret_token[WIRE_TOKEN_SIZE], int *ret_listen_fd, struct error *err)
{
	_cleanup_close_ int dir_fd = FD_NONE;
	int r;

	if (mkdir(dir, 0700) < 0) {
		return error_set(err, errno, "cannot make the run directory '%s'", dir);
	}
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir_fd < 0) {
		return error_set(err, errno, "cannot open the run directory '%s'", dir);
	}
	r = fill(dir_fd, dir, ret_token, ret_listen_fd, err);
	if (r < 0) {
		rundir_remove(dir);
	}
	return r;
}

int rundir_hand_over(const char *dir, uid_t uid, gid_t gid, struct error *err)
{
	_cleanup_close_ int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir_fd < 0) {
		return error_set(err, errno, "cannot open the run directory '%s'", dir);
	}
	if (uid == geteuid()) {
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		if (fchownat(dir_fd, files[i], uid, gid, AT_SYMLINK_NOFOLLOW) < 0) {
			return error_set(err, errno, "cannot give '%s' in '%s' to uid %u", files[i],
				dir, uid);
		}
	}
	return fchown(dir_fd, uid, gid) < 0
		       ? error_set(err, errno, "cannot give '%s' to uid %u", dir, uid)
		       : 0;
}

void rundir_remove(const char *dir)
{
	int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	for (size_t i = 0; dir_fd >= 0 && i < ARRAY_SIZE(files); i++) {
		(void)unlinkat(dir_fd, files[i], 0);
	}
	if (dir_fd >= 0) {
		(void)close(dir_fd);
	}
	(void)rmdir(dir);
}
