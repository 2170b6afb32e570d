/* SPDX-License-Identifier: MIT */
/*
 * The processes that a session knows: spawned by exec, looked after by process. Each keeps the end of
 * its output here; creel-init keeps its own ring for a reconnect.
 */
#ifndef TOOLS_PROCESS_TABLE_H
#define TOOLS_PROCESS_TABLE_H

#include "tools/internal.h"
#include "tools/output.h"

struct tool_process {
	struct tool_session *session;
	struct tool_process *prev, *next; /* of struct tool_session, by processes; newest first */
	struct link *link;
	bool owns_link; /* of the session's host: released with the process */
	uint32_t stream, pid;
	char *id; /* owned; NULL until it goes to the background or is kept for reading */
	char *slug; /* what it will be called by then; NULL: it has no name set aside */
	char *command, *name, *cwd;
	struct output out;
	struct buf stdin_queue; /* waits for room at the process */
	bool stdin_open, stdin_eof; /* eof: to be closed when the queue is empty */
	bool pty, background, spawned;
	bool exited; /* exit is valid */
	bool ended; /* nothing more will come: exited, failed, dropped or lost */
	bool failed; /* it never ran: fail_stage, fail_errnum, fail_text */
	bool killed; /* by us */
	struct wire_exited exit;
	uint32_t fail_stage, fail_errnum;
	char *fail_text;
	uint64_t started_ns, ended_ns;
	int64_t started_ms, ended_ms; /* CLOCK_REALTIME */
	size_t to_grant; /* output credit kept back while in the background */
	uint64_t grant_ns;
	uint64_t poll_offset, poll_missing; /* of out: what poll has shown and told */
	unsigned empty_polls;
	struct tool_call *watchers; /* by next_watcher */
	unsigned notifying; /* watchers are being told: dropping frees it only afterwards */
	bool dropped; /* out of the table */
	uint64_t told_end; /* of one that was adopted: the output that there was by then */
	json_t *denied; /* rows, each kind once; NULL: none so far */
};

/* Spawn. The process belongs to the session's table. spawn->cwd is copied for display. */
int process_start(struct tool_session *session, struct link *link, const struct wire_spawn *spawn,
	const char *command, struct tool_process **ret, struct error *err);

/* One that an earlier connection left in the sandbox. */
struct process_found {
	uint32_t stream, pid;
	const char *id, *command, *cwd; /* copied */
	bool pty;
	int64_t started_ms; /* CLOCK_REALTIME */
	uint64_t out_end; /* what its ring held up to */
};
/* Into the table, in the background, under its name if that is free; its output comes again. */
int process_adopt(
	struct tool_session *session, const struct process_found *found, struct error *err);

/* Forget it: the tree is killed when it runs; watchers are told by on_process with dropped and ended
 * set, and must end or let go of it. */
void process_drop(struct tool_process *process);

/* TERM to the tree now, KILL after 3 s (contract D10). */
void process_kill(struct tool_process *process);

/* Give it an id, so that the process tool can find it. */
void process_name(struct tool_process *process);
struct tool_process *process_find(const struct tool_session *session, const char *id);

/* Queue bytes for its stdin. -EPIPE: not open; -ENOBUFS: too much waits already, nothing taken. */
int process_write(struct tool_process *process, const void *data, size_t len);
void process_write_eof(struct tool_process *process);

/* call->on_process() is called whenever something happened to the process. */
void process_watch(struct tool_call *call, struct tool_process *process);
void process_unwatch(struct tool_call *call);

/* "running", "completed" (exit code 0) or "failed". */
const char *process_status(const struct tool_process *process);
/* "SIGTERM"; NULL: no signal ended it. */
const char *process_signal_name(const struct tool_process *process);

uint64_t process_table_deadline(const struct tool_session *session);
void process_table_tick(struct tool_session *session, uint64_t now_ns);

#endif
