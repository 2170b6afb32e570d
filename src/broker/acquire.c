/* SPDX-License-Identifier: MIT */
/* Sandboxes in use: each is started once, however many ask for it, and its stream is the front's. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/mem.h"
#include "base/own.h"
#include "broker/acquire-table.h"
#include "broker/acquire-work.h"
#include "broker/audit.h"
#include "broker/control.h"
#include "broker/lifecycle-list.h"
#include "tools/tool.h"

enum { WORKERS_MAX = 64 };

/* --- starting it --- */

static void tell_started(struct sandbox *s)
{
	const struct request *r = s->waiters;
	const json_t *top = json_object_get(s->extras, "top");
	bool created = json_is_true(json_object_get(s->extras, "created"));

	broker_record(s->broker, r, created ? "sandbox.created" : "sandbox.started",
		&(struct record_fields){
			.kind = "sandbox",
			.sandbox = s->name,
			.backend = json_string_value(json_object_get(top, "backend")),
			.duration_us = (int64_t)((clock_now_ns() - s->asked_ns) / 1000),
		});
	front_event(s->broker, "sandbox.started",
		json_pack("{s:s,s:s,s:s}", "name", s->name, "agentId", r->ref.agent_id,
			"sessionKey", r->ref.key));
}

/* Of a browser's desktop: whoever is told of them may send them back in a call. */
static void learn_passwords(const struct sandbox *s)
{
	const json_t *list = json_object_get(json_object_get(s->extras, "top"), "passwords");

	for (size_t i = 0; i < json_array_size(list); i++) {
		audit_learn_secret(s->broker->audit, json_string_value(json_array_get(list, i)));
	}
}

static void on_started(
	void *arg, struct worker *worker, struct worker_reply *reply, enum worker_keep *keep)
{
	struct sandbox *s = arg;

	s->worker = NULL;
	if (reply->json == NULL || reply->fd_count == 0) {
		log_with(LOG_LEVEL_WARNING, LOG_FIELDS({"sandbox", s->name}), "sandbox %s: %s",
			s->name, reply->failure.text);
		sandbox_fail_waiters(s, reply->failure_type, reply->failure.text);
		sandbox_free(s);
		return;
	}
	if (s->waiters == NULL) {
		sandbox_free(s); /* nobody is left who wanted it; its lock goes with the reply */
		return;
	}
	s->extras = json_incref(reply->json);
	learn_passwords(s);
	if (reply->fd_count > 1) {
		s->lock_fd = TAKE_FD(reply->fds[1]);
	} else {
		s->worker = worker;
		*keep = WORKER_KEEP;
	}
	s->state = SANDBOX_HELD;
	tell_started(s);
	if (!sandbox_answer_waiters(s, reply)) {
		*keep = WORKER_DONE; /* the keeper ends with its caller */
		s->worker = NULL;
		sandbox_free(s);
	}
}

/* For the first who waits. */
static int start(struct sandbox *s, struct decision *decision, struct error *err)
{
	bool browser = (s->waiters->flags & BUS_BROWSER) != 0;
	struct control control = {0};
	struct acquire_job job = {.decision = decision,
		.kind = browser ? KIND_BROWSER : KIND_SANDBOX,
		.control = s->outside ? &control : NULL};
	int r = s->outside ? control_check(decision, s->waiters->control, &control, err) : 0;

	if (r < 0) {
		return r;
	}
	/* Elevated commands leave one by one; the session stays where it is. */
	decision->elevated.granted = false;
	s->state = SANDBOX_STARTING;
	s->asked_ns = clock_now_ns();
	s->generation = s->broker->generation;
	return worker_start(s->broker->base,
		&(struct worker_job){
			.run = acquire_work_start,
			.run_arg = &job,
			.done = on_started,
			.done_arg = s,
		},
		err);
}

/* The front has given it back, and somebody may have waited for that. */
static void restart(struct sandbox *s)
{
	struct request_decided decided;
	struct error err;
	int r;

	broker_record(s->broker, s->waiters, "sandbox.released",
		&(struct record_fields){.kind = "sandbox",
			.sandbox = s->name,
			.reason = s->state == SANDBOX_ASKED_FOR ? "its configuration has changed"
								: NULL});
	sandbox_let_go(s);
	while (s->waiters != NULL) {
		r = request_decide(s->waiters, NULL, &decided, &err);
		if (r < 0) {
			request_fail(sandbox_next_waiter(s), TOOL_FAIL_ARGUMENTS, err.text, NULL);
			continue;
		}
		r = start(s, decided.decision, &err);
		request_decided_finish(&decided);
		if (r == 0) {
			return;
		}
		sandbox_fail_waiters(s, TOOL_FAIL_UNAVAILABLE, err.text);
	}
	sandbox_free(s);
}

void acquire_release(struct broker *broker, const char *name)
{
	struct sandbox *next;

	for (struct sandbox *s = broker->sandboxes; s != NULL; s = next) {
		next = s->next;
		/* One that is being started is nobody's yet: on_started() sees whether it is wanted. */
		if (s->state != SANDBOX_STARTING && (name == NULL || strcmp(s->name, name) == 0)) {
			restart(s);
		}
	}
}

void acquire_drop_outside(struct broker *broker)
{
	for (struct sandbox *s = broker->sandboxes; s != NULL; s = s->next) {
		struct bus_message drop = {.kind = BUS_DROP};

		if (s->outside) {
			bus_set(&drop, BUS_NAME, s->name);
			front_send(broker, &drop, NULL, 0);
		}
	}
}

/* --- one that is of no use --- */

/* What of it there is to remove, from what starting it told. */
static struct registry_row row_of(const char *name, const json_t *row)
{
	return (struct registry_row){
		.name = name,
		.kind = sandbox_kind_name(KIND_BROWSER),
		.backend = json_string_value(json_object_get(row, "backend")),
		.socket = json_string_value(json_object_get(row, "socket")),
	};
}

struct removal {
	struct broker *broker;
	char *name;
	json_t *row;
};

static void run_removal(struct worker_side *side, void *arg)
{
	const struct removal *removal = arg;
	const struct registry_row row = row_of(removal->name, removal->row);
	struct lifecycle *lifecycle;
	struct error err;

	/* Unless somebody has begun anew meanwhile. */
	if (lifecycle_open(removal->broker->config, &lifecycle, &err) < 0 ||
		lifecycle_remove(lifecycle, &row, true, &err) < 0) {
		worker_fail(side, TOOL_FAIL_UNAVAILABLE, &err);
		return;
	}
	worker_answer(side, json_true(), NULL, 0);
}

static void on_removal(
	void *arg, struct worker *worker, struct worker_reply *reply, enum worker_keep *keep)
{
	struct removal *removal = arg;

	(void)worker;
	*keep = WORKER_DONE;
	if (reply->json == NULL) {
		log_with(LOG_LEVEL_WARNING, LOG_FIELDS({"sandbox", removal->name}),
			"sandbox %s: %s", removal->name, reply->failure.text);
	} else {
		broker_record(removal->broker, NULL, "remove",
			&(struct record_fields){.kind = "sandbox",
				.sandbox = removal->name,
				.reason = "its browser could not be reached"});
		front_event(removal->broker, "sandbox.removed",
			json_pack("{s:s}", "name", removal->name));
	}
	json_decref(removal->row);
	free(removal->name);
	free(removal);
}

void acquire_discard(struct broker *broker, const char *name)
{
	struct sandbox *s = sandbox_find(broker, name);
	const json_t *row = s != NULL ? json_object_get(s->extras, "row") : NULL;
	enum worker_keep ignored;
	struct removal *removal;
	struct error err;

	if (s == NULL || s->state != SANDBOX_HELD || row == NULL) {
		acquire_release(broker, name);
		return;
	}
	removal = xcalloc(1, sizeof(*removal));
	*removal = (struct removal){.broker = broker,
		.name = xstrdup(name),
		.row = json_incref((json_t *)(uintptr_t)row)};
	sandbox_free(s); /* with its lock */
	if (worker_start(broker->base,
		    &(struct worker_job){.run = run_removal,
			    .run_arg = removal,
			    .done = on_removal,
			    .done_arg = removal},
		    &err) < 0) {
		on_removal(removal, NULL, &(struct worker_reply){.failure = err}, &ignored);
	}
}

/* --- one that the configuration has left behind --- */

static void hold(struct sandbox *s)
{
	s->state = SANDBOX_HELD;
	s->generation = s->broker->generation;
	free(TAKE_PTR(s->notice));
	(void)sandbox_answer_waiters(s, NULL);
}

static void set_notice(struct sandbox *s, const char *notice)
{
	(void)json_object_set_new(json_object_get(s->extras, "top"), "notice",
		notice != NULL ? json_string(notice) : json_null());
}

static void on_looked(
	void *arg, struct worker *worker, struct worker_reply *reply, enum worker_keep *keep)
{
	struct sandbox *s = arg;
	struct bus_message drop = {.kind = BUS_DROP, .flags = BUS_IF_IDLE};
	const char *now = json_string_value(json_object_get(reply->json, "hash"));
	const char *notice = json_string_value(json_object_get(reply->json, "notice"));
	const char *was = json_string_value(json_object_get(s->extras, "hash"));

	(void)worker;
	*keep = WORKER_DONE;
	s->looker = NULL;
	if (now == NULL) {
		/* With this configuration there would be none; the next caller is told, too. */
		s->state = SANDBOX_HELD;
		sandbox_fail_waiters(s, reply->failure_type, reply->failure.text);
		return;
	}
	if (was != NULL && strcmp(now, was) == 0) {
		set_notice(s, NULL);
		hold(s);
		return;
	}
	s->state = SANDBOX_ASKED_FOR;
	s->notice = notice != NULL ? xstrdup(notice) : NULL;
	bus_set(&drop, BUS_NAME, s->name);
	front_send(s->broker, &drop, NULL, 0);
}

void acquire_busy(struct broker *broker, const char *name)
{
	struct sandbox *s = sandbox_find(broker, name);

	if (s != NULL && s->state == SANDBOX_ASKED_FOR) {
		broker_record(broker, s->waiters, "sandbox.outdated",
			&(struct record_fields){.kind = "sandbox",
				.sandbox = s->name,
				.decision = "kept",
				.reason = "something is at work in it"});
		set_notice(s, s->notice);
		hold(s);
	}
}

static int look_at(struct sandbox *s, struct decision *decision, struct error *err)
{
	struct acquire_job job = {.decision = decision};
	int r = worker_start(s->broker->base,
		&(struct worker_job){
			.run = acquire_work_look,
			.run_arg = &job,
			.done = on_looked,
			.done_arg = s,
			.ret = &s->looker,
		},
		err);

	if (r == 0) {
		s->state = SANDBOX_LOOKED_AT;
	}
	return r;
}

/* --- the question --- */

/* What the sandbox of a decision is called here: what runs on the host shares no name with it. */
static const char *key_of(struct decision *d)
{
	bool host = !d->sandboxed || d->host_configured;

	return host ? arena_printf(&d->arena, "host-%s", d->spec.name) : d->spec.name;
}

static void start_for(struct request *r, const char *name, bool outside, struct decision *decision)
{
	struct sandbox *s;
	struct error err;

	if (sandbox_count(r->broker) >= LIMIT_SANDBOXES) {
		request_failf(r, "busy",
			"%d sandboxes are open, which is the most at once: end sessions, or wait until "
			"some were not used for a while (gateway.idleSeconds)",
			LIMIT_SANDBOXES);
		return;
	}
	if (worker_count() >= WORKERS_MAX + acquire_count(r->broker)) {
		request_fail(r, "busy", "too many sandboxes are being started, try again", NULL);
		return;
	}
	s = sandbox_new(r->broker, name);
	s->outside = outside;
	sandbox_wait(s, r);
	if (start(s, decision, &err) < 0) {
		s->waiters = NULL;
		sandbox_free(s);
		request_fail(r, TOOL_FAIL_UNAVAILABLE, err.text, NULL);
	}
}

static void acquire_named(
	struct request *r, const char *name, bool outside, struct decision *decision)
{
	struct sandbox *s = sandbox_find(r->broker, name);
	struct error err;

	if (s == NULL) {
		start_for(r, name, outside, decision);
		return;
	}
	if (s->state == SANDBOX_HELD && (outside || s->generation == r->broker->generation)) {
		(void)sandbox_answer(r, s, NULL);
		return;
	}
	if (s->state == SANDBOX_HELD && look_at(s, decision, &err) < 0) {
		request_fail(r, TOOL_FAIL_UNAVAILABLE, err.text, NULL);
		return;
	}
	sandbox_wait(s, r);
}

/* A browser outside: what was asked for and what came of it is in the log, but no query of an address. */
static void acquire_control(struct request *r, struct decision *decision)
{
	char place[CONTROL_HOST_SIZE + 16] = "host";
	struct control control;
	struct error err;
	int result = control_check(decision, r->control, &control, &err);

	if (*control.host != '\0') {
		control_authority(&control, place, sizeof(place));
	}
	broker_record(r->broker, r, result < 0 ? "browser.denied" : "browser.allowed",
		&(struct record_fields){.kind = "browser",
			.tool = "browser",
			.decision = result < 0 ? "denied" : "allowed",
			.rule = "sandbox.browser.allowHostControl",
			.reason = result < 0 ? err.text : place});
	if (result < 0) {
		request_fail(r,
			result == -EACCES   ? TOOL_FAIL_DENIED
			: result == -EINVAL ? TOOL_FAIL_ARGUMENTS
					    : TOOL_FAIL_UNAVAILABLE,
			err.text, NULL);
		return;
	}
	acquire_named(r, control_name(&r->arena, &control), true, decision);
}

static bool is_operator(const struct request *r)
{
	return r->principal.admin && r->transport != NULL && strcmp(r->transport, "cli") == 0;
}

/* Is this a call that ends before it needs a sandbox? */
static bool is_refused(struct request *r, struct request_decided *decided)
{
	/* Out of the sandbox it does not take the front's word for it. */
	const char *name = r->control != NULL ? "browser" : r->tool;
	const struct tool *tool = name != NULL ? tool_by_name(name) : NULL;
	struct tool_verdict verdict = {0};

	/* A browser is a sandbox's, or none. */
	if ((r->flags & BUS_BROWSER) != 0 && r->control == NULL &&
		(!decision_is_isolated(decided->decision) || !decided->decision->browser_enabled)) {
		return true;
	}
	/* What agents may call is no rule for who runs `creel exec` here. */
	if (name == NULL || is_operator(r)) {
		return false;
	}
	if (tool == NULL) {
		return true;
	}
	decision_check_tool(decided->decision, &decided->asked, tool->name, &verdict);
	return !verdict.allowed || !tool_is_offered(tool, decided->decision) ||
	       !principal_reaches_tool(&r->arena, &r->principal, tool->name);
}

void acquire_request(struct request *r)
{
	struct request_decided decided;
	struct error err;
	int begun;

	if ((r->flags & BUS_START) == 0) {
		(void)sandbox_answer(r, NULL, NULL);
		return;
	}
	if (request_decide(r, NULL, &decided, &err) < 0) {
		request_fail(r, TOOL_FAIL_ARGUMENTS, err.text, NULL);
		return;
	}
	begun = sessions_touch(
		r->broker->sessions, r->ref.key, r->ref.agent_id, broker_wall_ms(), &err);
	if (begun < 0) {
		log_warning("%s", err.text);
	} else if (begun > 0) {
		broker_record(r->broker, r, "begin", &(struct record_fields){.kind = "session"});
	}
	if (is_refused(r, &decided)) {
		(void)sandbox_answer(r, NULL, NULL);
	} else if ((r->flags & BUS_BROWSER) != 0 && r->control != NULL) {
		acquire_control(r, decided.decision);
	} else {
		acquire_named(r, key_of(decided.decision), false, decided.decision);
	}
	request_decided_finish(&decided);
}
