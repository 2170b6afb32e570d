/* SPDX-License-Identifier: MIT */
/* System calls without a wrapper in glibc 2.36, and small sequences of them. No policy. Every
 * function returns a negative errno on failure and is safe between clone and exec: none allocates. */
#ifndef OS_SYS_H
#define OS_SYS_H

#include <linux/sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sock_filter;

/* clone3(2) without a stack: the child goes on from here with a copy of memory, as after fork().
 * pid in the parent, 0 in the child. */
pid_t sys_clone3(const struct clone_args *args);

/* openat2(2), always O_CLOEXEC. resolve: RESOLVE_*. */
int sys_openat2(int dir_fd, const char *path, int flags, uint64_t resolve);

/* close_range(2). flags: 0 or CLOSE_RANGE_CLOEXEC. */
int sys_close_range(unsigned first, unsigned last, unsigned flags);

/* open, write all, close, for files of /proc and cgroups that take one write. */
int sys_write_file(int dir_fd, const char *path, const char *text, size_t len);

/* Reads at most size - 1 bytes and puts a NUL; trailing newlines are cut. The length. */
ssize_t sys_read_file(int dir_fd, const char *path, char *ret, size_t size);

/* The kernel's Landlock ABI, or -ENOSYS (not built), -EOPNOTSUPP (off at boot). */
int sys_landlock_abi(void);
int sys_landlock_create(uint64_t fs, uint64_t scoped, int abi);
int sys_landlock_add_path(int ruleset_fd, int path_fd, uint64_t access);
int sys_landlock_restrict(int ruleset_fd);

/* Install a filter on this thread. Needs no_new_privs. */
int sys_seccomp_filter(const struct sock_filter *filter, unsigned short count);
/* The same for a filter with SECCOMP_RET_USER_NOTIF in it: a close-on-exec descriptor where what it
 * asks has to be answered, seccomp_unotify(2). -EBUSY: somebody listens to a filter on us already. */
int sys_seccomp_listen(const struct sock_filter *filter, unsigned short count);
/* Is SECCOMP_MODE_FILTER there? Changes nothing. */
bool sys_has_seccomp(void);

/* The highest capability that the kernel knows. */
unsigned sys_last_capability(void);
/* Take away what programs could gain: bounding and ambient set emptied, securebits locked so that uid 0
 * means nothing. last: sys_last_capability(). Every call in it succeeds or the function fails. */
int sys_limit_capabilities(unsigned last);
/* Effective, permitted and inheritable set emptied, for good once sys_limit_capabilities() was called. */
int sys_drop_capabilities(void);
/* Is this capability effective in this process? */
bool sys_has_capability(unsigned capability);

/* Processors that a process may run on. The kernel's mask, because the library's ends at 1,024. */
struct sys_processors {
	uint64_t mask[8192 / 64];
	size_t count; /* words of the mask; 0: not known */
};

/* Those of this thread. Never fails: this is about speed alone, and so are the two that take it. */
void sys_get_processors(struct sys_processors *ret);

/* The one that this thread is on. */
unsigned sys_processor(void);

/*
 * Let a process (0: this one) run on those alone, or on all of them but one. Who waits for a turn moves at once, who
 * runs is moved. Where there is no other processor nothing happens.
 */
void sys_place(pid_t pid, const struct sys_processors *allowed);
void sys_place_apart(pid_t pid, const struct sys_processors *allowed, unsigned from);

/* Bring the loopback interface of this network namespace up. */
int sys_loopback_up(void);

#endif
