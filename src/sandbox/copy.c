/* SPDX-License-Identifier: MIT */
#include "sandbox/copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	DIR_MODE = 0700,
	FILE_MODE = 0600,
	COPY_SIZE = 64 * 1024,
	/* Whoever nests deeper has done it to be in the way. */
	REMOVE_DEPTH = 128,
};

static int take_dir(int adopt_fd, const char *name, struct copy_dir *ret, struct error *err)
{
	_cleanup_close_ int fd = adopt_fd;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		return error_set(err, errno, "cannot open the directory '%s'", name);
	}
	*ret = (struct copy_dir){.fd = TAKE_FD(fd), .uid = st.st_uid, .gid = st.st_gid};
	return 0;
}

int copy_dir_open(const char *path, struct copy_dir *ret, struct error *err)
{
	return take_dir(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), path, ret, err);
}

/* Only root can give a file to somebody else, and only root has to. */
static int give(int fd, const struct copy_dir *to)
{
	return geteuid() == 0 && fchown(fd, to->uid, to->gid) < 0 ? -errno : 0;
}

int copy_dir_enter(
	const struct copy_dir *in, const char *name, struct copy_dir *ret, struct error *err)
{
	bool made = mkdirat(in->fd, name, DIR_MODE) == 0;
	int r;

	if (!made && errno != EEXIST) {
		return error_set(err, errno, "cannot make the directory '%s'", name);
	}
	r = take_dir(openat(in->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), name,
		ret, err);
	if (r < 0 || !made) {
		return r;
	}
	ret->uid = in->uid;
	ret->gid = in->gid;
	r = give(ret->fd, in);
	if (r < 0) {
		copy_dir_close(ret);
		ret->fd = FD_NONE;
		return error_set(
			err, -r, "cannot give the directory '%s' to uid %u", name, in->uid);
	}
	return 0;
}

/* --- files --- */

static int write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno != EINTR) {
			return -errno;
		}
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static int copy_bytes(int from_fd, int to_fd, uint64_t max)
{
	char data[COPY_SIZE];
	uint64_t total = 0;

	for (;;) {
		ssize_t n = pread(from_fd, data, sizeof(data), (off_t)total);
		int r;

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return n < 0 ? -errno : 0;
		}
		total += (uint64_t)n;
		r = total > max ? -EFBIG : write_all(to_fd, data, (size_t)n);
		if (r < 0) {
			return r;
		}
	}
}

static int fill(
	int from_fd, const struct stat *from, int to_fd, const struct copy_dir *to, uint64_t max)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, from->st_mtim};
	int r = copy_bytes(from_fd, to_fd, max);

	if (r == 0) {
		r = give(to_fd, to);
	}
	if (r == 0 && (fchmod(to_fd, FILE_MODE | (from->st_mode & 0111)) < 0 ||
			      futimens(to_fd, times) < 0)) {
		r = -errno;
	}
	return r;
}

int copy_file(
	int from_fd, const struct copy_dir *to, const char *name, uint64_t max, struct error *err)
{
	_cleanup_close_ int fd = FD_NONE;
	struct stat st;
	int r;

	if (fstat(from_fd, &st) < 0) {
		return error_set(err, errno, "cannot look at the source of '%s'", name);
	}
	if (!S_ISREG(st.st_mode)) {
		return error_plain(err, EINVAL, "the source of '%s' is no regular file", name);
	}
	if ((uint64_t)st.st_size > max) {
		return error_plain(err, EFBIG, "'%s' has %lld bytes; at most %llu are copied", name,
			(long long)st.st_size, (unsigned long long)max);
	}
	fd = openat(to->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	if (fd < 0) {
		return error_set(err, errno, "cannot make the file '%s'", name);
	}
	r = fill(from_fd, &st, fd, to, max);
	if (r < 0) {
		(void)unlinkat(to->fd, name, 0);
		return error_set(err, -r, "cannot copy '%s'", name);
	}
	return 0;
}

/* --- names, and taking away --- */

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static void close_dir(DIR **list)
{
	if (*list != NULL) {
		(void)closedir(*list);
	}
}

/* A stream of its own position: dir_fd may be read several times. */
static DIR *list_dir(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd >= 0 ? fdopendir(fd) : NULL;

	if (list == NULL && fd >= 0) {
		(void)close(fd);
	}
	return list;
}

int copy_names(struct arena *arena, int dir_fd, size_t max, struct strv *ret, struct error *err)
{
	_cleanup_(close_dir) DIR *list = list_dir(dir_fd);
	const struct dirent *entry;
	struct strv names = {0};

	if (list == NULL) {
		return error_set(err, errno, "cannot list a directory");
	}
	while ((entry = readdir(list)) != NULL) {
		if (is_dot(entry->d_name)) {
			continue;
		}
		if (names.count == max) {
			return error_plain(err, E2BIG,
				"a directory holds more than %zu names, which is too many", max);
		}
		strv_add(&names, arena, entry->d_name);
	}
	if (names.count > 0) {
		qsort(names.items, names.count, sizeof(*names.items), by_bytes);
	}
	*ret = names;
	return 0;
}

static void remove_at(int dir_fd, const char *name, int depth)
{
	_cleanup_(close_dir) DIR *list = NULL;
	const struct dirent *entry;
	int fd;

	if (unlinkat(dir_fd, name, 0) == 0 || (errno != EISDIR && errno != EPERM) || depth == 0) {
		return;
	}
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	list = fd >= 0 ? fdopendir(fd) : NULL;
	if (list == NULL) {
		cleanup_closep(&fd);
		return;
	}
	while ((entry = readdir(list)) != NULL) {
		if (!is_dot(entry->d_name)) {
			remove_at(dirfd(list), entry->d_name, depth - 1);
		}
	}
	(void)unlinkat(dir_fd, name, AT_REMOVEDIR);
}

void copy_remove(int dir_fd, const char *name)
{
	remove_at(dir_fd, name, REMOVE_DEPTH);
}
