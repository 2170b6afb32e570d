/* SPDX-License-Identifier: MIT */
#include "gateway/mcp-peer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "gateway/mcp-rpc.h"

static struct {
	struct mcp_peer *first, *last; /* last used first */
	size_t count;
} peers;

static void unlink_peer(struct mcp_peer *peer)
{
	*(peer->prev != NULL ? &peer->prev->next : &peers.first) = peer->next;
	*(peer->next != NULL ? &peer->next->prev : &peers.last) = peer->prev;
	peers.count--;
}

static void link_first(struct mcp_peer *peer)
{
	peer->prev = NULL;
	peer->next = peers.first;
	*(peers.first != NULL ? &peers.first->prev : &peers.last) = peer;
	peers.first = peer;
	peers.count++;
}

static bool is_heard(const struct mcp_peer *peer)
{
	const struct mcp_stream *stream = peer->streams;

	while (stream != NULL && stream->x == NULL) {
		stream = stream->next;
	}
	return stream != NULL || peer->own.x != NULL;
}

/* Wake up for what the engine has due, for the end, or when nobody has come for long. */
static void rearm(struct mcp_peer *peer)
{
	uint64_t now = clock_now_ns();
	uint64_t at = mcp_deadline(peer->mcp);
	uint64_t idle_end =
		is_heard(peer) ? UINT64_MAX : peer->used_ns + LIMIT_MCP_IDLE_S * NS_PER_S;
	struct timeval wait = {0};

	at = idle_end < at ? idle_end : at;
	if (peer->over) {
		event_active(&peer->timer, EV_TIMEOUT, 0);
	} else if (at == UINT64_MAX) {
		(void)event_del(&peer->timer);
	} else {
		uint64_t left = at > now ? at - now : 0;

		wait.tv_sec = (time_t)(left / NS_PER_S);
		wait.tv_usec = (suseconds_t)(left % NS_PER_S / 1000 + 1);
		(void)event_add(&peer->timer, &wait);
	}
}

static void on_timer(evutil_socket_t fd, short events, void *arg)
{
	struct mcp_peer *peer = arg;
	uint64_t now = clock_now_ns();

	(void)fd;
	(void)events;
	if (peer->over || (!is_heard(peer) && now >= peer->used_ns + LIMIT_MCP_IDLE_S * NS_PER_S)) {
		mcp_peer_free(peer);
		return;
	}
	mcp_tick(peer->mcp, now);
	rearm(peer);
}

/* --- events --- */

static void keep(struct mcp_peer *peer, const struct mcp_stream *stream, const struct buf *text)
{
	struct mcp_kept *kept;

	if (text->len > LIMIT_MCP_KEPT_BYTES) {
		return;
	}
	kept = xmalloc(sizeof(*kept) + text->len);
	*kept = (struct mcp_kept){
		.stream = stream->number, .event = stream->events, .len = text->len};
	memcpy(kept->text, text->data, text->len);
	*peer->kept_end = kept;
	peer->kept_end = &kept->next;
	peer->kept_count++;
	peer->kept_bytes += text->len;
	while (peer->kept_count > LIMIT_MCP_KEPT || peer->kept_bytes > LIMIT_MCP_KEPT_BYTES) {
		kept = peer->kept;
		peer->kept = kept->next;
		peer->kept_count--;
		peer->kept_bytes -= kept->len;
		free(kept);
	}
}

void mcp_peer_replay(
	const struct mcp_peer *peer, uint32_t stream, uint32_t after, struct http_exchange *x)
{
	for (const struct mcp_kept *k = peer->kept; k != NULL; k = k->next) {
		if (k->stream == stream && k->event > after) {
			http_exchange_write(x, k->text, k->len);
		}
	}
}

static bool has_session(const struct mcp_peer *peer)
{
	return peer->id[0] != '\0';
}

/* An id says which stream it belongs to, as 2025-11-25 asks for. None where nothing is resumed. */
static void send_event(struct mcp_stream *stream, const char *text, size_t len)
{
	_cleanup_buf_ struct buf event = {0};

	stream->events++;
	if (has_session(stream->peer)) {
		buf_addf(&event, "id: %" PRIu32 "-%" PRIu32 "\n", stream->number, stream->events);
	}
	buf_add_str(&event, "event: message\ndata: ");
	buf_add(&event, text, len);
	buf_add_str(&event, "\n\n");
	if (has_session(stream->peer)) {
		keep(stream->peer, stream, &event);
	}
	if (stream->x != NULL) {
		http_exchange_write(stream->x, event.data, event.len);
	}
}

static void on_heartbeat(evutil_socket_t fd, short events, void *arg);

static void begin(struct mcp_stream *stream)
{
	const char *version = mcp_version(stream->peer->mcp);
	_cleanup_buf_ struct buf first = {0};

	if (has_session(stream->peer)) {
		http_exchange_add_header(stream->x, "Mcp-Session-Id", stream->peer->id);
	}
	http_exchange_add_header(stream->x, "X-Accel-Buffering", "no");
	http_exchange_begin(stream->x, 200, "text/event-stream");
	stream->begun = true;
	/* From 2025-11-25 on a client can come back from the first byte on. Older ones would try to
	 * read the empty data as a message. */
	if (has_session(stream->peer) && version != NULL && strcmp(version, "2025-11-25") >= 0) {
		buf_addf(&first, "id: %" PRIu32 "-%" PRIu32 "\ndata: \n\n", stream->number,
			stream->events);
		http_exchange_write(stream->x, first.data, first.len);
	}
}

/* --- streams --- */

static void detach(struct mcp_stream *stream)
{
	(void)event_del(&stream->heartbeat);
	stream->x = NULL;
}

/* Takes it out of its peer; whoever listens has been answered. */
static void stream_free(struct mcp_stream *stream)
{
	struct mcp_stream **at = &stream->peer->streams;

	while (*at != stream) {
		at = &(*at)->next;
	}
	*at = stream->next;
	detach(stream);
	free(stream);
}

static void on_gone(void *arg)
{
	struct mcp_stream *stream = arg;
	struct mcp_peer *peer = stream->peer;

	detach(stream);
	if (has_session(peer)) {
		rearm(peer); /* it may come back, and what runs goes on */
		return;
	}
	mcp_forget(peer->mcp, stream);
	mcp_peer_free(peer);
}

/* Before an orderly end of the server: streams that would go on for ever end. */
static void on_drain(void *arg)
{
	struct mcp_stream *stream = arg;

	if (stream->number == 0) {
		struct http_exchange *x = stream->x;

		detach(stream);
		http_exchange_end(x);
	} else {
		mcp_end_listening(stream->peer->mcp);
	}
}

static void on_heartbeat(evutil_socket_t fd, short events, void *arg)
{
	static const char beat[] = ": still here\n\n";
	struct mcp_stream *stream = arg;

	(void)fd;
	(void)events;
	if (!stream->begun && stream->takes_events) {
		begin(stream);
	}
	if (stream->begun) {
		http_exchange_write(stream->x, beat, sizeof(beat) - 1);
	}
}

static void listen_to(struct mcp_stream *stream, struct http_exchange *x)
{
	unsigned ms = http_exchange_limits(x)->heartbeat_ms;
	struct timeval every = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};

	stream->x = x;
	http_exchange_on_close(x, on_gone, stream);
	http_exchange_on_drain(x, on_drain, stream);
	(void)event_add(&stream->heartbeat, &every);
}

static void stream_init(struct mcp_stream *stream, struct mcp_peer *peer, struct gateway *gateway)
{
	stream->peer = peer;
	(void)event_assign(
		&stream->heartbeat, gateway_base(gateway), -1, EV_PERSIST, on_heartbeat, stream);
}

struct mcp_stream *mcp_stream_new(struct mcp_peer *peer, struct http_exchange *x)
{
	struct mcp_stream *stream = xcalloc(1, sizeof(*stream));

	stream_init(stream, peer, http_exchange_gateway(x));
	stream->number = ++peer->last_stream;
	stream->next = peer->streams;
	peer->streams = stream;
	listen_to(stream, x);
	return stream;
}

static void dismiss(struct mcp_stream *stream)
{
	struct http_exchange *x = stream->x;

	if (x == NULL) {
		return;
	}
	detach(stream);
	http_exchange_on_close(x, NULL, NULL);
	http_exchange_on_drain(x, NULL, NULL);
	if (stream->begun) {
		http_exchange_end(x);
	} else {
		http_exchange_reply_json(
			x, 404, rpc_error(NULL, RPC_INVALID, "the session has ended", NULL));
	}
}

void mcp_stream_attach(struct mcp_stream *stream, struct http_exchange *x)
{
	dismiss(stream);
	listen_to(stream, x);
	stream->takes_events = true;
	begin(stream);
}

/* --- the engine's side --- */

static void answer(struct mcp_stream *stream, const struct mcp_message *message)
{
	struct http_exchange *x = stream->x;

	detach(stream);
	http_exchange_on_close(x, NULL, NULL);
	http_exchange_on_drain(x, NULL, NULL);
	if (has_session(stream->peer)) {
		http_exchange_add_header(x, "Mcp-Session-Id", stream->peer->id);
	}
	if (message->http_status == 401) {
		http_exchange_add_header(x, "WWW-Authenticate", "Bearer");
	}
	http_exchange_reply(
		x, message->http_status, "application/json", message->text, message->len);
}

/* The answer to initialize is on its way: from now on there is a session. */
static void make_session(struct mcp_peer *peer)
{
	uint8_t random[MCP_SESSION_ID_CHARS / 2];

	if (has_session(peer) || mcp_version(peer->mcp) == NULL ||
		getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
		return;
	}
	for (size_t i = 0; i < sizeof(random); i++) {
		(void)snprintf(peer->id + 2 * i, 3, "%02x", random[i]);
	}
}

static void on_send(void *arg, const struct mcp_message *message)
{
	struct mcp_peer *peer = arg;
	struct mcp_stream *stream = message->origin != NULL ? message->origin : &peer->own;

	make_session(peer);
	if (stream->x != NULL && !stream->begun) {
		if (message->is_answer && stream->takes_json) {
			answer(stream, message);
			return;
		}
		if (!stream->takes_events) {
			return; /* a notification for a client that cannot have any */
		}
		begin(stream);
	}
	/* What nobody hears is kept for who has an id to come back with. */
	if (stream->begun) {
		send_event(stream, message->text, message->len);
	}
}

static void on_answered(void *arg, void *origin)
{
	struct mcp_peer *peer = arg;
	struct mcp_stream *stream = origin;
	struct http_exchange *x = stream->x;

	if (x != NULL) {
		detach(stream);
		http_exchange_on_close(x, NULL, NULL);
		http_exchange_on_drain(x, NULL, NULL);
		if (stream->begun) {
			http_exchange_end(x);
		} else {
			http_exchange_reply(x, 202, NULL, NULL, 0);
		}
	}
	stream_free(stream);
	peer->over = !has_session(peer);
	rearm(peer);
}

static void on_due(void *arg)
{
	rearm(arg);
}

/* --- peers --- */

/* Nobody listens to it and nothing runs: its client can begin again. */
static bool make_room(void)
{
	struct mcp_peer *peer = peers.last;

	if (peers.count < LIMIT_MCP_SESSIONS) {
		return true;
	}
	while (peer != NULL && (is_heard(peer) || mcp_running(peer->mcp) > 0 || peer->over)) {
		peer = peer->prev;
	}
	if (peer == NULL) {
		return false;
	}
	mcp_peer_free(peer);
	return true;
}

struct mcp_peer *mcp_peer_new(struct http_exchange *x)
{
	const struct gateway_caller *caller = http_exchange_caller(x);
	struct gateway *gateway = http_exchange_gateway(x);
	struct mcp_peer *peer;

	if (!make_room()) {
		return NULL;
	}
	peer = xcalloc(1, sizeof(*peer));
	peer->server = http_exchange_server(x);
	peer->token = caller->token != NULL ? xstrdup(caller->token) : NULL;
	peer->kept_end = &peer->kept;
	peer->used_ns = clock_now_ns();
	stream_init(&peer->own, peer, gateway);
	(void)event_assign(&peer->timer, gateway_base(gateway), -1, 0, on_timer, peer);
	peer->mcp = mcp_new(&(struct mcp_opts){
		.gateway = gateway,
		.agent = http_exchange_query(x, "agentId"),
		.session = http_exchange_query(x, "sessionKey"),
		.send = on_send,
		.answered = on_answered,
		.due = on_due,
		.arg = peer,
	});
	link_first(peer);
	return peer;
}

/* In a time that does not tell how much of it is right. */
static bool same_secret(const char *a, const char *b)
{
	size_t len = strlen(a);
	unsigned differs = len != strlen(b);

	for (size_t i = 0; i < len && !(i >= strlen(b)); i++) {
		differs |= (unsigned)(a[i] ^ b[i]);
	}
	return differs == 0;
}

static bool is_of(const struct mcp_peer *peer, const struct gateway_caller *caller)
{
	if (peer->token == NULL || caller->token == NULL) {
		return peer->token == NULL && caller->token == NULL && caller->local_fd >= 0;
	}
	return same_secret(peer->token, caller->token);
}

struct mcp_peer *mcp_peer_find(struct http_exchange *x)
{
	const char *id = http_exchange_header(x, "mcp-session-id");
	struct mcp_peer *peer = peers.first;

	while (peer != NULL && (id == NULL || !has_session(peer) || !same_secret(peer->id, id) ||
				       peer->server != http_exchange_server(x))) {
		peer = peer->next;
	}
	if (peer == NULL || !is_of(peer, http_exchange_caller(x))) {
		return NULL;
	}
	peer->used_ns = clock_now_ns();
	unlink_peer(peer);
	link_first(peer);
	return peer;
}

void mcp_peer_free(struct mcp_peer *peer)
{
	unlink_peer(peer);
	peer->mcp = mcp_free(peer->mcp);
	while (peer->streams != NULL) {
		dismiss(peer->streams);
		stream_free(peer->streams);
	}
	dismiss(&peer->own);
	(void)event_del(&peer->timer);
	while (peer->kept != NULL) {
		struct mcp_kept *kept = peer->kept;

		peer->kept = kept->next;
		free(kept);
	}
	free(peer->token);
	free(peer);
}

void mcp_peers_end(const struct http_server *server)
{
	struct mcp_peer *next;

	for (struct mcp_peer *peer = peers.first; peer != NULL; peer = next) {
		next = peer->next;
		if (peer->server == server) {
			mcp_peer_free(peer);
		}
	}
}
