/* SPDX-License-Identifier: MIT */
/* Thin layer over system calls that the C library does not wrap. */
#include "os/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/own.h"
#include "os/compat.h"

pid_t sys_clone3(const struct clone_args *args)
{
	long pid = syscall(SYS_clone3, args, sizeof(*args));

	return pid < 0 ? -errno : (pid_t)pid;
}

int sys_openat2(int dir_fd, const char *path, int flags, uint64_t resolve)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)flags | O_CLOEXEC,
		.resolve = resolve,
	};
	long fd;

	do {
		fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
	} while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	return fd < 0 ? -errno : (int)fd;
}

int sys_close_range(unsigned first, unsigned last, unsigned flags)
{
	return syscall(SYS_close_range, first, last, flags) < 0 ? -errno : 0;
}

int sys_write_file(int dir_fd, const char *path, const char *text, size_t len)
{
	_cleanup_close_ int fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0) {
		return -errno;
	}
	n = write(fd, text, len);
	if (n < 0) {
		return -errno;
	}
	return (size_t)n == len ? 0 : -EIO;
}

ssize_t sys_read_file(int dir_fd, const char *path, char *ret, size_t size)
{
	_cleanup_close_ int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;

	if (fd < 0) {
		return -errno;
	}
	while (len < size - 1) {
		ssize_t n = read(fd, ret + len, size - 1 - len);

		if (n < 0) {
			return -errno;
		}
		if (n == 0) {
			break;
		}
		len += (size_t)n;
	}
	while (len > 0 && ret[len - 1] == '\n') {
		len--;
	}
	ret[len] = '\0';
	return (ssize_t)len;
}

int sys_landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LL_CREATE_RULESET_VERSION);

	return abi < 0 ? -errno : (int)abi;
}

int sys_landlock_create(uint64_t fs, uint64_t scoped, int abi)
{
	struct ll_ruleset_attr attr = {.handled_access_fs = fs, .scoped = scoped};
	/* Older kernels take the longer struct as long as what they do not know is zero. */
	size_t size = abi >= 6 ? sizeof(attr) : offsetof(struct ll_ruleset_attr, scoped);
	long fd = syscall(SYS_landlock_create_ruleset, &attr, size, 0);

	return fd < 0 ? -errno : (int)fd;
}

int sys_landlock_add_path(int ruleset_fd, int path_fd, uint64_t access)
{
	struct ll_path_beneath_attr attr = {.allowed_access = access, .parent_fd = path_fd};

	if (syscall(SYS_landlock_add_rule, ruleset_fd, LL_RULE_PATH_BENEATH, &attr, 0) < 0) {
		return -errno;
	}
	return 0;
}

int sys_landlock_restrict(int ruleset_fd)
{
	return syscall(SYS_landlock_restrict_self, ruleset_fd, 0) < 0 ? -errno : 0;
}

int sys_seccomp_filter(const struct sock_filter *filter, unsigned short count)
{
	/* The kernel only reads the filter; its struct lacks the const. */
	struct sock_fprog program = {
		.len = count,
		.filter = (struct sock_filter *)(uintptr_t)filter,
	};

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? -errno : 0;
}

int sys_seccomp_listen(const struct sock_filter *filter, unsigned short count)
{
	struct sock_fprog program = {
		.len = count,
		.filter = (struct sock_filter *)(uintptr_t)filter,
	};
	long fd = syscall(
		SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);

	return fd < 0 ? -errno : (int)fd;
}

bool sys_has_seccomp(void)
{
	uint32_t action = SECCOMP_RET_ERRNO;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

unsigned sys_last_capability(void)
{
	unsigned last = CAP_LAST_CAP;

	while (last > 0 && prctl(PR_CAPBSET_READ, (unsigned long)last, 0, 0, 0) < 0) {
		last--;
	}
	while (prctl(PR_CAPBSET_READ, last + 1UL, 0, 0, 0) >= 0) {
		last++;
	}
	return last;
}

int sys_limit_capabilities(unsigned last)
{
	const unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
				   SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
				   SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) {
		return -errno;
	}
	for (unsigned long cap = 0; cap <= last; cap++) {
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0) {
			return -errno;
		}
	}
	return prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) < 0 ? -errno : 0;
}

int sys_drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

	return syscall(SYS_capset, &header, none) < 0 ? -errno : 0;
}

bool sys_has_capability(unsigned capability)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	if (syscall(SYS_capget, &header, data) < 0) {
		return false;
	}
	return (data[capability / 32].effective >> (capability % 32) & 1U) != 0;
}

int sys_loopback_up(void)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {.ifr_name = "lo"};

	if (fd < 0) {
		return -errno;
	}
	/* A fresh namespace has lo with exactly IFF_LOOPBACK, which the kernel does not let change. */
	request.ifr_flags = IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}

void sys_get_processors(struct sys_processors *ret)
{
	long len = syscall(SYS_sched_getaffinity, 0, sizeof(ret->mask), ret->mask);

	ret->count = len > 0 ? (size_t)len / sizeof(*ret->mask) : 0;
}

void sys_place(pid_t pid, const struct sys_processors *allowed)
{
	if (allowed->count > 0) {
		(void)syscall(SYS_sched_setaffinity, pid, allowed->count * sizeof(*allowed->mask),
			allowed->mask);
	}
}

unsigned sys_processor(void)
{
	unsigned here = 0;

	(void)syscall(SYS_getcpu, &here, NULL, NULL);
	return here;
}

void sys_place_apart(pid_t pid, const struct sys_processors *allowed, unsigned from)
{
	struct sys_processors others = *allowed;
	uint64_t left = 0;

	if (from / 64 >= others.count) {
		return;
	}
	others.mask[from / 64] &= ~(1ULL << (from % 64));
	for (size_t i = 0; i < others.count; i++) {
		left |= others.mask[i];
	}
	if (left != 0) {
		sys_place(pid, &others);
	}
}
