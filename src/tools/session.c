/* SPDX-License-Identifier: MIT */
/* A session of tool calls in one sandbox: starts calls, ends them, tells them the time. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/own.h"
#include "tools/args.h"
#include "tools/browser_call.h"
#include "tools/denied.h"
#include "tools/internal.h"
#include "tools/process_table.h"

struct tool_session *tool_session_new(const struct tool_session_opts *opts)
{
	struct tool_session *session = xcalloc(1, sizeof(*session));

	*session = (struct tool_session){
		.link = opts->link,
		.host_link = opts->host_link,
		.host = opts->host,
		.host_arg = opts->host_arg,
		.decision = opts->decision,
		.backend_name = opts->backend_name != NULL ? xstrdup(opts->backend_name) : NULL,
		.container = opts->container != NULL ? xstrdup(opts->container) : NULL,
		.may_background = opts->may_background,
		.no_sync = opts->no_sync,
		.denials = opts->denials,
		.denied = opts->denied,
		.denied_arg = opts->denied_arg,
		.images = opts->images,
		.browsers = opts->browsers,
	};
	return session;
}

struct tool_session *tool_session_free(struct tool_session *session)
{
	if (session == NULL) {
		return NULL;
	}
	session->closing = true;
	while (session->calls != NULL) {
		call_fail(session->calls, TOOL_FAIL_ABORTED, "the session ended", NULL, NULL);
	}
	while (session->processes != NULL) {
		process_drop(session->processes);
	}
	tool_browser_free(session);
	free(session->backend_name);
	free(session->container);
	free(session);
	return NULL;
}

uint64_t tool_session_deadline(const struct tool_session *session)
{
	uint64_t next = process_table_deadline(session);

	for (const struct tool_call *call = session->calls; call != NULL; call = call->next) {
		next = call->deadline_ns < next ? call->deadline_ns : next;
	}
	return next;
}

static struct tool_call *first_due(const struct tool_session *session, uint64_t now_ns)
{
	struct tool_call *call = session->calls;

	while (call != NULL && call->deadline_ns > now_ns) {
		call = call->next;
	}
	return call;
}

void tool_session_tick(struct tool_session *session, uint64_t now_ns)
{
	struct tool_call *call;

	process_table_tick(session, now_ns);
	/* From the head again each time: a tick may end any call. Each due call gets a later deadline
	 * or ends, so this comes to an end. */
	while ((call = first_due(session, now_ns)) != NULL) {
		call->deadline_ns = UINT64_MAX;
		call->tick(call, now_ns);
	}
}

void tool_session_lost(struct tool_session *session, const struct error *why)
{
	if (session->lost) {
		return;
	}
	session->lost = true;
	session->lost_why = *why;
	while (session->calls != NULL) {
		call_failf(session->calls, TOOL_FAIL_UNAVAILABLE, "the sandbox is gone: %s",
			why->text);
	}
}

bool tool_session_is_settled(const struct tool_session *session)
{
	for (const struct tool_process *p = session->processes; p != NULL; p = p->next) {
		if (!p->ended && (p->out.end < p->told_end || (p->background && !p->spawned))) {
			return false;
		}
	}
	return true;
}

size_t tool_session_running(const struct tool_session *session)
{
	size_t count = 0;

	for (const struct tool_process *p = session->processes; p != NULL; p = p->next) {
		count += p->background && !p->ended;
	}
	return count;
}

bool tool_session_has_processes(const struct tool_session *session)
{
	return session->processes != NULL;
}

bool tool_session_is_at_work(const struct tool_session *session)
{
	const struct tool_process *p = session->processes;

	while (p != NULL && p->ended) {
		p = p->next;
	}
	return session->calls != NULL || p != NULL;
}

static struct tool_call *call_new(struct tool_session *session, const struct tool_call_opts *opts)
{
	struct tool_call *call = xcalloc(1, sizeof(*call));

	*call = (struct tool_call){
		.session = session,
		.next = session->calls,
		.decision = opts->decision != NULL ? opts->decision : session->decision,
		.done = opts->done,
		.progress = opts->progress,
		.arg = opts->arg,
		.started_ns = clock_now_ns(),
		.deadline_ns = UINT64_MAX,
	};
	if (session->calls != NULL) {
		session->calls->prev = call;
	}
	session->calls = call;
	session->call_count++;
	return call;
}

static void call_free(struct tool_call *call)
{
	struct tool_session *session = call->session;

	if (call->ended != NULL) {
		*call->ended = true;
	}
	if (call->asking) {
		session->host->forget(session->host_arg, call->arg);
	}
	process_unwatch(call);
	if (call->prev != NULL) {
		call->prev->next = call->next;
	} else {
		session->calls = call->next;
	}
	if (call->next != NULL) {
		call->next->prev = call->prev;
	}
	session->call_count--;
	if (call->free_state != NULL) {
		call->free_state(call->state);
	}
	json_decref(call->args);
	buf_finish(&call->warnings);
	free(call);
}

/* false: the call has ended, as a failure. */
static bool call_admit(struct tool_call *call, const char *name, const struct tool_call_opts *opts)
{
	const struct tool_session *session = call->session;

	call->tool = tool_by_name(name);
	if (opts->verdict != NULL && !opts->verdict->allowed) {
		denied_by_policy(call, name, opts->verdict);
		return false;
	}
	if (call->tool == NULL) {
		call_failf(call, TOOL_FAIL_NOT_FOUND, "there is no tool '%.64s'", name);
		return false;
	}
	if (!tool_is_offered(call->tool, call->decision)) {
		denied_by_access(call);
		return false;
	}
	if (session->lost) {
		call_failf(call, TOOL_FAIL_UNAVAILABLE, "the sandbox is gone: %s",
			session->lost_why.text);
		return false;
	}
	if (session->call_count > TOOL_MAX_CALLS) {
		call_failf(call, TOOL_FAIL_UNAVAILABLE,
			"%d calls are at work here already, wait for one", TOOL_MAX_CALLS);
		return false;
	}
	return true;
}

struct tool_call *tool_call_start(struct tool_session *session, const char *name,
	const json_t *args, const struct tool_call_opts *opts)
{
	struct tool_call *call = call_new(session, opts);
	bool ended = false;
	struct error err;
	int r;

	call->ended = &ended;
	if (!call_admit(call, name, opts)) {
		return NULL;
	}
	r = args_normalize(args, &call->args, &err);
	if (r == 0) {
		r = call->tool->start(call, call->args, &err);
	}
	if (ended) {
		return NULL;
	}
	call->ended = NULL;
	if (r < 0) {
		/* E2BIG: what was given does not fit into a request. */
		call_fail(call,
			r == -EINVAL || r == -E2BIG ? TOOL_FAIL_ARGUMENTS
			: r == -EAGAIN              ? TOOL_FAIL_UNAVAILABLE /* it does not read */
						    : TOOL_FAIL_FAILED,
			err.text, NULL, NULL);
		return NULL;
	}
	return call;
}

void tool_call_host(struct tool_call *call, struct link *link, const char *type, const char *why)
{
	call->asking = false;
	call->on_host_answer(call, link, type, why);
}

void tool_call_abort(struct tool_call *call)
{
	if (call->aborted) {
		return;
	}
	call->aborted = true;
	if (call->tool == NULL || call->tool->abort == NULL) {
		call_fail(call, TOOL_FAIL_ABORTED, "the call was aborted", NULL, NULL);
		return;
	}
	call->tool->abort(call);
}

static void add_sandbox_details(const struct tool_call *call, json_t *details)
{
	const struct tool_session *session = call->session;
	uint64_t ms = (clock_now_ns() - call->started_ns) / NS_PER_MS;

	if (session->backend_name == NULL || call->decision == NULL || !call->decision->sandboxed ||
		call->on_host) {
		return;
	}
	(void)json_object_set_new(details, "sandbox",
		json_pack("{s:s, s:s?, s:I}", "backend", session->backend_name, "container",
			session->container, "durationMs", (json_int_t)ms));
}

static void call_end(struct tool_call *call, struct tool_result *result)
{
	tool_done_fn done = call->done;
	void *arg = call->arg;

	if (result->details == NULL) {
		result->details = json_object();
	}
	add_sandbox_details(call, result->details);
	call_free(call);
	done(arg, result);
}

void call_finish(struct tool_call *call, json_t *content, json_t *details)
{
	struct tool_result result = {.content = content, .details = details};

	call_end(call, &result);
}

void call_finish_text(struct tool_call *call, const char *text, size_t len, json_t *details)
{
	_cleanup_buf_ struct buf all = {0};

	if (call->warnings.len == 0) {
		call_finish(call, result_text(text, len), details);
		return;
	}
	buf_add(&all, call->warnings.data, call->warnings.len);
	buf_add_char(&all, '\n');
	buf_add(&all, text, len);
	call_finish(call, result_text(all.data, all.len), details);
}

void call_fail(struct tool_call *call, const char *type, const char *message, const char *hint,
	json_t *details)
{
	struct tool_result result = {.details = details};

	result.failure.type = type;
	result.failure.message = call->warnings.len > 0
					 ? xasprintf("%s\n%s", call->warnings.data, message)
					 : xstrdup(message);
	result.failure.hint = hint != NULL ? xstrdup(hint) : NULL;
	call_end(call, &result);
}

void call_failf(struct tool_call *call, const char *type, const char *fmt, ...)
{
	_cleanup_buf_ struct buf text = {0};
	va_list args;

	va_start(args, fmt);
	buf_vaddf(&text, fmt, args);
	va_end(args);
	call_fail(call, type, text.data, NULL, NULL);
}

void call_warnf(struct tool_call *call, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	buf_vaddf(&call->warnings, fmt, args);
	va_end(args);
	buf_add_char(&call->warnings, '\n');
}
