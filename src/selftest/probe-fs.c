/* SPDX-License-Identifier: MIT */
/* Attempts on files: ways out of the tree, mounts, devices, programs that raise privileges. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/probe.h"

/* Constants and numbers that musl's or an older kernel's headers lack. */
enum {
	TREE_CLONE = 1,
	SYS_CALL_OPEN_TREE = 428,
	SYS_CALL_MOVE_MOUNT = 429,
	SYS_CALL_FSOPEN = 430,
	SYS_CALL_OPENAT2 = 437,
	SYS_CALL_MOUNT_SETATTR = 442,
	SYS_CALL_FCHMODAT2 = 452,
};

/* --- ways out of the tree --- */

/* Overwrite the decoy by a path; the host looks at it afterwards, too. */
static enum outcome write_to(const struct probe_call *call, const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int r = fd < 0 ? -1 : probe_scribble(fd);

	return probe_refused(call, r, "writing to the host's file");
}

static enum outcome symlink_write(const struct probe_call *call)
{
	(void)unlink("link-out");
	if (symlink(probe_decoy(call), "link-out") < 0) {
		return probe_na(call, "no symlinks in the workspace: %s", strerror(errno));
	}
	return write_to(call, "link-out");
}

static enum outcome symlink_read(const struct probe_call *call)
{
	(void)unlink("link-in");
	if (symlink(probe_decoy(call), "link-in") < 0) {
		return probe_na(call, "no symlinks in the workspace: %s", strerror(errno));
	}
	return probe_holds_canary(call, "link-in") == 1
		       ? probe_fell(call, "a link in the workspace shows the host's file")
		       : probe_held(call, "the link leads nowhere");
}

static enum outcome plain_read(const struct probe_call *call)
{
	return probe_holds_canary(call, probe_decoy(call)) == 1
		       ? probe_fell(call, "the host's file can be read by its path")
		       : probe_held(call, "no such path in here");
}

static enum outcome dot_dot(const struct probe_call *call)
{
	static const char *const ways[] = {"../../../../../../../..",
		"/proc/self/cwd/../../../../..", "/proc/self/root/../../..",
		"/proc/thread-self/root", "/proc/self/fd/../root/.."};
	char path[1024];
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", ways[i], probe_decoy(call));
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd >= 0) {
			(void)probe_scribble(fd);
			return probe_fell(call, "%s leads to the host's root", ways[i]);
		}
	}
	return probe_held(call, "the root is where .. ends");
}

static enum outcome other_roots(const struct probe_call *call)
{
	DIR *proc = opendir("/proc");
	const struct dirent *item;
	int seen = 0;

	while (proc != NULL && (item = readdir(proc)) != NULL) {
		char path[1024];
		int fd;

		if (item->d_name[0] < '1' || item->d_name[0] > '9') {
			continue;
		}
		seen++;
		(void)snprintf(
			path, sizeof(path), "/proc/%.20s/root%s", item->d_name, probe_decoy(call));
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd >= 0) {
			(void)probe_scribble(fd);
			return probe_fell(call, "/proc/%.20s/root is the host's", item->d_name);
		}
	}
	return probe_held(call, "the roots of %d processes lead to no file of the host's", seen);
}

/* chroot(2) does not move the working directory: the classic way out of one. */
static enum outcome chroot_out(const struct probe_call *call)
{
	(void)mkdir("/tmp/jail", 0755);
	if (chroot("/tmp/jail") < 0) {
		return probe_held(call, "chroot: %s", strerror(errno));
	}
	for (int i = 0; i < 64; i++) {
		(void)!chdir("..");
	}
	if (chroot(".") == 0 && access(probe_decoy(call), F_OK) == 0) {
		return probe_fell(call, "chroot leads out to the host's root");
	}
	return probe_fell(call, "chroot works");
}

static enum outcome hard_link(const struct probe_call *call)
{
	static const char *const protected[] = {
		"/usr/bin/env", "/bin/sh", "/etc/passwd", "/run/creel/init", "/ro/fs-hard-link"};
	const char *decoy = probe_decoy(call);

	(void)unlink("hard");
	if (link(decoy, "hard") == 0) {
		(void)write_to(call, "hard");
		return probe_fell(call, "a hard link to a file of the host");
	}
	for (size_t i = 0; i < ARRAY_SIZE(protected); i++) {
		int fd;

		(void)unlink("hard");
		if (linkat(AT_FDCWD, protected[i], AT_FDCWD, "hard", AT_SYMLINK_FOLLOW) < 0) {
			continue;
		}
		fd = open("hard", O_WRONLY | O_CLOEXEC);
		if (fd >= 0) {
			return probe_fell(call, "a writable hard link to %s", protected[i]);
		}
	}
	return probe_held(call, "no link crosses a mount");
}

/* "Shocker": open any inode of the file system that the workspace is on. */
static enum outcome by_handle(const struct probe_call *call)
{
	struct {
		unsigned bytes;
		int type;
		unsigned char data[128];
	} handle = {.bytes = 128};
	int mount_id;

	(void)syscall(SYS_name_to_handle_at, AT_FDCWD, "/", &handle, &mount_id, 0);
	handle.bytes = 8;
	handle.type = 1; /* FILEID_INO32_GEN */
	memset(handle.data, 0, sizeof(handle.data));
	handle.data[0] = 2; /* the root directory of ext4 */
	return probe_refused(call,
		syscall(SYS_open_by_handle_at, open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
			&handle, O_RDONLY),
		"open_by_handle_at");
}

/* --- what is read-only --- */

static enum outcome write_system(const struct probe_call *call)
{
	static const char *const places[] = {"/", "/usr", "/usr/bin", "/usr/lib", "/etc", "/bin",
		"/lib", "/dev", "/sys", "/var", "/opt", "/root"};
	char path[64];

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		int fd;

		/* An engine's /dev is memory of the container's own. */
		if (call->host->engine && strcmp(places[i], "/dev") == 0) {
			continue;
		}
		(void)snprintf(path, sizeof(path), "%s/selftest", places[i]);
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		if (fd >= 0) {
			(void)unlink(path);
			return probe_fell(call, "a file can be made in %s", places[i]);
		}
	}
	return probe_held(call, "no file can be made in any of %zu places", ARRAY_SIZE(places));
}

static enum outcome write_init(const struct probe_call *call)
{
	static const char *const paths[] = {"/run/creel/init", "/proc/1/exe"};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		int fd = open(paths[i], O_WRONLY | O_CLOEXEC);

		if (fd >= 0) {
			return probe_fell(call, "%s opens for writing", paths[i]);
		}
		if (unlink(paths[i]) == 0 || rename(paths[i], "/tmp/init") == 0) {
			return probe_fell(call, "%s can be replaced", paths[i]);
		}
	}
	return probe_held(call, "creel-init cannot be written or replaced");
}

/* --- mounts --- */

static enum outcome remount(const struct probe_call *call)
{
	return probe_refused(call, mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL),
		"remounting / read-write");
}

static enum outcome remount_bind(const struct probe_call *call)
{
	return probe_refused(call, mount(NULL, "/ro", NULL, MS_REMOUNT | MS_BIND, NULL),
		"remounting a read-only bind");
}

static enum outcome mount_tmpfs(const struct probe_call *call)
{
	return probe_refused(call, mount("tmpfs", "/tmp", "tmpfs", 0, NULL), "mounting a tmpfs");
}

static enum outcome bind_over(const struct probe_call *call)
{
	return probe_refused(
		call, mount("/tmp", "/etc", NULL, MS_BIND | MS_REC, NULL), "a bind over /etc");
}

static enum outcome uncover(const struct probe_call *call)
{
	static const char *const covers[] = {"/proc/kcore", "/proc/sys", "/proc/acpi", "/ro"};

	for (size_t i = 0; i < ARRAY_SIZE(covers); i++) {
		if (umount2(covers[i], MNT_DETACH) == 0) {
			return probe_fell(call, "%s can be uncovered", covers[i]);
		}
	}
	return probe_held(call, "umount: %s", strerror(errno));
}

static enum outcome propagate(const struct probe_call *call)
{
	return probe_refused(
		call, mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL), "making mounts shared");
}

static enum outcome new_mount_calls(const struct probe_call *call)
{
	uint64_t attr[4] = {0, 1 /* MOUNT_ATTR_RDONLY */, 0, 0};
	long tree = syscall(SYS_CALL_OPEN_TREE, AT_FDCWD, "/", TREE_CLONE);

	if (tree >= 0) {
		return probe_fell(call, "open_tree clones mounts");
	}
	if (syscall(SYS_CALL_FSOPEN, "tmpfs", 0) >= 0) {
		return probe_fell(call, "fsopen works");
	}
	if (syscall(SYS_CALL_MOUNT_SETATTR, AT_FDCWD, "/ro", 0, attr, sizeof(attr)) == 0) {
		return probe_fell(call, "mount_setattr makes a read-only mount writable");
	}
	return probe_refused(call,
		syscall(SYS_CALL_MOVE_MOUNT, AT_FDCWD, "/tmp", AT_FDCWD, "/etc", 0),
		"open_tree, fsopen, mount_setattr, move_mount");
}

static enum outcome mount_types(const struct probe_call *call)
{
	static const char *const types[] = {"proc", "sysfs", "cgroup", "cgroup2", "overlay", "fuse",
		"9p", "nfs", "devpts", "mqueue", "bpf", "tracefs", "debugfs", "ext4"};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (mount("none", "/tmp", types[i], 0, NULL) == 0) {
			return probe_fell(call, "%s can be mounted", types[i]);
		}
		if (errno != EPERM && errno != EACCES && errno != ENOSYS && errno != ENODEV) {
			return probe_fell(
				call, "mounting %s got as far as: %s", types[i], strerror(errno));
		}
	}
	return probe_held(call, "none of %zu file systems", ARRAY_SIZE(types));
}

static enum outcome pivot(const struct probe_call *call)
{
	return probe_refused(call, syscall(SYS_pivot_root, ".", "."), "pivot_root");
}

/* --- devices --- */

static enum outcome make_device(const struct probe_call *call, mode_t type, dev_t device)
{
	static const char *const dirs[] = {"/workspace", "/tmp", "/dev/shm", "/run"};
	char path[64];

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		(void)snprintf(path, sizeof(path), "%s/node", dirs[i]);
		(void)unlink(path);
		if (mknod(path, type | 0666, device) == 0 &&
			open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) >= 0) {
			(void)unlink(path);
			return probe_fell(call, "a device node made in %s can be opened", dirs[i]);
		}
		(void)unlink(path);
	}
	return probe_held(call, "no device node that opens");
}

static enum outcome block_device(const struct probe_call *call)
{
	struct stat st;
	dev_t disk = stat("/usr", &st) == 0 && major(st.st_dev) != 0 ? st.st_dev : makedev(7, 0);

	return make_device(call, S_IFBLK, disk);
}

static enum outcome memory_device(const struct probe_call *call)
{
	return make_device(call, S_IFCHR, makedev(1, 1) /* /dev/mem */);
}

static enum outcome device_list(const struct probe_call *call)
{
	static const char *const known[] = {
		"null", "zero", "full", "random", "urandom", "tty", "ptmx", "console"};
	DIR *dev = opendir("/dev");
	const struct dirent *item;

	while (dev != NULL && (item = readdir(dev)) != NULL) {
		struct stat st;
		bool found = false;

		if (fstatat(dirfd(dev), item->d_name, &st, 0) < 0 ||
			(!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))) {
			continue;
		}
		for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
			found = found || strcmp(known[i], item->d_name) == 0;
		}
		/* Descriptors 0 to 2 are pipes or /dev/null. */
		if (!found && strncmp(item->d_name, "std", 3) != 0) {
			return probe_fell(call, "/dev/%s is there", item->d_name);
		}
	}
	return probe_held(call, "nothing but what everybody may have");
}

/* --- programs that raise privileges --- */

/* Every way to a set-user-id file: the host would honour the bit, whoever mounts it nosuid in here. */
static enum outcome make_set_id(const struct probe_call *call)
{
	const mode_t mode = 04755;
	uint64_t how[3] = {O_CREAT | O_WRONLY, mode, 0};
	int fd = open("plain", O_CREAT | O_WRONLY | O_CLOEXEC, 0755);
	int made = 0;

	made += chmod("plain", mode) == 0;
	made += fchmod(fd, mode) == 0;
	made += fchmodat(AT_FDCWD, "plain", mode, 0) == 0;
	made += syscall(SYS_CALL_FCHMODAT2, AT_FDCWD, "plain", mode, 0) == 0;
	made += open("set-id-1", O_CREAT | O_WRONLY | O_CLOEXEC, mode) >= 0;
	/* NOLINTNEXTLINE(android-cloexec-creat): the call under test */
	made += creat("set-id-2", mode) >= 0;
	made += mknod("set-id-3", S_IFREG | mode, 0) == 0;
	made += syscall(SYS_CALL_OPENAT2, AT_FDCWD, "set-id-4", how, sizeof(how)) >= 0;
	return made > 0 ? probe_fell(call, "%d ways to a set-user-id file in the workspace", made)
			: probe_held(call, "the bit cannot be set");
}

/* Run what the host put into the workspace, and read what it says of its rights. */
static enum outcome run_raised(const struct probe_call *call, const char *program)
{
	int fds[2];
	char text[64] = "";
	ssize_t n;
	pid_t pid;

	if (access(program, F_OK) < 0) {
		return probe_na(call, "only root can put such a file there");
	}
	if (pipe2(fds, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		return probe_na(call, "no process: %s", strerror(errno));
	}
	if (pid == 0) {
		(void)dup2(fds[1], STDOUT_FILENO);
		(void)execl(program, program, "ids", (char *)NULL);
		_exit(99);
	}
	(void)close(fds[1]);
	n = read(fds[0], text, sizeof(text) - 1);
	(void)waitpid(pid, NULL, 0);
	if (n <= 0) {
		return probe_held(call, "it does not run in here");
	}
	text[strcspn(text, "\n")] = '\0';
	return strcmp(text, "1 1 0000000000000000") == 0
		       ? probe_held(call, "it runs and gains nothing")
		       : probe_fell(call, "it gained: same uid, same gid, capabilities: %s", text);
}

static enum outcome run_set_id(const struct probe_call *call)
{
	return run_raised(call, "/workspace/set-user-id");
}

static enum outcome run_file_caps(const struct probe_call *call)
{
	return run_raised(call, "/workspace/file-capabilities");
}

const struct probe probes_files[] = {
	{"fs-symlink-write", symlink_write},
	{"fs-symlink-read", symlink_read},
	{"fs-plain-read", plain_read},
	{"fs-dot-dot", dot_dot},
	{"fs-other-roots", other_roots},
	{"fs-chroot", chroot_out},
	{"fs-hard-link", hard_link},
	{"fs-by-handle", by_handle},
	{"fs-write-system", write_system},
	{"fs-write-init", write_init},
	{"fs-remount", remount},
	{"fs-remount-bind", remount_bind},
	{"fs-mount-tmpfs", mount_tmpfs},
	{"fs-bind-over", bind_over},
	{"fs-uncover", uncover},
	{"fs-propagate", propagate},
	{"fs-new-mount-calls", new_mount_calls},
	{"fs-mount-types", mount_types},
	{"fs-pivot-root", pivot},
	{"fs-block-device", block_device},
	{"fs-memory-device", memory_device},
	{"fs-device-list", device_list},
	{"fs-make-set-id", make_set_id},
	{"fs-run-set-id", run_set_id},
	{"fs-run-file-caps", run_file_caps},
};
const size_t probes_files_count = ARRAY_SIZE(probes_files);
