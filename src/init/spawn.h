/* SPDX-License-Identifier: MIT */
/* From a request to an executed program, and nothing beyond that. */
#ifndef INIT_SPAWN_H
#define INIT_SPAWN_H

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/arena.h"
#include "wire/frame.h"

/* Everything the child needs, ready made: between clone and exec it only makes system calls. */
struct spawn_plan {
	const struct wire_spawn *request;
	const char *const *env;
	int in_fd, out_fd, err_fd; /* become 0, 1, 2 */
	bool terminal; /* in_fd becomes the controlling terminal */
	struct wire_rlimit marks[2]; /* see init/tree.h */
	int mark_count;
	struct rlimit files; /* RLIMIT_NOFILE as creel-init found it */
};

/*
 * Run it in a session of its own, with an empty signal mask and default signal actions. Returns the
 * pid, or a negative errno with *ret_stage set; then no child is left. Blocks until exec is done,
 * as vfork(2) does: that makes it as fast as posix_spawn(3).
 */
pid_t spawn_run(const struct spawn_plan *plan, enum wire_fail_stage *ret_stage);

#endif
