/* SPDX-License-Identifier: MIT */
/* The names of the isolation layers. */
#include "config/isolation.h"

#include <string.h>

#include "base/macro.h"

static const char *const layer_names[] = {
	[LAYER_USERNS] = "userns",
	[LAYER_MOUNTNS] = "mountns",
	[LAYER_PIDNS] = "pidns",
	[LAYER_NETNS] = "netns",
	[LAYER_IPCNS] = "ipcns",
	[LAYER_UTSNS] = "utsns",
	[LAYER_CGROUPNS] = "cgroupns",
	[LAYER_SECCOMP] = "seccomp",
	[LAYER_LANDLOCK] = "landlock",
	[LAYER_CAPS] = "caps",
	[LAYER_NO_NEW_PRIVS] = "no-new-privs",
	[LAYER_RLIMITS] = "rlimits",
	[LAYER_CGROUP_PIDS] = "cgroup.pids",
	[LAYER_CGROUP_MEMORY] = "cgroup.memory",
	[LAYER_CGROUP_CPU] = "cgroup.cpu",
	[LAYER_UNPRIVILEGED_UID] = "unprivileged-uid",
};
_Static_assert(ARRAY_SIZE(layer_names) == LAYER_COUNT_, "every layer has a name");

const char *isolation_layer_name(enum isolation_layer layer)
{
	return layer_names[layer];
}

bool isolation_layer_from_name(const char *name, enum isolation_layer *ret)
{
	for (int i = 0; i < LAYER_COUNT_; i++) {
		if (strcmp(layer_names[i], name) == 0) {
			*ret = (enum isolation_layer)i;
			return true;
		}
	}
	return false;
}
