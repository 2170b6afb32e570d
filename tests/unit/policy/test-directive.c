/* SPDX-License-Identifier: MIT */
/* Inline directives and elevated gates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macro.h"
#include "fixture.h"
#include "policy/directive.h"
#include "policy/elevated.h"

struct row {
	const char *text;
	bool elevated, exec, effective;
	const char *level, *cleaned, *invalid;
};

static void check_text(const char *got, const char *expect)
{
	assert_int_equal(got == NULL, expect == NULL);
	if (got != NULL) {
		assert_string_equal(got, expect);
	}
}

static void directives_are_found(void **state)
{
	static const struct row rows[] = {
		{" please /elevated on now", true, false, false, "on", "please now", NULL},
		{"/elevated full please", true, false, false, "full", "please", NULL},
		{"/elevated:", true, false, true, NULL, "", NULL},
		{"/elevated", true, false, true, NULL, "", NULL},
		{"/ELEV: Ask", true, false, true, "ask", "", NULL},
		{"/elev:off", true, false, true, "off", "", NULL},
		{"hello /elevated off", true, false, false, "off", "hello", NULL},
		{"/elevated maybe", true, false, true, NULL, "",
			"Unrecognized elevated level \"maybe\""},
		{"http://x/elevated on", false, false, false, NULL, "http://x/elevated on", NULL},
		{"/elevatedon", false, false, false, NULL, "/elevatedon", NULL},
		{"/exec", false, true, true, NULL, "", NULL},
		{"/elevated /exec host=node", true, true, true, NULL, "", NULL},
		{"", false, false, false, NULL, "", NULL},
		{"  a   b ", false, false, false, NULL, "a b", NULL},
		{"/exec host=moon", false, true, true, NULL, "", "Unrecognized exec host \"moon\""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_arena_ struct arena a = {0};
		struct directives d;

		directives_parse(&a, rows[i].text, &d);
		assert_int_equal(d.has_elevated, rows[i].elevated);
		assert_int_equal(d.has_exec, rows[i].exec);
		assert_int_equal(d.effective, rows[i].effective);
		check_text(d.level, rows[i].level);
		check_text(d.cleaned, rows[i].cleaned);
		check_text(d.invalid, rows[i].invalid);
	}
}

static void exec_takes_its_options(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	struct directives d;

	(void)state;
	directives_parse(&a,
		"please /exec host=gateway security=allowlist ask=on-miss node=mac-mini now", &d);
	assert_string_equal(d.host, "gateway");
	assert_string_equal(d.security, "allowlist");
	assert_string_equal(d.ask, "on-miss");
	assert_string_equal(d.node, "mac-mini");
	assert_string_equal(d.cleaned, "please now");
	assert_false(d.effective);
	/* What is no option ends the list, also when it looks like one. */
	directives_parse(&a, "/exec: HOST:Sandbox color=red ask=always", &d);
	assert_string_equal(d.host, "sandbox");
	assert_null(d.ask);
	assert_string_equal(d.cleaned, "color=red ask=always");
}

static void any_bytes_are_a_message(void **state)
{
	static const char seed[] = "x /elevated: full /exec host=node ask=off y";

	(void)state;
	for (size_t bit = 0; bit < (sizeof(seed) - 1) * 8; bit++) {
		_cleanup_arena_ struct arena a = {0};
		struct directives d;
		char text[sizeof(seed)];

		memcpy(text, seed, sizeof(seed));
		text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
		directives_parse(&a, text, &d);
		assert_true(strlen(d.cleaned) <= strlen(text));
	}
}

/* ---- who may leave the sandbox ---- */

static bool admits(const char *entry, const struct sender *sender)
{
	_cleanup_arena_ struct arena a = {0};
	struct strv list = {0};

	strv_add(&list, &a, entry);
	return elevated_list_admits(&a, &list, sender, "whatsapp");
}

static void entries_pick_identities(void **state)
{
	const struct sender sender = {
		.id = "42",
		.from = "whatsapp:+15550001111",
		.e164 = "+15550001111",
		.name = "Ann B.",
		.username = "annb",
		.tag = "ann#1",
	};
	const struct sender unknown = {0};

	(void)state;
	assert_true(admits("*", &unknown));
	assert_true(admits("+15550001111", &sender));
	assert_true(admits("WhatsApp:+15550001111", &sender));
	assert_true(admits("42", &sender));
	/* Names are chosen by their bearers: they count only where the entry asks for a name. */
	assert_false(admits("Ann B.", &sender));
	assert_false(admits("annb", &sender));
	assert_true(admits("name:ann-b", &sender));
	assert_true(admits("username:ANNB", &sender));
	assert_true(admits("tag:ann#1", &sender));
	assert_true(admits("id:42", &sender));
	assert_true(admits("e164:+15550001111", &sender));
	assert_true(admits("from:+15550001111", &sender));
	assert_false(admits("id:+15550001111", &sender));
	assert_false(admits("name:", &sender));
	assert_false(admits("name:!!!", &sender));
	assert_false(admits("42", &unknown));
	assert_false(admits("id:", &unknown));
}

#define ELEVATED_CONFIG                                                  \
	"{\"agents\":{\"defaults\":{\"sandbox\":{\"mode\":\"all\"}%s}}," \
	"\"tools\":{\"elevated\":{\"allowFrom\":{\"whatsapp\":[\"+1\"],\"discord\":[\"*\"]}}}}"

struct gate_row {
	const char *extra, *session, *sender, *directive, *tool;
	bool elevated;
	bool requested, granted, allowed;
};

static void elevation_is_asked_for_and_allowed(void **state)
{
	static const struct gate_row rows[] = {
		/* Allowed, but nobody asked. */
		{"", "agent:main:whatsapp:direct:1", "+1", NULL, "exec", false, false, false, true},
		{"", "agent:main:whatsapp:direct:1", "+1", NULL, "exec", true, true, true, true},
		{"", "agent:main:whatsapp:direct:1", "+2", NULL, "exec", true, true, false, false},
		{"", "agent:main:whatsapp:direct:1", NULL, NULL, "exec", true, true, false, false},
		{"", "agent:main:discord:direct:1", NULL, NULL, "exec", true, true, true, true},
		{"", "agent:main:main", "+1", NULL, "exec", true, true, false, false},
		{"", "agent:main:whatsapp:direct:1", "+1", "on", "bash", false, true, true, true},
		{"", "agent:main:whatsapp:direct:1", "+1", "off", "exec", false, false, false,
			true},
		/* A standing wish that may not be granted keeps the call inside. */
		{"", "agent:main:whatsapp:direct:1", "+2", "full", "exec", false, true, false,
			true},
		{",\"elevatedDefault\":\"on\"", "agent:main:whatsapp:direct:1", "+1", NULL, "exec",
			false, true, true, true},
		{",\"elevatedDefault\":\"on\"", "agent:main:whatsapp:direct:1", "+1", "off", "exec",
			false, false, false, true},
		/* Only exec leaves. */
		{"", "agent:main:whatsapp:direct:1", "+1", NULL, "read", true, false, false, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct gate_row *row = &rows[i];
		_cleanup_arena_ struct arena a = {0};
		struct config *config =
			fixture_new(arena_printf(&a, ELEVATED_CONFIG, row->extra), "openclaw");
		const struct decide_request request = {
			.session = row->session,
			.tool = row->tool,
			.elevated = row->elevated,
			.session_elevated = row->directive,
			.sender = {.id = row->sender},
		};
		struct decision *d = fixture_decide(config, &request);

		assert_int_equal(d->elevated.requested, row->requested);
		assert_int_equal(d->elevated.granted, row->granted);
		assert_int_equal(d->tool.allowed, row->allowed);
		if (!row->allowed) {
			assert_string_equal(d->tool.layer, "elevated");
			assert_true(d->tool.fix.count > 0);
		}
		(void)decision_free(d);
		fixture_free(config);
	}
}

static void without_a_sandbox_elevation_changes_nothing(void **state)
{
	struct config *config = fixture_new("{}", "openclaw");
	const struct decide_request request = {.tool = "exec", .elevated = true};
	struct decision *d = fixture_decide(config, &request);

	(void)state;
	assert_false(d->sandboxed);
	assert_false(d->elevated.granted);
	assert_true(d->tool.allowed);
	(void)decision_free(d);
	fixture_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(directives_are_found),
		cmocka_unit_test(exec_takes_its_options),
		cmocka_unit_test(any_bytes_are_a_message),
		cmocka_unit_test(entries_pick_identities),
		cmocka_unit_test(elevation_is_asked_for_and_allowed),
		cmocka_unit_test(without_a_sandbox_elevation_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
