/* SPDX-License-Identifier: MIT */
/* Processes of a session: their events, their output, their end. */
#include "tools/process_table.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/macro.h"
#include "base/mem.h"
#include "base/own.h"
#include "tools/denied_command.h"
#include "tools/recover.h"
#include "tools/slug.h"

/* How often a background process is granted another window of output: with a window of 1 MiB one
 * that prints without end costs at most 20 MiB/s here. */
#define GRANT_NS (50 * NS_PER_MS)

enum {
	STDIN_QUEUE_MAX = 1024 * 1024,
	/* Output kept for one session; many processes share it, each keeps OUTPUT_LEAST in any case. */
	SESSION_OUTPUT_MAX = 64 * 1024 * 1024,
	OUTPUT_LEAST = 64 * 1024,
};

static int64_t wall_clock_ms(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void process_free(struct tool_process *process)
{
	const struct tool_session *session = process->session;

	if (process->owns_link) {
		session->host->release(session->host_arg, process->link);
	}
	json_decref(process->denied);
	output_finish(&process->out);
	buf_finish(&process->stdin_queue);
	free(process->id);
	free(process->slug);
	free(process->command);
	free(process->name);
	free(process->cwd);
	free(process->fail_text);
	free(process);
}

/* Tell every watcher once. Any of them may end its call, which takes it off the list, and whoever
 * learns of that may drop the process: callers must not touch it afterwards. */
static void notify(struct tool_process *process)
{
	uint64_t round = ++process->session->rounds;
	struct tool_call *call = process->watchers;

	process->notifying++;
	while (call != NULL) {
		if (call->round == round) {
			call = call->next_watcher;
			continue;
		}
		call->round = round;
		call->on_process(call);
		call = process->watchers;
	}
	process->notifying--;
	if (process->dropped && process->notifying == 0) {
		process_free(process);
	}
}

static void set_ended(struct tool_process *process)
{
	if (process->ended) {
		return;
	}
	process->ended = true;
	process->stdin_open = false;
	process->ended_ns = clock_now_ns();
	process->ended_ms = wall_clock_ms();
	process->grant_ns = UINT64_MAX;
	buf_finish(&process->stdin_queue);
}

static void flush_stdin(struct tool_process *process)
{
	struct buf *queue = &process->stdin_queue;

	if (queue->len > 0) {
		buf_consume(
			queue, link_stdin(process->link, process->stream, queue->data, queue->len));
	}
	if (queue->len == 0 && process->stdin_eof && process->stdin_open) {
		process->stdin_open = false;
		link_stdin_eof(process->link, process->stream);
	}
}

static void on_spawned(void *arg, uint32_t pid)
{
	struct tool_process *process = arg;

	process->spawned = true;
	process->pid = pid;
	notify(process);
}

static void on_output(
	void *arg, enum wire_channel channel, uint64_t offset, const uint8_t *data, size_t len)
{
	struct tool_process *process = arg;

	output_add(&process->out, offset, data, len);
	for (struct tool_call *call = process->watchers; call != NULL; call = call->next_watcher) {
		if (call->progress != NULL && !process->background) {
			call->progress(call->arg, (const char *)data, len);
		}
	}
	if (process->background) {
		process->to_grant += len;
		if (process->grant_ns == UINT64_MAX) {
			process->grant_ns = clock_after_ns(GRANT_NS);
		}
	} else {
		link_consumed(process->link, process->stream, channel, len);
	}
	notify(process);
}

static void grant(struct tool_process *process)
{
	size_t bytes = process->to_grant;

	process->to_grant = 0;
	process->grant_ns = UINT64_MAX;
	if (bytes > 0) {
		link_consumed(process->link, process->stream, WIRE_STDOUT, bytes);
	}
}

static void on_stdin_room(void *arg, size_t bytes)
{
	struct tool_process *process = arg;

	(void)bytes;
	flush_stdin(process);
	notify(process);
}

static void on_exited(void *arg, const struct wire_exited *exited)
{
	struct tool_process *process = arg;

	process->exited = true;
	process->exit = *exited;
	output_skip_to(&process->out, exited->out_bytes);
	denied_look_last(process);
	set_ended(process);
	notify(process);
}

static void on_failed(void *arg, const struct wire_failed *failed)
{
	struct tool_process *process = arg;

	process->failed = true;
	process->fail_stage = failed->stage;
	process->fail_errnum = failed->errnum;
	free(process->fail_text);
	process->fail_text = xstrndup((const char *)failed->text.data, failed->text.len);
	denied_look_last(process);
	set_ended(process);
	notify(process);
}

static void on_lost(void *arg, const struct error *why)
{
	struct tool_process *process = arg;

	if (process->ended) {
		return;
	}
	process->failed = !process->exited;
	process->fail_stage = 0;
	process->fail_errnum = (uint32_t)why->num;
	free(process->fail_text);
	process->fail_text = xasprintf("the sandbox is gone: %s", why->text);
	set_ended(process);
	notify(process);
}

/* Of one that was adopted: what the ring has lost already is counted as lost. */
static void on_attached(void *arg, const struct wire_process *found)
{
	struct tool_process *process = arg;

	process->spawned = true;
	process->pid = found->pid;
	output_skip_to(&process->out, found->out_first);
	notify(process);
}

static const struct link_process_ops process_ops = {
	.spawned = on_spawned,
	.output = on_output,
	.stdin_room = on_stdin_room,
	.exited = on_exited,
	.failed = on_failed,
	.lost = on_lost,
	.attached = on_attached,
};

static size_t output_max(const struct tool_session *session)
{
	size_t share = SESSION_OUTPUT_MAX / (session->process_count + 1);
	size_t most = LIMIT_RING_DEFAULT;

	if (session->decision != NULL && session->decision->spec.ring_bytes > 0) {
		most = (size_t)session->decision->spec.ring_bytes;
	}
	most = most > LIMIT_RING_MAX ? LIMIT_RING_MAX : most;
	most = most < share ? most : share;
	return most > OUTPUT_LEAST ? most : OUTPUT_LEAST;
}

static void table_add(struct tool_session *session, struct tool_process *process)
{
	process->next = session->processes;
	if (session->processes != NULL) {
		session->processes->prev = process;
	}
	session->processes = process;
	session->process_count++;
}

/* Make room by dropping the oldest that has ended. */
static int table_make_room(struct tool_session *session, struct error *err)
{
	struct tool_process *oldest = NULL;

	if (session->process_count < TOOL_MAX_PROCESSES) {
		return 0;
	}
	for (struct tool_process *p = session->processes; p != NULL; p = p->next) {
		oldest = p->ended && p->watchers == NULL ? p : oldest;
	}
	if (oldest == NULL) {
		return error_plain(err, EAGAIN,
			"%d processes run in this sandbox already, end one with the process tool",
			TOOL_MAX_PROCESSES);
	}
	process_drop(oldest);
	return 0;
}

static bool id_taken(const void *arg, const char *slug)
{
	const struct tool_session *session = arg;

	for (const struct tool_process *p = session->processes; p != NULL; p = p->next) {
		if ((p->id != NULL && strcmp(p->id, slug) == 0) ||
			(p->slug != NULL && strcmp(p->slug, slug) == 0)) {
			return true;
		}
	}
	return false;
}

int process_start(struct tool_session *session, struct link *link, const struct wire_spawn *spawn,
	const char *command, struct tool_process **ret, struct error *err)
{
	struct wire_spawn tagged = *spawn;
	_cleanup_free_ char *tag = NULL;
	struct tool_process *process;
	int r = table_make_room(session, err);

	if (r < 0) {
		return r;
	}
	process = xcalloc(1, sizeof(*process));
	*process = (struct tool_process){
		.session = session,
		.link = link,
		.command = xstrdup(command),
		.name = slug_command_name(command),
		.cwd = xstrdup(spawn->cwd != NULL ? spawn->cwd : "/"),
		.stdin_open = (spawn->flags & WIRE_SPAWN_STDIN) != 0,
		.pty = (spawn->flags & WIRE_SPAWN_PTY) != 0,
		.started_ns = clock_now_ns(),
		.started_ms = wall_clock_ms(),
		.grant_ns = UINT64_MAX,
	};
	output_init(&process->out, output_max(session));
	/* Only what may stay behind needs a name that is known to the sandbox. */
	if (session->may_background && spawn->tag == NULL) {
		process->slug = slug_new(id_taken, session);
		tag = recover_tag(session, process);
		tagged.tag = tag;
	}
	r = link_spawn(link, &tagged, &process_ops, process, &process->stream, err);
	if (r < 0) {
		process_free(process);
		return r;
	}
	if (denied_deadline(session) == UINT64_MAX) {
		session->looked_ns = process->started_ns; /* the first that runs */
	}
	table_add(session, process);
	*ret = process;
	return 0;
}

int process_adopt(
	struct tool_session *session, const struct process_found *found, struct error *err)
{
	int64_t ran_ms = wall_clock_ms() - found->started_ms;
	struct tool_process *process;
	int r = table_make_room(session, err);

	if (r < 0) {
		return r;
	}
	/* The sandbox says when it was: what cannot be is not believed. */
	ran_ms = (uint64_t)ran_ms < clock_now_ns() / NS_PER_MS ? ran_ms : 0;
	process = xcalloc(1, sizeof(*process));
	*process = (struct tool_process){
		.session = session,
		.link = session->link,
		.stream = found->stream,
		.pid = found->pid,
		.id = id_taken(session, found->id) ? slug_new(id_taken, session)
						   : xstrdup(found->id),
		.command = xstrdup(found->command),
		.name = slug_command_name(found->command),
		.cwd = xstrdup(found->cwd),
		.stdin_open = true,
		.pty = found->pty,
		.background = true,
		.told_end = found->out_end,
		.started_ns = clock_now_ns() - (ran_ms > 0 ? (uint64_t)ran_ms * NS_PER_MS : 0),
		.started_ms = found->started_ms,
		.grant_ns = UINT64_MAX,
	};
	output_init(&process->out, output_max(session));
	r = link_attach(session->link, found->stream, 0, 0, &process_ops, process, err);
	if (r < 0) {
		process_free(process);
		return r;
	}
	table_add(session, process);
	return 0;
}

void process_drop(struct tool_process *process)
{
	struct tool_session *session = process->session;

	if (!process->ended) {
		process->killed = true;
		set_ended(process);
	}
	if (!session->lost) {
		link_forget(process->link, process->stream);
	}
	if (process->prev != NULL) {
		process->prev->next = process->next;
	} else {
		session->processes = process->next;
	}
	if (process->next != NULL) {
		process->next->prev = process->prev;
	}
	session->process_count--;
	process->dropped = true;
	notify(process); /* frees it */
}

void process_kill(struct tool_process *process)
{
	if (process->ended || process->killed) {
		return;
	}
	process->killed = true;
	link_signal(process->link, process->stream, SIGTERM, WIRE_SIGNAL_END);
}

void process_name(struct tool_process *process)
{
	if (process->id == NULL) {
		process->id = process->slug != NULL ? TAKE_PTR(process->slug)
						    : slug_new(id_taken, process->session);
	}
}

struct tool_process *process_find(const struct tool_session *session, const char *id)
{
	for (struct tool_process *p = session->processes; p != NULL; p = p->next) {
		if (p->id != NULL && strcmp(p->id, id) == 0) {
			return p;
		}
	}
	return NULL;
}

int process_write(struct tool_process *process, const void *data, size_t len)
{
	if (!process->stdin_open || process->stdin_eof) {
		return -EPIPE;
	}
	if (len > STDIN_QUEUE_MAX - process->stdin_queue.len) {
		return -ENOBUFS;
	}
	buf_add(&process->stdin_queue, data, len);
	flush_stdin(process);
	return 0;
}

void process_write_eof(struct tool_process *process)
{
	/* A terminal takes VEOF any number of times, and what is typed after it. */
	if (process->pty) {
		(void)process_write(process, "\x04", 1);
		return;
	}
	process->stdin_eof = true;
	flush_stdin(process);
}

void process_watch(struct tool_call *call, struct tool_process *process)
{
	call->process = process;
	call->next_watcher = process->watchers;
	process->watchers = call;
}

void process_unwatch(struct tool_call *call)
{
	struct tool_call **at;

	if (call->process == NULL) {
		return;
	}
	at = &call->process->watchers;
	while (*at != NULL && *at != call) {
		at = &(*at)->next_watcher;
	}
	if (*at == call) {
		*at = call->next_watcher;
	}
	call->process = NULL;
	call->next_watcher = NULL;
}

const char *process_status(const struct tool_process *process)
{
	if (!process->ended) {
		return "running";
	}
	return process->exited && process->exit.code == 0 && process->exit.signal == 0 &&
			       !process->exit.timed_out
		       ? "completed"
		       : "failed";
}

const char *process_signal_name(const struct tool_process *process)
{
	static const struct {
		int number;
		const char *name;
	} names[] = {
		{SIGHUP, "SIGHUP"},
		{SIGINT, "SIGINT"},
		{SIGQUIT, "SIGQUIT"},
		{SIGILL, "SIGILL"},
		{SIGTRAP, "SIGTRAP"},
		{SIGABRT, "SIGABRT"},
		{SIGBUS, "SIGBUS"},
		{SIGFPE, "SIGFPE"},
		{SIGKILL, "SIGKILL"},
		{SIGUSR1, "SIGUSR1"},
		{SIGSEGV, "SIGSEGV"},
		{SIGUSR2, "SIGUSR2"},
		{SIGPIPE, "SIGPIPE"},
		{SIGALRM, "SIGALRM"},
		{SIGTERM, "SIGTERM"},
		{SIGXCPU, "SIGXCPU"},
		{SIGXFSZ, "SIGXFSZ"},
		{SIGSYS, "SIGSYS"},
	};

	if (!process->exited || process->exit.signal == 0) {
		return process->ended && process->killed && !process->exited ? "SIGKILL" : NULL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (names[i].number == process->exit.signal) {
			return names[i].name;
		}
	}
	return "a signal without a name";
}

static uint64_t cleanup_ns(const struct tool_session *session)
{
	return (uint64_t)setting_exec_int(
		       session->decision, "cleanupMs", 1800000, 60000, 10800000) *
	       NS_PER_MS;
}

static uint64_t process_deadline(const struct tool_process *process, uint64_t keep_ns)
{
	uint64_t next = process->grant_ns;

	if (process->ended && process->watchers == NULL) {
		uint64_t gone = process->ended_ns + keep_ns;

		next = gone < next ? gone : next;
	}
	return next;
}

uint64_t process_table_deadline(const struct tool_session *session)
{
	uint64_t next = denied_deadline(session);
	uint64_t keep_ns;

	if (session->processes == NULL) {
		return next;
	}
	keep_ns = cleanup_ns(session);
	for (const struct tool_process *p = session->processes; p != NULL; p = p->next) {
		uint64_t due = process_deadline(p, keep_ns);

		next = due < next ? due : next;
	}
	return next;
}

static struct tool_process *first_due(
	const struct tool_session *session, uint64_t now_ns, uint64_t keep_ns)
{
	struct tool_process *p = session->processes;

	while (p != NULL && process_deadline(p, keep_ns) > now_ns) {
		p = p->next;
	}
	return p;
}

static void process_tick(struct tool_process *process, uint64_t now_ns)
{
	if (process->grant_ns <= now_ns) {
		grant(process);
	} else {
		process_drop(process);
	}
}

void process_table_tick(struct tool_session *session, uint64_t now_ns)
{
	uint64_t keep_ns = cleanup_ns(session);
	struct tool_process *process;

	denied_tick(session, now_ns);
	/* From the head again each time: telling watchers may change the table. Each round takes one
	 * due thing away, so this comes to an end. */
	while ((process = first_due(session, now_ns, keep_ns)) != NULL) {
		process_tick(process, now_ns);
	}
}
