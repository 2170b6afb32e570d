/* SPDX-License-Identifier: MIT */
/*
 * Many sandboxes made and ended leave nothing: descriptors, mounts, control groups, namespaces,
 * processes, files, memory. CREEL_LEAK_ROUNDS says how many; 10,000 take a minute.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/num.h"
#include "os/cgroup.h"
#include "os/sys.h"
#include "rig.h"
#include "selftest/peer.h"

enum {
	OWNER = 1000,
	DEFAULT_ROUNDS = 300,
	WARM_UP = 20, /* the C library's own caches fill */
	KEEPER_EVERY = 10, /* one with a control group, where there are any */
	ANSWER_TIMEOUT_MS = 20000,
	GROWTH_MAX_KIB = 512,
	/* The kernel takes network namespaces apart later, in its own time. */
	NAMESPACES_MAX = 150,
	TRIES = 2000,
};

/* In a mount namespace of our own nobody else mounts anything. Users have none, but then they cannot
 * mount anything that would stay either. */
static bool own_mounts;

static const struct timespec a_moment = {.tv_nsec = 5000000};

struct count {
	int descriptors, mounts, groups, children, files;
	long memory_kib;
};

static int count_entries(const char *path, const char *prefix)
{
	DIR *dir = opendir(path);
	const struct dirent *item;
	int count = 0;

	while (dir != NULL && (item = readdir(dir)) != NULL) {
		count += strncmp(item->d_name, prefix, strlen(prefix)) == 0;
	}
	if (dir != NULL) {
		(void)closedir(dir);
	}
	return count;
}

static int count_lines(const char *path)
{
	FILE *file = fopen(path, "re");
	int lines = 0;

	assert_non_null(file);
	for (int c = getc(file); c != EOF; c = getc(file)) {
		lines += c == '\n';
	}
	(void)fclose(file);
	return lines;
}

/* Groups that this process or one of its keepers made: they carry the maker's number. */
static int count_groups(void)
{
	struct cgroup_host host;
	int count = 0;

	cgroup_probe(&host);
	for (int i = 0; i < CGROUP_COUNT_; i++) {
		count += host.available[i] ? count_entries(host.parent[i], "creel-") : 0;
	}
	return count;
}

static long memory_kib(void)
{
	char text[128];
	long pages = 0;

	if (sys_read_file(AT_FDCWD, "/proc/self/statm", text, sizeof(text)) < 0 ||
		sscanf(text, "%*d %ld", &pages) != 1) {
		fail_msg("no /proc/self/statm");
	}
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Orphans come to us (PR_SET_CHILD_SUBREAPER): whoever is left is a child. */
static int count_children(void)
{
	char path[64], text[4096] = "";
	int count = 0;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	(void)sys_read_file(AT_FDCWD, path, text, sizeof(text));
	for (const char *c = text; *c != '\0'; c += strcspn(c, " ") + (*c != '\0')) {
		count += *c != ' ';
		if (strchr(c, ' ') == NULL) {
			break;
		}
	}
	return count;
}

static struct count take_count(const struct rig *rig)
{
	return (struct count){
		.descriptors = count_entries("/proc/self/fd", ""),
		.mounts = own_mounts ? count_lines("/proc/self/mountinfo") : 0,
		.groups = count_groups(),
		.children = count_children(),
		.files = count_entries(rig->workspace, ""),
		.memory_kib = memory_kib(),
	};
}

/* Somebody else's sandboxes are not to be counted; ours alone change between two of these. */
static int rounds(void)
{
	const char *text = getenv("CREEL_LEAK_ROUNDS");
	uint32_t count = DEFAULT_ROUNDS;

	if (text != NULL && num_parse_u32(text, 1, 1000000, &count) < 0) {
		fail_msg("CREEL_LEAK_ROUNDS is no number: %s", text);
	}
	return (int)count;
}

/* Start one, run a program in it, end it. */
static int one_life(const struct sandbox_spec *spec, struct error *err)
{
	static const char *const argv[] = {"/bin/true", NULL};
	struct peer_run run = {.greedy = true};
	struct peer peer;
	struct error ignored;
	int r = peer_start(&peer, spec, err);

	if (r < 0) {
		return r;
	}
	r = peer_spawn(&peer, &run, argv, 0, err);
	if (r == 0) {
		r = peer_wait(&run, ANSWER_TIMEOUT_MS, err);
	}
	if (r == 0 && run.exited.code != 0) {
		r = -EIO;
	}
	peer_run_finish(&run);
	return peer_finish(&peer, r == 0 ? err : &ignored) < 0 ? -EIO : r;
}

/* The kernel counts a namespace until it has taken it apart: then there is room again. */
static void live(const struct sandbox_spec *spec)
{
	struct error err = {0};
	int r = one_life(spec, &err);

	for (int i = 0; r == -ENOSPC && i < TRIES; i++) {
		(void)nanosleep(&a_moment, NULL);
		r = one_life(spec, &err);
	}
	if (r < 0) {
		fail_msg("%s", err.text);
	}
}

static void live_often(struct rig *rig, int count)
{
	struct cgroup_host host;

	cgroup_probe(&host);
	for (int i = 0; i < count; i++) {
		rig->spec.memory =
			host.available[CGROUP_MEMORY] && i % KEEPER_EVERY == 0 ? 64 << 20 : 0;
		live(&rig->spec);
	}
}

static void assert_same(const struct count *before, const struct count *after)
{
	assert_int_equal(before->descriptors, after->descriptors);
	/* Whoever removes a directory takes what is mounted on it out of every namespace. */
	assert_true(after->mounts <= before->mounts);
	assert_int_equal(before->children, after->children);
	assert_int_equal(before->files, after->files);
	/* Others may start sandboxes with limits on this machine meanwhile, but not many. */
	assert_true(after->groups <= before->groups + 3);
#if !defined(__SANITIZE_ADDRESS__)
	if (after->memory_kib > before->memory_kib + GROWTH_MAX_KIB) {
		fail_msg("%ld KiB became %ld", before->memory_kib, after->memory_kib);
	}
#endif
}

static void nothing_is_left_behind(void **state)
{
	struct count before, after;
	int count = rounds();
	struct rig rig;

	(void)state;
	rig_init(&rig, OWNER);
	live_often(&rig, WARM_UP);
	before = take_count(&rig);
	live_often(&rig, count);
	after = take_count(&rig);
	assert_same(&before, &after);
	(void)printf("%d sandboxes: %d descriptors, %d mounts, %d groups, %d children, %ld KiB "
		     "before; %d, %d, %d, %d, %ld KiB after\n",
		count, before.descriptors, before.mounts, before.groups, before.children,
		before.memory_kib, after.descriptors, after.mounts, after.groups, after.children,
		after.memory_kib);
	rig_finish(&rig);
}

/* In a user namespace of our own, which may have that many below it and no more. */
static int limit_namespaces(void)
{
	static const char *const kinds[] = {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"};
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char path[64], text[64];
	int len;

	if (unshare(CLONE_NEWUSER) < 0 ||
		sys_write_file(AT_FDCWD, "/proc/self/setgroups", "deny", 4) < 0) {
		return -1;
	}
	len = snprintf(text, sizeof(text), "%u %u 1", gid, gid);
	if (sys_write_file(AT_FDCWD, "/proc/self/gid_map", text, (size_t)len) < 0) {
		return -1;
	}
	len = snprintf(text, sizeof(text), "%u %u 1", uid, uid);
	if (sys_write_file(AT_FDCWD, "/proc/self/uid_map", text, (size_t)len) < 0) {
		return -1;
	}
	len = snprintf(text, sizeof(text), "%d", NAMESPACES_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		(void)snprintf(path, sizeof(path), "/proc/sys/user/max_%s_namespaces", kinds[i]);
		if (sys_write_file(AT_FDCWD, path, text, (size_t)len) < 0) {
			return -1;
		}
	}
	return 0;
}

static int live_with_few_namespaces(void)
{
	struct rig rig;
	int count = rounds();

	if (limit_namespaces() < 0) {
		return 91;
	}
	rig_init(&rig, geteuid());
	live_often(&rig, count > NAMESPACES_MAX * 2 ? count : NAMESPACES_MAX * 2);
	rig_finish(&rig);
	return 0;
}

static void no_namespace_is_left_behind(void **state)
{
	int status = 0;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		exit(live_with_few_namespaces());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 91) {
		skip();
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int run_group(void)
{
	const struct CMUnitTest as_user[] = {
		cmocka_unit_test(nothing_is_left_behind),
		cmocka_unit_test(no_namespace_is_left_behind),
	};
	const struct CMUnitTest as_root[] = {
		cmocka_unit_test(nothing_is_left_behind),
	};

	return geteuid() == 0
		       ? cmocka_run_group_tests_name("leaks, by root", as_root, NULL, NULL)
		       : cmocka_run_group_tests_name("leaks, by a user", as_user, NULL, NULL);
}

int main(void)
{
	if (!rig_host_has_layers()) {
		return 77;
	}
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	own_mounts = geteuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
		     mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
	return rig_run(run_group);
}
