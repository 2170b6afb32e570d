/* SPDX-License-Identifier: MIT */
/* One request as its handler sees it, and the ways to answer it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/own.h"
#include "gateway/http-internal.h"
#include "gateway/http-json.h"

/* --- life --- */

struct http_exchange *http_exchange_new(struct http_conn *conn)
{
	struct http_exchange *x = xcalloc(1, sizeof(*x));

	x->conn = conn;
	x->caller.transport = "http";
	x->caller.local_fd = conn->local ? conn->fd : FD_NONE;
	return x;
}

static void drop_body(struct http_exchange *x)
{
	x->conn->server->body_bytes -= x->body.len;
	buf_finish(&x->body);
}

void http_exchange_free(struct http_exchange *x)
{
	if (x->check != NULL) {
		gateway_ask_forget(x->check);
	}
	drop_body(x);
	while (x->queries != NULL) {
		struct http_query *query = x->queries;

		x->queries = query->next;
		free(query->value);
		free(query);
	}
	for (size_t i = 0; i < HTTP_PARAMS_MAX; i++) {
		free(x->params[i]);
	}
	json_decref(x->json);
	buf_finish(&x->headers);
	http_head_finish(&x->head);
	free(x);
}

/* --- the request --- */

enum http_method http_exchange_method(const struct http_exchange *x)
{
	return x->head_only ? HTTP_GET : x->head.method;
}

const char *http_exchange_path(const struct http_exchange *x)
{
	return x->head.path;
}

const char *http_exchange_query(struct http_exchange *x, const char *name)
{
	size_t name_len = strlen(name);

	for (const char *at = x->head.query; *at != '\0';) {
		size_t len = strcspn(at, "&");

		if (len > name_len && memcmp(at, name, name_len) == 0 && at[name_len] == '=') {
			struct http_query *query = xcalloc(1, sizeof(*query));

			query->value = http_decode(at + name_len + 1, len - name_len - 1, true);
			query->next = x->queries;
			x->queries = query;
			return query->value;
		}
		at += len + (at[len] == '&');
	}
	return NULL;
}

const char *http_exchange_header(const struct http_exchange *x, const char *name)
{
	return http_head_get(&x->head, name);
}

const char *http_exchange_body(const struct http_exchange *x, size_t *ret_len)
{
	*ret_len = x->body.len;
	return x->body.data != NULL ? x->body.data : "";
}

const json_t *http_exchange_json(struct http_exchange *x)
{
	struct error err;

	if (x->json == NULL) {
		x->json =
			http_json_load(x->body.data != NULL ? x->body.data : "", x->body.len, &err);
		drop_body(x);
		if (x->json == NULL) {
			http_exchange_fail(x, 400, "invalid_request", err.text, NULL);
			return NULL;
		}
	}
	return x->json;
}

struct gateway_caller *http_exchange_caller(struct http_exchange *x)
{
	return &x->caller;
}

struct gateway *http_exchange_gateway(const struct http_exchange *x)
{
	return x->conn->server->gateway;
}

const struct http_route *http_exchange_route(const struct http_exchange *x)
{
	return x->route;
}

const struct http_limits *http_exchange_limits(const struct http_exchange *x)
{
	return &x->conn->server->limits;
}

const struct http_server *http_exchange_server(const struct http_exchange *x)
{
	return x->conn->server;
}

void http_exchange_on_close(struct http_exchange *x, void (*fn)(void *arg), void *arg)
{
	x->on_close = fn;
	x->close_arg = arg;
}

void http_exchange_on_drain(struct http_exchange *x, void (*fn)(void *arg), void *arg)
{
	x->on_drain = fn;
	x->drain_arg = arg;
}

/* --- heads of answers --- */

static const char *reason(int status)
{
	static const struct {
		int status;
		const char *text;
	} reasons[] = {
		{200, "OK"},
		{202, "Accepted"},
		{204, "No Content"},
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{406, "Not Acceptable"},
		{408, "Request Timeout"},
		{409, "Conflict"},
		{413, "Content Too Large"},
		{415, "Unsupported Media Type"},
		{417, "Expectation Failed"},
		{426, "Upgrade Required"},
		{429, "Too Many Requests"},
		{431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"},
		{501, "Not Implemented"},
		{503, "Service Unavailable"},
		{504, "Gateway Timeout"},
		{505, "HTTP Version Not Supported"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		if (reasons[i].status == status) {
			return reasons[i].text;
		}
	}
	return "Answer";
}

/* RFC 9110 6.6.1, in English whatever the locale says. */
static const char *date(void)
{
	static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char *const months[] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	static char text[64];
	static time_t last;
	time_t now = time(NULL);
	struct tm tm;

	if (now != last && gmtime_r(&now, &tm) != NULL) {
		last = now;
		(void)snprintf(text, sizeof(text), "%s, %02d %s %d %02d:%02d:%02d GMT",
			days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900,
			tm.tm_hour, tm.tm_min, tm.tm_sec);
	}
	return text;
}

/* Up to the empty line. */
static void put_head(struct http_exchange *x, struct buf *out, int status, const char *type)
{
	struct http_server *server = x->conn->server;
	size_t class = (size_t)status / 100;

	server->answered[class < HTTP_STATUS_CLASSES ? class : 0]++;
	buf_addf(out, "HTTP/1.1 %d %s\r\nDate: %s\r\nCache-Control: no-store\r\n", status,
		reason(status), date());
	if (type != NULL) {
		buf_addf(out, "Content-Type: %s\r\nX-Content-Type-Options: nosniff\r\n", type);
	}
	if (x->conn->close || server->draining) {
		x->conn->close = true;
		buf_add_str(out, "Connection: close\r\n");
	}
	buf_add(out, x->headers.data != NULL ? x->headers.data : "", x->headers.len);
}

static void send_buf(struct http_exchange *x, const struct buf *data)
{
	(void)evbuffer_add(http_conn_out(x->conn), data->data, data->len);
}

void http_exchange_add_header(struct http_exchange *x, const char *name, const char *value)
{
	buf_addf(&x->headers, "%s: %s\r\n", name, value);
}

/* --- whole answers --- */

void http_exchange_reply(
	struct http_exchange *x, int status, const char *type, const void *body, size_t len)
{
	_cleanup_buf_ struct buf head = {0};
	struct http_conn *conn = x->conn;

	put_head(x, &head, status, type);
	if (status != 204) {
		buf_addf(&head, "Content-Length: %zu\r\n", len);
	}
	buf_add_str(&head, "\r\n");
	send_buf(x, &head);
	if (len > 0 && !x->head_only) {
		(void)evbuffer_add(http_conn_out(conn), body, len);
	}
	http_conn_next(conn);
}

void http_exchange_reply_json(struct http_exchange *x, int status, json_t *json)
{
	_cleanup_free_ char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);

	json_decref(json);
	if (text == NULL) {
		http_exchange_fail(x, 500, GATEWAY_FAIL_INTERNAL,
			"the result has a text that is no UTF-8", NULL);
		return;
	}
	http_exchange_reply(x, status, "application/json", text, strlen(text));
}

void http_exchange_succeed(struct http_exchange *x, json_t *result)
{
	http_exchange_reply_json(x, 200, json_pack("{s:b, s:o}", "ok", 1, "result", result));
}

/* A string of any bytes: what is no UTF-8 in it is escaped. */
static json_t *printable(const char *text)
{
	json_t *string = json_string(text);

	if (string == NULL) {
		_cleanup_buf_ struct buf safe = {0};

		buf_add_printable(&safe, text, strlen(text), 0);
		string = json_string(safe.data);
	}
	return string;
}

json_t *http_failure_json(const char *type, const char *message, const char *hint)
{
	json_t *error = json_object();

	(void)json_object_set_new(error, "type", json_string(type));
	(void)json_object_set_new(error, "message", printable(message));
	if (hint != NULL) {
		(void)json_object_set_new(error, "hint", printable(hint));
	}
	return error;
}

void http_exchange_fail(struct http_exchange *x, int status, const char *type, const char *message,
	const char *hint)
{
	if (status == 401) {
		http_exchange_add_header(x, "WWW-Authenticate", "Bearer");
	} else if (status == 429 || status == 503) {
		http_exchange_add_header(x, "Retry-After", "1");
	}
	http_exchange_reply_json(x, status,
		json_pack("{s:b, s:o}", "ok", 0, "error", http_failure_json(type, message, hint)));
}

void http_exchange_fail_as(struct http_exchange *x, const struct gateway_failure *failure)
{
	http_exchange_fail(x, gateway_status_of(failure->type), failure->type, failure->message,
		failure->hint);
}

/* --- answers in pieces --- */

void http_exchange_begin(struct http_exchange *x, int status, const char *type)
{
	_cleanup_buf_ struct buf head = {0};

	x->chunk_out = x->head.minor == 1 && !x->head_only;
	put_head(x, &head, status, type);
	if (x->head.minor == 1) {
		buf_add_str(&head, "Transfer-Encoding: chunked\r\n");
	}
	buf_add_str(&head, "\r\n");
	send_buf(x, &head);
	http_conn_flush(x->conn);
}

void http_exchange_write(struct http_exchange *x, const void *data, size_t len)
{
	struct http_conn *conn = x->conn;
	struct evbuffer *out;

	if (len == 0 || x->head_only || conn->doomed) {
		return;
	}
	out = http_conn_out(conn);
	/* Looked at before: what is said at once may be larger, as the result of a tool is. */
	if (evbuffer_get_length(out) > LIMIT_HTTP_UNREAD) {
		http_conn_doom(conn);
		return;
	}
	if (x->chunk_out) {
		(void)evbuffer_add_printf(out, "%zx\r\n", len);
	}
	(void)evbuffer_add(out, data, len);
	if (x->chunk_out) {
		(void)evbuffer_add(out, "\r\n", 2);
	}
	http_conn_flush(conn);
}

void http_exchange_end(struct http_exchange *x)
{
	struct http_conn *conn = x->conn;

	if (x->chunk_out) {
		(void)evbuffer_add(http_conn_out(conn), "0\r\n\r\n", 5);
	}
	http_conn_next(conn);
}
