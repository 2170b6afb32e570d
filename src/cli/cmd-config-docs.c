/* SPDX-License-Identifier: MIT */
/* creel config docs: every key as text. */
#include "cli/fail.h"
#include "cli/table.h"
#include "config/schema.h"

struct docs_args {
	struct common_args common;
	bool man;
};

static const struct cmd_option options[] = {
	{"man", 0, NULL, OPTION_FLAG, offsetof(struct docs_args, man),
		"as scdoc source, the form that the manual page is made from"},
};

static int run(const struct cmd_call *call)
{
	const struct docs_args *args = call->args;
	_cleanup_buf_ struct buf out = {0};

	if (args->man) {
		config_docs_man(&out);
	} else {
		config_docs_markdown(&out);
	}
	return print_text(call, &out);
}

const struct cmd cmd_config_docs = {
	.name = "config docs",
	.summary = "print what every key of the configuration means",
	.operands = "",
	.failed_status = STATUS_FAILED,
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.args_size = sizeof(struct docs_args),
	.description = "Prints every key with its type, default and meaning, as Markdown.",
	.run = run,
};
