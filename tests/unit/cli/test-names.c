/* SPDX-License-Identifier: MIT */
/* Help, manual pages and completions name every command and every option. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/own.h"
#include "cli/cmd.h"

static bool has(const struct buf *text, const char *part)
{
	return text->data != NULL && strstr(text->data, part) != NULL;
}

static void expect(const struct buf *text, const char *where, const char *part)
{
	if (!has(text, part)) {
		fail_msg("%s does not name '%s'", where, part);
	}
}

static void read_page(struct buf *out, const char *name)
{
	const char *root = getenv("CREEL_SOURCE");
	_cleanup_free_ char *path = NULL;
	FILE *file;
	char chunk[4096];
	size_t n;

	assert_non_null(root);
	path = xasprintf("%s/man/%s.1.scd", root, name);
	file = fopen(path, "re");
	if (file == NULL) {
		fail_msg("there is no %s", path);
		return;
	}
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0) {
		buf_add(out, chunk, n);
	}
	(void)fclose(file);
}

/* creel-exec(1), creel-config(1): one page for each first word. */
static void read_page_of(struct buf *out, const struct cmd *cmd)
{
	_cleanup_free_ char *name =
		xasprintf("creel-%.*s", (int)strcspn(cmd->name, " "), cmd->name);

	if (strcmp(name, "creel-completion") == 0) {
		read_page(out, "creel"); /* too small for a page of its own */
		return;
	}
	read_page(out, name);
}

static void test_help_names_all(void **state)
{
	_cleanup_buf_ struct buf overview = {0};

	(void)state;
	cmd_add_overview(&overview);
	for (size_t i = 0; i < cmd_table_count; i++) {
		const struct cmd *cmd = cmd_table[i];
		_cleanup_buf_ struct buf help = {0};

		expect(&overview, "the overview", cmd->name);
		expect(&overview, "the overview", cmd->summary);
		cmd_add_help(&help, cmd);
		for (size_t j = 0; j < cmd->option_count; j++) {
			_cleanup_free_ char *option = xasprintf("--%s", cmd->options[j].name);

			expect(&help, cmd->name, option);
		}
		for (size_t j = 0; j < cmd_common_option_count; j++) {
			_cleanup_free_ char *option = xasprintf("--%s", cmd_common_options[j].name);

			expect(&help, cmd->name, option);
		}
	}
}

static void test_manual_names_all(void **state)
{
	_cleanup_buf_ struct buf main_page = {0};

	(void)state;
	read_page(&main_page, "creel");
	for (size_t i = 0; i < cmd_table_count; i++) {
		const struct cmd *cmd = cmd_table[i];
		_cleanup_free_ char *command = xasprintf("*creel %s*", cmd->name);
		_cleanup_buf_ struct buf page = {0};

		expect(&main_page, "creel(1)", command);
		read_page_of(&page, cmd);
		expect(&page, "its page", cmd->name);
		for (size_t j = 0; j < cmd->option_count; j++) {
			const struct cmd_option *o = &cmd->options[j];
			_cleanup_free_ char *option =
				xasprintf("*--%s*%s%s%s", o->name, o->arg != NULL ? " _" : "",
					o->arg != NULL ? o->arg : "", o->arg != NULL ? "_" : "");
			_cleanup_free_ char *letter = xasprintf("*-%c*", o->letter);

			expect(&page, cmd->name, option);
			if (o->letter != 0) {
				expect(&page, cmd->name, letter);
			}
		}
	}
	for (size_t j = 0; j < cmd_common_option_count; j++) {
		_cleanup_free_ char *option = xasprintf("*--%s*", cmd_common_options[j].name);

		expect(&main_page, "creel(1)", option);
	}
}

/* "--name" as each shell's script writes it. */
static char *option_text(enum completion_shell shell, const struct cmd_option *option)
{
	return shell == SHELL_FISH  ? xasprintf(" -l %s ", option->name)
	       : shell == SHELL_ZSH ? xasprintf("--%s[", option->name)
				    : xasprintf("--%s ", option->name);
}

static void test_completions_name_all(void **state)
{
	(void)state;
	for (int shell = 0; shell < SHELL_COUNT_; shell++) {
		_cleanup_buf_ struct buf script = {0};

		completion_add_script(&script, (enum completion_shell)shell);
		for (size_t i = 0; i < cmd_table_count; i++) {
			const struct cmd *cmd = cmd_table[i];
			const char *last = strrchr(cmd->name, ' ');

			expect(&script, "a completion", last != NULL ? last + 1 : cmd->name);
			for (size_t j = 0; j < cmd->option_count; j++) {
				_cleanup_free_ char *option =
					option_text((enum completion_shell)shell, &cmd->options[j]);

				expect(&script, cmd->name, option);
			}
		}
	}
}

static void test_table_is_sound(void **state)
{
	(void)state;
	for (size_t i = 0; i < cmd_table_count; i++) {
		const struct cmd *cmd = cmd_table[i];
		char *words[3] = {NULL};
		char name[64];
		_cleanup_buf_ struct buf message = {0};
		int used = 0;

		assert_non_null(cmd->run);
		assert_true(cmd->args_size >= sizeof(struct common_args));
		assert_true(cmd->args_size <= CMD_ARGS_MAX);
		assert_true(
			cmd->failed_status == STATUS_FAILED || cmd->failed_status == STATUS_CREEL);
		assert_ptr_equal(cmd_find(cmd->name), cmd);

		assert_true(strlen(cmd->name) < sizeof(name));
		memcpy(name, cmd->name, strlen(cmd->name) + 1);
		words[0] = strtok_r(name, " ", &words[2]);
		words[1] = strtok_r(NULL, " ", &words[2]);
		words[2] = NULL;
		assert_ptr_equal(cmd_from_words(words, &used, &message), cmd);
		assert_int_equal(used, words[1] != NULL ? 2 : 1);
	}
}

static void test_unknown_commands_are_hinted(void **state)
{
	static const struct {
		const char *words[2];
		const char *message;
	} cases[] = {
		{{"ecxe"}, "there is no command 'ecxe', did you mean 'exec'?"},
		{{"zebra"}, "there is no command 'zebra'; 'creel help' lists them"},
		{{"--json"}, "options stand behind the command: creel COMMAND --json"},
		{{"config", "vaildate"},
			"config: there is no 'vaildate', did you mean 'validate'?"},
		{{"config validate"},
			"there is no command 'config validate'; 'creel help' lists them"},
		{{""}, "there is no command ''; 'creel help' lists them"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buf_ struct buf message = {0};
		char *words[3] = {(char *)(uintptr_t)cases[i].words[0],
			(char *)(uintptr_t)cases[i].words[1], NULL};
		int used;

		assert_null(cmd_from_words(words, &used, &message));
		assert_string_equal(message.data, cases[i].message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_help_names_all),
		cmocka_unit_test(test_manual_names_all),
		cmocka_unit_test(test_completions_name_all),
		cmocka_unit_test(test_table_is_sound),
		cmocka_unit_test(test_unknown_commands_are_hinted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
