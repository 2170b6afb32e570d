/* SPDX-License-Identifier: MIT */
/* What the files of the HTTP server share: the server, a connection, an exchange. */
#ifndef GATEWAY_HTTP_INTERNAL_H
#define GATEWAY_HTTP_INTERNAL_H

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/event_struct.h>

#include "gateway/http.h"

enum {
	HTTP_PARAMS_MAX = 5, /* {name}s in one pattern */
	HTTP_STATUS_CLASSES = 6, /* 1xx to 5xx; 0: none */
};

/* Who is dropped first when there are too many connections. */
enum http_rank {
	RANK_FRESH, /* nothing was ever answered */
	RANK_IDLE, /* between two requests, or in the middle of a later one */
	RANK_BUSY, /* at work, or its answer is not sent yet: never dropped */
	RANK_COUNT_,
};

struct conn_list {
	struct http_conn *first, *last; /* the one that has been there longest is first */
	size_t count;
};

struct http_listener {
	struct http_server *server;
	struct event event;
	int fd;
	bool local; /* a unix socket */
};

struct http_server {
	struct gateway *gateway;
	struct http_limits limits;
	struct http_listener *listeners;
	size_t listener_count;
	struct event resume; /* accepting again after descriptors ran out */
	struct conn_list lists[RANK_COUNT_];
	size_t body_bytes; /* of all requests that are coming in */
	bool draining;
	void (*drained)(void *arg);
	void *drained_arg;
	uint64_t accepted, dropped, refused;
	uint64_t received, sent; /* bytes */
	uint64_t answered[HTTP_STATUS_CLASSES];
	char *scratch; /* where read(2) puts things */
};

enum conn_state {
	CONN_HEAD, /* between requests, or a part of a head is there */
	CONN_CHECK, /* whether the token is good enough to send so much */
	CONN_BODY,
	CONN_WORK, /* the exchange has been given to its handler */
	CONN_LINGER, /* answered for the last time; what still comes is thrown away */
};

/* How a transfer gets on. */
struct pace {
	uint64_t since_ns, last_ns; /* when it began, and when something moved last */
	uint64_t moved; /* bytes */
};

struct http_conn {
	struct http_server *server;
	struct http_conn *prev, *next; /* of server->lists[rank] */
	enum http_rank rank;
	enum conn_state state;
	int fd;
	bool local, reading, writing;
	bool close; /* after the answer */
	bool doomed; /* cut as soon as the loop comes round */
	bool eof;
	struct event read, write, timer;
	struct buf in;
	size_t scanned; /* of in, by http_head_find() */
	struct evbuffer *out; /* NULL: nothing unsent */
	struct pace pace; /* of what comes in, in this state */
	struct pace out_pace; /* of out */
	struct http_exchange *x; /* from the end of the head until it is answered */
	char *token; /* of what is at work or unsent */
};

struct http_query {
	struct http_query *next;
	char *value; /* owned */
};

struct http_exchange {
	struct http_conn *conn;
	struct http_head head;
	struct http_chunked chunked;
	struct buf body;
	size_t body_max;
	const struct http_route *route;
	char *params[HTTP_PARAMS_MAX];
	struct http_query *queries; /* what http_exchange_query() has returned */
	json_t *json;
	struct gateway_caller caller;
	struct gateway_ask *check;
	struct buf headers; /* of the answer, beside the usual ones */
	bool head_only, begun, chunk_out;
	void (*on_close)(void *arg);
	void *close_arg;
	void (*on_drain)(void *arg);
	void *drain_arg;
};

/* http-conn.c */
void http_conn_new(struct http_server *server, int adopt_fd, bool local);
void http_conn_free(struct http_conn *conn); /* tells the exchange's on_close */
void http_conn_doom(struct http_conn *conn);
/* Something has been put into out: send what goes. */
void http_conn_flush(struct http_conn *conn);
struct evbuffer *http_conn_out(struct http_conn *conn);
/* The exchange is answered whole, and freed. */
void http_conn_next(struct http_conn *conn);
/* Answer what has no exchange, or never gets to its handler; then close. */
void http_conn_refuse(struct http_conn *conn, int status, const char *type, const char *message);
void http_conn_set_rank(struct http_conn *conn, enum http_rank rank);

/* http-accept.c: what is looked at between head and body. 0: the body may come. -EBADMSG: answered.
 * -EINPROGRESS: a broker is asked first, http_conn_body() comes later. */
int http_accept_head(struct http_exchange *x);
void http_conn_body(struct http_conn *conn);

/* http-guard.c: is this no page of another site, and no name that was made to point here? */
bool http_guard_host(const char *host, const char *listen);
bool http_guard_origin(const char *origin, const char *host);
bool http_guard_fetch_site(const char *site);

/* http-exchange.c */
struct http_exchange *http_exchange_new(struct http_conn *conn);
void http_exchange_free(struct http_exchange *x);
/* Status line and the headers that every answer has. */
void http_put_head(struct http_conn *conn, int status, const char *type, const struct buf *more);
json_t *http_failure_json(const char *type, const char *message, const char *hint);

/* http-route.c */
enum http_match { MATCH_NONE, MATCH_OTHER_METHOD, MATCH_YES };
/* Fills x->route and x->params; *ret_allow is the list of methods for OTHER_METHOD. */
enum http_match http_route_find(struct http_exchange *x, struct buf *ret_allow);
void http_route_run(struct http_exchange *x);

/* http-server.c */
void http_server_check_drained(struct http_server *server);

#endif
