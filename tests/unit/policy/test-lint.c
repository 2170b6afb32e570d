/* SPDX-License-Identifier: MIT */
/* Tool lists that name no tool, each with its place and the name that was meant. */
#include <setjmp.h> /* cmocka.h wants these four before it */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/mem.h"
#include "base/own.h"
#include "policy/lint.h"

static const char *no_variable(void *arg, const char *name)
{
	(void)arg;
	(void)name;
	return NULL;
}

static struct config *load(const char *text)
{
	char path[] = "/tmp/creel-lint-XXXXXX";
	struct config_request request = {.path = path, .env = {.home = "/tmp", .get = no_variable}};
	struct config *config = NULL;
	struct error err = {0};
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(close(fd), 0);
	assert_int_equal(config_load(&request, &config, &err), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(config->error_count, 0);
	return config;
}

static void nothing_is_said_of_useful_lists(void **state)
{
	static const char *const texts[] = {
		"{}",
		"{ tools: { allow: [] } }",
		"{ tools: { allow: ['', ' '] } }",
		"{ tools: { allow: ['*'], deny: ['my_plugin'] } }",
		"{ tools: { allow: ['read', 'my_plugin'] } }",
		"{ tools: { allow: ['Bash'], sandbox: { tools: { allow: ['apply-patch'] } } } }",
		"{ tools: { allow: ['group:fs'] }, agents: { list: [{ id: 'a', tools: { allow: ['sess*'] } }] } }",
		"{ tools: { elevated: { allowFrom: { a: ['exce'] } } } }",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_arena_ struct arena arena = {0};
		struct config_issue *issues;
		struct config *config = load(texts[i]);

		if (policy_lint(config, &arena, &issues) != 0) {
			fail_msg("%s: %s", texts[i], issues[0].message);
		}
		(void)config_free(config);
	}
}

static void a_list_that_allows_nothing_is_named(void **state)
{
	static const struct {
		const char *text, *path;
		int line, column;
		const char *hint; /* NULL: the warning is about the list */
	} cases[] = {
		{"{ tools: { allow: ['my_plugin'] } }", "tools.allow", 1, 19, NULL},
		{"{ tools: {\n\tallow: ['zzz*', 'group:zzzzzz'] } }", "tools.allow", 2, 9, NULL},
		{"{ tools: { byProvider: { 'a.b': { allow: ['zzz'] } } } }",
			"tools.byProvider[\"a.b\"].allow", 1, 42, NULL},
		{"{ agents: { entries: { w: { tools: { sandbox: { tools: { allow: ['zzz'] } } } } } } }",
			"agents.entries.w.tools.sandbox.tools.allow", 1, 65, NULL},
		{"{ tools: { deny: ['read', 'exce'] } }", "tools.deny[1]", 1, 27, "'exec'"},
		{"{ tools: { alsoAllow: ['brwser'] } }", "tools.alsoAllow[0]", 1, 24, "'browser'"},
		{"{ agents: { list: [{ id: 'a', tools: { allow: ['read', 'group:fss'] } }] } }",
			"agents.list[0].tools.allow[1]", 1, 56, "'group:fs'"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_arena_ struct arena arena = {0};
		struct config_issue *issues;
		struct config *config = load(cases[i].text);

		assert_int_equal(policy_lint(config, &arena, &issues), 1);
		assert_string_equal(issues[0].path, cases[i].path);
		assert_int_equal(issues[0].line, cases[i].line);
		assert_int_equal(issues[0].column, cases[i].column);
		assert_true(issues[0].warning);
		assert_non_null(strstr(issues[0].message,
			cases[i].hint == NULL ? "allows no tool" : "there is no tool called"));
		if (cases[i].hint != NULL) {
			assert_non_null(strstr(issues[0].hint, cases[i].hint));
		}
		(void)config_free(config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_said_of_useful_lists),
		cmocka_unit_test(a_list_that_allows_nothing_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
