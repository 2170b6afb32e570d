/* SPDX-License-Identifier: MIT */
/* One start of a sandbox: namespaces, plan, creel-init. */
#ifndef NATIVE_LAUNCH_H
#define NATIVE_LAUNCH_H

#include "backend/backend.h"
#include "backend/native/plan.h"

struct launch_request {
	const struct sandbox_spec *spec;
	const char *init_path;
	const char *run_dir; /* NULL: once, with an inherited stream */
	int alive_fd; /* with run_dir: open and locked as long as the keeper lives, FD_NONE: none */
	int stream_fd; /* once: the sandbox's end of the stream, descriptor > 3 */
	int starter_fd; /* once: the other end, which the sandbox must not hold */
	int ring_fd; /* with listen: where refusals are told; FD_NONE: one in memory */
	bool listen; /* refused system calls are to be put to a listener, where the kernel has them */
};

#define LAUNCH_CGROUP_PREFIX "creel-"

struct launched {
	pid_t pid; /* PID 1 of the sandbox, child of the caller */
	uint32_t host_uid;
	struct cgroup cgroup;
	bool missing[LAYER_COUNT_];
	int listener_fd; /* seccomp's, to be answered by the caller; FD_NONE: none */
};

/* Does this spec need somebody who stays and cleans up (a control group)? Reads the host only. */
bool launch_needs_keeper(const struct sandbox_spec *spec);

/* A close-on-exec socket pair whose descriptors are greater than 3. */
int launch_make_pair(int type, int pair[2], struct error *err);

/* Start it. On failure nothing is left behind and err says why. */
int launch_sandbox(const struct launch_request *request, struct launched *ret, struct error *err);

#endif
