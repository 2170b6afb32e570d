/* SPDX-License-Identifier: MIT */
/*
 * Attempts on the kernel: calls that nobody in a sandbox needs, other ways into it, its knobs. Where a
 * call would do harm, its arguments are wrong on purpose: the kernel asks for the right first.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "selftest/probe.h"

enum {
	SYS_CALL_IO_URING_SETUP = 425,
	SYS_CALL_LANDLOCK_CREATE = 444,
	SYS_CALL_LANDLOCK_RESTRICT = 446,
	SYS_CALL_USERFAULTFD = 323,
	LANDLOCK_MAX_LAYERS = 16,
	LANDLOCK_FS_EXECUTE = 1,
};

/* EPERM and ENOSYS are refusals. Any other error came from behind the check for the right. */
static enum outcome judge(const struct probe_call *call, long result, const char *what)
{
	int num = errno;

	if (result >= 0) {
		return probe_fell(call, "%s works", what);
	}
	return num == EPERM || num == ENOSYS || num == EACCES
		       ? probe_held(call, "%s: %s", what, strerror(num))
		       : probe_fell(call, "%s gets as far as: %s", what, strerror(num));
}

/* --- calls --- */

static enum outcome call_bpf(const struct probe_call *call)
{
	unsigned char attr[64] = {1 /* BPF_MAP_TYPE_HASH */, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 1};

	return judge(call, syscall(SYS_bpf, 0, attr, sizeof(attr)), "bpf");
}

static enum outcome call_perf(const struct probe_call *call)
{
	uint32_t attr[32] = {1 /* software */, sizeof(attr)};

	return judge(call, syscall(SYS_perf_event_open, attr, 0, -1, -1, 0), "perf_event_open");
}

static enum outcome call_userfaultfd(const struct probe_call *call)
{
	return judge(call, syscall(SYS_CALL_USERFAULTFD, 0), "userfaultfd");
}

static enum outcome call_io_uring(const struct probe_call *call)
{
	unsigned char params[120] = {0};

	return judge(call, syscall(SYS_CALL_IO_URING_SETUP, 4, params), "io_uring_setup");
}

static enum outcome call_keys(const struct probe_call *call)
{
	enum { SESSION_KEYRING = -3 };

	if (syscall(SYS_add_key, "user", "selftest", "x", 1, SESSION_KEYRING) >= 0) {
		return probe_fell(call, "add_key works: keyrings are the host's");
	}
	if (syscall(SYS_request_key, "user", "selftest", NULL, SESSION_KEYRING) >= 0) {
		return probe_fell(call, "request_key works");
	}
	return judge(call, syscall(SYS_keyctl, 0, SESSION_KEYRING, 1), "keyctl");
}

static enum outcome call_modules(const struct probe_call *call)
{
	if (syscall(SYS_finit_module, -1, "", 0) == 0 || (errno != EPERM && errno != ENOSYS)) {
		return probe_fell(call, "finit_module gets as far as: %s", strerror(errno));
	}
	if (syscall(SYS_delete_module, "no_such_module_here", 0) == 0 ||
		(errno != EPERM && errno != ENOSYS)) {
		return probe_fell(call, "delete_module gets as far as: %s", strerror(errno));
	}
	return judge(call, syscall(SYS_init_module, NULL, 0, ""), "init_module");
}

static enum outcome call_kexec(const struct probe_call *call)
{
	return judge(call, syscall(SYS_kexec_load, 0, 0, NULL, 0xffffUL), "kexec_load");
}

static enum outcome call_reboot(const struct probe_call *call)
{
	return judge(call, syscall(SYS_reboot, 0, 0, 0, NULL), "reboot");
}

static enum outcome call_clock(const struct probe_call *call)
{
	struct timespec now;

	/* The kernel looks at the value before the right: it has to be valid, and is harmless. */
	(void)clock_gettime(CLOCK_REALTIME, &now);
	return judge(call, syscall(SYS_clock_settime, CLOCK_REALTIME, &now), "clock_settime");
}

static enum outcome call_swap(const struct probe_call *call)
{
	return judge(call, syscall(SYS_swapon, "/nonexistent", 0), "swapon");
}

static enum outcome call_quota(const struct probe_call *call)
{
	/* About what is no disk: without a filter it gets as far as that. */
	const unsigned getfmt = 0x80000400; /* QCMD(Q_GETFMT, USRQUOTA) */
	unsigned format = 0;
	long r = syscall(SYS_quotactl, getfmt, "/dev/null", 0, &format);

	if (call->host->engine && r < 0) {
		return probe_held(call, "quotactl: %s", strerror(errno));
	}
	return judge(call, r, "quotactl");
}

static enum outcome call_acct(const struct probe_call *call)
{
	return judge(call, syscall(SYS_acct, "/nonexistent"), "acct");
}

static enum outcome call_syslog(const struct probe_call *call)
{
	char text[256];

	return judge(call, syscall(SYS_syslog, 3, text, sizeof(text)), "reading the kernel's log");
}

static enum outcome call_ports(const struct probe_call *call)
{
#if defined(__x86_64__)
	if (syscall(SYS_ioperm, 0x80, 1, 1) == 0) {
		return probe_fell(call, "ioperm works");
	}
	return judge(call, syscall(SYS_iopl, 3), "iopl");
#else
	return probe_na(call, "this processor has no ports");
#endif
}

static enum outcome call_ldt(const struct probe_call *call)
{
#if defined(__x86_64__)
	char entry[16] = {0};

	return judge(call, syscall(SYS_modify_ldt, 0, entry, sizeof(entry)), "modify_ldt");
#else
	return probe_na(call, "this processor has no such table");
#endif
}

static enum outcome call_personality(const struct probe_call *call)
{
	return judge(call, personality(READ_IMPLIES_EXEC), "personality READ_IMPLIES_EXEC");
}

static enum outcome call_unknown(const struct probe_call *call)
{
	return judge(call, syscall(999), "a call that does not exist yet");
}

/* --- other ways in --- */

#if defined(__x86_64__)
/* How a child ends that does this: calls by another ABI are not filtered by their number. */
static int ends_by(bool x32)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		long result = 20; /* getpid, 32-bit */

		if (x32) {
			result = syscall(0x40000000L + SYS_getpid);
		} else {
			__asm__ volatile("int $0x80" : "+a"(result) : : "memory");
		}
		_exit(result == getpid() ? 1 : 0);
	}
	(void)waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}
#endif

static enum outcome entry_x32(const struct probe_call *call)
{
#if defined(__x86_64__)
	int how = ends_by(true);

	return how == -1 ? probe_fell(call, "x32 calls work")
			 : probe_held(call, "killed or refused");
#else
	return probe_na(call, "this processor has no such calls");
#endif
}

static enum outcome entry_i386(const struct probe_call *call)
{
#if defined(__x86_64__)
	int how = ends_by(false);

	return how == -1 ? probe_fell(call, "32-bit calls work")
			 : probe_held(call, "killed or refused");
#else
	return probe_na(call, "this processor has no such calls");
#endif
}

/* A filter of one's own must not soften what is there. */
static enum outcome filter_over(const struct probe_call *call)
{
	struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
	const struct sock_fprog program = {.len = 1, .filter = allow};

	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
	return judge(call, mount("tmpfs", "/tmp", "tmpfs", 0, NULL),
		"mount behind a filter that allows all");
}

/* --- layers --- */

static const char *status_line(const char *name)
{
	static char text[8192];
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	char *line;

	if (fd >= 0) {
		(void)close(fd);
	}
	text[n > 0 ? n : 0] = '\0';
	line = strstr(text, name);
	if (line == NULL) {
		return "";
	}
	line += strlen(name);
	line[strcspn(line, "\n")] = '\0';
	return line;
}

static enum outcome layer_seccomp(const struct probe_call *call)
{
	const char *mode = status_line("\nSeccomp:\t");

	return strcmp(mode, "2") == 0 ? probe_held(call, "a filter is in force")
				      : probe_fell(call, "no filter: mode %.10s", mode);
}

static enum outcome layer_no_new_privs(const struct probe_call *call)
{
	return strcmp(status_line("\nNoNewPrivs:\t"), "1") == 0
		       ? probe_held(call, "no_new_privs is set")
		       : probe_fell(call, "no_new_privs is not set");
}

static enum outcome layer_capabilities(const struct probe_call *call)
{
	static const char *const sets[] = {
		"\nCapInh:\t", "\nCapPrm:\t", "\nCapEff:\t", "\nCapAmb:\t", "\nCapBnd:\t"};

	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		const char *bits = status_line(sets[i]);

		if (strcmp(bits, "0000000000000000") != 0) {
			return probe_fell(call, "%.6s is %.16s", sets[i] + 1, bits);
		}
	}
	return probe_held(call, "all five sets are empty");
}

/* The kernel stacks 16 of them: as many fit as are not there yet. */
static enum outcome layer_landlock(const struct probe_call *call)
{
	uint64_t attr[3] = {LANDLOCK_FS_EXECUTE, 0, 0};
	int added = 0;
	long fd;

	if (call->host->engine) {
		return probe_na(call, "a container engine uses none");
	}
	if (syscall(SYS_CALL_LANDLOCK_CREATE, NULL, 0, 1) < 1) {
		return probe_na(call, "this kernel has none: %s", strerror(errno));
	}
	fd = syscall(SYS_CALL_LANDLOCK_CREATE, attr, 8, 0);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	while (fd >= 0 && added <= LANDLOCK_MAX_LAYERS &&
		syscall(SYS_CALL_LANDLOCK_RESTRICT, fd, 0) == 0) {
		added++;
	}
	return added == LANDLOCK_MAX_LAYERS
		       ? probe_fell(call, "no domain: there was room for all %d", added)
		       : probe_held(call, "a domain is in force: room for %d more", added);
}

/* --- knobs and leaks --- */

static enum outcome knobs(const struct probe_call *call)
{
	static const char *const files[] = {"/proc/sys/kernel/core_pattern",
		"/proc/sys/kernel/modprobe", "/proc/sys/kernel/hotplug", "/proc/sys/kernel/sysrq",
		"/proc/sys/kernel/hostname", "/proc/sys/kernel/domainname",
		"/proc/sys/kernel/shmmax", "/proc/sys/vm/overcommit_memory",
		"/proc/sys/vm/drop_caches", "/proc/sys/net/ipv4/ip_forward",
		"/proc/sys/fs/file-max", "/proc/sys/fs/binfmt_misc/register", "/proc/sysrq-trigger",
		"/proc/sys/user/max_inotify_instances", "/proc/irq/0/smp_affinity", "/proc/mtrr",
		"/sys/kernel/uevent_helper", "/sys/kernel/mm/transparent_hugepage/enabled",
		"/sys/power/state", "/proc/fs/nfsd/versions"};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		if (open(files[i], O_WRONLY | O_CLOEXEC) >= 0) {
			return probe_fell(call, "%s opens for writing", files[i]);
		}
	}
	return probe_held(call, "none of %zu opens for writing", ARRAY_SIZE(files));
}

/* Does the file hold anything? */
static bool says_something(const char *path)
{
	char text[64];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool says = fd >= 0 && read(fd, text, sizeof(text)) > 0;

	if (fd >= 0) {
		(void)close(fd);
	}
	return says;
}

static enum outcome leaks(const struct probe_call *call)
{
	static const char *const files[] = {"/proc/kcore", "/proc/keys", "/proc/key-users",
		"/proc/kmsg", "/proc/latency_stats", "/proc/sched_debug", "/proc/timer_list",
		"/proc/timer_stats", "/proc/scsi/scsi", "/proc/slabinfo", "/proc/vmallocinfo",
		"/sys/firmware/dmi/tables/DMI", "/sys/kernel/security/lsm", "/proc/kpagecount",
		"/proc/kpageflags"};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		if (says_something(files[i])) {
			return probe_fell(call, "%s can be read", files[i]);
		}
	}
	return probe_held(call, "none of %zu says anything", ARRAY_SIZE(files));
}

/* Counters per interrupt tell when somebody types. */
static enum outcome interrupts(const struct probe_call *call)
{
	return says_something("/proc/interrupts") ? probe_fell(call, "/proc/interrupts can be read")
						  : probe_held(call, "it says nothing");
}

static enum outcome addresses(const struct probe_call *call)
{
	char text[4096];
	int fd = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n <= 0) {
		return probe_held(call, "/proc/kallsyms: closed");
	}
	text[n] = '\0';
	return strtoull(text, NULL, 16) != 0 ? probe_fell(call, "/proc/kallsyms shows addresses")
					     : probe_held(call, "/proc/kallsyms shows no address");
}

static enum outcome cgroup_tree(const struct probe_call *call)
{
	static const char *const files[] = {"cgroup.procs", "tasks", "release_agent",
		"memory/cgroup.procs", "memory/memory.limit_in_bytes", "memory/release_agent",
		"pids/cgroup.procs", "pids/pids.max", "cgroup.kill", "memory.max", "pids.max",
		"devices/devices.allow", "cpu/cpu.cfs_quota_us", "unified/cgroup.procs",
		"systemd/release_agent"};
	char path[128];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		(void)snprintf(path, sizeof(path), "/sys/fs/cgroup/%s", files[i]);
		if (open(path, O_WRONLY | O_CLOEXEC) >= 0) {
			return probe_fell(call, "%s opens for writing", path);
		}
	}
	return mkdir("/sys/fs/cgroup/selftest", 0755) == 0 ||
			       mkdir("/sys/fs/cgroup/memory/selftest", 0755) == 0
		       ? probe_fell(call, "a control group can be made")
		       : probe_held(call, "nothing of the tree can be written");
}

const struct probe probes_kernel[] = {
	{"kern-bpf", call_bpf},
	{"kern-perf", call_perf},
	{"kern-userfaultfd", call_userfaultfd},
	{"kern-io-uring", call_io_uring},
	{"kern-keys", call_keys},
	{"kern-modules", call_modules},
	{"kern-kexec", call_kexec},
	{"kern-reboot", call_reboot},
	{"kern-clock", call_clock},
	{"kern-swap", call_swap},
	{"kern-quota", call_quota},
	{"kern-acct", call_acct},
	{"kern-log", call_syslog},
	{"kern-ports", call_ports},
	{"kern-ldt", call_ldt},
	{"kern-personality", call_personality},
	{"kern-unknown-call", call_unknown},
	{"kern-x32", entry_x32},
	{"kern-i386", entry_i386},
	{"kern-filter-over", filter_over},
	{"layer-seccomp", layer_seccomp},
	{"layer-no-new-privs", layer_no_new_privs},
	{"layer-capabilities", layer_capabilities},
	{"layer-landlock", layer_landlock},
	{"kern-knobs", knobs},
	{"kern-leaks", leaks},
	{"kern-interrupts", interrupts},
	{"kern-addresses", addresses},
	{"kern-cgroups", cgroup_tree},
};
const size_t probes_kernel_count = ARRAY_SIZE(probes_kernel);
