/* SPDX-License-Identifier: MIT */
/* Takes layers away from a plan, and from the calls that carry it out. */
#include "weaken.h"

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
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
int __real_umount2(const char *target, int flags);
int __wrap_umount2(const char *target, int flags);
int __real_mount(const char *source, const char *target, const char *type, unsigned long flags,
	const void *data);
int __wrap_mount(const char *source, const char *target, const char *type, unsigned long flags,
	const void *data);
int __real_mount_setattr(
	int dir_fd, const char *path, unsigned flags, struct mount_attr *attr, size_t size);
int __wrap_mount_setattr(
	int dir_fd, const char *path, unsigned flags, struct mount_attr *attr, size_t size);
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

/* What is made in a /dev of the sandbox's own: all of it but the directory. */
static void drop_devices(struct plan *plan)
{
	size_t kept = 0;

	for (size_t i = 0; i < plan->step_count; i++) {
		const struct plan_step *step = &plan->steps[i];

		if (step->target == NULL || strncmp(step->target, "dev/", 4) != 0) {
			plan->steps[kept++] = *step;
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

		if (without(WITH_WRITABLE_BINDS) && step->kind == STEP_ATTACH) {
			step->attr &= ~(unsigned)ATTR_READ_ONLY;
		} else if (without(WITH_HOST_DEVICES) && is_step(step, STEP_DIR, "dev")) {
			bind_instead(step, "/dev");
			step->attr = ATTR_DIRECTORY;
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
	if (without(WITH_HOST_DEVICES)) {
		drop_devices(plan);
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
	struct native_facts known = *facts;
	int r;

	if (without(WITH_OUTSIDE)) {
		add_outside(&copy, arena);
	}
	if (without(WITH_OPEN_INIT)) {
		known.init_path = getenv("CREEL_INIT_OPEN");
	}
	r = __real_plan_build(&copy, &known, run_dir, arena, ret, err);
	if (r == 0) {
		drop_steps(ret);
		change_steps(ret);
	}
	return r;
}

int __wrap_clone(int (*fn)(void *), void *stack, int flags, void *arg)
{
	flags &= without(WITH_HOST_PIDS) ? ~CLONE_NEWPID : ~0;
	flags &= without(WITH_HOST_USERS) ? ~CLONE_NEWUSER : ~0;
	return __real_clone(fn, stack, flags, arg);
}

int __wrap_unshare(int flags)
{
	flags &= without(WITH_HOST_NETWORK) ? ~CLONE_NEWNET : ~0;
	flags &= without(WITH_HOST_IPC) ? ~CLONE_NEWIPC : ~0;
	flags &= without(WITH_HOST_NAME) ? ~CLONE_NEWUTS : ~0;
	flags &= without(WITH_HOST_MOUNTS) ? ~CLONE_NEWNS : ~0;
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

int __wrap_umount2(const char *target, int flags)
{
	return without(WITH_OLD_ROOT) ? 0 : __real_umount2(target, flags);
}

int __wrap_mount(const char *source, const char *target, const char *type, unsigned long flags,
	const void *data)
{
	if (without(WITHOUT_LIMITS) && type != NULL && strcmp(type, "devpts") == 0) {
		data = "newinstance,ptmxmode=0666,mode=0620";
	}
	return __real_mount(source, target, type, flags, data);
}

int __wrap_mount_setattr(
	int dir_fd, const char *path, unsigned flags, struct mount_attr *attr, size_t size)
{
	if (without(WITH_HOST_DEVICES)) {
		attr->attr_set &= ~(uint64_t)MOUNT_ATTR_NODEV;
	}
	return __real_mount_setattr(dir_fd, path, flags, attr, size);
}
