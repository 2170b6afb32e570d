/* SPDX-License-Identifier: MIT */
/* Operations by name (gateway/core.h says what each takes and gives): a table. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/host-view.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/mem.h"
#include "broker/ask-metrics.h"
#include "broker/ask-sandbox.h"
#include "broker/broker.h"
#include "policy/directive.h"
#include "policy/report.h"
#include "tools/tool.h"

static const char *arg_text(const json_t *args, const char *name)
{
	return json_string_value(json_object_get(args, name));
}

static void op_auth(struct request *r, json_t *args)
{
	json_t *agents = json_array(), *sessions = json_array();

	(void)args;
	for (size_t i = 0; i < r->principal.agents.count; i++) {
		(void)json_array_append_new(agents, json_string(r->principal.agents.items[i]));
	}
	for (size_t i = 0; i < r->principal.sessions.count; i++) {
		(void)json_array_append_new(sessions, json_string(r->principal.sessions.items[i]));
	}
	request_reply(r,
		json_pack("{s:s,s:b,s:b,s:o,s:o}", "name", r->principal.name, "admin",
			r->principal.admin, "elevated", r->principal.elevated, "agents", agents,
			"sessions", sessions),
		0, NULL, 0);
}

/* --- what may be called --- */

static json_t *offer(struct decision *d, const struct tool *tool, const json_t *verdict)
{
	json_t *entry = tool_describe(tool);
	bool allowed = json_is_true(json_object_get(verdict, "allowed"));
	bool offered = allowed && tool_is_offered(tool, d);
	json_t *reason = json_object_get(verdict, "reason");

	(void)json_object_set_new(entry, "offered", json_boolean(offered));
	if (!allowed) {
		(void)json_object_set(entry, "reason", reason);
	} else if (!offered) {
		(void)json_object_set_new(entry, "reason",
			json_string("the workspace is read-only (workspaceAccess ro)"));
	}
	return entry;
}

static void op_tools(struct request *r, json_t *args)
{
	struct request_decided decided;
	json_t *list = json_array(), *grant;
	struct error err;
	size_t count;
	const struct tool *const *table = tool_table(&count);

	(void)args;
	if (request_decide(r, NULL, &decided, &err) < 0) {
		json_decref(list);
		request_fail(r, TOOL_FAIL_ARGUMENTS, err.text, NULL);
		return;
	}
	grant = request_grant(r, &decided, NULL);
	for (size_t i = 0; i < count; i++) {
		(void)json_array_append_new(list,
			offer(decided.decision, table[i],
				json_object_get(json_object_get(grant, "tools"), table[i]->name)));
	}
	json_decref(grant);
	request_decided_finish(&decided);
	request_reply(r, list, 0, NULL, 0);
}

/* Looks at the host: in a worker. */
static void run_explain(struct worker_side *side, void *arg)
{
	struct request_decided *decided = arg;
	struct host_view *host = xcalloc(1, sizeof(*host));
	json_t *object;

	host_view_fill(decided->decision, host);
	object = report_explain(decided->decision, &host->report);
	(void)json_object_set_new(
		object, "directives", session_directives_json(&decided->directives));
	worker_answer(side, object, NULL, 0);
	free(host);
}

static void op_explain(struct request *r, json_t *args)
{
	struct request_decided decided;
	struct error err;

	(void)args;
	if (request_decide(r, NULL, &decided, &err) < 0) {
		request_fail(r, TOOL_FAIL_ARGUMENTS, err.text, NULL);
		return;
	}
	request_work(r, run_explain, &decided, request_pass);
	request_decided_finish(&decided);
}

/* --- sessions --- */

static json_t *visible_sessions(struct request *r, const char *key)
{
	json_t *all = sessions_list(r->broker->sessions, key), *some = json_array();

	for (size_t i = 0; i < json_array_size(all); i++) {
		json_t *session = json_array_get(all, i);

		if (principal_reaches_agent(&r->principal, arg_text(session, "agentId")) &&
			principal_reaches_session(&r->principal, arg_text(session, "key"))) {
			(void)json_array_append(some, session);
		}
	}
	json_decref(all);
	return some;
}

static void op_session_list(struct request *r, json_t *args)
{
	(void)args;
	request_reply(r, json_pack("{s:o}", "sessions", visible_sessions(r, NULL)), 0, NULL, 0);
}

static void op_session_get(struct request *r, json_t *args)
{
	json_t *found = visible_sessions(r, r->ref.key);
	json_t *session = json_incref(json_array_get(found, 0));

	(void)args;
	json_decref(found);
	if (session == NULL) {
		request_failf(r, TOOL_FAIL_NOT_FOUND, "there is no session '%s'", r->ref.key);
	} else {
		request_reply(r, session, 0, NULL, 0);
	}
}

static void op_session_end(struct request *r, json_t *args)
{
	struct error err;
	int ended = sessions_end(r->broker->sessions, r->ref.key, &err);

	(void)args;
	if (ended < 0) {
		request_fail(r, "internal", err.text, NULL);
		return;
	}
	front_forget(r->broker, r->ref.key);
	front_event(r->broker, "session.ended",
		json_pack("{s:s,s:s}", "agentId", r->ref.agent_id, "sessionKey", r->ref.key));
	broker_record(r->broker, r, "end", &(struct record_fields){.kind = "session"});
	request_reply(r, json_pack("{s:b}", "ended", ended > 0), 0, NULL, 0);
}

/*
 * Who may steer a session: an administrator, on behalf of nobody, of the owner, or of a sender whom
 * tools.elevated.allowFrom admits; with another token the sender alone counts.
 */
static bool may_direct(const struct request *r, const struct decision *d)
{
	const struct sender *s = &r->sender;
	bool known = s->id != NULL || s->from != NULL || s->e164 != NULL || s->name != NULL ||
		     s->username != NULL || s->tag != NULL;

	if (r->principal.admin && (!known || s->is_owner)) {
		return true;
	}
	for (size_t i = 0; i < d->elevated.failure_count; i++) {
		if (strcmp(d->elevated.failures[i].gate, "allowFrom") == 0) {
			return false;
		}
	}
	return known;
}

/* A word that lets commands out needs every gate; one that keeps them in does not. */
static const char *why_not(
	const struct request *r, const struct decision *d, const struct directives *given)
{
	if (!may_direct(r, d)) {
		return "directives are honoured only from authorised senders "
		       "(tools.elevated.allowFrom)";
	}
	if (given->level != NULL && strcmp(given->level, "off") != 0 &&
		(!d->elevated.allowed_by_config || d->elevated.failure_count > 0)) {
		return "elevated is not available for this session and sender";
	}
	return NULL;
}

static json_t *current_directives(struct request *r)
{
	struct session_directives now;
	json_t *json;

	sessions_directives(r->broker->sessions, r->ref.key, &now);
	json = session_directives_json(&now);
	session_directives_finish(&now);
	return json;
}

static void answer_directive(
	struct request *r, const struct directives *given, bool effective, const char *message)
{
	request_reply(r,
		json_pack("{s:b,s:s,s:o,s:s}", "effective", effective, "cleaned",
			given->cleaned != NULL ? given->cleaned : "", "directives",
			current_directives(r), "message", message),
		0, NULL, 0);
}

static void keep_directives(struct request *r, const struct directives *given)
{
	/* Borrowed strings behind non-const members: they are only read. */
	struct session_directives keep = {
		.elevated = (char *)(uintptr_t)given->level,
		.host = (char *)(uintptr_t)given->host,
		.security = (char *)(uintptr_t)given->security,
		.ask = (char *)(uintptr_t)given->ask,
		.node = (char *)(uintptr_t)given->node,
	};
	json_t *detail = session_directives_json(&keep);
	struct error err;

	if (sessions_direct(r->broker->sessions, r->ref.key, r->ref.agent_id, &keep,
		    broker_wall_ms(), &err) < 0) {
		json_decref(detail);
		request_fail(r, "internal", err.text, NULL);
		return;
	}
	broker_record(r->broker, r, "directive",
		&(struct record_fields){
			.kind = "session", .decision = "allowed", .detail = detail});
	json_decref(detail);
	front_forget(r->broker, r->ref.key);
	front_event(r->broker, "session.directive",
		json_pack("{s:s,s:s,s:o}", "agentId", r->ref.agent_id, "sessionKey", r->ref.key,
			"directives", current_directives(r)));
	answer_directive(r, given, true, "done");
}

static void op_session_directive(struct request *r, json_t *args)
{
	const char *text = arg_text(args, "text"), *refused;
	struct request_decided decided;
	struct directives given;
	struct error err;

	if (text == NULL) {
		request_fail(r, TOOL_FAIL_ARGUMENTS, "text is missing: '/elevated off'", NULL);
		return;
	}
	directives_parse(&r->arena, text, &given);
	if (given.invalid != NULL) {
		request_fail(r, TOOL_FAIL_ARGUMENTS, given.invalid, NULL);
		return;
	}
	if (!given.effective) {
		answer_directive(r, &given, false,
			given.has_elevated || given.has_exec
				? "a directive counts only when it is all of the message"
				: "there is no directive in it");
		return;
	}
	if (given.level == NULL && given.host == NULL && given.security == NULL &&
		given.ask == NULL && given.node == NULL) {
		answer_directive(r, &given, false, "as it is now");
		return;
	}
	if (request_decide(r, NULL, &decided, &err) < 0) {
		request_fail(r, TOOL_FAIL_ARGUMENTS, err.text, NULL);
		return;
	}
	refused = why_not(r, decided.decision, &given);
	request_decided_finish(&decided);
	if (refused != NULL) {
		broker_record(r->broker, r, "directive",
			&(struct record_fields){
				.kind = "session", .decision = "denied", .reason = refused});
		request_fail(r, TOOL_FAIL_DENIED, refused, NULL);
		return;
	}
	keep_directives(r, &given);
}

/* --- approvals --- */

static void op_approval_list(struct request *r, json_t *args)
{
	(void)args;
	request_reply(r, approvals_list(r), 0, NULL, 0);
}

static void op_approval_decide(struct request *r, json_t *args)
{
	const char *id = arg_text(args, "id"), *decision = arg_text(args, "decision");
	bool allow = decision != NULL && strcmp(decision, "allow") == 0;

	if (id == NULL || decision == NULL || (!allow && strcmp(decision, "deny") != 0)) {
		request_fail(r, TOOL_FAIL_ARGUMENTS,
			"id and decision are needed; decision is 'allow' or 'deny'", NULL);
		return;
	}
	if (approvals_decide(r, id, allow) < 0) {
		request_fail(r, TOOL_FAIL_NOT_FOUND,
			"no command waits under that id; perhaps its time is over", NULL);
		return;
	}
	request_reply(r, json_pack("{s:s,s:s}", "id", id, "decision", decision), 0, NULL, 0);
}

/* --- the gateway itself --- */

static void op_reload(struct request *r, json_t *args)
{
	const char *problem;

	(void)args;
	reload_config(r->broker);
	problem = r->broker->reload_problem;
	request_reply(r, json_pack("{s:b,s:s?}", "reloaded", problem == NULL, "problem", problem),
		0, NULL, 0);
}

static void op_status(struct request *r, json_t *args)
{
	const struct broker *b = r->broker;
	json_t *sessions = sessions_list(b->sessions, NULL);

	(void)args;
	request_reply(r,
		json_pack("{s:s,s:i,s:I,s:s?,s:s?,s:s?,s:s,s:I,s:s?,s:i,s:i,s:i,s:o}", "version",
			CREEL_VERSION, "pid", (int)getpid(), "uptimeMs",
			(json_int_t)((clock_now_ns() - b->started_ns) / NS_PER_MS), "config",
			b->config->path, "listen", b->listen, "socket", b->socket_path, "stateDir",
			b->config->state_dir, "configGeneration", (json_int_t)b->generation,
			"configProblem", b->reload_problem, "sessions",
			(int)json_array_size(sessions), "sandboxes", (int)acquire_count(b),
			"approvals", (int)b->approval_count, "front", front_status(b)),
		0, NULL, 0);
	json_decref(sessions);
}

enum { ADMIN = 1, SESSION = 2 };

static const struct {
	const char *name;
	void (*run)(struct request *r, json_t *args);
	unsigned needs;
} ops[] = {
	{"auth", op_auth, 0},
	{"tools", op_tools, SESSION},
	{"explain", op_explain, SESSION},
	{"session.list", op_session_list, 0},
	{"session.get", op_session_get, SESSION},
	{"session.end", op_session_end, SESSION},
	{"session.directive", op_session_directive, SESSION},
	{"approval.list", op_approval_list, ADMIN},
	{"approval.decide", op_approval_decide, ADMIN},
	{"sandbox.list", op_sandbox_list, 0},
	{"sandbox.recreate", op_sandbox_recreate, ADMIN},
	{"sandbox.rm", op_sandbox_rm, ADMIN},
	{"sandbox.prune", op_sandbox_prune, ADMIN},
	{"audit.query", op_audit_query, ADMIN},
	{"config.reload", op_reload, ADMIN},
	{"metrics", op_metrics, ADMIN},
	{"status", op_status, ADMIN},
};

static void refuse(const struct request *r, const char *op)
{
	json_t *detail = json_pack("{s:s}", "op", op);

	broker_record(r->broker, r, "refused",
		&(struct record_fields){
			.decision = "deny", .rule = "gateway.tokens", .detail = detail});
	json_decref(detail);
}

void ask_request(struct request *r, const char *op, json_t *args)
{
	const char *agent = arg_text(args, "agent"), *session = arg_text(args, "session");

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		if (strcmp(ops[i].name, op) != 0) {
			continue;
		}
		if ((ops[i].needs & ADMIN) != 0 && !r->principal.admin) {
			refuse(r, op);
			request_failf(r, "forbidden", "'%s' is for administrators", op);
			return;
		}
		agent = agent != NULL ? arena_strdup(&r->arena, agent) : NULL;
		session = session != NULL ? arena_strdup(&r->arena, session) : NULL;
		if (!request_aim(r, agent, session) && (ops[i].needs & SESSION) != 0) {
			refuse(r, op);
			request_failf(r, "forbidden",
				"the token '%s' does not reach agent '%s', session '%s'",
				r->principal.name, r->ref.agent_id, r->ref.key);
			return;
		}
		ops[i].run(r, args);
		return;
	}
	request_failf(r, TOOL_FAIL_NOT_FOUND, "there is no operation '%.64s'", op);
}
