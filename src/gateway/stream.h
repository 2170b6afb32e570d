/* SPDX-License-Identifier: MIT */
/* A sandbox's link on the front's event loop. */
#ifndef GATEWAY_STREAM_H
#define GATEWAY_STREAM_H

#include <event2/event.h>

#include "wire/link.h"

struct stream_ops {
	void (*pump)(void *arg, short revents); /* pump the link; it may close the stream */
	void (*due)(void *arg); /* the time that stream_update() was told has come */
	void (*silent)(void *arg); /* creel-init has not said hello for STREAM_HELLO_S */
	void (*look)(void *arg); /* what stream_look_after() asked for */
};

enum { STREAM_HELLO_S = 10 };

struct stream {
	struct link *link;
	const struct stream_ops *ops;
	void *arg;
	struct event *read, *write, *timer, *hello, *look;
};

/* The link is taken over; the stream stays where it is. */
void stream_open(struct stream *stream, struct event_base *base, struct link *adopt_link,
	const struct stream_ops *ops, void *arg);
/* With its link, which tells its processes that it is lost. */
void stream_close(struct stream *stream);
void stream_greeted(struct stream *stream); /* hello came */
/* After anything that may have queued bytes or set a time. due_ns: as of tool_session_deadline(). */
void stream_update(struct stream *stream, uint64_t due_ns);
/* look comes then, or in the loop's next turn. */
void stream_look_after(struct stream *stream, uint64_t delay_ns);
void stream_look_next(struct stream *stream);

#endif
