/* SPDX-License-Identifier: MIT */
/* The browser of a session for the front's routes, and for its tools. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "gateway/browser.h"
#include "gateway/internal.h"

struct gateway_browser {
	struct browser_place place;
	struct browser *browser; /* NULL: its sandbox is not there yet */
	bool waiting; /* for it to be up */
	bool *freed;
	gateway_browser_fn done;
	void *arg;
};

static void use_fail(struct gateway_browser *use, const struct gateway_failure *failure)
{
	gateway_browser_fn done = use->done;
	void *arg = use->arg;

	use->done = NULL;
	if (done != NULL) {
		gateway_browser_close(use);
		done(arg, NULL, failure);
	}
}

static void on_up(void *arg, const char *error)
{
	struct gateway_browser *use = arg;
	gateway_browser_fn done = use->done;

	use->waiting = false;
	if (error != NULL) {
		if (browser_was_started(use->browser)) {
			browser_place_discard(&use->place);
		}
		use_fail(use,
			&(struct gateway_failure){.type = TOOL_FAIL_UNAVAILABLE, .message = error});
		return;
	}
	use->done = NULL;
	done(use->arg, use->browser, NULL);
}

static void on_ready(void *arg, struct browser *browser, const struct decision *decision)
{
	struct gateway_browser *use = arg;

	(void)decision;
	use->browser = browser;
	use->waiting = true;
	browser_want(browser, false, on_up, use);
}

static void on_lost(void *arg, const struct gateway_failure *failure)
{
	struct gateway_browser *use = arg;

	if (use->browser != NULL && use->waiting) {
		browser_forget(use->browser, use);
	}
	use->waiting = false;
	use->browser = NULL;
	use_fail(use, failure);
}

struct gateway_browser *gateway_browser_open(struct gateway *gateway,
	const struct gateway_caller *caller, const char *agent, const char *session,
	gateway_browser_fn done, void *arg)
{
	struct gateway_browser *use = xcalloc(1, sizeof(*use));
	bool freed = false;

	*use = (struct gateway_browser){
		.place = {.gateway = gateway, .ready = on_ready, .lost = on_lost, .arg = use},
		.freed = &freed,
		.done = done,
		.arg = arg,
	};
	browser_place_enter(&use->place, caller, agent, session, NULL);
	if (freed) {
		return NULL;
	}
	use->freed = NULL;
	return use;
}

struct browser *gateway_browser_get(const struct gateway_browser *use)
{
	return use != NULL ? use->browser : NULL;
}

void gateway_browser_close(struct gateway_browser *use)
{
	if (use == NULL) {
		return;
	}
	if (use->waiting && use->browser != NULL) {
		browser_forget(use->browser, use);
	}
	browser_place_leave(&use->place);
	if (use->freed != NULL) {
		*use->freed = true;
	}
	free(use);
}
