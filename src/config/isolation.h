/* SPDX-License-Identifier: MIT */
/* What keeps a sandbox in, by name: the configuration speaks of it and the runtime reports it. */
#ifndef CONFIG_ISOLATION_H
#define CONFIG_ISOLATION_H

#include <stdbool.h>

/* A layer that this host lacks stops the sandbox from starting unless the configuration lists it in
 * sandbox.native.allowMissing. */
enum isolation_layer {
	LAYER_USERNS,
	LAYER_MOUNTNS,
	LAYER_PIDNS,
	LAYER_NETNS,
	LAYER_IPCNS,
	LAYER_UTSNS,
	LAYER_CGROUPNS,
	LAYER_SECCOMP,
	LAYER_LANDLOCK,
	LAYER_CAPS,
	LAYER_NO_NEW_PRIVS,
	LAYER_RLIMITS,
	LAYER_CGROUP_PIDS,
	LAYER_CGROUP_MEMORY,
	LAYER_CGROUP_CPU,
	LAYER_UNPRIVILEGED_UID,
	LAYER_COUNT_
};
const char *isolation_layer_name(enum isolation_layer layer); /* "userns", "cgroup.memory", ... */
bool isolation_layer_from_name(const char *name, enum isolation_layer *ret);

#endif
