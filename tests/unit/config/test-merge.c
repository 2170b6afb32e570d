/* SPDX-License-Identifier: MIT */
/* An agent's block over the defaults: values, where they came from, and the laws of merging. */
#include "base/own.h"
#include "common.h"
#include "config/merge.h"

/* defaults and agent: the sandbox blocks, as JSON5. */
static struct config *load_blocks(struct home *home, const char *defaults, const char *agent)
{
	_cleanup_free_ char *text = xasprintf("{ agents: { defaults: { sandbox: %s }, list: ["
					      "{ id: 'main' }, { id: 'work', sandbox: %s }] } }",
		defaults, agent);
	struct config *config = home_load(home, text);

	assert_no_issues(config);
	return config;
}

static void expect_all(const char *defaults, const char *agent, const char *path, const char *text)
{
	struct arena arena = {0};
	struct sandbox_merge merge;
	struct home home;
	struct config *config;
	json_t *all, *value,
		*wanted = text != NULL ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
	char block[64] = "", *dot;

	home_make(&home);
	config = load_blocks(&home, defaults, agent);
	sandbox_merge_init(&merge, &arena, config, 1);
	all = sandbox_merge_all(&merge);
	value = all;
	(void)snprintf(block, sizeof(block), "%s", path);
	dot = strchr(block, '.');
	if (dot != NULL) {
		*dot = '\0';
		value = json_object_get(value, block);
		path = dot + 1;
	}
	value = json_object_get(value, path);
	if ((wanted == NULL) != (value == NULL) || (wanted != NULL && !json_equal(value, wanted))) {
		fail_msg("%s over %s: %s is '%s'", agent, defaults, path,
			value != NULL ? json_dumps(value, JSON_ENCODE_ANY) : "(unset)");
	}
	json_decref(all);
	json_decref(wanted);
	arena_finish(&arena);
	(void)config_free(config);
	home_remove(&home);
}

static void test_values(void **state)
{
	static const char *const cases[][4] = {
		{"{}", "{}", "mode", "\"off\""},
		{"{mode: 'all'}", "{}", "mode", "\"all\""},
		{"{mode: 'all'}", "{mode: 'off'}", "mode", "\"off\""},
		{"{}", "{}", "docker.image", "\"openclaw-sandbox:bookworm-slim\""},
		{"{}", "{}", "docker.tmpfs", "[\"/tmp\",\"/var/tmp\",\"/run\"]"},
		{"{docker: {tmpfs: ['/a']}}", "{docker: {tmpfs: []}}", "docker.tmpfs", "[]"},
		{"{}", "{}", "docker.memory", NULL},
		{"{}", "{}", "docker.pidsLimit", "512"},
		{"{docker: {env: {LANG: 'C.UTF-8', FOO: '1'}}}",
			"{docker: {env: {FOO: '2', BAR: '3'}}}", "docker.env",
			"{\"LANG\":\"C.UTF-8\",\"FOO\":\"2\",\"BAR\":\"3\"}"},
		{"{}", "{docker: {env: {X: '1'}}}", "docker.env",
			"{\"LANG\":\"C.UTF-8\",\"X\":\"1\"}"},
		{"{docker: {env: {X: '1'}}}", "{}", "docker.env", "{\"X\":\"1\"}"},
		{"{docker: {env: {}}}", "{}", "docker.env", "{}"},
		{"{docker: {ulimits: {nofile: {soft: 10, hard: 20}}}}",
			"{docker: {ulimits: {nproc: 256}}}", "docker.ulimits",
			"{\"nofile\":{\"soft\":10,\"hard\":20},\"nproc\":256}"},
		{"{docker: {binds: ['/g:/g:ro']}}", "{docker: {binds: ['/a:/a:rw']}}",
			"docker.binds", "[\"/g:/g:ro\",\"/a:/a:rw\"]"},
		{"{}", "{}", "docker.binds", NULL},
		{"{scope: 'shared', docker: {binds: ['/g:/g:ro']}}",
			"{docker: {binds: ['/a:/a:rw']}}", "docker.binds", "[\"/g:/g:ro\"]"},
		{"{scope: 'agent', docker: {image: 'g'}}",
			"{scope: 'shared', docker: {image: 'a'}}", "docker.image", "\"g\""},
		{"{scope: 'shared'}", "{mode: 'all', workspaceAccess: 'rw'}", "workspaceAccess",
			"\"rw\""},
		{"{scope: 'shared', prune: {idleHours: 1}}", "{prune: {idleHours: 2}}",
			"prune.idleHours", "1"},
		{"{scope: 'shared'}", "{browser: {enabled: true}}", "browser.enabled", "false"},
		{"{browser: {binds: []}}", "{}", "browser.binds", "[]"},
		{"{}", "{}", "browser.binds", NULL},
		{"{sessionToolsVisibility: 'spawned'}", "{sessionToolsVisibility: 'all'}",
			"sessionToolsVisibility", "\"spawned\""},
		{"{docker: {dangerouslyAllowExternalBindSources: true}}", "{}",
			"docker.dangerouslyAllowExternalBindSources", "true"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		expect_all(cases[i][0], cases[i][1], cases[i][2], cases[i][3]);
	}
}

static void test_scope(void **state)
{
	static const struct {
		const char *defaults, *agent, *scope, *key;
	} cases[] = {
		{"{}", "{}", "session", "default"},
		{"{perSession: true}", "{}", "session", "agents.defaults.sandbox.perSession"},
		{"{perSession: false}", "{}", "shared", "agents.defaults.sandbox.perSession"},
		{"{perSession: true, scope: 'agent'}", "{}", "agent",
			"agents.defaults.sandbox.scope"},
		{"{scope: 'session'}", "{perSession: false}", "session",
			"agents.defaults.sandbox.scope"},
		{"{perSession: true}", "{perSession: false}", "shared",
			"agents.list[1].sandbox.perSession"},
		{"{scope: 'shared'}", "{scope: 'agent'}", "agent", "agents.list[1].sandbox.scope"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena arena = {0};
		struct sandbox_merge merge;
		struct home home;
		struct config *config;

		home_make(&home);
		config = load_blocks(&home, cases[i].defaults, cases[i].agent);
		sandbox_merge_init(&merge, &arena, config, 1);
		assert_string_equal(merge.scope, cases[i].scope);
		assert_string_equal(merge.scope_key, cases[i].key);
		assert_int_equal(merge.shared, strcmp(cases[i].scope, "shared") == 0);
		arena_finish(&arena);
		(void)config_free(config);
		home_remove(&home);
	}
}

static void test_provenance(void **state)
{
	struct arena arena = {0};
	struct sandbox_merge merge;
	struct merged value;
	struct home home;
	struct config *config;

	(void)state;
	home_make(&home);
	config = load_blocks(&home,
		"{ mode: 'all', docker: { env: { A: '1', B: '2' }, binds: ['/a:/a'] } }",
		"{ docker: { image: 'x', env: { B: '3' }, binds: ['/b:/b', '/c:/c'] } }");
	sandbox_merge_init(&merge, &arena, config, 1);
	sandbox_merge_get(&merge, &arena, "mode", &value);
	assert_string_equal(value.key, "agents.defaults.sandbox.mode");
	assert_int_equal(value.source, MERGE_GLOBAL);
	sandbox_merge_get(&merge, &arena, "docker.image", &value);
	assert_string_equal(value.key, "agents.list[1].sandbox.docker.image");
	assert_int_equal(value.source, MERGE_AGENT);
	sandbox_merge_get(&merge, &arena, "docker.workdir", &value);
	assert_string_equal(value.key, "default");
	assert_int_equal(value.source, MERGE_DEFAULT);
	sandbox_merge_get(&merge, &arena, "docker.cpus", &value);
	assert_int_equal(value.source, MERGE_UNSET);
	assert_null(value.value);
	sandbox_merge_get(&merge, &arena, "docker.env", &value);
	assert_int_equal(value.source, MERGE_BOTH);
	assert_int_equal(value.item_count, 2);
	assert_string_equal(value.items[0].name, "A");
	assert_string_equal(value.items[0].key, "agents.defaults.sandbox.docker.env.A");
	assert_string_equal(value.items[1].key, "agents.list[1].sandbox.docker.env.B");
	assert_string_equal(json_string_value(value.items[1].value), "3");
	sandbox_merge_get(&merge, &arena, "docker.binds", &value);
	assert_int_equal(value.item_count, 3);
	assert_string_equal(value.items[2].key, "agents.list[1].sandbox.docker.binds[1]");
	/* Every key that is not "default" names something in the file. */
	for (size_t i = 0; i < value.item_count; i++) {
		assert_ptr_equal(config_get(config, value.items[i].key), value.items[i].value);
	}
	arena_finish(&arena);
	(void)config_free(config);
	home_remove(&home);
}

static void test_tools(void **state)
{
	struct arena arena = {0};
	struct merged value;
	struct home home;
	struct config *config;

	(void)state;
	home_make(&home);
	config = home_load(&home,
		"{ tools: { profile: 'coding', exec: { timeoutSec: 5, applyPatch: { enabled: false,"
		" workspaceOnly: false } } },"
		"  agents: { list: [{ id: 'a', tools: { exec: { backgroundMs: 7, applyPatch: {} } } }] } }");
	assert_no_issues(config);
	tools_merge_get(config, 0, &arena, "profile", &value);
	assert_string_equal(value.key, "tools.profile");
	tools_merge_get(config, 0, &arena, "exec.timeoutSec", &value);
	assert_int_equal(json_integer_value(value.value), 5);
	tools_merge_get(config, 0, &arena, "exec.backgroundMs", &value);
	assert_string_equal(value.key, "agents.list[0].tools.exec.backgroundMs");
	tools_merge_get(config, 0, &arena, "exec.cleanupMs", &value);
	assert_int_equal(json_integer_value(value.value), 1800000);
	assert_string_equal(value.key, "default");
	/* applyPatch is taken whole from the agent. */
	tools_merge_get(config, 0, &arena, "exec.applyPatch.enabled", &value);
	assert_true(json_is_true(value.value));
	tools_merge_get(config, -1, &arena, "exec.applyPatch.enabled", &value);
	assert_true(json_is_false(value.value));
	config_value(config, &arena, "session.mainKey", &value);
	assert_string_equal(json_string_value(value.value), "main");
	config_value(config, &arena, "tools.profile", &value);
	assert_string_equal(value.key, "tools.profile");
	arena_finish(&arena);
	(void)config_free(config);
	home_remove(&home);
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525U + 1013904223U;
	return *seed >> 8;
}

/* A random docker block: some variables, some binds, an image or none. */
static void random_block(struct buf *out, uint32_t *seed)
{
	buf_add_str(out, "{ docker: { env: { ");
	for (uint32_t i = next_random(seed) % 4; i > 0; i--) {
		buf_addf(out, "V%u%u: '%u', ", i, next_random(seed) % 3, next_random(seed) % 100);
	}
	buf_add_str(out, "}, binds: [ ");
	for (uint32_t i = next_random(seed) % 3; i > 0; i--) {
		buf_addf(out, "'/s%u:/t%u', ", next_random(seed) % 9, next_random(seed) % 9);
	}
	buf_addf(out, "]%s } }", next_random(seed) % 2 ? ", image: 'i'" : "");
}

static json_t *merge_texts(const char *defaults, const char *agent)
{
	struct arena arena = {0};
	struct sandbox_merge merge;
	struct home home;
	struct config *config;
	json_t *all, *docker, *out;

	home_make(&home);
	config = load_blocks(&home, defaults, agent);
	sandbox_merge_init(&merge, &arena, config, 1);
	all = sandbox_merge_all(&merge);
	docker = json_object_get(all, "docker");
	out = json_object();
	(void)json_object_set(out, "env", json_object_get(docker, "env"));
	(void)json_object_set(out, "binds", json_object_get(docker, "binds"));
	(void)json_object_set(out, "image", json_object_get(docker, "image"));
	json_decref(all);
	arena_finish(&arena);
	(void)config_free(config);
	home_remove(&home);
	return out;
}

static char *as_block(const json_t *docker)
{
	_cleanup_free_ char *text = json_dumps(docker, JSON_COMPACT);

	return xasprintf("{ docker: %s }", text);
}

/* (a then b) then c is a then (b then c) for joined lists, maps by name and overriding. */
static void test_associative(void **state)
{
	uint32_t seed = 7;

	(void)state;
	for (int i = 0; i < 60; i++) {
		_cleanup_buf_ struct buf a = {0};
		_cleanup_buf_ struct buf b = {0};
		_cleanup_buf_ struct buf c = {0};
		_cleanup_free_ char *ab_text = NULL, *bc_text = NULL;
		json_t *ab, *bc, *left, *right;

		random_block(&a, &seed);
		random_block(&b, &seed);
		random_block(&c, &seed);
		ab = merge_texts(a.data, b.data);
		bc = merge_texts(b.data, c.data);
		if (strstr(b.data, "image") == NULL && strstr(c.data, "image") == NULL) {
			(void)json_object_del(bc, "image"); /* the default is no value of a block */
		}
		ab_text = as_block(ab);
		bc_text = as_block(bc);
		left = merge_texts(ab_text, c.data);
		right = merge_texts(a.data, bc_text);
		if (!json_equal(left, right)) {
			fail_msg("%s, %s, %s", a.data, b.data, c.data);
		}
		json_decref(ab);
		json_decref(bc);
		json_decref(left);
		json_decref(right);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_scope),
		cmocka_unit_test(test_provenance),
		cmocka_unit_test(test_tools),
		cmocka_unit_test(test_associative),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
