/* SPDX-License-Identifier: MIT */
/* Attempts on processes: the supervisor, the neighbours, the host's, and what this one was given. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/probe.h"

enum {
	SYS_CALL_CLONE3 = 435,
	SYS_CALL_PIDFD_OPEN = 434,
	SYS_CALL_PIDFD_GETFD = 438,
	KERNEL_TIOCSTI = 0x5412,
	KERNEL_TIOCLINUX = 0x541C,
	KERNEL_TIOCSETD = 0x5423,
	MAX_FDS = 65536,
};

/* First process of the sandbox, as a target; our own parent where we are that. */
static pid_t supervisor(const struct probe_call *call)
{
	return call->host->direct ? getppid() : 1;
}

static bool is_victim(pid_t pid)
{
	char path[64];
	char name[32];
	int fd;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, name, sizeof(name));
	if (fd >= 0) {
		(void)close(fd);
	}
	return n >= 12 && memcmp(name, "creel-victim", 12) == 0;
}

/* --- the supervisor --- */

static enum outcome trace_init(const struct probe_call *call)
{
	long r = ptrace(PTRACE_SEIZE, supervisor(call), NULL, NULL);

	if (r < 0) {
		r = ptrace(PTRACE_ATTACH, supervisor(call), NULL, NULL);
	}
	return probe_refused(call, r, "ptrace of creel-init");
}

static enum outcome read_init(const struct probe_call *call)
{
	char buffer[64];
	struct iovec iov = {buffer, sizeof(buffer)};
	struct iovec remote = {(void *)(uintptr_t)0x400000, sizeof(buffer)};

	if (process_vm_readv(supervisor(call), &iov, 1, &remote, 1, 0) >= 0) {
		return probe_fell(call, "process_vm_readv reads creel-init");
	}
	/* EFAULT: only the address was wrong. */
	return errno == EFAULT ? probe_fell(call, "process_vm_readv reaches creel-init")
			       : probe_held(call, "process_vm_readv: %s", strerror(errno));
}

static enum outcome take_descriptor(const struct probe_call *call)
{
	long pidfd = syscall(SYS_CALL_PIDFD_OPEN, supervisor(call), 0);

	for (int fd = 0; fd < 16; fd++) {
		if (syscall(SYS_CALL_PIDFD_GETFD, pidfd, fd, 0) >= 0) {
			return probe_fell(call, "pidfd_getfd takes creel-init's descriptor %d", fd);
		}
	}
	return probe_held(call, "pidfd_getfd: %s", strerror(errno));
}

static enum outcome open_init(const struct probe_call *call)
{
	static const struct {
		const char *name;
		int flags;
	} files[] = {{"mem", O_RDWR}, {"environ", O_RDONLY}, {"maps", O_RDONLY}, {"fd/3", O_RDWR},
		{"fd/0", O_RDWR}, {"cwd/.", O_RDONLY}, {"syscall", O_RDONLY}, {"stack", O_RDONLY}};
	char path[64], text[64];

	if (call->host->direct) {
		return probe_na(call, "creel-init is not running");
	}
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		int fd;

		(void)snprintf(path, sizeof(path), "/proc/1/%s", files[i].name);
		fd = open(path, files[i].flags | O_CLOEXEC | O_NONBLOCK);
		/* A socket cannot be opened by anybody (ENXIO); that it was looked up is too much. */
		if ((fd < 0 && errno == ENXIO) || (fd >= 0 && files[i].flags == O_RDWR) ||
			(fd >= 0 && read(fd, text, sizeof(text)) >= 0)) {
			return probe_fell(call, "%s can be opened", path);
		}
	}
	return probe_held(call, "%zu files of /proc/1 are closed", ARRAY_SIZE(files));
}

/* Whoever ends creel-init ends the own sandbox; the host sees whether it still answers. */
static enum outcome kill_init(const struct probe_call *call)
{
	static const int signals[] = {
		SIGKILL, SIGSTOP, SIGTERM, SIGINT, SIGSEGV, SIGSYS, SIGUSR1, SIGPIPE, SIGCHLD};

	if (call->host->direct) {
		return probe_na(call, "creel-init is not running");
	}
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		(void)kill(1, signals[i]);
	}
	return probe_held(call, "it goes on after %zu signals", ARRAY_SIZE(signals));
}

/* Making it the first to be killed ends the own sandbox; making it the last is at others' expense. */
static enum outcome weigh_init(const struct probe_call *call)
{
	int fd = open("/proc/1/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (call->host->direct) {
		return probe_na(call, "creel-init is not running");
	}
	return probe_refused(
		call, fd < 0 ? -1 : write(fd, "-500", 4), "keeping creel-init from being killed");
}

/* --- other processes --- */

static enum outcome see_processes(const struct probe_call *call)
{
	DIR *proc = opendir("/proc");
	const struct dirent *item;
	int count = 0;

	while (proc != NULL && (item = readdir(proc)) != NULL) {
		if (!isdigit((unsigned char)item->d_name[0])) {
			continue;
		}
		count++;
		if (is_victim((pid_t)strtol(item->d_name, NULL, 10))) {
			return probe_fell(call, "a process of the host shows in /proc");
		}
	}
	return probe_held(call, "%d processes, all of them in here", count);
}

static bool is_own(const struct probe_call *call)
{
	char path[64];

	/* A number that the sandbox gave to a process of its own says nothing. */
	(void)snprintf(path, sizeof(path), "/proc/%d", call->host->victim);
	return access(path, F_OK) == 0 && !is_victim(call->host->victim);
}

static enum outcome signal_host(const struct probe_call *call)
{
	if (is_own(call)) {
		return probe_na(call, "the number is a process of the sandbox's own");
	}
	return probe_refused(
		call, kill(call->host->victim, SIGTERM), "ending a process of the host");
}

static enum outcome pidfd_host(const struct probe_call *call)
{
	long fd;

	if (is_own(call)) {
		return probe_na(call, "the number is a process of the sandbox's own");
	}
	fd = syscall(SYS_CALL_PIDFD_OPEN, call->host->victim, 0);
	return probe_refused(call, fd, "pidfd_open of a process of the host");
}

static enum outcome trace_host(const struct probe_call *call)
{
	if (is_own(call)) {
		return probe_na(call, "the number is a process of the sandbox's own");
	}
	return probe_refused(call, ptrace(PTRACE_SEIZE, call->host->victim, NULL, NULL),
		"ptrace of a process of the host");
}

static enum outcome renice_host(const struct probe_call *call)
{
	if (is_own(call)) {
		return probe_na(call, "the number is a process of the sandbox's own");
	}
	return probe_refused(call, syscall(SYS_setpriority, 0, call->host->victim, 19),
		"slowing down a process of the host");
}

/* The canary is in the environment, the command line and the memory of processes of the host. */
static enum outcome secrets_in_proc(const struct probe_call *call)
{
	static const char *const files[] = {"environ", "cmdline", "comm", "status"};
	DIR *proc = opendir("/proc");
	const struct dirent *item;
	char path[320];

	while (proc != NULL && (item = readdir(proc)) != NULL) {
		for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
			(void)snprintf(path, sizeof(path), "/proc/%s/%s", item->d_name, files[i]);
			if (probe_holds_canary(call, path) == 1) {
				return probe_fell(call, "%s holds a secret of the host", path);
			}
		}
	}
	return probe_held(call, "no environment and no command line holds it");
}

extern char **environ;

static enum outcome secrets_in_env(const struct probe_call *call)
{
	int count = 0;

	for (char **item = environ; *item != NULL; item++) {
		if (strstr(*item, call->host->canary) != NULL) {
			return probe_fell(call, "the host's environment came along: %.20s", *item);
		}
		count++;
	}
	return probe_held(call, "%d variables, none of the host's", count);
}

/* --- what it was given --- */

static enum outcome descriptors(const struct probe_call *call)
{
	int highest = call->host->direct ? 3 : 2;

	for (int fd = highest + 1; fd < MAX_FDS; fd++) {
		if (fcntl(fd, F_GETFD) >= 0) {
			return probe_fell(call, "descriptor %d is open", fd);
		}
	}
	for (int fd = 0; fd <= 2; fd++) {
		struct stat st;

		if (fstat(fd, &st) == 0 && (S_ISDIR(st.st_mode) || isatty(fd))) {
			return probe_fell(call, "descriptor %d is a directory or a terminal", fd);
		}
	}
	return probe_held(call, "0 to %d alone", highest);
}

/* CVE-2024-21626: a working directory outside of the root. */
static enum outcome working_directory(const struct probe_call *call)
{
	char path[PATH_MAX];

	if (getcwd(path, sizeof(path)) == NULL || path[0] != '/') {
		return probe_fell(call, "the working directory is outside of the root");
	}
	for (int fd = 0; fd < 64; fd++) {
		struct stat st;
		char link[32];

		(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		if (stat(link, &st) == 0 && S_ISDIR(st.st_mode) && chdir(link) == 0 &&
			access("etc/shadow", F_OK) == 0) {
			return probe_fell(call, "descriptor %d leads to the host's root", fd);
		}
	}
	return probe_held(call, "it is %s, and no descriptor leads out", path);
}

static enum outcome oom_score(const struct probe_call *call)
{
	char text[32] = "";
	int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	if (n > 0 && strtol(text, NULL, 10) < 0) {
		return probe_fell(call, "oom_score_adj is %ld: others are killed first",
			strtol(text, NULL, 10));
	}
	if (write(fd, "-500", 4) == 4) {
		return probe_fell(call, "oom_score_adj can be lowered");
	}
	return probe_held(call, "not below 0, and lowering it: %s", strerror(errno));
}

static enum outcome scheduling(const struct probe_call *call)
{
	const struct sched_param param = {.sched_priority = 1};

	if (syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &param) == 0) {
		return probe_fell(call, "a real-time priority can be had");
	}
	if (syscall(SYS_setpriority, 0, 0, -5) == 0) {
		return probe_fell(call, "the nice value can be lowered");
	}
	return probe_held(call, "no real-time priority, no lower nice value");
}

/* --- namespaces --- */

static enum outcome new_userns(const struct probe_call *call)
{
	if (unshare(CLONE_NEWUSER) == 0) {
		return unshare(CLONE_NEWNS) == 0 && mount("x", "/tmp", "tmpfs", 0, NULL) == 0
			       ? probe_fell(call, "a user namespace, and mounting in it")
			       : probe_fell(call, "unshare makes a user namespace");
	}
	return probe_held(call, "unshare: %s", strerror(errno));
}

static enum outcome clone_userns(const struct probe_call *call)
{
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0) {
		_exit(0);
	}
	return probe_refused(call, pid, "clone with a user namespace");
}

/* The flags are behind a pointer, where no filter sees them. */
static enum outcome clone3_userns(const struct probe_call *call)
{
	uint64_t args[11] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD};
	long pid = syscall(SYS_CALL_CLONE3, args, sizeof(args));

	if (pid == 0) {
		_exit(0);
	}
	return probe_refused(call, pid, "clone3 with a user namespace");
}

static enum outcome other_namespaces(const struct probe_call *call)
{
	static const int flags[] = {CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWPID, CLONE_NEWIPC,
		CLONE_NEWUTS, CLONE_NEWCGROUP};

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (unshare(flags[i]) == 0) {
			return probe_fell(call, "unshare 0x%x works", (unsigned)flags[i]);
		}
	}
	return probe_held(call, "unshare: %s", strerror(errno));
}

static enum outcome join_namespaces(const struct probe_call *call)
{
	static const char *const names[] = {"mnt", "net", "pid", "user", "uts", "ipc"};
	char path[64];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int fd;

		(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", supervisor(call), names[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && setns(fd, 0) == 0) {
			return probe_fell(call, "setns joins %s", path);
		}
	}
	return probe_held(call, "setns: %s", strerror(errno));
}

static enum outcome host_names(const struct probe_call *call)
{
	struct utsname names;

	if (sethostname("selftest", 8) == 0 || syscall(SYS_setdomainname, "selftest", 8) == 0) {
		return probe_fell(call, "the host name can be set");
	}
	if (uname(&names) == 0 && strcmp(names.nodename, call->host->node) == 0) {
		return probe_fell(call, "the host's name is %.60s", names.nodename);
	}
	return probe_held(call, "it is another's name, and setting it: %s", strerror(errno));
}

/* --- terminals --- */

static enum outcome type_into(
	const struct probe_call *call, unsigned long request, const char *name)
{
	int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	int other = open("/dev/tty", O_RDWR | O_CLOEXEC);
	int discipline = 0;
	char c = 'x';

	if (other >= 0) {
		return probe_fell(call, "there is a controlling terminal: /dev/tty opens");
	}
	if (fd < 0) {
		return probe_na(call, "no terminal can be had: %s", strerror(errno));
	}
	if (request == KERNEL_TIOCSETD) {
		return probe_refused(call, syscall(SYS_ioctl, fd, request, &discipline), name);
	}
	/* Not its own controlling terminal: without the filter that needs CAP_SYS_ADMIN. Make it so. */
	(void)setsid();
	(void)ioctl(fd, TIOCSCTTY, 0);
	return probe_refused(call, syscall(SYS_ioctl, fd, request, &c), name);
}

static enum outcome tiocsti(const struct probe_call *call)
{
	return type_into(call, KERNEL_TIOCSTI, "TIOCSTI");
}

/* CVE-2019-10063: the kernel looks at the low 32 bits alone. */
static enum outcome tiocsti_high(const struct probe_call *call)
{
	return type_into(call, 1UL << 32 | KERNEL_TIOCSTI, "TIOCSTI with a high bit");
}

static enum outcome tioclinux(const struct probe_call *call)
{
	return type_into(call, KERNEL_TIOCLINUX, "TIOCLINUX");
}

static enum outcome line_discipline(const struct probe_call *call)
{
	return type_into(call, KERNEL_TIOCSETD, "TIOCSETD");
}

/* --- programs --- */

/* CVE-2019-5736: the program that entered the sandbox, through the link to it. */
static enum outcome overwrite_launcher(const struct probe_call *call)
{
	static const char *const paths[] = {"/proc/1/exe", "/proc/self/exe"};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		char target[PATH_MAX] = "";
		int fd = open(paths[i], O_WRONLY | O_CLOEXEC);

		(void)!readlink(paths[i], target, sizeof(target) - 1);
		/* This very program is the attacker's own file in the workspace. */
		if (fd >= 0 && strncmp(target, "/workspace/", 11) != 0) {
			return probe_fell(call, "%s opens for writing", paths[i]);
		}
	}
	return probe_held(call, "what was started cannot be written: %s", strerror(errno));
}

static bool reads_as(const char *text, const char *line)
{
	const char *found = strstr(text, line);

	return found != NULL;
}

/* A program that has no path is as confined as any other. */
static enum outcome memfd_exec(const struct probe_call *call)
{
	char buffer[65536];
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int to = (int)syscall(SYS_memfd_create, "x", 0);
	int fds[2];
	ssize_t n;
	pid_t pid;

	while ((n = read(from, buffer, sizeof(buffer))) > 0) {
		(void)!write(to, buffer, (size_t)n);
	}
	if (to < 0 || n < 0 || pipe2(fds, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		return probe_held(call, "no program from memory: %s", strerror(errno));
	}
	if (pid == 0) {
		static const char *const argv[] = {"x", "posture", NULL};
		static const char *const env[] = {NULL};

		(void)dup2(fds[1], STDOUT_FILENO);
		(void)syscall(SYS_execveat, to, "", argv, env, 0x1000 /* AT_EMPTY_PATH */);
		_exit(99);
	}
	(void)close(fds[1]);
	n = read(fds[0], buffer, sizeof(buffer) - 1);
	(void)waitpid(pid, NULL, 0);
	if (n <= 0) {
		return probe_held(call, "it does not run");
	}
	buffer[n] = '\0';
	return reads_as(buffer, "CapEff:\t0000000000000000") &&
			       reads_as(buffer, "NoNewPrivs:\t1") && reads_as(buffer, "Seccomp:\t2")
		       ? probe_held(call, "it runs, as confined as any other")
		       : probe_fell(call, "it runs with more: %.100s", buffer);
}

const struct probe probes_processes[] = {
	{"proc-trace-init", trace_init},
	{"proc-read-init", read_init},
	{"proc-take-descriptor", take_descriptor},
	{"proc-open-init", open_init},
	{"proc-kill-init", kill_init},
	{"proc-weigh-init", weigh_init},
	{"proc-see-host", see_processes},
	{"proc-signal-host", signal_host},
	{"proc-pidfd-host", pidfd_host},
	{"proc-trace-host", trace_host},
	{"proc-renice-host", renice_host},
	{"proc-secrets", secrets_in_proc},
	{"proc-environment", secrets_in_env},
	{"proc-descriptors", descriptors},
	{"proc-working-directory", working_directory},
	{"proc-oom-score", oom_score},
	{"proc-scheduling", scheduling},
	{"proc-unshare-user", new_userns},
	{"proc-clone-user", clone_userns},
	{"proc-clone3-user", clone3_userns},
	{"proc-unshare-others", other_namespaces},
	{"proc-setns", join_namespaces},
	{"proc-host-name", host_names},
	{"proc-tiocsti", tiocsti},
	{"proc-tiocsti-high", tiocsti_high},
	{"proc-tioclinux", tioclinux},
	{"proc-line-discipline", line_discipline},
	{"proc-overwrite-launcher", overwrite_launcher},
	{"proc-memfd-exec", memfd_exec},
};
const size_t probes_processes_count = ARRAY_SIZE(probes_processes);
