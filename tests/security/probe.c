/* SPDX-License-Identifier: MIT */
/*
 * Runs in a sandbox in creel-init's place and answers questions about it over descriptor 3: one line
 * in, one line out. What it tries, an attacker's first program would try.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static char answer[60000];

__attribute__((format(printf, 1, 2))) static void say(const char *fmt, ...)
{
	size_t used = strlen(answer);
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(answer + used, sizeof(answer) - used, fmt, args);
	va_end(args);
}

/* "ok" or the errno, by number. */
static void say_result(long result)
{
	if (result < 0) {
		say("%d", errno);
	} else {
		say("ok");
	}
}

static void ask_namespaces(const char *arg)
{
	static const char *const names[] = {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"};

	(void)arg;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[64];
		struct stat st;

		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		say("%s=%llu ", names[i],
			stat(path, &st) == 0 ? (unsigned long long)st.st_ino : 0ULL);
	}
}

static void ask_read(const char *path)
{
	static char text[32768];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n < 0) {
		say("errno %d", errno);
		return;
	}
	text[n] = '\0';
	for (ssize_t i = 0; i < n; i++) {
		if (text[i] == '\n') {
			text[i] = ';';
		}
	}
	say("%s", text);
	(void)close(fd);
}

static void ask_write(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	say_result(fd < 0 ? -1 : write(fd, "x", 1));
	if (fd >= 0) {
		(void)close(fd);
	}
}

static void ask_open_write(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	say_result(fd);
	if (fd >= 0) {
		(void)close(fd);
	}
}

static void ask_list(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *item;

	if (dir == NULL) {
		say("errno %d", errno);
		return;
	}
	while ((item = readdir(dir)) != NULL) {
		if (strcmp(item->d_name, ".") != 0 && strcmp(item->d_name, "..") != 0) {
			say("%s ", item->d_name);
		}
	}
	(void)closedir(dir);
}

static void ask_descriptors(const char *arg)
{
	(void)arg;
	for (int fd = 0; fd < 1024; fd++) {
		if (fcntl(fd, F_GETFD) >= 0) {
			say("%d ", fd);
		}
	}
}

static void ask_environment(const char *arg)
{
	(void)arg;
	say("vars");
	/* A build that counts lines sets a variable of its own when the program starts. */
	(void)unsetenv("__LLVM_PROFILE_RT_INIT_ONCE");
	for (char **item = environ; *item != NULL; item++) {
		say(" %s", *item);
	}
}

static void ask_stat(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0) {
		say("errno %d", errno);
		return;
	}
	say("mode=%o uid=%u gid=%u size=%lld", st.st_mode, st.st_uid, st.st_gid,
		(long long)st.st_size);
}

static void ask_interfaces(const char *arg)
{
	struct if_nameindex *list = if_nameindex();

	(void)arg;
	for (const struct if_nameindex *i = list; i != NULL && i->if_index != 0; i++) {
		say("%s ", i->if_name);
	}
}

static void ask_limit(const char *arg)
{
	struct rlimit limit;

	(void)getrlimit((__rlimit_resource_t)strtoul(arg, NULL, 10), &limit);
	say("%llu %llu", (unsigned long long)limit.rlim_cur, (unsigned long long)limit.rlim_max);
}

/* A child that stays alive until its parent is gone. */
static pid_t spawn_waiter(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			(void)pause();
		}
	}
	return pid;
}

static void ask_forks(const char *arg)
{
	static pid_t pids[4096];
	int count = 0;
	int num = 0;

	(void)arg;
	while (count < 4096) {
		pids[count] = spawn_waiter();
		if (pids[count] < 0) {
			num = errno;
			break;
		}
		count++;
	}
	say("%d errno %d", count, num);
	for (int i = 0; i < count; i++) {
		(void)kill(pids[i], SIGKILL);
		(void)waitpid(pids[i], NULL, 0);
	}
}

static void ask_memory(const char *arg)
{
	size_t bytes = strtoul(arg, NULL, 10) << 20;
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		char *data = malloc(bytes);

		for (size_t i = 0; data != NULL && i < bytes; i += 4096) {
			((volatile char *)data)[i] = 1;
		}
		_exit(0);
	}
	(void)waitpid(pid, &status, 0);
	say("%d", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

/* An entry into the kernel in a child; how it ended. */
static void ask_entry(const char *arg)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
#if defined(__x86_64__)
		long result = 20; /* getpid, 32-bit */

		if (strcmp(arg, "i386") == 0) {
			__asm__ volatile("int $0x80" : "+a"(result) : : "memory");
		} else {
			(void)syscall(0x40000000L + SYS_getpid);
		}
#else
		(void)arg;
		(void)raise(SIGSYS);
#endif
		_exit(0);
	}
	(void)waitpid(pid, &status, 0);
	say("%d", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

static void ask_abstract(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t len = strlen(name);

	memcpy(address.sun_path + 1, name, len);
	say_result(connect(fd, (const struct sockaddr *)&address,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len)));
	(void)close(fd);
}

static void ask_kill(const char *arg)
{
	say_result(kill((pid_t)strtol(arg, NULL, 10), 0));
}

/* Calls that a sandbox must refuse, by name. */
static long try_namespaces(const char *name)
{
	if (strcmp(name, "unshare") == 0) {
		return unshare(CLONE_NEWUSER);
	}
	if (strcmp(name, "setns") == 0) {
		return setns(3, 0);
	}
	if (strcmp(name, "clone-newuser") == 0) {
		long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);

		if (pid == 0) {
			_exit(0);
		}
		return pid;
	}
	if (strcmp(name, "clone3") == 0) {
		return syscall(SYS_clone3, NULL, 0);
	}
	if (strcmp(name, "mount") == 0) {
		return mount("tmpfs", "/tmp", "tmpfs", 0, NULL);
	}
	if (strcmp(name, "remount") == 0) {
		return mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL);
	}
	if (strcmp(name, "umount") == 0) {
		return umount2("/proc/sys", MNT_DETACH);
	}
	if (strcmp(name, "open_tree") == 0) {
		return syscall(SYS_open_tree, AT_FDCWD, "/", 1);
	}
	if (strcmp(name, "pivot_root") == 0) {
		return syscall(SYS_pivot_root, ".", ".");
	}
	return strcmp(name, "chroot") == 0 ? chroot("/tmp") : 0;
}

static long try_kernel(const char *name)
{
	char buffer[256] = {0};

	if (strcmp(name, "ptrace") == 0) {
		return ptrace(PTRACE_SEIZE, getppid(), NULL, NULL);
	}
	if (strcmp(name, "process_vm_readv") == 0) {
		struct iovec iov = {buffer, sizeof(buffer)};

		return process_vm_readv(1, &iov, 1, &iov, 1, 0);
	}
	if (strcmp(name, "keyctl") == 0) {
		return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 1);
	}
	if (strcmp(name, "add_key") == 0) {
		return syscall(SYS_add_key, "user", "x", "y", 1, KEY_SPEC_SESSION_KEYRING);
	}
	if (strcmp(name, "bpf") == 0) {
		return syscall(SYS_bpf, 0, buffer, 64);
	}
	if (strcmp(name, "perf_event_open") == 0) {
		struct perf_event_attr attr = {.size = sizeof(attr), .type = PERF_TYPE_SOFTWARE};

		return syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
	}
	if (strcmp(name, "userfaultfd") == 0) {
		return syscall(SYS_userfaultfd, 1);
	}
	if (strcmp(name, "io_uring_setup") == 0) {
		return syscall(SYS_io_uring_setup, 4, buffer);
	}
	if (strcmp(name, "open_by_handle_at") == 0) {
		return syscall(SYS_open_by_handle_at, 0, buffer, 0);
	}
	if (strcmp(name, "reboot") == 0) {
		return syscall(SYS_reboot, 0, 0, 0, NULL);
	}
	if (strcmp(name, "personality") == 0) {
		return personality(READ_IMPLIES_EXEC);
	}
	if (strcmp(name, "unknown") == 0) {
		return syscall(999);
	}
	return strcmp(name, "sethostname") == 0 ? sethostname("x", 1) : 0;
}

static long try_sockets(const char *name)
{
	if (strcmp(name, "raw") == 0) {
		return socket(AF_INET, SOCK_RAW, 1);
	}
	if (strcmp(name, "raw6") == 0) {
		return socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, 58);
	}
	if (strcmp(name, "packet") == 0) {
		return socket(AF_PACKET, SOCK_RAW, 0);
	}
	if (strcmp(name, "vsock") == 0) {
		return socket(40, SOCK_STREAM, 0);
	}
	if (strcmp(name, "mptcp") == 0) {
		return socket(AF_INET, SOCK_STREAM, 262);
	}
	if (strcmp(name, "sctp") == 0) {
		return socket(AF_INET, SOCK_STREAM, 132);
	}
	if (strcmp(name, "dccp") == 0) {
		return socket(AF_INET, 6 /* SOCK_DCCP */, 0);
	}
	if (strcmp(name, "smc") == 0) {
		return socket(AF_INET, SOCK_STREAM, 256);
	}
	if (strcmp(name, "netlink-audit") == 0) {
		return socket(AF_NETLINK, SOCK_RAW, 9);
	}
	if (strcmp(name, "netlink-route") == 0) {
		return socket(AF_NETLINK, SOCK_RAW, 0);
	}
	if (strcmp(name, "udp") == 0) {
		return socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 17);
	}
	if (strcmp(name, "tcp") == 0) {
		return socket(AF_INET, SOCK_STREAM, 0);
	}
	return 0;
}

static long try_terminal(const char *name)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	char c = 'x';
	long result;
	int num;

	if (fd < 0) {
		return -1;
	}
	/* The kernel looks at the low 32 bits alone: CVE-2019-10063. */
	result = syscall(SYS_ioctl, fd,
		strcmp(name, "tiocsti-high") == 0 ? (1UL << 32 | TIOCSTI) : (unsigned long)TIOCSTI,
		&c);
	num = errno;
	(void)close(fd);
	errno = num;
	return result;
}

static void ask_call(const char *name)
{
	long result;

	errno = 0;
	result = try_namespaces(name);
	if (result == 0 && errno == 0) {
		result = try_kernel(name);
	}
	if (result == 0 && errno == 0) {
		result = try_sockets(name);
	}
	if (strncmp(name, "tiocsti", 7) == 0) {
		result = try_terminal(name);
	}
	say_result(result);
}

static void ask_device(const char *arg)
{
	(void)arg;
	say_result(mknod("/tmp/disk", S_IFBLK | 0600, 0xfe00));
}

/* Every way to a set-user-id or set-group-id file that there is; how many worked, then the names. */
static void ask_set_id(const char *dir)
{
	static const mode_t modes[] = {04755, 02755, 06755};
	char path[256];
	int made = 0;

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		/* struct open_how of <linux/openat2.h> */
		uint64_t how[3] = {O_CREAT | O_WRONLY, modes[i], 0};
		mode_t mode = modes[i];
		int fd;

		(void)snprintf(path, sizeof(path), "%s/plain", dir);
		fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0755);
		made += chmod(path, mode) == 0;
		made += fchmod(fd, mode) == 0;
		made += fchmodat(AT_FDCWD, path, mode, 0) == 0;
		made += syscall(452, AT_FDCWD, path, mode, 0) == 0; /* fchmodat2 */
		(void)close(fd);
		(void)snprintf(path, sizeof(path), "%s/new%o", dir, mode);
		made += open(path, O_CREAT | O_WRONLY | O_CLOEXEC, mode) >= 0;
		made += creat(path, mode) >= 0;
#if defined(__x86_64__)
		made += syscall(SYS_open, path, O_CREAT | O_WRONLY | O_CLOEXEC, mode) >= 0;
#endif
		made += mknod(path, S_IFREG | mode, 0) == 0;
		made += syscall(437, AT_FDCWD, path, how, sizeof(how)) >= 0;
		made += open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, mode) >= 0;
	}
	say("%d", made);
}

static void ask_setuid_exec(const char *path)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		(void)execl(path, path, (char *)NULL);
		_exit(99);
	}
	(void)waitpid(pid, &status, 0);
	say("%d", WEXITSTATUS(status));
}

/* What another process of the same uid sees of PID 1. */
static void ask_peek(const char *path)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		_exit(fd < 0 ? errno : 0);
	}
	(void)waitpid(pid, &status, 0);
	say("%d", WEXITSTATUS(status));
}

/* How many of something there are to have. */
static void ask_supply(const char *what)
{
	static int fds[20000];
	int count = 0;

	while (count < 20000) {
		fds[count] = strcmp(what, "pty") == 0
				     ? open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
				     : inotify_init1(IN_CLOEXEC);
		if (fds[count] < 0) {
			break;
		}
		count++;
	}
	say("%d", count);
	while (count > 0) {
		(void)close(fds[--count]);
	}
}

static void ask_space(const char *path)
{
	struct statvfs fs;

	say("%llu MiB", statvfs(path, &fs) == 0
				? (unsigned long long)fs.f_blocks * fs.f_frsize >> 20
				: 0ULL);
}

static void ask_nothing(const char *arg)
{
	(void)arg;
	say("alive");
}

static const struct {
	const char *name;
	void (*ask)(const char *arg);
} questions[] = {
	{"namespaces", ask_namespaces},
	{"read", ask_read},
	{"write", ask_write},
	{"openw", ask_open_write},
	{"list", ask_list},
	{"fds", ask_descriptors},
	{"env", ask_environment},
	{"stat", ask_stat},
	{"interfaces", ask_interfaces},
	{"rlimit", ask_limit},
	{"forks", ask_forks},
	{"memory", ask_memory},
	{"entry", ask_entry},
	{"abstract", ask_abstract},
	{"kill", ask_kill},
	{"call", ask_call},
	{"mknod", ask_device},
	{"set-id", ask_set_id},
	{"exec", ask_setuid_exec},
	{"peek", ask_peek},
	{"supply", ask_supply},
	{"space", ask_space},
	{"ping", ask_nothing},
};

static void reply_to(char *line)
{
	char *arg = strchr(line, ' ');

	if (arg != NULL) {
		*arg++ = '\0';
	}
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		if (strcmp(questions[i].name, line) == 0) {
			questions[i].ask(arg != NULL ? arg : "");
			return;
		}
	}
	say("what?");
}

int main(void)
{
	char line[8192];
	int status;
	ssize_t n;

	(void)prctl(PR_SET_DUMPABLE, 0);
	/* creel-init's --join: what made the root is our one child, and has to be gone. */
	if (waitpid(-1, &status, 0) < 0 || status != 0) {
		return 1;
	}
	while ((n = recv(3, line, sizeof(line) - 1, 0)) > 0) {
		line[n] = '\0';
		line[strcspn(line, "\n")] = '\0';
		answer[0] = '\0';
		reply_to(line);
		say("\n");
		if (send(3, answer, strlen(answer), MSG_NOSIGNAL) < 0) {
			return 1;
		}
	}
	return 0;
}
