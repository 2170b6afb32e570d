/* SPDX-License-Identifier: MIT */
/* creel approval list, allow, deny: commands that wait for a person. */
#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/macro.h"
#include "cli/gateway-client.h"
#include "cli/prepare.h"
#include "cli/table.h"

/* The result of one request; reports what went wrong. */
static int ask(const struct cmd_call *call, const struct gateway_request *request, json_t **ret)
{
	_cleanup_config_ struct config *config = NULL;
	json_t *answer = NULL;
	const json_t *error;
	struct error err;
	int http = 0, status = prepare_config(call, true, &config), r;

	if (status != STATUS_OK) {
		json_decref(request->body);
		return status;
	}
	r = gateway_client_ask(config, request, &http, &answer, &err);
	error = json_object_get(answer, "error");
	if (r < 0) {
		status = fail_error(
			call, STATUS_FAILED, r == -ENOENT ? CODE_NOT_FOUND : CODE_IO, &err);
	} else if (error != NULL) {
		status = fail(call, STATUS_FAILED,
			&(struct failure){
				.code = http == 404 ? CODE_NOT_FOUND : CODE_REFUSED,
				.message = json_string_value(json_object_get(error, "message")),
				.hint = json_string_value(json_object_get(error, "hint")),
			});
	} else {
		*ret = json_incref(json_object_get(answer, "result"));
	}
	json_decref(answer);
	return status;
}

static void add_shown(struct buf *out, const json_t *entry, const char *key)
{
	const char *text = json_string_value(json_object_get(entry, key));

	buf_add_printable(out, text != NULL ? text : "", text != NULL ? strlen(text) : 0, 200);
}

static int run_list(const struct cmd_call *call)
{
	const struct gateway_request request = {"GET", "/v1/approvals", NULL};
	_cleanup_buf_ struct buf out = {0};
	const json_t *list;
	json_t *result;
	int status = ask(call, &request, &result);

	if (status != STATUS_OK) {
		return status;
	}
	list = json_object_get(result, "approvals");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *entry = json_array_get(list, i);

		add_shown(&out, entry, "id");
		buf_add_str(&out, "  ");
		add_shown(&out, entry, "sessionKey");
		buf_add_str(&out, "  ");
		add_shown(&out, entry, "command");
		buf_add_char(&out, '\n');
	}
	if (json_array_size(list) == 0) {
		buf_add_str(&out, "No command waits.\n");
	}
	status = cmd_common(call)->json ? print_json(call, result) : print_text(call, &out);
	json_decref(result);
	return status;
}

static int decide_one(const struct cmd_call *call, const char *decision)
{
	_cleanup_arena_ struct arena arena = {0};
	const char *id = call->operands[0];
	_cleanup_buf_ struct buf out = {0};
	struct gateway_request request = {.method = "POST"};
	json_t *result;
	int status;

	/* An id is hexadecimal: anything else is none, and must not become a part of a path. */
	if (id[0] == '\0' || id[strspn(id, "0123456789abcdef")] != '\0') {
		return fail(call, STATUS_FAILED,
			&(struct failure){.code = CODE_NOT_FOUND,
				.message = "no command waits under that id",
				.hint = "'creel approval list' shows those that do"});
	}
	request.path = arena_printf(&arena, "/v1/approvals/%s", id);
	request.body = json_pack("{s:s}", "decision", decision);
	status = ask(call, &request, &result);
	if (status != STATUS_OK) {
		return status;
	}
	buf_addf(&out, "%s: %s\n", id, decision);
	status = cmd_common(call)->json ? print_json(call, result) : print_text(call, &out);
	json_decref(result);
	return status;
}

static int run_allow(const struct cmd_call *call)
{
	return decide_one(call, "allow");
}

static int run_deny(const struct cmd_call *call)
{
	return decide_one(call, "deny");
}

const struct cmd cmd_approval_list = {
	.name = "approval list",
	.summary = "list the commands that wait for a person",
	.operands = "",
	.failed_status = STATUS_FAILED,
	.args_size = sizeof(struct common_args),
	.description = "Commands that are to run on the host, outside of every sandbox, where "
		       "tools.exec.ask or the session says that a person is asked. Each waits for "
		       "gateway.approvalSeconds (120) and is refused then.",
	.run = run_list,
};

const struct cmd cmd_approval_allow = {
	.name = "approval allow",
	.summary = "let a waiting command run",
	.operands = "ID",
	.min_operands = 1,
	.max_operands = 1,
	.failed_status = STATUS_FAILED,
	.args_size = sizeof(struct common_args),
	.description = "Lets it run once, as it was shown. Every gate is checked again.",
	.run = run_allow,
};

const struct cmd cmd_approval_deny = {
	.name = "approval deny",
	.summary = "refuse a waiting command",
	.operands = "ID",
	.min_operands = 1,
	.max_operands = 1,
	.failed_status = STATUS_FAILED,
	.args_size = sizeof(struct common_args),
	.description = "Refuses it; its caller is told so.",
	.run = run_deny,
};
