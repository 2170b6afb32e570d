/* SPDX-License-Identifier: MIT */
/*
 * Who belongs to which spawned process, also after double forks, setsid(2) and changes of name,
 * environment, user or working directory.
 *
 * Every spawned process carries two marks that its descendants inherit and that exec keeps: the
 * limits RLIMIT_LOCKS, which Linux has not enforced since 2.4, and RLIMIT_RTTIME, set to about 2^62,
 * which no process reaches. The n-th spawn gets BASE + n in one and BASE + SPAN - n in the other. A
 * limit can be lowered by anybody and raised only with CAP_SYS_RESOURCE in the first user namespace:
 * from BASE + i and BASE + SPAN - i there is no way down to another pair that adds up. Marks that do
 * not add up were lowered on purpose, and still tell a range of spawns that they can have come from.
 *
 * Only descendants of creel-init are ever looked at (it adopts every orphan, as PID 1 or as a
 * subreaper), so that on a plain host nothing else can be hit.
 *
 * Without /proc the session's process group is all that is known of a tree.
 */
#ifndef INIT_TREE_H
#define INIT_TREE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "init/spawn.h"

enum {
	TREE_ALL = 0,
	/* RLIMIT_LOCKS and RLIMIT_RTTIME: some C library's header lacks one. */
	TREE_MARK_LOCKS = 10,
	TREE_MARK_RTTIME = 15,
};

struct tree {
	bool marks; /* the limits this process has leave room for them */
	uint64_t base[2];
	int proc_fd; /* /proc, FD_NONE when it is not there */
	pid_t self;
};

void tree_init(struct tree *tree);
/* Put the marks of the serial-th spawn (from 1) into a plan. */
void tree_mark(const struct tree *tree, uint64_t serial, struct spawn_plan *plan);
/*
 * Signal all that lives of a spawn, or of every spawn for TREE_ALL. SIGKILL stops the whole tree
 * first, which holds its share of any limit on processes, so that a fork bomb cannot outrun it.
 * leader: the spawned process, for its group; 0 when it was reaped. Returns how many were signalled.
 */
int tree_signal(const struct tree *tree, uint64_t serial, pid_t leader, int signo);
/* Does anything live of the spawns up to the last-th? 1, 0; -1: unknown, without /proc or marks. */
int tree_has_any(const struct tree *tree, uint64_t last);
/* How many live; -1 without /proc. */
int tree_count(const struct tree *tree, uint64_t serial);

#endif
