/* SPDX-License-Identifier: MIT */
/*
 * The system calls of a native sandbox. One table, read by scripts/gen-seccomp.c, which turns it into
 * BPF when Creel is built, and by the tests.
 *
 * What is in no group is answered with ENOSYS, as a kernel that does not have it would: a libc that
 * tries something newer than this table then falls back. A name that an architecture or the
 * libseccomp at build time does not know is left out there, which is the same answer.
 */
#ifndef NATIVE_SECCOMP_TABLE_H
#define NATIVE_SECCOMP_TABLE_H

#include <sched.h>
#include <stddef.h>

enum seccomp_verdict {
	VERDICT_ALLOW,
	VERDICT_EPERM, /* known and refused: the caller is told so */
	VERDICT_ENOSYS, /* known, and its callers have a fallback that ENOSYS selects */
	VERDICT_ARGS, /* depends on the arguments; scripts/gen-seccomp.c has a check by that name */
};

/* Arguments that are refused, as the kernel has them: the C library's headers lack some, or differ. */
enum {
	CLONE_NAMESPACES = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
			   CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET,
	KERNEL_TIOCSTI = 0x5412,
	KERNEL_TIOCLINUX = 0x541C,
	KERNEL_TIOCSETD = 0x5423,
	KERNEL_O_TMPFILE = 020000000, /* without the O_DIRECTORY that the C library's has */
};

struct seccomp_group {
	enum seccomp_verdict verdict;
	const char *reason;
	const char *const *names; /* NULL-terminated */
};

#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

static const struct seccomp_group seccomp_table[] = {
	{VERDICT_ARGS, "calls of which only some arguments are dangerous",
		NAMES("clone", /* any CLONE_NEW*: EPERM (a user namespace regains capabilities) */
			"ioctl", /* TIOCSTI, TIOCLINUX: EPERM (typing into the caller's terminal);
				    TIOCSETD: EPERM (line disciplines: CVE-2017-2636) */
			"personality", /* query, 0, UNAME26 and ADDR_NO_RANDOMIZE alone */
			"prctl", /* no PR_SET_MM, PR_SET_SECCOMP only by the filter's own rules */
			"socket", /* unix, netlink(route), TCP, UDP, ICMP; no raw, packet, MPTCP, SCTP */
			"socketpair", /* unix */
			/* set-user-id and set-group-id: EPERM (the file is the owner's on the host) */
			"chmod", "fchmod", "fchmodat", "fchmodat2", "creat", "mknod", "mknodat",
			"open", "openat")}, /* only where they make a file */
	{VERDICT_ENOSYS,
		"the flags are behind a pointer, where no filter sees them; libc falls back to clone",
		NAMES("clone3")},
	{VERDICT_ENOSYS, "the mode of a new file is behind a pointer; callers fall back to openat",
		NAMES("openat2")},
	{VERDICT_ENOSYS,
		"a second road to most calls of this table, which a filter cannot see; "
		"runtimes fall back to epoll and threads",
		NAMES("io_uring_setup", "io_uring_enter", "io_uring_register")},
	{VERDICT_EPERM, "new namespaces and roots: from there every capability could be had again",
		NAMES("unshare", "setns", "chroot", "pivot_root")},
	{VERDICT_EPERM, "mounts: the view of the file system is the sandbox",
		NAMES("mount", "umount", "umount2", "open_tree", "open_tree_attr", "move_mount",
			"fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "statmount",
			"listmount", "quotactl", "quotactl_fd", "swapon", "swapoff",
			"fanotify_init", "fanotify_mark", "name_to_handle_at",
			"open_by_handle_at")},
	{VERDICT_EPERM, "other processes' memory and descriptors (PID 1 holds the stream)",
		NAMES("ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp",
			"process_madvise", "process_mrelease", "migrate_pages", "move_pages")},
	{VERDICT_EPERM, "kernel keyrings: not namespaced, shared by every process of a uid",
		NAMES("add_key", "request_key", "keyctl")},
	{VERDICT_EPERM, "kernel attack surface with a history of local root",
		NAMES("bpf", "perf_event_open", "userfaultfd", "lookup_dcookie", "vmsplice",
			"modify_ldt", "uselib", "_sysctl", "nfsservctl",
			"set_mempolicy_home_node")},
	{VERDICT_EPERM, "the machine itself",
		NAMES("reboot", "kexec_load", "kexec_file_load", "init_module", "finit_module",
			"delete_module", "create_module", "get_kernel_syms", "query_module", "iopl",
			"ioperm", "syslog", "acct", "vhangup", "settimeofday", "clock_settime",
			"clock_settime64", "clock_adjtime", "clock_adjtime64", "adjtimex", "stime",
			"sethostname", "setdomainname")},
	{VERDICT_ALLOW, "files",
		NAMES("access", "chdir", "chown", "close", "close_range", "copy_file_range", "dup",
			"dup2", "dup3", "faccessat", "faccessat2", "fadvise64", "fallocate",
			"fchdir", "fchown", "fchownat", "fcntl", "fdatasync", "fgetxattr",
			"flistxattr", "flock", "fremovexattr", "fsetxattr", "fstat", "fstatfs",
			"fsync", "ftruncate", "futimesat", "getcwd", "getdents", "getdents64",
			"getxattr", "getxattrat", "lchown", "lgetxattr", "link", "linkat",
			"listxattr", "listxattrat", "llistxattr", "lremovexattr", "lseek",
			"lsetxattr", "lstat", "mkdir", "mkdirat", "newfstatat", "pread64", "preadv",
			"preadv2", "pwrite64", "pwritev", "pwritev2", "read", "readahead",
			"readlink", "readlinkat", "readv", "removexattr", "removexattrat", "rename",
			"renameat", "renameat2", "rmdir", "sendfile", "setxattr", "setxattrat",
			"splice", "stat", "statfs", "statx", "symlink", "symlinkat", "sync",
			"sync_file_range", "syncfs", "tee", "truncate", "umask", "unlink",
			"unlinkat", "ustat", "utime", "utimensat", "utimes", "write", "writev",
			"cachestat")},
	{VERDICT_ALLOW, "waiting for things",
		NAMES("epoll_create", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2",
			"epoll_wait", "eventfd", "eventfd2", "inotify_add_watch", "inotify_init",
			"inotify_init1", "inotify_rm_watch", "io_cancel", "io_destroy",
			"io_getevents", "io_pgetevents", "io_setup", "io_submit", "pause", "pipe",
			"pipe2", "poll", "ppoll", "pselect6", "select", "signalfd", "signalfd4",
			"timerfd_create", "timerfd_gettime", "timerfd_settime")},
	{VERDICT_ALLOW, "sockets of the families that socket() lets through",
		NAMES("accept", "accept4", "bind", "connect", "getpeername", "getsockname",
			"getsockopt", "listen", "recvfrom", "recvmmsg", "recvmsg", "sendmmsg",
			"sendmsg", "sendto", "setsockopt", "shutdown")},
	{VERDICT_ALLOW, "memory",
		NAMES("brk", "get_mempolicy", "madvise", "mbind", "membarrier", "memfd_create",
			"mincore", "mlock", "mlock2", "mlockall", "mmap", "mprotect", "mremap",
			"mseal", "msync", "munlock", "munlockall", "munmap", "pkey_alloc",
			"pkey_free", "pkey_mprotect", "remap_file_pages", "set_mempolicy",
			"map_shadow_stack", "memfd_secret")},
	{VERDICT_ALLOW, "processes and threads",
		NAMES("arch_prctl", "capget", "capset", "execve", "execveat", "exit", "exit_group",
			"fork", "futex", "futex_requeue", "futex_wait", "futex_waitv", "futex_wake",
			"get_robust_list", "get_thread_area", "getcpu", "getegid", "geteuid",
			"getgid", "getgroups", "getitimer", "getpgid", "getpgrp", "getpid",
			"getppid", "getpriority", "getresgid", "getresuid", "getrlimit",
			"getrusage", "getsid", "gettid", "getuid", "ioprio_get", "ioprio_set",
			"kill", "pidfd_open", "pidfd_send_signal", "prlimit64", "restart_syscall",
			"rseq", "sched_get_priority_max", "sched_get_priority_min",
			"sched_getaffinity", "sched_getattr", "sched_getparam",
			"sched_getscheduler", "sched_rr_get_interval", "sched_setaffinity",
			"sched_setattr", "sched_setparam", "sched_setscheduler", "sched_yield",
			"set_robust_list", "set_thread_area", "set_tid_address", "setfsgid",
			"setfsuid", "setgid", "setgroups", "setitimer", "setpgid", "setpriority",
			"setregid", "setresgid", "setresuid", "setreuid", "setrlimit", "setsid",
			"setuid", "sysinfo", "tgkill", "times", "tkill", "uname", "vfork", "wait4",
			"waitid")},
	{VERDICT_ALLOW, "restricting oneself further",
		NAMES("landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self",
			"seccomp")},
	{VERDICT_ALLOW, "signals",
		NAMES("rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigqueueinfo",
			"rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait", "rt_tgsigqueueinfo",
			"sigaltstack")},
	{VERDICT_ALLOW, "time",
		NAMES("alarm", "clock_getres", "clock_gettime", "clock_nanosleep", "gettimeofday",
			"nanosleep", "time", "timer_create", "timer_delete", "timer_getoverrun",
			"timer_gettime", "timer_settime", "getrandom")},
	{VERDICT_ALLOW, "System V and POSIX IPC, in an IPC namespace of their own",
		NAMES("mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive", "mq_timedsend",
			"mq_unlink", "msgctl", "msgget", "msgrcv", "msgsnd", "semctl", "semget",
			"semop", "semtimedop", "shmat", "shmctl", "shmdt", "shmget")},
};

#endif
