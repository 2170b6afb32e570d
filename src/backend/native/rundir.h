/* SPDX-License-Identifier: MIT */
/* The run directory of a lasting sandbox: its socket and its token. Mounted read-only at /run/creel. */
#ifndef NATIVE_RUNDIR_H
#define NATIVE_RUNDIR_H

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "wire/frame.h"

/* Make dir (0700, its parent must exist) with a listening socket, a fresh token and the file over
 * which creel-init is mounted. */
int rundir_prepare(
	const char *dir, uint8_t ret_token[WIRE_TOKEN_SIZE], int *ret_listen_fd, struct error *err);
/* Give it to the uid that the sandbox runs as. */
int rundir_hand_over(const char *dir, uid_t uid, gid_t gid, struct error *err);
void rundir_remove(const char *dir);

#endif
