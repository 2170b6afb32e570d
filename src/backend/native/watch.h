/* SPDX-License-Identifier: MIT */
/*
 * Answers the seccomp listener of a sandbox: always with a refusal. It runs in the keeper, outside of
 * the sandbox, because whoever holds the listener could let a call go on. If the keeper dies the kernel
 * answers ENOSYS, which is a refusal as well.
 */
#ifndef NATIVE_WATCH_H
#define NATIVE_WATCH_H

#include <stdbool.h>
#include <sys/types.h>

#include "backend/denials.h"

enum { WATCH_RECENT = 64 };

struct watch {
	int listener_fd; /* FD_NONE: nothing to answer; owned */
	int ring_fd; /* where events go; owned */
	pid_t init; /* the sandbox's PID 1, as we see it */
	uint64_t sequence;
	struct {
		uint32_t pid;
		int number;
	} recent[WATCH_RECENT]; /* told already */
	size_t recent_at;
	uint64_t second; /* in which so many were looked into */
	unsigned in_second;
};

/* Does the kernel know notifications? */
bool watch_is_possible(void);
/* The listener can be read: answer one call. */
void watch_answer(struct watch *watch);

#endif
