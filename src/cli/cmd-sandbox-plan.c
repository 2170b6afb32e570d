/* SPDX-License-Identifier: MIT */
/* creel sandbox plan: the sandbox that would be made. */
#include "backend/native/plan.h"
#include "cli/request.h"
#include "cli/table.h"
#include "policy/report.h"
#include "sandbox/resolve.h"

struct plan_args {
	struct common_args common;
	struct request_args request;
	bool reveal;
};

#define OFFSET(member) offsetof(struct plan_args, member)
static const struct cmd_option options[] = {
	REQUEST_OPTION_AGENT(OFFSET(request)),
	REQUEST_OPTION_SESSION(OFFSET(request)),
	REQUEST_OPTION_WORKSPACE(OFFSET(request)),
	{"reveal", 0, NULL, OPTION_FLAG, OFFSET(reveal),
		"print the values of variables whose names look like secrets"},
};

static int run(const struct cmd_call *call)
{
	const struct plan_args *args = call->args;
	_cleanup_decided_ struct decided decided = {0};
	const char *reason = NULL;
	json_t *steps = NULL, *object;
	struct error err;
	int status = request_decide(call, &args->request, NULL, false, &decided);

	if (status != STATUS_OK) {
		return status;
	}
	if (sandbox_resolve(decided.decision, 0, &reason, &err) < 0) {
		return fail_error(call, STATUS_FAILED, CODE_REFUSED, &err);
	}
	/* A host that cannot make it still gets to see the container: then there are no steps. */
	if (decided.decision->spec.backend == BACKEND_NATIVE) {
		steps = native_plan_json(&decided.decision->spec, &err);
	}
	object = report_plan(decided.decision, reason, steps, args->reveal);
	if (decided.decision->spec.backend == BACKEND_NATIVE && steps == NULL) {
		json_object_set_new(object, "problem", report_text(err.text));
	}
	status = print_json(call, object);
	json_decref(object);
	return status;
}

const struct cmd cmd_sandbox_plan = {
	.name = "sandbox plan",
	.summary = "print the sandbox that would be made",
	.operands = "",
	.failed_status = STATUS_FAILED,
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.args_size = sizeof(struct plan_args),
	.description =
		"Prints, as JSON, the container that would be made for a session: image, user, "
		"mounts, environment, limits, and the steps of the native backend. Touches nothing.",
	.run = run,
};
