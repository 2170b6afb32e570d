/* SPDX-License-Identifier: MIT */
/* The old layout, in memory and as text. */
#include <errno.h>

#include "base/own.h"
#include "common.h"
#include "config/json5.h"

/* What an old text becomes, as the loaded configuration. */
static void expect_root(const char *old, const char *present)
{
	struct home home;
	struct config *config;
	json_t *wanted = NULL;
	struct error err = {0};

	assert_int_equal(json5_loads(present, strlen(present), "wanted", &wanted, &err), 0);
	home_make(&home);
	config = home_load(&home, old);
	assert_no_issues(config);
	if (!json_equal(config->root, wanted)) {
		fail_msg("%s became %s", old, json_dumps(config->root, JSON_COMPACT));
	}
	json_decref(wanted);
	(void)config_free(config);
	home_remove(&home);
}

static void test_in_memory(void **state)
{
	static const char *const cases[][2] = {
		{"{ agent: { sandbox: { mode: 'non-main', scope: 'session' } } }",
			"{ agents: { defaults: { sandbox: { mode: 'non-main', scope: 'session' } } } }"},
		/* What stands in the present layout wins, key by key. */
		{"{ agent: { sandbox: { mode: 'all', scope: 'agent', docker: { image: 'o', user: 'u' } } },"
		 "  agents: { defaults: { sandbox: { mode: 'off', docker: { image: 'n' } } } } }",
			"{ agents: { defaults: { sandbox: { mode: 'off', docker: { image: 'n', user: 'u' },"
			" scope: 'agent' } } } }"},
		{"{ agent: { sandbox: { tools: { allow: ['a'], deny: ['b'] } } } }",
			"{ agents: { defaults: { sandbox: {} } },"
			" tools: { sandbox: { tools: { allow: ['a'], deny: ['b'] } } } }"},
		{"{ agent: { tools: { allow: ['a'], deny: ['b'] } }, tools: { deny: ['c'] } }",
			"{ tools: { allow: ['a'], deny: ['c'] } }"},
		{"{ agent: { elevated: { enabled: false } } }",
			"{ tools: { elevated: { enabled: false } } }"},
		{"{ agent: { elevated: { enabled: false } }, tools: { elevated: { enabled: true } } }",
			"{ tools: { elevated: { enabled: true } } }"},
		{"{ agent: { bash: { timeoutSec: 5 } } }",
			"{ tools: { exec: { timeoutSec: 5 } } }"},
		{"{ tools: { bash: { timeoutSec: 5 } } }",
			"{ tools: { exec: { timeoutSec: 5 } } }"},
		{"{ tools: { bash: { timeoutSec: 5 }, exec: { timeoutSec: 6 } } }",
			"{ tools: { exec: { timeoutSec: 6 } } }"},
		{"{ agent: { subagents: { tools: { deny: ['x'] } } } }",
			"{ tools: { subagents: { tools: { deny: ['x'] } } } }"},
		{"{ agent: { workspace: '/w', model: 'm' } }",
			"{ agents: { defaults: { workspace: '/w', model: 'm' } } }"},
		{"{ routing: { agents: { work: { sandbox: { mode: 'all' } } }, defaultAgentId: 'work' } }",
			"{ agents: { list: [{ id: 'work', sandbox: { mode: 'all' }, default: true }] } }"},
		{"{ routing: { agents: { work: { workspace: '/old', name: 'W' } } },"
		 "  agents: { list: [{ id: 'Work', workspace: '/new' }] } }",
			"{ agents: { list: [{ id: 'Work', workspace: '/new', name: 'W' }] } }"},
		{"{ routing: { agents: { w: { sandbox: { tools: { allow: ['a'] } }, mentionPatterns: ['@w'] } } } }",
			"{ agents: { list: [{ id: 'w', sandbox: {}, tools: { sandbox: { tools: { allow: ['a'] } } },"
			" groupChat: { mentionPatterns: ['@w'] } }] } }"},
		{"{ routing: { defaultAgentId: 'b' }, agents: { list: [{ id: 'a', default: true }, { id: 'b' }] } }",
			"{ agents: { list: [{ id: 'a', default: true }, { id: 'b' }] } }"},
		{"{ routing: { defaultAgentId: 'new' } }",
			"{ agents: { list: [{ id: 'new', default: true }] } }"},
		{"{ routing: { bindings: [1], agentToAgent: {}, queue: { a: 1 }, groupChat: {} } }",
			"{ bindings: [1], tools: { agentToAgent: {} }, messages: { queue: { a: 1 }, groupChat: {} } }"},
		{"{ routing: { bindings: [1], other: 2 }, bindings: [3] }",
			"{ routing: { other: 2 }, bindings: [3] }"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		expect_root(cases[i][0], cases[i][1]);
	}
}

static void test_notes_and_places(void **state)
{
	struct home home;
	struct config *config;
	const char *file;
	int line, column;

	(void)state;
	home_make(&home);
	config = home_load(&home,
		"{\n  agent: { sandbox: { mode: 'all' }, elevated: { enabled: true } },\n"
		"  tools: { elevated: { enabled: false } }\n}\n");
	assert_no_issues(config);
	assert_int_equal(config->migrated.count, 2);
	assert_string_equal(
		config->migrated.items[0], "agent.elevated dropped: tools.elevated is set");
	assert_string_equal(config->migrated.items[1], "agent.sandbox -> agents.defaults.sandbox");
	assert_true(config_position(config, "agents.defaults.sandbox.mode", &file, &line, &column));
	assert_int_equal(line, 2);
	assert_int_equal(column, 29);
	(void)config_free(config);
	home_remove(&home);
}

static char *migrate(struct arena *a, const char *text)
{
	struct strv moved = {0};
	struct error err = {0};
	char *out = NULL;

	if (config_migrate_text("old.json", text, strlen(text), &out, &moved, a, &err) < 0) {
		fail_msg("%s", err.text);
	}
	assert_int_equal(out != NULL, moved.count > 0);
	return out;
}

static const char old_text[] = "// my configuration\n"
			       "{\n"
			       "  // the agent\n"
			       "  agent: { // what it is\n"
			       "    model: \"x/y\", // fast\n"
			       "    sandbox: {\n"
			       "      // keep it tight\n"
			       "      mode: \"non-main\"\n"
			       "      // nothing more\n"
			       "    },\n"
			       "    bash: { timeoutSec: 10 },\n"
			       "    // end of agent\n"
			       "  }, // after agent\n"
			       "  // left alone\n"
			       "  telegram: { token: \"${TOKEN}\" }, /* t */\n"
			       "  // the last\n"
			       "}\n"
			       "// tail\n";

static const char new_text[] = "// my configuration\n"
			       "{\n"
			       "  // left alone\n"
			       "  telegram: { token: \"${TOKEN}\" }, /* t */\n"
			       "  tools: {\n"
			       "    exec: { timeoutSec: 10 },\n"
			       "  },\n"
			       "  agents: {\n"
			       "    // the agent\n"
			       "    defaults: {\n"
			       "      // what it is\n"
			       "      model: \"x/y\", // fast\n"
			       "      sandbox: {\n"
			       "        // keep it tight\n"
			       "        mode: \"non-main\"\n"
			       "        // nothing more\n"
			       "      },\n"
			       "      // end of agent\n"
			       "    }, // after agent\n"
			       "  },\n"
			       "  // the last\n"
			       "}\n"
			       "// tail\n";

static void test_text(void **state)
{
	struct arena arena = {0};
	char *again;

	(void)state;
	assert_string_equal(migrate(&arena, old_text), new_text);
	/* Once is enough. */
	again = migrate(&arena, new_text);
	assert_null(again);
	assert_null(migrate(&arena, "{ agents: {} }"));
	assert_null(migrate(&arena, "[]"));
	arena_finish(&arena);
}

/* The new text means what the old one means. */
static void test_text_is_equivalent(void **state)
{
	static const char *const texts[] = {old_text,
		"{ agent: { sandbox: { tools: { allow: ['a'] }, docker: { setupCommand: 'a\\\n  b' } } } }",
		"{ routing: { agents: { \"my agent\": { /* x */ workspace: '/w', mentionPatterns: ['m'] }, b: {} },"
		" defaultAgentId: 'b' } }",
		"{\n\tagent: {\n\t\tbash: {\n\t\t\ttimeoutSec: 1,\n\t\t},\n\t},\n}",
		"{agent:{tools:{deny:['x']},'model':'a'},\"tools\":{\"allow\":['y']}}",
		"{ agent: {}, session: {} }"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct arena arena = {0};
		struct home home;
		struct config *before, *after;
		char *text = migrate(&arena, texts[i]);

		home_make(&home);
		home.variables[0] = "TOKEN";
		home.variables[1] = "t";
		before = home_load(&home, texts[i]);
		after = home_load(&home, text != NULL ? text : texts[i]);
		assert_no_issues(after);
		if (!json_equal(before->root, after->root)) {
			fail_msg("%s\nbecame\n%s", texts[i], text);
		}
		(void)config_free(before);
		(void)config_free(after);
		home_remove(&home);
		arena_finish(&arena);
	}
}

static void test_broken_text(void **state)
{
	struct arena arena = {0};
	struct strv moved = {0};
	struct error err = {0};
	char *out = NULL;

	(void)state;
	assert_int_equal(
		config_migrate_text("old.json", "{ agent: ", 9, &out, &moved, &arena, &err),
		-EINVAL);
	assert_null(out);
	assert_non_null(strstr(err.text, "old.json:1:10: the file ends here"));
	arena_finish(&arena);
}

static const char *migrated(const char *text, struct arena *a, struct error *err)
{
	struct strv moved = {0};
	char *out = NULL;

	return config_migrate_text("old.json", text, strlen(text), &out, &moved, a, err) < 0 ? NULL
											     : out;
}

static void test_line_ends_stay(void **state)
{
	_cleanup_arena_ struct arena arena = {0};
	struct error err = {0};

	(void)state;
	assert_string_equal(migrated("{\r\n\tagent: { // a\r\n\t\tname: 'x' } }\r\n", &arena, &err),
		"{\r\n  agents: {\r\n    defaults: {\r\n      // a\r\n      name: 'x',\r\n"
		"    },\r\n  },\r\n}\r\n");
}

/* What an include brings is not known here, so nothing is moved past it. */
static void test_includes_in_the_way(void **state)
{
	static const char *const refused[] = {
		"{ agent: { $include: 'a' } }",
		"{ $include: 'a', agent: { name: 'x' } }",
		"{ agent: { name: 'x' }, agents: { defaults: { sandbox: { $include: 'a' } } } }",
		"{ routing: { agents: { w: { $include: 'a' } } } }",
	};
	_cleanup_arena_ struct arena arena = {0};
	struct error err = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		assert_null(migrated(refused[i], &arena, &err));
		assert_non_null(strstr(err.text, "old.json:1:"));
		assert_non_null(strstr(err.text, "meet an $include"));
	}
	assert_non_null(
		migrated("{ agent: { name: 'x' }, models: { $include: 'a' } }", &arena, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_memory),
		cmocka_unit_test(test_notes_and_places),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_text_is_equivalent),
		cmocka_unit_test(test_broken_text),
		cmocka_unit_test(test_line_ends_stay),
		cmocka_unit_test(test_includes_in_the_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
