/* SPDX-License-Identifier: MIT */
/* Frames of one process, passed between a peer and a link. Credit passes through: what the peer may be
 * sent is what the link may bring. */
#include "wire/relay.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "wire/frame.h"

enum {
	READ_SIZE = 64 * 1024,
	READS_PER_PUMP = 16,
	/* The largest frame, and a read behind it. */
	IN_MAX = FRAME_HEADER_SIZE + LIMIT_FRAME_PAYLOAD + READ_SIZE,
	INSTANCE = 1,
};

struct relay {
	int fd;
	struct link *link;
	const struct relay_ops *ops;
	void *arg;
	struct buf in, out;
	size_t out_sent;
	bool welcomed;
	bool spawned; /* a SPAWN was taken: there is no other */
	bool running; /* the link knows it */
	bool ended;
	bool pumping;
	uint32_t outer, inner; /* its stream at the peer, on the link */
	struct buf input; /* waits for room at the process */
	size_t input_credit; /* what the peer may still send */
	bool input_eof;
};

static size_t unsent(const struct relay *relay)
{
	return relay->out.len - relay->out_sent;
}

static int flush(struct relay *relay, struct error *err)
{
	while (unsent(relay) > 0) {
		ssize_t n = send(relay->fd, relay->out.data + relay->out_sent, unsent(relay),
			MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0 && errno == EAGAIN) {
			return 0;
		}
		if (n < 0) {
			return error_plain(err, EPIPE, "the caller is gone");
		}
		relay->out_sent += (size_t)n;
	}
	buf_clear(&relay->out);
	relay->out_sent = 0;
	return 0;
}

/* --- from the link --- */

/* Outside of a pump what is added goes out at once; errors show in the next pump. */
static void send_soon(struct relay *relay)
{
	struct error ignored;

	if (!relay->pumping) {
		(void)flush(relay, &ignored);
		if (unsent(relay) > 0 && relay->ops->blocked != NULL) {
			relay->ops->blocked(relay->arg);
		}
	}
}

static void end(struct relay *relay, const struct wire_exited *exited)
{
	relay->running = false;
	if (!relay->ended) {
		relay->ended = true;
		if (relay->ops->ended != NULL) {
			relay->ops->ended(relay->arg, exited);
		}
	}
	send_soon(relay);
}

static void on_spawned(void *arg, uint32_t pid)
{
	struct relay *relay = arg;

	frame_add_u32(&relay->out, FRAME_SPAWNED, relay->outer, pid);
	send_soon(relay);
}

static void on_output(
	void *arg, enum wire_channel channel, uint64_t offset, const uint8_t *data, size_t len)
{
	struct relay *relay = arg;

	frame_add_output_header(&relay->out, relay->outer, channel, offset, (uint32_t)len);
	buf_add(&relay->out, data, len);
	send_soon(relay);
}

static void feed_input(struct relay *relay)
{
	struct buf *input = &relay->input;

	if (input->len > 0) {
		buf_consume(input, link_stdin(relay->link, relay->inner, input->data, input->len));
	}
	if (input->len == 0 && relay->input_eof) {
		link_stdin_eof(relay->link, relay->inner);
	}
}

static void on_stdin_room(void *arg, size_t bytes)
{
	struct relay *relay = arg;
	size_t room, promised;

	(void)bytes;
	feed_input(relay);
	room = link_stdin_room(relay->link, relay->inner);
	promised = relay->input.len + relay->input_credit;
	if (room > promised) {
		relay->input_credit += room - promised;
		frame_add_u32(
			&relay->out, FRAME_STDIN_CREDIT, relay->outer, (uint32_t)(room - promised));
	}
	send_soon(relay);
}

static void on_exited(void *arg, const struct wire_exited *exited)
{
	struct relay *relay = arg;

	frame_add_exited(&relay->out, relay->outer, exited);
	link_forget(relay->link, relay->inner);
	end(relay, exited);
}

static void on_failed(void *arg, const struct wire_failed *failed)
{
	struct relay *relay = arg;

	frame_add_failed(&relay->out, relay->outer, failed);
	end(relay, NULL);
}

static void on_lost(void *arg, const struct error *why)
{
	struct relay *relay = arg;

	if (relay->ended) {
		return;
	}
	frame_add_string(&relay->out, FRAME_ERROR, 0,
		(struct wire_bytes){(const uint8_t *)why->text, strlen(why->text)});
	end(relay, NULL);
}

static const struct link_process_ops process_ops = {
	.spawned = on_spawned,
	.output = on_output,
	.stdin_room = on_stdin_room,
	.exited = on_exited,
	.failed = on_failed,
	.lost = on_lost,
};

/* --- from the peer --- */

static void fail_spawn(struct relay *relay, const struct error *why)
{
	struct wire_failed failed = {
		.stage = WIRE_FAIL_REQUEST,
		.errnum = why->num > 0 && why->num < 4096 ? (uint32_t)why->num : EPERM,
		.text = {(const uint8_t *)why->text, strlen(why->text)},
	};

	frame_add_failed(&relay->out, relay->outer, &failed);
	end(relay, NULL);
}

static int on_spawn(
	struct relay *relay, uint32_t stream, struct wire_bytes payload, struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	struct wire_spawn spawn;
	struct error why;
	int r = relay->spawned || stream == 0
			? error_plain(err, EPROTO, "a second SPAWN on a stream for one")
			: frame_get_spawn(payload, &arena, &spawn, err);

	if (r < 0) {
		return r;
	}
	relay->spawned = true;
	relay->outer = stream;
	if (relay->ops->spawn(relay->arg, payload, &spawn, &why) < 0) {
		fail_spawn(relay, &why);
		return 0;
	}
	relay->input_credit = (spawn.flags & WIRE_SPAWN_STDIN) != 0 ? WIRE_STDIN_WINDOW : 0;
	if (link_spawn(relay->link, &spawn, &process_ops, relay, &relay->inner, &why) < 0) {
		fail_spawn(relay, &why);
		return 0;
	}
	relay->running = true;
	return 0;
}

static int on_stdin(struct relay *relay, struct wire_bytes payload, struct error *err)
{
	if (payload.len > relay->input_credit || relay->input_eof) {
		return error_plain(err, EPROTO, "input over the credit");
	}
	relay->input_credit -= payload.len;
	if (relay->running) {
		buf_add(&relay->input, payload.data, payload.len);
		feed_input(relay);
	}
	return 0;
}

static int on_credit(struct relay *relay, struct wire_bytes payload, struct error *err)
{
	enum wire_channel channel;
	uint32_t bytes;
	int r = frame_get_credit(payload, &channel, &bytes, err);

	if (r == 0 && relay->running) {
		link_consumed(relay->link, relay->inner, channel, bytes);
	}
	return r;
}

static int on_resize(struct relay *relay, struct wire_bytes payload, struct error *err)
{
	uint16_t rows, columns;
	int r = frame_get_resize(payload, &rows, &columns, err);

	if (r == 0 && relay->running) {
		link_resize(relay->link, relay->inner, rows, columns);
	}
	return r;
}

static int on_signal(struct relay *relay, struct wire_bytes payload, struct error *err)
{
	enum wire_signal_scope scope;
	uint32_t signo;
	int r = frame_get_signal(payload, &signo, &scope, err);

	if (r == 0 && relay->running) {
		link_signal(relay->link, relay->inner, signo, scope);
	}
	return r;
}

static void on_forget(struct relay *relay)
{
	if (relay->running) {
		link_forget(relay->link, relay->inner);
	}
	frame_add_empty(&relay->out, FRAME_FORGOTTEN, relay->outer);
	end(relay, NULL);
}

static int on_process_frame(struct relay *relay, const struct frame_header *header,
	struct wire_bytes payload, struct error *err)
{
	if (header->kind == FRAME_SPAWN) {
		return on_spawn(relay, header->stream, payload, err);
	}
	if (!relay->spawned || header->stream != relay->outer) {
		return 0; /* as creel-init does: it may have crossed the end */
	}
	switch (header->kind) {
	case FRAME_STDIN:
		return on_stdin(relay, payload, err);
	case FRAME_STDIN_EOF:
		relay->input_eof = true;
		if (relay->running) {
			feed_input(relay);
		}
		return frame_get_empty(payload, err);
	case FRAME_CREDIT:
		return on_credit(relay, payload, err);
	case FRAME_RESIZE:
		return on_resize(relay, payload, err);
	case FRAME_SIGNAL:
		return on_signal(relay, payload, err);
	case FRAME_FORGET:
		on_forget(relay);
		return frame_get_empty(payload, err);
	default:
		return error_plain(
			err, EPROTO, "frame of kind %u on a stream for one process", header->kind);
	}
}

static int on_frame(struct relay *relay, const struct frame_header *header,
	struct wire_bytes payload, struct error *err)
{
	struct wire_welcome welcome;
	int r;

	if (header->kind == FRAME_WELCOME && !relay->welcomed) {
		r = frame_get_welcome(payload, &welcome, err);
		relay->welcomed = r == 0;
		if (r == 0 && welcome.version != WIRE_VERSION) {
			r = error_plain(err, EPROTO, "version %u of the protocol, not %d",
				welcome.version, WIRE_VERSION);
		}
		return r;
	}
	if (!relay->welcomed || header->stream == 0) {
		return error_plain(
			err, EPROTO, "frame of kind %u on the connection itself", header->kind);
	}
	return on_process_frame(relay, header, payload, err);
}

static int dispatch(struct relay *relay, struct error *err)
{
	size_t done = 0;
	int r;

	for (;;) {
		struct frame_header header;
		struct wire_bytes payload;
		const uint8_t *at = (const uint8_t *)relay->in.data + done;

		r = relay->in.len > done ? frame_peek(at, relay->in.len - done, &header, err) : 0;
		if (r <= 0) {
			break;
		}
		payload = (struct wire_bytes){at + FRAME_HEADER_SIZE, header.length};
		r = on_frame(relay, &header, payload, err);
		if (r < 0) {
			break;
		}
		done += FRAME_HEADER_SIZE + header.length;
	}
	if (done > 0) {
		buf_consume(&relay->in, done);
	}
	return r;
}

/* Say why, as creel-init does, as far as the socket takes it. */
static int break_rules(struct relay *relay, struct error *err)
{
	struct error ignored;

	frame_add_string(&relay->out, FRAME_ERROR, 0,
		(struct wire_bytes){(const uint8_t *)err->text, strlen(err->text)});
	(void)flush(relay, &ignored);
	return -EPROTO;
}

/* 1: more may be there, 0: the socket is empty, or a negative errno. */
static int read_some(struct relay *relay, struct error *err)
{
	char *room = buf_reserve(&relay->in, READ_SIZE);
	ssize_t n;
	int r;

	if (room == NULL) {
		return error_plain(err, EPROTO, "more than a frame without one in it");
	}
	n = recv(relay->fd, room, READ_SIZE, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return 0;
	}
	if (n <= 0) {
		return error_plain(err, EPIPE, "the caller is gone");
	}
	buf_commit(&relay->in, (size_t)n);
	r = dispatch(relay, err);
	return r < 0 ? r : 1;
}

int relay_pump(struct relay *relay, short revents, struct error *err)
{
	int r = 1;

	relay->pumping = true;
	if ((revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
		for (int i = 0; i < READS_PER_PUMP && r > 0; i++) {
			r = read_some(relay, err);
		}
	}
	if (r >= 0) {
		r = flush(relay, err);
	}
	relay->pumping = false;
	return r == -EPROTO ? break_rules(relay, err) : r < 0 ? r : 0;
}

int relay_feed(struct relay *relay, const void *data, size_t len, struct error *err)
{
	int r;

	buf_add(&relay->in, data, len);
	if (relay->in.overflow) {
		return error_plain(err, EPROTO, "more than a frame without one in it");
	}
	r = dispatch(relay, err);
	if (r >= 0) {
		r = flush(relay, err);
	}
	return r == -EPROTO ? break_rules(relay, err) : r;
}

/* --- life --- */

struct relay *relay_new(int adopt_fd, struct link *link, const struct relay_ops *ops, void *arg)
{
	struct relay *relay = xcalloc(1, sizeof(*relay));
	struct wire_hello hello = {.version = WIRE_VERSION, .instance = INSTANCE, .next_stream = 1};

	*relay = (struct relay){.fd = adopt_fd, .link = link, .ops = ops, .arg = arg};
	buf_init(&relay->in, IN_MAX);
	frame_add_hello(&relay->out, &hello);
	return relay;
}

struct relay *relay_free(struct relay *relay)
{
	if (relay == NULL) {
		return NULL;
	}
	if (relay->running) {
		relay->pumping = true; /* nobody is there to be told */
		link_forget(relay->link, relay->inner);
		end(relay, NULL);
	}
	(void)close(relay->fd);
	buf_finish(&relay->in);
	buf_finish(&relay->out);
	buf_finish(&relay->input);
	free(relay);
	return NULL;
}

int relay_fd(const struct relay *relay)
{
	return relay->fd;
}

short relay_events(const struct relay *relay)
{
	return (short)(POLLIN | (unsent(relay) > 0 ? POLLOUT : 0));
}

bool relay_is_over(const struct relay *relay)
{
	return relay->ended && unsent(relay) == 0;
}
