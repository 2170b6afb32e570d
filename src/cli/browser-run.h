/* SPDX-License-Identifier: MIT */
/* The browser of a command line's tool session: its sandbox, opened when a call first needs it. */
#ifndef CLI_BROWSER_RUN_H
#define CLI_BROWSER_RUN_H

#include "base/strv.h"
#include "browser/browser.h"
#include "cli/place.h"
#include "tools/tool.h"

struct browser_run {
	struct decision *session; /* borrowed: whose browser it is */
	struct tool_browser_source source;
	struct decision *decision; /* the browser's own; NULL: not open */
	struct strv env;
	struct place place;
	struct browser *browser;
	bool quiet;
	bool discard; /* it never came up: nothing of it is to stay */
};

void browser_run_init(struct browser_run *run, struct decision *session, bool quiet);
struct link *browser_run_link(const struct browser_run *run); /* NULL: not open */
/* When browser_run_tick() is due, CLOCK_MONOTONIC; UINT64_MAX: never. */
uint64_t browser_run_deadline(const struct browser_run *run);
void browser_run_tick(struct browser_run *run, uint64_t now_ns);
/* After the session is gone. */
void browser_run_finish(struct browser_run *run);

#endif
