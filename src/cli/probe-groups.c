/* SPDX-License-Identifier: MIT */
/* Comparing the control groups that the kernel has a sandbox in with what was decided. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/num.h"
#include "base/own.h"
#include "cli/probe.h"
#include "os/cgroup.h"
#include "os/sys.h"

#define FROM "control group"

enum { LINES_SIZE = 8192, VALUE_SIZE = 64, PERIOD_US = 100000 };

struct groups {
	struct probe *probe;
	const char *root, *lines;
	struct arena arena;
};

/* The first line of a file of the group with this controller, version 2's name or version 1's; "" when there
 * is none. */
static const char *value_of(
	struct groups *g, enum cgroup_controller controller, const char *name2, const char *name1)
{
	char dir[PATH_MAX], value[VALUE_SIZE] = "";
	const char *names[] = {name2, name1};

	for (size_t i = 0; i < ARRAY_SIZE(names) && value[0] == '\0'; i++) {
		if (cgroup_find(g->root, g->lines, controller, dir)) {
			(void)sys_read_file(AT_FDCWD,
				arena_printf(&g->arena, "%s/%s", dir, names[i]), value,
				sizeof(value));
		}
	}
	value[strcspn(value, "\n")] = '\0';
	return arena_strdup(&g->arena, value);
}

static void add(struct groups *g, const char *check, const char *decided, const char *found)
{
	probe_add(g->probe, check, FROM, decided, found[0] != '\0' ? found : "no group",
		strcmp(decided, found) == 0);
}

/* The kernel counts whole pages. */
static void check_memory(struct groups *g, int64_t memory)
{
	int64_t page = sysconf(_SC_PAGESIZE);

	add(g, "memory", arena_printf(&g->arena, "%" PRId64, memory / page * page),
		value_of(g, CGROUP_MEMORY, "memory.max", "memory.limit_in_bytes"));
}

static void check_pids(struct groups *g, int64_t pids)
{
	add(g, "pids limit", arena_printf(&g->arena, "%" PRId64, pids),
		value_of(g, CGROUP_PIDS, "pids.max", "pids.max"));
}

/* "QUOTA PERIOD" or QUOTA alone, in microseconds. */
static void check_cpu(struct groups *g, int64_t millis)
{
	int64_t quota = millis * (PERIOD_US / 1000);
	const char *found = value_of(g, CGROUP_CPU, "cpu.max", "cpu.cfs_quota_us");

	add(g, "cpu quota", arena_printf(&g->arena, "%" PRId64, quota),
		arena_strndup(&g->arena, found, strcspn(found, " ")));
}

void probe_groups(struct probe *probe, const struct sandbox_spec *spec, const bool *missing,
	const char *root, const char *lines)
{
	struct groups g = {.probe = probe, .root = root, .lines = lines};

	if (spec->memory > 0 && !missing[LAYER_CGROUP_MEMORY]) {
		check_memory(&g, spec->memory);
	}
	if (spec->cpu_millis > 0 && !missing[LAYER_CGROUP_CPU]) {
		check_cpu(&g, spec->cpu_millis);
	}
	/* A native sandbox without a group has RLIMIT_NPROC for it: probe_inside(). */
	if (spec->pids_limit > 0 && spec->backend == BACKEND_DOCKER) {
		check_pids(&g, spec->pids_limit);
	}
	arena_finish(&g.arena);
}

void probe_groups_of(
	struct probe *probe, const struct sandbox_spec *spec, const bool *missing, int64_t pid)
{
	char path[48], lines[LINES_SIZE];

	(void)snprintf(path, sizeof(path), "/proc/%" PRId64 "/cgroup", pid);
	if (sys_read_file(AT_FDCWD, path, lines, sizeof(lines)) > 0) {
		probe_groups(probe, spec, missing, CGROUP_ROOT, lines);
	}
}

int64_t probe_child_of(int64_t keeper)
{
	char path[64], text[VALUE_SIZE];

	(void)snprintf(
		path, sizeof(path), "/proc/%" PRId64 "/task/%" PRId64 "/children", keeper, keeper);
	if (sys_read_file(AT_FDCWD, path, text, sizeof(text)) <= 0) {
		return 0;
	}
	return (int64_t)num_leading_u64(text);
}
