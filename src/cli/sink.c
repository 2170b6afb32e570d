/* SPDX-License-Identifier: MIT */
#include "cli/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"

void sink_init(struct sink *sink, int fd)
{
	*sink = (struct sink){.fd = fd, .own_fd = FD_NONE};
}

void sink_finish(struct sink *sink)
{
	cleanup_closep(&sink->own_fd);
	sink->own_fd = FD_NONE;
	buf_finish(&sink->pending);
}

/* Opening the magic link makes a new open file description of the same pipe or terminal. */
static int reopen(int fd)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static void find_kind(struct sink *sink)
{
	struct stat st;

	sink->kind = SINK_DIRECT;
	if (fstat(sink->fd, &st) < 0) {
		return; /* the write will say what is wrong */
	}
	if (S_ISSOCK(st.st_mode)) {
		sink->kind = SINK_SOCKET;
	} else if (S_ISFIFO(st.st_mode) || (S_ISCHR(st.st_mode) && isatty(sink->fd))) {
		sink->own_fd = reopen(sink->fd);
		sink->kind = sink->own_fd >= 0 ? SINK_OWN : SINK_POLLED;
	}
}

static ssize_t write_some(struct sink *sink, const uint8_t *data, size_t len)
{
	struct pollfd writable = {.fd = sink->fd, .events = POLLOUT};

	switch (sink->kind) {
	case SINK_UNKNOWN:
	case SINK_DIRECT:
		return write(sink->fd, data, len);
	case SINK_OWN:
		return write(sink->own_fd, data, len);
	case SINK_SOCKET:
		return send(sink->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	case SINK_POLLED:
		if (poll(&writable, 1, 0) == 0) {
			errno = EAGAIN;
			return -1;
		}
		/* A pipe that poll(2) calls writable takes PIPE_BUF bytes without waiting (pipe(7)). */
		return write(sink->fd, data, len < PIPE_BUF ? len : PIPE_BUF);
	}
	errno = EINVAL;
	return -1;
}

/* How much of data is done with: written, or all of it when the descriptor is broken. */
static size_t push(struct sink *sink, const uint8_t *data, size_t len)
{
	size_t at = 0;

	while (at < len && sink->error == 0) {
		ssize_t n = write_some(sink, data + at, len - at);

		if (n >= 0) {
			at += (size_t)n;
		} else if (errno == EAGAIN) {
			return at;
		} else if (errno != EINTR) {
			sink->error = errno;
		}
	}
	return len;
}

void sink_write(struct sink *sink, const uint8_t *data, size_t len)
{
	size_t taken = 0;

	if (sink->kind == SINK_UNKNOWN) {
		find_kind(sink);
	}
	if (!sink_is_pending(sink)) {
		taken = push(sink, data, len);
		sink->done += taken;
	}
	if (taken < len) {
		buf_add(&sink->pending, data + taken, len - taken);
	}
}

void sink_flush(struct sink *sink)
{
	size_t taken;

	if (!sink_is_pending(sink)) {
		return;
	}
	taken = push(sink, (const uint8_t *)sink->pending.data + sink->pending_at,
		sink->pending.len - sink->pending_at);
	sink->pending_at += taken;
	sink->done += taken;
	if (!sink_is_pending(sink)) {
		buf_clear(&sink->pending);
		sink->pending_at = 0;
	}
}

bool sink_is_pending(const struct sink *sink)
{
	return sink->pending_at < sink->pending.len;
}

int sink_poll_fd(const struct sink *sink)
{
	return sink->kind == SINK_OWN ? sink->own_fd : sink->fd;
}

size_t sink_take_done(struct sink *sink)
{
	return TAKE(sink->done, 0);
}
