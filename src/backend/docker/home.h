/* SPDX-License-Identifier: MIT */
/* Where a container for once finds its socket, its token and creel-init: a directory of its own. */
#ifndef DOCKER_HOME_H
#define DOCKER_HOME_H

#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "wire/frame.h"

struct home {
	const char *dir; /* 0700, ours */
	const char *run_dir; /* in it: what is mounted at /run/creel */
	int lock_fd; /* whoever has it open needs the directory; without anybody it is swept up */
};

/*
 * Sweep up what killed processes left, then make one with a listening socket and a token. Anybody may pass run_dir itself, because nobody can
 * say as whom a container's processes show on the host (remapped and rootless engines); who may get
 * there at all is decided by dir, and who may speak by the token.
 */
int home_make(struct arena *arena, struct home *ret, uint8_t ret_token[WIRE_TOKEN_SIZE],
	int *ret_listen_fd, struct error *err);
/* Take the token, and the socket if nobody will dial any more, off the disk. */
int home_seal(const struct home *home, struct error *err);
void home_remove(const char *dir);

#endif
