/* SPDX-License-Identifier: MIT */
/* Help, from the same tables that parsing uses. */
#include <string.h>

#include "cli/cmd.h"

enum { HELP_WIDTH = 90, HELP_INDENT = 24 };

/* Words of text from column at, broken before HELP_WIDTH, next lines indented. */
static void add_wrapped(struct buf *out, const char *text, size_t at, size_t indent)
{
	bool first = true;

	while (*text != '\0') {
		size_t len = strcspn(text, " ");

		if (!first && at + 1 + len > HELP_WIDTH) {
			buf_addf(out, "\n%*s", (int)indent, "");
			at = indent;
		} else if (!first) {
			buf_add_char(out, ' ');
			at++;
		}
		first = false;
		buf_add(out, text, len);
		at += len;
		text += len;
		text += strspn(text, " ");
	}
	buf_add_char(out, '\n');
}

static void add_option(struct buf *out, const struct cmd_option *option)
{
	_cleanup_buf_ struct buf left = {0};

	if (option->letter != 0) {
		buf_addf(&left, "  -%c, --%s", option->letter, option->name);
	} else {
		buf_addf(&left, "      --%s", option->name);
	}
	if (option->arg != NULL) {
		buf_addf(&left, " %s", option->arg);
	}
	if (left.len + 2 <= HELP_INDENT) {
		buf_addf(out, "%-*s", (int)HELP_INDENT, left.data);
	} else {
		buf_addf(out, "%s\n%*s", left.data, (int)HELP_INDENT, "");
	}
	add_wrapped(out, option->help, HELP_INDENT, HELP_INDENT);
}

static void add_options(
	struct buf *out, const char *title, const struct cmd_option *options, size_t count)
{
	if (count == 0) {
		return;
	}
	buf_addf(out, "\n%s:\n", title);
	for (size_t i = 0; i < count; i++) {
		add_option(out, &options[i]);
	}
}

void cmd_add_help(struct buf *out, const struct cmd *cmd)
{
	buf_addf(out, "usage: creel %s [OPTIONS]%s%s%s\n\n", cmd->name,
		cmd->operands_are_command ? " [--]" : "", cmd->operands[0] != '\0' ? " " : "",
		cmd->operands);
	add_wrapped(out, cmd->description, 0, 0);
	add_options(out, "options", cmd->options, cmd->option_count);
	add_options(out, "options of every command", cmd_common_options, cmd_common_option_count);
}

void cmd_add_overview(struct buf *out)
{
	buf_add_str(out, "usage: creel COMMAND [OPTIONS] [ARG...]\n\n"
			 "Run the tools of AI agents inside sandboxes.\n\ncommands:\n");
	for (size_t i = 0; i < cmd_table_count; i++) {
		buf_addf(out, "  %-*s", (int)HELP_INDENT - 2, cmd_table[i]->name);
		add_wrapped(out, cmd_table[i]->summary, HELP_INDENT, HELP_INDENT);
	}
	add_options(out, "options of every command", cmd_common_options, cmd_common_option_count);
	buf_add_str(out, "      --version         show the version\n\n"
			 "'creel help COMMAND' says more about one. Start with 'creel doctor'.\n");
}
