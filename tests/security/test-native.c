/* SPDX-License-Identifier: MIT */
/* What holds inside a native sandbox, probed from inside: as root, and as an ordinary user. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/macro.h"
#include "rig.h"

enum { OWNER = 1000 };

static int start(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	static const int high = 900;

	/* As careless callers do: a secret in the environment, a descriptor without close-on-exec. */
	(void)setenv("HOST_SECRET", "hunter2", 1);
	(void)dup2(STDERR_FILENO, high);
	rig_init(rig, OWNER);
	*state = rig;
	if (rig_start(rig) < 0) {
		(void)fprintf(stderr, "start: %s\n", rig->err.text);
		return -1;
	}
	return 0;
}

static int stop(void **state)
{
	rig_finish(*state);
	free(*state);
	return 0;
}

static void assert_errno(struct rig *rig, const char *question, int num)
{
	const char *answer = rig_ask(rig, question);
	char wanted[16];

	(void)snprintf(wanted, sizeof(wanted), "%d", num);
	if (strcmp(answer, wanted) != 0) {
		fail_msg("'%s' answers '%s', not %s (%s)", question, answer, wanted, strerror(num));
	}
}

static void assert_ok(struct rig *rig, const char *question)
{
	const char *answer = rig_ask(rig, question);

	if (strcmp(answer, "ok") != 0) {
		fail_msg("'%s' answers '%s'", question, answer);
	}
}

static void every_namespace_is_its_own(void **state)
{
	static const char *const names[] = {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"};
	const char *answer = rig_ask(*state, "namespaces");

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char path[64];
		char ours[64];
		struct stat st;

		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		assert_int_equal(stat(path, &st), 0);
		(void)snprintf(
			ours, sizeof(ours), "%s=%llu ", names[i], (unsigned long long)st.st_ino);
		assert_null(strstr(answer, ours));
		(void)snprintf(ours, sizeof(ours), "%s=", names[i]);
		assert_non_null(strstr(answer, ours));
	}
}

static void only_loopback_is_there(void **state)
{
	assert_string_equal(rig_ask(*state, "interfaces"), "lo ");
}

static void no_capability_is_left(void **state)
{
	static const char *const lines[] = {"CapInh:\t0000000000000000;",
		"CapPrm:\t0000000000000000;", "CapEff:\t0000000000000000;",
		"CapBnd:\t0000000000000000;", "CapAmb:\t0000000000000000;", "NoNewPrivs:\t1;",
		"Seccomp:\t2;"};
	const char *answer = rig_ask(*state, "read /proc/self/status");

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		assert_non_null(strstr(answer, lines[i]));
	}
}

static void nothing_is_inherited(void **state)
{
	assert_string_equal(rig_ask(*state, "fds"), "0 1 2 3 ");
	assert_string_equal(rig_ask(*state, "env"), "vars");
	assert_string_equal(rig_ask(*state, "read /dev/stdin"), "");
}

static void proc_shows_own_processes_alone(void **state)
{
	static const char *const masked[] = {"acpi", "asound", "bus", "fs", "interrupts", "irq",
		"scsi", "kcore", "keys", "key-users", "kmsg", "latency_stats", "sched_debug",
		"sysrq-trigger", "timer_list", "timer_stats"};
	const char *answer = rig_ask(*state, "list /proc");
	int pids = 0;
	char path[64];

	for (const char *c = answer; *c != '\0'; c += strcspn(c, " ") + 1) {
		pids += *c >= '0' && *c <= '9';
	}
	assert_int_equal(pids, 1);
	for (size_t i = 0; i < ARRAY_SIZE(masked); i++) {
		(void)snprintf(path, sizeof(path), "list /proc/%s", masked[i]);
		answer = rig_ask(*state, path);
		if (*answer != '\0' && strncmp(answer, "errno", 5) != 0) {
			fail_msg("/proc/%s holds '%s'", masked[i], answer);
		}
		(void)snprintf(path, sizeof(path), "read /proc/%s", masked[i]);
		answer = rig_ask(*state, path);
		if (*answer != '\0' && strncmp(answer, "errno", 5) != 0) {
			fail_msg("/proc/%s says '%s'", masked[i], answer);
		}
	}
	/* EACCES where the file is root's, EROFS where it would be ours: never "ok". */
	assert_int_not_equal(atoi(rig_ask(*state, "openw /proc/sys/kernel/hostname")), 0);
	assert_int_not_equal(atoi(rig_ask(*state, "openw /proc/sys/net/ipv4/ip_forward")), 0);
	/* creel-init is not dumpable, so its own files are root's alone. */
	assert_errno(*state, "peek /proc/1/fd", EACCES);
	assert_errno(*state, "peek /proc/1/environ", EACCES);
	assert_errno(*state, "peek /proc/1/mem", EACCES);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void dev_holds_the_list(void **state)
{
	static const char wanted[] =
		"fd full null ptmx pts random shm stderr stdin stdout tty urandom zero ";
	char *answer = strdup(rig_ask(*state, "list /dev"));
	char *words[64] = {NULL};
	char sorted[512] = "";
	size_t count = 0;

	for (char *word = strtok(answer, " "); word != NULL && count < 64;
		word = strtok(NULL, " ")) {
		words[count++] = word;
	}
	qsort(words, count, sizeof(words[0]), compare);
	for (size_t i = 0; i < count; i++) {
		(void)strncat(sorted, words[i], sizeof(sorted) - strlen(sorted) - 2);
		(void)strncat(sorted, " ", 2);
	}
	assert_string_equal(sorted, wanted);
	free(answer);
	assert_ok(*state, "openw /dev/null");
	assert_ok(*state, "write /dev/shm/x");
	assert_errno(*state, "mknod", EPERM);
}

static void the_host_is_not_there(void **state)
{
	static const char *const gone[] = {"stat /root", "stat /home", "stat /etc/shadow",
		"stat /etc/ssh", "stat /boot", "stat /mnt", "stat /opt", "stat /var/lib",
		"stat /etc/machine-id", "stat /var/run/docker.sock"};

	for (size_t i = 0; i < ARRAY_SIZE(gone); i++) {
		assert_string_equal(rig_ask(*state, gone[i]), "errno 2");
	}
	assert_string_equal(rig_ask(*state, "list /sys"), "");
	assert_non_null(strstr(rig_ask(*state, "read /etc/passwd"), "root:x:0:"));
	assert_string_equal(rig_ask(*state, "read /proc/sys/kernel/hostname"), "sandbox;");
}

static void only_the_workspace_and_tmpfs_can_be_written(void **state)
{
	static const char *const sealed[] = {"write /x", "write /usr/x", "write /usr/bin/x",
		"write /etc/x", "write /dev/x", "write /run/creel/init", "write /sys/x",
		"write /var/x"};
	struct rig *rig = *state;
	char path[300];
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(sealed); i++) {
		const char *answer = rig_ask(rig, sealed[i]);

		/* Landlock answers EACCES before the mount answers EROFS. */
		if (strcmp(answer, "30") != 0 && strcmp(answer, "13") != 0) {
			fail_msg("'%s' answers '%s'", sealed[i], answer);
		}
	}
	assert_ok(rig, "write /tmp/x");
	assert_ok(rig, "write /var/tmp/x");
	assert_ok(rig, "write /run/x");
	assert_ok(rig, "write /workspace/x");
	(void)snprintf(path, sizeof(path), "%s/x", rig->workspace);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_uid, geteuid() == 0 ? OWNER : geteuid());
	assert_int_equal(st.st_mode, S_IFREG | 0644);
	/* Inside it is the sandbox user's own as well. */
	(void)snprintf(
		path, sizeof(path), "mode=100644 uid=%u gid=%u size=1", st.st_uid, st.st_gid);
	assert_string_equal(rig_ask(rig, "stat /workspace/x"), path);
}

static void dangerous_calls_are_refused(void **state)
{
	static const char *const eperm[] = {"unshare", "setns", "clone-newuser", "mount", "remount",
		"umount", "open_tree", "pivot_root", "chroot", "ptrace", "process_vm_readv",
		"keyctl", "add_key", "bpf", "perf_event_open", "userfaultfd", "open_by_handle_at",
		"reboot", "personality", "sethostname", "raw", "raw6", "mptcp", "sctp", "dccp",
		"smc", "tiocsti", "tiocsti-high"};
	static const char *const enosys[] = {"clone3", "io_uring_setup", "unknown"};
	static const char *const family[] = {"packet", "vsock", "netlink-audit"};
	char question[64];

	for (size_t i = 0; i < ARRAY_SIZE(eperm); i++) {
		(void)snprintf(question, sizeof(question), "call %s", eperm[i]);
		assert_errno(*state, question, EPERM);
	}
	for (size_t i = 0; i < ARRAY_SIZE(enosys); i++) {
		(void)snprintf(question, sizeof(question), "call %s", enosys[i]);
		assert_errno(*state, question, ENOSYS);
	}
	for (size_t i = 0; i < ARRAY_SIZE(family); i++) {
		(void)snprintf(question, sizeof(question), "call %s", family[i]);
		assert_errno(*state, question, i == 2 ? EPERM : EAFNOSUPPORT);
	}
	assert_ok(*state, "call tcp");
	assert_ok(*state, "call udp");
	assert_ok(*state, "call netlink-route");
}

static void other_entries_are_closed(void **state)
{
#if defined(__x86_64__)
	int signo = atoi(rig_ask(*state, "entry i386"));

	/* SIGSEGV where the kernel has no 32-bit entry at all. */
	assert_true(signo == SIGSYS || signo == SIGSEGV);
	assert_int_equal(atoi(rig_ask(*state, "entry x32")), SIGSYS);
#else
	(void)state;
	skip();
#endif
}

static void forks_are_bounded(void **state)
{
	int count = 0;
	int num = 0;

	assert_int_equal(sscanf(rig_ask(*state, "forks"), "%d errno %d", &count, &num), 2);
	/* 64 with PID 1. */
	assert_int_equal(count, 63);
	assert_int_equal(num, EAGAIN);
	assert_string_equal(rig_ask(*state, "ping"), "alive");
}

static void limits_are_set(void **state)
{
	char question[32];

	(void)snprintf(question, sizeof(question), "rlimit %d", RLIMIT_CORE);
	assert_string_equal(rig_ask(*state, question), "0 0");
	(void)snprintf(question, sizeof(question), "rlimit %d", RLIMIT_NPROC);
	assert_string_equal(rig_ask(*state, question), "64 64");
}

static void abstract_sockets_of_the_host_are_out_of_reach(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char question[64];
	int len = snprintf(address.sun_path + 1, 64, "creel-test-%d", getpid());

	assert_int_equal(
		bind(fd, (const struct sockaddr *)&address,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)),
		0);
	assert_int_equal(listen(fd, 1), 0);
	(void)snprintf(question, sizeof(question), "abstract creel-test-%d", getpid());
	assert_errno(*state, question, ECONNREFUSED);
	(void)close(fd);
}

static void host_processes_cannot_be_signalled(void **state)
{
	char question[64];

	(void)snprintf(question, sizeof(question), "kill %d", getpid());
	if (getpid() > 64) {
		assert_errno(*state, question, ESRCH);
	}
}

static void the_host_sees_an_unprivileged_uid(void **state)
{
	struct rig *rig = *state;
	char path[64];
	char text[2048];
	unsigned uid = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", rig_first(rig));
	file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(text, sizeof(text), file) != NULL) {
		if (sscanf(text, "Uid:\t%u", &uid) == 1) {
			break;
		}
	}
	(void)fclose(file);
	assert_int_not_equal(uid, 0);
	if (geteuid() == 0) {
		assert_true(uid >= 0x70000000);
	} else {
		assert_int_equal(uid, geteuid());
	}
}

static void every_mount_ignores_set_user_id(void **state)
{
	char *text = strdup(rig_ask(*state, "read /proc/self/mounts"));

	assert_non_null(strstr(text, " /workspace "));
	for (char *line = strtok(text, ";"); line != NULL; line = strtok(NULL, ";")) {
		/* The device nodes' mounts are single nodes of the host's devtmpfs: nothing to run. */
		if (strstr(line, "nosuid") == NULL && strncmp(line, "devtmpfs ", 9) != 0) {
			fail_msg("%s", line);
		}
	}
	free(text);
	assert_string_equal(rig_ask(*state, "exec /usr/bin/true"), "0");
}

/* It would be one on the host as well, owned by whoever owns the workspace: root's, maybe. */
static void no_set_user_id_file_can_be_made(void **state)
{
	struct rig *rig = *state;
	const struct dirent *item;
	DIR *dir;

	assert_string_equal(rig_ask(rig, "set-id /workspace"), "0");
	dir = opendir(rig->workspace);
	assert_non_null(dir);
	while ((item = readdir(dir)) != NULL) {
		struct stat st;

		assert_int_equal(fstatat(dirfd(dir), item->d_name, &st, AT_SYMLINK_NOFOLLOW), 0);
		assert_int_equal(st.st_mode & (S_ISUID | S_ISGID), 0);
	}
	(void)closedir(dir);
}

/* The kernel counts both for whoever started the sandbox as well, or for the whole host. */
static void the_starter_keeps_its_share(void **state)
{
	assert_string_equal(rig_ask(*state, "supply inotify"), "32");
	assert_string_equal(rig_ask(*state, "supply pty"), "256");
	/* As documented: enough for a build, and not half of the host's memory. */
	assert_string_equal(rig_ask(*state, "space /dev/shm"), "512 MiB");
	assert_string_not_equal(
		rig_ask(*state, "openw /proc/sys/user/max_inotify_instances"), "ok");
}

static int run_group(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_namespace_is_its_own),
		cmocka_unit_test(only_loopback_is_there),
		cmocka_unit_test(no_capability_is_left),
		cmocka_unit_test(nothing_is_inherited),
		cmocka_unit_test(proc_shows_own_processes_alone),
		cmocka_unit_test(dev_holds_the_list),
		cmocka_unit_test(the_host_is_not_there),
		cmocka_unit_test(only_the_workspace_and_tmpfs_can_be_written),
		cmocka_unit_test(dangerous_calls_are_refused),
		cmocka_unit_test(other_entries_are_closed),
		cmocka_unit_test(forks_are_bounded),
		cmocka_unit_test(limits_are_set),
		cmocka_unit_test(abstract_sockets_of_the_host_are_out_of_reach),
		cmocka_unit_test(host_processes_cannot_be_signalled),
		cmocka_unit_test(the_host_sees_an_unprivileged_uid),
		cmocka_unit_test(every_mount_ignores_set_user_id),
		cmocka_unit_test(no_set_user_id_file_can_be_made),
		cmocka_unit_test(the_starter_keeps_its_share),
	};

	return cmocka_run_group_tests_name(
		geteuid() == 0 ? "native, started by root" : "native, started by a user", tests,
		start, stop);
}

int main(void)
{
	if (!rig_host_has_layers()) {
		return 77;
	}
	return rig_run(run_group);
}
