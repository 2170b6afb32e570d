/* SPDX-License-Identifier: MIT */
/* The attack suite can fail: what a layer stops falls when that layer is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macro.h"
#include "rig.h"
#include "selftest/column.h"
#include "weaken.h"

enum { FALLS_MAX = 40, PROBES_MIN = 90 };

/* What is taken away, and which attacks have to fall then. */
struct weakness {
	const char *name;
	unsigned what;
	bool inside_root;
	const char *falls[FALLS_MAX];
};

/*
 * Redundant layers, where nothing falls before all of them are gone:
 * - A creel-init that cannot be traced, and the filter, which refuses tracing: either is enough.
 * - set-user-id and file capabilities: the user namespace maps one id, no_new_privs, every mount, and a
 *   bounding set that is empty. Only with the capabilities as well does anything show.
 * - Landlock and read-only mounts: what a mount refuses is refused. So Landlock has a probe of its own
 *   (layer-landlock), and is gone where another layer is to show.
 * - The control groups' namespace hides names; their file systems are not in the sandbox at all.
 * - Masks in /proc: all but one are of files that only root may read.
 * - Supplementary groups: the user namespace gives them no name, and nothing in the new root is of a group.
 * - No link is followed where a mount goes: in a mount namespace of its own the mount would be lost, not the host.
 * - Descriptors: a host seldom lets anybody have more than the 65,536 that are the sandbox's limit.
 * - creel-init's read-only mount: its file is not the sandbox user's. No core files: where they go is the host's to
 *   say (core_pattern), and no test should feed that.
 * User and mount namespace are not among these: without one of them no sandbox starts, see below.
 */
static const struct weakness weaknesses[] = {
	{"no seccomp", WITHOUT_SECCOMP, false,
		{"layer-seccomp", "proc-unshare-user", "proc-clone-user", "proc-clone3-user",
			"proc-line-discipline", "proc-memfd-exec", "kern-keys", "kern-io-uring",
			"kern-ldt", "kern-personality", "kern-i386", "fs-make-set-id",
			"net-transports", "net-netlink"}},
	{"creel-init that may be traced, and no seccomp", WITH_OPEN_INIT | WITHOUT_SECCOMP, false,
		{"proc-trace-init", "proc-read-init", "proc-take-descriptor", "proc-open-init"}},
	{"no Landlock", WITHOUT_LANDLOCK, false, {"layer-landlock"}},
	{"capabilities", WITH_CAPABILITIES, true,
		{"layer-capabilities", "net-netlink-write", "proc-open-init", "proc-memfd-exec",
			"fs-run-set-id", "fs-run-file-caps"}},
	{"capabilities and no seccomp", WITH_CAPABILITIES | WITHOUT_SECCOMP | WITHOUT_LANDLOCK,
		true,
		{"layer-capabilities", "fs-remount", "fs-mount-tmpfs", "fs-bind-over", "fs-chroot",
			"fs-new-mount-calls", "fs-mount-types", "proc-host-name",
			"proc-unshare-others", "net-raw", "kern-filter-over"}},
	{"no no_new_privs", WITHOUT_NO_NEW_PRIVS, false, {"layer-no-new-privs", "layer-seccomp"}},
	{"the host's network", WITH_HOST_NETWORK | WITHOUT_LANDLOCK, false,
		{"net-interfaces", "net-host-tcp", "net-host-tcp6", "net-host-udp",
			"net-host-abstract", "net-sibling-tcp", "net-sibling-abstract",
			"net-host-reaches-in", "net-nobody-came"}},
	{"the host's processes", WITH_HOST_PIDS | WITHOUT_LANDLOCK, false,
		{"proc-see-host", "proc-pidfd-host"}},
	{"the host's System V objects", WITH_HOST_IPC, false, {"net-shared-ipc"}},
	{"the host's name", WITH_HOST_NAME, false, {"proc-host-name"}},
	{"a writable root", WITH_WRITABLE_ROOT | WITHOUT_LANDLOCK, false, {"fs-write-system"}},
	{"writable binds", WITH_WRITABLE_BINDS | WITHOUT_LANDLOCK, false,
		{"ro-write", "ro-shape", "ro-attributes", "fs-decoys"}},
	{"the old root", WITH_OLD_ROOT | WITHOUT_LANDLOCK, false, {"fs-dot-dot", "fs-decoys"}},
	{"the host's devices", WITH_HOST_DEVICES | WITHOUT_LANDLOCK, false,
		{"fs-device-list", "res-shared-memory"}},
	{"the host's files", WITH_OUTSIDE, false,
		{"fs-symlink-write", "fs-symlink-read", "fs-plain-read", "fs-dot-dot",
			"fs-other-roots", "net-host-path", "fs-decoys", "net-nobody-came"}},
	{"no masks", WITHOUT_MASKS, false, {"kern-interrupts"}},
	{"no limits", WITHOUT_LIMITS, false,
		{"res-forks", "res-threads", "res-memory", "res-fill-tmp", "res-fill-inodes",
			"res-inotify", "res-timers", "res-terminals"}},
};

/* --- running a column --- */

static int probe_fd;

static size_t column_size(void)
{
	return sizeof(struct selftest_column) + attack_count * sizeof(struct selftest_result);
}

/* Without a pid namespace processes outlive their sandbox: they come to us (PR_SET_CHILD_SUBREAPER). */
static void end_leftovers(void)
{
	char path[64], text[1024];
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	for (;;) {
		int pid = 0;

		file = fopen(path, "re");
		assert_non_null(file);
		if (fgets(text, sizeof(text), file) != NULL) {
			pid = atoi(text);
		}
		(void)fclose(file);
		if (pid <= 0) {
			return;
		}
		(void)kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
	}
}

/* In a process of its own, which may leave anything behind. */
static struct selftest_column *run_column(unsigned what, bool inside_root, const char *only)
{
	struct selftest_column *column = mmap(
		NULL, column_size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const struct selftest_opts opts = {.only = only};
	int status = 0;
	pid_t pid;

	assert_ptr_not_equal(column, MAP_FAILED);
	column->backend = BACKEND_NATIVE;
	column->inside_root = inside_root && geteuid() == 0;
	pid = fork();
	if (pid == 0) {
		weakened = what;
		column_run(column, &opts, probe_fd);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	end_leftovers();
	assert_true(WIFEXITED(status));
	if (!column->ran) {
		fail_msg("%s", column->problem);
	}
	return column;
}

static void nothing_falls_where_nothing_is_missing(void **state)
{
	struct selftest_column *column = run_column(0, false, NULL);
	size_t held = 0;

	(void)state;
	for (size_t i = 0; i < attack_count; i++) {
		const struct selftest_result *result = &column->results[i];

		held += result->outcome == OUTCOME_HELD;
		if (result->outcome == OUTCOME_FELL || result->outcome == OUTCOME_BROKEN) {
			fail_msg("%s: %s", attacks[i].id, result->why);
		}
	}
	assert_true(held >= PROBES_MIN);
	(void)munmap(column, column_size());
}

static void assert_fell(
	const struct weakness *w, const struct selftest_column *column, const char *id)
{
	int index = attack_index(id);

	if (index < 0) {
		fail_msg("there is no attack '%s'", id);
	}
	/* No control group for it here: an ordinary user, as a rule. */
	if (strcmp(id, "res-memory") == 0 && column->results[index].outcome == OUTCOME_NA) {
		return;
	}
	if (column->results[index].outcome != OUTCOME_FELL) {
		fail_msg("with %s, %s is '%s': %s", w->name, id,
			outcome_name(column->results[index].outcome), column->results[index].why);
	}
}

/* Some attacks need to be root, inside or out, to show anything. */
static bool needs_root(const char *id)
{
	static const char *const names[] = {"net-netlink-write", "proc-open-init",
		"proc-memfd-exec", "fs-run-set-id", "fs-run-file-caps", "fs-chroot", "fs-remount",
		"fs-bind-over", "fs-mount-types", "proc-host-name", "fs-mount-tmpfs",
		"fs-new-mount-calls", "proc-unshare-others", "net-raw", "kern-filter-over"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(names[i], id) == 0) {
			return true;
		}
	}
	return false;
}

static void what_a_layer_stops_falls_without_it(void **state)
{
	int shm = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(weaknesses); i++) {
		const struct weakness *w = &weaknesses[i];
		struct selftest_column *column;
		char only[2048] = "";

		for (size_t k = 0; k < FALLS_MAX && w->falls[k] != NULL; k++) {
			(void)strncat(only, w->falls[k], sizeof(only) - strlen(only) - 2);
			(void)strncat(only, ",", 2);
		}
		column = run_column(w->what, w->inside_root, only);

		for (size_t k = 0; k < FALLS_MAX && w->falls[k] != NULL; k++) {
			if (!w->inside_root || geteuid() == 0 || !needs_root(w->falls[k])) {
				assert_fell(w, column, w->falls[k]);
			}
		}
		(void)munmap(column, column_size());
	}
	(void)shmctl(shm, IPC_RMID, NULL);
}

/* --- the probe as the first process: what only creel-init sees otherwise --- */

/* The line of one attack from a sandbox whose first process is creel-probe. */
static void ask_direct(unsigned what, const char *id, char *line, size_t size)
{
	char request[200];
	struct rig rig;
	size_t len = 0;
	ssize_t n;

	weakened = what;
	rig_init(&rig, 1000);
	if (rig_start(&rig) < 0) {
		fail_msg("%s", rig.err.text);
	}
	weakened = 0;
	(void)snprintf(request, sizeof(request), "canary=%s\nonly=%s\n", "terces-tsoh", id);
	assert_true(send(rig.sandbox.stream_fd, request, strlen(request), MSG_NOSIGNAL) > 0);
	while (len < size - 1 &&
		(n = recv(rig.sandbox.stream_fd, line + len, size - 1 - len, 0)) > 0) {
		len += (size_t)n;
	}
	line[len] = '\0';
	rig_finish(&rig);
}

static void assert_direct(unsigned what, const char *id, const char *outcome)
{
	char line[1024];
	char wanted[128];

	ask_direct(what, id, line, sizeof(line));
	(void)snprintf(wanted, sizeof(wanted), "%s\t%s\t", id, outcome);
	if (strncmp(line, wanted, strlen(wanted)) != 0) {
		fail_msg("not %s: %s", outcome, line);
	}
}

static void descriptors_and_environment_show_where_they_are_inherited(void **state)
{
	static const int high = 900;

	(void)state;
	(void)setenv("A_SECRET", "host-secret", 1);
	assert_int_equal(dup2(STDERR_FILENO, high), high);
	assert_direct(0, "proc-descriptors", "held");
	assert_direct(WITH_DESCRIPTORS, "proc-descriptors", "fell");
	assert_direct(0, "proc-environment", "held");
	assert_direct(WITH_ENVIRONMENT, "proc-environment", "fell");
	assert_direct(WITH_ENVIRONMENT, "proc-secrets", "fell");
	(void)close(high);
	(void)unsetenv("A_SECRET");
}

/* Mounting and mapping ids are the kernel's to refuse then; the host's mounts are not touched. */
static void no_sandbox_starts_in_the_hosts_users_or_mounts(void **state)
{
	static const unsigned whats[] = {WITH_HOST_USERS, WITH_HOST_MOUNTS};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(whats); i++) {
		struct rig rig;
		int r;

		weakened = whats[i];
		rig_init(&rig, 1000);
		r = rig_start(&rig);
		weakened = 0;
		rig_finish(&rig);
		assert_true(r < 0);
	}
}

static int run_group(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_falls_where_nothing_is_missing),
		cmocka_unit_test(what_a_layer_stops_falls_without_it),
		cmocka_unit_test(descriptors_and_environment_show_where_they_are_inherited),
		cmocka_unit_test(no_sandbox_starts_in_the_hosts_users_or_mounts),
	};

	return cmocka_run_group_tests_name(
		geteuid() == 0 ? "weakened, started by root" : "weakened, started by a user", tests,
		NULL, NULL);
}

int main(void)
{
	if (!rig_host_has_layers()) {
		return 77;
	}
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	probe_fd = open(getenv("CREEL_PROBE"), O_RDONLY | O_CLOEXEC);
	if (probe_fd < 0) {
		perror("CREEL_PROBE");
		return 1;
	}
	return rig_run(run_group);
}
