/* SPDX-License-Identifier: MIT */
/* Names, groups, profiles and the matcher; the rows of policy.jsonl that no command prints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macro.h"
#include "fixture.h"
#include "policy/report.h"
#include "policy/tools.h"

static void globs_match_whole_names(void **state)
{
	static const struct {
		const char *pattern, *name;
		bool match;
	} rows[] = {
		{"*", "", true},
		{"*", "x", true},
		{"", "", true},
		{"", "x", false},
		{"a*b", "ab", true},
		{"a*b", "axxb", true},
		{"a*b", "axbx", false},
		{"*a*", "a", true},
		{"re?d", "read", false},
		{"re?d", "re?d", true},
		{"[rw]*", "read", false},
		{"a.b", "axb", false},
		{"**", "x", true},
		{"x$*", "x$", true},
		{"a*b*c", "aXbYbZc", true},
		{"a*b*c", "acb", false},
		{"*_search", "_search", true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(tool_glob_match(rows[i].pattern, rows[i].name), rows[i].match);
	}
}

/* Against a matcher that tries everything: short patterns, short names, all of them. */
static bool slow_match(const char *pattern, const char *name)
{
	if (*pattern == '\0') {
		return *name == '\0';
	}
	if (*pattern == '*') {
		return slow_match(pattern + 1, name) ||
		       (*name != '\0' && slow_match(pattern, name + 1));
	}
	return *pattern == *name && slow_match(pattern + 1, name + 1);
}

static void spell(unsigned code, const char *letters, unsigned base, char out[8])
{
	size_t len = 0;

	for (; code > 0; code /= base) {
		out[len++] = letters[code % base];
	}
	out[len] = '\0';
}

static void globs_agree_with_the_definition(void **state)
{
	char pattern[8], name[8];

	(void)state;
	for (unsigned p = 0; p < 3 * 3 * 3 * 3 * 3; p++) {
		spell(p, "a*b", 3, pattern);
		for (unsigned n = 0; n < 2 * 2 * 2 * 2 * 2 * 2; n++) {
			spell(n, "ab", 2, name);
			assert_int_equal(tool_glob_match(pattern, name), slow_match(pattern, name));
		}
	}
}

/* A pattern that makes a backtracking matcher exponential. */
static void a_hostile_pattern_is_cheap(void **state)
{
	char pattern[401], name[20001];

	(void)state;
	for (size_t i = 0; i < 400; i++) {
		pattern[i] = i % 2 == 0 ? '*' : 'a';
	}
	pattern[400] = '\0';
	memset(name, 'a', 20000);
	name[20000] = '\0';
	assert_false(tool_glob_match("*a*a*a*a*a*a*b", name));
	pattern[399] = 'b';
	assert_false(tool_glob_match(pattern, name));
	pattern[399] = 'a';
	assert_true(tool_glob_match(pattern, name));
}

static void every_known_tool_is_known(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	struct strv known = {0};

	(void)state;
	tool_list_known(&a, &known);
	assert_true(known.count > 25);
	for (size_t i = 0; i < known.count; i++) {
		assert_true(tool_name_is_known(known.items[i]));
		assert_string_equal(tool_name_normalize(&a, known.items[i]), known.items[i]);
	}
	assert_false(tool_name_is_known("group:fs"));
	assert_string_equal(tool_name_normalize(&a, " BASH "), "exec");
	assert_string_equal(tool_name_normalize(&a, "Apply-Patch"), "apply_patch");
}

/* ---- policy.jsonl ---- */

static void check_row(const char *kind, const json_t *row)
{
	const json_t *expect = json_object_get(row, "expect");
	json_t *got = NULL;

	if (strcmp(kind, "match") == 0) {
		got = report_match(json_object_get(row, "policy"),
			json_string_value(json_object_get(row, "tool")));
		/* The peer calls it so; the contract says tool. Both are printed. */
		json_object_del(got, "tool");
	} else if (strcmp(kind, "expand") == 0) {
		got = report_expand(json_object_get(row, "list"));
	} else if (strncmp(kind, "profile", 7) == 0) {
		got = report_profile(json_string_value(json_object_get(row, "profile")),
			json_object_get(row, "alsoAllow"));
		json_object_del(got, "known");
	}
	if (got != NULL && !json_equal(got, expect)) {
		print_error("%s: got %s\n", json_string_value(json_object_get(row, "id")),
			json_dumps(got, JSON_SORT_KEYS));
		fail();
	}
	json_decref(got);
}

static void the_rows_hold(void **state)
{
	FILE *file = fopen(CONFORMANCE_DIR "/policy.jsonl", "re");
	json_t *row;
	size_t rows = 0;

	(void)state;
	assert_non_null(file);
	while ((row = json_loadf(file, JSON_DISABLE_EOF_CHECK, NULL)) != NULL) {
		check_row(json_string_value(json_object_get(row, "kind")), row);
		json_decref(row);
		rows++;
	}
	(void)fclose(file);
	assert_true(rows > 200);
}

/* A damaged list never allows what the whole one denied by name. */
static void mutated_entries_never_crash(void **state)
{
	static const char seed[] = " Group:FS*bash\xc3\xa9";

	(void)state;
	for (size_t bit = 0; bit < (sizeof(seed) - 1) * 8; bit++) {
		_cleanup_arena_ struct arena a = {0};
		struct tool_policy policy = {0};
		char entry[sizeof(seed)];
		struct tool_match match;

		memcpy(entry, seed, sizeof(seed));
		entry[bit / 8] = (char)(entry[bit / 8] ^ (1 << bit % 8));
		strv_add(&policy.allow, &a, entry);
		strv_add(&policy.deny, &a, "exec");
		match = policy_match(&a, &policy, "exec");
		assert_false(match.allowed);
		assert_int_equal(match.rule, RULE_DENY);
		(void)policy_match(&a, &policy, entry);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(globs_match_whole_names),
		cmocka_unit_test(globs_agree_with_the_definition),
		cmocka_unit_test(a_hostile_pattern_is_cheap),
		cmocka_unit_test(every_known_tool_is_known),
		cmocka_unit_test(the_rows_hold),
		cmocka_unit_test(mutated_entries_never_crash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
