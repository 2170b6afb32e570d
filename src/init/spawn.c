/* SPDX-License-Identifier: MIT */
/* From a request to an executed program: clone(2) that shares memory until exec. */
#include "init/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/strv.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum { STACK_SIZE = 64 * 1024 };

/* The plan, and what only the two sides of the clone need. */
struct child {
	const struct spawn_plan *plan;
	const char *const *paths; /* what to try, in order */
	const char **script; /* argv for /bin/sh when the file has no format the kernel knows */
	volatile int stage, num; /* written by the child into the memory that both share */
};

static const char *path_of(const char *const *env)
{
	for (size_t i = 0; env[i] != NULL; i++) {
		if (strncmp(env[i], "PATH=", 5) == 0) {
			return env[i] + 5;
		}
	}
	return DEFAULT_PATH;
}

/* execvp(3)'s list; an empty part of PATH is the current directory, which is the child's. */
static const char *const *find_paths(struct arena *a, const char *name, const char *const *env)
{
	struct strv paths = {0};
	const char *at = path_of(env);

	if (strchr(name, '/') != NULL || name[0] == '\0') {
		strv_add_ref(&paths, a, name);
		return paths.items;
	}
	for (;;) {
		size_t len = strcspn(at, ":");
		size_t name_len = strlen(name);
		char *path = arena_alloc(a, len + name_len + 2);

		memcpy(path, at, len);
		if (len > 0) {
			path[len++] = '/';
		}
		memcpy(path + len, name, name_len + 1);
		strv_add_ref(&paths, a, path);
		at += strcspn(at, ":");
		if (*at == '\0') {
			return paths.items;
		}
		at++;
	}
}

static const char **script_argv(struct arena *a, const char *const *argv)
{
	const char **script;
	size_t count = 0;

	while (argv[count] != NULL) {
		count++;
	}
	script = arena_calloc(a, count + 2, sizeof(*script));
	script[0] = "/bin/sh";
	memcpy(script + 2, argv + 1, (count - 1) * sizeof(*argv));
	return script;
}

/* execve(2) takes char *const * for history's sake and changes nothing. */
static int execute(const char *path, const char *const *argv, const char *const *env)
{
	(void)syscall(SYS_execve, path, argv, env);
	return errno;
}

static int execute_any(const struct child *c)
{
	const char *const *argv = c->plan->request->argv;
	int denied = 0, num = ENOENT;

	for (size_t i = 0; c->paths[i] != NULL; i++) {
		num = execute(c->paths[i], argv, c->plan->env);
		if (num == ENOEXEC) {
			c->script[1] = c->paths[i];
			return execute("/bin/sh", c->script, c->plan->env);
		}
		if (num == EACCES) {
			denied = num;
		} else if (num != ENOENT && num != ENOTDIR && num != ENAMETOOLONG && num != ELOOP &&
			   num != ESTALE && num != ENODEV) {
			return num;
		}
	}
	return denied != 0 ? denied : num;
}

static int set_limit(uint32_t resource, uint64_t soft, uint64_t hard)
{
	uint64_t limit[2] = {soft, hard};

	return syscall(SYS_prlimit64, 0, resource, limit, NULL) < 0 ? errno : 0;
}

static int set_limits(const struct spawn_plan *plan)
{
	int num = set_limit(RLIMIT_NOFILE, plan->files.rlim_cur, plan->files.rlim_max);

	for (size_t i = 0; num == 0 && i < plan->request->rlimit_count; i++) {
		const struct wire_rlimit *l = &plan->request->rlimits[i];

		num = set_limit(l->resource, l->soft, l->hard);
	}
	for (int i = 0; num == 0 && i < plan->mark_count; i++) {
		num = set_limit(plan->marks[i].resource, plan->marks[i].soft, plan->marks[i].hard);
	}
	return num;
}

/*
 * Raw system calls: the C library's versions may want locks that do not exist here. Groups go
 * first, while this process may still change them.
 */
static int become(uint32_t uid, uint32_t gid)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};

	if (uid == WIRE_NO_ID && gid == WIRE_NO_ID) {
		return 0;
	}
	/* A user namespace without a privileged parent forbids setgroups(2), user_namespaces(7):
	 * that is fine as long as there is no group to drop. */
	if (syscall(SYS_setgroups, 0, NULL) < 0 &&
		(errno != EPERM || syscall(SYS_getgroups, 0, NULL) != 0)) {
		return errno != 0 ? errno : EPERM;
	}
	if (gid != WIRE_NO_ID && syscall(SYS_setresgid, gid, gid, gid) < 0) {
		return errno;
	}
	if (uid != WIRE_NO_ID && syscall(SYS_setresuid, uid, uid, uid) < 0) {
		return errno;
	}
	(void)syscall(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return syscall(SYS_capset, &head, none) < 0 ? errno : 0;
}

static int set_up(const struct spawn_plan *plan)
{
	const int from[3] = {plan->in_fd, plan->out_fd, plan->err_fd};

	if (setsid() < 0) {
		return errno;
	}
	if (plan->terminal && ioctl(plan->in_fd, TIOCSCTTY, 0) < 0) {
		return errno;
	}
	/* All of them are above 2: creel-init keeps 0 to 2 open. */
	for (int i = 0; i < 3; i++) {
		if (dup2(from[i], i) < 0) {
			return errno;
		}
	}
	/* Everything is close-on-exec already; this is the second lock on the same door. */
	(void)syscall(SYS_close_range, 3, ~0U, 0);
	return set_limits(plan);
}

static void fail(struct child *c, enum wire_fail_stage stage, int num)
{
	c->stage = (int)stage;
	c->num = num;
}

static int child_main(void *arg)
{
	struct child *c = arg;
	const struct wire_spawn *request = c->plan->request;
	sigset_t none;
	int num = set_up(c->plan);

	if (num == 0) {
		num = become(request->uid, request->gid);
	}
	if (num != 0) {
		fail(c, WIRE_FAIL_RESOURCES, num);
		_exit(127);
	}
	if (request->cwd != NULL && chdir(request->cwd) < 0) {
		fail(c, WIRE_FAIL_CWD, errno);
		_exit(127);
	}
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	fail(c, WIRE_FAIL_EXEC, execute_any(c));
	_exit(127);
}

static void *child_stack(void)
{
	/* Not NULL, so that it lies with the data: as zero it would be alone on its page. */
	static void *stack = MAP_FAILED;

	if (stack == MAP_FAILED) {
		stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	}
	return stack;
}

pid_t spawn_run(const struct spawn_plan *plan, enum wire_fail_stage *ret_stage)
{
	_cleanup_arena_ struct arena arena = {0};
	struct child c = {
		.plan = plan,
		.paths = find_paths(&arena, plan->request->argv[0], plan->env),
		.script = script_argv(&arena, plan->request->argv),
	};
	char *stack = child_stack();
	pid_t pid;

	*ret_stage = WIRE_FAIL_RESOURCES;
	if (stack == MAP_FAILED) {
		return -ENOMEM;
	}
	/* The memory is shared and this thread sleeps until exec or exit: c is the report. */
	pid = clone(child_main, stack + STACK_SIZE, CLONE_VM | CLONE_VFORK | SIGCHLD, &c);
	if (pid < 0) {
		return -errno;
	}
	if (c.num != 0) {
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
		}
		*ret_stage = (enum wire_fail_stage)c.stage;
		return -c.num;
	}
	return pid;
}
