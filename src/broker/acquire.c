/* SPDX-License-Identifier: MIT */
/* Sandboxes in use: each is started once, however many ask for it, and its stream is the front's. */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/backend.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/mem.h"
#include "base/own.h"
#include "broker/broker.h"
#include "broker/lifecycle-list.h"
#include "sandbox/registry.h"
#include "sandbox/resolve.h"
#include "sandbox/workspace.h"
#include "tools/tool.h"

enum { WORKERS_MAX = 64 };

enum sandbox_state {
	SANDBOX_STARTING, /* a worker is at it */
	SANDBOX_HELD, /* the front has the stream */
};

struct sandbox {
	struct sandbox *next, **slot;
	struct broker *broker;
	char *name;
	enum sandbox_state state;
	uint64_t generation; /* of the configuration it was looked at with */
	json_t *extras; /* what starting it told */
	int lock_fd; /* nobody else works in it meanwhile */
	struct worker *worker; /* starting it, or its keeper */
	struct request *waiters;
};

/* --- in the worker --- */

struct start_job {
	struct decision *decision;
	enum sandbox_kind kind;
};

static json_t *strings(char *const *list)
{
	json_t *array = json_array();

	for (; list != NULL && *list != NULL; list++) {
		json_t *text = json_string(*list);

		if (text != NULL) {
			(void)json_array_append_new(array, text);
		}
	}
	return array;
}

/* token NULL: the stream was inherited, and the sandbox ends with it. */
static json_t *extras_of(const struct decision *d, const char *backend, char *const *env,
	const uint8_t *token, const char *notice)
{
	char hex[2 * WIRE_TOKEN_SIZE + 1];
	json_t *top = json_pack("{s:s,s:o,s:b,s:s?}", "backend", backend, "imageEnv", strings(env),
		"once", token == NULL, "notice", notice);

	if (token != NULL) {
		(void)sodium_bin2hex(hex, sizeof(hex), token, WIRE_TOKEN_SIZE);
		(void)json_object_set_new(top, "token", json_string(hex));
	}
	return json_pack("{s:o,s:{s:i,s:s?}}", "top", top, "spec", "backend", (int)d->spec.backend,
		"workspace", d->spec.workspace_dir);
}

static json_t *lasting_extras(
	const struct decision *d, enum sandbox_kind kind, const struct lifecycle_acquired *got)
{
	json_t *extras = extras_of(d, got->backend, got->env, got->token, got->notice);

	if (kind == KIND_BROWSER) {
		(void)json_object_set_new(extras, "row",
			json_pack("{s:s, s:s?}", "backend", got->backend, "socket",
				d->spec.backend == BACKEND_DOCKER ? d->spec.docker_socket : NULL));
		(void)json_object_set_new(json_object_get(extras, "top"), "passwords",
			json_pack("[s, s]", got->passwords.text[0], got->passwords.text[1]));
	}
	return extras;
}

/* The plain host: ends with its stream. Its keeper is this worker. */
static void start_host(struct worker_side *side, const struct decision *d)
{
	const struct backend_ops *host = backend_by_kind(BACKEND_HOST);
	struct backend_start_opts opts = {0};
	struct backend_sandbox started = {.stream_fd = FD_NONE};
	_cleanup_arena_ struct arena arena = {0};
	struct error err;

	if (workspace_prepare(&arena, d->spec.agent_workspace_dir,
		    d->workspace_given ? WORKSPACE_GIVEN : WORKSPACE_AGENT, true, &err) < 0 ||
		host->start(&d->spec, &opts, &started, &err) < 0) {
		worker_fail(side, TOOL_FAIL_UNAVAILABLE, &err);
		return;
	}
	worker_answer(
		side, extras_of(d, host->name, started.env, NULL, NULL), &started.stream_fd, 1);
	(void)close(TAKE_FD(started.stream_fd));
	worker_wait(side);
	(void)host->finish(&started, &err);
}

static void acquire_lasting(struct worker_side *side, struct decision *d, enum sandbox_kind kind)
{
	struct lifecycle_acquired got = LIFECYCLE_ACQUIRED_NONE;
	struct lifecycle_opts opts = {.kind = kind};
	struct lifecycle *lifecycle;
	int fds[2 + DENIAL_FDS];
	size_t count = 2;
	struct error err;
	int r = lifecycle_open(d->config, &lifecycle, &err);

	if (r == 0) {
		r = lifecycle_acquire(lifecycle, d, &opts, &got, &err);
	}
	if (r < 0) {
		worker_fail(side, TOOL_FAIL_UNAVAILABLE, &err);
		return;
	}
	fds[0] = got.stream_fd;
	fds[1] = got.lock_fd;
	if (got.has_denials && denial_fds_pack(&got.denials, fds + count) == 0) {
		count += DENIAL_FDS;
	}
	worker_answer(side, lasting_extras(d, kind, &got), fds, count);
	lifecycle_acquired_finish(&got);
	(void)lifecycle_close(lifecycle);
}

static void start_sandbox(struct worker_side *side, void *arg)
{
	struct start_job *job = arg;
	struct decision *d = job->decision;
	const char *reason = NULL;
	struct error err;

	if (!d->sandboxed) {
		d->spec.backend = BACKEND_HOST;
	} else if (sandbox_resolve(d, RESOLVE_CREATE, &reason, &err) < 0) {
		worker_fail(side, TOOL_FAIL_UNAVAILABLE, &err);
		return;
	}
	if (d->spec.backend == BACKEND_HOST) {
		start_host(side, d);
	} else {
		acquire_lasting(side, d, job->kind);
	}
}

/* --- the table --- */

static struct sandbox *sandbox_find(const struct broker *broker, const char *name)
{
	struct sandbox *s = broker->sandboxes;

	while (s != NULL && strcmp(s->name, name) != 0) {
		s = s->next;
	}
	return s;
}

static struct sandbox *sandbox_new(struct broker *broker, const char *name)
{
	struct sandbox *s = xcalloc(1, sizeof(*s));

	*s = (struct sandbox){
		.broker = broker,
		.name = xstrdup(name),
		.lock_fd = FD_NONE,
		.next = broker->sandboxes,
		.slot = &broker->sandboxes,
	};
	if (s->next != NULL) {
		s->next->slot = &s->next;
	}
	broker->sandboxes = s;
	return s;
}

static void sandbox_free(struct sandbox *s)
{
	*s->slot = s->next;
	if (s->next != NULL) {
		s->next->slot = s->slot;
	}
	if (s->worker != NULL) {
		worker_release(s->worker);
	}
	cleanup_closep(&s->lock_fd);
	json_decref(s->extras);
	free(s->name);
	free(s);
}

size_t acquire_count(const struct broker *broker)
{
	size_t count = 0;

	for (const struct sandbox *s = broker->sandboxes; s != NULL; s = s->next) {
		count += s->state == SANDBOX_HELD;
	}
	return count;
}

void acquire_forget_waiter(struct request *request)
{
	for (struct sandbox *s = request->broker->sandboxes; s != NULL; s = s->next) {
		for (struct request **at = &s->waiters; *at != NULL; at = &(*at)->next_waiter) {
			if (*at == request) {
				*at = request->next_waiter;
				break;
			}
		}
	}
	request->next_waiter = NULL;
}

void acquire_release(struct broker *broker, const char *name)
{
	struct sandbox *next;

	for (struct sandbox *s = broker->sandboxes; s != NULL; s = next) {
		next = s->next;
		/* One that is being started is nobody's yet: on_started() sees whether it is wanted. */
		if (s->state == SANDBOX_HELD && (name == NULL || strcmp(s->name, name) == 0)) {
			sandbox_free(s);
		}
	}
}

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
	(void)keep;
	if (reply->json == NULL) {
		log_warning("sandbox %s: %s", removal->name, reply->failure.text);
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
		on_removal(removal, NULL, &(struct worker_reply){.failure = err}, NULL);
	}
}

/* --- answers --- */

/* What the sandbox of a decision is called here: what runs on the host shares no name with it. */
static const char *key_of(struct decision *d)
{
	bool host = !d->sandboxed || d->host_configured;

	return host ? arena_printf(&d->arena, "host-%s", d->spec.name) : d->spec.name;
}

/* reply NULL: the front has the stream. Otherwise that goes along, and where denials are told. */
static void answer(struct request *r, const struct sandbox *s, const struct worker_reply *reply)
{
	int fds[1 + DENIAL_FDS];
	size_t count = 0;
	struct request_decided decided;
	struct error err;
	json_t *grant;

	if (request_decide(r, NULL, &decided, &err) < 0) {
		request_fail(r, TOOL_FAIL_ARGUMENTS, err.text, NULL);
		return;
	}
	grant = request_grant(r, &decided, s != NULL ? s->extras : NULL);
	if (grant != NULL && s != NULL) {
		(void)json_object_set_new(grant, "sandbox", json_string(s->name));
	}
	request_decided_finish(&decided);
	if (grant == NULL) {
		request_fail(r, "internal", "the decision cannot be written down", NULL);
		return;
	}
	if (reply != NULL) {
		fds[count++] = reply->fds[0];
	}
	if (reply != NULL && reply->fd_count == 2 + DENIAL_FDS) {
		(void)memcpy(fds + count, reply->fds + 2, DENIAL_FDS * sizeof(*fds));
		count += DENIAL_FDS;
	}
	request_reply(r, grant, count == 0 && s != NULL ? BUS_HELD : 0, fds, count);
}

static void fail_waiters(struct sandbox *s, const struct worker_reply *reply)
{
	while (s->waiters != NULL) {
		struct request *r = s->waiters;

		s->waiters = r->next_waiter;
		broker_record(s->broker, r, "sandbox.failed",
			&(struct record_fields){.kind = "sandbox",
				.sandbox = s->name,
				.decision = "failed",
				.reason = reply->failure.text});
		request_fail(r, reply->failure_type, reply->failure.text, NULL);
	}
}

static void answer_waiters(struct sandbox *s, const struct worker_reply *reply)
{
	while (s->waiters != NULL) {
		struct request *r = s->waiters;

		s->waiters = r->next_waiter;
		r->next_waiter = NULL;
		answer(r, s, reply);
		reply = NULL; /* the first brought it to the front */
	}
}

static void on_started(
	void *arg, struct worker *worker, struct worker_reply *reply, enum worker_keep *keep)
{
	struct sandbox *s = arg;

	s->worker = NULL;
	if (reply->json == NULL || reply->fd_count == 0) {
		log_warning("sandbox %s: %s", s->name, reply->failure.text);
		fail_waiters(s, reply);
		sandbox_free(s);
		return;
	}
	if (s->waiters == NULL) {
		sandbox_free(s); /* nobody is left who wanted it; its lock goes with the reply */
		return;
	}
	s->extras = json_incref(reply->json);
	if (reply->fd_count > 1) {
		s->lock_fd = TAKE_FD(reply->fds[1]);
	} else {
		s->worker = worker;
		*keep = WORKER_KEEP;
	}
	s->state = SANDBOX_HELD;
	broker_record(s->broker, s->waiters, "sandbox.started",
		&(struct record_fields){.kind = "sandbox", .sandbox = s->name});
	front_event(s->broker, "sandbox.started",
		json_pack("{s:s,s:s,s:s}", "name", s->name, "agentId", s->waiters->ref.agent_id,
			"sessionKey", s->waiters->ref.key));
	answer_waiters(s, reply);
}

static int start(
	struct sandbox *s, struct decision *decision, enum sandbox_kind kind, struct error *err)
{
	struct start_job job = {.decision = decision, .kind = kind};

	s->generation = s->broker->generation;
	return worker_start(s->broker->base,
		&(struct worker_job){
			.run = start_sandbox,
			.run_arg = &job,
			.done = on_started,
			.done_arg = s,
		},
		err);
}

/* --- the question --- */

static void wait_for(struct sandbox *s, struct request *r)
{
	struct request **at = &s->waiters;

	while (*at != NULL) {
		at = &(*at)->next_waiter;
	}
	r->next_waiter = NULL;
	*at = r;
}

static void start_for(struct request *r, const char *name, struct decision *decision)
{
	struct sandbox *s;
	struct error err;

	if (worker_count() >= WORKERS_MAX + acquire_count(r->broker)) {
		request_fail(r, "busy", "too many sandboxes are being started, try again", NULL);
		return;
	}
	/* Elevated commands leave one by one; the session stays where it is. */
	decision->elevated.granted = false;
	s = sandbox_new(r->broker, name);
	wait_for(s, r);
	if (start(s, decision, (r->flags & BUS_BROWSER) != 0 ? KIND_BROWSER : KIND_SANDBOX, &err) <
		0) {
		s->waiters = NULL;
		sandbox_free(s);
		request_fail(r, TOOL_FAIL_UNAVAILABLE, err.text, NULL);
	}
}

static void acquire_decided(struct request *r, struct decision *decision)
{
	const char *name = key_of(decision);
	struct sandbox *s = sandbox_find(r->broker, name);

	if (s == NULL) {
		start_for(r, name, decision);
	} else if (s->state == SANDBOX_STARTING) {
		wait_for(s, r);
	} else {
		answer(r, s, NULL);
	}
}

static bool is_operator(const struct request *r)
{
	return r->principal.admin && r->transport != NULL && strcmp(r->transport, "cli") == 0;
}

/* Is this a call that ends before it needs a sandbox? */
static bool is_refused(struct request *r, struct request_decided *decided)
{
	const struct tool *tool = r->tool != NULL ? tool_by_name(r->tool) : NULL;
	struct tool_verdict verdict = {0};

	/* A browser is a sandbox's, or none. */
	if ((r->flags & BUS_BROWSER) != 0 &&
		(!decision_is_isolated(decided->decision) || !decided->decision->browser_enabled)) {
		return true;
	}
	/* What agents may call is no rule for who runs `creel exec` here. */
	if (r->tool == NULL || is_operator(r)) {
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

	if ((r->flags & BUS_START) == 0) {
		answer(r, NULL, NULL);
		return;
	}
	if (request_decide(r, NULL, &decided, &err) < 0) {
		request_fail(r, TOOL_FAIL_ARGUMENTS, err.text, NULL);
		return;
	}
	if (sessions_touch(
		    r->broker->sessions, r->ref.key, r->ref.agent_id, broker_wall_ms(), &err) < 0) {
		log_warning("%s", err.text);
	}
	if (is_refused(r, &decided)) {
		answer(r, NULL, NULL);
	} else {
		acquire_decided(r, decided.decision);
	}
	request_decided_finish(&decided);
}
