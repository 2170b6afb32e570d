/* SPDX-License-Identifier: MIT */
/* Tool calls in one sandbox of our own: brought up, pumped, taken down. */
#ifndef CLI_TOOL_RUN_H
#define CLI_TOOL_RUN_H

#include "cli/browser-run.h"
#include "policy/decide.h"
#include "tools/tool.h"

struct tool_run {
	struct decision *decision; /* borrowed */
	struct place place;
	/* elevated exec: creel-init as a plain child, see tool_run_start() */
	struct place host;
	struct browser_run browser;
	struct tool_session *session;
	bool lost; /* the sandbox died: nothing can be called there any more */
	bool quiet;
	/* creel-image, once an image needs it */
	struct tool_images images;
	pid_t image_service_pid; /* 0: not yet */
	int image_service_fd;
	int image_fd; /* the job that is watched; FD_NONE */
	short image_events;
};

struct tool_run_opts {
	bool may_background;
	bool once, quiet; /* as struct place_opts */
	bool with_host; /* elevated exec was granted: something on the host that takes it, too */
};

/* Start the sandbox that the decision asks for, and a session in it. 0, or a negative errno with the
 * reason; *ret_refused says that a rule forbids it, not the host. */
int tool_run_start(struct tool_run *run, struct decision *decision,
	const struct tool_run_opts *opts, bool *ret_refused, struct error *err);
/* A session without a sandbox: for calls that policy refuses. */
void tool_run_start_idle(struct tool_run *run, struct decision *decision);

/*
 * Wait for events of the link, for what the session has due, and for extra_fd to be readable
 * (FD_NONE: nothing else). Returns true when extra_fd is readable or at its end. A link that dies ends
 * every call as unavailable.
 */
bool tool_run_turn(struct tool_run *run, int extra_fd);

/* Everything of it is gone afterwards. */
void tool_run_finish(struct tool_run *run);

#endif
