/* SPDX-License-Identifier: MIT */
/* Connections to ports inside the sandbox: bytes both ways, each side within the other's credit. */
#include "init/connect.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/own.h"

enum {
	READ_SIZE = 64 * 1024,
	/* While the gateway does not take so much, nothing more is read. */
	OUT_HIGH = 512 * 1024,
	/* Granted anew in pieces of this size, and always when everything was taken. */
	GRANT_STEP = WIRE_CONN_WINDOW / 4,
};

struct connection {
	struct connection *next; /* of struct init, by connections */
	struct init *init;
	struct watch watch;
	uint32_t stream;
	uint16_t port;
	bool connected, tried_ipv6;
	bool paused; /* until the gateway took what is queued */
	bool received_end; /* what listens inside sends no more */
	bool end_wanted, sent_end; /* the gateway sends no more; and what listens was told */
	size_t window; /* bytes that may be sent to the gateway */
	size_t credit; /* bytes that the gateway may send */
	size_t taken; /* of those it sent, not yet granted anew */
	struct buf pending; /* bytes that what listens has not taken yet */
	size_t written; /* of pending */
};

static struct connection *find(const struct init *init, uint32_t stream)
{
	struct connection *c = init->connections;

	while (c != NULL && c->stream != stream) {
		c = c->next;
	}
	return c;
}

static void drop(struct connection *c)
{
	struct connection **at = &c->init->connections;

	while (*at != c) {
		at = &(*at)->next;
	}
	*at = c->next;
	c->init->connection_count--;
	watch_stop(&c->init->loop, &c->watch);
	cleanup_closep(&c->watch.fd);
	buf_finish(&c->pending);
	free(c);
}

static void report_closed(struct init *init, uint32_t stream, int num, const char *what)
{
	_cleanup_buf_ struct buf text = {0};
	struct wire_closed closed = {.errnum = (uint32_t)num};

	if (num != 0) {
		buf_addf(&text, "%s: %s", what, strerror(num));
		closed.text = (struct wire_bytes){(const uint8_t *)text.data, text.len};
	}
	frame_add_conn_closed(conn_out(init), stream, &closed);
}

static void end(struct connection *c, int num, const char *what)
{
	report_closed(c->init, c->stream, num, what);
	drop(c);
}

static bool wants_input(const struct connection *c)
{
	return c->connected && !c->received_end && !c->paused && c->window > 0;
}

static void update_watch(struct connection *c)
{
	uint32_t events = 0;

	if (!c->connected || c->written < c->pending.len) {
		events |= EPOLLOUT;
	}
	if (wants_input(c)) {
		events |= EPOLLIN;
	}
	(void)watch_set(&c->init->loop, &c->watch, events);
}

static void grant(struct connection *c)
{
	bool all = c->written == c->pending.len;

	if (c->taken > 0 && (all || c->taken >= GRANT_STEP)) {
		frame_add_conn_credit(
			conn_out(c->init), FRAME_CONN_CREDIT, c->stream, (uint32_t)c->taken);
		c->credit += c->taken;
		c->taken = 0;
	}
}

/* Nobody reads any more: what is left goes nowhere. What was written to us may still be read. */
static void stop_writing(struct connection *c)
{
	c->taken += c->pending.len - c->written;
	c->written = 0;
	buf_finish(&c->pending);
	c->sent_end = true;
}

/* As much as what listens takes now, then its end if that is due. */
static void write_some(struct connection *c)
{
	while (c->written < c->pending.len) {
		ssize_t n = send(c->watch.fd, c->pending.data + c->written,
			c->pending.len - c->written, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0 && errno == EAGAIN) {
			return;
		}
		if (n < 0) {
			stop_writing(c);
			return;
		}
		c->written += (size_t)n;
		c->taken += (size_t)n;
	}
	c->written = 0;
	buf_finish(&c->pending);
	if (c->end_wanted && !c->sent_end) {
		(void)shutdown(c->watch.fd, SHUT_WR);
		c->sent_end = true;
	}
}

/* false: both sides have ended, and the connection is gone. */
static bool pump_out(struct connection *c)
{
	if (c->connected) {
		write_some(c);
		grant(c);
	}
	if (c->sent_end && c->received_end) {
		end(c, 0, "");
		return false;
	}
	update_watch(c);
	return true;
}

static void read_some(struct connection *c)
{
	static uint8_t chunk[READ_SIZE];
	size_t most = c->window < sizeof(chunk) ? c->window : sizeof(chunk);
	ssize_t n;

	if (conn_unsent(c->init) > OUT_HIGH) {
		c->paused = true;
		c->init->connections_paused = true;
		update_watch(c);
		return;
	}
	n = recv(c->watch.fd, chunk, most, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (n < 0) {
		end(c, errno, "cannot read the connection");
		return;
	}
	if (n == 0) {
		c->received_end = true;
		frame_add_empty(conn_out(c->init), (enum frame_kind)FRAME_CONN_EOF, c->stream);
		(void)pump_out(c);
		return;
	}
	c->window -= (size_t)n;
	frame_add_conn_bytes(conn_out(c->init), FRAME_CONN_DATA, c->stream, chunk, (size_t)n);
	update_watch(c);
}

static void on_connected(struct connection *c)
{
	int on = 1;

	/* Requests are short and each waits for its answer. */
	(void)setsockopt(c->watch.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->connected = true;
	frame_add_empty(conn_out(c->init), (enum frame_kind)FRAME_CONNECTED, c->stream);
	(void)pump_out(c);
}

static void on_ready(struct watch *watch, uint32_t events);

static int dial(struct connection *c, const struct sockaddr *address, socklen_t size)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0) {
		return -errno;
	}
	c->watch = (struct watch){.fd = fd, .ready = on_ready};
	if (connect(fd, address, size) < 0 && errno != EINPROGRESS) {
		r = -errno;
	} else {
		r = watch_set(&c->init->loop, &c->watch, EPOLLOUT);
	}
	if (r < 0) {
		(void)close(fd);
		c->watch.fd = FD_NONE;
	}
	return r;
}

static int dial_ipv4(struct connection *c)
{
	const struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(c->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	return dial(c, (const struct sockaddr *)&address, sizeof(address));
}

/* Some servers listen on ::1 alone, when that is what localhost is. */
static int dial_ipv6(struct connection *c)
{
	const struct sockaddr_in6 address = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(c->port),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT,
	};

	return dial(c, (const struct sockaddr *)&address, sizeof(address));
}

/* The first try was refused or could not be made. Does the second one start? */
static bool dial_again(struct connection *c, int num)
{
	if (num != ECONNREFUSED || c->tried_ipv6) {
		return false;
	}
	c->tried_ipv6 = true;
	return dial_ipv6(c) == 0;
}

/* The socket says whether it came to anything, connect(2). */
static void on_dialled(struct connection *c)
{
	socklen_t size = sizeof(int);
	int num = 0;

	if (getsockopt(c->watch.fd, SOL_SOCKET, SO_ERROR, &num, &size) < 0) {
		num = errno;
	}
	if (num == 0) {
		on_connected(c);
		return;
	}
	watch_stop(&c->init->loop, &c->watch);
	cleanup_closep(&c->watch.fd);
	c->watch.fd = FD_NONE;
	if (!dial_again(c, num)) {
		end(c, num, "cannot connect");
	}
}

static void on_ready(struct watch *watch, uint32_t events)
{
	struct connection *c = container_of(watch, struct connection, watch);

	if (!c->connected) {
		on_dialled(c);
		return;
	}
	if ((events & (EPOLLOUT | EPOLLERR)) != 0 && !pump_out(c)) {
		return;
	}
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && wants_input(c)) {
		read_some(c);
	}
}

static int on_connect(
	struct init *init, uint32_t stream, struct wire_bytes payload, struct error *err)
{
	struct connection *c;
	uint16_t port;
	int r = frame_get_connect(payload, &port, err);

	if (r < 0) {
		return r;
	}
	if (find(init, stream) != NULL || process_find(init, stream) != NULL) {
		return error_plain(err, EPROTO, "stream %u is in use", stream);
	}
	if (init->connection_count >= LIMIT_CONNECTIONS) {
		report_closed(init, stream, EMFILE, "cannot connect");
		return 0;
	}
	c = xcalloc(1, sizeof(*c));
	*c = (struct connection){
		.next = init->connections,
		.init = init,
		.watch.fd = FD_NONE,
		.stream = stream,
		.port = port,
		.window = WIRE_CONN_WINDOW,
		.credit = WIRE_CONN_WINDOW,
	};
	init->connections = c;
	init->connection_count++;
	r = dial_ipv4(c);
	if (r < 0 && !dial_again(c, -r)) {
		end(c, -r, "cannot connect");
	}
	return 0;
}

static int on_send(struct connection *c, struct wire_bytes payload, struct error *err)
{
	struct wire_bytes data;
	int r = frame_get_conn_bytes(payload, &data, err);

	if (r < 0) {
		return r;
	}
	if (data.len > c->credit || c->end_wanted) {
		return error_plain(err, EPROTO,
			"bytes over the credit or after the end of "
			"connection %u",
			c->stream);
	}
	c->credit -= data.len;
	if (c->sent_end) {
		c->taken += data.len; /* nobody reads them */
	} else {
		buf_add(&c->pending, data.data, data.len);
	}
	(void)pump_out(c);
	return 0;
}

static int on_send_eof(struct connection *c, struct wire_bytes payload, struct error *err)
{
	int r = frame_get_empty(payload, err);

	if (r == 0) {
		c->end_wanted = true;
		(void)pump_out(c);
	}
	return r;
}

static int on_grant(struct connection *c, struct wire_bytes payload, struct error *err)
{
	uint32_t bytes = 0;
	int r = frame_get_conn_credit(payload, &bytes, err);

	if (r < 0) {
		return r;
	}
	if (bytes > WIRE_CONN_WINDOW - c->window) {
		return error_plain(
			err, EPROTO, "credit over the window of connection %u", c->stream);
	}
	c->window += bytes;
	update_watch(c);
	return 0;
}

static int on_close(struct connection *c, struct wire_bytes payload, struct error *err)
{
	int r = frame_get_empty(payload, err);

	if (r == 0) {
		end(c, 0, "");
	}
	return r;
}

int connect_frame(struct init *init, const struct frame_header *header, struct wire_bytes payload,
	struct error *err)
{
	struct connection *c = find(init, header->stream);

	if (header->stream == 0) {
		return error_plain(err, EPROTO, "frame of kind %u on stream 0", header->kind);
	}
	if (header->kind == FRAME_CONNECT) {
		return on_connect(init, header->stream, payload, err);
	}
	if (c == NULL) {
		return 0; /* sent before our CLOSED was read */
	}
	switch (header->kind) {
	case FRAME_CONN_SEND:
		return on_send(c, payload, err);
	case FRAME_CONN_SEND_EOF:
		return on_send_eof(c, payload, err);
	case FRAME_CONN_GRANT:
		return on_grant(c, payload, err);
	case FRAME_CONN_CLOSE:
		return on_close(c, payload, err);
	default:
		return error_plain(err, EPROTO, "unknown frame kind %u", header->kind);
	}
}

void connect_resume(struct init *init)
{
	if (!init->connections_paused) {
		return;
	}
	init->connections_paused = false;
	for (struct connection *c = init->connections; c != NULL; c = c->next) {
		if (c->paused) {
			c->paused = false;
			update_watch(c);
		}
	}
}

void connect_detach(struct init *init)
{
	while (init->connections != NULL) {
		drop(init->connections);
	}
	init->connections_paused = false;
}
