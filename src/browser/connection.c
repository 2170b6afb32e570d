/* SPDX-License-Identifier: MIT */
/* To the browser's DevTools port: asked for its address until it answers, then a WebSocket. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "browser/internal.h"

enum {
	PROBE_STEP_MS = 40,
	PROBE_PATIENCE_MS = 1000,
	PROBE_ANSWER_MAX = 16 * 1024,
};

static void set_failure(struct browser *b, const char *text, size_t len)
{
	_cleanup_buf_ struct buf shown = {0};

	buf_add_escaped(&shown, text, len, sizeof(b->last_failure) - 8);
	(void)snprintf(b->last_failure, sizeof(b->last_failure), "%s",
		shown.data != NULL ? shown.data : "");
}

void connection_close(struct browser *b)
{
	if (b->stream != 0) {
		link_connection_close(b->link, b->stream);
		b->stream = 0;
	}
	buf_finish(&b->out);
	buf_finish(&b->answer);
	buf_finish(&b->message);
}

static void retry(struct browser *b)
{
	connection_close(b);
	b->next_ns = clock_after_ns(PROBE_STEP_MS * NS_PER_MS);
}

/* --- bytes out: within the connection's window --- */

static void flush_out(struct browser *b)
{
	while (b->out.len > 0) {
		size_t n = link_connection_send(b->link, b->stream, b->out.data, b->out.len);

		if (n == 0) {
			return;
		}
		buf_consume(&b->out, n);
	}
}

static void on_room(void *arg, size_t bytes)
{
	(void)bytes;
	flush_out(arg);
}

/* --- the WebSocket --- */

static void on_ws_send(void *arg, const void *data, size_t len)
{
	struct browser *b = arg;

	buf_add(&b->out, data, len);
	flush_out(b);
}

static void on_ws_message(void *arg, const char *text, size_t len)
{
	struct browser *b = arg;
	struct error err;

	if (b->cdp != NULL && cdp_receive(b->cdp, text, len, &err) < 0) {
		set_failure(b, err.text, strlen(err.text));
	}
}

static const struct ws_ops ws_ops = {.send = on_ws_send, .message = on_ws_message};

static void on_ws_data(void *arg, const uint8_t *data, size_t len)
{
	struct browser *b = arg;
	struct error err;

	if (ws_receive(b->ws, data, len, &err) < 0) {
		browser_broken(b, err.text);
		return;
	}
	link_connection_consumed(b->link, b->stream, len);
}

static void on_ws_closed(void *arg, const struct wire_closed *closed)
{
	struct browser *b = arg;
	_cleanup_buf_ struct buf text = {0};

	buf_add_str(&text, "the browser closed its connection");
	if (closed->text.len > 0) {
		buf_add_str(&text, ": ");
		buf_add_escaped(&text, (const char *)closed->text.data, closed->text.len, 100);
	}
	b->stream = 0;
	browser_broken(b, text.data);
}

static void on_ws_ended(void *arg)
{
	browser_broken(arg, "the browser closed its connection");
}

static void on_lost(void *arg, const struct error *why)
{
	struct browser *b = arg;

	b->stream = 0;
	browser_broken(b, why->text);
}

static const struct link_connection_ops ws_connection = {
	.data = on_ws_data,
	.room = on_room,
	.ended = on_ws_ended,
	.closed = on_ws_closed,
	.lost = on_lost,
};

static void on_cdp_send(void *arg, const char *text, size_t len)
{
	struct browser *b = arg;
	struct error err;

	/* A broken connection is heard of by its end. */
	(void)ws_send(b->ws, text, len, &err);
}

static void on_cdp_event(void *arg, const char *session, const char *method, const json_t *params)
{
	tabs_event(arg, session, method, params);
}

static const struct cdp_ops cdp_ops = {.send = on_cdp_send, .event = on_cdp_event};

static void on_attached(void *arg, const json_t *result, const char *error)
{
	(void)result;
	if (error == NULL) {
		browser_succeed(arg);
	}
}

static void on_ignored(void *arg, const json_t *result, const char *error)
{
	(void)arg;
	(void)result;
	(void)error;
}

/* Every page there is and will be is attached to by the browser itself, in one connection. */
static void follow_tabs(struct browser *b)
{
	(void)cdp_command(b->cdp, "", "Target.setDiscoverTargets",
		json_pack("{s:b}", "discover", 1), on_ignored, b);
	(void)cdp_command(b->cdp, "", "Target.setAutoAttach",
		json_pack("{s:b, s:b, s:b}", "autoAttach", 1, "waitForDebuggerOnStart", 0,
			"flatten", 1),
		on_attached, b);
}

/* Given by whoever named the address, or told by the browser. */
static const char *path_of(const struct browser *b)
{
	return b->fixed_path != NULL ? b->fixed_path : b->path;
}

static void open_ws(struct browser *b)
{
	struct error err;

	b->state = BROWSER_OPENING;
	if (link_connect(b->link, b->port, &ws_connection, b, &b->stream, &err) < 0 ||
		ws_new(path_of(b), b->host, &ws_ops, b, &b->ws, &err) < 0) {
		browser_fail(b, err.text);
		return;
	}
	b->cdp = cdp_new(&cdp_ops, b);
	follow_tabs(b);
}

/* --- a pipe --- */

static void on_pipe_send(void *arg, const char *text, size_t len)
{
	struct browser *b = arg;

	buf_add(&b->out, text, len);
	buf_add_char(&b->out, '\0');
	flush_out(b);
}

static const struct cdp_ops pipe_cdp_ops = {.send = on_pipe_send, .event = on_cdp_event};

/* Each message has a NUL behind it. */
static void on_pipe_data(void *arg, const uint8_t *data, size_t len)
{
	struct browser *b = arg;
	size_t all = len;

	while (len > 0 && b->cdp != NULL) {
		const uint8_t *end = memchr(data, '\0', len);
		size_t part = end != NULL ? (size_t)(end - data) : len;

		buf_add(&b->message, data, part);
		if (b->message.overflow) {
			browser_broken(b, "a message of the browser is too long");
			return;
		}
		if (end != NULL) {
			struct buf message = b->message;

			buf_init(&b->message, LIMIT_CDP_MESSAGE);
			on_ws_message(b, message.data, message.len);
			buf_finish(&message);
			part++;
		}
		data += part;
		len -= part;
	}
	if (b->stream != 0) {
		link_connection_consumed(b->link, b->stream, all);
	}
}

static const struct link_connection_ops pipe_connection = {
	.data = on_pipe_data,
	.room = on_room,
	.ended = on_ws_ended,
	.closed = on_ws_closed,
	.lost = on_lost,
};

static void on_version(void *arg, const json_t *result, const char *error)
{
	struct browser *b = arg;

	(void)error;
	free(b->version);
	b->version = xstrdup(text_member(result, "product"));
}

static void open_pipe(struct browser *b)
{
	struct error err;

	b->state = BROWSER_OPENING;
	b->next_ns = UINT64_MAX;
	buf_init(&b->message, LIMIT_CDP_MESSAGE);
	if (link_connect(b->link, b->port, &pipe_connection, b, &b->stream, &err) < 0) {
		browser_fail(b, err.text);
		return;
	}
	b->cdp = cdp_new(&pipe_cdp_ops, b);
	(void)cdp_command(b->cdp, "", "Browser.getVersion", NULL, on_version, b);
	follow_tabs(b);
}

/* --- the probe --- */

/* The path of "ws://HOST:PORT/devtools/browser/ID"; nothing else of it is believed. */
static const char *path_of_url(const char *url)
{
	static const char start[] = "/devtools/browser/";
	const char *path = strstr(url, start);

	if (path == NULL || strspn(path + sizeof(start) - 1, "0123456789abcdefABCDEF-") !=
				    strlen(path + sizeof(start) - 1)) {
		return NULL;
	}
	return path;
}

static bool take_answer(struct browser *b)
{
	const char *body = b->answer.data != NULL ? strstr(b->answer.data, "\r\n\r\n") : NULL;
	json_t *json = body != NULL ? json_loads(body + 4, 0, NULL) : NULL;
	const char *path = path_of_url(text_member(json, "webSocketDebuggerUrl"));

	if (path != NULL) {
		free(b->path);
		free(b->version);
		b->path = xstrdup(path);
		b->version = xstrdup(text_member(json, "Browser"));
	}
	json_decref(json);
	return path != NULL;
}

/* Anything but 200: a redirect above all, which is not followed. Where it leads nobody has allowed. */
static bool is_refusal(const struct browser *b)
{
	return b->outside && b->answer.len > 12 && strstr(b->answer.data, "\r\n") != NULL &&
	       (strncmp(b->answer.data, "HTTP/1.", 7) != 0 ||
		       strncmp(b->answer.data + 8, " 200", 4) != 0);
}

/* It keeps the connection open: what is there is tried after each piece. */
static void on_probe_data(void *arg, const uint8_t *data, size_t len)
{
	struct browser *b = arg;

	buf_add(&b->answer, data, len);
	link_connection_consumed(b->link, b->stream, len);
	if (take_answer(b)) {
		connection_close(b);
		b->next_ns = UINT64_MAX;
		open_ws(b);
	} else if (is_refusal(b)) {
		set_failure(b, b->answer.data, strcspn(b->answer.data, "\r"));
		retry(b);
	} else if (b->answer.len > PROBE_ANSWER_MAX) {
		set_failure(b, "what listens there is no browser", 32);
		retry(b);
	}
}

static void on_probe_closed(void *arg, const struct wire_closed *closed)
{
	struct browser *b = arg;

	b->stream = 0;
	set_failure(b, (const char *)closed->text.data, closed->text.len);
	retry(b);
}

static void on_probe_lost(void *arg, const struct error *why)
{
	struct browser *b = arg;

	b->stream = 0;
	browser_fail(b, why->text);
}

static const struct link_connection_ops probe_connection = {
	.data = on_probe_data,
	.closed = on_probe_closed,
	.lost = on_probe_lost,
};

void connection_probe(struct browser *b)
{
	_cleanup_buf_ struct buf request = {0};
	struct error err;

	connection_close(b);
	if (b->pipe || b->fixed_path != NULL) {
		b->probes++;
		b->next_ns = UINT64_MAX;
		(b->pipe ? open_pipe : open_ws)(b);
		return;
	}
	b->state = BROWSER_PROBING;
	b->probes++;
	/* A probe that is not answered is not waited for longer than this. */
	b->next_ns = b->outside ? UINT64_MAX : clock_after_ns(PROBE_PATIENCE_MS * NS_PER_MS);
	if (link_connect(b->link, b->port, &probe_connection, b, &b->stream, &err) < 0) {
		browser_fail(b, err.text);
		return;
	}
	buf_addf(&request, "GET /json/version HTTP/1.1\r\nHost: %s\r\n\r\n", b->host);
	(void)link_connection_send(b->link, b->stream, request.data, request.len);
}
