/* SPDX-License-Identifier: MIT */
/* Configurations that are huge, odd or meant to harm: bounded work, clear errors, exact places. */
#include <errno.h>

#include "base/limits.h"
#include "base/own.h"
#include "common.h"
#include "config/json5.h"
#include "config/source.h"

enum { MANY = 60000 }; /* what is quadratic in it does not end within the test's time */

/* before0after before1after ... */
static void add_many(struct buf *text, const char *before, int first, const char *after)
{
	for (int i = first; i < first + MANY; i++) {
		buf_addf(text, "%s%d%s", before, i, after);
	}
}

static void test_many_includes_members(void **state)
{
	_cleanup_buf_ struct buf a = {0}, b = {0};
	struct home home;
	struct config *config;

	(void)state;
	home_make(&home);
	buf_add_str(&a, "{");
	add_many(&a, "k", 0, ": 1,");
	buf_add_str(&a, "}");
	buf_add_str(&b, "{");
	add_many(&b, "k", MANY / 2, ": 2,");
	buf_add_str(&b, "}");
	home_write(&home, ".openclaw/a.json", a.data, a.len);
	home_write(&home, ".openclaw/b.json", b.data, b.len);
	config = home_load(&home, "{ logging: { $include: ['a.json', 'b.json'] } }");
	assert_no_issues(config);
	assert_int_equal(json_object_size(config_get(config, "logging")), MANY + MANY / 2);
	assert_value(config, "logging.k1", "1");
	assert_value(config, "logging.k59999", "2");
	(void)config_free(config);
	home_remove(&home);
}

static void test_many_moved_members(void **state)
{
	_cleanup_buf_ struct buf text = {0};
	struct home home;
	struct config *config;

	(void)state;
	home_make(&home);
	buf_add_str(&text, "{ routing: { agents: {");
	add_many(&text, "a", 0, ": {},");
	buf_add_str(&text,
		"} }, logging: {}, agents: { defaults: { models: {} } }, agent: { models: {");
	add_many(&text, "b", 0, ": 1,");
	buf_add_str(&text, "} } }");
	config = home_load(&home, text.data);
	assert_no_issues(config);
	assert_int_equal(config->agent_count, MANY);
	assert_int_equal(json_object_size(config_get(config, "agents.defaults.models")), MANY);
	(void)config_free(config);
	home_remove(&home);
}

static void test_many_unknown_keys(void **state)
{
	_cleanup_buf_ struct buf text = {0}, shown = {0};
	struct home home;
	struct config *config;

	(void)state;
	home_make(&home);
	buf_add_str(&text, "{");
	add_many(&text, "sandboxWorkspaceRootDirectories", 0, ": 1,");
	buf_add_str(&text, "}");
	config = home_load(&home, text.data);
	assert_int_equal(config->error_count, 1000);
	for (size_t i = 0; i < config->issue_count; i++) {
		config_print_issue(config, &config->issues[i], &shown);
	}
	assert_non_null(strstr(shown.data, "sandboxWorkspaceRootDirectories999'"));
	(void)config_free(config);
	home_remove(&home);
}

static void test_many_variables(void **state)
{
	_cleanup_buf_ struct buf text = {0};
	struct home home;
	struct config *config;

	(void)state;
	home_make(&home);
	buf_add_str(&text, "{ env: { vars: {");
	add_many(&text, "V", 0, ": 'x',");
	buf_add_str(&text, "} }, tools: { deny: [");
	add_many(&text, "'${V", 0, "}',");
	buf_add_str(&text, "] } }");
	config = home_load(&home, text.data);
	assert_no_issues(config);
	assert_value(config, "tools.deny[59999]", "\"x\"");
	(void)config_free(config);
	home_remove(&home);
}

/* A few bytes must not stand for gigabytes. */
static void test_expansion_is_bounded(void **state)
{
	_cleanup_buf_ struct buf text = {0};
	struct home home;
	struct config *config;

	(void)state;
	home_make(&home);
	buf_add_str(&text, "{ env: { A: '");
	for (int i = 0; i < 100000; i++) {
		buf_add_char(&text, 'x');
	}
	buf_add_str(&text, "' },\n tools: { deny: [");
	for (int i = 0; i < 200; i++) {
		buf_add_str(&text, "'${A}',");
	}
	buf_add_str(&text, "] } }");
	config = home_load(&home, text.data);
	assert_int_equal(config->error_count, 1);
	assert_int_equal(config->issues[0].line, 2);
	assert_non_null(strstr(config->issues[0].message, "larger than 16 MiB"));
	(void)config_free(config);
	home_remove(&home);
}

static void test_included_bytes_are_bounded(void **state)
{
	_cleanup_free_ char *blanks = xcalloc(1, LIMIT_CONFIG_BYTES);
	struct home home;
	struct config *config;

	(void)state;
	memset(blanks, ' ', LIMIT_CONFIG_BYTES);
	memcpy(blanks, "{}", 2);
	home_make(&home);
	home_write(&home, ".openclaw/half.json", blanks, LIMIT_CONFIG_BYTES / 2);
	config = home_load(&home, "{ logging: { $include: 'half.json' } }");
	assert_no_issues(config);
	(void)config_free(config);
	config = home_load(&home, "{ logging: { $include: ['half.json', 'half.json'] } }");
	assert_int_equal(config->error_count, 1);
	assert_int_equal(config->issues[0].column, 38);
	assert_non_null(strstr(config->issues[0].message, "larger than 16 MiB in all"));
	(void)config_free(config);
	home_remove(&home);
}

/* Nothing that a file says reaches a terminal as a command: C0, DEL and the C1 controls. */
static void test_terminal(void **state)
{
	static const char text[] =
		"{ 'a\xc2\x9b"
		"31mb\x7f': 1, '\\u001b]0;x': 2, tools: { 'x\xc2\x9b': 1, 'x\xc2\x9b': 2 },\n"
		"  agents: { entries: { '\xc2\x9b"
		"2J': { 'docker\x1b': 1, sandbox: { mode: 'x\xc2\x9b' } } } } }";
	_cleanup_buf_ struct buf shown = {0};
	struct home home;
	struct config *config;

	(void)state;
	home_make(&home);
	config = home_load(&home, text);
	assert_int_equal(config->error_count, 7);
	for (size_t i = 0; i < config->issue_count; i++) {
		config_print_issue(config, &config->issues[i], &shown);
	}
	for (size_t i = 0; i < shown.len; i++) {
		unsigned char c = (unsigned char)shown.data[i];

		assert_true(c == '\n' || (c >= 0x20 && c != 0x7f));
		assert_false(c == 0xc2 && (unsigned char)shown.data[i + 1] < 0xa0);
	}
	(void)config_free(config);
	home_remove(&home);
}

static void expect_place(const char *text, int line, int column, const char *caret)
{
	_cleanup_buf_ struct buf shown = {0};
	struct home home;
	struct config *config;

	home_make(&home);
	config = home_load(&home, text);
	assert_int_equal(config->error_count, 1);
	assert_int_equal(config->issues[0].line, line);
	assert_int_equal(config->issues[0].column, column);
	config_print_issue(config, &config->issues[0], &shown);
	if (strstr(shown.data, caret) == NULL) {
		fail_msg("shows: %s", shown.data);
	}
	(void)config_free(config);
	home_remove(&home);
}

static void test_places(void **state)
{
	(void)state;
	/* A byte order mark at the start is no column; elsewhere it is a blank like any other. */
	expect_place("\xef\xbb\xbf{ x: 1 }", 1, 3, "{ x: 1 }\n      |   ^\n");
	expect_place("{ agents: {},\n\xef\xbb\xbfx: 1 }", 2, 2, "x: 1 }\n      | ^\n");
	expect_place("{\r\n\r\n\tx: 1 }", 3, 2, "    3 | \tx: 1 }\n      | \t^\n");
	expect_place("{\r\n\r\n\tsession: 7 }", 3, 11, "      | \t         ^\n");
	expect_place("{ /* \xf0\x9f\x98\x80\xe6\x97\xa5 */ x: 1 }", 1, 12, "|              ^\n");
	expect_place("{\r// a\xe2\x80\xa8 x: 1 }", 2, 7, "^\n");
	expect_place("{ session: 7\n}", 1, 12, "{ session: 7\n      |            ^\n");
}

static void load_as(struct home *home, const char *path, const char *brand)
{
	struct config_request request = {
		.path = path, .env = {.home = home->path, .get = home_variable, .arg = home}};
	struct config *config = NULL;
	struct error err = {0};

	assert_int_equal(config_load(&request, &config, &err), 0);
	assert_string_equal(config->brand->name, brand);
	assert_int_equal(config->state_dir[0], '/');
	(void)config_free(config);
}

static void test_odd_paths(void **state)
{
	static const char *const cases[][2] = {
		/* the directory says more than the name */
		{".clawdbot/openclaw.json", "clawdbot"},
		{".creel/openclaw.json", "creel"},
		{"x/openclaw.json", "openclaw"},
		{".verso/./other.json", "verso"},
		{".verso//other.json", "verso"},
		{".verso/../.verso/other.json", "verso"},
	};
	struct home home;
	struct config *config = NULL;
	struct error err = {0};
	char *cwd = getcwd(NULL, 0);

	(void)state;
	home_make(&home);
	home_write(&home, ".verso/other.json", "{}", 2);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", home.path, cases[i][0]);

		if (i < 3) {
			home_write(&home, cases[i][0], "{}", 2);
		}
		load_as(&home, path, cases[i][1]);
	}
	assert_int_equal(home_load_file(&home, "", &config, &err), -EINVAL);
	assert_null(config);
	assert_non_null(strstr(err.text, "is empty"));
	/* A state directory that is relative is meant from here. */
	home_write(&home, "state/equabot.json", "{}", 2);
	home.variables[0] = "EQUABOT_STATE_DIR";
	home.variables[1] = "state";
	assert_int_equal(chdir(home.path), 0);
	(void)unlink(".verso/other.json");
	(void)unlink(".creel/openclaw.json");
	(void)unlink(".clawdbot/openclaw.json");
	load_as(&home, NULL, "equabot");
	assert_int_equal(chdir(cwd), 0);
	free(cwd);
	home_remove(&home);
}

/* What a linked configuration includes lies beside the link. */
static void test_linked_configuration(void **state)
{
	_cleanup_free_ char *dir = NULL, *linked_dir = NULL, *path = NULL, *text = NULL,
			    *link = NULL;
	struct home home;
	struct config *config = NULL;
	struct error err = {0};

	(void)state;
	home_make(&home);
	home_write(&home, "dotfiles/openclaw.json", "{ session: { $include: 'in.json' } }", 36);
	home_write(&home, ".openclaw/in.json", "{ mainKey: 'beside' }", 21);
	dir = xasprintf("%s/.openclaw", home.path);
	link = xasprintf("%s/openclaw.json", dir);
	assert_int_equal(symlink("../dotfiles/openclaw.json", link), 0);
	assert_int_equal(home_load_file(&home, NULL, &config, &err), 0);
	assert_no_issues(config);
	assert_value(config, "session.mainKey", "\"beside\"");
	config = config_free(config);
	/* A directory that is a link: an absolute name through it stays inside. */
	linked_dir = xasprintf("%s/linked", home.path);
	path = xasprintf("%s/other.json", linked_dir);
	text = xasprintf("{ session: { $include: '%s/in.json' } }", linked_dir);
	home_write(&home, ".openclaw/other.json", text, strlen(text));
	assert_int_equal(symlink(dir, linked_dir), 0);
	assert_int_equal(home_load_file(&home, path, &config, &err), 0);
	assert_no_issues(config);
	(void)config_free(config);
	home_remove(&home);
}

/* A variable that only an unused block needs is no error, at whatever depth the block stands. */
static void test_unused_variables(void **state)
{
	struct home home;
	struct config *config;

	(void)state;
	home_make(&home);
	config = home_load(&home,
		"{ models: { a: '${UNSET}' }, agents: { defaults: { memorySearch: { k: ['${UNSET}'] } } } }");
	assert_no_issues(config);
	assert_value(config, "models.a", "\"${UNSET}\"");
	assert_value(config, "agents.defaults.memorySearch.k[0]", "\"${UNSET}\"");
	(void)config_free(config);
	/* The env block gives its raw texts; one that refers to a variable is none, wherever the
	 * block stands. */
	config = home_load(&home, "{ env: { A: '$${B}' }, session: { mainKey: '${A}' } }");
	assert_no_issues(config);
	assert_value(config, "session.mainKey", "\"$${B}\"");
	(void)config_free(config);
	home.variables[0] = "SET";
	home.variables[1] = "x";
	config = home_load(&home, "{ env: { A: '${SET}' }, session: { mainKey: '${A}' } }");
	assert_int_equal(config->error_count, 1);
	assert_value(config, "env.A", "\"x\"");
	(void)config_free(config);
	home_remove(&home);
}

/* Digits of an exponent that a long fraction makes up for, and those that it does not. */
static void test_long_numbers(void **state)
{
	_cleanup_buf_ struct buf text = {0};
	struct error err = {0};
	json_t *value = NULL;
	size_t digits;

	(void)state;
	buf_add_str(&text, "0.");
	for (int i = 0; i < 100000; i++) {
		buf_add_char(&text, '0');
	}
	digits = text.len;
	buf_add_str(&text, "1e1000010");
	assert_int_equal(json5_loads(text.data, text.len, "text", &value, &err), -EINVAL);
	assert_non_null(strstr(err.text, "too large"));
	text.len = digits;
	buf_add_str(&text, "1e100002");
	assert_int_equal(json5_loads(text.data, text.len, "text", &value, &err), 0);
	assert_true(json_number_value(value) > 9.99 && json_number_value(value) < 10.01);
	json_decref(value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many_includes_members),
		cmocka_unit_test(test_many_moved_members),
		cmocka_unit_test(test_many_unknown_keys),
		cmocka_unit_test(test_many_variables),
		cmocka_unit_test(test_expansion_is_bounded),
		cmocka_unit_test(test_included_bytes_are_bounded),
		cmocka_unit_test(test_terminal),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_odd_paths),
		cmocka_unit_test(test_linked_configuration),
		cmocka_unit_test(test_unused_variables),
		cmocka_unit_test(test_long_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
