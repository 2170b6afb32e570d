/* SPDX-License-Identifier: MIT */
/*
 * The Model Context Protocol, server side: JSON texts in, JSON texts out, whatever carries them.
 *
 * Five revisions are spoken. Four begin with initialize and keep what they agreed on for as long as
 * the peer stays (2024-11-05, 2025-03-26, 2025-06-18, 2025-11-25). In the fifth every request says in
 * its _meta what it is and nothing is remembered (2026-07-28). One peer may mix both.
 *
 * Tools are called through gateway/core.h, so policy decides first: what it refuses is not listed, and
 * a call of it is answered with layer, rule and fix. The workspace's files are resources, named
 * workspace:///PATH. Nothing here waits.
 */
#ifndef GATEWAY_MCP_H
#define GATEWAY_MCP_H

#include "gateway/core.h"

/* One peer: a process on the other end of stdio, an HTTP session, or a lone HTTP request. */
struct mcp;

/*
 * What is received at once, a line or the body of an HTTP request, is a delivery; the transport names
 * it by a pointer of its own.
 */
struct mcp_message {
	void *origin; /* the delivery that it belongs to; NULL: to none */
	const char *text; /* one JSON text without a line end; borrowed for the call */
	size_t len;
	bool is_answer; /* false: a notification */
	int http_status; /* for an answer that is the only one of its delivery */
};

struct mcp_opts {
	struct gateway *gateway; /* borrowed */
	const char *agent, *session; /* copied; NULL: as decide() defaults them */
	/* These must not free the peer and must not give it another delivery. */
	void (*send)(void *arg, const struct mcp_message *message);
	/* All that was asked in a delivery has been answered or was cancelled: nothing more comes for
	 * it. Exactly once for each, perhaps before mcp_receive() returns. */
	void (*answered)(void *arg, void *origin);
	/* mcp_deadline() has become earlier; NULL: who asks before each wait need not be told. */
	void (*due)(void *arg);
	void *arg;
};

struct mcp *mcp_new(const struct mcp_opts *opts);
/* What runs is killed; send and answered are not called any more. NULL ok. */
struct mcp *mcp_free(struct mcp *mcp);

/* HTTP headers that must say what the message says (2026-07-28). Values as decoded; NULL: absent. */
struct mcp_headers {
	const char *version, *method, *name;
};

/*
 * One delivery: any bytes. What is no JSON-RPC is answered as such. headers NULL: the transport has
 * none. caller is borrowed for the call.
 */
void mcp_receive(struct mcp *mcp, const struct gateway_caller *caller,
	const struct mcp_headers *headers, void *origin, const char *text, size_t len);
/* The peer does not wait for this delivery any more: what it asked is killed, and neither send nor
 * answered is called for it again. */
void mcp_forget(struct mcp *mcp, void *origin);
/* The server is about to end: requests that wait for changes are answered. */
void mcp_end_listening(struct mcp *mcp);
/* Answers for something that is no delivery at all: a line that is too long. */
void mcp_refuse(struct mcp *mcp, const char *why);

/* CLOCK_MONOTONIC ns of the next thing that is due, or UINT64_MAX. */
uint64_t mcp_deadline(const struct mcp *mcp);
void mcp_tick(struct mcp *mcp, uint64_t now_ns);

/* The revision that initialize agreed on, NULL before. Static text. */
const char *mcp_version(const struct mcp *mcp);
/* Is it one of the five, and one of those with initialize? */
bool mcp_version_is_known(const char *version);
bool mcp_version_has_session(const char *version);
/* Requests without an answer. */
size_t mcp_running(const struct mcp *mcp);

#endif
