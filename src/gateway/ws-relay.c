/* SPDX-License-Identifier: MIT */
/*
 * A WebSocket of a client, relayed to one inside a sandbox. The two ends speak with each other; here
 * the upgrade is made anew on both sides, so that no header of a client reaches the sandbox (its
 * Origin, its token) and none of the sandbox's reaches a client, and then bytes are passed on.
 */
#include "gateway/ws-relay.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/own.h"
#include "wire/link_connect.h"

enum {
	HEAD_MAX = 8 * 1024,
	KEY_LEN = 24, /* 16 bytes in base64, RFC 6455 section 4.1 */
	ACCEPT_LEN = 28, /* 20 bytes */
	/* Unread by the client: what the sandbox may send waits meanwhile. */
	OUT_HIGH = 512 * 1024,
	IN_HIGH = 256 * 1024,
};

struct relay {
	struct gateway *gateway;
	struct gateway_browser *use; /* owned */
	struct link *link;
	uint32_t stream; /* 0: it ended */
	struct bufferevent *client; /* NULL: still HTTP */
	struct http_exchange *x; /* until it is detached; NULL */
	struct buf head; /* the sandbox's answer, until it is whole */
	bool open; /* bytes pass */
	bool ending; /* the client gets what is left, and no more */
	size_t owed; /* passed on, not yet granted anew */
};

static void relay_free(struct relay *r)
{
	if (r->stream != 0) {
		link_connection_close(r->link, r->stream);
	}
	if (r->client != NULL) {
		bufferevent_free(r->client);
	}
	gateway_browser_flush(r->gateway);
	gateway_browser_close(r->use);
	buf_finish(&r->head);
	free(r);
}

static bool is_base64(const char *text, size_t len)
{
	return strlen(text) == len &&
	       strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") ==
		       len;
}

const char *ws_relay_key(const struct http_exchange *x)
{
	const char *upgrade = http_exchange_header(x, "upgrade");
	const char *version = http_exchange_header(x, "sec-websocket-version");
	const char *key = http_exchange_header(x, "sec-websocket-key");

	if (upgrade == NULL || strcasecmp(upgrade, "websocket") != 0 || version == NULL ||
		strcmp(version, "13") != 0 || key == NULL || !is_base64(key, KEY_LEN)) {
		return NULL;
	}
	return key;
}

/* --- the client's side --- */

static void pass_input(struct relay *r)
{
	struct evbuffer *in = bufferevent_get_input(r->client);

	while (r->stream != 0) {
		struct evbuffer_iovec span;
		size_t sent;

		if (evbuffer_peek(in, -1, NULL, &span, 1) < 1 || span.iov_len == 0) {
			break;
		}
		sent = link_connection_send(r->link, r->stream, span.iov_base, span.iov_len);
		if (sent == 0) {
			break; /* room comes back */
		}
		(void)evbuffer_drain(in, sent);
	}
	gateway_browser_flush(r->gateway);
}

static void on_client_data(struct bufferevent *client, void *arg)
{
	(void)client;
	pass_input(arg);
}

static void on_client_drained(struct bufferevent *client, void *arg)
{
	struct relay *r = arg;

	(void)client;
	if (r->ending) {
		relay_free(r);
		return;
	}
	if (r->owed > 0 && r->stream != 0) {
		link_connection_consumed(r->link, r->stream, r->owed);
		r->owed = 0;
		gateway_browser_flush(r->gateway);
	}
}

static void on_client_event(struct bufferevent *client, short events, void *arg)
{
	(void)client;
	if ((events & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) != 0) {
		relay_free(arg);
	}
}

/* --- the sandbox's side --- */

static void end_relay(struct relay *r)
{
	r->stream = 0;
	if (r->x != NULL) {
		struct http_exchange *x = TAKE_PTR(r->x);

		http_exchange_on_close(x, NULL, NULL);
		http_exchange_fail(x, 502, TOOL_FAIL_UNAVAILABLE,
			"what was asked for does not answer inside the sandbox", NULL);
		relay_free(r);
		return;
	}
	if (evbuffer_get_length(bufferevent_get_output(r->client)) == 0) {
		relay_free(r);
	} else {
		r->ending = true;
	}
}

/* The value of one header of the sandbox's answer, if it is base64 of that length. */
static bool find_accept(const char *head, char ret[ACCEPT_LEN + 1])
{
	static const char name[] = "\r\nsec-websocket-accept:";
	const char *at = strcasestr(head, name);

	if (at == NULL) {
		return false;
	}
	at += sizeof(name) - 1;
	at += strspn(at, " \t");
	if (strcspn(at, " \r\n") != ACCEPT_LEN) {
		return false;
	}
	memcpy(ret, at, ACCEPT_LEN);
	ret[ACCEPT_LEN] = '\0';
	return is_base64(ret, ACCEPT_LEN);
}

static bool leave_http(struct relay *r)
{
	_cleanup_buf_ struct buf early = {0};
	struct http_exchange *x = r->x;
	int on = 1, fd;

	http_exchange_on_close(x, NULL, NULL);
	fd = http_exchange_detach(x, &early);
	if (fd < 0) {
		return false;
	}
	r->x = NULL;
	/* Small messages, each of which somebody waits for. A unix socket has no such thing. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	r->client = bufferevent_socket_new(gateway_base(r->gateway), fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(r->client, on_client_data, on_client_drained, on_client_event, r);
	bufferevent_setwatermark(r->client, EV_READ, 0, IN_HIGH);
	if (early.len > 0) {
		(void)evbuffer_add(bufferevent_get_input(r->client), early.data, early.len);
	}
	(void)bufferevent_enable(r->client, EV_READ | EV_WRITE);
	return true;
}

static bool open_client(struct relay *r)
{
	char accept[ACCEPT_LEN + 1];
	_cleanup_buf_ struct buf answer = {0};

	if (strncmp(r->head.data, "HTTP/1.1 101", 12) != 0 || !find_accept(r->head.data, accept) ||
		!leave_http(r)) {
		return false;
	}
	buf_addf(&answer,
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Accept: %s\r\n\r\n",
		accept);
	(void)bufferevent_write(r->client, answer.data, answer.len);
	r->open = true;
	return true;
}

static void pass_output(struct relay *r, const void *data, size_t len)
{
	(void)bufferevent_write(r->client, data, len);
	if (evbuffer_get_length(bufferevent_get_output(r->client)) < OUT_HIGH) {
		link_connection_consumed(r->link, r->stream, len);
	} else {
		r->owed += len;
	}
}

static void on_data(void *arg, const uint8_t *data, size_t len)
{
	struct relay *r = arg;
	const char *end;
	size_t head;

	if (r->open) {
		pass_output(r, data, len);
		return;
	}
	buf_add(&r->head, data, len);
	link_connection_consumed(r->link, r->stream, len);
	end = r->head.len > 0 ? memmem(r->head.data, r->head.len, "\r\n\r\n", 4) : NULL;
	if (end == NULL && !r->head.overflow) {
		return;
	}
	head = end != NULL ? (size_t)(end + 4 - r->head.data) : 0;
	if (end == NULL || !open_client(r)) {
		link_connection_close(r->link, r->stream);
		end_relay(r);
		return;
	}
	if (r->head.len > head) {
		(void)bufferevent_write(r->client, r->head.data + head, r->head.len - head);
	}
	buf_finish(&r->head);
	pass_input(r);
}

static void on_room(void *arg, size_t bytes)
{
	struct relay *r = arg;

	(void)bytes;
	if (r->client != NULL) {
		pass_input(r);
	}
}

static void on_ended(void *arg)
{
	struct relay *r = arg;

	link_connection_close(r->link, r->stream);
	end_relay(r);
}

static void on_closed(void *arg, const struct wire_closed *closed)
{
	(void)closed;
	end_relay(arg);
}

static void on_lost(void *arg, const struct error *why)
{
	(void)why;
	end_relay(arg);
}

static const struct link_connection_ops ops = {
	.data = on_data,
	.room = on_room,
	.ended = on_ended,
	.closed = on_closed,
	.lost = on_lost,
};

static void on_gone(void *arg)
{
	struct relay *r = arg;

	r->x = NULL;
	relay_free(r);
}

void ws_relay_start(struct http_exchange *x, struct gateway_browser *adopt_use,
	struct browser *browser, uint16_t port, const char *path)
{
	const char *key = ws_relay_key(x);
	struct relay *r = xcalloc(1, sizeof(*r));
	_cleanup_buf_ struct buf request = {0};
	struct error err;

	*r = (struct relay){
		.gateway = http_exchange_gateway(x),
		.use = adopt_use,
		.link = browser_link(browser),
		.x = x,
	};
	buf_init(&r->head, HEAD_MAX);
	if (link_connect(r->link, port, &ops, r, &r->stream, &err) < 0) {
		http_exchange_fail(x, 503, TOOL_FAIL_UNAVAILABLE, err.text, NULL);
		r->stream = 0;
		relay_free(r);
		return;
	}
	http_exchange_on_close(x, on_gone, r);
	buf_addf(&request,
		"GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: Upgrade\r\n"
		"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n",
		path, port, key);
	(void)link_connection_send(r->link, r->stream, request.data, request.len);
	gateway_browser_flush(r->gateway);
}
