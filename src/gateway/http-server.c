/* SPDX-License-Identifier: MIT */
/* The listening sockets, the limits, and the list of connections. */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/own.h"
#include "gateway/http-internal.h"
#include "gateway/mcp-http.h"

enum {
	ACCEPT_BATCH = 64, /* then others get their turn */
	RESUME_MS = 100,
	SCRATCH = 64 * 1024,
};

#define FULL_BODY                                                                                 \
	"{\"ok\":false,\"error\":{\"type\":\"busy\",\"message\":\"every connection is at work\"," \
	"\"hint\":\"use fewer connections, or wait\"}}"

static size_t or_default(size_t value, size_t fallback)
{
	return value != 0 ? value : fallback;
}

/* Sandboxes need descriptors too: half of them is left. */
static size_t connections_max(size_t wanted)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 2 < wanted) {
		return limit.rlim_cur / 2;
	}
	return wanted;
}

static struct http_limits fill_limits(const struct http_limits *given)
{
	return (struct http_limits){
		.connections =
			connections_max(or_default(given->connections, LIMIT_HTTP_CONNECTIONS)),
		.head_bytes = or_default(given->head_bytes, LIMIT_HTTP_HEAD),
		.body_bytes = or_default(given->body_bytes, LIMIT_HTTP_BODY),
		.bodies_bytes = or_default(given->bodies_bytes, LIMIT_HTTP_BODIES),
		.calls_per_token = or_default(given->calls_per_token, LIMIT_HTTP_CALLS),
		.head_ms = (unsigned)or_default(given->head_ms, 15000),
		.idle_ms = (unsigned)or_default(given->idle_ms, 120000),
		.body_ms = (unsigned)or_default(given->body_ms, 30000),
		.write_ms = (unsigned)or_default(given->write_ms, 30000),
		.heartbeat_ms = (unsigned)or_default(given->heartbeat_ms, 15000),
	};
}

/* --- accepting --- */

static size_t connection_count(const struct http_server *server)
{
	return server->lists[RANK_FRESH].count + server->lists[RANK_IDLE].count +
	       server->lists[RANK_BUSY].count;
}

/*
 * Drop the connection that has kept us waiting longest without having asked anything: ten thousand that
 * are half open push out each other, and nobody who finishes a request.
 */
static bool drop_one(struct http_server *server)
{
	struct http_conn *victim = server->lists[RANK_FRESH].first;

	if (victim == NULL) {
		victim = server->lists[RANK_IDLE].first;
	}
	if (victim == NULL) {
		return false;
	}
	server->dropped++;
	http_conn_free(victim);
	return true;
}

/* For a connection that nothing can be dropped for. */
static void send_full(int fd)
{
	_cleanup_buf_ struct buf out = {0};

	buf_addf(&out,
		"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n"
		"Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
		strlen(FULL_BODY), FULL_BODY);
	(void)send(fd, out.data, out.len, MSG_NOSIGNAL);
}

static void take_connection(struct http_server *server, int adopt_fd, bool local)
{
	_cleanup_close_ int fd = adopt_fd;

	server->accepted++;
	if (connection_count(server) >= server->limits.connections && !drop_one(server)) {
		server->refused++;
		send_full(fd);
		return;
	}
	http_conn_new(server, TAKE_FD(fd), local);
}

static void set_accepting(struct http_server *server, bool on)
{
	for (size_t i = 0; i < server->listener_count; i++) {
		if (on) {
			(void)event_add(&server->listeners[i].event, NULL);
		} else {
			(void)event_del(&server->listeners[i].event);
		}
	}
}

static void on_resume(evutil_socket_t fd, short events, void *arg)
{
	struct http_server *server = arg;

	(void)fd;
	(void)events;
	if (!server->draining) {
		set_accepting(server, true);
	}
}

static void on_accept(evutil_socket_t fd, short events, void *arg)
{
	static const struct timeval wait = {.tv_usec = RESUME_MS * 1000L};
	struct http_listener *listener = arg;

	(void)events;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		int conn_fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (conn_fd >= 0) {
			take_connection(listener->server, conn_fd, listener->local);
			continue;
		}
		if ((errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) &&
			!drop_one(listener->server)) {
			/* The connection stays in the backlog; a loop that is told of it again and
			 * again does nothing else. */
			set_accepting(listener->server, false);
			(void)event_add(&listener->server->resume, &wait);
		}
		if (errno != ECONNABORTED && errno != EINTR) {
			return;
		}
	}
}

static void add_listener(struct http_server *server, int adopt_fd)
{
	struct http_listener *listener = &server->listeners[server->listener_count++];
	int on = 1, domain = AF_UNIX;
	socklen_t len = sizeof(domain);

	(void)getsockopt(adopt_fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
	listener->server = server;
	listener->fd = adopt_fd;
	listener->local = domain == AF_UNIX;
	(void)evutil_make_socket_nonblocking(adopt_fd);
	if (!listener->local) {
		/* Linux hands it down to what is accepted. */
		(void)setsockopt(adopt_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	}
	(void)event_assign(&listener->event, gateway_base(server->gateway), adopt_fd,
		EV_READ | EV_PERSIST, on_accept, listener);
	(void)event_add(&listener->event, NULL);
}

struct http_server *http_server_new(const struct http_server_opts *opts)
{
	struct http_server *server = xcalloc(1, sizeof(*server));

	server->gateway = opts->gateway;
	server->limits = fill_limits(&opts->limits);
	server->scratch = xmalloc(SCRATCH);
	server->listeners = xcalloc(opts->listener_count, sizeof(*server->listeners));
	(void)event_assign(
		&server->resume, gateway_base(server->gateway), -1, 0, on_resume, server);
	for (size_t i = 0; i < opts->listener_count; i++) {
		add_listener(server, opts->listeners[i]);
	}
	return server;
}

static void close_listeners(struct http_server *server)
{
	(void)event_del(&server->resume);
	for (size_t i = 0; i < server->listener_count; i++) {
		(void)event_del(&server->listeners[i].event);
		(void)close(server->listeners[i].fd);
	}
	server->listener_count = 0;
}

struct http_server *http_server_free(struct http_server *server)
{
	if (server == NULL) {
		return NULL;
	}
	close_listeners(server);
	server->drained = NULL;
	server->draining = true;
	for (size_t rank = 0; rank < RANK_COUNT_; rank++) {
		while (server->lists[rank].first != NULL) {
			http_conn_free(server->lists[rank].first);
		}
	}
	mcp_http_end(server);
	free(server->listeners);
	free(server->scratch);
	free(server);
	return NULL;
}

/* --- draining --- */

void http_server_check_drained(struct http_server *server)
{
	void (*drained)(void *arg) = server->drained;

	if (server->draining && drained != NULL && connection_count(server) == 0) {
		server->drained = NULL;
		drained(server->drained_arg);
	}
}

static void drain_conn(struct http_conn *conn)
{
	struct http_exchange *x = conn->x;

	conn->close = true;
	if (x == NULL && conn->state == CONN_HEAD && conn->out == NULL && conn->in.len == 0) {
		http_conn_doom(conn);
	} else if (x != NULL && x->on_drain != NULL) {
		x->on_drain(x->drain_arg);
	}
}

void http_server_drain(struct http_server *server, void (*drained)(void *arg), void *arg)
{
	close_listeners(server);
	server->draining = true;
	server->drained = drained;
	server->drained_arg = arg;
	for (size_t rank = 0; rank < RANK_COUNT_; rank++) {
		struct http_conn *next = NULL;

		for (struct http_conn *conn = server->lists[rank].first; conn != NULL;
			conn = next) {
			next = conn->next;
			drain_conn(conn);
		}
	}
	http_server_check_drained(server);
}

/* --- metrics --- */

void http_server_metrics(const struct http_server *server, struct buf *out)
{
	static const char *const rank_names[RANK_COUNT_] = {"fresh", "idle", "busy"};

	buf_add_str(out, "# HELP creel_http_connections Connections that are open.\n"
			 "# TYPE creel_http_connections gauge\n");
	for (size_t i = 0; i < RANK_COUNT_; i++) {
		buf_addf(out, "creel_http_connections{state=\"%s\"} %zu\n", rank_names[i],
			server->lists[i].count);
	}
	buf_addf(out,
		"# HELP creel_http_accepted_total Connections that came.\n"
		"# TYPE creel_http_accepted_total counter\ncreel_http_accepted_total %" PRIu64 "\n"
		"# HELP creel_http_dropped_total Idle connections that made room for others.\n"
		"# TYPE creel_http_dropped_total counter\ncreel_http_dropped_total %" PRIu64 "\n"
		"# HELP creel_http_refused_total Connections refused because all were at work.\n"
		"# TYPE creel_http_refused_total counter\ncreel_http_refused_total %" PRIu64 "\n"
		"# HELP creel_http_answers_total Requests that were answered.\n"
		"# TYPE creel_http_answers_total counter\n",
		server->accepted, server->dropped, server->refused);
	for (size_t i = 1; i < HTTP_STATUS_CLASSES; i++) {
		buf_addf(out, "creel_http_answers_total{class=\"%zuxx\"} %" PRIu64 "\n", i,
			server->answered[i]);
	}
	buf_addf(out,
		"# HELP creel_http_received_bytes_total Bytes that came.\n"
		"# TYPE creel_http_received_bytes_total counter\n"
		"creel_http_received_bytes_total %" PRIu64 "\n"
		"# HELP creel_http_sent_bytes_total Bytes that went out.\n"
		"# TYPE creel_http_sent_bytes_total counter\ncreel_http_sent_bytes_total %" PRIu64
		"\n",
		server->received, server->sent);
	buf_addf(out,
		"# HELP creel_http_body_bytes Bytes of requests that are coming in.\n"
		"# TYPE creel_http_body_bytes gauge\ncreel_http_body_bytes %zu\n",
		server->body_bytes);
}
