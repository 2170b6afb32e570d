/* SPDX-License-Identifier: MIT */
/* The gateway's end of a stream: the connection itself, its buffers and its handshake. */
#include "wire/link.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/own.h"
#include "base/secret.h"
#include "wire/link-internal.h"

enum {
	IN_FIRST_SIZE = 16 * 1024,
	/* Holds the largest frame and room behind it, so that a stream of them moves little memory. */
	IN_MAX_SIZE = 2 * (FRAME_HEADER_SIZE + LIMIT_FRAME_PAYLOAD),
	/* Reads of one pump: a talkative sandbox lets the others have their turn. */
	READS_PER_PUMP = 8,
};

struct link *link_new(
	int adopt_fd, const uint8_t *token, bool once, const struct link_ops *ops, void *arg)
{
	static const struct link_ops no_ops;
	struct link *link = xcalloc(1, sizeof(*link));
	int flags = fcntl(adopt_fd, F_GETFL);

	*link = (struct link){
		.fd = adopt_fd,
		.once = once,
		.check_token = token != NULL,
		.next_stream = 1,
		.ops = ops != NULL ? ops : &no_ops,
		.arg = arg,
	};
	if (token != NULL) {
		memcpy(link->token, token, WIRE_TOKEN_SIZE);
	}
	if (flags < 0 || fcntl(adopt_fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		struct error why;
		int num = errno;

		(void)error_set(&why, num, "cannot use the sandbox's stream");
		(void)link_die(link, num, &why);
	}
	return link;
}

struct link *link_free(struct link *link)
{
	struct error why;

	if (link == NULL) {
		return NULL;
	}
	if (link->dead == 0) {
		(void)error_plain(&why, ECANCELED, "the stream was closed");
		(void)link_die(link, ECANCELED, &why);
	}
	link_processes_free(link);
	(void)close(link->fd);
	free(link->in);
	buf_finish(&link->out);
	explicit_bzero(link->token, sizeof(link->token));
	free(link);
	return NULL;
}

int link_fd(const struct link *link)
{
	return link->fd;
}

short link_events(const struct link *link)
{
	return (short)(link->out.len > 0 ? POLLIN | POLLOUT : POLLIN);
}

bool link_is_ready(const struct link *link)
{
	return link->ready && link->dead == 0;
}

void link_traffic(const struct link *link, uint64_t *ret_in, uint64_t *ret_out)
{
	*ret_in = link->total_in;
	*ret_out = link->total_out;
}

int link_die(struct link *link, int num, const struct error *why)
{
	if (link->dead == 0) {
		link->dead = -num;
		link->why = *why;
		buf_finish(&link->out);
		link->out_sent = 0;
		link_processes_lost(link);
		link_files_lost(link);
		link_connections_lost(link);
	}
	return link->dead;
}

static int flush_now(struct link *link, struct error *err)
{
	while (link->out_sent < link->out.len) {
		ssize_t n = send(link->fd, link->out.data + link->out_sent,
			link->out.len - link->out_sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0 && errno == EAGAIN) {
			return 0;
		}
		if (n < 0) {
			return error_set(err, errno, "cannot write to the sandbox's stream");
		}
		link->out_sent += (size_t)n;
		link->total_out += (uint64_t)n;
	}
	buf_clear(&link->out);
	link->out_sent = 0;
	if (link->out.cap > IN_FIRST_SIZE) {
		buf_finish(&link->out);
	}
	return 0;
}

void link_flush(struct link *link)
{
	struct error err;

	/* A failure here shows again in the next pump, which is where the caller learns of it: what
	 * the peer sent before it went away must still be read. */
	if (!link->pumping && link->dead == 0) {
		(void)flush_now(link, &err);
	}
}

static struct wire_welcome welcome_of(const struct link *link)
{
	return (struct wire_welcome){
		.version = WIRE_VERSION,
		.capabilities = link->tied ? WIRE_WELCOME_TIED : 0,
		.once = link->once,
	};
}

static int on_hello(struct link *link, struct wire_bytes payload, struct error *err)
{
	struct wire_welcome welcome = welcome_of(link);
	struct wire_hello hello;
	int r = frame_get_hello(payload, &hello, err);

	if (r < 0) {
		return r;
	}
	if (hello.version != WIRE_VERSION) {
		return error_plain(err, EPROTO,
			"creel-init speaks version %u of the protocol and this program version %d; "
			"recreate the sandbox",
			hello.version, WIRE_VERSION);
	}
	if (link->check_token && !secret_equal(hello.token, link->token, WIRE_TOKEN_SIZE)) {
		return error_plain(err, EPROTO, "the sandbox's hello carries a wrong token");
	}
	explicit_bzero(hello.token, sizeof(hello.token));
	link->ready = true;
	if (hello.next_stream > link->next_stream) {
		link->next_stream = hello.next_stream;
	}
	if (!link->greeted) {
		frame_add_welcome(&link->out, &welcome);
	}
	if (link->ops->ready != NULL) {
		link->ops->ready(link->arg, &hello);
	}
	return 0;
}

static int on_error(struct wire_bytes payload, struct error *err)
{
	_cleanup_buf_ struct buf text = {0};
	struct wire_bytes said;
	int r = frame_get_string(payload, &said, err);

	if (r < 0) {
		return r;
	}
	buf_add_escaped(&text, (const char *)said.data, said.len, 300);
	return error_plain(err, EPROTO, "creel-init gave up the stream: %s",
		text.data != NULL ? text.data : "no reason given");
}

static int on_list_frame(struct link *link, const struct frame_header *header,
	struct wire_bytes payload, struct error *err)
{
	struct wire_process process;
	uint32_t count = 0;
	int r;

	if (link->lists == 0) {
		return error_plain(err, EPROTO, "a list of processes that nobody asked for");
	}
	if (header->kind == FRAME_PROCESS) {
		r = frame_get_process(payload, &process, err);
		if (r == 0 && ++link->listed > LIMIT_PROCESSES) {
			return error_plain(
				err, EPROTO, "a list of more than %d processes", LIMIT_PROCESSES);
		}
		if (r == 0 && link->ops->process != NULL) {
			link->ops->process(link->arg, &process);
		}
		return r;
	}
	r = frame_get_u32(payload, &count, err);
	if (r == 0 && count != link->listed) {
		return error_plain(err, EPROTO, "a list of %u processes says that it has %u",
			link->listed, count);
	}
	if (r == 0) {
		link->lists--;
		link->listed = 0;
		if (link->ops->list_end != NULL) {
			link->ops->list_end(link->arg, count);
		}
	}
	return r;
}

static int on_pong(struct link *link, struct wire_bytes payload, struct error *err)
{
	uint64_t value;
	int r = frame_get_u64(payload, &value, err);

	if (r < 0) {
		return r;
	}
	if (link->pings == 0) {
		return error_plain(err, EPROTO, "an answer to a ping that nobody sent");
	}
	link->pings--;
	if (link->ops->pong != NULL) {
		link->ops->pong(link->arg, value);
	}
	return 0;
}

static int on_frame(struct link *link, const struct frame_header *header, struct wire_bytes payload,
	struct error *err)
{
	if (header->stream != 0 && link->ready) {
		return link_process_frame(link, header, payload, err);
	}
	if (header->stream != 0 ||
		(!link->ready && header->kind != FRAME_HELLO && header->kind != FRAME_ERROR)) {
		return error_plain(err, EPROTO, "frame of kind %u before hello", header->kind);
	}
	switch (header->kind) {
	case FRAME_HELLO:
		if (link->ready) {
			return error_plain(err, EPROTO, "a second hello");
		}
		return on_hello(link, payload, err);
	case FRAME_PROCESS:
	case FRAME_LIST_END:
		return on_list_frame(link, header, payload, err);
	case FRAME_PONG:
		return on_pong(link, payload, err);
	case FRAME_ERROR:
		return on_error(payload, err);
	default:
		return error_plain(err, EPROTO, "unknown frame kind %u", header->kind);
	}
}

/* Whole frames at the start of the buffer; what is left of it moves to the front. */
static int dispatch(struct link *link, struct error *err)
{
	size_t done = 0;
	int r = 0;

	while (link->dead == 0) {
		struct frame_header header;
		struct wire_bytes payload;

		r = frame_peek(link->in + done, link->in_len - done, &header, err);
		if (r <= 0) {
			break;
		}
		payload.data = link->in + done + FRAME_HEADER_SIZE;
		payload.len = header.length;
		r = on_frame(link, &header, payload, err);
		if (r < 0) {
			break;
		}
		done += FRAME_HEADER_SIZE + header.length;
	}
	if (done > 0) {
		link->in_len -= done;
		memmove(link->in, link->in + done, link->in_len);
	}
	return r < 0 ? r : 0;
}

static void grow_input(struct link *link)
{
	size_t size = link->in_size == 0 ? IN_FIRST_SIZE : link->in_size * 2;

	if (size > IN_MAX_SIZE) {
		size = IN_MAX_SIZE;
	}
	link->in = xreallocarray(link->in, size, 1);
	link->in_size = size;
}

/* 1: more may be there, 0: the socket is empty, or a negative errno. */
static int read_some(struct link *link, struct error *err)
{
	ssize_t n;

	/* A full buffer without a whole frame in it is one smaller than the largest frame. */
	if (link->in_len == link->in_size) {
		assert(link->in_size < IN_MAX_SIZE);
		grow_input(link);
	}
	n = recv(link->fd, link->in + link->in_len, link->in_size - link->in_len, MSG_DONTWAIT);
	if (n == 0) {
		return error_plain(err, EPIPE, "the sandbox closed its stream");
	}
	if (n < 0 && errno == EINTR) {
		return 1;
	}
	if (n < 0 && errno == EAGAIN) {
		return 0;
	}
	if (n < 0 && errno == ECONNRESET) {
		return error_plain(err, EPIPE, "the sandbox closed its stream");
	}
	if (n < 0) {
		return error_set(err, errno, "cannot read the sandbox's stream");
	}
	link->in_len += (size_t)n;
	link->total_in += (uint64_t)n;
	if (link->in_len < link->in_size) {
		return dispatch(link, err);
	}
	if (link->in_size < IN_MAX_SIZE) {
		grow_input(link);
	}
	n = dispatch(link, err);
	return n < 0 ? (int)n : 1;
}

int link_pump(struct link *link, short revents, struct error *err)
{
	struct error why = {0};
	int r = 0;

	if (link->dead != 0) {
		*err = link->why;
		return link->dead;
	}
	assert(!link->pumping);
	link->pumping = true;
	if ((revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
		r = 1;
		for (int i = 0; i < READS_PER_PUMP && r > 0; i++) {
			r = read_some(link, &why);
		}
	}
	if (r >= 0) {
		r = flush_now(link, &why);
	}
	/* A write that fails because the peer is gone hides what it said last: read that first. */
	while (r == -EPIPE || r == -ECONNRESET) {
		struct error last;
		int again = read_some(link, &last);

		if (again < 0) {
			r = again;
			why = last;
			break;
		}
		if (again == 0) {
			break;
		}
	}
	link->pumping = false;
	if (r < 0) {
		r = link_die(link, -r, &why);
		*err = link->why;
	}
	return r;
}

void link_tie(struct link *link)
{
	link->tied = true;
}

void link_greet(struct link *link)
{
	struct wire_welcome welcome = welcome_of(link);

	if (link->dead == 0 && !link->ready && !link->greeted && !link->check_token) {
		frame_add_welcome(&link->out, &welcome);
		link->greeted = true;
	}
}

int link_wait_ready(struct link *link, int timeout_ms, struct error *err)
{
	uint64_t deadline = clock_after_ns((uint64_t)timeout_ms * NS_PER_MS);

	for (;;) {
		struct pollfd p = {.fd = link->fd, .events = link_events(link)};
		int r = link_pump(link, POLLIN | POLLOUT, err);

		if (r < 0 || link->ready) {
			return r;
		}
		r = poll(&p, 1, clock_left_ms(deadline));
		if (r < 0 && errno != EINTR) {
			return error_set(err, errno, "cannot wait for the sandbox's stream");
		}
		if (r == 0) {
			return error_plain(err, ETIMEDOUT,
				"creel-init did not say hello within %d ms", timeout_ms);
		}
	}
}

void link_list(struct link *link)
{
	if (link_is_ready(link)) {
		link->lists++;
		frame_add_empty(&link->out, FRAME_LIST, 0);
		link_flush(link);
	}
}

void link_ping(struct link *link, uint64_t value)
{
	if (link_is_ready(link)) {
		link->pings++;
		frame_add_u64(&link->out, FRAME_PING, 0, value);
		link_flush(link);
	}
}

void link_shutdown(struct link *link, uint32_t grace_ms)
{
	if (link_is_ready(link)) {
		frame_add_u32(&link->out, FRAME_SHUTDOWN, 0, grace_ms);
		link_flush(link);
	}
}
