/* SPDX-License-Identifier: MIT */
/* The browsers of sessions, in the front: their sandboxes' streams, and who uses them. */
#ifndef GATEWAY_BROWSER_H
#define GATEWAY_BROWSER_H

#include "browser/browser.h"
#include "gateway/core.h"

/* One user of a session's browser: a request, or a connection that is relayed. */
struct gateway_browser;

/* Exactly one of browser and failure is there. The browser is up and borrowed: as long as it lives,
 * connections over its link are told of its end by their `lost`. */
typedef void (*gateway_browser_fn)(
	void *arg, struct browser *browser, const struct gateway_failure *failure);

/*
 * The browser of a session, its sandbox and Chromium started if need be. The tool `browser` has to be
 * allowed there. done comes once, later, or before this returns; then NULL is returned if it failed.
 */
struct gateway_browser *gateway_browser_open(struct gateway *gateway,
	const struct gateway_caller *caller, const char *agent, const char *session,
	gateway_browser_fn done, void *arg);
struct browser *gateway_browser_get(const struct gateway_browser *use); /* NULL ok; NULL: gone */
/* NULL ok. done does not come any more. */
void gateway_browser_close(struct gateway_browser *use);
/* After bytes were given to the browser's link. */
void gateway_browser_flush(struct gateway *gateway);

#endif
