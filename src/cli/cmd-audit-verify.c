/* SPDX-License-Identifier: MIT */
/* creel audit verify: is the chain of the audit log whole? */
#include <errno.h>

#include "broker/audit.h"
#include "cli/prepare.h"
#include "cli/table.h"

struct verify_args {
	struct common_args common;
};

static json_t *verdict_json(const struct audit_verdict *verdict)
{
	return json_pack("{s:b, s:I, s:I, s:I, s:s, s:b}", "ok", 1, "rows",
		(json_int_t)verdict->rows, "firstSeq", (json_int_t)verdict->first_seq, "lastSeq",
		(json_int_t)verdict->last_seq, "lastHash", verdict->last_hash, "torn",
		verdict->torn ? 1 : 0);
}

static void verdict_text(const struct audit_verdict *verdict, struct buf *out)
{
	if (verdict->rows == 0) {
		buf_add_str(out, "the audit log has no rows\n");
		return;
	}
	buf_addf(out,
		"%llu rows, %llu to %llu: the chain is whole\nthe last one's hash is %s\n"
		"Note it elsewhere: rows cut off at the end leave no other trace.\n",
		(unsigned long long)verdict->rows, (unsigned long long)verdict->first_seq,
		(unsigned long long)verdict->last_seq, verdict->last_hash);
	if (verdict->torn) {
		buf_add_str(out, "A row after it is cut off, as a crash or a full disk leaves it; "
				 "the next writer drops it and says so.\n");
	}
}

static int run(const struct cmd_call *call)
{
	_cleanup_config_ struct config *config = NULL;
	_cleanup_buf_ struct buf text = {0};
	struct audit_verdict verdict;
	struct error err;
	json_t *object;
	int status = prepare_config(call, true, &config);

	if (status != STATUS_OK) {
		return status;
	}
	if (audit_verify(config->state_dir, &verdict, &err) < 0 && err.num != ENOENT) {
		return fail_error(call, STATUS_FAILED, CODE_IO, &err);
	}
	if (cmd_common(call)->json) {
		object = verdict_json(&verdict);
		status = print_json(call, object);
		json_decref(object);
		return status;
	}
	verdict_text(&verdict, &text);
	return print_text(call, &text);
}

const struct cmd cmd_audit_verify = {
	.name = "audit verify",
	.summary = "check that no row of the audit log was changed or removed",
	.operands = "",
	.failed_status = STATUS_FAILED,
	.args_size = sizeof(struct verify_args),
	.description =
		"Walks through the whole chain of hashes, also of the files that were put aside, and names "
		"the first line that does not fit. Exit status 1: it is broken, or cannot be read.",
	.run = run,
};
