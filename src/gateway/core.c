/* SPDX-License-Identifier: MIT */
/* Tool calls: a grant for the caller, a sandbox for the grant, then the tool itself. */
#include "gateway/core.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/mem.h"
#include "base/own.h"
#include "base/secret.h"
#include "gateway/call.h"

enum { CALLS_MAX = 8192 }; /* at work at once, whoever they are of */

int gateway_status_of(const char *type)
{
	static const struct {
		const char *type;
		int status;
	} statuses[] = {
		{TOOL_FAIL_DENIED, 403},
		{TOOL_FAIL_ARGUMENTS, 400},
		{TOOL_FAIL_NOT_FOUND, 404},
		{TOOL_FAIL_FAILED,
			400}, /* a tool's error is the request's, as the original has it */
		{TOOL_FAIL_TIMEOUT, 504},
		{TOOL_FAIL_ABORTED, 503},
		{TOOL_FAIL_UNAVAILABLE, 503},
		{GATEWAY_FAIL_UNAUTHORIZED, 401},
		{GATEWAY_FAIL_FORBIDDEN, 403},
		{GATEWAY_FAIL_BUSY, 429},
		{GATEWAY_FAIL_INTERNAL, 500},
	};

	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
		if (strcmp(statuses[i].type, type) == 0) {
			return statuses[i].status;
		}
	}
	return 500;
}

/* --- the end of a call --- */

static void call_free(struct gateway_call *call)
{
	if (call->ended != NULL) {
		*call->ended = true;
	}
	if (call->outer_ended != NULL) {
		*call->outer_ended = true;
	}
	call->gateway->calls--;
	held_grant_put(call->held);
	caller_copy_finish(&call->copy);
	json_decref(call->args);
	free(call->agent);
	free(call->session);
	free(call->tool);
	(void)secret_free(call->key);
	free(call);
}

static void set_text(json_t *row, const char *key, const char *text)
{
	if (text != NULL) {
		(void)json_object_set_new(row, key, json_string(text));
	}
}

/* Of policy; NULL: it let the call through. The broker counts it with the row of the audit log. */
static const char *denying_rule(const struct gateway_call *call)
{
	const struct tool_verdict *verdict =
		call->held != NULL ? grant_verdict(call->held->grant, call->tool) : NULL;

	return verdict != NULL && !verdict->allowed ? verdict->rule : NULL;
}

/* By the tool itself, with what the grant says: that the host is out of reach, or a path. */
static void count_own_denial(const struct gateway_call *call)
{
	struct metrics *metrics = call->gateway->metrics;
	bool elevated = json_is_true(json_object_get(call->args, "elevated"));

	if (elevated) {
		metrics_add(metrics, METRIC_ELEVATIONS, "unavailable", NULL, 1);
	}
	metrics_add(metrics, METRIC_DENIALS, "tool", elevated ? "elevated" : "other", 1);
}

static void count_call(const struct gateway_call *call, const struct tool_result *result)
{
	struct metrics *metrics = call->gateway->metrics;
	/* Names of callers' own making are no series. */
	const struct tool *tool = tool_by_name(call->tool);

	metrics_call(metrics, tool != NULL ? tool->name : "unknown",
		result->failure.message == NULL ? "ok" : result->failure.type,
		(clock_now_ns() - call->started_ns) / 1000);
	if (result->failure.type != NULL && strcmp(result->failure.type, TOOL_FAIL_DENIED) == 0 &&
		denying_rule(call) == NULL && !call->asked_host) {
		count_own_denial(call);
	}
}

static const char *row_text(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text != NULL ? text : "unknown";
}

/* Those who watch get the whole row of details.denied; so does the log, as its detail. */
static json_t *denied_json(const struct grant *grant, const struct tool_denied *denied)
{
	json_t *json = json_deep_copy(denied->row);

	set_text(json, "tool", denied->tool);
	set_text(json, "processId", denied->process_id);
	set_text(json, "sandbox", grant->sandbox);
	set_text(json, "backend", grant->backend);
	set_text(json, "agentId", grant->decision.agent_id);
	set_text(json, "sessionKey", grant->decision.session_key);
	return json;
}

static void audit_denied(const struct denied_origin *origin, const struct tool_denied *denied)
{
	const struct gateway_caller nobody = {.local_fd = FD_NONE};
	const struct gateway_call *call = denied->call_arg;
	const struct grant *grant = origin->held->grant;
	json_t *row = denied_json(grant, denied);

	set_text(row, "kind", "denial");
	set_text(row, "decision", "denied");
	set_text(row, "reason", row_text(denied->row, "what"));
	(void)json_object_set_new(row, "detail", json_deep_copy(denied->row));
	set_text(json_object_get(row, "detail"), "processId", denied->process_id);
	/* A command in the background has no caller any more: then it is the gateway that says so. */
	gateway_audit_for(origin->gateway, call != NULL ? &call->copy.caller : &nobody,
		grant->decision.agent_id, grant->decision.session_key, "denial", row);
}

void gateway_denied(void *arg, const struct tool_denied *denied)
{
	const struct denied_origin *origin = arg;

	metrics_add(origin->gateway->metrics, METRIC_DENIALS, row_text(denied->row, "layer"),
		row_text(denied->row, "rule"), 1);
	audit_denied(origin, denied);
	events_add(origin->gateway, "denial", denied_json(origin->held->grant, denied));
}

/* What a caller said, and what it was told: text, not the JSON around it. */
static size_t text_bytes(const json_t *json)
{
	size_t i, sum = 0;
	const json_t *item;
	const char *key;

	if (json_is_string(json)) {
		return json_string_length(json);
	}
	json_array_foreach(json, i, item)
	{
		sum += text_bytes(item);
	}
	json_object_foreach((json_t *)(uintptr_t)json, key, item)
	{
		sum += text_bytes(item);
	}
	return sum;
}

/* A command's output is all that it wrote, also what the answer leaves out. */
static size_t bytes_out(const struct gateway_call *call, const struct tool_result *result)
{
	size_t sum = 0, i;
	const json_t *block;

	json_array_foreach(result->content, i, block)
	{
		const json_t *text = json_object_get(block, "text");

		sum += text_bytes(text != NULL ? text : json_object_get(block, "data"));
	}
	return call->bytes_out > 0 ? call->bytes_out : sum;
}

/* For the audit log and for those who watch. */
static json_t *call_row(const struct gateway_call *call, const struct tool_result *result)
{
	const struct grant *grant = call->held != NULL ? call->held->grant : NULL;
	bool denied =
		result->failure.type != NULL && strcmp(result->failure.type, TOOL_FAIL_DENIED) == 0;
	json_t *code = json_object_get(result->details, "exitCode");
	json_t *row = json_pack("{s:s,s:s,s:s,s:I,s:I,s:I}", "kind", "call", "tool", call->tool,
		"decision",
		denied                            ? "denied"
		: result->failure.message != NULL ? "failed"
						  : "allowed",
		"durationUs", (json_int_t)((clock_now_ns() - call->started_ns) / 1000), "bytesIn",
		(json_int_t)text_bytes(call->args), "bytesOut",
		(json_int_t)bytes_out(call, result));

	set_text(row, "reason", result->failure.type);
	set_text(row, "action", json_string_value(json_object_get(call->args, "action")));
	if (denied) {
		set_text(row, "rule", denying_rule(call));
	}
	if (json_is_integer(code)) {
		(void)json_object_set(row, "exitCode", code);
	}
	if (grant != NULL) {
		set_text(row, "sandbox", grant->sandbox);
		set_text(row, "backend", grant->backend);
		set_text(row, "agentId", grant->decision.agent_id);
		set_text(row, "sessionKey", grant->decision.session_key);
	}
	return row;
}

/* Nothing waits for it any more, and nothing comes for it: call_free() may take its time. */
static void detach(struct gateway_call *call)
{
	call->running = NULL;
	if (call->acquisition != NULL) {
		question_forget(TAKE_PTR(call->acquisition));
	}
	if (call->waits_for != NULL) {
		box_unwait(call);
	}
}

static bool is_refused_caller(const struct gateway_call *call, const char *type)
{
	return call->held == NULL && type != NULL &&
	       (strcmp(type, GATEWAY_FAIL_UNAUTHORIZED) == 0 ||
		       strcmp(type, GATEWAY_FAIL_FORBIDDEN) == 0);
}

/*
 * The answer first: sending the row wakes the broker, which is then in the way of the one who waits.
 * The row is on its way before the next request is looked at.
 */
static void finish(struct gateway_call *call, struct tool_result *result)
{
	const char *type = result->failure.type; /* a constant, which outlives the result */
	json_t *row;

	if (result->details == NULL) {
		result->details = json_object();
	}
	if (call->held != NULL && call->held->grant->notice != NULL) {
		set_text(result->details, "notice", call->held->grant->notice);
	}
	detach(call);
	count_call(call, result);
	row = call_row(call, result);
	call->done(call->arg, result);
	events_add(call->gateway, "call.ended", json_incref(row));
	if (is_refused_caller(call, type)) {
		json_decref(row); /* the broker has a row of that */
	} else {
		gateway_audit_for(
			call->gateway, &call->copy.caller, call->agent, call->session, "call", row);
	}
	call_free(call);
}

static void fail(struct gateway_call *call, const struct gateway_failure *failure)
{
	struct tool_result result = {.details = json_object()};

	result.failure.type = gateway_failure_type(failure->type);
	result.failure.message = xstrdup(failure->message);
	result.failure.hint = failure->hint != NULL ? xstrdup(failure->hint) : NULL;
	finish(call, &result);
}

static void fail_plain(struct gateway_call *call, const char *type, const char *message)
{
	fail(call, &(struct gateway_failure){.type = type, .message = message});
}

/* --- running it --- */

static void on_tool_done(void *arg, struct tool_result *result)
{
	finish(arg, result);
}

static void on_tool_progress(void *arg, const char *data, size_t len)
{
	struct gateway_call *call = arg;

	call->bytes_out += len;
	if (call->progress != NULL) {
		call->progress(call->arg, data, len);
	}
}

static void run_tool(struct gateway_call *call, struct front_box *box)
{
	struct gateway *gateway = call->gateway;
	struct box_session *session = box_session(box, call->held);
	const char *backend = call->held->grant->backend;
	_cleanup_free_ char *name = xstrdup(call->held->grant->sandbox);
	bool ended = false;
	struct tool_call *running;

	if (call->acquire_ns > 0) {
		metrics_observe(gateway->metrics, METRIC_ACQUIRE_SECONDS,
			backend != NULL ? backend : "unknown",
			(clock_now_ns() - call->acquire_ns) / 1000);
		call->acquire_ns = 0;
	}
	/* Taken back below, unless the call is gone by then. */
	/* cppcheck-suppress autoVariables */
	call->ended = &ended;
	session->caller = &call->copy.caller; /* used within this call alone */
	running = tool_call_start(session->tools, call->tool, call->args,
		&(struct tool_call_opts){
			.verdict = grant_verdict(call->held->grant, call->tool),
			.decision = &call->held->grant->decision,
			.done = on_tool_done,
			.progress = on_tool_progress,
			.arg = call,
		});
	if (!ended) {
		call->ended = NULL;
		call->running = running;
	}
	/* Whatever done did meanwhile, the box may be gone. */
	box = box_find(gateway, name);
	if (box != NULL) {
		box_update(box);
	}
}

void gateway_call_go(struct gateway_call *call, struct front_box *box)
{
	if (box_is_ready(box, call->held)) {
		run_tool(call, box);
	} else {
		box_wait(box, call);
		box_update(box);
	}
}

void gateway_call_lost(struct gateway_call *call, const struct error *why)
{
	_cleanup_free_ char *text = xasprintf("the sandbox did not start: %s", why->text);

	fail_plain(call, TOOL_FAIL_UNAVAILABLE, text);
}

/* Refused already: nothing was started, and the tool's own code says why. */
static void run_refused(struct gateway_call *call)
{
	struct held_grant *held = call->held;
	struct denied_origin origin = {.gateway = call->gateway, .held = held};
	struct tool_session *tools =
		tool_session_new(&(struct tool_session_opts){.decision = &held->grant->decision,
			.denied = gateway_denied,
			.denied_arg = &origin});

	held->uses++;
	(void)tool_call_start(tools, call->tool, call->args,
		&(struct tool_call_opts){
			.verdict = grant_verdict(held->grant, call->tool),
			.done = on_tool_done,
			.arg = call,
		});
	(void)tool_session_free(tools);
	held_grant_put(held);
}

/* The sandbox that a grant names: here already, or with the stream that came along. */
struct front_box *gateway_box_for(
	struct gateway *gateway, const struct grant *grant, struct bus_packet *packet)
{
	struct front_box *box = grant->sandbox != NULL ? box_find(gateway, grant->sandbox) : NULL;
	bool has_stream = packet != NULL && (packet->message.flags & BUS_HELD) == 0 &&
			  packet->fd_count > 0 && packet->fds[0] >= 0;

	if (grant->sandbox == NULL || !has_stream) {
		if (box != NULL) {
			box_set_outdated(box, grant->notice != NULL);
		}
		return box;
	}
	if (box != NULL) {
		box_drop(gateway, grant->sandbox); /* the broker knows better: that one is old */
	}
	box = box_new(gateway, grant, TAKE_FD(packet->fds[0]));
	if (packet->fd_count > DENIAL_FDS) {
		struct denial_fds denials;

		denial_fds_unpack(packet->fds + 1, &denials);
		for (size_t i = 1; i <= DENIAL_FDS; i++) {
			packet->fds[i] = FD_NONE; /* taken */
		}
		box_set_denials(box, &denials, &grant->decision.spec);
	}
	return box;
}

bool gateway_take_grant(struct bus_packet *packet, struct held_grant **ret, struct error *err)
{
	json_t *json = bus_packet_json(packet, err);
	struct grant *grant = NULL;

	if (json == NULL || grant_decode(json, &grant, err) < 0) {
		return false;
	}
	*ret = held_grant_new(grant);
	return true;
}

static void acquire(struct gateway_call *call);

static void on_grant(void *arg, struct bus_packet *packet, const struct gateway_failure *failure)
{
	struct gateway_call *call = arg;
	struct gateway *gateway = call->gateway;
	struct front_box *box;
	struct error err;

	call->acquisition = NULL;
	if (failure != NULL) {
		fail(call, failure);
		return;
	}
	if (!gateway_take_grant(packet, &call->held, &err)) {
		fail_plain(call, GATEWAY_FAIL_INTERNAL, err.text);
		return;
	}
	if (call->held->grant->sandbox == NULL) {
		run_refused(call);
		return;
	}
	box = gateway_box_for(gateway, call->held->grant, packet);
	if (box == NULL) {
		/* Its stream ended while the answer was on the way; the release is on its own way now. */
		held_grant_put(TAKE_PTR(call->held));
		acquire(call);
		return;
	}
	grants_add(gateway->grants, call->key, call->held);
	gateway_call_go(call, box);
}

static void acquire(struct gateway_call *call)
{
	struct bus_message message = {.kind = BUS_ACQUIRE, .flags = BUS_START};
	bool ended = false;
	struct question *question;
	int fd;

	call->acquire_ns = clock_now_ns();
	question_caller(&message, &call->copy.caller, &fd);
	bus_set(&message, BUS_AGENT, call->agent);
	bus_set(&message, BUS_SESSION, call->session);
	bus_set(&message, BUS_TOOL, call->tool);
	/* Taken back below, unless the call is gone by then. */
	/* cppcheck-suppress autoVariables */
	call->ended = &ended;
	question = question_ask(call->gateway, &message, fd, on_grant, call);
	if (!ended) {
		call->ended = NULL;
		call->acquisition = question;
	}
}

static void start(struct gateway_call *call)
{
	struct held_grant *held = grants_find(call->gateway->grants, call->key);
	struct front_box *box;

	if (call->gateway->stopping) {
		fail_plain(call, TOOL_FAIL_UNAVAILABLE, "the gateway is stopping");
		return;
	}
	if (call->gateway->calls > CALLS_MAX) {
		fail_plain(call, GATEWAY_FAIL_BUSY, "too many calls are at work, try again");
		return;
	}
	box = held != NULL ? box_find(call->gateway, held->grant->sandbox) : NULL;
	if (box == NULL) {
		acquire(call);
		return;
	}
	held->uses++;
	call->held = held;
	gateway_call_go(call, box);
}

struct gateway_call *gateway_call_start(
	struct gateway *gateway, const struct gateway_call_opts *opts)
{
	struct gateway_call *call = xcalloc(1, sizeof(*call));
	bool ended = false;

	*call = (struct gateway_call){
		.gateway = gateway,
		.agent = opts->agent != NULL ? xstrdup(opts->agent) : NULL,
		.session = opts->session != NULL ? xstrdup(opts->session) : NULL,
		.tool = xstrdup(opts->tool),
		.key = grants_key(opts->caller, opts->agent, opts->session),
		.args = opts->args != NULL ? json_incref((json_t *)(uintptr_t)opts->args)
					   : json_object(),
		.progress = opts->progress,
		.done = opts->done,
		.arg = opts->arg,
		.started_ns = clock_now_ns(),
	};
	caller_copy_init(&call->copy, opts->caller);
	gateway->calls++;
	call->outer_ended = &ended;
	start(call);
	if (ended) {
		return NULL;
	}
	call->outer_ended = NULL;
	return call;
}

void gateway_call_abort(struct gateway_call *call)
{
	if (call->running != NULL) {
		struct front_box *box;
		struct gateway *gateway = call->gateway;
		_cleanup_free_ char *name = xstrdup(call->held->grant->sandbox);

		tool_call_abort(call->running);
		box = box_find(gateway, name);
		if (box != NULL) {
			box_update(box);
		}
		return;
	}
	fail_plain(call, TOOL_FAIL_ABORTED, "the call was aborted");
}
