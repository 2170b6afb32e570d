/* SPDX-License-Identifier: MIT */
/*
 * The HTTP server of the front: listening sockets in, exchanges out. An exchange is one request that
 * has come in whole and its answer. Handlers never wait: they answer before they return, or keep the
 * exchange and answer from a later callback.
 *
 * Not evhttp: it takes bare LF, folded headers and Content-Length beside Transfer-Encoding, has one
 * timeout that each byte renews, no limit on connections, and answers errors in HTML.
 */
#ifndef GATEWAY_HTTP_H
#define GATEWAY_HTTP_H

#include "base/buf.h"
#include "gateway/core.h"
#include "gateway/http-head.h"

/* --- the server --- */

struct http_server;

/* All have a default (http-server.c); 0 is that default. Times in ms. */
struct http_limits {
	size_t connections; /* at once; fewer where RLIMIT_NOFILE asks for it */
	size_t head_bytes, body_bytes; /* of one request */
	size_t bodies_bytes; /* of all requests that are coming in */
	size_t calls_per_token; /* exchanges at work at once for one token */
	unsigned head_ms; /* from the first byte of a request to the end of its head */
	unsigned idle_ms; /* without any request */
	unsigned body_ms, write_ms; /* each plus one second for every 64 KiB that has moved */
	unsigned heartbeat_ms; /* of event streams */
};

struct http_server_opts {
	struct gateway *gateway; /* borrowed */
	const int *listeners; /* bound and listening; TCP or unix; taken over */
	size_t listener_count;
	struct http_limits limits;
};

/* Takes connections from here on. */
struct http_server *http_server_new(const struct http_server_opts *opts);
/* Cuts every connection: calls at work are aborted. NULL ok; returns NULL. */
struct http_server *http_server_free(struct http_server *server);

/* No new connections, idle ones close, event streams end, what is at work is answered. drained comes
 * once, perhaps before this returns; free the server from the loop, not from drained. */
void http_server_drain(struct http_server *server, void (*drained)(void *arg), void *arg);

/* Its own counters and gauges in Prometheus' text format, appended. */
void http_server_metrics(const struct http_server *server, struct buf *out);

/* --- an exchange --- */

/*
 * Lives until it is answered whole (a reply function has returned, http_exchange_end(), a detach) or
 * its client is gone, which the on_close callback tells: after either, the pointer is dead. What the
 * accessors return is borrowed for that life.
 */
struct http_exchange;

enum http_method http_exchange_method(const struct http_exchange *x); /* HEAD comes as GET */
const char *http_exchange_path(const struct http_exchange *x); /* as sent, percent-encoded */
/* The decoded {name} of the route's pattern. */
const char *http_exchange_param(const struct http_exchange *x, const char *name);
/* The decoded value of the first name=value in the query; NULL: not there, or badly encoded. */
const char *http_exchange_query(struct http_exchange *x, const char *name);
const char *http_exchange_header(const struct http_exchange *x, const char *name); /* lower case */
const char *http_exchange_body(const struct http_exchange *x, size_t *ret_len); /* never NULL */
/* The body as JSON with http_json_load()'s limits; what is wrong has been answered when NULL. */
const json_t *http_exchange_json(struct http_exchange *x);
/* With token, local_fd and transport "http"; sender is empty. A handler may put more into it. */
struct gateway_caller *http_exchange_caller(struct http_exchange *x);
struct gateway *http_exchange_gateway(const struct http_exchange *x);
const struct http_server *http_exchange_server(const struct http_exchange *x);
const struct http_limits *http_exchange_limits(const struct http_exchange *x);
/* The row of the table that it matched. */
const struct http_route *http_exchange_route(const struct http_exchange *x);

/* fn(arg) when the client is gone before the answer was whole, or the server is freed. The exchange
 * must not be touched from then on. NULL takes it back. */
void http_exchange_on_close(struct http_exchange *x, void (*fn)(void *arg), void *arg);

/* Before a reply or begin. The name and value are ours, never a client's; copied. */
void http_exchange_add_header(struct http_exchange *x, const char *name, const char *value);

/* Answer whole. type NULL: no body (202, 204). */
void http_exchange_reply(
	struct http_exchange *x, int status, const char *type, const void *body, size_t len);
/* json is taken over. */
void http_exchange_reply_json(struct http_exchange *x, int status, json_t *json);
/* {"ok":true,"result":..}; result is taken over. */
void http_exchange_succeed(struct http_exchange *x, json_t *result);
/* {"ok":false,"error":{"type","message","hint"?}} */
void http_exchange_fail(struct http_exchange *x, int status, const char *type, const char *message,
	const char *hint);
/* As http_exchange_fail(), with its status by gateway_status_of(). */
void http_exchange_fail_as(struct http_exchange *x, const struct gateway_failure *failure);

/*
 * Answer in pieces (server-sent events), which go out at once. A client that has left more than
 * LIMIT_HTTP_UNREAD bytes unread when more is said is cut, but never within a call of ours: on_close comes from the loop.
 */
void http_exchange_begin(struct http_exchange *x, int status, const char *type);
void http_exchange_write(struct http_exchange *x, const void *data, size_t len);
void http_exchange_end(struct http_exchange *x);
/* fn(arg) when the server drains: end the stream soon. */
void http_exchange_on_drain(struct http_exchange *x, void (*fn)(void *arg), void *arg);

/*
 * Leave HTTP: the connection (non-blocking, nothing of it unsent) belongs to the caller, with what the
 * client has sent behind the request in *ret_early. The exchange is dead; copy what is needed from it
 * before. -EBUSY: an earlier answer is still unsent; nothing has happened.
 */
int http_exchange_detach(struct http_exchange *x, struct buf *ret_early);

/* --- routes --- */

/* Where a field of a request stands. */
enum http_place { HTTP_IN_PATH, HTTP_IN_QUERY, HTTP_IN_BODY };
enum http_field_type { HTTP_STRING, HTTP_INTEGER, HTTP_BOOLEAN, HTTP_OBJECT, HTTP_ARRAY, HTTP_ANY };

/* One field of a request: checked, handed on and documented by this row. */
struct http_field {
	const char *name; /* NULL ends a list */
	enum http_place place;
	enum http_field_type type;
	bool required;
	const char *as; /* its name in the arguments; NULL: the same */
	const char *doc;
	const char *values; /* "a|b": of a string; NULL: any */
};

/* A route: everything that dispatch, checks and /openapi.json know of it. */
struct http_route {
	enum http_method method;
	const char *pattern; /* "/v1/sessions/{key}"; NULL ends a table */
	const char *id; /* operationId */
	const char *tag, *summary;
	unsigned flags; /* HTTP_ROUTE_* */
	/* Exactly one of these three. */
	void (*run)(struct http_exchange *x);
	const char *op; /* gateway_ask() with the fields as arguments */
	const char *tool; /* gateway_call_start() with them, but for "agent" and "session" */
	const char *action; /* the tool's argument of that name; NULL: none */
	const struct http_field *fields; /* NULL: none */
	const char *answer; /* JSON Schema of a success's "result", of the whole answer when RAW */
	const char *type; /* of a RAW answer that is no JSON */
	const char *
		upgrade; /* the protocol that the handler goes on with; 426 for whom asks for none */
};

enum {
	HTTP_ROUTE_OPEN = 1 << 0, /* needs no token */
	HTTP_ROUTE_LARGE = 1 << 1, /* body up to 16 MiB, else 1 MiB */
	HTTP_ROUTE_RAW = 1 << 2, /* the answer has no {"ok","result"} around it */
	HTTP_ROUTE_MISSING = 1 << 3, /* can answer 404: it names something */
	HTTP_ROUTE_SENDER = 1 << 4, /* takes "sender" in its body */
	HTTP_ROUTE_LAX = 1 << 5, /* fields of the body that it does not know are passed over */
	HTTP_ROUTE_PAGE = 1 << 6, /* a page for a person: a link on another site may lead there */
	HTTP_ROUTE_UNLISTED = 1 << 7, /* not in /openapi.json: relays, pages and their scripts */
};

/* The tables, NULL behind the last (routes.c). */
extern const struct http_route *const http_route_tables[];

/*
 * What a handler's route says of its fields: checked, under the names that they have as arguments. NULL:
 * something is wrong and has been answered. A sender goes to the exchange's caller.
 */
json_t *http_exchange_fields(struct http_exchange *x);

/* Call a tool and answer with its result, as http_route.tool does it. args is taken over. */
struct http_tool_call {
	const char *agent, *session, *tool; /* agent and session: NULL for the default */
	json_t *args;
	int denied_status; /* when policy refuses the tool */
};
void http_exchange_call(struct http_exchange *x, const struct http_tool_call *call);
/* Ask and answer with the result, as http_route.op does it. args is taken over. */
void http_exchange_ask(struct http_exchange *x, const char *op, json_t *args);

#endif
