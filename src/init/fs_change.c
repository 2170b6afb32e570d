/* SPDX-License-Identifier: MIT */
/* Replace files so that nobody sees half of one, and take it back if another one fails. */
#include "init/fs_change.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/xattr.h>
#include <time.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/own.h"

enum { NAME_TRIES = 16, LOCK_TRIES = 2000 };

void fs_change_init(struct fs_change *change, struct fs_place *place)
{
	*change = (struct fs_change){.place = place, .source_fd = FD_NONE, .made_below = FD_NONE};
}

static int fail(const struct fs_change *c, int num, struct error *err)
{
	return error_set(
		err, num, "cannot %s '%s'", c->remove ? "delete" : "write", c->place->label);
}

static void random_name(char ret[FS_TEMP_NAME_SIZE])
{
	uint64_t value = 0;

	/* Only has to be free: O_EXCL tells. */
	if (getrandom(&value, sizeof(value), GRND_NONBLOCK) < 0) {
		struct timespec now;

		(void)clock_gettime(CLOCK_REALTIME, &now);
		value = (uint64_t)now.tv_nsec << 32 ^ (uint64_t)now.tv_sec;
	}
	(void)snprintf(ret, FS_TEMP_NAME_SIZE, ".creel-%016llx", (unsigned long long)value);
}

static int write_at(int fd, const char *data, size_t len, size_t offset)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, data, len, (off_t)offset);

		if (n < 0) {
			if (errno == EINTR) {
				continue;
			}
			return -errno;
		}
		data += n;
		len -= (size_t)n;
		offset += (size_t)n;
	}
	return 0;
}

static int make_parents(struct fs_change *c, struct error *err)
{
	struct fs_place *place = c->place;
	const char *rest = place->missing;
	char part[NAME_MAX + 1];

	if (rest == NULL) {
		return 0;
	}
	c->made_below = fcntl(place->dirfd, F_DUPFD_CLOEXEC, 3);
	if (c->made_below < 0) {
		return fail(c, errno, err);
	}
	while (*(rest += strspn(rest, "/")) != '\0') {
		size_t n = strcspn(rest, "/");
		int next;

		if (n >= sizeof(part)) {
			return fail(c, ENAMETOOLONG, err);
		}
		memcpy(part, rest, n);
		part[n] = '\0';
		if (mkdirat(place->dirfd, part, 0777) == 0) {
			c->made_dirs++;
		} else if (errno != EEXIST) {
			return error_set(err, errno, "cannot make directory '%s' for '%s'", part,
				place->label);
		}
		next = openat(place->dirfd, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0) {
			return fail(c, errno, err);
		}
		(void)close(place->dirfd);
		place->dirfd = next;
		rest += n;
	}
	return 0;
}

static void unmake_parents(struct fs_change *c)
{
	char path[PATH_MAX];
	int len = c->made_dirs > 0 ? snprintf(path, sizeof(path), "%s", c->place->missing) : 0;

	/* Only empty ones go: somebody may have put something there. */
	while (c->made_dirs > 0 && len > 0 && (size_t)len < sizeof(path)) {
		(void)unlinkat(c->made_below, path, AT_REMOVEDIR);
		c->made_dirs--;
		while (len > 0 && path[--len] != '/') {
		}
		path[len] = '\0';
	}
	c->made_dirs = 0;
}

/* A file without a name: whoever is killed before it is whole leaves nothing behind. With one where
 * the file system has no such files (open(2), O_TMPFILE). */
static int open_temp(struct fs_change *c, bool named)
{
	int fd = named ? -1 : openat(c->place->dirfd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);

	for (int tries = 0; fd < 0 && tries < NAME_TRIES; tries++) {
		random_name(c->temp);
		fd = openat(c->place->dirfd, c->temp,
			O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
		if (fd >= 0) {
			c->has_temp = true;
		} else if (errno != EEXIST) {
			return -errno;
		}
	}
	return fd >= 0 ? fd : -EEXIST;
}

/* Names what open_temp() has opened without. */
static int name_temp(struct fs_change *c, int fd)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	for (int tries = 0; !c->has_temp && tries < NAME_TRIES; tries++) {
		random_name(c->temp);
		c->has_temp =
			linkat(AT_FDCWD, path, c->place->dirfd, c->temp, AT_SYMLINK_FOLLOW) == 0;
		if (!c->has_temp && errno != EEXIST) {
			return -errno;
		}
	}
	return c->has_temp ? 0 : -EEXIST;
}

static void drop_temp(struct fs_change *c)
{
	if (c->has_temp) {
		(void)unlinkat(c->place->dirfd, c->temp, 0);
		c->has_temp = false;
	}
}

static int copy_attribute(const struct fs_change *c, int fd, const char *name)
{
	_cleanup_free_ char *value = NULL;
	ssize_t len = fgetxattr(c->source_fd, name, NULL, 0);

	if (len < 0 || len > XATTR_SIZE_MAX) {
		return -1;
	}
	value = xmalloc((size_t)len + 1);
	len = fgetxattr(c->source_fd, name, value, (size_t)len);
	return len < 0 ? -1 : fsetxattr(fd, name, value, (size_t)len, 0);
}

/*
 * What its owner has put on it. Not security.*: a write to the file would drop its capabilities, too
 * (capabilities(7)), and labels are the policy's (xattr(7)). 1: not all can be kept this way.
 */
static int copy_attributes(const struct fs_change *c, int fd)
{
	static const char acl[] = "system.posix_acl_access";
	_cleanup_free_ char *names = NULL;
	ssize_t len = c->source_fd >= 0 ? flistxattr(c->source_fd, NULL, 0) : -1;
	bool has_acl = false, lost = false;

	if (len < 0) {
		return 0; /* this file system has none */
	}
	names = xmalloc((size_t)len + 1);
	len = len > 0 ? flistxattr(c->source_fd, names, (size_t)len) : 0;
	for (ssize_t at = 0; at < len; at += (ssize_t)strlen(names + at) + 1) {
		bool is_acl = strcmp(names + at, acl) == 0;

		if (is_acl || strncmp(names + at, "user.", 5) == 0) {
			bool copied = copy_attribute(c, fd, names + at) == 0;

			has_acl |= is_acl && copied;
			lost |= !copied;
		}
	}
	if (!has_acl) {
		/* The directory's default one came with the new file: it may let in more. */
		(void)fremovexattr(fd, acl);
	}
	return len < 0 || lost;
}

/* 1: the owner or an attribute cannot be kept this way. */
static int copy_rights(struct fs_change *c, int fd)
{
	const struct stat *like = c->like != NULL ? c->like : &c->place->st;
	struct stat st;

	if (c->like == NULL && !(c->place->exists && S_ISREG(like->st_mode))) {
		return 0;
	}
	if (fstat(fd, &st) < 0) {
		return -errno;
	}
	if ((st.st_uid != like->st_uid || st.st_gid != like->st_gid) &&
		fchown(fd, like->st_uid, like->st_gid) < 0 && c->like == NULL) {
		return 1;
	}
	if (copy_attributes(c, fd) != 0 && c->like == NULL) {
		return 1;
	}
	/* Not the set-user-ID bits: a write to the file would drop them, too, write(2). */
	return fchmod(fd, like->st_mode & 01777) < 0 ? -errno : 0;
}

/* 1: only in place can it be kept as it is. */
static int write_temp(struct fs_change *c, bool named)
{
	_cleanup_close_ int fd = open_temp(c, named);
	int r;

	if (fd < 0) {
		bool forbidden = fd == -EACCES || fd == -EPERM || fd == -EROFS;

		return c->place->exists && forbidden ? 1 : fd;
	}
	r = write_at(fd, c->data, c->len, 0);
	if (r == 0) {
		r = copy_rights(c, fd);
	}
	if (r == 0 && c->sync && fsync(fd) < 0) {
		r = -errno;
	}
	if (r == 0 && !c->has_temp && name_temp(c, fd) < 0) {
		/* No /proc here, or one without links. */
		return write_temp(c, true);
	}
	if (r != 0) {
		drop_temp(c);
	}
	return r;
}

int fs_change_prepare(struct fs_change *c, struct error *err)
{
	int r;

	if (c->remove) {
		return 0;
	}
	r = make_parents(c, err);
	if (r < 0) {
		return r;
	}
	r = write_temp(c, false);
	c->in_place = r > 0;
	return r < 0 ? fail(c, -r, err) : 0;
}

/* Growth first: when the disk is full, the old content is still whole. */
static int overwrite(int fd, const char *data, size_t len, size_t old_len)
{
	size_t head = len < old_len ? len : old_len;
	int r = write_at(fd, data + head, len - head, head);

	if (r < 0) {
		/* Should this fail too, the old content is still there, with a tail. */
		return ftruncate(fd, (off_t)old_len) < 0 ? -errno : r;
	}
	r = write_at(fd, data, head, 0);
	if (r == 0 && len < old_len && ftruncate(fd, (off_t)len) < 0) {
		r = -errno;
	}
	return r;
}

static int write_in_place(struct fs_change *c, bool backup, struct error *err)
{
	_cleanup_close_ int fd = openat(c->place->dirfd, c->place->name,
		(backup ? O_RDWR : O_WRONLY) | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0) {
		return fail(c, errno, err);
	}
	if (!S_ISREG(st.st_mode)) {
		return fail(c, EINVAL, err);
	}
	if (backup) {
		r = fs_read_whole(fd, LIMIT_EDIT_FILE, c->place->label, &c->original, err);
		if (r < 0) {
			return r;
		}
	}
	r = overwrite(fd, c->data, c->len, (size_t)st.st_size);
	if (r == 0 && c->sync && fsync(fd) < 0) {
		r = -errno;
	}
	if (r < 0) {
		return fail(c, -r, err);
	}
	c->in_place = c->committed = true;
	return 0;
}

static bool is_unchanged(const struct fs_place *place)
{
	const struct stat *a = &place->st;
	struct stat b;

	if (fstatat(place->dirfd, place->name, &b, AT_SYMLINK_NOFOLLOW) < 0) {
		return !place->exists && errno == ENOENT;
	}
	return place->exists && a->st_dev == b.st_dev && a->st_ino == b.st_ino &&
	       a->st_size == b.st_size && a->st_mtim.tv_sec == b.st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b.st_mtim.tv_nsec && a->st_ctim.tv_sec == b.st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b.st_ctim.tv_nsec;
}

/* A second name for what is there, or, where links are not to be had, its only one. */
static int keep_backup(struct fs_change *c)
{
	int dirfd = c->place->dirfd;

	random_name(c->backup);
	if ((c->remove || linkat(dirfd, c->place->name, dirfd, c->backup, 0) < 0) &&
		renameat(dirfd, c->place->name, dirfd, c->backup) < 0) {
		return -errno;
	}
	c->has_backup = true;
	return 0;
}

static int commit_names(struct fs_change *c, bool backup)
{
	int dirfd = c->place->dirfd;

	if (backup && c->place->exists) {
		int r = keep_backup(c);

		if (r < 0 || c->remove) {
			return r;
		}
	} else if (c->remove) {
		return unlinkat(dirfd, c->place->name, 0) < 0 ? -errno : 0;
	}
	if (renameat(dirfd, c->temp, dirfd, c->place->name) < 0) {
		int saved = errno;

		if (c->has_backup) {
			(void)renameat(dirfd, c->backup, dirfd, c->place->name);
			/* Of two names for one file a rename leaves both. */
			(void)unlinkat(dirfd, c->backup, 0);
			c->has_backup = false;
		}
		return -saved;
	}
	c->has_temp = false;
	return 0;
}

int fs_change_commit(struct fs_change *c, bool strict, bool backup, struct error *err)
{
	int r;

	if (strict && !is_unchanged(c->place)) {
		return error_plain(err, ESTALE,
			"'%s' was changed by somebody else meanwhile: read it again and retry",
			c->place->label);
	}
	if (c->in_place) {
		return write_in_place(c, backup, err);
	}
	r = commit_names(c, backup);
	if ((r == -EBUSY || r == -EXDEV) && !c->remove && c->place->exists) {
		/* A mount point, such as a single file that is bound into the sandbox. */
		drop_temp(c);
		return write_in_place(c, backup, err);
	}
	if (r < 0) {
		return fail(c, -r, err);
	}
	c->committed = true;
	if (c->sync) {
		_cleanup_close_ int dir =
			openat(c->place->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (dir < 0 || fsync(dir) < 0) {
			return fail(c, errno, err);
		}
	}
	return 0;
}

void fs_change_rollback(struct fs_change *c)
{
	int dirfd = c->place->dirfd;

	if (c->committed && c->in_place) {
		_cleanup_close_ int fd = openat(
			dirfd, c->place->name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

		if (fd >= 0) {
			(void)overwrite(fd, c->original.len > 0 ? c->original.data : "",
				c->original.len, c->len);
		}
	} else if (c->has_backup) {
		(void)renameat(dirfd, c->backup, dirfd, c->place->name);
		c->has_backup = false;
	} else if (c->committed && !c->remove) {
		(void)unlinkat(dirfd, c->place->name, 0);
	}
	c->committed = false;
	drop_temp(c);
	unmake_parents(c);
}

void fs_change_finish(struct fs_change *c)
{
	drop_temp(c);
	if (c->has_backup) {
		(void)unlinkat(c->place->dirfd, c->backup, 0);
	}
	if (c->made_below >= 0) {
		(void)close(c->made_below);
	}
	buf_finish(&c->original);
	fs_change_init(c, c->place);
}

/* 1: locked, and still the file that the name means. 0: it is another one by now. */
static int lock_once(const struct fs_place *place, int fd, int *tries)
{
	const struct timespec nap = {0, 1000000};
	struct stat mine, now;

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK || --*tries <= 0) {
			return 1; /* without: the check before the rename remains */
		}
		(void)nanosleep(&nap, NULL);
	}
	return fstat(fd, &mine) == 0 &&
	       fstatat(place->dirfd, place->name, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
	       mine.st_ino == now.st_ino && mine.st_dev == now.st_dev;
}

int fs_place_lock(const struct fs_root *root, struct arena *arena, const char *path,
	struct fs_place *ret, int *ret_fd, struct error *err)
{
	int tries = LOCK_TRIES;

	for (;;) {
		_cleanup_(fs_place_finish) struct fs_place place = {.dirfd = FD_NONE};
		_cleanup_close_ int fd = FD_NONE;
		int r = fs_place_find(root, arena, path, FS_FOLLOW, &place, err);

		if (r == 0 && place.exists) {
			r = fs_place_open(root, &place, &fd, &place.st, err);
			/* Replaced just now: the name was there, the file is gone. */
			if (r == -ENOENT && --tries > 0) {
				continue;
			}
		}
		if (r < 0) {
			return r;
		}
		if (fd >= 0 && lock_once(&place, fd, &tries) == 0 && --tries > 0) {
			continue;
		}
		if (fd >= 0 && fstat(fd, &place.st) < 0) {
			return error_set(err, errno, "cannot read '%s'", place.label);
		}
		*ret = place;
		place.dirfd = FD_NONE;
		*ret_fd = TAKE_FD(fd);
		return 0;
	}
}
