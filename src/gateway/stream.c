/* SPDX-License-Identifier: MIT */
#include "gateway/stream.h"

#include <poll.h>

#include "base/clock.h"

static void on_readable(evutil_socket_t fd, short events, void *arg)
{
	struct stream *stream = arg;

	(void)fd;
	(void)events;
	stream->ops->pump(stream->arg, POLLIN);
}

static void on_writable(evutil_socket_t fd, short events, void *arg)
{
	struct stream *stream = arg;

	(void)fd;
	(void)events;
	stream->ops->pump(stream->arg, POLLOUT);
}

static void on_due(evutil_socket_t fd, short events, void *arg)
{
	struct stream *stream = arg;

	(void)fd;
	(void)events;
	stream->ops->due(stream->arg);
}

static void on_silent(evutil_socket_t fd, short events, void *arg)
{
	struct stream *stream = arg;

	(void)fd;
	(void)events;
	stream->ops->silent(stream->arg);
}

static void on_look(evutil_socket_t fd, short events, void *arg)
{
	struct stream *stream = arg;

	(void)fd;
	(void)events;
	stream->ops->look(stream->arg);
}

void stream_open(struct stream *s, struct event_base *base, struct link *adopt_link,
	const struct stream_ops *ops, void *arg)
{
	struct timeval patience = {.tv_sec = STREAM_HELLO_S};

	*s = (struct stream){
		.link = adopt_link,
		.ops = ops,
		.arg = arg,
		.read = event_new(base, link_fd(adopt_link), EV_READ | EV_PERSIST, on_readable, s),
		.write = event_new(base, link_fd(adopt_link), EV_WRITE, on_writable, s),
		.timer = evtimer_new(base, on_due, s),
		.hello = evtimer_new(base, on_silent, s),
		.look = evtimer_new(base, on_look, s),
	};
	(void)event_add(s->hello, &patience);
	(void)event_add(s->read, NULL);
}

void stream_close(struct stream *s)
{
	event_free(s->read);
	event_free(s->write);
	event_free(s->timer);
	event_free(s->hello);
	event_free(s->look);
	s->link = link_free(s->link);
}

void stream_greeted(struct stream *s)
{
	(void)event_del(s->hello);
}

void stream_update(struct stream *s, uint64_t due_ns)
{
	int ms = clock_left_ms(due_ns);
	struct timeval delay = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};

	if ((link_events(s->link) & POLLOUT) != 0) {
		(void)event_add(s->write, NULL);
	} else {
		(void)event_del(s->write);
	}
	if (due_ns == UINT64_MAX) {
		(void)event_del(s->timer);
	} else {
		(void)event_add(s->timer, &delay);
	}
}

void stream_look_after(struct stream *s, uint64_t delay_ns)
{
	struct timeval delay = {.tv_sec = (time_t)(delay_ns / NS_PER_S),
		.tv_usec = (suseconds_t)(delay_ns % NS_PER_S / 1000)};

	(void)event_add(s->look, &delay);
}

void stream_look_next(struct stream *s)
{
	event_active(s->look, EV_TIMEOUT, 1);
}
