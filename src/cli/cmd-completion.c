/* SPDX-License-Identifier: MIT */
/* creel completion: a completion script for a shell. */
#include <string.h>

#include "cli/fail.h"
#include "cli/table.h"

static int run(const struct cmd_call *call)
{
	_cleanup_buf_ struct buf out = {0};
	int shell = completion_shell_from_name(call->operands[0]);

	if (shell < 0) {
		buf_add_str(&out, "completion: takes bash, zsh or fish, not '");
		buf_add_escaped(&out, call->operands[0], strlen(call->operands[0]), 60);
		buf_add_str(&out, "'");
		return fail_usage(cmd_common(call)->json, out.data);
	}
	completion_add_script(&out, (enum completion_shell)shell);
	return print_text(call, &out);
}

const struct cmd cmd_completion = {
	.name = "completion",
	.summary = "print a completion script for a shell",
	.operands = "bash|zsh|fish",
	.min_operands = 1,
	.max_operands = 1,
	.operand_words = "bash zsh fish",
	.failed_status = STATUS_FAILED,
	.args_size = sizeof(struct common_args),
	.description =
		"Prints a script that makes the shell complete creel's commands and options. "
		"bash: source <(creel completion bash). zsh: creel completion zsh > "
		"\"${fpath[1]}/_creel\". fish: creel completion fish | source.",
	.run = run,
};
