/* SPDX-License-Identifier: MIT */
/* Takes layers away from a plan, and from the calls that carry it out. */
#include "weaken.h"

#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "backend/native/plan.h"
#include "os/sys.h"

unsigned weakened;

/* The linker's names for what is called and for what is there. */
int __real_plan_build(const struct sandbox_spec *spec, const struct native_facts *facts,
	const char *run_dir, struct arena *arena, struct plan *ret, struct error *err);
int __wrap_plan_build(const struct sandbox_spec *spec, const struct native_facts *facts,
	const char *run_dir, struct arena *arena, struct plan *ret, struct error *err);
int __real_clone(int (*fn)(void *), void *stack, int flags, void *arg);
int __wrap_clone(int (*fn)(void *), void *stack, int flags, void *arg);
int __real_unshare(int flags);
int __wrap_unshare(int flags);
int __real_sys_loopback_up(void);
int __wrap_sys_loopback_up(void);
int __real_sys_close_range(unsigned first, unsigned last, unsigned flags);
int __wrap_sys_close_range(unsigned first, unsigned last, unsigned flags);
int __real_execve(const char *path, char *const argv[], char *const env[]);
int __wrap_execve(const char *path, char *const argv[], char *const env[]);

static bool without(unsigned what)
{
	return (weakened & what) != 0;
}

static void drop(struct plan *plan, enum step_kind kind)
{
	size_t kept = 0;

	for (size_t i = 0; i < plan->step_count; i++) {
		if (plan->steps[i].kind != kind) {
			plan->steps[kept++] = plan->steps[i];
		}
	}
	plan->step_count = kept;
}

static bool is_step(const struct plan_step *step, enum step_kind kind, const char *target)
{
	return step->kind == kind && step->target != NULL && strcmp(step->target, target) == 0;
}

/* The host's own /proc: that of another pid namespace may not be mounted, only bound. */
static void bind_instead(struct plan_step *step, const char *source)
{
	step->kind = STEP_BIND;
	step->source = source;
	step->attr = ATTR_DIRECTORY | ATTR_OPTIONAL;
}

static void change_steps(struct plan *plan)
{
	for (size_t i = 0; i < plan->step_count; i++) {
		struct plan_step *step = &plan->steps[i];

		if (without(WITH_WRITABLE_BINDS) && is_step(step, STEP_ATTACH, "ro")) {
			step->attr &= ~(unsigned)ATTR_READ_ONLY;
		} else if (without(WITH_HOST_PIDS) && step->kind == STEP_PROC) {
			bind_instead(step, "/proc");
		} else if (without(WITHOUT_LIMITS) && step->kind == STEP_TMPFS) {
			step->size = 512 << 20;
		}
	}
}

static void drop_steps(struct plan *plan)
{
	static const struct {
		unsigned what;
		enum step_kind kind;
	} steps[] = {
		{WITHOUT_SECCOMP | WITHOUT_NO_NEW_PRIVS, STEP_SECCOMP},
		{WITHOUT_NO_NEW_PRIVS, STEP_NO_NEW_PRIVS},
		{WITHOUT_LANDLOCK, STEP_LANDLOCK},
		{WITHOUT_LANDLOCK, STEP_LANDLOCK_RULE},
		{WITH_CAPABILITIES, STEP_BOUNDING},
		{WITH_CAPABILITIES, STEP_CAPABILITIES},
		{WITH_HOST_NAME, STEP_HOSTNAME},
		{WITH_WRITABLE_ROOT, STEP_READ_ONLY},
		{WITHOUT_MASKS, STEP_MASK},
		{WITHOUT_LIMITS, STEP_RLIMIT},
		{WITHOUT_LIMITS | WITH_HOST_PIDS, STEP_QUOTA},
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (without(steps[i].what)) {
			drop(plan, steps[i].kind);
		}
	}
	if (without(WITHOUT_LIMITS)) {
		plan->cgroup = false;
	}
}

/* One more mount: what holds the workspace, under its own name. */
static void add_outside(struct sandbox_spec *spec, struct arena *arena)
{
	struct spec_mount *mounts = arena_calloc(arena, spec->mount_count + 1, sizeof(*mounts));
	const char *dir = spec->workspace_dir;

	memcpy(mounts, spec->mounts, spec->mount_count * sizeof(*mounts));
	dir = arena_strndup(arena, dir, (size_t)(strrchr(dir, '/') - dir));
	mounts[spec->mount_count] = (struct spec_mount){
		.kind = MOUNT_BIND, .source = dir, .target = dir, .key = "outside"};
	spec->mounts = mounts;
	spec->mount_count++;
}

int __wrap_plan_build(const struct sandbox_spec *spec, const struct native_facts *facts,
	const char *run_dir, struct arena *arena, struct plan *ret, struct error *err)
{
	struct sandbox_spec copy = *spec;
	int r;

	if (without(WITH_OUTSIDE)) {
		add_outside(&copy, arena);
	}
	r = __real_plan_build(&copy, facts, run_dir, arena, ret, err);

	if (r == 0) {
		drop_steps(ret);
		change_steps(ret);
	}
	return r;
}

int __wrap_clone(int (*fn)(void *), void *stack, int flags, void *arg)
{
	return __real_clone(
		fn, stack, without(WITH_HOST_PIDS) ? flags & ~CLONE_NEWPID : flags, arg);
}

int __wrap_unshare(int flags)
{
	flags &= without(WITH_HOST_NETWORK) ? ~CLONE_NEWNET : ~0;
	flags &= without(WITH_HOST_IPC) ? ~CLONE_NEWIPC : ~0;
	flags &= without(WITH_HOST_NAME) ? ~CLONE_NEWUTS : ~0;
	return __real_unshare(flags);
}

int __wrap_sys_loopback_up(void)
{
	return without(WITH_HOST_NETWORK) ? 0 : __real_sys_loopback_up();
}

int __wrap_sys_close_range(unsigned first, unsigned last, unsigned flags)
{
	return without(WITH_DESCRIPTORS) ? 0 : __real_sys_close_range(first, last, flags);
}

int __wrap_execve(const char *path, char *const argv[], char *const env[])
{
	return __real_execve(path, argv, without(WITH_ENVIRONMENT) ? environ : env);
}
