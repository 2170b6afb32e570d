/* SPDX-License-Identifier: MIT */
/*
 * Carries out a plan. Everything here runs in a child that shares its parent's memory and has not
 * executed yet: no allocation, no logging, no write to anything but its own stack, one struct error
 * as the only way to report.
 */
#include "backend/native/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backend/native/facts.h"
#include "backend/native/network.h"
#include "base/own.h"
#include "native-seccomp.h"
#include "os/compat.h"
#include "os/sys.h"

struct apply {
	struct apply_context *context;
	const struct plan *plan;
	int root_fd; /* of the new root, O_PATH; FD_NONE before STEP_ROOT */
	int ruleset_fd; /* Landlock rules collected so far */
	int landlock_abi;
	struct error *err;
};

static int fail(struct apply *a, const struct plan_step *step, int r, const char *what)
{
	const char *target = step->target != NULL ? step->target : "";

	if (step->key != NULL) {
		return error_set(a->err, -r, "cannot start the sandbox: %s '/%s' (%s)", what,
			target, step->key);
	}
	return error_set(a->err, -r, "cannot start the sandbox: %s '/%s'", what, target);
}

static int no(int result)
{
	return result < 0 ? -errno : 0;
}

/* ids */

static int self_map(struct apply *a)
{
	const struct plan *plan = a->plan;
	char map[64];
	int r;
	int n;

	/* An ordinary user may map the own ids without help once setgroups(2) is off
	 * (user_namespaces(7)): no round trip to the parent. */
	r = sys_write_file(AT_FDCWD, "/proc/self/setgroups", "deny", 4);
	if (r == -ENOENT || r == -EACCES) {
		return error_set(a->err, -r,
			"cannot start the sandbox: the id map in /proc/self cannot be written; mount /proc "
			"read-write, and do not start sandboxes from a process that is not dumpable");
	}
	n = snprintf(map, sizeof(map), "%u %u 1\n", plan->inside_uid, plan->outside_uid);
	if (r == 0) {
		r = sys_write_file(AT_FDCWD, "/proc/self/uid_map", map, (size_t)n);
	}
	n = snprintf(map, sizeof(map), "%u %u 1\n", plan->inside_gid, plan->outside_gid);
	if (r == 0) {
		r = sys_write_file(AT_FDCWD, "/proc/self/gid_map", map, (size_t)n);
	}
	if (r < 0) {
		return error_set(a->err, -r,
			"cannot start the sandbox: mapping ids in the user namespace was refused; where "
			"AppArmor restricts user namespaces, run sysctl "
			"kernel.apparmor_restrict_unprivileged_userns=0 or give creel a profile");
	}
	return 0;
}

static int take_ids(struct apply *a)
{
	if (setgroups(0, NULL) < 0 ||
		setresgid(a->plan->inside_gid, a->plan->inside_gid, a->plan->inside_gid) < 0 ||
		setresuid(a->plan->inside_uid, a->plan->inside_uid, a->plan->inside_uid) < 0) {
		return error_set(a->err, errno, "cannot start the sandbox: taking on uid %u",
			a->plan->inside_uid);
	}
	return 0;
}

static int do_identity(struct apply *a)
{
	int r = a->plan->self_map ? self_map(a) : take_ids(a);

	/* After the change of ids, which clears it. A parent that died before this line is noticed by
	 * creel-init as the end of its stream. */
	if (r == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) {
		r = error_set(a->err, errno, "cannot start the sandbox: prctl");
	}
	return r;
}

/* paths below the new root */

/*
 * A place to mount on, made if it is missing: parent by parent, none of them a symlink. A sandbox
 * that ran here before may have left any link in its workspace.
 */
static int walk(struct apply *a, const char *target, bool directory)
{
	_cleanup_close_ int held = FD_NONE; /* the directory that is looked into, below the root */
	const char *rest = target;

	while (*rest != '\0') {
		int at = held >= 0 ? held : a->root_fd;
		char name[256];
		size_t len = strcspn(rest, "/");
		const char *next_name = rest + len + strspn(rest + len, "/");
		bool last = *next_name == '\0';
		int next;

		if (len >= sizeof(name)) {
			return -ENAMETOOLONG;
		}
		memcpy(name, rest, len);
		name[len] = '\0';
		rest = next_name;
		next = sys_openat2(at, name, O_PATH, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
		if (next == -ENOENT) {
			if (last && !directory) {
				(void)mknodat(at, name, S_IFREG | 0644, 0);
			} else {
				(void)mkdirat(at, name, 0755);
			}
			next = sys_openat2(at, name, O_PATH | O_NOFOLLOW,
				RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
		}
		if (next < 0) {
			return next;
		}
		cleanup_closep(&held);
		held = next;
	}
	if (held < 0) {
		return -EINVAL; /* the root itself is no place to mount on */
	}
	return TAKE_FD(held);
}

static uint64_t mount_attr_of(unsigned attr)
{
	return MOUNT_ATTR_NOSUID | ((attr & ATTR_READ_ONLY) != 0 ? MOUNT_ATTR_RDONLY : 0) |
	       ((attr & ATTR_NO_EXEC) != 0 ? MOUNT_ATTR_NOEXEC : 0);
}

static int set_attr(int fd, const char *path, uint64_t attr, unsigned flags)
{
	struct mount_attr change = {.attr_set = attr};

	return no(mount_setattr(fd, path, flags, &change, sizeof(change)));
}

/* mounts */

static int do_private(struct apply *a, const struct plan_step *step)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		int num = errno;

		if (num == EACCES || num == EPERM) {
			return error_set(a->err, num,
				"cannot start the sandbox: mounting is refused in the new user namespace; "
				"where AppArmor restricts user namespaces, run sysctl "
				"kernel.apparmor_restrict_unprivileged_userns=0 or give creel a profile");
		}
		return fail(a, step, -num, "making mounts private");
	}
	return 0;
}

int apply_open_source(const struct plan_source *source, struct error *err)
{
	_cleanup_close_ int fd = FD_NONE;
	int tree;

	fd = sys_openat2(
		AT_FDCWD, source->path, O_PATH, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
	if (fd == -ELOOP) {
		return error_plain(err, ELOOP,
			"%s '%s' has a symlink in its path that was not there before", source->key,
			source->path);
	}
	if (fd < 0) {
		return error_set(err, -fd, "cannot open %s '%s'", source->key, source->path);
	}
	tree = open_tree(
		fd, "", AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0) {
		return error_set(err, errno, "cannot clone the mounts of %s '%s'", source->key,
			source->path);
	}
	return tree;
}

static int do_open(struct apply *a, const struct plan_step *step)
{
	int fd = apply_open_source(&a->plan->sources[step->slot], a->err);

	if (fd < 0) {
		return error_prefix(a->err, "cannot start the sandbox");
	}
	a->context->slots[step->slot] = fd;
	return 0;
}

static int mount_tmpfs(const char *target, const struct plan_step *step)
{
	char options[96];
	unsigned long flags = MS_NOSUID | MS_NODEV;

	if ((step->attr & ATTR_NO_EXEC) != 0) {
		flags |= MS_NOEXEC;
	}
	/* Inodes are kernel memory too: one per page of the size, as the kernel's own default is. */
	(void)snprintf(options, sizeof(options), "mode=%o,size=%lld,nr_inodes=%lld", step->mode,
		(long long)step->size, (long long)(step->size / 4096 + 64));
	return no(mount("tmpfs", target, "tmpfs", flags, options));
}

static int do_root(struct apply *a, const struct plan_step *step)
{
	int r = mount_tmpfs(step->target, step);

	if (r < 0) {
		return fail(a, step, r, "mounting a tmpfs over");
	}
	a->root_fd = open(step->target, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (a->root_fd < 0 || fchdir(a->root_fd) < 0) {
		return fail(a, step, -errno, "entering");
	}
	return 0;
}

static int do_dir(struct apply *a, const struct plan_step *step)
{
	if ((step->attr & ATTR_CHOSEN) != 0) {
		_cleanup_close_ int fd = walk(a, step->target, true);

		return fd < 0 ? fail(a, step, fd, "making the directory") : 0;
	}
	if (mkdirat(a->root_fd, step->target, step->mode) < 0) {
		return fail(a, step, -errno, "making the directory");
	}
	return 0;
}

static int do_file(struct apply *a, const struct plan_step *step)
{
	_cleanup_close_ int fd = openat(a->root_fd, step->target,
		O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, step->mode);
	size_t len = strlen(step->source);

	if (fd < 0 || (len > 0 && write(fd, step->source, len) != (ssize_t)len)) {
		return fail(a, step, -errno, "writing");
	}
	return 0;
}

static int do_bind(struct apply *a, const struct plan_step *step)
{
	bool directory = (step->attr & ATTR_DIRECTORY) != 0;
	bool optional = (step->attr & ATTR_OPTIONAL) != 0;
	int r = 0;

	if (!optional) {
		r = directory ? no(mkdirat(a->root_fd, step->target, 0755))
			      : no(mknodat(a->root_fd, step->target, S_IFREG | 0644, 0));
	}
	if (r < 0 && r != -EEXIST) {
		return fail(a, step, r, "making the mount point");
	}
	if (mount(step->source, step->target, NULL, MS_BIND | MS_REC, NULL) < 0) {
		return optional && errno == ENOENT ? 0 : fail(a, step, -errno, "binding");
	}
	r = set_attr(a->root_fd, step->target, mount_attr_of(step->attr) | MOUNT_ATTR_NODEV,
		AT_RECURSIVE);
	return r < 0 ? fail(a, step, r, "sealing") : 0;
}

static int do_device(struct apply *a, const struct plan_step *step)
{
	if (mknodat(a->root_fd, step->target, S_IFREG | 0666, 0) < 0) {
		return fail(a, step, -errno, "making the mount point");
	}
	if (mount(step->source, step->target, NULL, MS_BIND, NULL) < 0) {
		return fail(a, step, -errno, "binding the device");
	}
	return 0;
}

static int do_attach(struct apply *a, const struct plan_step *step)
{
	_cleanup_close_ int target = FD_NONE;
	int tree = a->context->slots[step->slot];
	struct stat st;
	int r;

	if (fstat(tree, &st) < 0) {
		return fail(a, step, -errno, "looking at the source of");
	}
	r = set_attr(tree, "", mount_attr_of(step->attr) | MOUNT_ATTR_NODEV,
		AT_EMPTY_PATH | AT_RECURSIVE);
	if (r < 0) {
		return fail(a, step, r, "sealing");
	}
	target = walk(a, step->target, S_ISDIR(st.st_mode));
	if (target < 0) {
		return fail(a, step, target, "making the mount point");
	}
	if (move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) <
		0) {
		return fail(a, step, -errno, "attaching");
	}
	/* The target descriptor still names what is below the mount just made. */
	(void)close(tree);
	a->context->slots[step->slot] = FD_NONE;
	return 0;
}

static int do_tmpfs(struct apply *a, const struct plan_step *step)
{
	_cleanup_close_ int target = FD_NONE;
	char path[32];
	int r;

	if ((step->attr & ATTR_CHOSEN) == 0) {
		r = mount_tmpfs(step->target, step);
		return r < 0 ? fail(a, step, r, "mounting a tmpfs on") : 0;
	}
	target = walk(a, step->target, true);
	if (target < 0) {
		return fail(a, step, target, "making the mount point");
	}
	/* The old root's /proc is still there, and the link leads to exactly this directory. */
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", target);
	r = mount_tmpfs(path, step);
	return r < 0 ? fail(a, step, r, "mounting a tmpfs on") : 0;
}

static int do_scratch(struct apply *a, const struct plan_step *step)
{
	int r;

	/* Plain paths: every directory on the way was made by a step before. umask hides bits of
	 * mkdir's mode, and the sticky one matters. */
	if (mkdirat(a->root_fd, step->target, 0755) < 0 ||
		fchmodat(a->root_fd, step->target, step->mode, 0) < 0) {
		return fail(a, step, -errno, "making the directory");
	}
	if (mount(step->target, step->target, NULL, MS_BIND, NULL) < 0) {
		return fail(a, step, -errno, "binding");
	}
	/* Its other flags are those of the root: no set-user-id, no devices. */
	r = (step->attr & ATTR_NO_EXEC) != 0
		    ? set_attr(a->root_fd, step->target, MOUNT_ATTR_NOEXEC, 0)
		    : 0;
	return r < 0 ? fail(a, step, r, "sealing") : 0;
}

static int do_proc(struct apply *a, const struct plan_step *step)
{
	if (mount("proc", step->target, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0) {
		return 0;
	}
	if (errno == EPERM) {
		return error_set(a->err, EPERM,
			"cannot start the sandbox: the kernel refuses a fresh /proc because parts of the "
			"host's own are covered (as inside a container); start that container with "
			"systempaths=unconfined, or use backend docker");
	}
	return fail(a, step, -errno, "mounting proc on");
}

static int do_devpts(struct apply *a, const struct plan_step *step)
{
	if (mount("devpts", step->target, "devpts", MS_NOSUID | MS_NOEXEC,
		    "newinstance,ptmxmode=0666,mode=0620,max=256") < 0) {
		return fail(a, step, -errno, "mounting devpts on");
	}
	return 0;
}

static int do_quota(struct apply *a, const struct plan_step *step)
{
	int r = sys_write_file(a->root_fd, step->target, step->source, strlen(step->source));

	/* A kernel built without it counts nothing either. */
	return r < 0 && r != -ENOENT ? fail(a, step, r, "limiting") : 0;
}

static int do_mask(struct apply *a, const struct plan_step *step)
{
	/* What went away since it was seen needs no mask. */
	if (mount(step->source, step->target, NULL, MS_BIND, NULL) < 0 && errno != ENOENT) {
		return fail(a, step, -errno, "masking");
	}
	return 0;
}

static int do_pivot(struct apply *a, const struct plan_step *step)
{
	/* Old and new root end up stacked on "/" (pivot_root(2), NOTES); the old one is on top. */
	if (syscall(SYS_pivot_root, ".", ".") < 0) {
		return fail(a, step, -errno, "pivot_root to");
	}
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0) {
		return fail(a, step, -errno, "detaching the old root from");
	}
	return 0;
}

/* lockdown */

static int do_rlimit(struct apply *a, const struct plan_step *step)
{
	struct rlimit64 limit = {.rlim_cur = step->soft, .rlim_max = step->hard};

	if (prlimit64(0, step->mode, &limit, NULL) < 0) {
		return error_set(a->err, errno,
			"cannot start the sandbox: setting the limit %s to %llu%s%s%s",
			step->source, (unsigned long long)step->hard, step->key != NULL ? " (" : "",
			step->key != NULL ? step->key : "", step->key != NULL ? ")" : "");
	}
	return 0;
}

static uint64_t landlock_rights(int abi)
{
	uint64_t rights = (LL_FS_MAKE_SYM << 1) - 1;

	rights |= abi >= 2 ? LL_FS_REFER : 0;
	rights |= abi >= 3 ? LL_FS_TRUNCATE : 0;
	rights |= abi >= 5 ? LL_FS_IOCTL_DEV : 0;
	return rights;
}

static uint64_t reach_rights(enum landlock_reach reach, bool directory)
{
	const uint64_t read = LL_FS_EXECUTE | LL_FS_READ_FILE | LL_FS_READ_DIR;
	const uint64_t write = LL_FS_WRITE_FILE | LL_FS_TRUNCATE | LL_FS_IOCTL_DEV;
	uint64_t rights = 0;

	switch (reach) {
	case REACH_READ_EXEC:
		rights = read;
		break;
	case REACH_WRITE_FILES:
		rights = read | write;
		break;
	case REACH_ALL:
		rights = ~0ULL;
		break;
	}
	/* A rule on a file may only hold what files have. */
	return directory ? rights : rights & (LL_FS_EXECUTE | LL_FS_READ_FILE | write);
}

static int do_landlock_rule(struct apply *a, const struct plan_step *step)
{
	_cleanup_close_ int fd = open(step->target, O_PATH | O_CLOEXEC);
	bool directory = (step->attr & ATTR_DIRECTORY) != 0;
	uint64_t rights;
	struct stat st;
	int r;

	if (a->ruleset_fd < 0) {
		a->landlock_abi = sys_landlock_abi();
		a->ruleset_fd = sys_landlock_create(landlock_rights(a->landlock_abi),
			a->landlock_abi >= 6 ? LL_SCOPE_ABSTRACT_UNIX | LL_SCOPE_SIGNAL : 0,
			a->landlock_abi);
	}
	if (a->ruleset_fd < 0) {
		return fail(a, step, a->ruleset_fd, "making a Landlock ruleset for");
	}
	if (fd < 0 || (!directory && fstat(fd, &st) < 0)) {
		return fail(a, step, -errno, "opening for Landlock");
	}
	rights = reach_rights((enum landlock_reach)step->mode, directory || S_ISDIR(st.st_mode));
	r = sys_landlock_add_path(a->ruleset_fd, fd, rights & landlock_rights(a->landlock_abi));
	return r < 0 ? fail(a, step, r, "adding a Landlock rule for") : 0;
}

/* Descriptors: null on 0-2, the stream on 3, every other one closed by exec. Seccomp and
 * Landlock are in force by now and let all of this through. */
static int arrange_descriptors(struct apply *a)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int r;

	if (null < 0) {
		return error_set(a->err, errno, "cannot start the sandbox: /dev/null");
	}
	for (int fd = 0; fd <= 2; fd++) {
		if (dup3(null, fd, 0) < 0) {
			return error_set(a->err, errno, "cannot start the sandbox: dup3");
		}
	}
	/* Now, not at the end of the function: it may well be descriptor 3. */
	(void)close(null);
	/* launch_make_pair() keeps both sockets off 0-3; what else is on 3 is of no more use. */
	if (a->context->stream_fd == 3) {
		r = no(fcntl(3, F_SETFD, 0));
	} else if (a->context->stream_fd >= 0) {
		r = no(dup3(a->context->stream_fd, 3, 0));
	} else {
		r = 0;
	}
	if (r == 0) {
		unsigned first = a->context->stream_fd >= 0 ? 4 : 3;

		r = sys_close_range(first, ~0U, CLOSE_RANGE_CLOEXEC);
	}
	return r < 0 ? error_set(a->err, -r, "cannot start the sandbox: closing descriptors") : 0;
}

static int do_exec(struct apply *a, const struct plan_step *step)
{
	static const char *const with_stream[] = {"creel-init", "--fd", "3", NULL};
	static const char *const with_dir[] = {"creel-init", "--dir", "/run/creel", NULL};
	static const char *const no_env[] = {NULL};
	const char *const *argv = a->context->stream_fd >= 0 ? with_stream : with_dir;
	char path[64];

	if (arrange_descriptors(a) < 0) {
		return -a->err->num;
	}
	(void)snprintf(path, sizeof(path), "/%s", step->target);
	/* The casts: execve(2) changes neither strings nor arrays, its prototype is older than const. */
	(void)execve(path, (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)no_env);
	return error_set(a->err, errno, "cannot start the sandbox: executing creel-init");
}

static int set_hostname(struct apply *a, const struct plan_step *step)
{
	return sethostname(step->source, strlen(step->source)) < 0
		       ? fail(a, step, -errno, "setting the host name of")
		       : 0;
}

static int lock_down(struct apply *a, const struct plan_step *step)
{
	int r = 0;
	const char *what = "dropping capabilities of";

	if (step->kind == STEP_NO_NEW_PRIVS) {
		what = "setting no_new_privs for";
		r = no(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	} else if (step->kind == STEP_LANDLOCK) {
		what = "applying Landlock to";
		r = sys_landlock_restrict(a->ruleset_fd);
	} else if (step->kind == STEP_SECCOMP) {
		what = "installing the seccomp filter for";
		r = sys_seccomp_filter(
			seccomp_filter, sizeof(seccomp_filter) / sizeof(seccomp_filter[0]));
	} else {
		r = sys_drop_capabilities();
	}
	return r < 0 && a->err->num == 0 ? fail(a, step, r, what) : r;
}

static int apply_step(struct apply *a, const struct plan_step *step)
{
	int r = 0;

	switch (step->kind) {
	case STEP_IDENTITY:
		return do_identity(a);
	case STEP_PRIVATE:
		return do_private(a, step);
	case STEP_OPEN:
		return do_open(a, step);
	case STEP_ROOT:
		return do_root(a, step);
	case STEP_DIR:
		return do_dir(a, step);
	case STEP_FILE:
		return do_file(a, step);
	case STEP_SYMLINK:
		r = no(symlinkat(step->source, a->root_fd, step->target));
		return r < 0 ? fail(a, step, r, "linking") : 0;
	case STEP_BIND:
		return do_bind(a, step);
	case STEP_DEVICE:
		return do_device(a, step);
	case STEP_ATTACH:
		return do_attach(a, step);
	case STEP_TMPFS:
		return do_tmpfs(a, step);
	case STEP_SCRATCH:
		return do_scratch(a, step);
	case STEP_PROC:
		return do_proc(a, step);
	case STEP_DEVPTS:
		return do_devpts(a, step);
	case STEP_QUOTA:
		return do_quota(a, step);
	case STEP_MASK:
		return do_mask(a, step);
	case STEP_READ_ONLY:
		r = set_attr(a->root_fd, "", mount_attr_of(step->attr) | MOUNT_ATTR_NODEV,
			AT_EMPTY_PATH);
		return r < 0 ? fail(a, step, r, "sealing") : 0;
	case STEP_PIVOT:
		return do_pivot(a, step);
	case STEP_HOSTNAME:
		return set_hostname(a, step);
	case STEP_NETWORK:
		return 0; /* apply_begin() did */
	case STEP_NETWORK_JOIN:
		return network_join(&a->context->network, a->err);
	case STEP_RLIMIT:
		return do_rlimit(a, step);
	case STEP_LANDLOCK_RULE:
		return do_landlock_rule(a, step);
	case STEP_NO_NEW_PRIVS:
	case STEP_LANDLOCK:
	case STEP_CAPABILITIES:
	case STEP_SECCOMP:
		return lock_down(a, step);
	case STEP_EXEC:
		return do_exec(a, step);
	case STEP_COUNT_:
		break;
	}
	return error_plain(a->err, EINVAL, "the plan holds a step that does not exist");
}

/* A starter without stdin would otherwise have its place taken by a descriptor of ours. */
static void fill_standard_descriptors(void)
{
	struct pollfd fds[] = {{.fd = 0}, {.fd = 1}, {.fd = 2}};

	/* One question for all three; a closed descriptor is an event that nobody has to ask for. */
	(void)poll(fds, 3, 0);
	for (int i = 0; i <= 2; i++) {
		if ((fds[i].revents & POLLNVAL) != 0) {
			(void)open("/dev/null", O_RDWR | O_CLOEXEC);
		}
	}
}

int apply_begin(struct apply_context *context, struct error *err)
{
	char why[200];
	int num;

	err->num = 0;
	/* The parent is the starter or the keeper: either's death ends the sandbox. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) {
		return error_set(err, errno, "cannot start the sandbox: prctl");
	}
	if (network_begin(&context->network, err) < 0) {
		return -err->num;
	}
	if (unshare(PLAN_UNSHARE_THEN) < 0) {
		num = errno;
		facts_explain_clone(num, why, sizeof(why));
		return error_set(err, num, "cannot make the namespaces of a sandbox: %s", why);
	}
	return 0;
}

int apply_plan(struct apply_context *context, struct error *err)
{
	struct apply a = {
		.context = context,
		.plan = context->plan,
		.root_fd = FD_NONE,
		.ruleset_fd = FD_NONE,
		.err = err,
	};

	err->num = 0;
	umask(022); /* also what creel-init and its commands start with */
	fill_standard_descriptors();
	for (size_t i = 0; i < context->plan->step_count; i++) {
		int r = apply_step(&a, &context->plan->steps[i]);

		if (r < 0) {
			return r;
		}
	}
	return error_plain(err, EINVAL, "the plan ends without executing anything");
}
