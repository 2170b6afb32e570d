/* SPDX-License-Identifier: MIT */
/* A native sandbox with the probe in creel-init's place. */
#ifndef TESTS_SECURITY_RIG_H
#define TESTS_SECURITY_RIG_H

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

/* Run what with another uid, in a child; its exit status. */
int rig_as_user(uid_t uid, int (*what)(void));

#endif
