/* SPDX-License-Identifier: MIT */
/* Every subcommand, in the order of help: to add one, write its file and name it here. */
#include "cli/table.h"

#include <string.h>

#include "base/arena.h"

const struct cmd *const cmd_table[] = {
	&cmd_exec,
	&cmd_tool,
	&cmd_mcp,
	&cmd_gateway_run,
	&cmd_gateway_status,
	&cmd_gateway_stop,
	&cmd_approval_list,
	&cmd_approval_allow,
	&cmd_approval_deny,
	&cmd_doctor,
	&cmd_selftest,
	&cmd_sandbox_explain,
	&cmd_sandbox_plan,
	&cmd_sandbox_list,
	&cmd_sandbox_recreate,
	&cmd_sandbox_rm,
	&cmd_sandbox_prune,
	&cmd_sandbox_stage,
	&cmd_image_build,
	&cmd_policy_check,
	&cmd_policy_match,
	&cmd_audit,
	&cmd_audit_verify,
	&cmd_config_validate,
	&cmd_config_get,
	&cmd_config_migrate,
	&cmd_config_schema,
	&cmd_config_docs,
	&cmd_completion,
};
const size_t cmd_table_count = ARRAY_SIZE(cmd_table);

const struct cmd *cmd_find(const char *name)
{
	for (size_t i = 0; i < cmd_table_count; i++) {
		if (strcmp(cmd_table[i]->name, name) == 0) {
			return cmd_table[i];
		}
	}
	return NULL;
}

/* Does the name of a two-word command begin with word? */
static bool is_in_group(const struct cmd *cmd, const char *word)
{
	size_t len = strlen(word);

	return strncmp(cmd->name, word, len) == 0 && cmd->name[len] == ' ';
}

static void say_group(struct buf *message, const char *group, const char *given)
{
	const char *words[16];
	const char *near = NULL;
	size_t count = 0;

	for (size_t i = 0; i < cmd_table_count && count < ARRAY_SIZE(words); i++) {
		if (is_in_group(cmd_table[i], group)) {
			words[count++] = cmd_table[i]->name + strlen(group) + 1;
		}
	}
	if (given == NULL || given[0] == '-') {
		buf_addf(message, "%s: which one:", group);
	} else {
		buf_addf(message, "%s: there is no '", group);
		buf_add_escaped(message, given, strlen(given), 60);
		near = nearest_word(given, words, count);
		buf_addf(message, near != NULL ? "', did you mean '%s'?" : "' but:", near);
	}
	for (size_t i = 0; i < count && near == NULL; i++) {
		buf_addf(message, "%s %s", i > 0 ? "," : "", words[i]);
	}
}

static void say_unknown(struct buf *message, const char *given)
{
	const char *words[64];
	_cleanup_arena_ struct arena arena = {0};
	const char *near;
	size_t count = 0;

	if (given[0] == '-') {
		buf_add_str(message, "options stand behind the command: creel COMMAND ");
		buf_add_escaped(message, given, strlen(given), 60);
		return;
	}
	for (; count < cmd_table_count && count < ARRAY_SIZE(words); count++) {
		const char *name = cmd_table[count]->name;

		words[count] = arena_strndup(&arena, name, strcspn(name, " "));
	}
	near = nearest_word(given, words, count);
	buf_add_str(message, "there is no command '");
	buf_add_escaped(message, given, strlen(given), 60);
	if (near != NULL) {
		buf_addf(message, "', did you mean '%s'?", near);
	} else {
		buf_add_str(message, "'; 'creel help' lists them");
	}
}

const struct cmd *cmd_from_words(char **argv, int *ret_words, struct buf *message)
{
	const struct cmd *cmd = cmd_find(argv[0]);
	bool is_group = false;

	/* Two words before one: 'audit verify' is not 'audit' with an operand. */
	for (size_t i = 0; i < cmd_table_count; i++) {
		if (!is_in_group(cmd_table[i], argv[0])) {
			continue;
		}
		is_group = true;
		if (argv[1] != NULL &&
			strcmp(cmd_table[i]->name + strlen(argv[0]) + 1, argv[1]) == 0) {
			*ret_words = 2;
			return cmd_table[i];
		}
	}
	if (cmd != NULL && strchr(argv[0], ' ') == NULL) {
		*ret_words = 1;
		return cmd;
	}
	if (is_group) {
		say_group(message, argv[0], argv[1]);
	} else {
		say_unknown(message, argv[0]);
	}
	return NULL;
}
