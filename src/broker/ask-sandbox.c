/* SPDX-License-Identifier: MIT */
#include "broker/ask-sandbox.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "broker/audit.h"
#include "broker/lifecycle-list.h"
#include "tools/tool.h"

enum { AUDIT_ROWS_DEFAULT = 100, AUDIT_ROWS_MAX = 1000 };

/* What is asked, in the child's copy of the broker's memory. */
struct job {
	struct request *request;
	json_t *args;
	bool (*picks)(const struct job *job, const struct lifecycle_sandbox *sandbox);
};

static const char *arg_text(const json_t *args, const char *name)
{
	return json_string_value(json_object_get(args, name));
}

static bool is_kind(const struct job *job, const struct lifecycle_sandbox *s)
{
	bool browser = json_is_true(json_object_get(job->args, "browser"));

	return strcmp(s->row.kind, sandbox_kind_name(browser ? KIND_BROWSER : KIND_SANDBOX)) == 0;
}

/* Who is no administrator sees what is of an agent and a session of theirs alone: what is shared by more
 * is not. */
static bool may_see(const struct job *job, const struct lifecycle_sandbox *s)
{
	const struct principal *p = &job->request->principal;

	return p->admin || (s->row.agent != NULL && s->row.scope_key != NULL &&
				   principal_reaches_agent(p, s->row.agent) &&
				   principal_reaches_session(p, s->row.scope_key));
}

static bool open_list(struct worker_side *side, const struct job *job, struct lifecycle **ret,
	struct lifecycle_list *list)
{
	struct error err;

	if (lifecycle_open(job->request->broker->config, ret, &err) < 0) {
		worker_fail(side, TOOL_FAIL_UNAVAILABLE, &err);
		return false;
	}
	lifecycle_list(*ret, list);
	return true;
}

static void run_list(struct worker_side *side, void *arg)
{
	const struct job *job = arg;
	struct lifecycle_list list = {0};
	json_t *items = json_array();
	struct lifecycle *lifecycle;

	if (!open_list(side, job, &lifecycle, &list)) {
		return;
	}
	for (size_t i = 0; i < list.count; i++) {
		if (is_kind(job, &list.items[i]) && may_see(job, &list.items[i])) {
			(void)json_array_append_new(items, lifecycle_sandbox_json(&list.items[i]));
		}
	}
	worker_answer(side, json_pack("{s:o,s:s?}", "sandboxes", items, "warning", list.warning),
		NULL, 0);
}

void op_sandbox_list(struct request *request, json_t *args)
{
	struct job job = {.request = request, .args = args};

	request_work(request, run_list, &job, request_pass);
}

/* --- taking away --- */

static void run_remove(struct worker_side *side, void *arg)
{
	const struct job *job = arg;
	json_t *removed = json_array(), *failed = json_array();
	struct lifecycle_list list = {0};
	struct lifecycle *lifecycle;
	struct error err;

	if (!open_list(side, job, &lifecycle, &list)) {
		return;
	}
	for (size_t i = 0; i < list.count; i++) {
		const struct lifecycle_sandbox *s = &list.items[i];

		if (!is_kind(job, s) || !job->picks(job, s)) {
			continue;
		}
		/* Whatever runs in it, as on the command line: the front holds every one that was used. */
		if (lifecycle_remove(lifecycle, &s->row, false, &err) == 0) {
			(void)json_array_append_new(removed, json_string(s->row.name));
		} else {
			(void)json_array_append_new(failed,
				json_pack("{s:s,s:s}", "name", s->row.name, "message", err.text));
		}
	}
	worker_answer(side, json_pack("{s:o,s:o}", "removed", removed, "failed", failed), NULL, 0);
}

/* Those that went are nobody's any more: their streams have ended, or end now. */
static void on_removed(struct request *request, struct worker_reply *reply, enum worker_keep *keep)
{
	const json_t *removed = json_object_get(reply->json, "removed");

	for (size_t i = 0; i < json_array_size(removed); i++) {
		const char *name = json_string_value(json_array_get(removed, i));

		broker_record(request->broker, request, "remove",
			&(struct record_fields){.kind = "sandbox", .sandbox = name});
		front_event(request->broker, "sandbox.removed", json_pack("{s:s}", "name", name));
	}
	request_pass(request, reply, keep);
}

static bool picks_for_recreate(const struct job *job, const struct lifecycle_sandbox *s)
{
	const char *agent = arg_text(job->args, "agent"), *scope = s->row.scope_key;

	if (json_is_true(json_object_get(job->args, "all"))) {
		return true;
	}
	if (json_object_get(job->args, "session") != NULL) {
		return scope != NULL && strcmp(scope, job->request->ref.key) == 0;
	}
	return agent != NULL && s->row.agent != NULL &&
	       strcmp(s->row.agent, job->request->ref.agent_id) == 0;
}

void op_sandbox_recreate(struct request *request, json_t *args)
{
	struct job job = {.request = request, .args = args, .picks = picks_for_recreate};

	if (json_is_true(json_object_get(args, "all")) + (arg_text(args, "session") != NULL) +
			(arg_text(args, "agent") != NULL) !=
		1) {
		request_fail(request, TOOL_FAIL_ARGUMENTS,
			"say which: exactly one of all, sessionKey and agentId", NULL);
		return;
	}
	request_work(request, run_remove, &job, on_removed);
}

static void on_rm(struct request *request, struct worker_reply *reply, enum worker_keep *keep)
{
	if (reply->json != NULL && json_array_size(json_object_get(reply->json, "removed")) == 0 &&
		json_array_size(json_object_get(reply->json, "failed")) == 0) {
		request_fail(
			request, TOOL_FAIL_NOT_FOUND, "there is no sandbox of that name", NULL);
		return;
	}
	on_removed(request, reply, keep);
}

static bool picks_for_rm(const struct job *job, const struct lifecycle_sandbox *s)
{
	const char *name = arg_text(job->args, "name");

	return name != NULL && strcmp(name, s->row.name) == 0;
}

void op_sandbox_rm(struct request *request, json_t *args)
{
	struct job job = {.request = request, .args = args, .picks = picks_for_rm};

	request_work(request, run_remove, &job, on_rm);
}

static void tell_pruned(
	void *arg, const struct lifecycle_sandbox *sandbox, const struct error *failure)
{
	json_t *answer = arg;

	if (failure == NULL) {
		(void)json_array_append_new(
			json_object_get(answer, "removed"), json_string(sandbox->row.name));
	} else {
		(void)json_array_append_new(json_object_get(answer, "failed"),
			json_pack(
				"{s:s,s:s}", "name", sandbox->row.name, "message", failure->text));
	}
}

static void run_prune(struct worker_side *side, void *arg)
{
	const struct job *job = arg;
	struct lifecycle_list list = {0};
	struct lifecycle_pruned pruned;
	json_t *answer;
	struct lifecycle *lifecycle;

	if (!open_list(side, job, &lifecycle, &list)) {
		return;
	}
	answer = json_pack("{s:[],s:[]}", "removed", "failed");
	lifecycle_prune(lifecycle, &list, tell_pruned, answer, &pruned);
	(void)json_object_set_new(answer, "leftOvers", json_integer((json_int_t)pruned.swept));
	worker_answer(side, answer, NULL, 0);
}

void op_sandbox_prune(struct request *request, json_t *args)
{
	struct job job = {.request = request, .args = args};

	request_work(request, run_prune, &job, on_removed);
}

/* --- the audit log --- */

struct query {
	const char *session;
	json_int_t after, limit;
	json_t *rows;
};

static bool keep_row(void *arg, const char *text, size_t len, const json_t *row)
{
	struct query *query = arg;
	const char *session = arg_text(row, "session");

	(void)text;
	(void)len;
	if (json_integer_value(json_object_get(row, "seq")) > query->after &&
		(query->session == NULL ||
			(session != NULL && strcmp(session, query->session) == 0))) {
		(void)json_array_append(query->rows, (json_t *)(uintptr_t)row);
	}
	/* The newest: with after the ones that come next. */
	if ((json_int_t)json_array_size(query->rows) > query->limit) {
		if (query->after > 0) {
			(void)json_array_remove(query->rows, (size_t)query->limit);
			return false;
		}
		(void)json_array_remove(query->rows, 0);
	}
	return true;
}

static void run_query(struct worker_side *side, void *arg)
{
	const struct job *job = arg;
	const json_t *limit = json_object_get(job->args, "limit");
	struct query query = {
		.session = json_object_get(job->args, "session") != NULL ? job->request->ref.key
									 : NULL,
		.after = json_integer_value(json_object_get(job->args, "after")),
		.limit = json_is_integer(limit) ? json_integer_value(limit) : AUDIT_ROWS_DEFAULT,
		.rows = json_array(),
	};
	struct audit_position position = {0};
	struct error err;

	query.limit = query.limit < 1 ? 1 : query.limit;
	query.limit = query.limit > AUDIT_ROWS_MAX ? AUDIT_ROWS_MAX : query.limit;
	if (audit_read(job->request->broker->config->state_dir, &position, keep_row, &query, &err) <
		0) {
		worker_fail(side, TOOL_FAIL_FAILED, &err);
		return;
	}
	worker_answer(side, json_pack("{s:o}", "rows", query.rows), NULL, 0);
}

void op_audit_query(struct request *request, json_t *args)
{
	struct job job = {.request = request, .args = args};

	request_work(request, run_query, &job, request_pass);
}
