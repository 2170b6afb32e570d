/* SPDX-License-Identifier: MIT */
/* The front's cage: prctl(2), landlock(7), seccomp(2). */
#include "gateway/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/own.h"
#include "os/sys.h"

#if defined(__x86_64__)
#	define TARGET_AUDIT AUDIT_ARCH_X86_64
#	define X32_BIT 0x40000000U
#elif defined(__aarch64__)
#	define TARGET_AUDIT AUDIT_ARCH_AARCH64
#	define X32_BIT 0xffffffffU
#else
#	error "this architecture has no system call list here yet"
#endif

#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (offset))
#define LOAD_ARG(n) LOAD(offsetof(struct seccomp_data, args) + sizeof(uint64_t) * (n))
#define RET(action) BPF_STMT(BPF_RET | BPF_K, (action))
#define IF_EQ(k, jt, jf) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), (jt), (jf))
#define REFUSE RET(SECCOMP_RET_ERRNO | EPERM)
#define ALLOW(call) IF_EQ(__NR_##call, 0, 1), RET(SECCOMP_RET_ALLOW)
/* Only with one of two values of an argument. Ends the program either way. */
#define ALLOW_IF(call, arg, a, b)                                                    \
	IF_EQ(__NR_##call, 0, 5), LOAD_ARG(arg), IF_EQ((a), 1, 0), IF_EQ((b), 0, 1), \
		RET(SECCOMP_RET_ALLOW), REFUSE

/* The kernel keeps for each number whether the answer depends on arguments, so that a list of this
 * length costs nothing for those that do not. */
static const struct sock_filter filter[] = {
	LOAD(offsetof(struct seccomp_data, arch)),
	IF_EQ(TARGET_AUDIT, 1, 0),
	RET(SECCOMP_RET_KILL_PROCESS),
	LOAD(offsetof(struct seccomp_data, nr)),
	/* The other numbering of the same processor would go past all that is below. */
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1),
	RET(SECCOMP_RET_KILL_PROCESS),

	/* What it has: connections, the bus, streams of sandboxes, memory files of the broker. */
	ALLOW(read),
	ALLOW(readv),
	ALLOW(pread64),
	ALLOW(write),
	ALLOW(writev),
	ALLOW(recvfrom),
	ALLOW(recvmsg),
	ALLOW(sendto),
	ALLOW(sendmsg),
	ALLOW(accept4),
	ALLOW(shutdown),
	ALLOW(close),
	ALLOW(fstat),
	ALLOW(lseek),
	ALLOW_IF(ioctl, 1, FIONREAD, FIONBIO), /* a terminal on stderr takes worse: TIOCSTI */
	ALLOW(setsockopt),
	ALLOW(getsockopt),
	ALLOW(getsockname),
	ALLOW(getpeername),
	/* F_SETOWN and F_SETSIG are a kill(2) by another name. */
	IF_EQ(__NR_fcntl, 0, 5),
	LOAD_ARG(1),
	BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, F_SETFL, 0, 1),
	IF_EQ(F_DUPFD_CLOEXEC, 0, 1),
	RET(SECCOMP_RET_ALLOW),
	REFUSE,
	ALLOW(dup),
	ALLOW(dup3),
#ifdef __NR_dup2
	ALLOW(dup2),
#endif
	ALLOW_IF(socketpair, 0, AF_UNIX, AF_UNIX),

	/* The loop. */
	ALLOW(epoll_ctl),
	ALLOW(epoll_pwait),
#ifdef __NR_epoll_wait
	ALLOW(epoll_wait),
#endif
	ALLOW(ppoll),
#ifdef __NR_poll
	ALLOW(poll),
#endif
	ALLOW(clock_gettime),
	ALLOW(gettimeofday),
	ALLOW(getrandom),
	ALLOW(restart_syscall),
	ALLOW(rt_sigreturn),
	ALLOW(rt_sigprocmask),

	/* Memory, never executable. */
	ALLOW(brk),
	ALLOW(munmap),
	ALLOW(mremap),
	ALLOW(madvise),
	ALLOW(futex),
	ALLOW_IF(mmap, 2, PROT_READ, PROT_READ | PROT_WRITE),
	ALLOW_IF(mprotect, 2, PROT_NONE, PROT_READ | PROT_WRITE),

	/* The end; abort(3) says why. */
	ALLOW(exit),
	ALLOW(exit_group),
	ALLOW(getpid),
	ALLOW(gettid),
	REFUSE,
};

static int close_files(struct error *err)
{
	const uint64_t everything = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
	int abi = sys_landlock_abi();
	_cleanup_close_ int ruleset = FD_NONE;
	int r;

	/* Without it the filter alone stands: there is no call left in it that takes a path. */
	if (abi < 1) {
		return 0;
	}
	ruleset = sys_landlock_create(everything, 0, abi);
	r = ruleset < 0 ? ruleset : sys_landlock_restrict(ruleset);
	return r < 0 ? error_set(err, -r, "cannot take the file system from the front") : 0;
}

int front_confine(struct error *err)
{
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) {
		return error_set(err, errno, "cannot confine the front");
	}
	r = sys_drop_capabilities();
	/* An ordinary user has none, and may not even shrink the bounding set. */
	if (r < 0 && (r != -EPERM || geteuid() == 0)) {
		return error_set(err, -r, "cannot drop the front's capabilities");
	}
	r = close_files(err);
	if (r < 0) {
		return r;
	}
	r = sys_seccomp_filter(filter, ARRAY_SIZE(filter));
	return r < 0 ? error_set(err, -r, "cannot install the front's system call filter") : 0;
}
