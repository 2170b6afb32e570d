/* SPDX-License-Identifier: MIT */
/* What the files of this folder share: the session, a call, a result under construction. */
#ifndef TOOLS_INTERNAL_H
#define TOOLS_INTERNAL_H

#include "base/buf.h"
#include "tools/tool.h"

enum {
	/* Background processes and finished ones that can still be read, per session. */
	TOOL_MAX_PROCESSES = 2048,
	/* Calls at work at once in one session; a client that asks for more is told to wait. */
	TOOL_MAX_CALLS = 4096,
};

struct tool_process;

/* A call that runs. It ends by one of the call_finish functions, which free it: whoever calls them
 * must not touch the call afterwards. */
struct tool_call {
	struct tool_session *session;
	struct tool_call *prev, *next; /* of struct tool_session, by calls */
	const struct tool *tool;
	const struct decision *decision;
	json_t *args; /* normalised copy */
	tool_done_fn done;
	tool_progress_fn progress;
	void *arg;
	uint64_t started_ns;
	struct buf warnings; /* lines that stand before the text of the result */
	bool aborted;
	bool on_host; /* elevated: not in the sandbox */
	bool asking; /* the host's gates are being asked */
	/* Answer to that; link NULL: refused. */
	void (*on_host_answer)(
		struct tool_call *call, struct link *link, const char *type, const char *why);
	bool *ended; /* set when the call is freed: done may come before start() returns */

	/* Set by the tool. */
	void *state;
	void (*free_state)(void *state);
	uint64_t deadline_ns; /* UINT64_MAX: none */
	void (*tick)(struct tool_call *call, uint64_t now_ns);
	struct tool_process *process; /* its events come to on_process; see process_watch() */
	struct tool_call *next_watcher; /* of struct tool_process, by watchers */
	void (*on_process)(struct tool_call *call);
	struct search_rg *search; /* grep's, while rg looks */
	uint64_t round; /* last process_notify() that reached this call */
};

struct tool_browser;
struct tool_session {
	const struct tool_browser_source *browsers;
	struct tool_browser *tool_browsers; /* browser.c; those that were used */
	struct link *link, *host_link;
	const struct tool_host_ops *host;
	void *host_arg;
	const struct decision *decision;
	char *backend_name, *container;
	bool may_background, no_sync;
	bool lost, closing; /* nothing more is asked of the sandbox */
	struct error lost_why;
	struct tool_call *calls;
	size_t call_count;
	struct tool_process *processes; /* newest first */
	size_t process_count;
	uint64_t rounds;
	size_t rg_tried; /* places where search_rg.c has not found it */
	struct denials *denials;
	tool_denied_fn denied; /* NULL: nobody watches */
	void *denied_arg;
	uint64_t looked_ns, looked; /* denied_tick()'s: when, and up to which event */
	unsigned looks;
	const struct tool_images *images;
	struct image_turn *image_turns; /* the first has image_job, or is about to read its image */
	struct image_job *image_job;
	struct file_call *file_calls; /* oldest first: at work, or waiting for an earlier one */
};

/* End a call. Each takes over content and details (references), frees the call. */
void call_finish(struct tool_call *call, json_t *content, json_t *details);
void call_finish_text(struct tool_call *call, const char *text, size_t len, json_t *details);
void call_fail(struct tool_call *call, const char *type, const char *message, const char *hint,
	json_t *details);
void call_failf(struct tool_call *call, const char *type, const char *fmt, ...) _printf_(3, 4);
void call_warnf(struct tool_call *call, const char *fmt, ...) _printf_(2, 3);

/* The session's or agent's value of tools.exec.NAME, agent first; NULL: not configured. Borrowed. */
json_t *setting_exec(const struct decision *decision, const char *name);
int64_t setting_exec_int(const struct decision *decision, const char *name, int64_t fallback,
	int64_t min, int64_t max);
bool setting_bool(const struct decision *decision, const char *path, bool fallback);

/* content of one text block; text must be valid UTF-8. */
json_t *result_text(const char *text, size_t len);
/* A string that is made valid UTF-8 first. */
json_t *result_string(const char *text, size_t len);

/* One tool per file. */
extern const struct tool tool_exec, tool_process, tool_read, tool_write, tool_edit,
	tool_apply_patch, tool_ls, tool_glob, tool_grep, tool_browser;

#endif
