/* SPDX-License-Identifier: MIT */
/* From a spec and facts about the host to the steps that make a sandbox. Pure. */
#include "backend/native/plan.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "backend/native/plan-internal.h"
#include "base/macro.h"
#include "base/num.h"
#include "base/path.h"

enum {
	ROOT_TMPFS_BYTES = 512 << 20, /* holds /tmp, /var/tmp, /run and /dev/shm as well */
	NOFILE_MAX = 65536,
	SIGPENDING_MAX = 4096,
};

struct plan_step *plan_add(struct plan *plan, enum step_kind kind, const char *target)
{
	struct plan_step *step;

	if (plan->step_count == plan->step_cap) {
		size_t cap = plan->step_cap == 0 ? 128 : plan->step_cap * 2;
		struct plan_step *grown = arena_calloc(plan->arena, cap, sizeof(*grown));

		if (plan->step_count > 0) {
			memcpy(grown, plan->steps, plan->step_count * sizeof(*grown));
		}
		plan->steps = grown;
		plan->step_cap = cap;
	}
	step = &plan->steps[plan->step_count++];
	step->kind = kind;
	step->target = target;
	step->slot = -1;
	return step;
}

/* The path of a target below the new root. */
const char *plan_relative(const char *path)
{
	while (*path == '/') {
		path++;
	}
	return path;
}

static void add_dir(struct plan *plan, const char *target)
{
	plan_add(plan, STEP_DIR, target)->mode = 0755;
}

static void add_link(struct plan *plan, const char *target, const char *content)
{
	plan_add(plan, STEP_SYMLINK, target)->source = content;
}

static uint32_t unprivileged_uid(const char *name)
{
	uint32_t hash = 2166136261U; /* FNV-1a */

	for (const char *c = name; *c != '\0'; c++) {
		hash = (hash ^ (uint8_t)*c) * 16777619U;
	}
	return PLAN_UID_BASE + hash % PLAN_UID_RANGE;
}

static int parse_user(const struct sandbox_spec *spec, const struct native_facts *facts,
	struct plan *plan, struct error *err)
{
	const char *colon;

	plan->inside_uid = facts->owner_uid;
	plan->inside_gid = facts->owner_gid;
	if (spec->user == NULL || *spec->user == '\0') {
		return 0;
	}
	colon = strchr(spec->user, ':');
	if (colon == NULL) {
		if (num_parse_u32(spec->user, 0, UINT32_MAX - 1, &plan->inside_uid) == 0) {
			plan->inside_gid = plan->inside_uid;
			return 0;
		}
	} else {
		const char *uid =
			arena_strndup(plan->arena, spec->user, (size_t)(colon - spec->user));

		if (num_parse_u32(uid, 0, UINT32_MAX - 1, &plan->inside_uid) == 0 &&
			num_parse_u32(colon + 1, 0, UINT32_MAX - 1, &plan->inside_gid) == 0) {
			return 0;
		}
	}
	return error_plain(err, EINVAL,
		"a native sandbox has no user '%s': agents.defaults.sandbox.docker.user must be "
		"numbers, as in 1000:1000",
		spec->user);
}

/*
 * Who the sandbox's processes are on the host. An ordinary user's: that user. Root's: an id from a
 * range that systemd's registry of ids lists as unused, one per sandbox name, so that sandboxes cannot signal each
 * other's processes nor own anything; or, where the workspace's file system has no idmapped mounts,
 * its owner. Never 0.
 */
static int choose_ids(const struct sandbox_spec *spec, const struct native_facts *facts,
	struct plan *plan, struct error *err)
{
	int r = parse_user(spec, facts, plan, err);

	if (r < 0) {
		return r;
	}
	plan->self_map = !facts->privileged;
	if (!facts->privileged) {
		plan->outside_uid = facts->caller_uid;
		plan->outside_gid = facts->caller_gid;
		return 0;
	}
	plan->outside_uid = unprivileged_uid(spec->name != NULL ? spec->name : "");
	plan->outside_gid = plan->outside_uid;
	if (!facts->force_owner_uid) {
		return 0;
	}
	if (facts->owner_uid == 0 || facts->owner_gid == 0) {
		return error_plain(err, EOPNOTSUPP,
			"workspace '%s' belongs to root and its file system has no idmapped mounts, so "
			"an unprivileged sandbox could not write it; give it to an ordinary user (chown "
			"1000:1000) or move it to ext4, xfs or btrfs",
			spec->workspace_dir != NULL ? spec->workspace_dir : "");
	}
	plan->outside_uid = facts->owner_uid;
	plan->outside_gid = facts->owner_gid;
	return 0;
}

static int refuse(struct error *err, const char *key, const char *value, const char *why)
{
	return error_plain(err, EINVAL,
		"agents.defaults.sandbox.docker.%s '%s' cannot be honoured by the "
		"native backend: %s",
		key, value, why);
}

static int check_security_opts(const struct sandbox_spec *spec, struct error *err)
{
	for (size_t i = 0; i < spec->security_opt.count; i++) {
		const char *opt = spec->security_opt.items[i];

		if (strcmp(opt, "no-new-privileges") != 0 &&
			strcmp(opt, "no-new-privileges:true") != 0 &&
			strcmp(opt, "no-new-privileges=true") != 0) {
			return refuse(err, "seccompProfile or apparmorProfile", opt,
				"it has its own filter; use backend docker for a profile of yours");
		}
	}
	return 0;
}

/* A key that is set and has no meaning here is an error, never ignored. */
static int check_spec(const struct sandbox_spec *spec, struct error *err)
{
	if (spec->network != NULL && *spec->network != '\0' && strcmp(spec->network, "none") != 0) {
		return refuse(err, "network", spec->network,
			"its sandboxes have loopback only; use none, or backend docker");
	}
	if (!spec->read_only_root) {
		return refuse(err, "readOnlyRoot", "false",
			"its root is the host's /usr or a shared image directory; write to a tmpfs instead");
	}
	if (spec->runtime != NULL && *spec->runtime != '\0') {
		return refuse(err, "runtime", spec->runtime, "use backend docker");
	}
	if (spec->gpus != NULL && *spec->gpus != '\0') {
		return refuse(err, "gpus", spec->gpus, "use backend docker");
	}
	if (spec->workdir == NULL || spec->workdir[0] != '/' || spec->workdir[1] == '\0') {
		return refuse(err, "workdir", spec->workdir != NULL ? spec->workdir : "",
			"it must be an absolute path below /");
	}
	return check_security_opts(spec, err);
}

/* Does the spec allow a sandbox without this layer, and is it needed to? */
static int check_layer(const struct sandbox_spec *spec, struct plan *plan,
	enum isolation_layer layer, const char *what, struct error *err)
{
	if (spec->allow_missing[layer]) {
		plan->missing[layer] = true;
		return 0;
	}
	return error_plain(err, ENOTSUP,
		"this kernel cannot provide the layer '%s': %s; provide it, or list \"%s\" in "
		"agents.defaults.sandbox.native.allowMissing to do without",
		isolation_layer_name(layer), what, isolation_layer_name(layer));
}

static int check_layers(const struct sandbox_spec *spec, const struct native_facts *facts,
	struct plan *plan, struct error *err)
{
	int r = 0;

	if (facts->landlock_abi < 1) {
		r = check_layer(spec, plan, LAYER_LANDLOCK,
			facts->landlock_abi == -EOPNOTSUPP
				? "Landlock is built but off; add landlock to the boot parameter lsm="
				: "Landlock is not built in (CONFIG_SECURITY_LANDLOCK, Linux 5.13)",
			err);
	}
	if (r == 0 && !facts->seccomp) {
		r = check_layer(spec, plan, LAYER_SECCOMP,
			"seccomp filters are not built in (CONFIG_SECCOMP_FILTER)", err);
	}
	return r;
}

/*
 * Limits that need a control group. Without one pids are bounded by RLIMIT_NPROC, which counts the
 * sandbox's user namespace; memory and cpu have nothing to stand in for the group.
 */
static int choose_limits(const struct sandbox_spec *spec, const struct native_facts *facts,
	struct plan *plan, struct error *err)
{
	const struct cgroup_host *host = &facts->cgroups;
	const char *way_out =
		"no control group that this process may make has that controller; run "
		"creel in a service with Delegate=yes, or unset docker.memory and "
		"docker.cpus";
	int r = 0;

	plan->limits = (struct cgroup_limits){.memory = spec->memory,
		.memory_swap = spec->memory_swap,
		.cpu_millis = spec->cpu_millis};
	if (spec->memory > 0 && !host->available[CGROUP_MEMORY]) {
		plan->limits.memory = 0;
		r = check_layer(spec, plan, LAYER_CGROUP_MEMORY, way_out, err);
	}
	if (r == 0 && spec->cpu_millis > 0 && !host->available[CGROUP_CPU]) {
		plan->limits.cpu_millis = 0;
		r = check_layer(spec, plan, LAYER_CGROUP_CPU, way_out, err);
	}
	plan->cgroup = plan->limits.memory > 0 || plan->limits.cpu_millis > 0;
	if (spec->pids_limit > 0 && host->available[CGROUP_PIDS] &&
		(plan->cgroup || !facts->nproc_per_namespace)) {
		plan->limits.pids = spec->pids_limit;
		plan->cgroup = true;
	}
	return r;
}

int plan_add_source(struct plan *plan, const struct plan_source *source)
{
	assert(plan->source_count < PLAN_MAX_SOURCES);
	plan->sources[plan->source_count] = *source;
	return (int)plan->source_count++;
}

static void add_root_entries(
	struct plan *plan, const struct sandbox_spec *spec, const struct native_facts *facts)
{
	for (size_t i = 0; i < facts->root_count; i++) {
		const struct plan_entry *entry = &facts->root[i];

		if (entry->kind == ENTRY_SYMLINK) {
			add_link(plan, entry->name, entry->link);
		} else if (spec->native_root == NULL) {
			struct plan_step *step = plan_add(plan, STEP_BIND, entry->name);

			step->source = arena_printf(plan->arena, "/%s", entry->name);
			step->attr = ATTR_READ_ONLY | ATTR_DIRECTORY;
		} else {
			struct plan_step *step = plan_add(plan, STEP_ATTACH, entry->name);

			step->attr = ATTR_READ_ONLY |
				     (entry->kind == ENTRY_DIRECTORY ? ATTR_DIRECTORY : 0);
			step->slot = plan_add_source(
				plan, &(struct plan_source){
					      .path = path_join(
						      plan->arena, spec->native_root, entry->name),
					      .key = "agents.defaults.sandbox.native.root",
					      .read_only = true,
					      .is_directory = entry->kind == ENTRY_DIRECTORY,
				      });
		}
	}
}

static void add_devices(struct plan *plan)
{
	static const char *const nodes[] = {
		"dev/null", "dev/zero", "dev/full", "dev/random", "dev/urandom", "dev/tty"};
	struct plan_step *shm;

	add_dir(plan, "dev");
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
		struct plan_step *step = plan_add(plan, STEP_DEVICE, nodes[i]);

		step->source = arena_printf(plan->arena, "/%s", nodes[i]);
		step->attr = ATTR_NO_EXEC;
	}
	add_dir(plan, "dev/pts");
	plan_add(plan, STEP_DEVPTS, "dev/pts");
	add_link(plan, "dev/ptmx", "pts/ptmx");
	shm = plan_add(plan, STEP_SCRATCH, "dev/shm");
	shm->mode = 01777;
	shm->attr = ATTR_NO_EXEC;
	add_link(plan, "dev/fd", "/proc/self/fd");
	add_link(plan, "dev/stdin", "fd/0");
	add_link(plan, "dev/stdout", "fd/1");
	add_link(plan, "dev/stderr", "fd/2");
}

static int by_target(const void *a, const void *b)
{
	const struct spec_mount *const *left = a;
	const struct spec_mount *const *right = b;

	return strcmp((*left)->target, (*right)->target);
}

/* Workspace, agent workspace, binds: parents before what lies below them. */
static int add_mounts(struct plan *plan, const struct sandbox_spec *spec, struct error *err)
{
	const struct spec_mount **sorted;

	if (spec->mount_count > PLAN_MAX_SOURCES / 2) {
		return error_plain(err, E2BIG,
			"%zu mounts are more than the %d a native sandbox takes", spec->mount_count,
			PLAN_MAX_SOURCES / 2);
	}
	sorted =
		arena_calloc(plan->arena, spec->mount_count + 1, sizeof(const struct spec_mount *));
	for (size_t i = 0; i < spec->mount_count; i++) {
		sorted[i] = &spec->mounts[i];
	}
	qsort(sorted, spec->mount_count, sizeof(const struct spec_mount *), by_target);
	for (size_t i = 0; i < spec->mount_count; i++) {
		const struct spec_mount *mount = sorted[i];
		struct plan_step *step = plan_add(plan, STEP_ATTACH, plan_relative(mount->target));

		step->attr = ATTR_CHOSEN | (mount->read_only ? ATTR_READ_ONLY : 0);
		step->key = mount->kind == MOUNT_BIND ? mount->key : "the workspace";
		step->slot =
			plan_add_source(plan, &(struct plan_source){
						      .path = mount->source,
						      .key = step->key,
						      .read_only = mount->read_only,
						      .idmap = true,
						      .is_directory = mount->kind != MOUNT_BIND,
					      });
	}
	return 0;
}

static void add_init(struct plan *plan, const struct native_facts *facts, const char *run_dir)
{
	struct plan_step *step;

	if (run_dir != NULL) {
		step = plan_add(plan, STEP_ATTACH, "run/creel");
		step->attr = ATTR_CHOSEN | ATTR_READ_ONLY | ATTR_NO_EXEC | ATTR_DIRECTORY;
		step->slot = plan_add_source(plan, &(struct plan_source){.path = run_dir,
							   .key = "the sandbox's run directory",
							   .read_only = true,
							   .is_directory = true});
	}
	/* A mount of its own, read-only: what PID 1 runs cannot be written through /proc/1/exe. In
	 * a sandbox with a run directory the mount point is a file in there (start.c makes it). */
	step = plan_add(plan, STEP_ATTACH, "run/creel/init");
	step->attr = ATTR_CHOSEN | ATTR_READ_ONLY;
	step->slot = plan_add_source(
		plan, &(struct plan_source){
			      .path = facts->init_path, .key = "creel-init", .read_only = true});
}

/*
 * The kernel counts inotify(7) objects for whoever made the namespace as well: without an end of its
 * own one sandbox could take all that its starter has, who is root or somebody's desktop. Namespaces
 * are the filter's to refuse; this holds where there is none.
 */
static void add_quotas(struct plan *plan)
{
	plan_add(plan, STEP_QUOTA, "proc/sys/user/max_inotify_instances")->source = "32";
	plan_add(plan, STEP_QUOTA, "proc/sys/user/max_inotify_watches")->source = "65536";
	if (plan->missing[LAYER_SECCOMP]) {
		plan_add(plan, STEP_QUOTA, "proc/sys/user/max_user_namespaces")->source = "0";
	}
}

static void add_proc(struct plan *plan)
{
	add_dir(plan, "proc");
	plan_add(plan, STEP_PROC, "proc");
	add_quotas(plan);
}

/* Dangerous, or telling about the host, or both. What a sandbox could read there it has no use for;
 * most is root's alone anyway, this is the second net. Which of them there are is the kernel's
 * configuration; what kind each is never changed. */
static const struct plan_entry masked[] = {
	{.name = "proc/acpi", .kind = ENTRY_DIRECTORY},
	{.name = "proc/asound", .kind = ENTRY_DIRECTORY},
	{.name = "proc/bus", .kind = ENTRY_DIRECTORY},
	{.name = "proc/fs", .kind = ENTRY_DIRECTORY},
	{.name = "proc/interrupts", .kind = ENTRY_FILE}, /* tells when somebody types */
	{.name = "proc/irq", .kind = ENTRY_DIRECTORY},
	{.name = "proc/kcore", .kind = ENTRY_FILE},
	{.name = "proc/key-users", .kind = ENTRY_FILE},
	{.name = "proc/keys", .kind = ENTRY_FILE},
	{.name = "proc/kmsg", .kind = ENTRY_FILE},
	{.name = "proc/latency_stats", .kind = ENTRY_FILE},
	{.name = "proc/sched_debug", .kind = ENTRY_FILE},
	{.name = "proc/scsi", .kind = ENTRY_DIRECTORY},
	{.name = "proc/sysrq-trigger", .kind = ENTRY_FILE},
	{.name = "proc/timer_list", .kind = ENTRY_FILE},
	{.name = "proc/timer_stats", .kind = ENTRY_FILE},
};

/* After the root is sealed, because a bind takes its read-only flag from where it is made of. */
static void add_masks(struct plan *plan)
{
	struct plan_step *step;

	for (size_t i = 0; i < ARRAY_SIZE(masked); i++) {
		bool directory = masked[i].kind == ENTRY_DIRECTORY;

		step = plan_add(plan, STEP_MASK, masked[i].name);
		step->source = directory ? "sys" : "dev/null";
		step->attr = directory ? ATTR_DIRECTORY : 0;
	}
	step = plan_add(plan, STEP_BIND, "proc/sys");
	step->source = "proc/sys";
	step->attr = ATTR_READ_ONLY | ATTR_NO_EXEC | ATTR_OPTIONAL;
}

static void add_landlock_rule(
	struct plan *plan, const char *target, enum landlock_reach reach, bool directory)
{
	struct plan_step *step = plan_add(plan, STEP_LANDLOCK_RULE, target);

	step->mode = reach;
	step->attr = directory ? ATTR_DIRECTORY : 0;
}

static void add_landlock_rules(struct plan *plan, const struct sandbox_spec *spec)
{
	size_t count = plan->step_count;

	add_landlock_rule(plan, ".", REACH_READ_EXEC, true);
	add_landlock_rule(plan, "dev", REACH_WRITE_FILES, true);
	add_landlock_rule(plan, "proc", REACH_WRITE_FILES, true);
	for (size_t i = 0; i < count; i++) {
		if (plan->steps[i].kind == STEP_TMPFS || plan->steps[i].kind == STEP_SCRATCH) {
			add_landlock_rule(plan, plan->steps[i].target, REACH_ALL, true);
		}
	}
	for (size_t i = 0; i < spec->mount_count; i++) {
		if (!spec->mounts[i].read_only) {
			add_landlock_rule(plan, plan_relative(spec->mounts[i].target), REACH_ALL,
				spec->mounts[i].kind != MOUNT_BIND);
		}
	}
}

static void add_rlimit(
	struct plan *plan, const char *name, uint32_t resource, uint64_t soft, uint64_t hard)
{
	struct plan_step *step = plan_add(plan, STEP_RLIMIT, NULL);

	step->source = name;
	step->mode = resource;
	step->soft = soft;
	step->hard = hard;
}

/* A lower hard limit could not be raised again to what the configuration says. */
static bool has_ulimit(const struct sandbox_spec *spec, const char *name)
{
	for (size_t i = 0; i < spec->ulimit_count; i++) {
		if (strcmp(spec->ulimits[i].name, name) == 0) {
			return true;
		}
	}
	return false;
}

static int add_rlimits(struct plan *plan, const struct sandbox_spec *spec,
	const struct native_facts *facts, struct error *err)
{
	uint64_t nofile = facts->nofile_hard < NOFILE_MAX ? facts->nofile_hard : NOFILE_MAX;

	/* Signals that wait, and timers, count for the starter too (Linux 5.14): leave it half. */
	uint64_t sigpending = facts->sigpending_hard / 2 < SIGPENDING_MAX
				      ? facts->sigpending_hard / 2
				      : SIGPENDING_MAX;

	add_rlimit(plan, "core", RLIMIT_CORE, 0, 0);
	add_rlimit(plan, "nofile", RLIMIT_NOFILE, nofile, nofile);
	/* Counts the processes of this uid in this user namespace: the whole sandbox (Linux 5.14). */
	if (spec->pids_limit > 0) {
		/* A control group counts the same, and what it refused besides: it is to be first. */
		uint64_t most = (uint64_t)spec->pids_limit + (plan->limits.pids > 0 ? 1 : 0);

		add_rlimit(plan, "nproc", RLIMIT_NPROC, most, most);
	}
	if (!has_ulimit(spec, "sigpending")) {
		add_rlimit(plan, "sigpending", RLIMIT_SIGPENDING, sigpending, sigpending);
	}
	for (size_t i = 0; i < spec->ulimit_count; i++) {
		const struct spec_ulimit *limit = &spec->ulimits[i];
		uint64_t soft = limit->soft < 0 ? RLIM64_INFINITY : (uint64_t)limit->soft;
		uint64_t hard = limit->hard < 0 ? RLIM64_INFINITY : (uint64_t)limit->hard;
		int resource = plan_rlimit_by_name(limit->name);

		if (resource < 0) {
			return refuse(err, "ulimits", limit->name, "the kernel has no such limit");
		}
		add_rlimit(plan, limit->name, (uint32_t)resource, soft < hard ? soft : hard, hard);
		plan->steps[plan->step_count - 1].key = "agents.defaults.sandbox.docker.ulimits";
	}
	return 0;
}

/* What the first process does while the builder works. */
static int add_first(struct plan *plan, const struct sandbox_spec *spec,
	const struct native_facts *facts, struct error *err)
{
	plan_add(plan, STEP_NETWORK, NULL);
	plan_add(plan, STEP_HOSTNAME, NULL)->source = "sandbox";
	plan_add(plan, STEP_BOUNDING, NULL)->mode = facts->last_capability;
	plan_add(plan, STEP_NO_NEW_PRIVS, NULL);
	if (!plan->missing[LAYER_SECCOMP]) {
		plan_add(plan, STEP_SECCOMP, NULL);
	}
	plan_add(plan, STEP_BECOME, NULL);
	return add_rlimits(plan, spec, facts, err);
}

/* What it does when the new root is entered. */
static void add_last(struct plan *plan)
{
	plan_add(plan, STEP_AWAIT_ROOT, NULL);
	if (!plan->missing[LAYER_LANDLOCK]) {
		plan_add(plan, STEP_LANDLOCK, NULL);
	}
	plan_add(plan, STEP_CAPABILITIES, NULL);
	plan_add(plan, STEP_EXEC, "run/creel/init");
}

/* An ordinary user's child opens the sources itself, in its own namespace and before anything
 * covers them; root's get theirs from the parent, idmapped. */
static void insert_opens(struct plan *plan, size_t at)
{
	size_t count = plan->source_count;

	if (!plan->self_map) {
		return;
	}
	for (size_t i = 0; i < count; i++) {
		plan_add(plan, STEP_OPEN, NULL);
	}
	memmove(&plan->steps[at + count], &plan->steps[at],
		(plan->step_count - count - at) * sizeof(*plan->steps));
	for (size_t i = 0; i < count; i++) {
		plan->steps[at + i] = (struct plan_step){
			.kind = STEP_OPEN,
			.source = plan->sources[i].path,
			.key = plan->sources[i].key,
			.slot = (int)i,
		};
	}
}

static bool is_mount_target(const struct sandbox_spec *spec, const char *path)
{
	for (size_t i = 0; i < spec->mount_count; i++) {
		if (strcmp(spec->mounts[i].target, path) == 0) {
			return true;
		}
	}
	return false;
}

static int add_steps(struct plan *plan, const struct sandbox_spec *spec,
	const struct native_facts *facts, const char *run_dir, struct error *err)
{
	struct plan_step *step;
	size_t opens_at;
	int r = add_first(plan, spec, facts, err);

	if (r < 0) {
		return r;
	}
	plan_add(plan, STEP_IDENTITY, NULL);
	plan_add(plan, STEP_PRIVATE, NULL);
	opens_at = plan->step_count;
	step = plan_add(plan, STEP_ROOT, facts->staging);
	step->size = ROOT_TMPFS_BYTES;
	step->mode = 0755;
	add_root_entries(plan, spec, facts);
	if (spec->native_root == NULL) {
		plan_add_etc(plan, spec, facts);
	}
	add_devices(plan);
	add_dir(plan, "sys");
	add_proc(plan);
	r = plan_add_tmpfs(plan, spec, facts, err);
	if (r < 0) {
		return r;
	}
	r = add_mounts(plan, spec, err);
	if (r < 0) {
		return r;
	}
	if (!is_mount_target(spec, spec->workdir)) {
		step = plan_add(plan, STEP_DIR, plan_relative(spec->workdir));
		step->attr = ATTR_CHOSEN | ATTR_OPTIONAL;
		step->mode = 0755;
	}
	add_init(plan, facts, run_dir);
	plan_add(plan, STEP_READ_ONLY, "")->attr = ATTR_READ_ONLY;
	if (!plan->missing[LAYER_LANDLOCK]) {
		add_landlock_rules(plan, spec);
	}
	add_masks(plan);
	plan_add(plan, STEP_PIVOT, NULL);
	insert_opens(plan, opens_at);
	add_last(plan);
	return 0;
}

int plan_build(const struct sandbox_spec *spec, const struct native_facts *facts,
	const char *run_dir, struct arena *arena, struct plan *ret, struct error *err)
{
	struct plan plan = {
		.arena = arena,
		.once = run_dir == NULL,
	};
	int r = check_spec(spec, err);

	if (r == 0) {
		r = check_layers(spec, facts, &plan, err);
	}
	if (r == 0) {
		r = choose_limits(spec, facts, &plan, err);
	}
	if (r == 0) {
		r = choose_ids(spec, facts, &plan, err);
	}
	if (r < 0) {
		return r;
	}
	plan.sources = arena_calloc(arena, PLAN_MAX_SOURCES, sizeof(*plan.sources));
	r = add_steps(&plan, spec, facts, run_dir, err);
	if (r < 0) {
		return r;
	}
	*ret = plan;
	return 0;
}
