/* SPDX-License-Identifier: MIT */
/*
 * The tools: a name and JSON arguments in, frames to a sandbox, a JSON result back.
 *
 * Like the link below it, nothing here waits: the owner's loop pumps the link and calls
 * tool_session_tick() when tool_session_deadline() has passed. So the command line (poll), the
 * gateway (libevent) and the tests drive the same code.
 */
#ifndef TOOLS_TOOL_H
#define TOOLS_TOOL_H

#include <jansson.h>
#include <stdint.h>

#include "policy/decide.h"
#include "wire/link.h"

/* How a call ended. Exactly one of content and failure. */
struct tool_result {
	json_t *content; /* owned: [{"type":"text","text"} | {"type":"image","data","mimeType"}] */
	json_t *details; /* owned: an object; may be there on failure too */
	struct {
		const char *type; /* "denied", "invalid_arguments", "not_found", "failed", "timeout", ... */
		char *message;    /* owned; NULL: the call succeeded */
		char *hint;       /* owned or NULL */
	} failure;
};
void tool_result_finish(struct tool_result *result);

/* One entry of the tool table: one file per tool. */
struct tool_session;
struct tool_call;
struct tool {
	const char *name, *summary;
	const char *parameters; /* JSON Schema 2020-12 of the arguments, as text */
	bool writes;            /* not offered when workspaceAccess is ro */
	/* Check args, start the work. 0: running, the call ends by tool_call_finish(). Negative errno:
	 * refused at once with err. */
	int (*start)(struct tool_call *call, const json_t *args, struct error *err);
	void (*abort)(struct tool_call *call); /* stop the work; finish must still come */
};
const struct tool *tool_by_name(const char *name); /* aliases: bash, apply-patch; NULL: unknown */
const struct tool *const *tool_table(size_t *ret_count);

struct tool_session_opts {
	struct link *link;                /* borrowed; must outlive the session */
	const struct decision *decision;  /* borrowed; whose sandbox this is */
	const char *backend_name, *container; /* for details.sandbox */
	bool may_background;              /* false: the sandbox ends with the call (one-shot) */
};

/* What tools remember between calls in one sandbox: background processes above all. */
struct tool_session *tool_session_new(const struct tool_session_opts *opts);
struct tool_session *tool_session_free(struct tool_session *session); /* aborts calls; NULL ok */

/* CLOCK_MONOTONIC ns of the next thing that is due, or UINT64_MAX. */
uint64_t tool_session_deadline(const struct tool_session *session);
void tool_session_tick(struct tool_session *session, uint64_t now_ns);

/*
 * Start one call. verdict: the decision for this tool (denied: the result says layer, rule, fix and
 * nothing runs). done is called exactly once, perhaps before this returns; result belongs to the
 * callee. args may be any JSON; aliases of parameters are resolved here.
 */
typedef void (*tool_done_fn)(void *arg, struct tool_result *result);
/* Progress while a command runs (merged output so far grew); may be NULL. */
typedef void (*tool_progress_fn)(void *arg, const char *data, size_t len);
struct tool_call *tool_call_start(struct tool_session *session, const char *name,
	const json_t *args, tool_done_fn done, tool_progress_fn progress, void *arg);
/* The caller lost interest: kills what runs (unless already in the background). done still comes. */
void tool_call_abort(struct tool_call *call);

#endif
