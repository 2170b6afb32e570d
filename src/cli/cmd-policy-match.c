/* SPDX-License-Identifier: MIT */
/* creel policy match: one allow and deny policy against one tool name. */
#include <string.h>

#include "cli/fail.h"
#include "cli/table.h"
#include "policy/report.h"

struct match_args {
	struct common_args common;
	const char *policy;
};

static const struct cmd_option options[] = {
	{"policy", 0, "JSON", OPTION_TEXT, offsetof(struct match_args, policy),
		"the policy, for example {\"allow\": [\"group:fs\"], \"deny\": [\"write\"]}"},
};

static int read_policy(const struct cmd_call *call, json_t **ret)
{
	const struct match_args *args = call->args;
	_cleanup_buf_ struct buf message = {0};
	json_error_t why;

	if (args->policy == NULL) {
		return fail_usage(args->common.json, "policy match: option '--policy' is needed");
	}
	*ret = json_loads(args->policy, JSON_REJECT_DUPLICATES, &why);
	if (*ret == NULL) {
		buf_addf(&message,
			"policy match: option '--policy' is not JSON: column %d: ", why.column);
		buf_add_escaped(&message, why.text, strlen(why.text), 200);
		return fail_usage(args->common.json, message.data);
	}
	if (!json_is_object(*ret)) {
		json_decref(*ret);
		return fail_usage(args->common.json,
			"policy match: option '--policy' takes an object with allow and deny lists");
	}
	return STATUS_OK;
}

static void add_text(struct buf *out, const json_t *answer)
{
	const json_t *rule = json_object_get(answer, "rule");
	const char *list = json_string_value(json_object_get(rule, "list"));
	json_t *entries = json_object_get(rule, "entries"), *entry;
	size_t i;

	buf_addf(out, "%s: %s", json_string_value(json_object_get(answer, "tool")),
		json_is_true(json_object_get(answer, "allowed")) ? "allowed" : "denied");
	buf_addf(out, " (rule: %s", list != NULL ? list : "none");
	json_array_foreach(entries, i, entry)
	{
		buf_addf(out, "%s %s", i == 0 ? ":" : ",", json_string_value(entry));
	}
	buf_add_str(out, ")\n");
}

static int run(const struct cmd_call *call)
{
	_cleanup_buf_ struct buf out = {0};
	json_t *policy = NULL, *answer;
	int status = read_policy(call, &policy);

	if (status != STATUS_OK) {
		return status;
	}
	answer = report_match(policy, call->operands[0]);
	json_decref(policy);
	if (cmd_common(call)->json) {
		status = print_json(call, answer);
	} else {
		add_text(&out, answer);
		status = print_text(call, &out);
	}
	json_decref(answer);
	return status;
}

const struct cmd cmd_policy_match = {
	.name = "policy match",
	.summary = "match one allow and deny policy against one tool",
	.operands = "TOOL",
	.min_operands = 1,
	.max_operands = 1,
	.failed_status = STATUS_FAILED,
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.args_size = sizeof(struct match_args),
	.description =
		"Takes a policy from the command line and no configuration, and says which list "
		"and entries decide about the tool.",
	.run = run,
};
