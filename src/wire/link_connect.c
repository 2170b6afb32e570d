/* SPDX-License-Identifier: MIT */
/* The gateway's end of forwarded connections. */
#include "wire/link_connect.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "wire/link-internal.h"

enum {
	/* Granted anew in pieces of this size: few frames, and the window never runs dry. */
	CREDIT_STEP = WIRE_CONN_WINDOW / 4,
	SEND_FRAME = 64 * 1024,
};

struct link_connection {
	struct link_connection *next; /* of struct link, by connections */
	uint32_t stream;
	bool connected;
	bool forgotten; /* CLOSE is unanswered: everything before CLOSED is dropped unread */
	bool ended; /* the other side sends no more */
	bool sent_end;
	size_t room; /* bytes that may be sent */
	size_t credit; /* bytes that may still come */
	size_t consumed; /* done with, not yet granted anew */
	const struct link_connection_ops *ops;
	void *arg;
};

static struct link_connection *find(const struct link *link, uint32_t stream)
{
	struct link_connection *c = link->connections;

	while (c != NULL && c->stream != stream) {
		c = c->next;
	}
	return c;
}

/* What a request is about: known, not closed, and the link alive. */
static struct link_connection *find_usable(const struct link *link, uint32_t stream)
{
	struct link_connection *c = link->dead == 0 ? find(link, stream) : NULL;

	return c != NULL && !c->forgotten ? c : NULL;
}

bool link_connection_known(const struct link *link, uint32_t stream)
{
	return find(link, stream) != NULL;
}

static size_t count(const struct link *link)
{
	size_t n = 0;

	for (const struct link_connection *c = link->connections; c != NULL; c = c->next) {
		n++;
	}
	return n;
}

int link_connect(struct link *link, uint16_t port, const struct link_connection_ops *ops, void *arg,
	uint32_t *ret_stream, struct error *err)
{
	static const struct link_connection_ops no_ops;
	struct link_connection *c;

	if (!link_is_ready(link)) {
		return link_not_ready(link, err);
	}
	if (port == 0) {
		return error_plain(err, EINVAL, "port 0 is no port to connect to");
	}
	if (count(link) >= LIMIT_CONNECTIONS) {
		return error_plain(err, EMFILE, "%d connections into one sandbox are the most",
			LIMIT_CONNECTIONS);
	}
	c = xcalloc(1, sizeof(*c));
	*c = (struct link_connection){
		.next = link->connections,
		.stream = link_new_stream(link),
		.room = WIRE_CONN_WINDOW,
		.credit = WIRE_CONN_WINDOW,
		.ops = ops != NULL ? ops : &no_ops,
		.arg = arg,
	};
	link->connections = c;
	*ret_stream = c->stream;
	frame_add_connect(&link->out, c->stream, port);
	link_flush(link);
	return 0;
}

size_t link_connection_room(const struct link *link, uint32_t stream)
{
	const struct link_connection *c = find_usable(link, stream);

	if (c == NULL || c->sent_end || link->out.len >= LIMIT_SEND_QUEUE) {
		return 0;
	}
	return c->room;
}

size_t link_connection_send(struct link *link, uint32_t stream, const void *data, size_t len)
{
	size_t room = link_connection_room(link, stream);
	size_t taken = len < room ? len : room;
	struct link_connection *c = find(link, stream);
	const uint8_t *bytes = data;

	for (size_t at = 0; at < taken; at += SEND_FRAME) {
		size_t piece = taken - at < SEND_FRAME ? taken - at : SEND_FRAME;

		frame_add_conn_bytes(&link->out, FRAME_CONN_SEND, stream, bytes + at, piece);
	}
	if (taken > 0) {
		c->room -= taken;
		link_flush(link);
	}
	return taken;
}

void link_connection_end(struct link *link, uint32_t stream)
{
	struct link_connection *c = find_usable(link, stream);

	if (c != NULL && !c->sent_end) {
		c->sent_end = true;
		frame_add_empty(&link->out, (enum frame_kind)FRAME_CONN_SEND_EOF, stream);
		link_flush(link);
	}
}

void link_connection_consumed(struct link *link, uint32_t stream, size_t bytes)
{
	struct link_connection *c = find_usable(link, stream);
	size_t most;

	if (c == NULL || c->ended) {
		return;
	}
	/* Never more than the window: a caller that counts wrongly must not lift the limit. */
	most = WIRE_CONN_WINDOW - c->credit - c->consumed;
	c->consumed += bytes < most ? bytes : most;
	if (c->consumed >= CREDIT_STEP) {
		frame_add_conn_credit(&link->out, FRAME_CONN_GRANT, stream, (uint32_t)c->consumed);
		c->credit += c->consumed;
		c->consumed = 0;
		link_flush(link);
	}
}

void link_connection_close(struct link *link, uint32_t stream)
{
	struct link_connection *c = find_usable(link, stream);

	if (c != NULL) {
		c->forgotten = true;
		frame_add_empty(&link->out, (enum frame_kind)FRAME_CONN_CLOSE, stream);
		link_flush(link);
	}
}

static int unexpected(const struct frame_header *header, struct error *err)
{
	return error_plain(err, EPROTO, "frame of kind %u does not fit the state of connection %u",
		header->kind, header->stream);
}

static int on_connected(struct link_connection *c, const struct frame_header *header,
	struct wire_bytes payload, struct error *err)
{
	int r = frame_get_empty(payload, err);

	if (r < 0) {
		return r;
	}
	if (c->connected) {
		return unexpected(header, err);
	}
	c->connected = true;
	if (!c->forgotten && c->ops->connected != NULL) {
		c->ops->connected(c->arg);
	}
	return 0;
}

static int on_data(struct link_connection *c, const struct frame_header *header,
	struct wire_bytes payload, struct error *err)
{
	struct wire_bytes data;
	int r = frame_get_conn_bytes(payload, &data, err);

	if (r < 0) {
		return r;
	}
	if (!c->connected || c->ended) {
		return unexpected(header, err);
	}
	if (data.len > c->credit) {
		return error_plain(
			err, EPROTO, "bytes over the credit of connection %u", c->stream);
	}
	c->credit -= data.len;
	if (!c->forgotten && c->ops->data != NULL) {
		c->ops->data(c->arg, data.data, data.len);
	}
	return 0;
}

static int on_ended(struct link_connection *c, const struct frame_header *header,
	struct wire_bytes payload, struct error *err)
{
	int r = frame_get_empty(payload, err);

	if (r < 0) {
		return r;
	}
	if (!c->connected || c->ended) {
		return unexpected(header, err);
	}
	c->ended = true;
	if (!c->forgotten && c->ops->ended != NULL) {
		c->ops->ended(c->arg);
	}
	return 0;
}

static int on_credit(struct link_connection *c, struct wire_bytes payload, struct error *err)
{
	uint32_t bytes = 0;
	int r = frame_get_conn_credit(payload, &bytes, err);

	if (r < 0) {
		return r;
	}
	if (bytes > WIRE_CONN_WINDOW - c->room) {
		return error_plain(
			err, EPROTO, "credit over the window of connection %u", c->stream);
	}
	c->room += bytes;
	if (!c->forgotten && !c->sent_end && c->ops->room != NULL) {
		c->ops->room(c->arg, c->room);
	}
	return 0;
}

static int on_closed(
	struct link *link, struct link_connection *c, struct wire_bytes payload, struct error *err)
{
	struct link_connection **at = &link->connections;
	struct wire_closed closed;
	int r = frame_get_conn_closed(payload, &closed, err);

	if (r < 0) {
		return r;
	}
	/* Out of the list before anybody hears of it: the callback may open the next one. */
	while (*at != c) {
		at = &(*at)->next;
	}
	*at = c->next;
	if (!c->forgotten && c->ops->closed != NULL) {
		c->ops->closed(c->arg, &closed);
	}
	free(c);
	return 0;
}

int link_connection_frame(struct link *link, const struct frame_header *header,
	struct wire_bytes payload, struct error *err)
{
	struct link_connection *c = find(link, header->stream);

	assert(c != NULL); /* link_connection_known() said so */
	switch (header->kind) {
	case FRAME_CONNECTED:
		return on_connected(c, header, payload, err);
	case FRAME_CONN_DATA:
		return on_data(c, header, payload, err);
	case FRAME_CONN_EOF:
		return on_ended(c, header, payload, err);
	case FRAME_CONN_CREDIT:
		return on_credit(c, payload, err);
	case FRAME_CONN_CLOSED:
		return on_closed(link, c, payload, err);
	default:
		return error_plain(err, EPROTO, "frame of kind %u for a connection", header->kind);
	}
}

void link_connections_lost(struct link *link)
{
	while (link->connections != NULL) {
		struct link_connection *c = link->connections;

		link->connections = c->next;
		if (!c->forgotten && c->ops->lost != NULL) {
			c->ops->lost(c->arg, &link->why);
		}
		free(c);
	}
}
