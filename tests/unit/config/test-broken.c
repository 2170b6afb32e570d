/* SPDX-License-Identifier: MIT */
/* Every broken configuration in broken.json: the exact place, path, message and hint of each issue. */
#include <sodium.h>

#include "base/own.h"
#include "common.h"

/* "@DIR@" in an expected text stands for the directory of the file. */
static void check_text(const char *name, const char *what, const char *found, const char *expected,
	const char *dir)
{
	_cleanup_buf_ struct buf text = {0};
	const char *mark;

	if (expected == NULL || found == NULL) {
		if (expected != found) {
			fail_msg("%s: %s is '%s'", name, what, found != NULL ? found : "(none)");
		}
		return;
	}
	while ((mark = strstr(expected, "@DIR@")) != NULL) {
		buf_add(&text, expected, (size_t)(mark - expected));
		buf_add_str(&text, dir);
		expected = mark + 5;
	}
	buf_add_str(&text, expected);
	if (strcmp(found, text.data) != 0) {
		fail_msg("%s: %s is '%s', not '%s'", name, what, found, text.data);
	}
}

static void check_issue(
	const char *name, const struct config_issue *issue, const json_t *expected, const char *dir)
{
	json_int_t line = json_integer_value(json_object_get(expected, "line"));
	json_int_t column = json_integer_value(json_object_get(expected, "column"));

	if (issue->line != line || issue->column != column) {
		fail_msg("%s: at %d:%d (%s)", name, issue->line, issue->column, issue->message);
	}
	check_text(name, "the path", issue->path,
		json_string_value(json_object_get(expected, "path")), dir);
	check_text(name, "the message", issue->message,
		json_string_value(json_object_get(expected, "message")), dir);
	check_text(name, "the hint", issue->hint,
		json_string_value(json_object_get(expected, "hint")), dir);
	assert_int_equal(issue->warning, json_is_true(json_object_get(expected, "warning")));
}

static void write_config(struct home *home, const json_t *row)
{
	const char *text = json_string_value(json_object_get(row, "text"));
	const char *encoded = json_string_value(json_object_get(row, "base64"));
	unsigned char bytes[4096];
	size_t len;

	if (text != NULL) {
		home_write(home, "creel.json", text, strlen(text));
		return;
	}
	assert_int_equal(sodium_base642bin(bytes, sizeof(bytes), encoded, strlen(encoded), NULL,
				 &len, NULL, sodium_base64_VARIANT_ORIGINAL),
		0);
	home_write(home, "creel.json", bytes, len);
}

static void check_row(const json_t *row)
{
	const char *name = json_string_value(json_object_get(row, "name"));
	const json_t *issues = json_object_get(row, "issues");
	_cleanup_free_ char *path = NULL;
	struct config *config = NULL;
	struct error err = {0};
	struct home home;

	home_make(&home);
	write_config(&home, row);
	path = xasprintf("%s/creel.json", home.path);
	/* The home of the examples; the file itself is elsewhere. */
	assert_int_equal(
		config_load(&(struct config_request){.path = path,
				    .env = {.home = "/home/u", .get = home_variable, .arg = &home}},
			&config, &err),
		0);
	if (config->issue_count != json_array_size(issues)) {
		fail_msg("%s: %zu issues", name, config->issue_count);
	}
	for (size_t i = 0; i < config->issue_count; i++) {
		assert_string_equal(config->issues[i].file, path);
		check_issue(name, &config->issues[i], json_array_get(issues, i), home.path);
	}
	(void)config_free(config);
	home_remove(&home);
}

static void test_broken(void **state)
{
	json_error_t error;
	json_t *rows = json_load_file(TEST_DATA "/broken.json", 0, &error), *row;
	size_t i;

	(void)state;
	assert_non_null(rows);
	assert_true(json_array_size(rows) >= 60);
	json_array_foreach(rows, i, row)
	{
		check_row(row);
	}
	json_decref(rows);
}

/* What a person sees: place, line, caret, hint. */
static void test_printed(void **state)
{
	_cleanup_buf_ struct buf out = {0};
	_cleanup_free_ char *expected = NULL;
	struct home home;
	struct config *config;

	(void)state;
	home_make(&home);
	config = home_load(&home, "{\n\tsession: { mainKey: \"\u65e5\u672c\", scop: \"x\" }\n}\n");
	assert_int_equal(config->issue_count, 1);
	config_print_issue(config, &config->issues[0], &out);
	expected = xasprintf("%s/.openclaw/openclaw.json:2:28: session: unknown key 'scop'\n"
			     "    2 | \tsession: { mainKey: \"\u65e5\u672c\", scop: \"x\" }\n"
			     "      | \t                            ^\n"
			     "      = did you mean 'scope'?\n",
		home.path);
	assert_string_equal(out.data, expected);
	(void)config_free(config);
	home_remove(&home);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_printed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
