/* SPDX-License-Identifier: MIT */
/* creel sandbox stage: files that came in with a message, brought to where the sandbox reads them. */
#include "cli/request.h"
#include "cli/table.h"
#include "policy/report.h"
#include "sandbox/content.h"
#include "sandbox/resolve.h"

struct stage_args {
	struct common_args common;
	struct request_args request;
};

#define OFFSET(member) offsetof(struct stage_args, member)
static const struct cmd_option options[] = {
	REQUEST_OPTION_AGENT(OFFSET(request)),
	REQUEST_OPTION_SESSION(OFFSET(request)),
	REQUEST_OPTION_WORKSPACE(OFFSET(request)),
};

static int stage_all(const struct cmd_call *call, struct decision *decision, json_t *staged,
	struct buf *text, struct error *err)
{
	for (int i = 0; i < call->operand_count; i++) {
		const char *path;

		if (media_stage(decision, call->operands[i], &path, err) < 0) {
			if (i > 0) {
				(void)error_prefix(
					err, "%d of %d files copied, then", i, call->operand_count);
			}
			return STATUS_FAILED;
		}
		buf_addf(text, "%s\n", path);
		(void)json_array_append_new(
			staged, json_pack("{s:o, s:o}", "source", report_text(call->operands[i]),
					"path", report_text(path)));
	}
	return STATUS_OK;
}

static int run(const struct cmd_call *call)
{
	const struct stage_args *args = call->args;
	_cleanup_decided_ struct decided decided = {0};
	_cleanup_buf_ struct buf text = {0};
	const char *reason = NULL;
	json_t *object;
	struct error err;
	int status = request_decide(call, &args->request, NULL, false, &decided);

	if (status != STATUS_OK) {
		return status;
	}
	if (sandbox_resolve(decided.decision, RESOLVE_CREATE, &reason, &err) < 0) {
		return fail_error(call, STATUS_FAILED, CODE_REFUSED, &err);
	}
	object = json_pack("{s:[]}", "staged");
	status = stage_all(call, decided.decision, json_object_get(object, "staged"), &text, &err);
	if (status != STATUS_OK) {
		json_decref(object);
		return fail_error(call, STATUS_FAILED, CODE_REFUSED, &err);
	}
	status = args->common.json ? print_json(call, object) : print_text(call, &text);
	json_decref(object);
	return status;
}

const struct cmd cmd_sandbox_stage = {
	.name = "sandbox stage",
	.summary = "copy files that came in with a message to the sandbox's workspace",
	.operands = "FILE...",
	.min_operands = 1,
	.max_operands = -1,
	.failed_status = STATUS_FAILED,
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.args_size = sizeof(struct stage_args),
	.description =
		"Copies each FILE, an absolute path or a file:// URL below the media directory of the state "
		"directory, to media/inbound/ in the workspace that the session's sandbox sees, and prints "
		"its path relative to the workspace. A file of more than 5 MiB, a link, and anything "
		"outside the media directory is refused; nothing is ever written over.",
	.run = run,
};
