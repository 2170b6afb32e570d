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

#include "backend/denials.h"
#include "policy/decide.h"
#include "wire/link.h"

/* How a call ended. content is there on success, failure.message on failure. */
struct tool_result {
	json_t *content; /* owned: [{"type":"text","text"} | {"type":"image","data","mimeType"}] */
	json_t *details; /* owned: an object; may be there on failure too */
	struct {
		const char *type; /* one of the TOOL_FAIL_* texts below */
		char *message; /* owned; NULL: the call succeeded */
		char *hint; /* owned or NULL */
	} failure;
};
void tool_result_finish(struct tool_result *result);

#define TOOL_FAIL_DENIED "denied" /* policy: details.denied says who and how to allow */
#define TOOL_FAIL_ARGUMENTS "invalid_arguments" /* the caller's JSON */
#define TOOL_FAIL_NOT_FOUND "not_found" /* no such tool, no such file */
#define TOOL_FAIL_FAILED "failed" /* it ran and did not do what was asked */
#define TOOL_FAIL_TIMEOUT "timeout"
#define TOOL_FAIL_ABORTED "aborted" /* tool_call_abort() or the end of the session */
#define TOOL_FAIL_UNAVAILABLE "unavailable" /* the sandbox is gone */

/* What a call can do to the world, for clients that ask their user first. */
enum tool_hint {
	TOOL_READS_ONLY = 1, /* changes nothing */
	TOOL_DESTRUCTIVE = 2, /* may overwrite or remove what was there */
	TOOL_IDEMPOTENT = 4, /* the same call once more changes nothing more */
	TOOL_OPEN_WORLD = 8, /* may reach further than the workspace */
};

/* One entry of the tool table: one file per tool. */
struct tool_session;
struct tool_call;
struct tool {
	const char *name, *title, *summary;
	const char *parameters; /* JSON Schema 2020-12 of the arguments, as text */
	/* The same of details, where they say all that content says; NULL: they do not. No member is
	 * required: a failure has fewer. */
	const char *output;
	unsigned hints; /* enum tool_hint */
	bool writes; /* not offered when workspaceAccess is ro */
	/* Look at args, start the work. args live as long as the call. 0: running or already ended by
	 * call_finish() (internal.h). -EINVAL: refused with err, nothing was started. */
	int (*start)(struct tool_call *call, const json_t *args, struct error *err);
	void (*abort)(
		struct tool_call *call); /* stop the work; the call must still end; NULL: at once */
};
const struct tool *tool_by_name(const char *name); /* aliases: bash, apply-patch; NULL: unknown */
const struct tool *const *tool_table(size_t *ret_count);

/* {"name","title","description","parameters","output"?,"annotations"{"readOnlyHint",..}}: a new
 * reference. */
json_t *tool_describe(const struct tool *tool);

/* Does policy leave this tool to the session: false for writing tools under workspaceAccess ro. */
bool tool_is_offered(const struct tool *tool, const struct decision *decision);

/*
 * Making images small enough to attach is creel-image's work (image/client.h). A session has one image
 * with it at a time, on a descriptor that the owner's loop watches as it watches the link.
 */
struct tool_images {
	/* The socket that image_service_start() gave, started by now; borrowed. Or a negative errno. */
	int (*service)(void *arg, struct error *err);
	/* From now on call tool_session_image_event() when poll(2) would report events of fd. events 0:
	 * no more, fd is about to be closed. */
	void (*watch)(void *arg, int fd, short events);
	void *arg;
};

/*
 * Where elevated commands go when it takes a question: the gateway's broker has to allow each, and
 * perhaps a person. arg is host_arg of the session.
 */
struct tool_host_ops {
	/* May this SPAWN (a frame's payload, valid during the call) run on the host? call_arg: the arg
	 * of the call. The answer comes later, by tool_call_host(). */
	void (*ask)(void *arg, void *call_arg, struct tool_call *call, struct wire_bytes payload);
	/* The call ended without the answer. */
	void (*forget)(void *arg, void *call_arg);
	/* The link that the answer brought is not used any more. It may be at work in a callback: to be
	 * freed later. */
	void (*release)(void *arg, struct link *link);
};

/* A browser whose sandbox is open. Borrowed, until tool_session_browser_lost() or the session's end;
 * its owner pumps its link and tells it the time. */
struct browser;
struct tool_browser_place {
	struct browser *browser;
	const struct decision *decision; /* the browser's own: settings, workdir */
};
/* place NULL: TOOL_FAIL_* and a sentence. */
typedef void (*tool_browser_opened_fn)(void *context, const struct tool_browser_place *place,
	const char *failure, const char *message);

/* Where a session gets its browser from. */
struct tool_browser_source {
	void *arg;
	/* Bring its sandbox up, or say why not. opened comes once, perhaps before this returns, never
	 * after the session is gone. control: "host" or a DevTools address, a browser outside of the sandbox;
	 * whether that is allowed is for who opens it to say. NULL: the sandbox's. */
	void (*open)(void *arg, const char *control, tool_browser_opened_fn opened, void *context);
	/* It never became reachable, and the sandbox is to be removed; or, one outside, is not used any
	 * more. Its link may be freed, later. */
	void (*discard)(void *arg, const char *control);
};

/* Something was refused: by policy, to a file tool, or to a command, which may still run. */
struct tool_denied {
	const char *tool; /* NULL: a name that no tool has */
	const char *process_id; /* of a command that has one */
	void *call_arg; /* of struct tool_call_opts, when a call waits; NULL: none does */
	const json_t *row; /* of details.denied; borrowed */
};
typedef void (*tool_denied_fn)(void *arg, const struct tool_denied *denied);

struct tool_session_opts {
	struct link *link; /* borrowed; must outlive the session */
	struct link *host_link; /* borrowed; where elevated exec runs; NULL: it cannot */
	const struct tool_host_ops *host; /* instead of host_link; NULL: none; borrowed */
	void *host_arg;
	const struct decision *decision; /* borrowed; whose sandbox this is */
	const char *backend_name, *container; /* for details.sandbox; copied */
	bool may_background; /* false: the sandbox ends with the call (one-shot), or process is denied */
	bool no_sync; /* files are not flushed to the disk: faster, and lost in a power cut */
	struct denials *denials; /* borrowed; NULL: only what commands themselves say is told */
	tool_denied_fn denied; /* hears of each refusal when it is known; NULL: nobody */
	void *denied_arg;
	const struct tool_images *images; /* borrowed; NULL: images over the limits are refused */
	const struct tool_browser_source *browsers; /* borrowed; NULL: there is none here */
};

/* What tools remember between calls in one sandbox: background processes above all. */
struct tool_session *tool_session_new(const struct tool_session_opts *opts);
/* Ends running calls as aborted (their done comes), forgets the processes; NULL ok. */
struct tool_session *tool_session_free(struct tool_session *session);

/* CLOCK_MONOTONIC ns of the next thing that is due, or UINT64_MAX. */
uint64_t tool_session_deadline(const struct tool_session *session);
void tool_session_tick(struct tool_session *session, uint64_t now_ns);

/* What struct tool_images asked to be told. */
void tool_session_image_event(struct tool_session *session);

/* The link died: every call that needs it fails with why. Later calls fail at once. */
void tool_session_lost(struct tool_session *session, const struct error *why);

/* Whose session a process is of that link_list() found; heap memory, NULL: of none, it may be forgotten. */
char *tool_tag_session(struct wire_bytes tag);
/* Take one back that an earlier gateway started in this session: it is a background process. */
int tool_session_adopt(
	struct tool_session *session, const struct wire_process *found, struct error *err);

/* Has everything come that adopted processes had written by then? */
bool tool_session_is_settled(const struct tool_session *session);

/* The browser is about to go: its calls end. control: as in open(). */
void tool_session_browser_lost(
	struct tool_session *session, const char *control, const struct error *why);

/* Background processes that still run: what keeps a sandbox from being recreated (contract D12). */
size_t tool_session_running(const struct tool_session *session);

/* A call, or any process that was started here. */
bool tool_session_is_at_work(const struct tool_session *session);
/* Processes, ended ones too, that `process` still answers about. */
bool tool_session_has_processes(const struct tool_session *session);

typedef void (*tool_done_fn)(void *arg, struct tool_result *result);
/* Progress while a command runs: raw bytes of the merged output. */
typedef void (*tool_progress_fn)(void *arg, const char *data, size_t len);

struct tool_call_opts {
	const struct tool_verdict *verdict; /* what policy says of this tool; NULL: allowed */
	const struct decision
		*decision; /* with this call's sender; NULL: the session's; borrowed */
	tool_done_fn done; /* exactly once, perhaps before the start returns */
	tool_progress_fn progress; /* may be NULL */
	void *arg;
};

/*
 * Start one call. The result passed to done belongs to the callee (tool_result_finish()). args may
 * be any JSON; aliases of parameters are resolved here. Returns the call for tool_call_abort(), NULL
 * when done has been called already; the pointer is dead once done was called. done may start
 * other calls; it must not free the session.
 */
struct tool_call *tool_call_start(struct tool_session *session, const char *name,
	const json_t *args, const struct tool_call_opts *opts);
/* The answer to tool_host_ops.ask: a link that takes that SPAWN, not ready yet; or NULL and why not. */
void tool_call_host(struct tool_call *call, struct link *link, const char *type, const char *why);
/* The caller lost interest: kills what runs (unless already in the background). done still comes,
 * perhaps before this returns. */
void tool_call_abort(struct tool_call *call);

#endif
