/* SPDX-License-Identifier: MIT */
/* A native sandbox with the probe in creel-init's place. */
#ifndef TESTS_SECURITY_RIG_H
#define TESTS_SECURITY_RIG_H

#include <stdbool.h>

#include "backend/backend.h"

struct rig {
	struct sandbox_spec spec;
	struct spec_mount mounts[4];
	struct backend_sandbox sandbox;
	struct error err;
	char workspace[256];
	char answer[65536];
};

/* A spec with defaults and a fresh workspace below /tmp, owned by uid (as root) or the caller. */
void rig_init(struct rig *rig, uid_t owner);
/* Start it; 0 or the negative errno of start(), with rig->err. */
int rig_start(struct rig *rig);
/* Ask the probe; the answer without its newline, valid until the next call. */
const char *rig_ask(struct rig *rig, const char *question);
/* Its PID 1 as the host sees it; 0: not found. */
pid_t rig_first(const struct rig *rig);
/* End the sandbox and remove the workspace. */
void rig_finish(struct rig *rig);

/* Whether this host has every layer, limits by control groups aside; if not, it is said which is missing. */
bool rig_host_has_layers(void);
/*
 * Run what, which gives how many tests failed: as the caller and, if that is root, once more in a child as
 * an ordinary user. The sum, for main() to return.
 */
int rig_run(int (*what)(void));

#endif
