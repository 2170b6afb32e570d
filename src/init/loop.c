/* SPDX-License-Identifier: MIT */
/* A level-triggered epoll loop for one thread. */
#include "init/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/own.h"

enum { BATCH = 32 };

int loop_init(struct loop *loop)
{
	*loop = (struct loop){.epoll_fd = epoll_create1(EPOLL_CLOEXEC)};
	return loop->epoll_fd >= 0 ? 0 : -errno;
}

void loop_finish(struct loop *loop)
{
	if (loop->epoll_fd >= 0) {
		(void)close(loop->epoll_fd);
	}
	loop->epoll_fd = FD_NONE;
}

/* A watch that was stopped, and perhaps freed, must not be called by an event that came before. */
static void scrub_batch(struct loop *loop, const struct watch *watch)
{
	struct epoll_event *events = loop->batch;

	for (int i = 0; i < loop->batch_len; i++) {
		if (events[i].data.ptr == watch) {
			events[i].data.ptr = NULL;
		}
	}
}

int watch_set(struct loop *loop, struct watch *watch, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = watch};
	int op = watch->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

	if (events == watch->events) {
		return 0;
	}
	if (events == 0) {
		/* EPOLLHUP cannot be masked: only a descriptor that is out stays quiet. */
		op = EPOLL_CTL_DEL;
		scrub_batch(loop, watch);
	}
	if (epoll_ctl(loop->epoll_fd, op, watch->fd, &event) < 0) {
		return -errno;
	}
	watch->events = events;
	return 0;
}

void watch_stop(struct loop *loop, struct watch *watch)
{
	if (watch->fd >= 0) {
		(void)watch_set(loop, watch, 0);
		scrub_batch(loop, watch);
	}
}

void timer_set(struct loop *loop, struct timer *timer, uint64_t delay_ms, timer_fn fire)
{
	timer_cancel(timer);
	timer->deadline_ns = clock_after_ns(delay_ms * NS_PER_MS);
	timer->fire = fire;
	timer->next = loop->timers;
	timer->slot = &loop->timers;
	if (timer->next != NULL) {
		timer->next->slot = &timer->next;
	}
	loop->timers = timer;
}

void timer_cancel(struct timer *timer)
{
	if (timer->deadline_ns == 0) {
		return;
	}
	*timer->slot = timer->next;
	if (timer->next != NULL) {
		timer->next->slot = timer->slot;
	}
	timer->deadline_ns = 0;
}

static struct timer *first_timer(const struct loop *loop)
{
	struct timer *first = loop->timers;

	for (struct timer *t = loop->timers; t != NULL; t = t->next) {
		if (t->deadline_ns < first->deadline_ns) {
			first = t;
		}
	}
	return first;
}

/* Each may cancel, set or free any other: look for the first anew every time. */
static void fire_timers(struct loop *loop)
{
	uint64_t now = loop->timers != NULL ? clock_now_ns() : 0;

	for (;;) {
		struct timer *t = first_timer(loop);

		if (t == NULL || t->deadline_ns > now) {
			return;
		}
		timer_cancel(t);
		t->fire(t);
	}
}

int loop_turn(struct loop *loop)
{
	const struct timer *t = first_timer(loop);
	struct epoll_event events[BATCH];
	int n = epoll_wait(loop->epoll_fd, events, BATCH,
		clock_left_ms(t != NULL ? t->deadline_ns : UINT64_MAX));

	if (n < 0) {
		return errno == EINTR ? 0 : -errno;
	}
	loop->batch = events;
	loop->batch_len = n;
	for (int i = 0; i < n; i++) {
		struct watch *watch = events[i].data.ptr;

		if (watch != NULL) {
			watch->ready(watch, events[i].events);
		}
	}
	loop->batch = NULL;
	loop->batch_len = 0;
	fire_timers(loop);
	return 0;
}
