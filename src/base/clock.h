/* SPDX-License-Identifier: MIT */
/* The one clock: nanoseconds of CLOCK_MONOTONIC. Wall-clock time is for people and files only. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

uint64_t clock_now_ns(void);

/* Milliseconds from now until deadline_ns, as poll(2) takes them: rounded up so that a wake-up is
 * never early, 0 when it has passed, at most INT_MAX. UINT64_MAX, "never", gives -1. */
int clock_left_ms(uint64_t deadline_ns);

/* now + delay, which stays at UINT64_MAX instead of wrapping. */
uint64_t clock_after_ns(uint64_t delay_ns);

#endif
