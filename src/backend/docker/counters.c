/* SPDX-License-Identifier: MIT */
/* From a container's first process to the counters of its control groups and its network. */
#include "backend/docker/counters.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "os/cgroup.h"
#include "os/sys.h"

enum {
	LINES_SIZE = 8192,
	ID_LENGTH = 64, /* of engines, in hexadecimal digits */
};

/* An engine in a virtual machine, or behind a namespace of pids, has numbers of its own. */
static bool is_of(const char *id, int64_t pid, char lines[LINES_SIZE])
{
	char path[40];

	if (id == NULL || strlen(id) != ID_LENGTH || pid <= 1 || pid > INT_MAX) {
		return false;
	}
	(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	return sys_read_file(AT_FDCWD, path, lines, LINES_SIZE) > 0 && strstr(lines, id) != NULL;
}

bool docker_is_process_of(const char *id, int64_t pid)
{
	char lines[LINES_SIZE];

	return is_of(id, pid, lines);
}

bool docker_counters_open(const char *id, int64_t pid, struct denial_fds *ret)
{
	char lines[LINES_SIZE], memory[PATH_MAX], pids[PATH_MAX];

	if (!is_of(id, pid, lines)) {
		return false;
	}
	if (!cgroup_find(CGROUP_ROOT, lines, CGROUP_MEMORY, memory)) {
		memory[0] = '\0';
	}
	if (!cgroup_find(CGROUP_ROOT, lines, CGROUP_PIDS, pids)) {
		pids[0] = '\0';
	}
	denial_fds_open((pid_t)pid, memory, pids, FD_NONE, ret);
	/* Still the same process: its number was not given to another meanwhile. */
	if (!is_of(id, pid, lines)) {
		denial_fds_finish(ret);
		return false;
	}
	return true;
}
