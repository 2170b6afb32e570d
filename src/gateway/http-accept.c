/* SPDX-License-Identifier: MIT */
/* What is looked at when the head of a request is there, before its body may come. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/own.h"
#include "base/secret.h"
#include "gateway/http-internal.h"

static int refuse(struct http_exchange *x, int status, const char *type, const char *message,
	const char *hint)
{
	/* A body that is not wanted would have to be read to get to the next request. */
	if (x->head.chunked || x->head.content_length > 0) {
		x->conn->close = true;
	}
	http_exchange_fail(x, status, type, message, hint);
	return -EBADMSG;
}

/* --- where it comes from --- */

static int check_origin(struct http_exchange *x)
{
	const json_t *settings = gateway_settings(http_exchange_gateway(x));
	const char *host = http_exchange_header(x, "host");
	const char *origin = http_exchange_header(x, "origin");
	const char *site = http_exchange_header(x, "sec-fetch-site");
	bool page = x->route != NULL && (x->route->flags & HTTP_ROUTE_PAGE) != 0;

	if (!x->conn->local &&
		!http_guard_host(host, json_string_value(json_object_get(settings, "listen")))) {
		return refuse(x, 403, GATEWAY_FAIL_FORBIDDEN,
			"the Host of the request is not a name of this gateway",
			"address it as localhost, by its IP address or by the host of gateway.listen");
	}
	if ((origin != NULL && !http_guard_origin(origin, host)) ||
		(site != NULL && !page && !http_guard_fetch_site(site))) {
		return refuse(x, 403, GATEWAY_FAIL_FORBIDDEN,
			"a page of another site sent this request", NULL);
	}
	return 0;
}

/* --- which route --- */

static int check_route(struct http_exchange *x, enum http_match match, const struct buf *allow)
{
	if (x->head.method == HTTP_METHOD_COUNT_) {
		x->conn->close = true; /* who knows what else it understands differently */
		return refuse(
			x, 501, "not_implemented", "a method of HTTP that nothing here has", NULL);
	}
	if (match == MATCH_NONE) {
		return refuse(x, 404, TOOL_FAIL_NOT_FOUND, "there is nothing at this path",
			"GET /openapi.json lists what there is");
	}
	if (match == MATCH_OTHER_METHOD) {
		http_exchange_add_header(x, "Allow", allow->data);
		return refuse(
			x, 405, "method_not_allowed", "this path does not have this method", NULL);
	}
	return 0;
}

/* --- who --- */

/* RFC 6750 2.1: the scheme in any case, blanks, the token. NULL: another scheme. */
static const char *bearer(const char *value)
{
	if (strncasecmp(value, "Bearer", 6) != 0 || value[6] != ' ') {
		return NULL;
	}
	value += 6;
	return value + strspn(value, " ");
}

static size_t at_work(const struct http_server *server, const char *token)
{
	size_t count = 0;

	for (const struct http_conn *conn = server->lists[RANK_BUSY].first; conn != NULL;
		conn = conn->next) {
		if (secret_text_equal(conn->token, token)) {
			count++;
		}
	}
	return count;
}

static int check_caller(struct http_exchange *x)
{
	const char *value = http_exchange_header(x, "authorization");
	const char *token = value != NULL ? bearer(value) : NULL;

	if (value != NULL && (token == NULL || *token == '\0')) {
		return refuse(x, 401, GATEWAY_FAIL_UNAUTHORIZED,
			"the Authorization of the request is no bearer token", NULL);
	}
	x->caller.token = token;
	if (token == NULL && !x->conn->local && (x->route->flags & HTTP_ROUTE_OPEN) == 0) {
		return refuse(x, 401, GATEWAY_FAIL_UNAUTHORIZED, "the request has no bearer token",
			"send Authorization: Bearer TOKEN, one of gateway.tokens");
	}
	(void)secret_free(x->conn->token);
	x->conn->token = xstrdup(token != NULL ? token : "");
	if ((x->route->flags & HTTP_ROUTE_OPEN) == 0 &&
		at_work(x->conn->server, x->conn->token) >=
			x->conn->server->limits.calls_per_token) {
		return refuse(x, 429, GATEWAY_FAIL_BUSY,
			"too many requests of this token are at work",
			"wait for some of them to end");
	}
	return 0;
}

/* --- what it sends --- */

/* A text that is UTF-8, percent-encoded. */
static bool is_encoded(const char *text, size_t len)
{
	_cleanup_free_ char *plain = http_decode(text, len, true);
	json_t *string = plain != NULL ? json_string(plain) : NULL;

	json_decref(string);
	return string != NULL;
}

/* So that a value that cannot be read is not taken for one that is not there. */
static int check_query(struct http_exchange *x)
{
	if (!is_encoded(x->head.query, strlen(x->head.query))) {
		return refuse(x, 400, "invalid_request",
			"the query of the path is no percent-encoded UTF-8", NULL);
	}
	return 0;
}

static bool takes_body(const struct http_route *route)
{
	return route->method == HTTP_POST || route->method == HTTP_PUT ||
	       route->method == HTTP_PATCH;
}

static bool is_json(const char *type)
{
	size_t len = type != NULL ? strcspn(type, "; \t") : 0;

	return len == strlen("application/json") && strncasecmp(type, "application/json", len) == 0;
}

static int check_body(struct http_exchange *x)
{
	size_t limit = x->conn->server->limits.body_bytes;

	if (!x->head.chunked && x->head.content_length == 0) {
		return 0;
	}
	if (!takes_body(x->route)) {
		return refuse(x, 400, "invalid_request", "this method has no body", NULL);
	}
	if (!is_json(http_exchange_header(x, "content-type"))) {
		return refuse(x, 415, "unsupported_media_type", "the body has to be JSON",
			"send Content-Type: application/json");
	}
	if ((x->route->flags & HTTP_ROUTE_LARGE) == 0 && limit > LIMIT_HTTP_PLAIN_BODY) {
		limit = LIMIT_HTTP_PLAIN_BODY;
	}
	x->body_max = limit;
	if (x->head.content_length > limit) {
		return refuse(
			x, 413, "too_large", "the body is larger than this route takes", NULL);
	}
	return 0;
}

static int check_upgrade(struct http_exchange *x)
{
	const char *protocol = x->route->upgrade;

	if (protocol == NULL || (http_head_lists(&x->head, "connection", "upgrade") &&
					http_head_lists(&x->head, "upgrade", protocol))) {
		return 0;
	}
	http_exchange_add_header(x, "Upgrade", protocol);
	return refuse(x, 426, "upgrade_required", "this route goes on in another protocol",
		"send Connection: Upgrade and Upgrade with its name");
}

/* Memory for a large body is only for those whom the broker knows. */
static void on_checked(void *arg, const json_t *result, const struct gateway_failure *failure)
{
	struct http_exchange *x = arg;

	(void)result;
	x->check = NULL;
	if (failure != NULL) {
		x->conn->close = true;
		http_exchange_fail_as(x, failure);
		return;
	}
	http_conn_body(x->conn);
}

static int check_large(struct http_exchange *x)
{
	struct gateway_ask *ask;

	if ((!x->head.chunked && x->head.content_length <= LIMIT_HTTP_SMALL_BODY) ||
		(x->route->flags & HTTP_ROUTE_OPEN) != 0) {
		return 0;
	}
	x->conn->state = CONN_CHECK;
	ask = gateway_ask(http_exchange_gateway(x), &x->caller, "auth", NULL, on_checked, x);
	if (ask != NULL) {
		x->check = ask; /* else the answer has come already, and x may be gone */
	}
	return -EINPROGRESS;
}

int http_accept_head(struct http_exchange *x)
{
	_cleanup_buf_ struct buf allow = {0};
	enum http_match match = http_route_find(x, &allow);
	int r = check_origin(x);

	r = r == 0 ? check_route(x, match, &allow) : r;
	r = r == 0 ? check_caller(x) : r;
	r = r == 0 ? check_query(x) : r;
	r = r == 0 ? check_body(x) : r;
	r = r == 0 ? check_upgrade(x) : r;
	return r == 0 ? check_large(x) : r;
}
