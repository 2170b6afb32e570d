/* SPDX-License-Identifier: MIT */
/* Session keys, agent ids and the names made from them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macro.h"
#include "fixture.h"
#include "policy/session.h"
#include "policy/text.h"

static void agent_ids_are_normalised(void **state)
{
	static const char *const rows[][2] = {
		{"main", "main"},
		{" Work ", "work"},
		{"Work Bot", "work-bot"},
		{"fam\xc3\xadlia", "fam-lia"},
		{"-edge-", "edge"},
		{"../up", "up"},
		{"ops_1", "ops_1"},
		{"", "main"},
		{" \t", "main"},
		{"---", "main"},
		{"a--b", "a--b"},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
			"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
		/* Found by fuzzing: normalising twice took the last '-' away. */
		{"__aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa b",
			"__aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
		/* The Kelvin sign is a k in lower case, but no letter of an id before that. */
		{"\xe2\x84\xaa", "k"},
	};
	_cleanup_arena_ struct arena a = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_string_equal(session_agent_id(&a, rows[i][0]), rows[i][1]);
		assert_string_equal(session_agent_id(&a, rows[i][1]), rows[i][1]);
	}
}

static void keys_are_taken_apart(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	const char *agent = NULL, *rest = NULL;

	(void)state;
	assert_true(session_key_parse(&a, " AGENT::Work:Telegram:group:1 ", &agent, &rest));
	assert_string_equal(agent, "work");
	assert_string_equal(rest, "telegram:group:1");
	assert_false(session_key_parse(&a, "agent:main", &agent, &rest));
	assert_false(session_key_parse(&a, "agent::main:", &agent, &rest));
	assert_false(session_key_parse(&a, "whatsapp:group:1", &agent, &rest));
	assert_false(session_key_parse(&a, "", &agent, &rest));
	assert_false(session_key_parse(&a, ":::", &agent, &rest));
	assert_false(session_key_parse(&a, "agents:a:b", &agent, &rest));
}

static void slugs_are_those_of_the_original(void **state)
{
	static const char *const rows[][2] = {
		{"agent:main", "agent-main-f331f052"},
		{"agent:work", "agent-work-0944bd8d"},
		{"agent:main:main", "agent-main-main-6d9217fe"},
		{"main", "main-0d6e4079"},
		{"agent:main:whatsapp:group:g1", "agent-main-whatsapp-group-g1-e250625b"},
		{"agent:main:telegram:group:-1001234567890:topic:42",
			"agent-main-telegram-group--10012-d2e66eb4"},
		{"agent:main:discord:channel:123456789012345678",
			"agent-main-discord-channel-12345-bc0c3564"},
		{"", "session-3f3af1ec"},
		{"global", "global-8001c274"},
		{"agent:main:\xc3\xbcn\xc3\xaf:x", "agent-main-n-x-0bb83548"},
		{"agent:main:---", "agent-main-0fcd61bb"},
		{"agent:main:x y\tz", "agent-main-x-y-z-2327e1a0"},
		{"agent:Work Bot:main", "agent-work-bot-main-854ed477"},
	};
	_cleanup_arena_ struct arena a = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_string_equal(session_slug(&a, rows[i][0]), rows[i][1]);
	}
}

static void names_fit_and_scopes_differ(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	char prefix[80];

	(void)state;
	memset(prefix, 'p', sizeof(prefix) - 1);
	prefix[sizeof(prefix) - 1] = '\0';
	assert_int_equal(strlen(session_container_name(&a, prefix, SCOPE_SESSION, "x")), 63);
	assert_string_equal(session_container_name(&a, "openclaw-sbx-", SCOPE_SHARED, "shared"),
		"openclaw-sbx-shared");
	assert_string_equal(
		session_scope_key(&a, SCOPE_SHARED, "agent:main:main", "main"), "shared");
	assert_string_equal(session_scope_key(&a, SCOPE_SESSION, " agent:main:main ", "main"),
		"agent:main:main");
	assert_string_equal(session_scope_key(&a, SCOPE_SESSION, "", "main"), "main");
	assert_string_equal(
		session_scope_key(&a, SCOPE_AGENT, "agent:Work:telegram:group:1", "work"),
		"agent:work");
	assert_string_equal(session_workspace_dir(&a, "/r", SCOPE_SHARED, "shared"), "/r");
	assert_string_equal(session_workspace_dir(&a, "/r", SCOPE_AGENT, "agent:main"),
		"/r/agent-main-f331f052");
}

static void channels_are_recognised(void **state)
{
	_cleanup_arena_ struct arena a = {0};

	(void)state;
	assert_string_equal(session_channel(&a, "agent:main:WhatsApp:group:1", "main"), "whatsapp");
	assert_string_equal(session_channel(&a, "agent:main:imsg:direct:x", "main"), "imessage");
	assert_string_equal(session_channel(&a, "agent:main:gchat:group:x", "main"), "googlechat");
	assert_null(session_channel(&a, "agent:main:msteams:direct:x", "main"));
	assert_null(session_channel(&a, "agent:main:main:discord", "main"));
	assert_null(session_channel(&a, "discord:group:9", "main"));
	/* A main session may be named after a channel; it is still the main session. */
	assert_null(session_channel(&a, "agent:main:discord", "discord"));
	assert_int_equal(session_subagent_depth("agent:main:subagent:1:subagent:2"), 2);
	assert_int_equal(session_subagent_depth("agent:subagents:x"), 0);
}

/* session -> key, main or not, under one configuration. */
struct main_row {
	const char *config, *session, *key;
	bool is_main;
};

static void the_main_session_has_aliases(void **state)
{
	static const struct main_row rows[] = {
		{"{}", NULL, "agent:main:main", true},
		{"{}", "MAIN", "agent:main:main", true},
		{"{}", "agent:MAIN:MAIN", "agent:MAIN:MAIN", false},
		{"{}", " agent:main:main ", "agent:main:main", true},
		{"{}", "primary", "agent:main:primary", false},
		{"{}", "global", "global", false},
		{"{}", "agent:main:main:thread:5", "agent:main:main:thread:5", false},
		{"{\"session\":{\"mainKey\":\" Primary \"}}", "primary", "agent:main:primary",
			true},
		{"{\"session\":{\"mainKey\":\"primary\"}}", "main", "agent:main:main", true},
		{"{\"session\":{\"mainKey\":\"work\"}}", "agent:main:main", "agent:main:main",
			true},
		{"{\"session\":{\"scope\":\"global\"}}", NULL, "agent:main:main", true},
		{"{\"session\":{\"scope\":\"global\"}}", "global", "global", true},
		{"{\"session\":{\"scope\":\"global\"}}", "agent:main:global", "agent:main:global",
			false},
		{"{\"agents\":{\"list\":[{\"id\":\"Work\"}]}}", NULL, "agent:work:main", true},
		{"{\"agents\":{\"list\":[{\"id\":\"x\"},{\"id\":\"y\",\"default\":true}]}}", "",
			"agent:y:main", true},
		/* A bare name never moves to another agent because that one became the default. */
		{"{\"agents\":{\"list\":[{\"id\":\"work\",\"default\":true}]}}", "main",
			"agent:main:main", true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct config *config = fixture_new(rows[i].config, "openclaw");
		struct arena a = {0};
		struct session_ref ref;

		session_resolve(&a, config->root, NULL, rows[i].session, &ref);
		assert_string_equal(ref.key, rows[i].key);
		assert_int_equal(ref.is_main, rows[i].is_main);
		arena_finish(&a);
		fixture_free(config);
	}
}

static void text_follows_unicode(void **state)
{
	_cleanup_arena_ struct arena a = {0};

	(void)state;
	assert_string_equal(
		text_lower(&a, "\xc3\x84\xd0\x96\xef\xbc\xb2"), "\xc3\xa4\xd0\xb6\xef\xbd\x92");
	assert_string_equal(text_lower(&a, "\xc4\xb0mage"), "i\xcc\x87mage");
	assert_string_equal(text_lower(&a, "\xff\xfe X"), "\xff\xfe x");
	assert_string_equal(text_trim(&a, "\xc2\xa0 a b \xe3\x80\x80\xef\xbb\xbf"), "a b");
	assert_string_equal(text_trim(&a, "\xe3\x80"), "\xe3\x80");
	assert_true(text_is_blank(NULL));
	assert_true(text_is_blank("\t\xe2\x80\xa8"));
	assert_false(text_is_blank("\xe2\x80"));
}

/* Any bytes are a session key: the answers stay well-formed and the same. */
static void mutated_keys_give_safe_names(void **state)
{
	static const char seed[] = "agent:work:whatsapp:group:1203@g.us:topic:42";
	struct config *config = fixture_new("{}", "openclaw");

	(void)state;
	for (size_t bit = 0; bit < (sizeof(seed) - 1) * 8; bit++) {
		char key[sizeof(seed)];
		struct arena a = {0};
		struct session_ref ref, again;
		char *name;

		memcpy(key, seed, sizeof(seed));
		key[bit / 8] = (char)(key[bit / 8] ^ (1 << bit % 8));
		session_resolve(&a, config->root, NULL, key, &ref);
		session_resolve(&a, config->root, NULL, key, &again);
		assert_string_equal(ref.key, again.key);
		assert_int_equal(strspn(ref.agent_id, "abcdefghijklmnopqrstuvwxyz0123456789_-"),
			strlen(ref.agent_id));
		name = session_container_name(&a, "c-", SCOPE_SESSION, ref.key);
		assert_int_equal(
			strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-"), strlen(name));
		assert_true(strlen(name) <= SESSION_NAME_MAX);
		arena_finish(&a);
	}
	fixture_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agent_ids_are_normalised),
		cmocka_unit_test(keys_are_taken_apart),
		cmocka_unit_test(slugs_are_those_of_the_original),
		cmocka_unit_test(names_fit_and_scopes_differ),
		cmocka_unit_test(channels_are_recognised),
		cmocka_unit_test(the_main_session_has_aliases),
		cmocka_unit_test(text_follows_unicode),
		cmocka_unit_test(mutated_keys_give_safe_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
