/* SPDX-License-Identifier: MIT */
#include "backend/docker/owned.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/docker/hostpath.h"
#include "base/num.h"
#include "base/own.h"
#include "base/path.h"
#include "os/sys.h"

enum { MAP_TEXT = 256, STACK_SIZE = 16 * 1024, PLACES = 2 };

struct ids {
	uint32_t uid, gid;
};

/* "1000:1000"; false: by name, or no group is given, and only the image knows it. */
static bool parse_user(const char *user, struct ids *ret)
{
	const char *colon = user != NULL ? strchr(user, ':') : NULL;
	char uid[16];

	if (colon == NULL || (size_t)(colon - user) >= sizeof(uid)) {
		return false;
	}
	(void)memcpy(uid, user, (size_t)(colon - user));
	uid[colon - user] = '\0';
	return num_parse_u32(uid, 0, UINT32_MAX - 2, &ret->uid) == 0 &&
	       num_parse_u32(colon + 1, 0, UINT32_MAX - 2, &ret->gid) == 0;
}

/* --- a user namespace as a map --- */

/* a is shown as b and b as a, everybody else as himself; user_namespaces(7). */
static size_t make_map(uint32_t a, uint32_t b, char ret[MAP_TEXT])
{
	uint32_t low = a < b ? a : b, high = a < b ? b : a;
	int n = 0;

	if (low > 0) {
		n += snprintf(ret + n, MAP_TEXT - (size_t)n, "0 0 %u\n", low);
	}
	n += snprintf(ret + n, MAP_TEXT - (size_t)n, "%u %u 1\n", low, high);
	if (high > low + 1) {
		n += snprintf(ret + n, MAP_TEXT - (size_t)n, "%u %u %u\n", low + 1, low + 1,
			high - low - 1);
	}
	if (high > low) {
		n += snprintf(ret + n, MAP_TEXT - (size_t)n, "%u %u 1\n", high, low);
	}
	n += snprintf(ret + n, MAP_TEXT - (size_t)n, "%u %u %u\n", high + 1, high + 1,
		UINT32_MAX - 1 - high);
	return (size_t)n;
}

static int write_map(
	int proc_fd, const char *file, uint32_t owner, uint32_t user, struct error *err)
{
	char text[MAP_TEXT];
	size_t len = owner == user ? (size_t)snprintf(text, sizeof(text), "0 0 %u\n", UINT32_MAX)
				   : make_map(owner, user, text);
	int r = sys_write_file(proc_fd, file, text, len);

	return r < 0 ? error_set(err, -r, "cannot map the workspace's owner: writing %s", file) : 0;
}

static int nothing(void *arg)
{
	(void)arg;
	(void)pause();
	return 0;
}

static int open_map(pid_t pid, const struct ids *owner, const struct ids *user, struct error *err)
{
	_cleanup_close_ int proc_fd = FD_NONE;
	char path[32];
	int fd, r;

	(void)snprintf(path, sizeof(path), "/proc/%d", pid);
	proc_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc_fd < 0) {
		return error_set(err, errno, "cannot map the workspace's owner: '%s'", path);
	}
	r = write_map(proc_fd, "uid_map", owner->uid, user->uid, err);
	r = r < 0 ? r : write_map(proc_fd, "gid_map", owner->gid, user->gid, err);
	if (r < 0) {
		return r;
	}
	fd = openat(proc_fd, "ns/user", O_RDONLY | O_CLOEXEC);
	return fd < 0 ? error_set(err, errno, "cannot map the workspace's owner: ns/user") : fd;
}

/* The namespace lives as long as its descriptor; the process in it has nothing to do. */
static int make_userns(const struct ids *owner, const struct ids *user, struct error *err)
{
	_Alignas(16) char stack[STACK_SIZE];
	pid_t pid = clone(nothing, stack + sizeof(stack), CLONE_NEWUSER | SIGCHLD, NULL);
	int fd;

	if (pid < 0) {
		return error_set(err, errno, "cannot map the workspace's owner: clone");
	}
	fd = open_map(pid, owner, user, err);
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
	}
	return fd;
}

/* --- mounts --- */

static int mount_mapped(const char *source, const char *target, const struct ids *owner,
	const struct ids *user, struct error *err)
{
	_cleanup_close_ int tree = open_tree(AT_FDCWD, source,
		OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW);
	_cleanup_close_ int userns = make_userns(owner, user, err);
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP};

	if (userns < 0) {
		return userns;
	}
	attr.userns_fd = (uint64_t)userns;
	if (tree < 0) {
		return error_set(err, errno, "cannot open the workspace '%s'", source);
	}
	if (mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0) {
		return error_set(err, errno,
			"the workspace '%s' belongs to %u:%u, docker.user is %u:%u, and its file system "
			"has no idmapped mounts; leave docker.user out, or give the workspace to it",
			source, owner->uid, owner->gid, user->uid, user->gid);
	}
	if (mkdir(target, 0700) < 0 && errno != EEXIST) {
		return error_set(err, errno, "cannot make '%s'", target);
	}
	return move_mount(tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0
		       ? error_set(err, errno, "cannot mount the workspace at '%s'", target)
		       : 0;
}

static char *place(struct arena *arena, const char *dir, size_t i)
{
	return arena_printf(arena, "%s/%zu", dir, i);
}

static int map_one(struct spec_mount *mount, size_t i, const char *dir, const struct ids *user,
	struct arena *arena, struct error *err)
{
	struct stat st;
	struct ids owner;
	const char *target;
	int r;

	if (mount->kind == MOUNT_BIND || stat(mount->source, &st) < 0) {
		return 0; /* a bind's rights are the configuration's to say; a missing source, the engine's */
	}
	owner = (struct ids){st.st_uid, st.st_gid};
	if (owner.uid == user->uid) {
		return 0;
	}
	if (i >= PLACES || (mkdir(dir, 0700) < 0 && errno != EEXIST)) {
		return error_set(err, errno, "cannot make '%s'", dir);
	}
	target = place(arena, dir, i);
	r = mount_mapped(mount->source, target, &owner, user, err);
	if (r == 0) {
		mount->source = target;
	}
	return r;
}

/* In a container of its own: the engine would look for the mount on the host, where it is not. */
static bool is_contained(void)
{
	_cleanup_buf_ struct buf mountinfo = {0};
	char id[HOSTPATH_ID_SIZE];
	struct error ignored;

	return hostpath_read_mountinfo(&mountinfo, &ignored) == 0 && mountinfo.data != NULL &&
	       hostpath_own_id(mountinfo.data, id);
}

int owned_mount(const struct sandbox_spec *spec, const char *dir, struct arena *arena,
	struct sandbox_spec *ret, struct error *err)
{
	struct spec_mount *mounts;
	struct ids user;
	int r = 0;

	*ret = *spec;
	if (geteuid() != 0 || is_contained() || !parse_user(spec->user, &user)) {
		return 0;
	}
	owned_unmount(dir);
	mounts = arena_calloc(arena, spec->mount_count, sizeof(*mounts));
	for (size_t i = 0; r == 0 && i < spec->mount_count; i++) {
		mounts[i] = spec->mounts[i];
		r = map_one(&mounts[i], i, dir, &user, arena, err);
	}
	ret->mounts = mounts;
	if (r < 0) {
		owned_unmount(dir);
	}
	return r;
}

void owned_unmount(const char *dir)
{
	_cleanup_arena_ struct arena arena = {0};

	for (size_t i = 0; i < PLACES; i++) {
		const char *target = place(&arena, dir, i);

		/* Several, when somebody was killed in between. Containers keep their own. */
		while (umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
		}
		(void)rmdir(target);
	}
	(void)rmdir(dir);
}
