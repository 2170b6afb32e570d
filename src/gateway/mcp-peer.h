/* SPDX-License-Identifier: MIT */
/* The state behind /mcp: peers, the streams of each, and what a broken stream can be given again. */
#ifndef GATEWAY_MCP_PEER_H
#define GATEWAY_MCP_PEER_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "gateway/http.h"
#include "gateway/mcp.h"

enum { MCP_SESSION_ID_CHARS = 32 }; /* 128 random bits in hexadecimal */

/* One answer in progress: of a POST, or number 0, what the server says by itself. */
struct mcp_stream {
	struct mcp_stream *next; /* of struct mcp_peer */
	struct mcp_peer *peer;
	uint32_t number;
	uint32_t events; /* so many went out or were kept */
	struct http_exchange *x; /* who listens; NULL: nobody just now */
	bool begun; /* as a stream of events */
	bool takes_json, takes_events; /* Accept */
	struct event heartbeat;
};

struct mcp_kept {
	struct mcp_kept *next; /* newer */
	uint32_t stream, event;
	size_t len;
	char text[]; /* the whole event as it goes out */
};

struct mcp_peer {
	struct mcp_peer *prev, *next; /* all of them, last used first */
	const struct http_server *server;
	struct mcp *mcp;
	char id[MCP_SESSION_ID_CHARS + 1]; /* "": no session, gone with its one POST */
	char *token; /* whose it is; NULL: of the unix socket */
	bool over;
	struct event timer;
	uint64_t used_ns;
	struct mcp_stream own; /* number 0 */
	struct mcp_stream *streams;
	uint32_t last_stream;
	struct mcp_kept *kept, **kept_end; /* oldest first */
	size_t kept_count, kept_bytes;
};

/* NULL: there are too many. The peer ends when its one delivery is answered, unless that makes it a
 * session. */
struct mcp_peer *mcp_peer_new(struct http_exchange *x);
/* The session that the request names, if it belongs to its caller; NULL: not there. */
struct mcp_peer *mcp_peer_find(struct http_exchange *x);
/* At once; who listens is told. Not from within the engine. */
void mcp_peer_free(struct mcp_peer *peer);
void mcp_peers_end(const struct http_server *server);

/* For a POST: x belongs to it from now on. */
struct mcp_stream *mcp_stream_new(struct mcp_peer *peer, struct http_exchange *x);
/* x listens to this stream from here on, as events; who did before does not any more. */
void mcp_stream_attach(struct mcp_stream *stream, struct http_exchange *x);
/* The kept events of one stream behind `after` go to x, which has begun. */
void mcp_peer_replay(
	const struct mcp_peer *peer, uint32_t stream, uint32_t after, struct http_exchange *x);

#endif
