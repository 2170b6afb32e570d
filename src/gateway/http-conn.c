/* SPDX-License-Identifier: MIT */
/*
 * One connection: bytes in, requests in turn, answers out.
 *
 * A connection is freed from the loop alone (a read, write or timer event), never below a handler: what
 * has to end earlier is doomed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/own.h"
#include "base/secret.h"
#include "gateway/http-internal.h"

enum {
	SCRATCH = 64 * 1024,
	LINGER_MS = 2000,
	LINGER_BYTES = 2 * LIMIT_HTTP_BODY,
	/* What may have moved per second of a body or an answer: less is a client that plays dead. */
	RATE_BYTES = 64 * 1024,
};

/* --- lists --- */

static void list_remove(struct http_conn *conn)
{
	struct conn_list *list = &conn->server->lists[conn->rank];

	*(conn->prev != NULL ? &conn->prev->next : &list->first) = conn->next;
	*(conn->next != NULL ? &conn->next->prev : &list->last) = conn->prev;
	list->count--;
}

static void list_append(struct http_conn *conn)
{
	struct conn_list *list = &conn->server->lists[conn->rank];

	conn->prev = list->last;
	conn->next = NULL;
	*(list->last != NULL ? &list->last->next : &list->first) = conn;
	list->last = conn;
	list->count++;
}

void http_conn_set_rank(struct http_conn *conn, enum http_rank rank)
{
	list_remove(conn);
	conn->rank = rank;
	list_append(conn);
}

/* --- time --- */

static void pace_start(struct pace *pace)
{
	*pace = (struct pace){.since_ns = clock_now_ns()};
	pace->last_ns = pace->since_ns;
}

static void pace_move(struct pace *pace, size_t bytes)
{
	pace->moved += bytes;
	pace->last_ns = clock_now_ns();
}

/* Something has to move every ms, and on the whole RATE_BYTES each second. */
static uint64_t pace_deadline(const struct pace *pace, uint64_t ms)
{
	uint64_t stalled = pace->last_ns + ms * NS_PER_MS;
	uint64_t slow = pace->since_ns + (ms + pace->moved * 1000 / RATE_BYTES) * NS_PER_MS;

	return stalled < slow ? stalled : slow;
}

/* When this connection has to have done something. UINT64_MAX: it may take its time. */
static uint64_t deadline(const struct http_conn *conn)
{
	const struct http_limits *limits = &conn->server->limits;

	if (conn->out != NULL) {
		return pace_deadline(&conn->out_pace, limits->write_ms);
	}
	switch (conn->state) {
	case CONN_HEAD:
		/* From its first byte, however many follow. */
		return conn->pace.since_ns +
		       (conn->in.len > 0 ? limits->head_ms : limits->idle_ms) * NS_PER_MS;
	case CONN_BODY:
		return pace_deadline(&conn->pace, limits->body_ms);
	case CONN_LINGER:
		return conn->pace.since_ns + LINGER_MS * NS_PER_MS;
	case CONN_CHECK:
	case CONN_WORK:
	default:
		return UINT64_MAX;
	}
}

static void arm(struct http_conn *conn)
{
	int ms = clock_left_ms(deadline(conn));
	struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000L};

	if (conn->doomed) {
		return;
	}
	if (ms < 0) {
		(void)event_del(&conn->timer);
	} else {
		(void)event_add(&conn->timer, &wait);
	}
}

/* A new phase begins now. */
static void enter(struct http_conn *conn, enum conn_state state)
{
	conn->state = state;
	pace_start(&conn->pace);
	arm(conn);
}

void http_conn_doom(struct http_conn *conn)
{
	conn->doomed = true;
	event_active(&conn->timer, EV_TIMEOUT, 0);
}

/* --- writing --- */

struct evbuffer *http_conn_out(struct http_conn *conn)
{
	if (conn->out == NULL) {
		conn->out = evbuffer_new();
		pace_start(&conn->out_pace);
		if (conn->out == NULL) {
			abort(); /* out of memory, as base/mem.h does it */
		}
	}
	return conn->out;
}

static void set_writing(struct http_conn *conn, bool on)
{
	if (on != conn->writing) {
		conn->writing = on;
		if (on) {
			(void)event_add(&conn->write, NULL);
		} else {
			(void)event_del(&conn->write);
		}
	}
}

static void set_reading(struct http_conn *conn, bool on)
{
	if (on != conn->reading) {
		conn->reading = on;
		if (on) {
			(void)event_add(&conn->read, NULL);
		} else {
			(void)event_del(&conn->read);
		}
	}
}

static void linger(struct http_conn *conn)
{
	/* Closing with bytes unread resets the connection, and the answer may be lost with it. */
	(void)shutdown(conn->fd, SHUT_WR);
	secret_buf_finish(&conn->in);
	http_conn_set_rank(conn, RANK_FRESH);
	enter(conn, CONN_LINGER);
	set_reading(conn, true);
	if (conn->eof) {
		http_conn_doom(conn);
	}
}

/* Everything is sent: the next request, or the end. */
static void on_sent(struct http_conn *conn)
{
	evbuffer_free(conn->out);
	conn->out = NULL;
	set_writing(conn, false);
	if (conn->x != NULL) {
		arm(conn);
		return;
	}
	conn->token = secret_free(conn->token);
	if (conn->close || conn->eof) {
		linger(conn);
		return;
	}
	http_conn_set_rank(conn, RANK_IDLE);
	enter(conn, CONN_HEAD);
	set_reading(conn, true);
	if (conn->in.len > 0) {
		/* Requests that came behind the last one: from the loop, so that they do not pile up on
		 * the stack. */
		event_active(&conn->read, EV_READ, 0);
	}
}

void http_conn_flush(struct http_conn *conn)
{
	while (conn->out != NULL && evbuffer_get_length(conn->out) > 0) {
		int n = evbuffer_write(conn->out, conn->fd);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0 && errno == EAGAIN) {
			set_writing(conn, true);
			arm(conn);
			return;
		}
		if (n <= 0) {
			http_conn_doom(conn);
			return;
		}
		conn->server->sent += (uint64_t)n;
		pace_move(&conn->out_pace, (size_t)n);
	}
	if (conn->out != NULL) {
		on_sent(conn);
	}
}

void http_conn_next(struct http_conn *conn)
{
	http_exchange_free(conn->x);
	conn->x = NULL;
	(void)http_conn_out(conn); /* so that on_sent() comes, even if all is sent already */
	http_conn_flush(conn);
}

/* --- refusing --- */

void http_conn_refuse(struct http_conn *conn, int status, const char *type, const char *message)
{
	conn->close = true;
	if (conn->x != NULL) {
		http_exchange_fail(conn->x, status, type, message, NULL);
		return;
	}
	conn->x = http_exchange_new(conn);
	http_exchange_fail(conn->x, status, type, message, NULL);
}

static const char *type_of(int status)
{
	return status == 413 || status == 431 ? "too_large"
	       : status == 408                ? "timeout"
	       : status >= 500                ? "not_implemented"
					      : "invalid_request";
}

/* --- reading --- */

static void count_body(struct http_conn *conn, size_t before)
{
	conn->server->body_bytes += conn->x->body.len - before;
	pace_move(&conn->pace, conn->x->body.len - before);
}

/* 1: complete. 0: more to come. Negative: answered. */
static int feed_plain(struct http_conn *conn)
{
	struct http_exchange *x = conn->x;
	size_t want = (size_t)x->head.content_length - x->body.len;
	size_t n = conn->in.len < want ? conn->in.len : want;

	if (n > 0) {
		buf_add(&x->body, conn->in.data, n);
		buf_consume(&conn->in, n);
	}
	return n == want;
}

static int feed_chunked(struct http_conn *conn)
{
	struct http_exchange *x = conn->x;
	size_t used = 0, len = 0;
	int r = http_chunked_decode(&x->chunked, conn->in.data, conn->in.len, &used, &len);

	if (r < 0) {
		http_conn_refuse(conn, 400, "invalid_request", "the chunked body is malformed");
		return r;
	}
	if (len > x->body_max - x->body.len) {
		http_conn_refuse(
			conn, 413, "too_large", "the body is larger than this route takes");
		return -E2BIG;
	}
	buf_add(&x->body, conn->in.data, len);
	buf_consume(&conn->in, used);
	return r;
}

static void start_work(struct http_conn *conn)
{
	enter(conn, CONN_WORK);
	http_conn_set_rank(conn, RANK_BUSY);
	http_route_run(conn->x);
}

static void await_body(struct http_conn *conn)
{
	enter(conn, CONN_BODY);
	set_reading(conn, true);
	if (conn->x->head.expect_continue && conn->x->body.len == 0) {
		static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

		(void)evbuffer_add(http_conn_out(conn), go_on, sizeof(go_on) - 1);
		http_conn_flush(conn);
	}
}

void http_conn_body(struct http_conn *conn)
{
	struct http_exchange *x = conn->x;
	size_t before = x->body.len;
	int r = 0;

	if (conn->in.len > 0 || !x->head.chunked) {
		r = x->head.chunked ? feed_chunked(conn) : feed_plain(conn);
	}
	if (r < 0) {
		return;
	}
	count_body(conn, before);
	if (x->body.len > LIMIT_HTTP_SMALL_BODY &&
		conn->server->body_bytes > conn->server->limits.bodies_bytes) {
		http_conn_refuse(conn, 503, GATEWAY_FAIL_BUSY,
			"too many large requests are coming in at once");
	} else if (r > 0) {
		start_work(conn);
	} else if (conn->state != CONN_BODY) {
		await_body(conn);
	}
}

static void begin_exchange(struct http_conn *conn, size_t head_len)
{
	struct http_refusal why;
	struct http_head head;
	int r = http_head_parse(conn->in.data, head_len, &head, &why);

	if (r < 0) {
		http_conn_refuse(conn, why.status, type_of(why.status), why.message);
		return;
	}
	buf_consume(&conn->in, head_len);
	conn->scanned = 0;
	conn->x = http_exchange_new(conn);
	conn->x->head = head;
	conn->close = conn->close || !head.keep_alive || conn->server->draining;
	if (http_accept_head(conn->x) == 0) {
		http_conn_body(conn);
	}
}

static void look_for_head(struct http_conn *conn)
{
	int len = http_head_find(conn->in.data, conn->in.len, &conn->scanned);

	if (len < 0) {
		http_conn_refuse(conn, 400, "invalid_request", "a line does not end in CR LF");
	} else if ((len > 0 ? (size_t)len : conn->in.len) > conn->server->limits.head_bytes) {
		http_conn_refuse(conn, 431, "too_large", "the head of the request is too large");
	} else if (len > 0) {
		begin_exchange(conn, (size_t)len);
	}
}

/* What has come in, as far as it can be used now. */
static void process(struct http_conn *conn)
{
	if (conn->state == CONN_HEAD && conn->out == NULL && conn->x == NULL) {
		look_for_head(conn);
	} else if (conn->state == CONN_BODY && conn->x != NULL) {
		http_conn_body(conn);
	}
	if (conn->in.len == 0) {
		secret_buf_finish(
			&conn->in); /* an idle connection holds no memory for what may come */
	}
}

static void on_bytes(struct http_conn *conn, size_t len)
{
	if (conn->state == CONN_LINGER) {
		pace_move(&conn->pace, len);
		if (conn->pace.moved > LINGER_BYTES) {
			http_conn_doom(conn);
		}
		return;
	}
	if (conn->state == CONN_HEAD && conn->in.len == 0 && conn->x == NULL) {
		/* The first byte of a request: its head has so long from here. */
		buf_add(&conn->in, conn->server->scratch, len);
		enter(conn, CONN_HEAD);
	} else {
		buf_add(&conn->in, conn->server->scratch, len);
	}
	/* Heads hold tokens, and this is everybody's. */
	explicit_bzero(conn->server->scratch, len);
	process(conn);
	if (conn->in.len >= LIMIT_HTTP_PIPELINED) {
		set_reading(conn, false);
	}
}

/* The client has closed its sending side. One that waits for an answer is taken as gone: there is no
 * telling it from one that died, and what runs for a dead one has to end. */
static void on_eof(struct http_conn *conn)
{
	conn->eof = true;
	set_reading(conn, false);
	if (conn->out == NULL || conn->x != NULL) {
		http_conn_free(conn);
	}
}

static void on_readable(evutil_socket_t fd, short events, void *arg)
{
	struct http_conn *conn = arg;
	ssize_t n;

	(void)events;
	if (conn->doomed) {
		return;
	}
	if (conn->state == CONN_HEAD && conn->in.len > 0 && conn->out == NULL && conn->x == NULL) {
		size_t before = conn->in.len;

		process(conn);
		if (conn->in.len != before || conn->x != NULL || conn->out != NULL) {
			return;
		}
	}
	n = read(fd, conn->server->scratch, SCRATCH);
	if (n > 0) {
		conn->server->received += (uint64_t)n;
		on_bytes(conn, (size_t)n);
	} else if (n == 0) {
		on_eof(conn);
	} else if (errno != EAGAIN && errno != EINTR) {
		http_conn_free(conn);
	}
}

static void on_writable(evutil_socket_t fd, short events, void *arg)
{
	(void)fd;
	(void)events;
	http_conn_flush(arg);
}

static void on_timer(evutil_socket_t fd, short events, void *arg)
{
	struct http_conn *conn = arg;

	(void)fd;
	(void)events;
	if (!conn->doomed && clock_now_ns() < deadline(conn)) {
		arm(conn);
	} else if (!conn->doomed && conn->out == NULL &&
		   ((conn->state == CONN_HEAD && conn->in.len > 0) || conn->state == CONN_BODY)) {
		http_conn_refuse(conn, 408, "timeout", "the request took too long to arrive");
	} else {
		http_conn_free(conn);
	}
}

/* --- life --- */

void http_conn_new(struct http_server *server, int adopt_fd, bool local)
{
	struct http_conn *conn = xcalloc(1, sizeof(*conn));
	struct event_base *base = gateway_base(server->gateway);

	conn->server = server;
	conn->fd = adopt_fd;
	conn->local = local;
	conn->rank = RANK_FRESH;
	list_append(conn);
	(void)event_assign(&conn->read, base, adopt_fd, EV_READ | EV_PERSIST, on_readable, conn);
	(void)event_assign(&conn->write, base, adopt_fd, EV_WRITE | EV_PERSIST, on_writable, conn);
	(void)event_assign(&conn->timer, base, -1, 0, on_timer, conn);
	set_reading(conn, true);
	enter(conn, CONN_HEAD);
}

static void release(struct http_conn *conn)
{
	struct http_server *server = conn->server;

	(void)event_del(&conn->read);
	(void)event_del(&conn->write);
	(void)event_del(&conn->timer);
	if (conn->fd >= 0) {
		(void)close(conn->fd);
	}
	list_remove(conn);
	secret_buf_finish(&conn->in);
	if (conn->out != NULL) {
		evbuffer_free(conn->out);
	}
	(void)secret_free(conn->token);
	free(conn);
	http_server_check_drained(server);
}

void http_conn_free(struct http_conn *conn)
{
	struct http_exchange *x = TAKE_PTR(conn->x);

	if (x != NULL) {
		if (x->on_close != NULL) {
			x->on_close(x->close_arg);
		}
		http_exchange_free(x);
	}
	release(conn);
}

int http_exchange_detach(struct http_exchange *x, struct buf *ret_early)
{
	struct http_conn *conn = x->conn;

	if (conn->out != NULL) {
		return -EBUSY;
	}
	*ret_early = conn->in;
	conn->in = (struct buf){0};
	http_exchange_free(TAKE_PTR(conn->x));
	set_reading(conn, false);
	set_writing(conn, false);
	http_conn_doom(conn);
	return TAKE_FD(conn->fd);
}
