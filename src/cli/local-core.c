/* SPDX-License-Identifier: MIT */
#include "cli/local-core.h"

#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "base/mem.h"
#include "cli/tool-run.h"

enum { TOOLS_MAX = 32 };

/* What policy says of one tool; memory of the decision's, so it is asked once. */
struct verdict {
	bool known;
	struct tool_verdict verdict;
};

struct gateway {
	struct decided *decided;
	struct verdict verdicts[TOOLS_MAX]; /* by place in the table of tools */
	struct tool_run run; /* the sandbox, once something needed it */
	bool up;
	struct tool_run idle; /* a session without one, for calls that are refused */
};

struct gateway_call {
	tool_progress_fn progress;
	tool_done_fn done;
	void *arg;
	struct tool_call *call;
	bool over; /* done came before the start returned */
	bool starting;
};

struct gateway_watch {
	gateway_event_fn fn;
	void *arg;
};

int gateway_status_of(const char *type)
{
	(void)type;
	return 200; /* no HTTP here */
}

struct gateway *local_core_new(struct decided *decided)
{
	struct gateway *gateway = xcalloc(1, sizeof(*gateway));

	gateway->decided = decided;
	tool_run_start_idle(&gateway->idle, decided->decision);
	return gateway;
}

struct gateway *local_core_free(struct gateway *gateway)
{
	if (gateway == NULL) {
		return NULL;
	}
	if (gateway->up) {
		tool_run_finish(&gateway->run);
	}
	tool_run_finish(&gateway->idle);
	free(gateway);
	return NULL;
}

bool local_core_turn(struct gateway *gateway, int extra_fd)
{
	return tool_run_turn(gateway->up ? &gateway->run : &gateway->idle, extra_fd);
}

/* --- policy --- */

static const struct tool_verdict *verdict_of(struct gateway *gateway, const struct tool *tool)
{
	struct decided *decided = gateway->decided;
	struct verdict *found;
	size_t count;
	const struct tool *const *table = tool_table(&count);
	size_t i = 0;

	while (i < count && table[i] != tool) {
		i++;
	}
	found = &gateway->verdicts[i < TOOLS_MAX ? i : TOOLS_MAX - 1];
	if (!found->known || i >= TOOLS_MAX) {
		decision_check_tool(
			decided->decision, &decided->request, tool->name, &found->verdict);
		found->known = true;
	}
	return &found->verdict;
}

static bool is_offered(struct gateway *gateway, const struct tool *tool)
{
	return verdict_of(gateway, tool)->allowed &&
	       tool_is_offered(tool, gateway->decided->decision);
}

/* No gate stands against elevated commands here (contract D7). */
static bool may_use_host(const struct decision *decision)
{
	return decision->sandboxed && decision->elevated.allowed_by_config &&
	       decision->elevated.failure_count == 0;
}

/* --- calls --- */

/* A sandbox that died is replaced: the next call finds a new one, as a person would expect. */
static int bring_up(struct gateway *gateway, struct error *err)
{
	struct decision *decision = gateway->decided->decision;
	bool refused = false;
	int r;

	if (gateway->up && !gateway->run.lost) {
		return 0;
	}
	if (gateway->up) {
		tool_run_finish(&gateway->run);
		gateway->up = false;
	}
	r = tool_run_start(&gateway->run, decision,
		&(struct tool_run_opts){
			.may_background = verdict_of(gateway, tool_by_name("process"))->allowed,
			.with_host = may_use_host(decision),
		},
		&refused, err);
	gateway->up = r == 0;
	return r;
}

static void fail_start(const struct gateway_call_opts *opts, const struct error *why)
{
	struct tool_result result = {.details = json_object()};

	result.failure.type = TOOL_FAIL_UNAVAILABLE;
	result.failure.message = xstrdup(why->text);
	opts->done(opts->arg, &result);
}

static void on_done(void *arg, struct tool_result *result)
{
	struct gateway_call *call = arg;

	call->over = true;
	call->done(call->arg, result);
	if (!call->starting) {
		free(call);
	}
}

static void on_progress(void *arg, const char *data, size_t len)
{
	struct gateway_call *call = arg;

	if (call->progress != NULL) {
		call->progress(call->arg, data, len);
	}
}

struct gateway_call *gateway_call_start(
	struct gateway *gateway, const struct gateway_call_opts *opts)
{
	const struct tool *tool = tool_by_name(opts->tool);
	bool needs_sandbox = tool != NULL && is_offered(gateway, tool);
	struct gateway_call *call;
	struct error err;

	if (needs_sandbox && bring_up(gateway, &err) < 0) {
		fail_start(opts, &err);
		return NULL;
	}
	call = xcalloc(1, sizeof(*call));
	*call = (struct gateway_call){
		.progress = opts->progress,
		.done = opts->done,
		.arg = opts->arg,
		.starting = true,
	};
	call->call = tool_call_start(needs_sandbox ? gateway->run.session : gateway->idle.session,
		opts->tool, opts->args,
		&(struct tool_call_opts){
			.verdict = tool != NULL ? verdict_of(gateway, tool) : NULL,
			.done = on_done,
			.progress = on_progress,
			.arg = call,
		});
	call->starting = false;
	if (call->over) {
		free(call);
		return NULL;
	}
	return call;
}

void gateway_call_abort(struct gateway_call *call)
{
	tool_call_abort(call->call);
}

/* --- the rest of core.h --- */

static json_t *tools_json(struct gateway *gateway)
{
	json_t *tools = json_array();
	size_t count;
	const struct tool *const *table = tool_table(&count);

	for (size_t i = 0; i < count; i++) {
		json_t *entry = tool_describe(table[i]);

		(void)json_object_set_new(
			entry, "offered", json_boolean(is_offered(gateway, table[i])));
		(void)json_array_append_new(tools, entry);
	}
	return tools;
}

struct gateway_ask *gateway_ask(struct gateway *gateway, const struct gateway_caller *caller,
	const char *op, json_t *args, gateway_answer_fn done, void *arg)
{
	json_t *result = NULL;

	(void)caller;
	json_decref(args);
	if (strcmp(op, "auth") == 0) {
		result = json_pack("{s:s, s:b}", "name", "local", "admin", 1);
	} else if (strcmp(op, "tools") == 0) {
		result = tools_json(gateway);
	}
	if (result != NULL) {
		done(arg, result, NULL);
		json_decref(result);
	} else {
		done(arg, NULL,
			&(struct gateway_failure){
				.type = TOOL_FAIL_UNAVAILABLE,
				.message = "only a gateway can answer that",
				.hint = "start one: creel gateway run",
			});
	}
	return NULL;
}

void gateway_ask_forget(struct gateway_ask *ask)
{
	(void)ask; /* every answer came at once */
}

/* Nothing changes while the command runs. */
struct gateway_watch *gateway_watch(
	struct gateway *gateway, const json_t *auth, uint64_t after, gateway_event_fn fn, void *arg)
{
	(void)gateway;
	(void)auth;
	(void)after;
	(void)fn;
	(void)arg;
	return NULL;
}

struct gateway_watch *gateway_unwatch(struct gateway_watch *watch)
{
	free(watch);
	return NULL;
}
