/* SPDX-License-Identifier: MIT */
/* The monotonic clock. */
#include "base/clock.h"

#include <assert.h>
#include <limits.h>
#include <time.h>

uint64_t clock_now_ns(void)
{
	struct timespec now;
	int r = clock_gettime(CLOCK_MONOTONIC, &now);

	/* clock_gettime(2) fails for an unknown clock or a bad pointer alone. */
	assert(r == 0);
	(void)r;
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

int clock_left_ms(uint64_t deadline_ns)
{
	uint64_t now, left_ms;

	if (deadline_ns == UINT64_MAX) {
		return -1;
	}
	now = clock_now_ns();
	if (deadline_ns <= now) {
		return 0;
	}
	left_ms = (deadline_ns - now - 1) / NS_PER_MS + 1;
	return left_ms < INT_MAX ? (int)left_ms : INT_MAX;
}

uint64_t clock_after_ns(uint64_t delay_ns)
{
	uint64_t sum;

	return __builtin_add_overflow(clock_now_ns(), delay_ns, &sum) ? UINT64_MAX : sum;
}
