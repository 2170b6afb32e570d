/* SPDX-License-Identifier: MIT */
/* creel policy check: may a tool be called, and why. */
#include "cli/request.h"
#include "cli/table.h"
#include "policy/report.h"

struct check_args {
	struct common_args common;
	struct request_args request;
};

#define OFFSET(member) offsetof(struct check_args, member)
static const struct cmd_option options[] = {
	REQUEST_OPTION_AGENT(OFFSET(request)),
	REQUEST_OPTION_SESSION(OFFSET(request)),
	{"provider", 0, "PROVIDER", OPTION_TEXT, OFFSET(request.provider),
		"the model's provider, openai or openai/gpt-x, for tools.byProvider"},
	REQUEST_OPTION_SENDER(OFFSET(request)),
	{"owner", 0, NULL, OPTION_FLAG, OFFSET(request.owner), "the sender is the owner"},
};

static int run(const struct cmd_call *call)
{
	const struct check_args *args = call->args;
	_cleanup_decided_ struct decided decided = {0};
	_cleanup_buf_ struct buf out = {0};
	json_t *object;
	int status = request_decide(call, &args->request, call->operands[0], false, &decided);

	if (status != STATUS_OK) {
		return status;
	}
	if (args->common.json) {
		object = report_verdict(&decided.decision->tool);
		status = print_json(call, object);
		json_decref(object);
		return status;
	}
	report_verdict_text(&decided.decision->tool, &out);
	return print_text(call, &out);
}

const struct cmd cmd_policy_check = {
	.name = "policy check",
	.summary = "say whether a tool may be called, and why",
	.operands = "TOOL",
	.min_operands = 1,
	.max_operands = 1,
	.failed_status = STATUS_FAILED,
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.args_size = sizeof(struct check_args),
	.description =
		"Runs every layer of the configuration for one tool. A denial names the layer, the "
		"rule, the reason and the keys that would change it. Status 0 either way: the answer "
		"is what is printed.",
	.run = run,
};
