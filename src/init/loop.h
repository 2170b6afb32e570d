/* SPDX-License-Identifier: MIT */
/* A level-triggered epoll loop for one thread. Watches and timers are members of their owners. */
#ifndef INIT_LOOP_H
#define INIT_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

struct watch;
typedef void (*watch_fn)(struct watch *watch, uint32_t events);

/* fd is FD_NONE while unused. The owner closes it, after watch_stop(). */
struct watch {
	int fd;
	uint32_t events; /* EPOLLIN, EPOLLOUT; 0: not in the loop, not even for a hang-up */
	watch_fn ready;
};

struct timer;
typedef void (*timer_fn)(struct timer *timer);

/* Zeroed is valid: not set. */
struct timer {
	uint64_t deadline_ns; /* 0: not set */
	timer_fn fire;
	struct timer *next, **slot; /* in loop->timers, unsorted: few are ever set */
};

struct loop {
	int epoll_fd;
	struct timer *timers;
	void *batch; /* events of the turn at work, so that a stopped watch can be taken out */
	int batch_len;
};

int loop_init(struct loop *loop);
void loop_finish(struct loop *loop);

/* Wait for one of events on watch->fd, from now on; 0 takes it out. 0 or a negative errno. */
int watch_set(struct loop *loop, struct watch *watch, uint32_t events);
/* Safe for any watch from any callback: it will not be called again, also not in this turn. */
void watch_stop(struct loop *loop, struct watch *watch);

void timer_set(struct loop *loop, struct timer *timer, uint64_t delay_ms, timer_fn fire);
void timer_cancel(struct timer *timer);

/* Wait for something to happen and call what it concerns. 0 or a negative errno. */
int loop_turn(struct loop *loop);

#endif
