/* SPDX-License-Identifier: MIT */
/* Completion scripts for three shells, from the command table. */
#include <errno.h>
#include <string.h>

#include "cli/cmd.h"

static const char *const shell_names[] = {
	[SHELL_BASH] = "bash",
	[SHELL_ZSH] = "zsh",
	[SHELL_FISH] = "fish",
};
_Static_assert(ARRAY_SIZE(shell_names) == SHELL_COUNT_, "one name per shell");

int completion_shell_from_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(shell_names); i++) {
		if (strcmp(name, shell_names[i]) == 0) {
			return (int)i;
		}
	}
	return -EINVAL;
}

typedef void (*option_fn)(struct buf *out, const struct cmd *cmd, const struct cmd_option *option);

static void each_option(struct buf *out, const struct cmd *cmd, option_fn add)
{
	for (size_t i = 0; i < cmd->option_count; i++) {
		add(out, cmd, &cmd->options[i]);
	}
	for (size_t i = 0; i < cmd_common_option_count; i++) {
		add(out, cmd, &cmd_common_options[i]);
	}
}

static bool takes(const struct cmd_option *option, const char *arg)
{
	return option->arg != NULL && strcmp(option->arg, arg) == 0;
}

/* "sandbox" of "sandbox explain"; the length of the whole name when it is one word. */
static size_t first_word(const struct cmd *cmd)
{
	return strcspn(cmd->name, " ");
}

/* Is i the first row that begins with its word? */
static bool opens_group(size_t i)
{
	size_t len = first_word(cmd_table[i]);

	for (size_t j = 0; j < i; j++) {
		if (first_word(cmd_table[j]) == len &&
			memcmp(cmd_table[j]->name, cmd_table[i]->name, len) == 0) {
			return false;
		}
	}
	return true;
}

/* The second words of the group that row i belongs to, blank between. */
static void add_second_words(struct buf *out, size_t i)
{
	size_t len = first_word(cmd_table[i]);

	for (size_t j = i; j < cmd_table_count; j++) {
		const char *name = cmd_table[j]->name;

		if (first_word(cmd_table[j]) == len && memcmp(name, cmd_table[i]->name, len) == 0 &&
			name[len] == ' ') {
			buf_addf(out, "%s ", name + len + 1);
		}
	}
}

static void add_first_words(struct buf *out)
{
	for (size_t i = 0; i < cmd_table_count; i++) {
		if (opens_group(i)) {
			buf_add(out, cmd_table[i]->name, first_word(cmd_table[i]));
			buf_add_char(out, ' ');
		}
	}
	buf_add_str(out, "help");
}

/* --- bash --- */

static void bash_option(struct buf *out, const struct cmd *cmd, const struct cmd_option *option)
{
	(void)cmd;
	buf_addf(out, "--%s ", option->name);
	if (option->letter != 0) {
		buf_addf(out, "-%c ", option->letter);
	}
}

static void bash_command(struct buf *out, const struct cmd *cmd)
{
	buf_addf(out, "\t'%s')\n\t\toptions='", cmd->name);
	each_option(out, cmd, bash_option);
	buf_addf(out, "'\n\t\twords='%s'\n\t\tcommand=%s\n\t\t;;\n",
		cmd->operand_words != NULL ? cmd->operand_words : "",
		cmd->operands_are_command ? "yes" : "no");
}

static void bash_value_options(struct buf *out, const char *arg)
{
	bool any = false;

	for (size_t i = 0; i < cmd_table_count; i++) {
		for (size_t j = 0; j < cmd_table[i]->option_count; j++) {
			const struct cmd_option *option = &cmd_table[i]->options[j];

			if (takes(option, arg)) {
				buf_addf(out, "%s--%s", any ? " | " : "", option->name);
				any = true;
			}
		}
	}
	for (size_t i = 0; i < cmd_common_option_count; i++) {
		if (takes(&cmd_common_options[i], arg)) {
			buf_addf(out, "%s--%s", any ? " | " : "", cmd_common_options[i].name);
			any = true;
		}
	}
	buf_add_str(out, any ? ")" : "--)");
}

static void add_bash(struct buf *out)
{
	buf_add_str(out,
		"# bash completion for creel: source <(creel completion bash)\n"
		"_creel() {\n"
		"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
		"\tlocal name=${COMP_WORDS[1]} options='' words='' command=no start=2 i\n"
		"\tCOMPREPLY=()\n"
		"\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n"
		"\t\tCOMPREPLY=($(compgen -W '");
	add_first_words(out);
	buf_add_str(out, " --version --help' -- \"$cur\"))\n\t\treturn\n\tfi\n\tcase $name in\n");
	for (size_t i = 0; i < cmd_table_count; i++) {
		size_t len = first_word(cmd_table[i]);

		if (cmd_table[i]->name[len] == '\0' || !opens_group(i)) {
			continue;
		}
		buf_addf(out, "\t%.*s)\n\t\tif [ \"$COMP_CWORD\" -eq 2 ]; then\n", (int)len,
			cmd_table[i]->name);
		buf_add_str(out, "\t\t\tCOMPREPLY=($(compgen -W '");
		add_second_words(out, i);
		buf_add_str(out, "' -- \"$cur\"))\n\t\t\treturn\n\t\tfi\n"
				 "\t\tname=\"$name ${COMP_WORDS[2]}\"\n\t\tstart=3\n\t\t;;\n");
	}
	buf_add_str(out, "\thelp)\n\t\tCOMPREPLY=($(compgen -W '");
	add_first_words(out);
	buf_add_str(out, "' -- \"$cur\"))\n\t\treturn\n\t\t;;\n\tesac\n\tcase $name in\n");
	for (size_t i = 0; i < cmd_table_count; i++) {
		bash_command(out, cmd_table[i]);
	}
	buf_add_str(out, "\tesac\n\tcase $prev in\n\t");
	bash_value_options(out, "FILE");
	buf_add_str(out, "\n\t\tCOMPREPLY=($(compgen -f -- \"$cur\"))\n\t\treturn\n\t\t;;\n\t");
	bash_value_options(out, "DIR");
	buf_add_str(out,
		"\n\t\tCOMPREPLY=($(compgen -d -- \"$cur\"))\n\t\treturn\n\t\t;;\n"
		"\t--brand)\n"
		"\t\tCOMPREPLY=($(compgen -W 'creel openclaw clawdbot verso equabot' -- \"$cur\"))\n"
		"\t\treturn\n\t\t;;\n\tesac\n"
		"\tfor ((i = start; i < COMP_CWORD; i++)); do\n"
		"\t\tif [ \"${COMP_WORDS[i]}\" = -- ] && [ $command = yes ]; then\n"
		"\t\t\tCOMPREPLY=($(compgen -c -- \"$cur\") $(compgen -f -- \"$cur\"))\n"
		"\t\t\treturn\n\t\tfi\n\tdone\n"
		"\tcase $cur in\n"
		"\t-*) COMPREPLY=($(compgen -W \"$options --\" -- \"$cur\")) ;;\n"
		"\t*)\n\t\tif [ -n \"$words\" ]; then\n"
		"\t\t\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
		"\t\telse\n\t\t\tCOMPREPLY=($(compgen -f -- \"$cur\"))\n\t\tfi\n\t\t;;\n"
		"\tesac\n}\ncomplete -o filenames -o bashdefault -F _creel creel\n");
}

/* --- zsh --- */

/* Inside '...[help]': no quote, bracket or colon may stand bare. */
static void zsh_add_help(struct buf *out, const char *help)
{
	for (; *help != '\0'; help++) {
		if (*help == '\'') {
			buf_add_str(out, "'\\''");
			continue;
		}
		if (strchr("[]:\\", *help) != NULL) {
			buf_add_char(out, '\\');
		}
		buf_add_char(out, *help);
	}
}

static void zsh_value(struct buf *out, const struct cmd_option *option)
{
	if (takes(option, "FILE")) {
		buf_add_str(out, ":file:_files");
	} else if (takes(option, "DIR")) {
		buf_add_str(out, ":directory:_files -/");
	} else if (takes(option, "BRAND")) {
		buf_add_str(out, ":brand:(creel openclaw clawdbot verso equabot)");
	} else if (option->arg != NULL) {
		buf_addf(out, ":%s:", option->arg);
	}
}

static void zsh_option(struct buf *out, const struct cmd *cmd, const struct cmd_option *option)
{
	(void)cmd;
	if (option->letter != 0) {
		buf_addf(out, " \\\n\t\t\t'-%c[", option->letter);
		zsh_add_help(out, option->help);
		buf_add_char(out, ']');
		zsh_value(out, option);
		buf_add_char(out, '\'');
	}
	buf_addf(out, " \\\n\t\t\t'--%s[", option->name);
	zsh_add_help(out, option->help);
	buf_add_char(out, ']');
	zsh_value(out, option);
	buf_add_char(out, '\'');
}

static void zsh_command(struct buf *out, const struct cmd *cmd)
{
	buf_addf(out, "\t\t'%s')\n\t\t_arguments -s", cmd->name);
	each_option(out, cmd, zsh_option);
	if (cmd->operands_are_command) {
		buf_add_str(
			out, " \\\n\t\t\t'(-)1:command:_command_names -e' '*::argument:_normal'");
	} else if (cmd->operand_words != NULL) {
		buf_addf(out, " \\\n\t\t\t'1:word:(%s)'", cmd->operand_words);
	} else if (cmd->operands[0] != '\0') {
		buf_add_str(out, " \\\n\t\t\t'*:file:_files'");
	}
	buf_add_str(out, "\n\t\t;;\n");
}

static void add_zsh(struct buf *out)
{
	buf_add_str(out,
		"#compdef creel\n"
		"# zsh completion for creel: creel completion zsh > a folder of $fpath/_creel\n"
		"_creel() {\n\tlocal name\n"
		"\tif (( CURRENT == 2 )); then\n\t\tcompadd -- --version --help ");
	add_first_words(out);
	buf_add_str(out, "\n\t\treturn\n\tfi\n\tname=$words[2]\n\tcase $name in\n");
	for (size_t i = 0; i < cmd_table_count; i++) {
		size_t len = first_word(cmd_table[i]);

		if (cmd_table[i]->name[len] == '\0' || !opens_group(i)) {
			continue;
		}
		buf_addf(out, "\t\t%.*s)\n\t\tif (( CURRENT == 3 )); then\n\t\t\tcompadd -- ",
			(int)len, cmd_table[i]->name);
		add_second_words(out, i);
		buf_add_str(out, "\n\t\t\treturn\n\t\tfi\n\t\tname=\"$name $words[3]\"\n"
				 "\t\tshift words\n\t\t(( CURRENT-- ))\n\t\t;;\n");
	}
	buf_add_str(out, "\t\thelp)\n\t\tcompadd -- ");
	add_first_words(out);
	buf_add_str(out,
		"\n\t\treturn\n\t\t;;\n\tesac\n\tshift words\n\t(( CURRENT-- ))\n\tcase $name in\n");
	for (size_t i = 0; i < cmd_table_count; i++) {
		zsh_command(out, cmd_table[i]);
	}
	buf_add_str(out, "\tesac\n}\n"
			 "if [ \"$funcstack[1]\" = _creel ]; then\n\t_creel \"$@\"\nelse\n"
			 "\tcompdef _creel creel\nfi\n");
}

/* --- fish --- */

static void fish_add_quoted(struct buf *out, const char *text)
{
	buf_add_char(out, '\'');
	for (; *text != '\0'; text++) {
		if (*text == '\'' || *text == '\\') {
			buf_add_char(out, '\\');
		}
		buf_add_char(out, *text);
	}
	buf_add_char(out, '\'');
}

/* -n 'condition' that holds behind the command's words. */
static void fish_condition(struct buf *out, const struct cmd *cmd)
{
	size_t len = first_word(cmd);

	buf_addf(
		out, "complete -c creel -n '__fish_seen_subcommand_from %.*s", (int)len, cmd->name);
	if (cmd->name[len] == ' ') {
		buf_addf(out, "; and __fish_seen_subcommand_from %s", cmd->name + len + 1);
	}
	buf_add_str(out, "'");
}

static void fish_option(struct buf *out, const struct cmd *cmd, const struct cmd_option *option)
{
	fish_condition(out, cmd);
	buf_addf(out, " -l %s", option->name);
	if (option->letter != 0) {
		buf_addf(out, " -s %c", option->letter);
	}
	if (takes(option, "FILE")) {
		buf_add_str(out, " -r -F");
	} else if (takes(option, "DIR")) {
		buf_add_str(out, " -x -a '(__fish_complete_directories)'");
	} else if (takes(option, "BRAND")) {
		buf_add_str(out, " -x -a 'creel openclaw clawdbot verso equabot'");
	} else if (option->arg != NULL) {
		buf_add_str(out, " -x");
	}
	buf_add_str(out, " -d ");
	fish_add_quoted(out, option->help);
	buf_add_char(out, '\n');
}

static void fish_command(struct buf *out, size_t i)
{
	const struct cmd *cmd = cmd_table[i];
	size_t len = first_word(cmd);

	if (opens_group(i)) {
		buf_addf(out, "complete -c creel -n __fish_use_subcommand -f -a %.*s", (int)len,
			cmd->name);
		if (cmd->name[len] == '\0') {
			buf_add_str(out, " -d ");
			fish_add_quoted(out, cmd->summary);
		}
		buf_add_char(out, '\n');
	}
	if (cmd->name[len] == ' ') {
		buf_addf(out,
			"complete -c creel -n '__fish_seen_subcommand_from %.*s; and not "
			"__fish_seen_subcommand_from ",
			(int)len, cmd->name);
		for (size_t j = 0; j < cmd_table_count; j++) {
			if (opens_group(j)) {
				add_second_words(out, j);
			}
		}
		buf_addf(out, "' -f -a %s -d ", cmd->name + len + 1);
		fish_add_quoted(out, cmd->summary);
		buf_add_char(out, '\n');
	}
	each_option(out, cmd, fish_option);
	if (cmd->operand_words != NULL) {
		fish_condition(out, cmd);
		buf_addf(out, " -f -a '%s'\n", cmd->operand_words);
	} else if (cmd->operands_are_command) {
		fish_condition(out, cmd);
		buf_add_str(out, " -a '(__fish_complete_subcommand)'\n");
	}
}

static void add_fish(struct buf *out)
{
	buf_add_str(out,
		"# fish completion for creel: creel completion fish | source\n"
		"complete -c creel -n __fish_use_subcommand -l version -d 'show the version'\n"
		"complete -c creel -n __fish_use_subcommand -f -a help -d 'say more about a command'\n");
	for (size_t i = 0; i < cmd_table_count; i++) {
		fish_command(out, i);
	}
}

void completion_add_script(struct buf *out, enum completion_shell shell)
{
	switch (shell) {
	case SHELL_BASH:
		add_bash(out);
		break;
	case SHELL_ZSH:
		add_zsh(out);
		break;
	case SHELL_FISH:
		add_fish(out);
		break;
	case SHELL_COUNT_:
		break;
	}
}
