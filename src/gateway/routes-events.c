/* SPDX-License-Identifier: MIT */
/* GET /v1/events: what happens, as server-sent events (HTML Living Standard 9.2). */
#include <event2/event.h>
#include <event2/event_struct.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "gateway/routes.h"

struct stream {
	struct http_exchange *x;
	struct gateway_ask *ask;
	struct gateway_watch *watch;
	struct event heartbeat;
	uint64_t after;
};

static void stream_free(struct stream *stream)
{
	(void)event_del(&stream->heartbeat);
	(void)gateway_unwatch(stream->watch);
	if (stream->ask != NULL) {
		gateway_ask_forget(stream->ask);
	}
	free(stream);
}

static void on_gone(void *arg)
{
	stream_free(arg);
}

static void on_drain(void *arg)
{
	struct stream *stream = arg;
	struct http_exchange *x = stream->x;

	stream_free(stream);
	http_exchange_end(x);
}

static void on_event(void *arg, uint64_t id, const char *kind, const json_t *event)
{
	struct stream *stream = arg;
	char *text = json_dumps(event, JSON_COMPACT | JSON_ENCODE_ANY);
	_cleanup_buf_ struct buf out = {0};

	/* JSON has no line break outside of strings, and none unescaped inside: one data line. */
	buf_addf(&out, "id: %" PRIu64 "\nevent: %s\ndata: %s\n\n", id, kind,
		text != NULL ? text : "null");
	free(text);
	http_exchange_write(stream->x, out.data, out.len);
}

static void on_heartbeat(evutil_socket_t fd, short events, void *arg)
{
	static const char beat[] = ": still here\n\n";
	struct stream *stream = arg;

	(void)fd;
	(void)events;
	http_exchange_write(stream->x, beat, sizeof(beat) - 1);
}

static void begin(struct stream *stream, const json_t *auth)
{
	static const char hello[] = "retry: 1000\n\n";
	struct gateway *gateway = http_exchange_gateway(stream->x);
	unsigned ms = http_exchange_limits(stream->x)->heartbeat_ms;
	struct timeval every = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000UL};

	http_exchange_begin(stream->x, 200, "text/event-stream");
	http_exchange_write(stream->x, hello, sizeof(hello) - 1);
	stream->watch = gateway_watch(gateway, auth, stream->after, on_event, stream);
	(void)event_add(&stream->heartbeat, &every);
	http_exchange_on_drain(stream->x, on_drain, stream);
}

static void on_auth(void *arg, const json_t *result, const struct gateway_failure *failure)
{
	struct stream *stream = arg;
	struct http_exchange *x = stream->x;

	stream->ask = NULL;
	if (failure != NULL) {
		stream_free(stream);
		http_exchange_fail_as(x, failure);
		return;
	}
	begin(stream, result);
}

/* A browser's EventSource sends the header when it comes back; others may use the query. */
static bool read_after(struct http_exchange *x, uint64_t *ret)
{
	const char *text = http_exchange_header(x, "last-event-id");

	if (text == NULL || *text == '\0') {
		text = http_exchange_query(x, "after");
	}
	*ret = UINT64_MAX;
	return text == NULL || num_parse_u64(text, 0, UINT64_MAX - 1, ret) == 0;
}

static void events(struct http_exchange *x)
{
	struct stream *stream;
	struct gateway_ask *ask;
	uint64_t after;

	if (!read_after(x, &after)) {
		http_exchange_fail(
			x, 400, "invalid_request", "Last-Event-ID is no id of an event", NULL);
		return;
	}
	stream = xcalloc(1, sizeof(*stream));
	stream->x = x;
	stream->after = after;
	(void)event_assign(&stream->heartbeat, gateway_base(http_exchange_gateway(x)), -1,
		EV_PERSIST, on_heartbeat, stream);
	http_exchange_on_close(x, on_gone, stream);
	ask = gateway_ask(
		http_exchange_gateway(x), http_exchange_caller(x), "auth", NULL, on_auth, stream);
	if (ask != NULL) {
		stream->ask = ask;
	}
}

static const struct http_field event_fields[] = {
	{"after", HTTP_IN_QUERY, HTTP_INTEGER,
		.doc = "first the kept ones behind this id; the header Last-Event-ID does the same"},
	FIELD_END,
};

const struct http_route routes_events[] = {
	{HTTP_GET, "/v1/events", "watchEvents", "gateway",
		"What happens, as server-sent events: an id, a kind, and JSON. The last 1,024 are kept "
		"for those who come back.",
		.flags = HTTP_ROUTE_RAW, .run = events, .fields = event_fields,
		.type = "text/event-stream"},
	{.pattern = NULL},
};
