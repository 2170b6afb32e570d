/* SPDX-License-Identifier: MIT */
/*
 * What the files of the browser tool share. A call is a row of steps: each sends one command to the
 * browser and names the function that gets its answer. A refused command, a closed tab and the
 * deadline end the call.
 */
#ifndef TOOLS_BROWSER_CALL_H
#define TOOLS_BROWSER_CALL_H

#include "browser/browser.h"
#include "tools/internal.h"

struct browser_call;
typedef void (*browser_step_fn)(struct browser_call *bc, const json_t *result);

/* A browser of one session. */
struct tool_browser {
	struct tool_browser *next;
	struct tool_session *session;
	char *control; /* NULL: the sandbox's; else as in struct tool_browser_source */
	const struct decision *decision; /* the browser's own */
	struct browser *browser; /* borrowed; NULL: its sandbox is not open */
	struct browser_listener listener;
	bool opening;
};

struct browser_call {
	struct tool_call *call;
	struct tool_browser *home;
	struct browser *browser;
	const struct browser_action *action;
	const json_t *args; /* of the call; of act, its request */
	char *tab_id; /* NULL: of the browser itself */
	uint32_t command; /* awaited; 0: none */
	browser_step_fn next;
	const char *event; /* awaited too: the event's method */
	browser_step_fn on_event;
	bool waiting; /* for the browser to be up */
	uint32_t stream; /* awaited file request; see browser_page.c */

	/* What the steps hand on. */
	json_t *node; /* {"backendNodeId":n} or {"objectId":".."}: what is acted on */
	json_t *node2; /* drag's goal */
	browser_step_fn then; /* after the node was found */
	double x, y;
	size_t at; /* fill: the field at work */
	struct buf data;
};

/* One row per action. */
struct browser_action {
	const char *name;
	bool needs_tab;
	bool starts; /* asks for the browser to be up first */
	browser_step_fn run; /* must end the call or send a command; result is NULL */
};
extern const struct browser_action browser_actions_tab[], browser_actions_page[];
extern const size_t browser_actions_tab_count, browser_actions_page_count;
void browser_act(struct browser_call *bc, const json_t *result);
void browser_close_tab(struct browser_call *bc, const json_t *result);

/* Send a command to the call's tab (or, without one, the browser) and go on with next. params is
 * taken over. */
void bc_send(struct browser_call *bc, const char *method, json_t *params, browser_step_fn next);
/* The same for the browser itself. */
void bc_send_browser(
	struct browser_call *bc, const char *method, json_t *params, browser_step_fn next);
/* Without waiting for its answer. */
void bc_note(struct browser_call *bc, const char *method, json_t *params);
/* The call's tab; NULL: it is gone, and the call has ended. */
struct browser_tab *bc_tab(struct browser_call *bc);
const struct browser_settings *bc_settings(const struct browser_call *bc);

/* Where files of the workspace are reached. */
struct link *bc_file_link(const struct browser_call *bc);

/* End the call. */
void bc_fail(struct browser_call *bc, const char *type, const char *fmt, ...) _printf_(3, 4);
/* details (taken over; NULL: {}) get targetId. */
void bc_finish(struct browser_call *bc, json_t *details, const char *fmt, ...) _printf_(3, 4);
void bc_finish_text(struct browser_call *bc, json_t *details, const char *text, size_t len);

/* Arguments, from the request of act or the call; false: refused, the call has ended. */
const char *bc_text(const struct browser_call *bc, const char *name); /* NULL: none */
bool bc_flag(const struct browser_call *bc, const char *name);
bool bc_number(struct browser_call *bc, const char *name, int64_t min, int64_t max, int64_t *ret);

/* browser_node.c: find what "ref", "element" or "selector" (or the names given) means, put it into
 * bc->node and go on with then; optional: without any of them bc->node stays NULL. */
void bc_find_node(struct browser_call *bc, const char *ref_name, const char *selector_name,
	bool optional, browser_step_fn then);
/* Scroll bc->node into view and put its middle into x and y. */
void bc_locate(struct browser_call *bc, browser_step_fn then);
/* Run `function` with bc->node as `this`; the value comes as result.value. arguments is taken over. */
void bc_call_on_node(
	struct browser_call *bc, const char *function, json_t *arguments, browser_step_fn next);
/* false: result is an exception of the page's, and the call has ended with its text. */
bool bc_check_exception(struct browser_call *bc, const json_t *result);

/* browser_snapshot.c: text for an accessibility tree, refs for tab. */
struct snapshot_opts {
	bool interactive, compact;
	int64_t depth; /* 0: all */
	size_t max_chars;
};
void snapshot_write(const json_t *nodes, const struct snapshot_opts *opts, struct browser_tab *tab,
	struct buf *out, bool *ret_cut);

/* browser.c, for the session. */
void tool_browser_free(struct tool_session *session);

/* browser_call.c */
void bc_start(struct tool_call *call, struct tool_browser *home,
	const struct browser_action *action, int64_t timeout_ms);
void bc_run(struct browser_call *bc); /* the browser is up */
void bc_event(
	struct browser_call *bc, struct browser_tab *tab, const char *method, const json_t *params);

#endif
