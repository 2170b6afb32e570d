/* SPDX-License-Identifier: MIT */
/* What holds for every configuration, checked on some thousand generated ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "base/macro.h"
#include "config/merge.h"
#include "fixture.h"
#include "policy/report.h"
#include "policy/tools.h"

enum { ROUNDS = 3000 };

/* xorshift64*: the same configurations on every run. */
static uint64_t seed;

static unsigned pick(unsigned below)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (unsigned)((seed * UINT64_C(2685821657736338717)) >> 33) % below;
}

#define PICK(list) ((list)[pick(ARRAY_SIZE(list))])

static const char *const names[] = {"exec", "read", "write", "edit", "apply_patch", "process",
	"browser", "web_search", "cron", "sessions_list", "image", "message"};
static const char *const entries[] = {"exec", "bash", "read", "*", "e*", "group:fs",
	"group:runtime", "GROUP:UI", "web_*", "", " Edit ", "nonexistent", "apply-patch", "*_list",
	"group:openclaw", "image"};

static json_t *some_list(void)
{
	json_t *list = json_array();

	for (unsigned i = pick(4); i > 0; i--) {
		json_array_append_new(list, json_string(PICK(entries)));
	}
	return list;
}

static void maybe(json_t *object, const char *key, json_t *value)
{
	if (pick(3) == 0) {
		json_object_set_new(object, key, value);
	} else {
		json_decref(value);
	}
}

static json_t *some_policy(void)
{
	json_t *policy = json_object();

	maybe(policy, "allow", some_list());
	maybe(policy, "deny", some_list());
	if (json_object_get(policy, "allow") == NULL) {
		maybe(policy, "alsoAllow", some_list());
	}
	return policy;
}

static json_t *some_tools(void)
{
	static const char *const profiles[] = {"minimal", "coding", "messaging", "full"};
	json_t *tools = some_policy();

	maybe(tools, "profile", json_string(PICK(profiles)));
	maybe(tools, "byProvider",
		json_pack("{s:o,s:o}", "openai", some_policy(), "openai/gpt-5", some_policy()));
	maybe(tools, "sandbox", json_pack("{s:o}", "tools", some_policy()));
	maybe(tools, "elevated",
		json_pack("{s:b,s:{s:[s,s]}}", "enabled", (int)pick(2), "allowFrom", "whatsapp",
			pick(2) ? "*" : "+1", "+2"));
	return tools;
}

static json_t *some_env(void)
{
	static const char *const vars[] = {"A", "B", "C", "LANG"};
	static const char *const values[] = {"1", "2", ""};
	json_t *env = json_object();

	for (unsigned i = pick(4); i > 0; i--) {
		json_object_set_new(env, PICK(vars), json_string(PICK(values)));
	}
	return env;
}

static json_t *some_binds(void)
{
	static const char *const binds[] = {"/home/u/x:/x", "/home/u/y:/y:ro", "/etc:/e", "bad"};
	json_t *list = json_array();

	for (unsigned i = pick(3); i > 0; i--) {
		json_array_append_new(list, json_string(PICK(binds)));
	}
	return list;
}

static json_t *some_ulimits(void)
{
	static const char *const limits[] = {"nofile", "nproc", "core"};
	json_t *object = json_object();

	for (unsigned i = pick(3); i > 0; i--) {
		json_object_set_new(object, PICK(limits),
			pick(2) ? json_integer(pick(9))
				: json_pack("{s:i,s:i}", "soft", (int)pick(5), "hard", 9));
	}
	return object;
}

static json_t *some_docker(void)
{
	static const char *const networks[] = {"none", "bridge", "host", "container:x"};
	json_t *docker = json_object();

	maybe(docker, "image", json_string(pick(2) ? "a:1" : "b:2"));
	maybe(docker, "workdir", json_string("/work"));
	maybe(docker, "network", json_string(PICK(networks)));
	maybe(docker, "memory", json_integer((json_int_t)pick(3) * 1000000));
	maybe(docker, "cpus", json_real(pick(4) * 0.5));
	maybe(docker, "pidsLimit", json_integer(1 + pick(9)));
	maybe(docker, "env", some_env());
	maybe(docker, "ulimits", some_ulimits());
	maybe(docker, "binds", some_binds());
	maybe(docker, "tmpfs", json_pack("[s]", "/tmp"));
	maybe(docker, "setupCommand", json_string("true"));
	return docker;
}

static json_t *some_sandbox(void)
{
	static const char *const modes[] = {"off", "non-main", "all"};
	static const char *const scopes[] = {"session", "agent", "shared"};
	static const char *const accesses[] = {"none", "ro", "rw"};
	json_t *sandbox = json_object();

	maybe(sandbox, "mode", json_string(PICK(modes)));
	maybe(sandbox, "scope", json_string(PICK(scopes)));
	maybe(sandbox, "perSession", json_boolean(pick(2)));
	maybe(sandbox, "workspaceAccess", json_string(PICK(accesses)));
	maybe(sandbox, "workspaceRoot", json_string("~/sbx"));
	maybe(sandbox, "docker", some_docker());
	maybe(sandbox, "browser", json_pack("{s:b}", "enabled", (int)pick(2)));
	maybe(sandbox, "prune", json_pack("{s:i}", "idleHours", (int)pick(9)));
	return sandbox;
}

static json_t *some_config(void)
{
	static const char *const ids[] = {"main", "work", "Work Bot"};
	json_t *agent = json_pack("{s:s}", "id", PICK(ids)), *defaults = json_object();
	json_t *tools = some_tools();

	maybe(agent, "sandbox", some_sandbox());
	maybe(agent, "tools", some_tools());
	maybe(agent, "workspace", json_string("~/w"));
	maybe(defaults, "sandbox", some_sandbox());
	maybe(defaults, "workspace", json_string("/srv/w"));
	maybe(tools, "subagents", json_pack("{s:o}", "tools", some_policy()));
	return json_pack("{s:{s:o,s:[{s:s},o]},s:o}", "agents", "defaults", defaults, "list", "id",
		"other", agent, "tools", tools);
}

static struct decide_request some_request(void)
{
	static const char *const sessions[] = {NULL, "main", "agent:main:main", "agent:work:main",
		"agent:main:whatsapp:group:g", "agent:work-bot:subagent:1"};

	return (struct decide_request){
		.session = PICK(sessions),
		.tool = PICK(names),
		.workspace = pick(4) == 0 ? "/src" : NULL,
		.model_provider = pick(2) ? "openai/gpt-5" : NULL,
		.sender = {.is_owner = pick(2), .id = pick(2) ? "+1" : NULL},
		.elevated = pick(3) == 0,
	};
}

static struct config *wrap(json_t *root)
{
	char *text = json_dumps(root, JSON_REAL_PRECISION(6));
	struct config *config = fixture_new(text, "openclaw");

	free(text);
	json_decref(root);
	return config;
}

static char *dump_decision(struct decision *d)
{
	json_t *object = report_explain(d, &(struct report_host){0});
	char *text;

	json_object_set_new(object, "verdict", report_verdict(&d->tool));
	json_object_set_new(object, "plan", report_plan(d, NULL, NULL, true));
	text = json_dumps(object, JSON_SORT_KEYS);
	json_decref(object);
	return text;
}

/* The same bytes twice, whatever the environment and the working directory are. */
static void a_decision_depends_on_its_inputs_alone(void **state)
{
	(void)state;
	seed = 1;
	for (int i = 0; i < ROUNDS; i++) {
		struct config *config = wrap(some_config());
		struct decide_request request = some_request();
		struct decision *one = fixture_decide(config, &request), *two;
		char *first = dump_decision(one), *second;

		assert_int_equal(setenv("OPENCLAW_STATE_DIR", i % 2 ? "/a" : "/b", 1), 0);
		assert_int_equal(setenv("HOME", i % 2 ? "/c" : "/d", 1), 0);
		assert_int_equal(chdir(i % 2 ? "/" : "/tmp"), 0);
		two = fixture_decide(config, &request);
		second = dump_decision(two);
		assert_string_equal(first, second);
		free(first);
		free(second);
		(void)decision_free(one);
		(void)decision_free(two);
		fixture_free(config);
	}
}

static void every_key_that_decided_exists(void **state)
{
	(void)state;
	seed = 2;
	for (int i = 0; i < ROUNDS; i++) {
		struct config *config = wrap(some_config());
		struct decide_request request = some_request();
		struct decision *d = fixture_decide(config, &request);

		for (size_t p = 0; p < d->provenance_count; p++) {
			const char *key = d->provenance[p].key;

			if (strcmp(key, "default") != 0 &&
				(strcmp(key, "--workspace") != 0 || request.workspace == NULL) &&
				(strcmp(key, "--agent") != 0 || request.agent == NULL) &&
				(strcmp(key, "--session") != 0 || request.session == NULL) &&
				config_get(config, key) == NULL) {
				print_error("%s: no key %s\n", d->provenance[p].field, key);
				fail();
			}
		}
		(void)decision_free(d);
		fixture_free(config);
	}
}

static bool list_covers(struct arena *a, const json_t *list, const char *tool)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		if (tool_entry_covers(a, json_string_value(item), tool)) {
			return true;
		}
	}
	return false;
}

/* Deny lists that apply to a decision, read straight from the configuration. */
static bool denied_somewhere(struct arena *a, const struct decision *d, const char *tool)
{
	const char *const paths[] = {
		"tools.deny",
		d->sandboxed ? "tools.sandbox.tools.deny" : "absent",
		strstr(d->session_key, ":subagent:") != NULL ? "tools.subagents.tools.deny"
							     : "absent",
	};
	const json_t *own = config_get(d->config, "agents.list[1].tools.sandbox.tools.deny");
	bool is_agent = decision_provenance(d, "sandbox.tools.deny") != NULL &&
			strncmp(decision_provenance(d, "sandbox.tools.deny"), "agents.", 7) == 0;

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		/* The agent's sandbox list stands in for the global one: agent ?? global. */
		if (is_agent && strncmp(paths[i], "tools.sandbox", 13) == 0) {
			continue;
		}
		if (list_covers(a, config_get(d->config, paths[i]), tool)) {
			return true;
		}
	}
	return is_agent && d->sandboxed && list_covers(a, own, tool);
}

static void a_deny_is_never_lifted(void **state)
{
	size_t denied = 0;

	(void)state;
	seed = 3;
	for (int i = 0; i < ROUNDS; i++) {
		_cleanup_arena_ struct arena a = {0};
		struct config *config = wrap(some_config());
		struct decide_request request = some_request();
		struct decision *d;

		request.elevated = false;
		d = fixture_decide(config, &request);
		if (denied_somewhere(&a, d, d->tool.tool)) {
			denied++;
			if (d->tool.allowed) {
				char *text = json_dumps(config->root, JSON_INDENT(1));

				print_error("%s allowed for %s in %s\n", d->tool.tool,
					d->session_key, text);
				free(text);
			}
			assert_false(d->tool.allowed);
		}
		(void)decision_free(d);
		fixture_free(config);
	}
	/* The generator must keep producing what is tested. */
	assert_true(denied > ROUNDS / 30);
}

/* One more entry in any deny list never allows anything. */
static void more_denial_never_allows_more(void **state)
{
	static const char *const lists[] = {"tools", "tools.sandbox.tools", "agents.list[1].tools"};

	(void)state;
	seed = 4;
	for (int i = 0; i < ROUNDS; i++) {
		json_t *root = some_config(), *stricter = json_deep_copy(root), *list;
		struct config *before = wrap(root), *after = wrap(stricter);
		struct decide_request request = some_request();
		struct decision *d = fixture_decide(before, &request), *e;
		json_t *owner = config_get(after, PICK(lists));

		list = json_object_get(owner, "deny");
		if (list != NULL) {
			json_array_append_new(list, json_string(PICK(entries)));
		}
		e = fixture_decide(after, &request);
		assert_true(d->tool.allowed || !e->tool.allowed);
		(void)decision_free(d);
		(void)decision_free(e);
		fixture_free(before);
		fixture_free(after);
	}
}

/* ---- merging ---- */

static struct decision *merged(
	struct config **ret, const char *key, json_t *defaults, json_t *agent)
{
	const struct decide_request request = {.agent = "main"};

	*ret = wrap(json_pack("{s:{s:{s:{s:{s:O}}},s:[{s:s,s:{s:{s:O}}}]}}", "agents", "defaults",
		"sandbox", "docker", key, defaults, "list", "id", "main", "sandbox", "docker", key,
		agent));
	return fixture_decide(*ret, &request);
}

/* What a merge comes to, as a value that can be merged again. */
static json_t *env_of(const struct decision *d)
{
	json_t *object = json_object();

	for (size_t i = 0; i < d->spec.env.count; i++) {
		const char *eq = strchr(d->spec.env.items[i], '=');

		json_object_setn_new(object, d->spec.env.items[i],
			(size_t)(eq - d->spec.env.items[i]), json_string(eq + 1));
	}
	return object;
}

static json_t *binds_of(const struct decision *d)
{
	json_t *list = json_array();

	for (size_t i = 0; i < d->bind_count; i++) {
		json_array_append_new(list, json_string(d->binds[i].raw));
	}
	return list;
}

static json_t *ulimits_of(const struct decision *d)
{
	json_t *object = json_object();

	for (size_t i = 0; i < d->spec.ulimit_count; i++) {
		json_object_set_new(object, d->spec.ulimits[i].name,
			json_pack("{s:I,s:I}", "soft", (json_int_t)d->spec.ulimits[i].soft, "hard",
				(json_int_t)d->spec.ulimits[i].hard));
	}
	return object;
}

static json_t *merge_two(
	const char *key, json_t *(*read)(const struct decision *), json_t *a, json_t *b)
{
	struct config *config;
	struct decision *d = merged(&config, key, a, b);
	json_t *result = read(d);

	(void)decision_free(d);
	fixture_free(config);
	return result;
}

static void check_associative(
	const char *key, json_t *(*make)(void), json_t *(*read)(const struct decision *))
{
	for (int i = 0; i < ROUNDS / 10; i++) {
		json_t *a = make(), *b = make(), *c = make();
		json_t *ab = merge_two(key, read, a, b), *bc = merge_two(key, read, b, c);
		json_t *left = merge_two(key, read, ab, c), *right = merge_two(key, read, a, bc);

		assert_true(json_equal(left, right));
		json_decref(a);
		json_decref(b);
		json_decref(c);
		json_decref(ab);
		json_decref(bc);
		json_decref(left);
		json_decref(right);
	}
}

static void merging_is_associative(void **state)
{
	(void)state;
	seed = 5;
	check_associative("env", some_env, env_of);
	check_associative("binds", some_binds, binds_of);
	check_associative("ulimits", some_ulimits, ulimits_of);
}

/* The key table has its own idea of merging; both must name the same deciding key. */
static void the_key_table_merges_alike(void **state)
{
	static const char *const fields[] = {"mode", "scope", "workspaceAccess", "workspaceRoot",
		"docker.image", "docker.workdir", "docker.network", "docker.memory", "docker.cpus",
		"docker.pidsLimit", "docker.tmpfs", "docker.setupCommand", "browser.enabled",
		"prune.idleHours"};

	(void)state;
	seed = 6;
	for (int i = 0; i < ROUNDS / 3; i++) {
		_cleanup_arena_ struct arena a = {0};
		struct config *config = wrap(some_config());
		const char *id = json_string_value(config_get(config, "agents.list[1].id"));
		struct decision *d = fixture_decide(config, &(struct decide_request){.agent = id});
		struct sandbox_merge merge;

		sandbox_merge_init(&merge, &a, config, 1);
		assert_string_equal(merge.scope, sandbox_scope_name(d->scope));
		assert_string_equal(merge.scope_key, decision_provenance(d, "sandbox.scope"));
		for (size_t f = 0; f < ARRAY_SIZE(fields); f++) {
			struct merged value;
			const char *field = arena_printf(&a, "sandbox.%s", fields[f]);

			if (strcmp(fields[f], "scope") == 0) {
				continue;
			}
			sandbox_merge_get(&merge, &a, fields[f], &value);
			if (strcmp(value.key, decision_provenance(d, field)) != 0) {
				print_error("%s: %s, the table says %s\n", field,
					decision_provenance(d, field), value.key);
				fail();
			}
		}
		(void)decision_free(d);
		fixture_free(config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_decision_depends_on_its_inputs_alone),
		cmocka_unit_test(every_key_that_decided_exists),
		cmocka_unit_test(a_deny_is_never_lifted),
		cmocka_unit_test(more_denial_never_allows_more),
		cmocka_unit_test(merging_is_associative),
		cmocka_unit_test(the_key_table_merges_alike),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
