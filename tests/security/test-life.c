/* SPDX-License-Identifier: MIT */
/* The life of a native sandbox: bad hosts and bad specs, limits, and death at any moment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "backend/native/native.h"
#include "backend/native/rundir.h"
#include "base/macro.h"
#include "os/cgroup.h"
#include "os/sys.h"
#include "rig.h"
#include "wire/link.h"

enum { OWNER = 1000, ROUNDS = 150 };

static void assert_refused(struct rig *rig, int num, const char *words)
{
	int r = rig_start(rig);

	if (r != -num || strstr(rig->err.text, words) == NULL) {
		fail_msg("start gives %d, not %d; it says '%s', not '%s'", r, -num,
			r < 0 ? rig->err.text : "", words);
	}
}

static void a_bad_workspace_is_named(void **state)
{
	char long_path[5000];
	struct rig rig;

	(void)state;
	rig_init(&rig, OWNER);
	rig.mounts[0].source = "/nonexistent/workspace";
	assert_refused(&rig, ENOENT, "'/nonexistent/workspace' does not exist");
	rig.mounts[0].source = "/etc/passwd";
	assert_refused(&rig, ENOTDIR, "not a directory");
	(void)memset(long_path, 'x', sizeof(long_path));
	long_path[0] = '/';
	long_path[sizeof(long_path) - 1] = '\0';
	rig.mounts[0].source = long_path;
	assert_refused(&rig, ENAMETOOLONG, "4999 bytes");
	rig.mounts[0].source = rig.workspace;
	rig_finish(&rig);
}

static void a_symlink_in_the_path_is_refused(void **state)
{
	char link[300];
	struct rig rig;

	(void)state;
	/* sandbox_resolve() gives canonical paths; a link there means that somebody swapped it in. */
	rig_init(&rig, OWNER);
	(void)snprintf(link, sizeof(link), "%s.link", rig.workspace);
	assert_int_equal(symlink(rig.workspace, link), 0);
	rig.mounts[0].source = link;
	assert_refused(&rig, ELOOP, "symlink");
	(void)unlink(link);
	rig_finish(&rig);
}

/* mkdir -p in steps: a path of this length is no single argument for anybody. */
static void make_deep(char *path, size_t size, uid_t owner)
{
	char part[200];

	(void)memset(part, 'd', sizeof(part) - 1);
	part[sizeof(part) - 1] = '\0';
	while (strlen(path) + 1 + sizeof(part) < size) {
		(void)strcat(path, "/");
		(void)strcat(path, part);
		assert_int_equal(mkdir(path, 0755), 0);
		if (geteuid() == 0) {
			assert_int_equal(chown(path, owner, owner), 0);
		}
	}
}

static void a_path_of_4000_bytes_works(void **state)
{
	char path[4090];
	struct rig rig;

	(void)state;
	rig_init(&rig, OWNER);
	(void)snprintf(path, sizeof(path), "%s", rig.workspace);
	make_deep(path, sizeof(path), OWNER);
	assert_true(strlen(path) > 3850);
	rig.mounts[0].source = path;
	assert_int_equal(rig_start(&rig), 0);
	assert_string_equal(rig_ask(&rig, "write /workspace/x"), "ok");
	rig_finish(&rig);
}

static void a_planted_symlink_does_not_lead_a_mount_astray(void **state)
{
	char link[300];
	struct rig rig;

	(void)state;
	/* An earlier run left /workspace/data -> /etc in its workspace; a bind goes to /workspace/data. */
	rig_init(&rig, OWNER);
	(void)snprintf(link, sizeof(link), "%s/data", rig.workspace);
	assert_int_equal(symlink("/etc", link), 0);
	rig.mounts[1] = (struct spec_mount){.kind = MOUNT_BIND,
		.source = "/usr/share",
		.target = "/workspace/data",
		.read_only = true,
		.key = "agents.defaults.sandbox.docker.binds[0]"};
	rig.spec.mount_count = 2;
	assert_refused(&rig, ELOOP, "agents.defaults.sandbox.docker.binds[0]");
	assert_int_equal(unlink(link), 0);
	assert_int_equal(rig_start(&rig), 0);
	assert_non_null(strstr(rig_ask(&rig, "list /workspace/data"), "doc"));
	rig_finish(&rig);
}

static void a_read_only_workspace_cannot_be_written(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, OWNER);
	rig.mounts[0].read_only = true;
	assert_int_equal(rig_start(&rig), 0);
	assert_int_not_equal(strcmp(rig_ask(&rig, "write /workspace/x"), "ok"), 0);
	assert_string_equal(rig_ask(&rig, "list /workspace"), "");
	rig_finish(&rig);
}

static void keys_without_meaning_are_errors(void **state)
{
	static const struct spec_ulimit bad_limit = {.name = "turtles", .soft = 1, .hard = 1};
	static const char *bad_tmpfs[] = {"/tmp:colour=red", NULL};
	struct rig rig;

	(void)state;
	rig_init(&rig, OWNER);
	rig.spec.network = "bridge";
	assert_refused(&rig, EINVAL, "docker.network 'bridge'");
	rig.spec.network = "none";
	rig.spec.read_only_root = false;
	assert_refused(&rig, EINVAL, "docker.readOnlyRoot");
	rig.spec.read_only_root = true;
	rig.spec.runtime = "runsc";
	assert_refused(&rig, EINVAL, "docker.runtime");
	rig.spec.runtime = NULL;
	rig.spec.ulimits = &bad_limit;
	rig.spec.ulimit_count = 1;
	assert_refused(&rig, EINVAL, "turtles");
	rig.spec.ulimit_count = 0;
	rig.spec.tmpfs.items = bad_tmpfs;
	rig.spec.tmpfs.count = 1;
	assert_refused(&rig, EINVAL, "/tmp:colour=red");
	rig_finish(&rig);
}

static void an_image_directory_is_the_root(void **state)
{
	static const char *const dirs[] = {"bin", "etc", "var", "var/tmp", "home", "proc"};
	char image[300];
	char path[400];
	struct rig rig;

	(void)state;
	rig_init(&rig, OWNER);
	(void)snprintf(image, sizeof(image), "%s/image", rig.workspace);
	assert_int_equal(mkdir(image, 0755), 0);
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", image, dirs[i]);
		assert_int_equal(mkdir(path, 0755), 0);
	}
	(void)snprintf(path, sizeof(path), "%s/lib", image);
	assert_int_equal(symlink("usr/lib", path), 0);
	rig.spec.native_root = image;
	assert_int_equal(rig_start(&rig), 0);
	assert_string_equal(rig_ask(&rig, "stat /usr"), "errno 2");
	assert_string_equal(rig_ask(&rig, "stat /etc/passwd"), "errno 2");
	assert_string_equal(rig_ask(&rig, "list /home"), "");
	assert_non_null(strstr(rig_ask(&rig, "stat /lib"), "mode=120777"));
	assert_int_not_equal(strcmp(rig_ask(&rig, "write /home/x"), "ok"), 0);
	assert_string_equal(rig_ask(&rig, "write /var/tmp/x"), "ok");
	assert_string_equal(rig_ask(&rig, "write /tmp/x"), "ok");
	assert_string_equal(rig_ask(&rig, "write /workspace/x"), "ok");
	/* What it wrote to /var/tmp is in memory, not in the image. */
	(void)snprintf(path, sizeof(path), "%s/var/tmp/x", image);
	assert_int_equal(access(path, F_OK), -1);
	rig_finish(&rig);
}

/* Children of ours that still run, zombies not counted. */
static bool is_running(pid_t pid)
{
	char path[64];
	char text[512];
	const char *state;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (sys_read_file(AT_FDCWD, path, text, sizeof(text)) < 0) {
		return false;
	}
	state = strrchr(text, ')');
	return state != NULL && state[2] != 'Z';
}

/* The keeper goes on without whoever started it, and tells by a lock that it lives. */
static void a_lasting_sandbox_outlives_its_stream(void **state)
{
	const struct backend_ops *native = backend_by_kind(BACKEND_NATIVE);
	const struct timespec pause_a_bit = {.tv_nsec = 300000000};
	char run_dir[300], alive[320], text[16] = "";
	int listen_fd, alive_fd, other_fd;
	struct rig rig;
	pid_t keeper;

	(void)state;
	rig_init(&rig, OWNER);
	(void)snprintf(run_dir, sizeof(run_dir), "%s.run", rig.workspace);
	(void)snprintf(alive, sizeof(alive), "%s.alive", rig.workspace);
	alive_fd = open(alive, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(flock(alive_fd, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(rundir_prepare(run_dir, rig.sandbox.token, &listen_fd, &rig.err), 0);
	if (native_start_lasting(&rig.spec, run_dir, alive_fd, FD_NONE, &rig.sandbox, &rig.err) <
		0) {
		fail_msg("%s", rig.err.text);
	}
	assert_true(rig.sandbox.kept);
	keeper = rig.sandbox.keeper;
	(void)close(alive_fd);
	(void)close(accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC));
	(void)nanosleep(&pause_a_bit, NULL);
	assert_true(is_running(keeper));
	other_fd = open(alive, O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(other_fd, LOCK_EX | LOCK_NB), -1);
	assert_true(read(other_fd, text, sizeof(text) - 1) > 0);
	assert_int_equal(atoi(text), keeper);
	assert_int_equal(native->finish(&rig.sandbox, &rig.err), 0);
	assert_false(is_running(keeper));
	assert_int_equal(flock(other_fd, LOCK_EX | LOCK_NB), 0);
	(void)close(other_fd);
	(void)close(listen_fd);
	/* The directory is the caller's, who may start another sandbox in it. */
	rundir_remove(run_dir);
	assert_int_equal(access(run_dir, F_OK), -1);
	assert_int_equal(unlink(alive), 0);
	rig_finish(&rig);
}

/* In a child: make one system call fail with ENOSYS, as a kernel without it would. */
static void take_away(unsigned call)
{
	const struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	if (sys_seccomp_filter(filter, ARRAY_SIZE(filter)) < 0) {
		_exit(90);
	}
}

static int without_landlock(void)
{
	struct rig rig;
	int r;

	rig_init(&rig, OWNER);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	take_away(444);
	r = rig_start(&rig);
	if (r != -ENOTSUP || strstr(rig.err.text, "'landlock'") == NULL ||
		strstr(rig.err.text, "agents.defaults.sandbox.native.allowMissing") == NULL) {
		return 1;
	}
	rig.spec.allow_missing[LAYER_LANDLOCK] = true;
	r = rig_start(&rig);
	if (r != 0 || !rig.sandbox.missing[LAYER_LANDLOCK] || rig.sandbox.missing[LAYER_SECCOMP] ||
		strcmp(rig_ask(&rig, "call mount"), "1") != 0) {
		(void)fprintf(stderr, "%s\n", rig.err.text);
		return 2;
	}
	rig_finish(&rig);
	return 0;
}

static int without_user_namespaces(void)
{
	struct rig rig;
	int r;

	rig_init(&rig, OWNER);
	/* The limit holds in the user namespace in which it is set, and below: ours alone. */
	if (unshare(CLONE_NEWUSER) < 0 ||
		sys_write_file(AT_FDCWD, "/proc/sys/user/max_user_namespaces", "0", 1) < 0) {
		return 91;
	}
	r = rig_start(&rig);
	if (r >= 0 || strstr(rig.err.text, "sysctl user.max_user_namespaces=") == NULL) {
		(void)fprintf(stderr, "%d %s\n", r, rig.err.text);
		return 1;
	}
	rig_finish(&rig);
	return 0;
}

static int with_read_only_workspace(void)
{
	struct rig rig;
	int r;

	rig_init(&rig, OWNER);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("tmpfs", rig.workspace, "tmpfs", MS_RDONLY, NULL) < 0) {
		return 91;
	}
	r = rig_start(&rig);
	if (r != -EROFS || strstr(rig.err.text, "read-only file system") == NULL) {
		(void)fprintf(stderr, "%d %s\n", r, r < 0 ? rig.err.text : "");
		return 1;
	}
	(void)umount(rig.workspace);
	rig_finish(&rig);
	return 0;
}

static int run_in_child(int (*what)(void))
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		exit(what());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void a_missing_layer_is_never_skipped_silently(void **state)
{
	(void)state;
	assert_int_equal(run_in_child(without_landlock), 0);
}

static void user_namespaces_switched_off_are_named(void **state)
{
	int r = run_in_child(without_user_namespaces);

	(void)state;
	if (r == 91) {
		skip();
	}
	assert_int_equal(r, 0);
}

static void a_workspace_on_a_read_only_file_system_is_named(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		skip();
	}
	assert_int_equal(run_in_child(with_read_only_workspace), 0);
}

/* Control groups of ours that exist now. */
static int count_groups(void)
{
	struct cgroup_host host;
	int count = 0;

	cgroup_probe(&host);
	for (int i = 0; i < CGROUP_COUNT_; i++) {
		DIR *dir = host.available[i] ? opendir(host.parent[i]) : NULL;
		const struct dirent *item;

		while (dir != NULL && (item = readdir(dir)) != NULL) {
			count += strncmp(item->d_name, "creel-", 6) == 0;
		}
		if (dir != NULL) {
			(void)closedir(dir);
		}
	}
	return count;
}

static bool has_memory_control(void)
{
	struct cgroup_host host;

	cgroup_probe(&host);
	return host.available[CGROUP_MEMORY];
}

static void memory_is_limited_and_the_group_removed(void **state)
{
	struct rig rig;
	int before = count_groups();

	(void)state;
	if (!has_memory_control()) {
		skip();
	}
	rig_init(&rig, OWNER);
	rig.spec.memory = 64 << 20;
	assert_int_equal(rig_start(&rig), 0);
	assert_true(rig.sandbox.kept);
	assert_true(count_groups() > before);
	assert_string_equal(rig_ask(&rig, "memory 16"), "0");
	assert_string_equal(rig_ask(&rig, "memory 512"), "9");
	assert_string_equal(rig_ask(&rig, "ping"), "alive");
	rig_finish(&rig);
	assert_int_equal(count_groups(), before);
}

static void a_memory_limit_that_cannot_hold_is_refused(void **state)
{
	struct rig rig;

	(void)state;
	if (has_memory_control()) {
		skip();
	}
	rig_init(&rig, OWNER);
	rig.spec.memory = 64 << 20;
	assert_refused(&rig, ENOTSUP, "'cgroup.memory'");
	rig.spec.allow_missing[LAYER_CGROUP_MEMORY] = true;
	assert_int_equal(rig_start(&rig), 0);
	assert_true(rig.sandbox.missing[LAYER_CGROUP_MEMORY]);
	rig_finish(&rig);
}

static void the_end_of_the_stream_is_the_end(void **state)
{
	struct rig rig;
	pid_t pid;

	(void)state;
	rig_init(&rig, OWNER);
	assert_int_equal(rig_start(&rig), 0);
	pid = rig.sandbox.keeper;
	rig_finish(&rig);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(errno, ESRCH);
}

static int count_lines(const char *path)
{
	FILE *file = fopen(path, "re");
	int lines = 0;

	for (int c = getc(file); c != EOF; c = getc(file)) {
		lines += c == '\n';
	}
	(void)fclose(file);
	return lines;
}

/* Every orphan comes to us (PR_SET_CHILD_SUBREAPER): wait until there is none. false: after 10 s
 * there still is one. */
static bool all_gone(void)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	for (int i = 0; i < 10000; i++) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);

		if (pid < 0 && errno == ECHILD) {
			return true;
		}
		if (pid == 0) {
			(void)nanosleep(&pause, NULL);
		}
	}
	return false;
}

static void kill_after(struct rig *rig, long delay_us)
{
	const struct timespec delay = {.tv_nsec = delay_us * 1000};
	pid_t pid = fork();

	if (pid == 0) {
		if (rig_start(rig) == 0) {
			(void)rig_ask(rig, "ping");
		}
		for (;;) {
			(void)pause();
		}
	}
	(void)nanosleep(&delay, NULL);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void kill_at_many_moments(int64_t memory)
{
	int groups = count_groups();
	int mounts = count_lines("/proc/self/mountinfo");
	struct rig rig;

	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	rig_init(&rig, OWNER);
	rig.spec.memory = memory;
	for (int i = 0; i < ROUNDS; i++) {
		/* 0 to 6 ms: from before the first fork to well after creel-init runs. */
		kill_after(&rig, (long)i * 6000 / ROUNDS);
		assert_true(all_gone());
	}
	assert_int_equal(count_groups(), groups);
	assert_int_equal(count_lines("/proc/self/mountinfo"), mounts);
	rig_finish(&rig);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static void a_killed_starter_leaves_nothing(void **state)
{
	(void)state;
	kill_at_many_moments(0);
}

static void a_killed_starter_with_a_control_group_leaves_nothing(void **state)
{
	(void)state;
	if (!has_memory_control()) {
		skip();
	}
	kill_at_many_moments(64 << 20);
}

/* Or what other tests mount meanwhile would count as ours. */
static void have_own_mounts(void)
{
	if (geteuid() == 0 && (unshare(CLONE_NEWNS) < 0 ||
				      mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)) {
		(void)fprintf(
			stderr, "no mount namespace of its own: mounts of others may be seen\n");
	}
}

static int run_group(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bad_workspace_is_named),
		cmocka_unit_test(a_symlink_in_the_path_is_refused),
		cmocka_unit_test(a_path_of_4000_bytes_works),
		cmocka_unit_test(a_planted_symlink_does_not_lead_a_mount_astray),
		cmocka_unit_test(a_read_only_workspace_cannot_be_written),
		cmocka_unit_test(keys_without_meaning_are_errors),
		cmocka_unit_test(an_image_directory_is_the_root),
		cmocka_unit_test(a_lasting_sandbox_outlives_its_stream),
		cmocka_unit_test(a_missing_layer_is_never_skipped_silently),
		cmocka_unit_test(user_namespaces_switched_off_are_named),
		cmocka_unit_test(a_workspace_on_a_read_only_file_system_is_named),
		cmocka_unit_test(memory_is_limited_and_the_group_removed),
		cmocka_unit_test(a_memory_limit_that_cannot_hold_is_refused),
		cmocka_unit_test(the_end_of_the_stream_is_the_end),
		cmocka_unit_test(a_killed_starter_leaves_nothing),
		cmocka_unit_test(a_killed_starter_with_a_control_group_leaves_nothing),
	};

	return cmocka_run_group_tests_name(
		geteuid() == 0 ? "native, started by root" : "native, started by a user", tests,
		NULL, NULL);
}

int main(void)
{
	struct host_fact facts[LAYER_COUNT_];

	backend_native_probe(facts);
	if (!facts[LAYER_USERNS].present || !facts[LAYER_MOUNTNS].present) {
		(void)printf("skipped: this host has no user namespaces: %s\n",
			facts[LAYER_USERNS].detail);
		return 77;
	}
	have_own_mounts();
	return rig_run(run_group);
}
