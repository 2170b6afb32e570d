/* SPDX-License-Identifier: MIT */
/* Loading: which file, which brand, includes, variables, and files that are not what they should be. */
#include <errno.h>

#include "base/own.h"
#include "common.h"
#include "config/isolation.h"

static void write_text(struct home *home, const char *name, const char *text)
{
	home_write(home, name, text, strlen(text));
}

static struct config *load_path(struct home *home, const char *path, const char *brand)
{
	struct config_request request = {.path = path,
		.brand = brand,
		.env = {.home = home->path, .get = home_variable, .arg = home}};
	struct config *config = NULL;
	struct error err = {0};

	if (config_load(&request, &config, &err) < 0) {
		fail_msg("cannot load: %s", err.text);
	}
	return config;
}

static void expect_brand(struct home *home, const char *path, const char *brand)
{
	struct config *config = load_path(home, path, NULL);

	assert_string_equal(config->brand->name, brand);
	(void)config_free(config);
}

/* Each place is taken before those after it. */
static void test_search_order(void **state)
{
	static const char *const places[] = {".equabot/equabot.json", ".verso/verso.json",
		".clawdbot/clawdbot.json", ".openclaw/openclaw.json", ".creel/creel.json"};
	static const char *const brands[] = {"equabot", "verso", "clawdbot", "openclaw", "creel"};
	_cleanup_free_ char *named = NULL;
	struct home home;
	struct config *config;

	(void)state;
	home_make(&home);
	config = load_path(&home, NULL, NULL);
	assert_null(config->path);
	assert_string_equal(config->brand->name, "creel");
	assert_true(json_is_object(config->root));
	assert_no_issues(config);
	(void)config_free(config);
	for (size_t i = 0; i < 5; i++) {
		write_text(&home, places[i], "{}");
		expect_brand(&home, NULL, brands[i]);
	}
	named = xasprintf("%s/.verso/verso.json", home.path);
	home.variables[0] = "CREEL_CONFIG";
	home.variables[1] = named;
	expect_brand(&home, NULL, "verso");
	config = load_path(&home, NULL, "equabot");
	assert_string_equal(config->path, named);
	assert_string_equal(config->brand->name, "equabot");
	(void)config_free(config);
	home.variables[0] = NULL;
	/* A brand alone looks in its own place only. */
	config = load_path(&home, NULL, "clawdbot");
	assert_non_null(strstr(config->path, "/.clawdbot/clawdbot.json"));
	(void)config_free(config);
	home_remove(&home);
}

static void test_brand_of_a_path(void **state)
{
	static const struct {
		const char *name, *brand;
	} cases[] = {{"a/openclaw.json", "openclaw"}, {"b/.verso/other.json5", "verso"},
		{"c/my.json", "creel"}, {"d/equabot.json", "equabot"},
		{"e/x.verso/my.json", "creel"}, {"creel.json", "creel"}};
	struct home home;

	(void)state;
	home_make(&home);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", home.path, cases[i].name);

		write_text(&home, cases[i].name, "{}");
		expect_brand(&home, path, cases[i].brand);
	}
	home_remove(&home);
}

static void test_state_dir(void **state)
{
	_cleanup_free_ char *expected = NULL;
	struct home home;
	struct config *config;

	(void)state;
	home_make(&home);
	config = home_load(&home, "{}");
	expected = xasprintf("%s/.openclaw", home.path);
	assert_string_equal(config->state_dir, expected);
	assert_string_equal(config->home, home.path);
	(void)config_free(config);
	/* The directory moves, and the configuration with it. */
	home.variables[0] = "OPENCLAW_STATE_DIR";
	home.variables[1] = "~/elsewhere";
	write_text(&home, "elsewhere/openclaw.json", "{ session: { mainKey: 'there' } }");
	config = load_path(&home, NULL, NULL);
	assert_string_equal(config->brand->name, "openclaw");
	assert_value(config, "session.mainKey", "\"there\"");
	assert_non_null(strstr(config->state_dir, "/elsewhere"));
	(void)config_free(config);
	home_remove(&home);
}

static void expect_failure(struct home *home, const char *path, int num, const char *text)
{
	struct config_request request = {
		.path = path, .env = {.home = home->path, .get = home_variable, .arg = home}};
	struct config *config = NULL;
	struct error err = {0};

	assert_int_equal(config_load(&request, &config, &err), -num);
	assert_null(config);
	if (strstr(err.text, text) == NULL || strstr(err.text, path) == NULL) {
		fail_msg("says: %s", err.text);
	}
}

static void test_unreadable(void **state)
{
	_cleanup_free_ char *path = NULL, *fifo = NULL, *large = NULL;
	struct home home;
	struct error err = {0};
	struct config *config = NULL;

	(void)state;
	home_make(&home);
	path = xasprintf("%s/none.json", home.path);
	expect_failure(&home, path, ENOENT, "No such file");
	expect_failure(&home, home.path, EISDIR, "is a directory");
	expect_failure(&home, "/dev/null", EINVAL, "is not a regular file");
	fifo = xasprintf("%s/fifo", home.path);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	expect_failure(&home, fifo, EINVAL, "is not a regular file");
	write_text(&home, "large", "");
	large = xasprintf("%s/large", home.path);
	assert_int_equal(truncate(large, 16 * 1024 * 1024 + 1), 0);
	expect_failure(&home, large, EFBIG, "is larger than 16 MiB");
	assert_int_equal(
		config_load(&(struct config_request){.brand = "other",
				    .env = {.home = home.path, .get = home_variable, .arg = &home}},
			&config, &err),
		-EINVAL);
	assert_non_null(strstr(err.text, "unknown brand 'other'"));
	home_remove(&home);
}

static void test_process_environment(void **state)
{
	struct config_env env;
	struct error err = {0};
	char *saved = xstrdup(getenv("HOME") != NULL ? getenv("HOME") : "/");

	(void)state;
	assert_int_equal(setenv("HOME", "/some/where", 1), 0);
	assert_int_equal(config_env_from_process(&env, &err), 0);
	assert_string_equal(env.home, "/some/where");
	assert_string_equal(env.get(env.arg, "HOME"), "/some/where");
	assert_null(env.get(env.arg, "CREEL_NO_SUCH_VARIABLE"));
	assert_int_equal(setenv("HOME", "relative", 1), 0);
	assert_int_equal(config_env_from_process(&env, &err), -ENOENT);
	assert_int_equal(unsetenv("HOME"), 0);
	assert_int_equal(config_env_from_process(&env, &err), 0);
	assert_int_equal(env.home[0], '/');
	assert_int_equal(setenv("HOME", saved, 1), 0);
	free(saved);
}

/* A path that was given as relative is kept as absolute: the process may change directory. */
static void test_relative_path(void **state)
{
	char *cwd = getcwd(NULL, 0);
	struct home home;
	struct config *config;

	(void)state;
	home_make(&home);
	write_text(&home, "dir/verso.json", "{}");
	assert_int_equal(chdir(home.path), 0);
	config = load_path(&home, "dir/verso.json", NULL);
	assert_int_equal(config->path[0], '/');
	assert_string_equal(config->brand->name, "verso");
	(void)config_free(config);
	assert_int_equal(chdir(cwd), 0);
	free(cwd);
	home_remove(&home);
}

/* A standard file that is there and cannot be followed is not passed over for the next brand's. */
static void test_dangling_link(void **state)
{
	_cleanup_free_ char *dir = NULL, *link = NULL;
	struct home home;
	struct config *config = NULL;
	struct error err = {0};

	(void)state;
	home_make(&home);
	write_text(&home, ".openclaw/openclaw.json", "{}");
	dir = xasprintf("%s/.creel", home.path);
	link = xasprintf("%s/creel.json", dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(symlink("gone", link), 0);
	assert_int_equal(home_load_file(&home, NULL, &config, &err), -ENOENT);
	assert_non_null(strstr(err.text, link));
	home_remove(&home);
}

static void test_binary_file(void **state)
{
	char bytes[512];
	struct home home;
	struct config *config;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] = (char)(i * 37);
	}
	home_make(&home);
	home_write(&home, ".openclaw/openclaw.json", bytes, sizeof(bytes));
	config = load_path(&home, NULL, NULL);
	assert_int_equal(config->error_count, 1);
	assert_int_equal(json_object_size(config->root), 0);
	(void)config_free(config);
	home_remove(&home);
}

/* A problem in the middle: nothing of what stood before it is used. */
static void test_nothing_half_read(void **state)
{
	struct home home;
	struct config *config;

	(void)state;
	home_make(&home);
	config =
		home_load(&home, "{ agents: { defaults: { sandbox: { mode: 'all' } } }, session: ");
	assert_int_equal(config->error_count, 1);
	assert_null(config_get(config, "agents"));
	(void)config_free(config);
	home_remove(&home);
}

static void test_includes(void **state)
{
	struct home home;
	struct config *config;
	const char *file;
	int line, column;

	(void)state;
	home_make(&home);
	write_text(&home, ".openclaw/a.json5",
		"{ agents: { defaults: { sandbox: { mode: 'all', scope: 'agent' } }, list: [{ id: 'a' }] } }");
	write_text(&home, ".openclaw/sub/b.json5",
		"{ agents: { defaults: { sandbox: { scope: 'shared' } }, list: { $include: 'list.json5' } } }");
	write_text(&home, ".openclaw/sub/list.json5", "[\n  { id: 'b' }, { id: 'c' }]");
	config = home_load(&home,
		"{ $include: ['a.json5', './sub/b.json5'], agents: { list: [{ id: 'd' }] },\n"
		"  session: { mainKey: 'x' } }");
	assert_no_issues(config);
	assert_value(config, "agents.defaults.sandbox", "{\"mode\":\"all\",\"scope\":\"shared\"}");
	assert_value(config, "agents.list",
		"[{\"id\":\"a\"},{\"id\":\"b\"},{\"id\":\"c\"},{\"id\":\"d\"}]");
	assert_value(config, "session.mainKey", "\"x\"");
	assert_true(config_position(config, "agents.list[2].id", &file, &line, &column));
	assert_non_null(strstr(file, "/sub/list.json5"));
	assert_int_equal(line, 2);
	assert_int_equal(column, 22);
	(void)config_free(config);
	home_remove(&home);
}

/* An error in an included file: its own place, and the path in the whole. */
static void test_error_in_an_include(void **state)
{
	struct home home;
	struct config *config;

	(void)state;
	home_make(&home);
	write_text(&home, ".openclaw/list.json5",
		"[{ id: 'b' },\n { id: 'c', sandbox: { mode: 'x' } }]");
	write_text(&home, ".openclaw/syntax.json5", "{\n a: }");
	config = home_load(&home,
		"{ agents: { defaults: { sandbox: { scope: 1 } }, list: { $include: 'list.json5' } },\n"
		"  session: { $include: 'syntax.json5' } }");
	assert_int_equal(config->issue_count, 3);
	assert_string_equal(config->issues[0].path, "agents.defaults.sandbox.scope");
	assert_string_equal(config->issues[1].path, "agents.list[1].sandbox.mode");
	assert_non_null(strstr(config->issues[1].file, "/list.json5"));
	assert_int_equal(config->issues[1].line, 2);
	assert_int_equal(config->issues[1].column, 30);
	assert_non_null(strstr(config->issues[2].file, "/syntax.json5"));
	assert_int_equal(config->issues[2].line, 2);
	(void)config_free(config);
	home_remove(&home);
}

static void expect_include_error(struct home *home, const char *text, const char *message)
{
	struct config *config = home_load(home, text);

	assert_true(config->error_count >= 1);
	if (strstr(config->issues[0].message, message) == NULL) {
		fail_msg("says: %s", config->issues[0].message);
	}
	(void)config_free(config);
}

static void test_bad_includes(void **state)
{
	_cleanup_free_ char *inside = NULL, *absolute = NULL;
	struct home home;

	(void)state;
	home_make(&home);
	write_text(&home, "outside.json5", "{}");
	write_text(&home, ".openclaw/loop-a.json5", "{ $include: 'loop-b.json5' }");
	write_text(&home, ".openclaw/loop-b.json5", "{ $include: './/loop-a.json5' }");
	write_text(&home, ".openclaw/list.json5", "[]");
	inside = xasprintf("%s/.openclaw/inside.json5", home.path);
	assert_int_equal(symlink("../outside.json5", inside), 0);
	absolute = xasprintf("{ $include: '%s/outside.json5' }", home.path);
	expect_include_error(&home, "{ $include: '../outside.json5' }", "leads out of");
	expect_include_error(&home, absolute, "leads out of");
	expect_include_error(&home, "{ $include: 'inside.json5' }", "leads out of");
	expect_include_error(&home, "{ $include: 'loop-a.json5' }", "is a cycle");
	expect_include_error(&home, "{ $include: 'gone.json5' }", "No such file");
	expect_include_error(&home, "{ $include: ['list.json5', 1] }", "takes file names");
	expect_include_error(&home, "{ agents: { list: { $include: 'list.json5', a: 1 } } }",
		"no other key can stand beside $include");
	expect_include_error(
		&home, "{ $include: 'list.json5' }", "a configuration is an object; found a list");
	expect_include_error(&home, "{ $include: '/' }", "leads out of");
	expect_include_error(&home, "{ $include: '.' }", "is a directory");
	/* A chain that is too long, and too many files. */
	for (int i = 0; i < 12; i++) {
		_cleanup_free_ char *name = xasprintf(".openclaw/deep-%d.json5", i);
		_cleanup_free_ char *text = xasprintf("{ $include: 'deep-%d.json5' }", i + 1);

		write_text(&home, name, text);
	}
	expect_include_error(&home, "{ $include: 'deep-0.json5' }", "nested deeper than 10 files");
	write_text(&home, ".openclaw/many.json5",
		"{ models: { a: { $include: 'list.json5' }, b: { $include: 'list.json5' },"
		" c: { $include: 'list.json5' }, d: { $include: 'list.json5' } } }");
	expect_include_error(&home,
		"{ $include: ['many.json5', 'many.json5', 'many.json5', 'many.json5', 'many.json5',"
		" 'many.json5', 'many.json5', 'many.json5', 'many.json5', 'many.json5', 'many.json5',"
		" 'many.json5', 'many.json5'] }",
		"more than 64 files");
	home_remove(&home);
}

static void test_variables(void **state)
{
	static const char text[] =
		"{ env: { vars: { B: 'vars', C: 'c', LOOP: '${LOOP}' }, B: 'direct' },\n"
		"  agents: { defaults: { workspace: '%s' } }, channels: { a: '${NONE}' } }";
	static const struct {
		const char *written, *read; /* read NULL: an error */
	} cases[] = {{"${A}/x", "\"va/x\""}, {"${A}${A}", "\"vava\""}, {"${B}", "\"direct\""},
		{"${C}", "\"c\""}, {"$A", "\"$A\""}, {"${a}", "\"${a}\""}, {"${A", "\"${A\""},
		{"${}", "\"${}\""}, {"${A-x}", "\"${A-x}\""}, {"$${A}", "\"${A}\""},
		{"$$A", "\"$$A\""}, {"$$${A}", "\"$${A}\""}, {"${NESTED}", "\"${A}\""},
		{"$", "\"$\""}, {"${NONE}", NULL}, {"${EMPTY}", NULL}, {"${LOOP}", NULL},
		{"${1A}", "\"${1A}\""}};
	struct home home;

	(void)state;
	home_make(&home);
	memcpy(home.variables, (const char *[]){"A", "va", "NESTED", "${A}", "EMPTY", "", NULL},
		7 * sizeof(char *));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_buf_ struct buf full = {0};
		const char *mark = strstr(text, "%s");
		struct config *config;

		buf_add(&full, text, (size_t)(mark - text));
		buf_add_str(&full, cases[i].written);
		buf_add_str(&full, mark + 2);
		config = home_load(&home, full.data);
		/* env.vars.LOOP refers to itself: one error of its own. */
		assert_int_equal(config->error_count, cases[i].read != NULL ? 1 : 2);
		if (cases[i].read != NULL) {
			assert_value(config, "agents.defaults.workspace", cases[i].read);
		}
		assert_value(config, "channels.a", "\"${NONE}\"");
		(void)config_free(config);
	}
	home_remove(&home);
}

static void test_entries(void **state)
{
	struct home home;
	struct config *config;
	const char *file;
	int line, column;

	(void)state;
	home_make(&home);
	config = home_load(&home,
		"{ agents: { list: [{ id: 'a' }],\n  entries: { work: { default: true }, x: { id: 'y' } } } }");
	assert_no_issues(config);
	assert_value(config, "agents.list",
		"[{\"id\":\"a\"},{\"id\":\"work\",\"default\":true},{\"id\":\"y\"}]");
	assert_int_equal(config->agent_count, 3);
	assert_string_equal(config->agent_keys[0], "agents.list[0]");
	assert_string_equal(config->agent_keys[1], "agents.entries.work");
	assert_true(config_position(config, "agents.entries.work.default", &file, &line, &column));
	assert_int_equal(line, 2);
	(void)config_free(config);
	config = home_load(&home, "{ agents: { entries: { only: {} } } }");
	assert_value(config, "agents.list[0].id", "\"only\"");
	(void)config_free(config);
	home_remove(&home);
}

static void test_normalised(void **state)
{
	struct home home;
	struct config *config;

	(void)state;
	home_make(&home);
	config = home_load(&home,
		"{ agents: { defaults: { sandbox: { browser: { noVncEnabled: false }, prune: { idleHours: 1e1 },\n"
		"  docker: { setupCommand: ['a', 'b'], pidsLimit: 24.0, memory: ' ', memorySwap: 1e9 } } } },\n"
		"  tools: { exec: { timeoutSeconds: 5 } } }");
	assert_no_issues(config);
	assert_value(config, "agents.defaults.sandbox.browser", "{\"enableNoVnc\":false}");
	assert_value(config, "agents.defaults.sandbox.prune.idleHours", "10");
	assert_value(config, "agents.defaults.sandbox.docker.setupCommand", "\"a\\nb\"");
	assert_value(config, "agents.defaults.sandbox.docker.pidsLimit", "24");
	assert_value(config, "agents.defaults.sandbox.docker.memorySwap", "1000000000");
	assert_value(config, "tools.exec.timeoutSec", "5");
	assert_value(config, "tools.exec.timeoutSeconds", NULL);
	(void)config_free(config);
	home_remove(&home);
}

static void test_passed_over(void **state)
{
	struct home home;
	struct config *config;

	(void)state;
	home_make(&home);
	config = home_load(&home,
		"{ models: { anything: [1] }, agents: { defaults: { model: 'x' }, list: [{ id: 'a', identity: {} }] } }");
	assert_no_issues(config);
	assert_int_equal(config->passed_over.count, 3);
	assert_true(strv_contains(&config->passed_over, "models"));
	assert_true(strv_contains(&config->passed_over, "agents.defaults.model"));
	assert_true(strv_contains(&config->passed_over, "agents.list[0].identity"));
	(void)config_free(config);
	home_remove(&home);
}

static void test_paths(void **state)
{
	struct arena arena = {0};
	struct home home;
	struct config *config;
	const char *file;
	int line, column;

	(void)state;
	home_make(&home);
	config = home_load(&home,
		"{ tools: { byProvider: {\n \"openai/gpt-4.1\": { deny: ['a', 'b'] }, 'a\"b': {} } } }");
	assert_no_issues(config);
	assert_value(config, "tools.byProvider[\"openai/gpt-4.1\"].deny[1]", "\"b\"");
	assert_value(config, "tools.byProvider[\"openai/gpt-4.1\"].deny.0", "\"a\"");
	assert_null(config_get(config, "tools.byProvider.none"));
	assert_null(config_get(config, "tools..x"));
	assert_null(config_get(config, "tools.byProvider[0]"));
	assert_true(config_position(
		config, "tools.byProvider[\"openai/gpt-4.1\"].deny[1]", &file, &line, &column));
	assert_int_equal(line, 2);
	assert_int_equal(column, 34);
	assert_true(config_position(config, "tools.byProvider[\"a\\\"b\"]", &file, &line, &column));
	assert_int_equal(column, 49);
	assert_false(config_position(config, "tools.none", &file, &line, &column));
	assert_string_equal(config_path_dotted(&arena, "agents.list[1].tools[\"a[0]\"]"),
		"agents.list.1.tools[\"a.0\"]");
	arena_finish(&arena);
	(void)config_free(config);
	home_remove(&home);
}

/* The examples of the documents that the configuration formats come from, as they stand there. */
static void test_documented_examples(void **state)
{
	static const char *const names[] = {
		"clawdbot-1", "equabot-1", "equabot-2", "openclaw-1", "openclaw-2", "verso-1"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		_cleanup_free_ char *path = xasprintf("%s/examples/%s.json5", TEST_DATA, names[i]);
		struct home home;
		struct config *config;

		home_make(&home);
		config = load_path(&home, path, NULL);
		assert_no_issues(config);
		assert_true(json_object_size(config->root) > 0);
		(void)config_free(config);
		home_remove(&home);
	}
}

/* Behind the environment, before the env block; only the state directory's. */
static void test_env_file(void **state)
{
	static const char text[] =
		"# A=no\nA=file\nB = from file # more\r\nexport C='x # y'\n"
		"D=\"1\\n2 \\\"q\\\"\"\nE=`a\nb`\nF=\nbroken line\nG=1\nG=2\nH='open\n"
		"U=\xff\n";
	struct home home;
	struct config *config;

	(void)state;
	home_make(&home);
	home.variables[0] = "A";
	home.variables[1] = "process";
	write_text(&home, ".openclaw/.env", text);
	write_text(&home, ".env", "I=no\n");
	config = home_load(&home,
		"{ env: { B: 'block', F: 'block' }, tools: { deny: ['${A}', '${B}', '${C}', '${D}',"
		" '${E}', '${F}', '${G}', '${H}'] } }");
	assert_no_issues(config);
	assert_value(config, "tools.deny",
		"[\"process\",\"from file\",\"x # y\",\"1\\n2 \\\\\\\"q\\\\\\\"\",\"a\\nb\","
		"\"block\",\"2\",\"'open\"]");
	(void)config_free(config);
	config = home_load(&home, "{ tools: { deny: ['${I}', '${U}'] } }");
	assert_int_equal(config->error_count, 2);
	assert_non_null(strstr(config->issues[0].message, "does not have"));
	assert_non_null(strstr(config->issues[1].message, "not valid UTF-8"));
	(void)config_free(config);
	home_remove(&home);
}

static void test_isolation_layers(void **state)
{
	enum isolation_layer layer;
	struct home home;

	(void)state;
	home_make(&home);
	for (int i = 0; i < LAYER_COUNT_; i++) {
		const char *name = isolation_layer_name((enum isolation_layer)i);
		_cleanup_free_ char *text = xasprintf(
			"{ agents: { defaults: { sandbox: { native: { allowMissing: ['%s'] } } } } }",
			name);
		struct config *config = home_load(&home, text);

		assert_no_issues(config);
		(void)config_free(config);
		assert_true(isolation_layer_from_name(name, &layer));
		assert_int_equal(layer, i);
	}
	assert_false(isolation_layer_from_name("", &layer));
	home_remove(&home);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_search_order),
		cmocka_unit_test(test_brand_of_a_path),
		cmocka_unit_test(test_state_dir),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_process_environment),
		cmocka_unit_test(test_relative_path),
		cmocka_unit_test(test_dangling_link),
		cmocka_unit_test(test_binary_file),
		cmocka_unit_test(test_nothing_half_read),
		cmocka_unit_test(test_includes),
		cmocka_unit_test(test_error_in_an_include),
		cmocka_unit_test(test_bad_includes),
		cmocka_unit_test(test_variables),
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_normalised),
		cmocka_unit_test(test_passed_over),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_documented_examples),
		cmocka_unit_test(test_env_file),
		cmocka_unit_test(test_isolation_layers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
