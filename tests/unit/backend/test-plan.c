/* SPDX-License-Identifier: MIT */
/* The plan of a native sandbox, from invented facts: what is in it, in which order, and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "backend/native/plan.h"
#include "base/macro.h"

static const struct plan_entry root[] = {{.name = "usr", .kind = ENTRY_DIRECTORY},
	{.name = "bin", .kind = ENTRY_SYMLINK, .link = "usr/bin"},
	{.name = "lib64", .kind = ENTRY_DIRECTORY}};
static const struct plan_entry etc[] = {{.name = "etc/ssl/certs", .kind = ENTRY_DIRECTORY},
	{.name = "etc/localtime", .kind = ENTRY_SYMLINK, .link = "/usr/share/zoneinfo/UTC"}};

struct world {
	struct arena arena;
	struct native_facts facts;
	struct spec_mount mounts[3];
	struct sandbox_spec spec;
	struct plan plan;
	struct error err;
};

static int make(void **state)
{
	static const char *tmpfs[] = {"/tmp:size=64m,mode=1700", "/run", NULL};
	struct world *w = calloc(1, sizeof(*w));

	w->facts = (struct native_facts){
		.privileged = true,
		.owner_uid = 1000,
		.owner_gid = 100,
		.landlock_abi = 4,
		.seccomp = true,
		.nproc_per_namespace = true,
		.nofile_hard = 4096,
		.sigpending_hard = 1000,
		.staging = "/tmp",
		.init_path = "/opt/creel-init",
		.root = root,
		.root_count = ARRAY_SIZE(root),
		.etc = etc,
		.etc_count = ARRAY_SIZE(etc),
		.last_capability = 40,
	};
	w->mounts[0] = (struct spec_mount){
		.kind = MOUNT_WORKSPACE, .source = "/home/u/ws", .target = "/workspace"};
	w->mounts[1] = (struct spec_mount){
		.kind = MOUNT_BIND, .source = "/srv/b", .target = "/data/b", .key = "binds[0]"};
	w->mounts[2] = (struct spec_mount){.kind = MOUNT_BIND,
		.source = "/srv/a",
		.target = "/data",
		.read_only = true,
		.key = "binds[1]"};
	w->spec = (struct sandbox_spec){
		.backend = BACKEND_NATIVE,
		.name = "creel-sbx-one",
		.workdir = "/workspace",
		.workspace_dir = "/home/u/ws",
		.read_only_root = true,
		.network = "none",
		.tmpfs = {.items = tmpfs, .count = 2},
		.pids_limit = 512,
		.mounts = w->mounts,
		.mount_count = 3,
	};
	*state = w;
	return 0;
}

static int drop(void **state)
{
	struct world *w = *state;

	arena_finish(&w->arena);
	free(w);
	return 0;
}

static int build(struct world *w)
{
	return plan_build(&w->spec, &w->facts, NULL, &w->arena, &w->plan, &w->err);
}

/* Index of the first step of a kind with a target, from a position on; fails when there is none. */
static size_t find(const struct plan *plan, enum step_kind kind, const char *target, size_t from)
{
	for (size_t i = from; i < plan->step_count; i++) {
		const struct plan_step *step = &plan->steps[i];

		if (step->kind == kind &&
			(target == NULL ||
				(step->target != NULL && strcmp(step->target, target) == 0))) {
			return i;
		}
	}
	fail_msg("no step %s %s", step_kind_name(kind), target != NULL ? target : "");
	return 0;
}

static void finds_in_order(const struct plan *plan, const enum step_kind *order, size_t count)
{
	size_t at = 0;

	for (size_t i = 0; i < count; i++) {
		at = find(plan, order[i], NULL, at);
		assert_int_equal(step_is_builders(order[i]), step_is_builders(order[0]));
	}
}

static void lockdown_comes_in_its_order(void **state)
{
	struct world *w = *state;
	static const enum step_kind builder[] = {STEP_IDENTITY, STEP_PRIVATE, STEP_ROOT, STEP_PROC,
		STEP_ATTACH, STEP_READ_ONLY, STEP_LANDLOCK_RULE, STEP_MASK, STEP_PIVOT};
	static const enum step_kind first[] = {STEP_NETWORK, STEP_HOSTNAME, STEP_BOUNDING,
		STEP_NO_NEW_PRIVS, STEP_SECCOMP, STEP_BECOME, STEP_RLIMIT, STEP_AWAIT_ROOT,
		STEP_LANDLOCK, STEP_CAPABILITIES, STEP_EXEC};
	size_t entered;

	assert_int_equal(build(w), 0);
	finds_in_order(&w->plan, builder, ARRAY_SIZE(builder));
	finds_in_order(&w->plan, first, ARRAY_SIZE(first));
	assert_int_equal(find(&w->plan, STEP_EXEC, NULL, 0), w->plan.step_count - 1);
	/* Whoever reads them in order reads what could be done in that order. */
	entered = find(&w->plan, STEP_AWAIT_ROOT, NULL, 0);
	assert_int_equal(find(&w->plan, STEP_PIVOT, NULL, 0), entered - 1);
	/* Nothing is mounted after the first process has waited. */
	for (size_t i = entered; i < w->plan.step_count; i++) {
		assert_false(step_is_builders(w->plan.steps[i].kind));
	}
	/* The new root is sealed before anything of the sandbox could run, and after it was filled. */
	for (size_t i = find(&w->plan, STEP_READ_ONLY, "", 0); i < w->plan.step_count; i++) {
		assert_int_not_equal(w->plan.steps[i].kind, STEP_FILE);
		assert_int_not_equal(w->plan.steps[i].kind, STEP_DIR);
		assert_int_not_equal(w->plan.steps[i].kind, STEP_ATTACH);
	}
}

/* What the kernel counts for the starter as well has an end that leaves it some. */
static void the_starter_keeps_its_share(void **state)
{
	struct world *w = *state;
	struct spec_ulimit limit = {.name = "sigpending", .soft = 900, .hard = 950};
	const struct plan_step *step;
	size_t at;

	assert_int_equal(build(w), 0);
	assert_int_equal(w->plan.steps[find(&w->plan, STEP_ROOT, NULL, 0)].size, 512 << 20);
	at = find(&w->plan, STEP_QUOTA, "proc/sys/user/max_inotify_instances", 0);
	assert_true(at > find(&w->plan, STEP_PROC, NULL, 0));
	assert_true(at < find(&w->plan, STEP_MASK, NULL, 0));
	(void)find(&w->plan, STEP_QUOTA, "proc/sys/user/max_inotify_watches", 0);
	for (at = 0; w->plan.steps[at].kind != STEP_RLIMIT ||
		     w->plan.steps[at].mode != RLIMIT_SIGPENDING;
		at++) {
		assert_true(at + 1 < w->plan.step_count);
	}
	step = &w->plan.steps[at];
	assert_int_equal(step->soft, 500);
	assert_int_equal(step->hard, 500);
	w->spec.ulimits = &limit;
	w->spec.ulimit_count = 1;
	assert_int_equal(build(w), 0);
	for (at = 0; at < w->plan.step_count; at++) {
		step = &w->plan.steps[at];
		if (step->kind == STEP_RLIMIT && step->mode == RLIMIT_SIGPENDING) {
			assert_int_equal(step->hard, 950);
		}
	}
	w->facts.seccomp = false;
	w->spec.allow_missing[LAYER_SECCOMP] = true;
	assert_int_equal(build(w), 0);
	at = find(&w->plan, STEP_QUOTA, "proc/sys/user/max_user_namespaces", 0);
	assert_string_equal(w->plan.steps[at].source, "0");
}

static void parents_are_mounted_before_what_is_below(void **state)
{
	struct world *w = *state;
	size_t data;

	assert_int_equal(build(w), 0);
	data = find(&w->plan, STEP_ATTACH, "data", 0);
	assert_true(find(&w->plan, STEP_ATTACH, "data/b", 0) > data);
	assert_true((w->plan.steps[data].attr & ATTR_READ_ONLY) != 0);
	assert_true((w->plan.steps[find(&w->plan, STEP_ATTACH, "data/b", 0)].attr &
			    ATTR_READ_ONLY) == 0);
}

static void every_chosen_target_is_walked(void **state)
{
	struct world *w = *state;

	assert_int_equal(build(w), 0);
	for (size_t i = 0; i < w->plan.step_count; i++) {
		const struct plan_step *step = &w->plan.steps[i];

		if (step->kind == STEP_ATTACH) {
			assert_true((step->attr & ATTR_CHOSEN) != 0);
		}
		/* What is the host's own is never writable. */
		if (step->kind == STEP_BIND) {
			assert_true((step->attr & ATTR_READ_ONLY) != 0);
		}
	}
}

static void root_never_maps_to_root(void **state)
{
	struct world *w = *state;
	uint32_t first;

	assert_int_equal(build(w), 0);
	assert_int_equal(w->plan.inside_uid, 1000);
	assert_int_equal(w->plan.inside_gid, 100);
	first = w->plan.outside_uid;
	assert_true(first >= PLAN_UID_BASE && first < PLAN_UID_BASE + PLAN_UID_RANGE);
	w->spec.name = "creel-sbx-two";
	assert_int_equal(build(w), 0);
	assert_int_not_equal(w->plan.outside_uid, first);
	/* A file system without idmapped mounts: the owner, if that is somebody ordinary. */
	w->facts.force_owner_uid = true;
	assert_int_equal(build(w), 0);
	assert_int_equal(w->plan.outside_uid, 1000);
	w->facts.owner_uid = 0;
	assert_int_equal(build(w), -EOPNOTSUPP);
	assert_non_null(strstr(w->err.text, "'/home/u/ws'"));
	assert_non_null(strstr(w->err.text, "chown"));
}

static void an_ordinary_user_maps_to_himself(void **state)
{
	struct world *w = *state;
	size_t opens = 0;

	w->facts.privileged = false;
	w->facts.caller_uid = 501;
	w->facts.caller_gid = 20;
	w->spec.user = "2000:3000";
	assert_int_equal(build(w), 0);
	assert_true(w->plan.self_map);
	assert_int_equal(w->plan.inside_uid, 2000);
	assert_int_equal(w->plan.inside_gid, 3000);
	assert_int_equal(w->plan.outside_uid, 501);
	assert_int_equal(w->plan.outside_gid, 20);
	/* Sources are opened before the new root covers anything. */
	for (size_t i = 0; i < find(&w->plan, STEP_ROOT, NULL, 0); i++) {
		opens += w->plan.steps[i].kind == STEP_OPEN;
	}
	assert_int_equal(opens, w->plan.source_count);
}

static void limits_become_a_group_or_rlimits(void **state)
{
	struct world *w = *state;

	assert_int_equal(build(w), 0);
	assert_false(w->plan.cgroup);
	w->spec.memory = 1 << 30;
	assert_int_equal(build(w), -ENOTSUP);
	assert_non_null(strstr(w->err.text, "'cgroup.memory'"));
	w->facts.cgroups.available[CGROUP_MEMORY] = true;
	w->facts.cgroups.available[CGROUP_PIDS] = true;
	assert_int_equal(build(w), 0);
	assert_true(w->plan.cgroup);
	assert_int_equal(w->plan.limits.memory, 1 << 30);
	assert_int_equal(w->plan.limits.pids, 512);
	w->spec.cpu_millis = 500;
	assert_int_equal(build(w), -ENOTSUP);
	w->spec.allow_missing[LAYER_CGROUP_CPU] = true;
	assert_int_equal(build(w), 0);
	assert_true(w->plan.missing[LAYER_CGROUP_CPU]);
	assert_int_equal(w->plan.limits.cpu_millis, 0);
}

static void missing_layers_are_left_out_only_when_allowed(void **state)
{
	struct world *w = *state;

	w->facts.landlock_abi = -ENOSYS;
	assert_int_equal(build(w), -ENOTSUP);
	w->spec.allow_missing[LAYER_LANDLOCK] = true;
	assert_int_equal(build(w), 0);
	for (size_t i = 0; i < w->plan.step_count; i++) {
		assert_int_not_equal(w->plan.steps[i].kind, STEP_LANDLOCK);
	}
	w->facts.seccomp = false;
	assert_int_equal(build(w), -ENOTSUP);
	assert_non_null(strstr(w->err.text, "'seccomp'"));
	/* Being allowed to miss is no wish to miss. */
	w->facts.seccomp = true;
	w->spec.allow_missing[LAYER_SECCOMP] = true;
	assert_int_equal(build(w), 0);
	(void)find(&w->plan, STEP_SECCOMP, NULL, 0);
}

static void a_user_that_is_no_number_is_refused(void **state)
{
	static const char *const bad[] = {
		"alice", "1000:", ":1", "1000:staff", "-1", "1:2:3", "4294967295"};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		w->spec.user = bad[i];
		assert_int_equal(build(w), -EINVAL);
		assert_non_null(strstr(w->err.text, "docker.user"));
	}
}

static void tmpfs_entries_are_read(void **state)
{
	static const char *const bad[] = {"tmp", "/", "", "/x:size=", "/x:size=0", "/x:mode=9",
		"/x:mode=", "/x:ro", "/x:size=1m,uid=0", "/x:mode=1234567"};
	struct world *w = *state;
	const struct plan_step *step;

	assert_int_equal(build(w), 0);
	step = &w->plan.steps[find(&w->plan, STEP_TMPFS, "tmp", 0)];
	assert_int_equal(step->size, 64 << 20);
	assert_int_equal(step->mode, 01700);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *items[] = {bad[i], NULL};

		w->spec.tmpfs.items = items;
		w->spec.tmpfs.count = 1;
		assert_int_equal(build(w), -EINVAL);
		assert_non_null(strstr(w->err.text, "docker.tmpfs"));
	}
}

static void the_same_input_gives_the_same_plan(void **state)
{
	struct world *w = *state;
	json_t *first;
	json_t *second;
	char *text;

	assert_int_equal(build(w), 0);
	first = plan_steps_json(&w->plan);
	assert_int_equal(build(w), 0);
	second = plan_steps_json(&w->plan);
	assert_true(json_equal(first, second));
	/* clone comes first, then one object per step */
	assert_int_equal(json_array_size(first), w->plan.step_count + 1);
	text = json_dumps(first, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
	if (getenv("CREEL_GOLDEN_WRITE") != NULL) {
		FILE *file = fopen(getenv("CREEL_GOLDEN"), "we");

		assert_true(
			fputs(text, file) >= 0 && fputc('\n', file) == '\n' && fclose(file) == 0);
	}
	json_decref(second);
	second = json_load_file(getenv("CREEL_GOLDEN"), 0, NULL);
	assert_non_null(second);
	/* CREEL_GOLDEN_WRITE=1 writes it anew; read the difference before you commit it. */
	assert_true(json_equal(first, second));
	free(text);
	json_decref(first);
	json_decref(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lockdown_comes_in_its_order, make, drop),
		cmocka_unit_test_setup_teardown(the_starter_keeps_its_share, make, drop),
		cmocka_unit_test_setup_teardown(
			parents_are_mounted_before_what_is_below, make, drop),
		cmocka_unit_test_setup_teardown(every_chosen_target_is_walked, make, drop),
		cmocka_unit_test_setup_teardown(root_never_maps_to_root, make, drop),
		cmocka_unit_test_setup_teardown(an_ordinary_user_maps_to_himself, make, drop),
		cmocka_unit_test_setup_teardown(limits_become_a_group_or_rlimits, make, drop),
		cmocka_unit_test_setup_teardown(
			missing_layers_are_left_out_only_when_allowed, make, drop),
		cmocka_unit_test_setup_teardown(a_user_that_is_no_number_is_refused, make, drop),
		cmocka_unit_test_setup_teardown(tmpfs_entries_are_read, make, drop),
		cmocka_unit_test_setup_teardown(the_same_input_gives_the_same_plan, make, drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
