/* SPDX-License-Identifier: MIT */
/*
 * One browser in one sandbox, reached over that sandbox's link: its services are started there, its
 * DevTools port is connected to, its tabs are followed. Like the link, nothing here waits: the owner
 * pumps the link and calls browser_tick() when browser_deadline() has passed.
 */
#ifndef BROWSER_BROWSER_H
#define BROWSER_BROWSER_H

#include <jansson.h>
#include <stdint.h>

#include "base/buf.h"
#include "browser/cdp.h"
#include "policy/browser.h"
#include "wire/link.h"

enum {
	/* Tabs of one browser: more are closed as they come. Five times what a person keeps open. */
	BROWSER_TABS_MAX = 50,
	/* Messages of a page's console that are kept, and the bytes of one. */
	BROWSER_CONSOLE_MAX = 200,
	BROWSER_CONSOLE_BYTES = 2000,
	BROWSER_PASSWORD_SIZE = 9, /* VNC takes eight characters */
};

struct browser;

struct browser_opts {
	struct link *link; /* borrowed, ready; must outlive the browser */
	const struct browser_settings *settings; /* borrowed */
	uint16_t port; /* where its DevTools listen */
	/* How it is started when nothing listens there; env NULL: it is not, it must be there. */
	const char *const *env; /* NAME=value, NULL-terminated; copied */
	const char *env_prefix; /* "CREEL_"; copied */
	/* Outside of a sandbox: nothing of it is ours to start or to stop. */
	const char *host; /* what its Host header says: "10.0.0.1:9222"; NULL: inside */
	const char *path; /* of its WebSocket; NULL or "": /json/version tells */
	int timeout_ms; /* for it to answer; 0: as long as a sandbox's may take */
	bool pipe; /* no port at all: messages with a NUL behind each, Chromium's --remote-debugging-pipe */
	/* For noVNC: one that may act, one that only watches; copied. NULL: made anew. */
	const char *passwords[2];
};

/* A page that the browser has open. Read only for all but browser.c. */
struct browser_tab {
	struct browser_tab *next;
	char *id, *session; /* session "": not attached yet */
	char *url, *title;
	struct browser *browser; /* whose it is */
	bool ready; /* its events are switched on: what is asked now is heard of */
	bool crashed;
	bool choosing; /* files were armed: the next file chooser gets them */
	json_t *files; /* those, paths inside the sandbox */
	json_t *dialog; /* {"type","message"}: one is open and blocks the page; NULL */
	bool dialog_armed, dialog_accept;
	char *dialog_text; /* what an armed answer types; NULL */
	json_t *console; /* [{"level","text"}], oldest first */
	int64_t *refs; /* ref eN is DOM node refs[N - 1], of the last snapshot; 0: none */
	size_t ref_count;
};

struct browser *browser_new(const struct browser_opts *opts);
/* Whoever waits hears why. The browser itself goes on; NULL ok; NULL. */
struct browser *browser_free(struct browser *browser);
uint64_t browser_deadline(const struct browser *browser);
void browser_tick(struct browser *browser, uint64_t now_ns);
void browser_lost(struct browser *browser, const struct error *why); /* the link died */

/* error: one sentence that says what was tried; NULL: it is there. */
typedef void (*browser_up_fn)(void *arg, const char *error);

/*
 * Ask for it to be up: started if settings->auto_start or `start` says so, and connected. fn comes
 * once, perhaps before this returns, unless browser_forget().
 */
void browser_want(struct browser *browser, bool start, browser_up_fn fn, void *arg);
void browser_forget(struct browser *browser, void *arg);
bool browser_is_up(const struct browser *browser);
/* Its processes end, those of an earlier gateway, too: BROWSER_EVENT_STOPPED says when. false: nothing
 * runs that could end. */
bool browser_stop(struct browser *browser);
/* Its services were started for what was asked for last: when that failed, they are of no use. */
bool browser_was_started(const struct browser *browser);
unsigned browser_restarts(const struct browser *browser); /* services that died and came back */
bool browser_is_outside(const struct browser *browser);
/* "/devtools/browser/<id>"; "" until it is up once. */
const char *browser_path(const struct browser *browser);
const char *browser_version(const struct browser *browser); /* "Chrome/156.0..."; "" */

struct link *browser_link(const struct browser *browser);
uint16_t browser_port(const struct browser *browser); /* its DevTools, inside */
uint16_t browser_vnc_port(const struct browser *browser); /* VNC in WebSockets, inside */

/* For noVNC: acts, or only watches. "": nobody can. */
const char *browser_password(const struct browser *browser, bool view_only);

struct browser_tab *browser_tabs(const struct browser *browser); /* oldest first */
size_t browser_tab_count(const struct browser *browser);
/* id: whole or its beginning, when only one tab has it. NULL: the one in front. */
struct browser_tab *browser_tab(const struct browser *browser, const char *id);
void browser_set_current(struct browser *browser, const struct browser_tab *tab);

/* What its page says of itself; the browser tells late. */
void browser_tab_describe(struct browser_tab *tab, const char *url, const char *title);

/* tab NULL: of the browser itself. As cdp_command(); done gets an error when the browser is gone. */
uint32_t browser_command(struct browser *browser, const struct browser_tab *tab, const char *method,
	json_t *params, cdp_done_fn done, void *arg);
void browser_forget_command(struct browser *browser, uint32_t id);

/* Not the browser's: a tab became ready, or is about to go; its services have ended. */
#define BROWSER_EVENT_STOPPED "Creel.stopped"
#define BROWSER_EVENT_READY "Creel.tabReady"
#define BROWSER_EVENT_GONE "Creel.tabGone"

/* Told of every event of every tab, after the tabs took note of it. */
typedef void (*browser_event_fn)(
	void *arg, struct browser_tab *tab, const char *method, const json_t *params);
struct browser_listener {
	struct browser_listener *next;
	browser_event_fn fn;
	void *arg;
};
/* The listener is the caller's, from here to browser_unlisten(). */
void browser_listen(struct browser *browser, struct browser_listener *listener);
void browser_unlisten(struct browser *browser, struct browser_listener *listener);

#endif
