/* SPDX-License-Identifier: MIT */
/* The same rules as init/connect.c, in a process of its own that has nothing else to do. */
#include "broker/door.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/own.h"
#include "wire/frame_connect.h"

enum {
	PASSAGES = 4, /* a browser takes two: one asks where, one stays */
	READ_SIZE = 64 * 1024,
	/* The largest frame, and a read behind it. */
	IN_MAX = FRAME_HEADER_SIZE + LIMIT_FRAME_PAYLOAD + READ_SIZE,
	OUT_HIGH = 512 * 1024, /* unread by the peer: nothing more is read for it meanwhile */
};

struct passage {
	uint32_t stream; /* 0: free */
	int fd;
	bool connected, received_end, end_wanted, sent_end;
	size_t window; /* what the peer may still be sent */
	size_t credit; /* what it may send */
	struct buf pending; /* for the place */
};

struct hall {
	int fd;
	const struct door *door;
	struct buf in, out;
	bool welcomed, pipe_taken, over;
	struct passage passages[PASSAGES];
};

static struct passage *find(struct hall *hall, uint32_t stream)
{
	for (size_t i = 0; i < PASSAGES; i++) {
		if (hall->passages[i].stream == stream) {
			return &hall->passages[i];
		}
	}
	return NULL;
}

static void report_closed(struct hall *hall, uint32_t stream, int num)
{
	struct wire_closed closed = {.errnum = (uint32_t)num};
	const char *text = num != 0 ? strerror(num) : "";

	closed.text = (struct wire_bytes){(const uint8_t *)text, strlen(text)};
	frame_add_conn_closed(&hall->out, stream, &closed);
}

static void end_passage(struct hall *hall, struct passage *p, int num)
{
	report_closed(hall, p->stream, num);
	cleanup_closep(&p->fd);
	buf_finish(&p->pending);
	*p = (struct passage){.fd = FD_NONE};
	hall->over = hall->over || hall->door->address == NULL;
}

/* --- the place's side --- */

static void set_connected(struct hall *hall, struct passage *p)
{
	int on = 1;

	(void)setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	p->connected = true;
	frame_add_empty(&hall->out, (enum frame_kind)FRAME_CONNECTED, p->stream);
}

static int dial(struct hall *hall)
{
	const struct door *door = hall->door;
	int fd, num;

	if (door->address == NULL) {
		return hall->pipe_taken ? -ECONNREFUSED : fcntl(door->pipe_fd, F_DUPFD_CLOEXEC, 0);
	}
	fd = socket(door->address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, door->address, door->address_size) < 0 && errno != EINPROGRESS) {
		num = errno;
		(void)close(fd);
		return -num;
	}
	return fd < 0 ? -errno : fd;
}

static void write_some(struct hall *hall, struct passage *p)
{
	ssize_t n = 0;

	while (p->pending.len > 0 && (n = send(p->fd, p->pending.data, p->pending.len,
					      MSG_NOSIGNAL | MSG_DONTWAIT)) > 0) {
		buf_consume(&p->pending, (size_t)n);
		p->credit += (size_t)n;
		frame_add_conn_credit(&hall->out, FRAME_CONN_CREDIT, p->stream, (uint32_t)n);
	}
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		end_passage(hall, p, errno);
	} else if (p->pending.len == 0 && p->end_wanted && !p->sent_end) {
		(void)shutdown(p->fd, SHUT_WR);
		p->sent_end = true;
	}
}

static void finish_dial(struct hall *hall, struct passage *p)
{
	socklen_t size = sizeof(int);
	int num = 0;

	if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &num, &size) < 0) {
		num = errno;
	}
	if (num != 0) {
		end_passage(hall, p, num);
	} else {
		set_connected(hall, p);
		write_some(hall, p);
	}
}

static void read_some(struct hall *hall, struct passage *p)
{
	static uint8_t chunk[READ_SIZE];
	ssize_t n = recv(p->fd, chunk, p->window < READ_SIZE ? p->window : READ_SIZE, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (n < 0) {
		end_passage(hall, p, errno);
	} else if (n == 0) {
		p->received_end = true;
		frame_add_empty(&hall->out, (enum frame_kind)FRAME_CONN_EOF, p->stream);
	} else {
		p->window -= (size_t)n;
		frame_add_conn_bytes(&hall->out, FRAME_CONN_DATA, p->stream, chunk, (size_t)n);
	}
}

static void serve_passage(struct hall *hall, struct passage *p, short revents)
{
	if (!p->connected) {
		finish_dial(hall, p);
		return;
	}
	if ((revents & (POLLOUT | POLLERR)) != 0) {
		write_some(hall, p);
	}
	if (p->stream != 0 && (revents & (POLLIN | POLLHUP | POLLERR)) != 0 && !p->received_end &&
		p->window > 0) {
		read_some(hall, p);
	}
	if (p->stream != 0 && p->received_end && p->sent_end) {
		end_passage(hall, p, 0);
	}
}

/* --- the peer's side --- */

static int on_connect(
	struct hall *hall, uint32_t stream, struct wire_bytes payload, struct error *err)
{
	struct passage *p = find(hall, 0);
	uint16_t port;
	int r = frame_get_connect(payload, &port, err), fd;

	if (r < 0 || stream == 0 || find(hall, stream) != NULL) {
		return r < 0 ? r : error_plain(err, EPROTO, "a stream that is in use");
	}
	fd = p != NULL ? dial(hall) : -EMFILE;
	if (fd < 0) {
		report_closed(hall, stream, -fd);
		return 0;
	}
	*p = (struct passage){
		.stream = stream, .fd = fd, .window = WIRE_CONN_WINDOW, .credit = WIRE_CONN_WINDOW};
	if (hall->door->address == NULL) {
		hall->pipe_taken = true;
		set_connected(hall, p);
	}
	return 0;
}

static int on_send(
	struct hall *hall, struct passage *p, struct wire_bytes payload, struct error *err)
{
	struct wire_bytes data;
	int r = frame_get_conn_bytes(payload, &data, err);

	if (r == 0 && (data.len > p->credit || p->end_wanted)) {
		return error_plain(err, EPROTO, "bytes over the credit");
	}
	if (r == 0) {
		p->credit -= data.len;
		buf_add(&p->pending, data.data, data.len);
		if (p->connected) {
			write_some(hall, p);
		}
	}
	return r;
}

static int on_grant(struct passage *p, struct wire_bytes payload, struct error *err)
{
	uint32_t bytes = 0;
	int r = frame_get_conn_credit(payload, &bytes, err);

	if (r == 0 && bytes > WIRE_CONN_WINDOW - p->window) {
		return error_plain(err, EPROTO, "credit over the window");
	}
	p->window += bytes;
	return r;
}

static int on_passage_frame(struct hall *hall, const struct frame_header *header,
	struct wire_bytes payload, struct error *err)
{
	struct passage *p = header->stream != 0 ? find(hall, header->stream) : NULL;

	if (header->kind == FRAME_CONNECT) {
		return on_connect(hall, header->stream, payload, err);
	}
	if (p == NULL) {
		return 0; /* it crossed our CLOSED */
	}
	switch (header->kind) {
	case FRAME_CONN_SEND:
		return on_send(hall, p, payload, err);
	case FRAME_CONN_SEND_EOF:
		p->end_wanted = true;
		if (p->connected) {
			write_some(hall, p);
		}
		return 0;
	case FRAME_CONN_GRANT:
		return on_grant(p, payload, err);
	case FRAME_CONN_CLOSE:
		end_passage(hall, p, 0);
		return 0;
	default:
		return error_plain(err, EPROTO, "a frame that is none of a connection's");
	}
}

static int on_frame(struct hall *hall, const struct frame_header *header, struct wire_bytes payload,
	struct error *err)
{
	struct wire_welcome welcome;
	uint64_t value;
	int r;

	if (header->kind == FRAME_WELCOME && !hall->welcomed) {
		r = frame_get_welcome(payload, &welcome, err);
		hall->welcomed = r == 0;
		return r == 0 && welcome.version != WIRE_VERSION
			       ? error_plain(err, EPROTO, "another version")
			       : r;
	}
	if (!hall->welcomed) {
		return error_plain(err, EPROTO, "no welcome");
	}
	if (header->kind == FRAME_PING) {
		r = frame_get_u64(payload, &value, err);
		if (r == 0) {
			frame_add_u64(&hall->out, FRAME_PONG, 0, value);
		}
		return r;
	}
	if (header->kind == FRAME_SHUTDOWN) {
		hall->over = true;
		return 0;
	}
	return on_passage_frame(hall, header, payload, err);
}

static int dispatch(struct hall *hall, struct error *err)
{
	size_t done = 0;
	int r;

	for (;;) {
		const uint8_t *at = (const uint8_t *)hall->in.data + done;
		struct frame_header header;

		r = hall->in.len > done ? frame_peek(at, hall->in.len - done, &header, err) : 0;
		if (r <= 0) {
			break;
		}
		r = on_frame(hall, &header,
			(struct wire_bytes){at + FRAME_HEADER_SIZE, header.length}, err);
		if (r < 0) {
			break;
		}
		done += FRAME_HEADER_SIZE + header.length;
	}
	if (done > 0) {
		buf_consume(&hall->in, done);
	}
	return r;
}

/* false: it is over. */
static bool hear(struct hall *hall)
{
	char *room = buf_reserve(&hall->in, READ_SIZE);
	struct error ignored;
	ssize_t n = room != NULL ? recv(hall->fd, room, READ_SIZE, MSG_DONTWAIT) : 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return true;
	}
	if (n <= 0) {
		return false;
	}
	buf_commit(&hall->in, (size_t)n);
	return dispatch(hall, &ignored) >= 0;
}

static bool say(struct hall *hall)
{
	while (hall->out.len > 0) {
		ssize_t n =
			send(hall->fd, hall->out.data, hall->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0) {
			return errno == EAGAIN || errno == EINTR;
		}
		buf_consume(&hall->out, (size_t)n);
	}
	return true;
}

static struct pollfd poll_of(const struct hall *hall, const struct passage *p)
{
	bool wants_input =
		p->connected && !p->received_end && p->window > 0 && hall->out.len < OUT_HIGH;
	struct pollfd fd = {.fd = p->stream != 0 ? p->fd : -1};

	fd.events = (short)((!p->connected || p->pending.len > 0 ? POLLOUT : 0) |
			    (wants_input ? POLLIN : 0));
	/* With nothing to wait for, its hang-up would come again and again. */
	if (fd.events == 0) {
		fd.fd = -1;
	}
	return fd;
}

static void turn(struct hall *hall, int lease_fd)
{
	struct pollfd fds[2 + PASSAGES] = {
		{.fd = lease_fd, .events = POLLIN},
		{.fd = hall->fd, .events = (short)(POLLIN | (hall->out.len > 0 ? POLLOUT : 0))},
	};

	for (size_t i = 0; i < PASSAGES; i++) {
		fds[2 + i] = poll_of(hall, &hall->passages[i]);
	}
	if (poll(fds, 2 + PASSAGES, -1) < 0) {
		hall->over = errno != EINTR;
		return;
	}
	for (size_t i = 0; i < PASSAGES; i++) {
		if (fds[2 + i].revents != 0) {
			serve_passage(hall, &hall->passages[i], fds[2 + i].revents);
		}
	}
	if (fds[0].revents != 0 || (fds[1].revents != 0 && !hear(hall)) || !say(hall)) {
		hall->over = true;
	}
}

void door_serve(int adopt_fd, int lease_fd, const struct door *door)
{
	struct hall hall = {.fd = adopt_fd, .door = door};
	const struct wire_hello hello = {.version = WIRE_VERSION, .instance = 1, .next_stream = 1};

	buf_init(&hall.in, IN_MAX);
	frame_add_hello(&hall.out, &hello);
	for (size_t i = 0; i < PASSAGES; i++) {
		hall.passages[i].fd = FD_NONE;
	}
	while (!hall.over) {
		turn(&hall, lease_fd);
	}
	/* The last words: why a connection ended. */
	(void)say(&hall);
	for (size_t i = 0; i < PASSAGES; i++) {
		cleanup_closep(&hall.passages[i].fd);
		buf_finish(&hall.passages[i].pending);
	}
	buf_finish(&hall.in);
	buf_finish(&hall.out);
	(void)close(adopt_fd);
}
