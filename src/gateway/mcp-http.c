/* SPDX-License-Identifier: MIT */
#include "gateway/mcp-http.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/own.h"
#include "gateway/mcp-peer.h"
#include "gateway/mcp-pipe.h"
#include "gateway/routes.h"
#include "tools/base64.h"

static void refuse(struct http_exchange *x, int status, const char *text)
{
	http_exchange_fail(
		x, status, status == 404 ? TOOL_FAIL_NOT_FOUND : "invalid_request", text, NULL);
}

/* --- who is it --- */

/* An exchange whose token the broker looks at. */
struct knock {
	struct http_exchange *x;
	struct gateway_ask *ask;
	void (*enter)(struct http_exchange *x);
};

static void on_left(void *arg)
{
	struct knock *knock = arg;

	if (knock->ask != NULL) {
		gateway_ask_forget(knock->ask);
	}
	free(knock);
}

static void on_auth(void *arg, const json_t *result, const struct gateway_failure *failure)
{
	struct knock *knock = arg;
	struct http_exchange *x = knock->x;
	void (*enter)(struct http_exchange *) = knock->enter;

	(void)result;
	http_exchange_on_close(x, NULL, NULL);
	free(knock);
	if (failure != NULL) {
		http_exchange_fail_as(x, failure);
		return;
	}
	enter(x);
}

/* Before anything is remembered for a caller, or told to it. */
static void let_in(struct http_exchange *x, void (*enter)(struct http_exchange *x))
{
	struct knock *knock = xcalloc(1, sizeof(*knock));
	struct gateway_ask *ask;

	knock->x = x;
	knock->enter = enter;
	http_exchange_on_close(x, on_left, knock);
	ask = gateway_ask(
		http_exchange_gateway(x), http_exchange_caller(x), "auth", NULL, on_auth, knock);
	if (ask != NULL) {
		knock->ask = ask;
	}
}

/* --- what it wants --- */

/* Does the list of media ranges have this one? Weights are not looked at: 0 is a way to say no that
 * nobody uses. */
static bool accepts(const char *list, const char *type)
{
	size_t type_len = strlen(type), group_len = strcspn(type, "/") + 1;

	while (*list != '\0') {
		size_t len;

		list += strspn(list, ", \t");
		len = strcspn(list, ",; \t");
		if ((len == type_len && strncasecmp(list, type, len) == 0) ||
			(len == 3 && memcmp(list, "*/*", 3) == 0) ||
			(len == group_len + 1 && list[group_len] == '*' &&
				strncasecmp(list, type, group_len) == 0)) {
			return true;
		}
		list += strcspn(list, ",");
	}
	return false;
}

static bool accepts_events(const struct http_exchange *x)
{
	const char *list = http_exchange_header(x, "accept");

	return list == NULL || accepts(list, "text/event-stream");
}

static bool accepts_json(const struct http_exchange *x)
{
	const char *list = http_exchange_header(x, "accept");

	return list == NULL || accepts(list, "application/json");
}

/* "=?base64?...?=" stands for what no header can hold (2026-07-28, Value Encoding). NULL: broken. */
static const char *decoded(const char *value, struct buf *room)
{
	static const char head[] = "=?base64?";
	size_t len = value != NULL ? strlen(value) : 0;

	if (len < sizeof(head) - 1 + 2 || strncmp(value, head, sizeof(head) - 1) != 0 ||
		strcmp(value + len - 2, "?=") != 0) {
		return value;
	}
	if (base64_decode(room, value + sizeof(head) - 1, len - (sizeof(head) - 1) - 2) < 0 ||
		room->len == 0 || strlen(room->data) != room->len) {
		return NULL;
	}
	return room->data;
}

static void no_session(struct http_exchange *x)
{
	refuse(x, 404, "there is no such session: begin again with initialize");
}

static void deliver(struct http_exchange *x, struct mcp_peer *peer)
{
	_cleanup_buf_ struct buf name = {0};
	struct mcp_headers headers = {
		.version = http_exchange_header(x, "mcp-protocol-version"),
		.method = http_exchange_header(x, "mcp-method"),
		.name = decoded(http_exchange_header(x, "mcp-name"), &name),
	};
	struct mcp_stream *stream = mcp_stream_new(peer, x);
	size_t len;
	const char *body = http_exchange_body(x, &len);

	http_exchange_caller(x)->transport = "mcp";
	stream->takes_json = accepts_json(x);
	stream->takes_events = accepts_events(x);
	mcp_receive(peer->mcp, http_exchange_caller(x), &headers, stream, body, len);
}

static void begin_peer(struct http_exchange *x)
{
	struct mcp_peer *peer = mcp_peer_new(x);

	if (peer == NULL) {
		http_exchange_fail(x, 429, GATEWAY_FAIL_BUSY, "too many clients are at work",
			"try again later");
		return;
	}
	deliver(x, peer);
}

static void post(struct http_exchange *x)
{
	const char *version = http_exchange_header(x, "mcp-protocol-version");
	bool stands_alone = version != NULL && !mcp_version_has_session(version);
	struct mcp_peer *peer;

	if (!accepts_json(x) && !accepts_events(x)) {
		refuse(x, 406, "answers are application/json or text/event-stream");
		return;
	}
	if (http_exchange_header(x, "mcp-session-id") == NULL || stands_alone) {
		let_in(x, begin_peer);
		return;
	}
	/* Who has the session's token was let in when it began; each call is checked again. */
	peer = mcp_peer_find(x);
	if (peer == NULL) {
		let_in(x, no_session);
	} else if (version != NULL && strcmp(version, mcp_version(peer->mcp)) != 0) {
		refuse(x, 400, "MCP-Protocol-Version is not what initialize agreed on");
	} else {
		deliver(x, peer);
	}
}

/* "STREAM-EVENT". false: it is there and is none. */
static bool read_last_event(
	const struct http_exchange *x, uint32_t *ret_stream, uint32_t *ret_event)
{
	const char *text = http_exchange_header(x, "last-event-id");
	_cleanup_free_ char *copy = text != NULL ? strdup(text) : NULL;
	char *dash = copy != NULL ? strchr(copy, '-') : NULL;

	*ret_stream = *ret_event = 0;
	if (copy == NULL) {
		return text == NULL;
	}
	if (dash == NULL) {
		return false;
	}
	*dash = '\0';
	return num_parse_u32(copy, 0, UINT32_MAX, ret_stream) == 0 &&
	       num_parse_u32(dash + 1, 0, UINT32_MAX, ret_event) == 0;
}

static struct mcp_stream *find_stream(struct mcp_peer *peer, uint32_t number)
{
	struct mcp_stream *stream = peer->streams;

	while (stream != NULL && stream->number != number) {
		stream = stream->next;
	}
	return number == 0 ? &peer->own : stream;
}

static void resume(struct http_exchange *x)
{
	struct mcp_peer *peer = mcp_peer_find(x);
	struct mcp_stream *stream;
	uint32_t number, event;

	if (http_exchange_header(x, "mcp-session-id") == NULL ||
		!read_last_event(x, &number, &event)) {
		refuse(x, 400, "Mcp-Session-Id must name a session, and Last-Event-ID an event");
		return;
	}
	if (peer == NULL) {
		no_session(x);
		return;
	}
	stream = find_stream(peer, number);
	if (stream != NULL) {
		mcp_stream_attach(stream, x);
	} else {
		/* All of it was said; only what was missed is left to say. */
		http_exchange_begin(x, 200, "text/event-stream");
	}
	if (http_exchange_header(x, "last-event-id") != NULL) {
		mcp_peer_replay(peer, number, event, x);
	}
	if (stream == NULL) {
		http_exchange_end(x);
	}
}

static void get(struct http_exchange *x)
{
	const char *version = http_exchange_header(x, "mcp-protocol-version");

	if (version != NULL && !mcp_version_has_session(version)) {
		http_exchange_add_header(x, "Allow", "POST");
		refuse(x, 405, "this revision has no stream but that of subscriptions/listen");
	} else if (!accepts_events(x)) {
		refuse(x, 406, "the answer is text/event-stream");
	} else {
		let_in(x, resume);
	}
}

static void end_session(struct http_exchange *x)
{
	struct mcp_peer *peer = mcp_peer_find(x);

	if (peer == NULL) {
		no_session(x);
		return;
	}
	mcp_peer_free(peer);
	http_exchange_succeed(x, json_pack("{s:b}", "ended", 1));
}

static void delete (struct http_exchange *x)
{
	let_in(x, end_session);
}

void mcp_http_end(const struct http_server *server)
{
	mcp_peers_end(server);
	mcp_pipes_end(server);
}

static void open_pipe(struct http_exchange *x)
{
	json_t *fields = http_exchange_fields(x); /* for the look at them: they are read again */

	if (fields != NULL) {
		json_decref(fields);
		let_in(x, mcp_pipe_open);
	}
}

static const struct http_field pipe_fields[] = {
	FIELD_SESSION(HTTP_IN_QUERY),
	FIELD_AGENT(HTTP_IN_QUERY),
	FIELD_END,
};

/* The body's are for the document: the engine looks at it itself, and takes more than this. */
static const struct http_field mcp_fields[] = {
	{"jsonrpc", HTTP_IN_BODY, HTTP_STRING, true, .doc = "2.0"},
	{"method", HTTP_IN_BODY, HTTP_STRING, .doc = "of a request or a notification"},
	{"id", HTTP_IN_BODY, HTTP_ANY, .doc = "of a request: a string or an integer"},
	{"params", HTTP_IN_BODY, HTTP_OBJECT, .doc = "what the method takes"},
	FIELD_SESSION(HTTP_IN_QUERY),
	FIELD_AGENT(HTTP_IN_QUERY),
	FIELD_END,
};

const struct http_route routes_mcp[] = {
	{HTTP_POST, "/mcp", "mcpSend", "mcp",
		"A message of the Model Context Protocol (Streamable HTTP). The answer is JSON, or "
		"server-sent events.",
		.flags = HTTP_ROUTE_RAW | HTTP_ROUTE_LARGE | HTTP_ROUTE_LAX | HTTP_ROUTE_MISSING,
		.run = post, .fields = mcp_fields, .answer = "true"},
	{HTTP_GET, "/mcp", "mcpListen", "mcp",
		"What the server has to say by itself in an MCP session, and by Last-Event-ID what a "
		"broken stream did not.",
		.flags = HTTP_ROUTE_RAW | HTTP_ROUTE_MISSING, .run = get,
		.type = "text/event-stream"},
	{HTTP_DELETE, "/mcp", "mcpEnd", "mcp", "End an MCP session, and what runs in it.",
		.flags = HTTP_ROUTE_MISSING, .run = delete, .answer = ANSWER_OBJECT},
	{HTTP_GET, "/v1/mcp", "mcpLines", "mcp",
		"MCP as on stdio, one message on each line: what creel mcp is joined with.",
		.flags = HTTP_ROUTE_RAW, .run = open_pipe, .fields = pipe_fields,
		.upgrade = "creel-mcp"},
	{.pattern = NULL},
};
