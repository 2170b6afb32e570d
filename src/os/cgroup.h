/* SPDX-License-Identifier: MIT */
/* Control groups, version 2 or 1, below where this process may make them. */
#ifndef OS_CGROUP_H
#define OS_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

enum cgroup_controller { CGROUP_MEMORY, CGROUP_CPU, CGROUP_PIDS, CGROUP_COUNT_ };

/* Where groups can be made. */
struct cgroup_host {
	int version; /* 2, 1, or 0: nowhere */
	bool available[CGROUP_COUNT_]; /* this controller, writable by this process */
	char parent[CGROUP_COUNT_][PATH_MAX]; /* version 2: the same directory for all */
};

struct cgroup_limits {
	int64_t memory; /* bytes; 0: none */
	int64_t memory_swap; /* memory and swap together; 0: twice the memory; -1: no limit */
	int64_t cpu_millis; /* 0: none */
	int64_t pids; /* 0: none */
};

/* One made group: a directory, in version 1 one per controller. Zeroed: none. */
struct cgroup {
	char paths[CGROUP_COUNT_][PATH_MAX];
};

/*
 * The directory of a process's group in the hierarchy of a controller, from lines, its /proc/PID/cgroup, below
 * root, where control groups are mounted (CGROUP_ROOT; tests have their own). false: it is in none, or
 * its group cannot be seen from here.
 */
#define CGROUP_ROOT "/sys/fs/cgroup"
bool cgroup_find(
	const char *root, const char *lines, enum cgroup_controller controller, char ret[PATH_MAX]);

/* Look where groups can be made. Changes nothing. */
void cgroup_probe(struct cgroup_host *ret);

/*
 * Make a group called name with these limits. Only controllers with a limit are used. 0, or a negative
 * errno with err set and nothing left behind.
 */
int cgroup_create(const struct cgroup_host *host, const char *name,
	const struct cgroup_limits *limits, struct cgroup *ret, struct error *err);
/* Move a process in; what it starts from then on is in there as well. */
int cgroup_attach(const struct cgroup *group, pid_t pid, struct error *err);
/* Remove the directories, once no process is left in them (waits up to a second for that). */
void cgroup_remove(struct cgroup *group);
/* Remove empty groups called PREFIX<pid>-... whose process pid is gone. */
void cgroup_sweep(const struct cgroup_host *host, const char *prefix);

#endif
