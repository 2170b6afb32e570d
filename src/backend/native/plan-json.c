/* SPDX-License-Identifier: MIT */
/* A plan as JSON, for people and golden tests. */
#include <linux/sched.h>

#include "backend/native/facts.h"
#include "backend/native/native.h"
#include "backend/native/plan.h"
#include "base/macro.h"

const char *step_kind_name(enum step_kind kind)
{
	static const char *const names[] = {
		[STEP_IDENTITY] = "identity",
		[STEP_NETWORK] = "network",
		[STEP_PRIVATE] = "private",
		[STEP_OPEN] = "open",
		[STEP_ROOT] = "root",
		[STEP_DIR] = "dir",
		[STEP_FILE] = "file",
		[STEP_SYMLINK] = "symlink",
		[STEP_BIND] = "bind",
		[STEP_DEVICE] = "device",
		[STEP_ATTACH] = "attach",
		[STEP_TMPFS] = "tmpfs",
		[STEP_SCRATCH] = "scratch",
		[STEP_PROC] = "proc",
		[STEP_DEVPTS] = "devpts",
		[STEP_QUOTA] = "quota",
		[STEP_MASK] = "mask",
		[STEP_READ_ONLY] = "readOnly",
		[STEP_AWAIT_ROOT] = "awaitRoot",
		[STEP_BECOME] = "become",
		[STEP_PIVOT] = "pivot",
		[STEP_HOSTNAME] = "hostname",
		[STEP_RLIMIT] = "rlimit",
		[STEP_NO_NEW_PRIVS] = "noNewPrivs",
		[STEP_LANDLOCK_RULE] = "landlockRule",
		[STEP_LANDLOCK] = "landlock",
		[STEP_BOUNDING] = "limitCapabilities",
		[STEP_CAPABILITIES] = "dropCapabilities",
		[STEP_SECCOMP] = "seccomp",
		[STEP_EXEC] = "exec",
	};

	_Static_assert(ARRAY_SIZE(names) == STEP_COUNT_, "every step has a name");
	return names[kind];
}

bool step_is_builders(enum step_kind kind)
{
	return kind > STEP_EXEC;
}

static void put(json_t *object, const char *key, json_t *value)
{
	/* Takes the reference also when it fails; a JSON allocation that fails aborts nothing here but
	 * leaves the member out. */
	(void)json_object_set_new(object, key, value);
}

static void put_text(json_t *object, const char *key, const char *value)
{
	if (value != NULL) {
		put(object, key, json_string(value));
	}
}

static void put_attr(json_t *object, unsigned attr)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = {{ATTR_READ_ONLY, "readOnly"}, {ATTR_NO_EXEC, "noExec"},
		{ATTR_OPTIONAL, "optional"}};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if ((attr & names[i].bit) != 0) {
			put(object, names[i].name, json_true());
		}
	}
}

static void put_limit(json_t *object, const char *key, uint64_t value)
{
	put(object, key, value == UINT64_MAX ? json_integer(-1) : json_integer((json_int_t)value));
}

static void put_numbers(json_t *object, const struct plan_step *step)
{
	static const char *const reach[] = {[REACH_READ_EXEC] = "read",
		[REACH_WRITE_FILES] = "writeFiles",
		[REACH_ALL] = "all"};
	char mode[16];

	if (step->kind == STEP_RLIMIT) {
		put_limit(object, "soft", step->soft);
		put_limit(object, "hard", step->hard);
	} else if (step->kind == STEP_LANDLOCK_RULE) {
		put_text(object, "reach", reach[step->mode]);
	} else if (step->mode != 0 && step->kind != STEP_BOUNDING) {
		(void)snprintf(mode, sizeof(mode), "%04o", step->mode);
		put_text(object, "mode", mode);
	}
	if (step->kind == STEP_TMPFS || step->kind == STEP_ROOT) {
		put(object, "size", json_integer(step->size));
	}
}

static json_t *step_json(const struct plan *plan, const struct plan_step *step)
{
	json_t *object = json_object();

	put_text(object, "step", step_kind_name(step->kind));
	put_text(object, "by", step_is_builders(step->kind) ? "builder" : "first");
	if (step->kind == STEP_RLIMIT) {
		put_text(object, "limit", step->source);
	} else if (step->kind == STEP_ATTACH) {
		put_text(object, "source", plan->sources[step->slot].path);
		put(object, "idmap",
			json_boolean(plan->sources[step->slot].idmap && !plan->self_map));
	} else if (step->kind == STEP_FILE) {
		put_text(object, "content", step->source);
	} else {
		put_text(object, "source", step->source);
	}
	if (step->target != NULL && step->target[0] != '/') {
		put(object, "target", json_sprintf("/%s", step->target));
	} else {
		put_text(object, "target", step->target);
	}
	put_attr(object, step->attr);
	put_numbers(object, step);
	return object;
}

static json_t *clone_json(const struct plan *plan)
{
	static const char *const namespaces[] = {
		"user", "mount", "pid", "net", "ipc", "uts", "cgroup"};
	json_t *object = json_object();
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++) {
		(void)json_array_append_new(list, json_string(namespaces[i]));
	}
	put_text(object, "step", "clone");
	put(object, "namespaces", list);
	put(object, "insideUid", json_integer(plan->inside_uid));
	put(object, "insideGid", json_integer(plan->inside_gid));
	put(object, "hostUid", json_integer(plan->outside_uid));
	put(object, "hostGid", json_integer(plan->outside_gid));
	return object;
}

static json_t *cgroup_json(const struct cgroup_limits *limits)
{
	json_t *object = json_object();

	put_text(object, "step", "cgroup");
	put(object, "memory", json_integer(limits->memory));
	put(object, "memorySwap", json_integer(limits->memory_swap));
	put(object, "cpuMillis", json_integer(limits->cpu_millis));
	put(object, "pids", json_integer(limits->pids));
	return object;
}

json_t *plan_steps_json(const struct plan *plan)
{
	json_t *list = json_array();

	if (plan->cgroup) {
		(void)json_array_append_new(list, cgroup_json(&plan->limits));
	}
	(void)json_array_append_new(list, clone_json(plan));
	for (size_t i = 0; i < plan->step_count; i++) {
		(void)json_array_append_new(list, step_json(plan, &plan->steps[i]));
	}
	return list;
}

json_t *native_plan_json(const struct sandbox_spec *spec, struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	struct native_facts facts;
	const char *init_path = native_find_init(NULL, &arena, err);
	struct plan plan;

	if (init_path == NULL || facts_collect(spec, init_path, &arena, &facts, err) < 0 ||
		plan_build(spec, &facts, NULL, &arena, &plan, err) < 0) {
		return NULL;
	}
	return plan_steps_json(&plan);
}
