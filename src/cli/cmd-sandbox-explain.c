/* SPDX-License-Identifier: MIT */
/* creel sandbox explain: what is decided for a session, and which key decided it. */
#include "backend/host-view.h"
#include "base/mem.h"
#include "base/own.h"
#include "cli/gateway-client.h"
#include "cli/probe.h"
#include "cli/request.h"
#include "cli/table.h"
#include "sandbox/resolve.h"

struct explain_args {
	struct common_args common;
	struct request_args request;
	bool probe;
};

#define OFFSET(member) offsetof(struct explain_args, member)
static const struct cmd_option options[] = {
	REQUEST_OPTION_AGENT(OFFSET(request)),
	REQUEST_OPTION_SESSION(OFFSET(request)),
	REQUEST_OPTION_WORKSPACE(OFFSET(request)),
	REQUEST_OPTION_SENDER(OFFSET(request)),
	{"probe", 0, NULL, OPTION_FLAG, OFFSET(probe),
		"start the sandbox and compare what it really is with what was decided"},
};

static void add_checks(const struct probe *probe, struct buf *out)
{
	const json_t *check;
	size_t i;

	buf_addf(out, "\nProbe: %zu comparisons, %zu differ\n", json_array_size(probe->checks),
		probe->different);
	json_array_foreach(probe->checks, i, check)
	{
		if (!json_is_true(json_object_get(check, "same"))) {
			buf_addf(out, "  DIFFERENT  %s (%s): decided '%s', found '%s'\n",
				json_string_value(json_object_get(check, "check")),
				json_string_value(json_object_get(check, "from")),
				json_string_value(json_object_get(check, "decided")),
				json_string_value(json_object_get(check, "found")));
		}
	}
}

/* With a decision of its own, for one is resolved once. Without isolation there is nothing to compare. */
static int run_probe(const struct cmd_call *call, struct probe *ret)
{
	const struct explain_args *args = call->args;
	_cleanup_decided_ struct decided decided = {0};
	const char *reason = NULL;
	struct error err;
	int status;

	if (!args->probe) {
		return STATUS_OK;
	}
	status = request_decide(call, &args->request, NULL, false, &decided);
	if (status != STATUS_OK || !decision_is_isolated(decided.decision)) {
		return status;
	}
	if (sandbox_resolve(decided.decision, RESOLVE_CREATE, &reason, &err) < 0) {
		return fail_error(call, STATUS_FAILED, CODE_REFUSED, &err);
	}
	if (probe_run(decided.decision, ret, &err) < 0) {
		return fail_error(call, STATUS_FAILED, CODE_SANDBOX, &err);
	}
	return STATUS_OK;
}

/* --- what a session was told --- */

/* The running gateway knows; NULL: there is none, or nothing was said. */
static json_t *ask_directives(const struct decided *decided)
{
	_cleanup_buf_ struct buf path = {0};
	json_t *session = NULL, *directives = NULL;
	struct error ignored;

	buf_add_str(&path, "/v1/sessions/");
	gateway_client_add_encoded(&path, decided->decision->session_key);
	buf_add_str(&path, "?agentId=");
	gateway_client_add_encoded(&path, decided->decision->agent_id);
	if (gateway_client_result(decided->config,
		    &(struct gateway_request){.method = "GET", .path = path.data}, &session,
		    &ignored) == 0) {
		directives = json_incref(json_object_get(session, "directives"));
	}
	json_decref(session);
	if (json_object_size(directives) == 0) {
		json_decref(TAKE_PTR(directives));
	}
	return directives;
}

/* As it is decided for the session with what it was told; *ret_directives lives as long as that. */
static int decide_session(
	const struct cmd_call *call, struct decided *decided, json_t **ret_directives)
{
	const struct explain_args *args = call->args;
	int status = request_decide(call, &args->request, NULL, false, decided);

	if (status != STATUS_OK) {
		return status;
	}
	*ret_directives = ask_directives(decided);
	decided->request.session_elevated =
		json_string_value(json_object_get(*ret_directives, "elevated"));
	if (decided->request.session_elevated == NULL) {
		return STATUS_OK;
	}
	decided->decision = decision_free(decided->decision);
	return prepare_decision(call, decided->config, &decided->request, &decided->decision);
}

static void add_directives(const json_t *directives, struct buf *out)
{
	json_t *exec = json_object_get(directives, "exec"), *value;
	const char *level = json_string_value(json_object_get(directives, "elevated")), *key;

	buf_add_str(out, "\nDirectives of this session:\n");
	if (level != NULL) {
		buf_addf(out, "  /elevated %s\n", level);
	}
	if (exec != NULL) {
		buf_add_str(out, "  /exec");
		json_object_foreach(exec, key, value)
		{
			buf_addf(out, " %s=%s", key, json_string_value(value));
		}
		buf_add_char(out, '\n');
	}
}

static int run(const struct cmd_call *call)
{
	const struct explain_args *args = call->args;
	json_t *directives = NULL;
	_cleanup_decided_ struct decided decided = {0};
	_cleanup_free_ struct host_view *host = NULL;
	_cleanup_buf_ struct buf out = {0};
	_cleanup_(probe_finish) struct probe probe = {0};
	json_t *object;
	int status = run_probe(call, &probe);

	status = status != STATUS_OK ? status : decide_session(call, &decided, &directives);
	if (status != STATUS_OK) {
		json_decref(directives);
		return status;
	}
	host = xcalloc(1, sizeof(*host));
	host_view_fill(decided.decision, host);
	if (args->common.json) {
		object = report_explain(decided.decision, &host->report);
		if (directives != NULL) {
			(void)json_object_set(object, "directives", directives);
		}
		if (probe.checks != NULL) {
			(void)json_object_set(object, "probe", probe.checks);
		}
		status = print_json(call, object);
		json_decref(object);
	} else {
		report_explain_text(decided.decision, &host->report, &out);
		if (directives != NULL) {
			add_directives(directives, &out);
		}
		if (probe.checks != NULL) {
			add_checks(&probe, &out);
		}
		status = print_text(call, &out);
	}
	json_decref(directives);
	return status == STATUS_OK && probe.different > 0 ? STATUS_FAILED : status;
}

const struct cmd cmd_sandbox_explain = {
	.name = "sandbox explain",
	.summary = "say what is decided for a session, and which key decided it",
	.operands = "",
	.failed_status = STATUS_FAILED,
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.args_size = sizeof(struct explain_args),
	.description =
		"Prints the whole decision for a session: sandboxed or not, by which backend and why, "
		"mounts, network, limits, tools, elevated gates, the layers of isolation that this "
		"host has, and for every field the configuration key that decided it; with a running gateway the "
		"session's directives count, too. With --probe the sandbox "
		"is started, and what a process in it sees and an engine says of it is compared with "
		"that; status 1 when anything differs.",
	.run = run,
};
