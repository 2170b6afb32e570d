/* SPDX-License-Identifier: MIT */
/* What the files of this folder share. */
#ifndef BROWSER_INTERNAL_H
#define BROWSER_INTERNAL_H

#include "browser/browser.h"
#include "browser/ws.h"
#include "wire/link_connect.h"

enum browser_state {
	BROWSER_DOWN,
	BROWSER_PROBING, /* asking /json/version until somebody answers */
	BROWSER_OPENING, /* the WebSocket is on its way */
	BROWSER_UP,
	BROWSER_BROKEN, /* the connection ended within a callback: the next tick clears up */
};

struct waiter {
	struct waiter *next;
	browser_up_fn fn;
	void *arg;
};

struct browser {
	struct link *link;
	const struct browser_settings *settings;
	uint16_t port;
	char **env; /* NULL: it is not ours to start */
	char *env_prefix;
	char *host; /* Host header */
	char *fixed_path; /* of its WebSocket; NULL: asked for */
	uint32_t timeout_ms;
	bool outside, pipe;
	enum browser_state state;
	bool lost;
	bool starting; /* its services were started, or are */

	/* The services, service.c. */
	uint32_t service; /* stream; 0: none of ours */
	bool service_ended;
	uint32_t stopping; /* stream of what ends an earlier gateway's; 0: none */
	struct buf service_tail; /* the end of what it printed */
	unsigned restarts;
	char passwords[2][BROWSER_PASSWORD_SIZE];

	/* The connection at work: a probe's or the WebSocket's. */
	uint32_t stream;
	bool connected;
	struct buf answer; /* of a probe */
	struct buf out; /* for the browser, over the window */
	struct buf message; /* a part of one that came through a pipe */
	struct ws *ws;
	struct cdp *cdp;
	char *path, *version;
	uint64_t started_ns; /* when it was asked for */
	uint64_t give_up_ns, next_ns; /* UINT64_MAX: nothing due */
	unsigned probes;
	char last_failure[200];
	struct waiter *waiters;

	struct browser_tab *tabs, *current;
	size_t tab_count;
	struct browser_listener *listeners;
};

/* service.c */
void service_start(struct browser *b);
bool service_stop(struct browser *b);
void service_forget(struct browser *b); /* its callbacks end, it goes on */

/* tabs.c: one event. */
void tabs_event(struct browser *b, const char *session, const char *method, const json_t *params);
void tabs_clear(struct browser *b);
void browser_tell(
	struct browser *b, struct browser_tab *tab, const char *method, const json_t *params);

/* json.c-like help: a string member, "" when it is not there. */
const char *text_member(const json_t *object, const char *name);

/* connection.c */
void connection_probe(struct browser *b);
void connection_close(struct browser *b);
void browser_fail(struct browser *b, const char *why); /* every waiter hears it; down again */
void browser_succeed(struct browser *b);
void browser_broken(struct browser *b, const char *why); /* the WebSocket ended */

#endif
