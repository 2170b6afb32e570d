/* SPDX-License-Identifier: MIT */
/* creel sandbox explain: what is decided for a session, and which key decided it. */
#include "backend/host-view.h"
#include "base/mem.h"
#include "base/own.h"
#include "cli/request.h"
#include "cli/table.h"

struct explain_args {
	struct common_args common;
	struct request_args request;
};

#define OFFSET(member) offsetof(struct explain_args, member)
static const struct cmd_option options[] = {
	REQUEST_OPTION_AGENT(OFFSET(request)),
	REQUEST_OPTION_SESSION(OFFSET(request)),
	REQUEST_OPTION_WORKSPACE(OFFSET(request)),
	REQUEST_OPTION_SENDER(OFFSET(request)),
};

static int run(const struct cmd_call *call)
{
	const struct explain_args *args = call->args;
	_cleanup_decided_ struct decided decided = {0};
	_cleanup_free_ struct host_view *host = NULL;
	_cleanup_buf_ struct buf out = {0};
	json_t *object;
	int status = request_decide(call, &args->request, NULL, false, &decided);

	if (status != STATUS_OK) {
		return status;
	}
	host = xcalloc(1, sizeof(*host));
	host_view_fill(decided.decision, host);
	if (args->common.json) {
		object = report_explain(decided.decision, &host->report);
		status = print_json(call, object);
		json_decref(object);
		return status;
	}
	report_explain_text(decided.decision, &host->report, &out);
	return print_text(call, &out);
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
		"host has, and for every field the configuration key that decided it.",
	.run = run,
};
