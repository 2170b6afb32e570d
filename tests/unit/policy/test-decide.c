/* SPDX-License-Identifier: MIT */
/* The decision: workspaces, access, merging, the layers and what they say. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/macro.h"
#include "fixture.h"
#include "policy/bind.h"
#include "policy/report.h"
#include "policy/tools.h"

#define ALL "\"sandbox\":{\"mode\":\"all\"%s}"

/* decide() on a literal, freed by done(). */
struct one {
	struct config *config;
	struct decision *decision;
};

static struct one decide_on(
	const char *json, const char *brand, const struct decide_request *request)
{
	struct one one = {.config = fixture_new(json, brand)};

	one.decision = fixture_decide(one.config, request);
	return one;
}

static void done(struct one *one)
{
	(void)decision_free(one->decision);
	fixture_free(one->config);
}

static void a_newcomer_gets_a_sandbox(void **state)
{
	const struct decide_request request = {.workspace = "/src/./project/"};
	struct one one = decide_on("{}", "creel", &request);
	const struct decision *d = one.decision;

	(void)state;
	assert_true(d->sandboxed);
	assert_string_equal(decision_provenance(d, "sandbox.mode"), "default");
	assert_int_equal(d->spec.access, ACCESS_RW);
	assert_string_equal(decision_provenance(d, "sandbox.workspaceAccess"), "--workspace");
	assert_string_equal(d->spec.workspace_dir, "/src/project");
	assert_int_equal(d->spec.mount_count, 1);
	assert_string_equal(d->spec.mounts[0].source, "/src/project");
	assert_false(d->spec.mounts[0].read_only);
	assert_string_equal(d->spec.network, "none");
	assert_int_equal(d->spec.pids_limit, 512);
	done(&one);
}

static void a_configured_access_beats_the_option(void **state)
{
	const struct decide_request request = {.workspace = "/src/project"};
	struct one one =
		decide_on("{\"agents\":{\"defaults\":{\"sandbox\":{\"workspaceAccess\":\"ro\"}}}}",
			"creel", &request);

	(void)state;
	assert_int_equal(one.decision->spec.access, ACCESS_RO);
	assert_string_equal(decision_provenance(one.decision, "sandbox.workspaceAccess"),
		"agents.defaults.sandbox.workspaceAccess");
	assert_int_equal(one.decision->spec.mount_count, 2);
	assert_true(one.decision->spec.mounts[0].read_only);
	assert_string_equal(one.decision->spec.mounts[1].source, "/src/project");
	assert_string_equal(one.decision->spec.mounts[1].target, "/agent");
	assert_true(one.decision->spec.mounts[1].read_only);
	done(&one);
}

static void a_relative_workspace_is_refused(void **state)
{
	struct config *config = fixture_new("{}", "creel");
	const struct decide_request request = {.workspace = "project"};
	struct decision *d = NULL;
	struct error err;

	(void)state;
	assert_int_equal(decide(config, &request, &d, &err), -EINVAL);
	assert_non_null(strstr(err.text, "'project'"));
	assert_null(d);
	config->error_count = 1;
	assert_int_equal(decide(config, &(struct decide_request){0}, &d, &err), -EINVAL);
	fixture_free(config);
}

struct workspace_row {
	const char *config, *agent, *workspace, *key;
};

static void every_agent_has_its_own_workspace(void **state)
{
	static const struct workspace_row rows[] = {
		{"{}", NULL, "/home/u/.openclaw/workspace", "default"},
		{"{}", "work", "/home/u/.openclaw/workspace-work", "default"},
		{"{\"agents\":{\"list\":[{\"id\":\"work\"}]}}", "work",
			"/home/u/.openclaw/workspace", "default"},
		{"{\"agents\":{\"defaults\":{\"workspace\":\"~/w\"}}}", NULL, "/home/u/w",
			"agents.defaults.workspace"},
		{"{\"agents\":{\"defaults\":{\"workspace\":\"~/w\"}}}", "work",
			"/home/u/.openclaw/workspace-work", "default"},
		{"{\"agents\":{\"list\":[{\"id\":\"main\"},{\"id\":\"Work\",\"workspace\":\"/x/../y\"}]"
		 "}}",
			"work", "/y", "agents.list[1].workspace"},
		{"{\"agents\":{\"defaults\":{\"workspace\":\" \"}}}", NULL,
			"/home/u/.openclaw/workspace", "default"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct one one = decide_on(rows[i].config, "openclaw",
			&(struct decide_request){.agent = rows[i].agent});

		assert_string_equal(one.decision->spec.agent_workspace_dir, rows[i].workspace);
		assert_string_equal(
			decision_provenance(one.decision, "sandbox.agentWorkspace"), rows[i].key);
		done(&one);
	}
}

static void a_blank_root_never_exposes_the_state_directory(void **state)
{
	struct one one = decide_on("{\"agents\":{\"defaults\":{\"sandbox\":{\"mode\":\"all\","
				   "\"scope\":\"shared\",\"workspaceRoot\":\"\"}}}}",
		"openclaw", &(struct decide_request){0});

	(void)state;
	assert_string_equal(one.decision->spec.workspace_dir, "/home/u/.openclaw/sandboxes");
	done(&one);
}

static void scope_beats_the_older_key(void **state)
{
	static const struct {
		const char *defaults, *agent;
		enum sandbox_scope scope;
		const char *key;
	} rows[] = {
		{"", "", SCOPE_SESSION, "default"},
		{"\"perSession\":true", "", SCOPE_SESSION, "agents.defaults.sandbox.perSession"},
		{"\"perSession\":false", "", SCOPE_SHARED, "agents.defaults.sandbox.perSession"},
		{"\"scope\":\"session\"", "\"perSession\":false", SCOPE_SESSION,
			"agents.defaults.sandbox.scope"},
		{"\"perSession\":false", "\"perSession\":true", SCOPE_SESSION,
			"agents.list[0].sandbox.perSession"},
		{"\"scope\":\"shared\"", "\"scope\":\"agent\"", SCOPE_AGENT,
			"agents.list[0].sandbox.scope"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_arena_ struct arena a = {0};
		struct one one = decide_on(
			arena_printf(&a,
				"{\"agents\":{\"defaults\":{\"sandbox\":{%s}},\"list\":[{\"id\":\"main\","
				"\"sandbox\":{%s}}]}}",
				rows[i].defaults, rows[i].agent),
			"openclaw", &(struct decide_request){0});

		assert_int_equal(one.decision->scope, rows[i].scope);
		assert_string_equal(
			decision_provenance(one.decision, "sandbox.scope"), rows[i].key);
		done(&one);
	}
}

/* What no sandbox may be made from: still decided, so that it can be explained. */
static void forbidden_values_are_remembered(void **state)
{
	static const char *const rows[][2] = {
		{"\"workdir\":\"/proc\"", "workdir"},
		{"\"workdir\":\"/w/../run/\"", "workdir"},
		{"\"workdir\":\"/run/creel/x\"", "workdir"},
		{"\"memory\":-1e300", "memory"},
		{"\"cpus\":1e300", "cpus"},
		{"\"network\":\" HOST \"", "network"},
		{"\"network\":\"container:x\"", "network"},
		{"\"seccompProfile\":\"Unconfined\"", "seccompProfile"},
		{"\"apparmorProfile\":\" unconfined\"", "apparmorProfile"},
		{"\"memory\":0", "memory"},
		{"\"memory\":\"lots\"", "memory"},
		{"\"memorySwap\":-2", "memorySwap"},
		{"\"cpus\":1e-7", "cpus"},
		{"\"env\":{\"A=B\":\"c\"}", "env.A=B"},
		{"\"env\":{\"\":\"c\"}", "env."},
		{"\"ulimits\":{\"nofile\":{\"soft\":5,\"hard\":2}}", "ulimits.nofile"},
		{"\"ulimits\":{\"nofile\":\"many\"}", "ulimits.nofile"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_arena_ struct arena a = {0};
		struct one one = decide_on(
			arena_printf(&a,
				"{\"agents\":{\"defaults\":{\"sandbox\":{\"mode\":\"all\",\"docker\":{%s}}}}}",
				rows[i][0]),
			"openclaw", &(struct decide_request){0});

		assert_non_null(one.decision->problem);
		assert_string_equal(one.decision->problem_key,
			arena_printf(&a, "agents.defaults.sandbox.docker.%s", rows[i][1]));
		done(&one);
	}
}

static void bind_entries_are_judged_by_their_text(void **state)
{
	static const struct {
		const char *entry;
		enum bind_fault fault;
	} rows[] = {
		{"/a:/b", BIND_OK},
		{" /a:/b:ro,z ", BIND_OK},
		{"/a:/b:rw,Z", BIND_OK},
		{"/a", BIND_SYNTAX},
		{"", BIND_SYNTAX},
		{"/a:/b:ro:x", BIND_SYNTAX},
		{"a:/b", BIND_SOURCE_RELATIVE},
		{"::", BIND_SOURCE_RELATIVE},
		{"~/x:/b", BIND_SOURCE_RELATIVE},
		{"/a:b", BIND_TARGET_RELATIVE},
		{"/a:", BIND_TARGET_RELATIVE},
		{"/a: /b", BIND_TARGET_RELATIVE},
		{"/a\\b:/c", BIND_BACKSLASH},
		{"/a:/b\\..\\workspace", BIND_BACKSLASH},
		{"/a:/b:", BIND_MODE},
		{"/a:/b:ro,", BIND_MODE},
		{"/a:/b:exec", BIND_MODE},
		{"/a:/b:RO", BIND_MODE},
		{"/a:/", BIND_TARGET_SYSTEM},
		{"/a:/x/..", BIND_TARGET_SYSTEM},
		{"/a:/proc/1", BIND_TARGET_SYSTEM},
		{"/a:/dev", BIND_TARGET_SYSTEM},
		{"/a:/run/creel/x", BIND_TARGET_SYSTEM},
		{"/a:/run/creel2", BIND_OK},
		{"/a:/tmp/../workspace/x", BIND_TARGET_RESERVED},
		{"/a:/agent", BIND_TARGET_RESERVED},
		{"/a:/workspace2", BIND_OK},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_arena_ struct arena a = {0};
		struct bind_parts parts;

		assert_int_equal(bind_parse(&a, rows[i].entry, &parts), rows[i].fault);
		assert_non_null(bind_fault_text(rows[i].fault));
	}
}

static void mutated_binds_stay_absolute(void **state)
{
	static const char seed[] = "/home/u/.openclaw/workspace/a:/data/x:ro,z";

	(void)state;
	for (size_t bit = 0; bit < (sizeof(seed) - 1) * 8; bit++) {
		_cleanup_arena_ struct arena a = {0};
		struct bind_parts parts = {0};
		char entry[sizeof(seed)];

		memcpy(entry, seed, sizeof(seed));
		entry[bit / 8] = (char)(entry[bit / 8] ^ (1 << bit % 8));
		if (bind_parse(&a, entry, &parts) == BIND_OK) {
			assert_true(parts.source[0] == '/' && parts.target[0] == '/');
			assert_null(strstr(parts.target, ".."));
		}
	}
}

/* ---- the pipeline ---- */

struct layer_row {
	const char *tools, *agent_tools, *tool, *session;
	bool owner;
	const char *layer, *fix; /* NULL: allowed */
};

static void each_layer_names_itself(void **state)
{
	static const struct layer_row rows[] = {
		{"", "", "cron", NULL, false, "owner", "--owner"},
		{"", "", "cron", NULL, true, NULL, NULL},
		{"\"profile\":\"minimal\"", "", "exec", NULL, false, "profile", "tools.alsoAllow"},
		{"\"profile\":\"minimal\",\"alsoAllow\":[\"bash\"]", "", "exec", NULL, false, NULL,
			NULL},
		{"\"profile\":\"minimal\"", "\"profile\":\"full\"", "exec", NULL, false, NULL,
			NULL},
		{"\"byProvider\":{\" OpenAI \":{\"profile\":\"minimal\"}}", "", "exec", NULL, false,
			"provider-profile", "tools.byProvider. OpenAI .profile"},
		{"\"deny\":[\"exe*\"]", "\"allow\":[\"exec\"]", "exec", NULL, false, "global",
			"tools.deny"},
		{"\"allow\":[\"read\"]", "", "exec", NULL, false, "global", "tools.allow"},
		{"\"alsoAllow\":[\"read\"]", "", "exec", NULL, false, NULL, NULL},
		{"\"byProvider\":{\"openai/gpt-5\":{\"deny\":[\"exec\"]}}", "", "exec", NULL, false,
			"global-provider", "tools.byProvider.openai/gpt-5.deny"},
		/* The full name is tried before the provider's. */
		{"\"byProvider\":{\"openai\":{\"deny\":[\"exec\"]},\"openai/gpt-5\":{}}", "",
			"exec", NULL, false, NULL, NULL},
		{"", "\"deny\":[\"group:runtime\"]", "bash", NULL, false, "agent",
			"agents.list[0].tools.deny"},
		{"", "\"byProvider\":{\"openai\":{\"allow\":[\"read\"]}}", "exec", NULL, false,
			"agent-provider", "agents.list[0].tools.byProvider.openai.allow"},
		{"", "", "gateway", "agent:main:subagent:1", true, "subagent",
			"tools.subagents.tools.alsoAllow"},
		{"\"subagents\":{\"tools\":{\"alsoAllow\":[\"gateway\"]}}", "", "gateway",
			"agent:main:subagent:1", true, NULL, NULL},
		{"\"subagents\":{\"tools\":{\"allow\":[\"gateway\"],\"deny\":[\"gateway\"]}}", "",
			"gateway", "agent:main:subagent:1", true, "subagent",
			"tools.subagents.tools.deny"},
		{"", "", "sessions_spawn", "agent:main:subagent:1", true, "subagent",
			"agents.defaults.subagents.maxSpawnDepth"},
		/* Contract D20: nothing known in the list, nothing allowed. */
		{"\"allow\":[\"nonexistent\"]", "", "exec", NULL, false, "global", "tools.allow"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_arena_ struct arena a = {0};
		struct one one = decide_on(
			arena_printf(&a,
				"{\"tools\":{%s},\"agents\":{\"list\":[{\"id\":\"main\",\"tools\":{%s}}]}}",
				rows[i].tools, rows[i].agent_tools),
			"openclaw",
			&(struct decide_request){
				.session = rows[i].session,
				.tool = rows[i].tool,
				.model_provider = "openai/gpt-5",
				.sender.is_owner = rows[i].owner,
			});
		const struct tool_verdict *v = &one.decision->tool;

		if (rows[i].layer == NULL) {
			assert_true(v->allowed);
		} else {
			assert_false(v->allowed);
			assert_string_equal(v->layer, rows[i].layer);
			assert_true(strv_contains(&v->fix, rows[i].fix));
			assert_non_null(v->rule);
			assert_non_null(v->reason);
			assert_non_null(strstr(v->message, v->tool));
		}
		done(&one);
	}
}

static void spawn_depth_decides_for_leaves(void **state)
{
	static const struct {
		int depth, max;
		const char *tool;
		bool allowed;
	} rows[] = {
		{1, 2, "gateway", false},
		{2, 2, "sessions_spawn", false},
		{2, 3, "sessions_spawn", true},
		{3, 3, "sessions_spawn", false},
		{1, 1, "sessions_list", false},
		{0, 1, "sessions_list", true},
		{0, 1, "memory_get", true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_arena_ struct arena a = {0};
		struct one one = decide_on(
			arena_printf(&a,
				"{\"agents\":{\"defaults\":{\"subagents\":{\"maxSpawnDepth\":%d}}}}",
				rows[i].max),
			"openclaw",
			&(struct decide_request){
				.tool = rows[i].tool,
				.subagent_depth = rows[i].depth,
				.sender.is_owner = true,
			});

		assert_int_equal(one.decision->tool.allowed, rows[i].allowed);
		done(&one);
	}
}

static void groups_and_senders_have_tools(void **state)
{
	static const char config[] =
		"{\"channels\":{\"whatsapp\":{\"groups\":{\"g1\":{\"tools\":{\"deny\":[\"exec\"]},"
		"\"toolsBySender\":{\"+1\":{\"allow\":[\"exec\"]}}},\"ABC@g.us\":{\"tools\":{"
		"\"allow\":[\"exec\"]}},\"*\":{\"tools\":{\"allow\":[\"read\"]}}}}}}";
	static const struct {
		const char *session, *sender;
		bool allowed;
	} rows[] = {
		{"agent:main:whatsapp:group:g1", NULL, false},
		{"agent:main:whatsapp:group:g1", "+1", true},
		{"agent:main:whatsapp:group:g2:topic:5", NULL, false},
		{"agent:main:whatsapp:group:ABC@g.us", NULL, true},
		{"agent:main:whatsapp:group:abc@g.us", NULL, true},
		{"agent:main:telegram:group:g1", NULL, true},
		{"agent:main:whatsapp:direct:g1", NULL, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct one one = decide_on(config, "openclaw",
			&(struct decide_request){
				.session = rows[i].session,
				.tool = "exec",
				.sender.id = rows[i].sender,
			});

		assert_int_equal(one.decision->tool.allowed, rows[i].allowed);
		if (!rows[i].allowed) {
			assert_string_equal(one.decision->tool.layer, "group");
		}
		done(&one);
	}
}

static void the_sandbox_message_says_what_to_do(void **state)
{
	static const char *const parts[] = {
		"blocked by sandbox tool policy",
		"mode=non-main",
		"deny list",
		"tools.sandbox.tools.deny",
		"agents.defaults.sandbox.mode=off",
		"agent:main:main",
		"sandbox explain --session agent:main:whatsapp:group:g1",
	};
	struct one one = decide_on(
		"{\"agents\":{\"defaults\":{\"sandbox\":{\"mode\":\"non-main\"}}},\"tools\":{\"sandbox\":{"
		"\"tools\":{\"allow\":[\"browser\"],\"deny\":[\"browser\"]}}}}",
		"openclaw",
		&(struct decide_request){
			.session = "agent:main:whatsapp:group:g1", .tool = "browser"});

	(void)state;
	assert_false(one.decision->tool.allowed);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		assert_non_null(strstr(one.decision->tool.message, parts[i]));
	}
	done(&one);
}

/* Contract D15 and D17. */
static void defaults_bend_explicit_lists_win(void **state)
{
	static const struct {
		const char *sandbox, *tools;
		bool allowed;
	} rows[] = {
		{"", "", false},
		{",\"browser\":{\"enabled\":true}", "", true},
		{",\"browser\":{\"enabled\":true}", "\"deny\":[\"browser\"]", false},
		{",\"browser\":{\"enabled\":true}", "\"allow\":[\"read\"]", false},
		{"", "\"alsoAllow\":[\"group:ui\"]", true},
		{"", "\"alsoAllow\":[\"browser\"],\"deny\":[\"browser\"]", false},
		{"", "\"allow\":[\"read\",\"browser\"]", false},
		{"", "\"allow\":[],\"deny\":[]", true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_arena_ struct arena a = {0};
		struct one one = decide_on(arena_printf(&a,
						   "{\"agents\":{\"defaults\":{" ALL
						   "}},\"tools\":{\"sandbox\":{\"tools\":{%s}}}}",
						   rows[i].sandbox, rows[i].tools),
			"openclaw", &(struct decide_request){.tool = "browser"});

		assert_int_equal(one.decision->tool.allowed, rows[i].allowed);
		done(&one);
	}
}

static void read_only_offers_no_writers(void **state)
{
	static const char *const tools[] = {"write", "edit", "apply-patch"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tools); i++) {
		struct one one =
			decide_on("{\"agents\":{\"defaults\":{\"sandbox\":{\"mode\":\"all\","
				  "\"workspaceAccess\":\"ro\"}}}}",
				"openclaw", &(struct decide_request){.tool = tools[i]});

		assert_false(one.decision->tool.allowed);
		assert_string_equal(one.decision->tool.layer, "workspace");
		assert_true(strv_contains(
			&one.decision->tool.fix, "agents.defaults.sandbox.workspaceAccess"));
		done(&one);
	}
}

static void a_request_is_text(void **state)
{
	static char longer[LIMIT_NAME_BYTES + 2];
	const struct decide_request rows[] = {
		{.session = "agent:main:\xff"},
		{.session = "agent:main:\xed\xa0\x80"},
		{.agent = "\xc0\x80"},
		{.tool = "\xe2\x82"},
		{.session = longer},
	};
	struct config *config = fixture_new("{}", "openclaw");

	(void)state;
	(void)memset(longer, 'a', sizeof(longer) - 1);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct decision *d = NULL;
		struct error err;

		assert_int_equal(decide(config, &rows[i], &d, &err), -EINVAL);
		assert_null(d);
	}
	fixture_free(config);
}

/* A key may hold anything that is text; it cannot add lines to what is said about it. */
static void a_key_stays_on_its_line(void **state)
{
	struct one one = decide_on("{\"agents\":{\"defaults\":{\"sandbox\":{\"mode\":\"all\"}}}}",
		"openclaw",
		&(struct decide_request){
			.session = "agent:main:x'\x1b[31m\nFix: none", .tool = "browser"});
	_cleanup_buf_ struct buf out = {0};

	(void)state;
	report_explain_text(one.decision, &(struct report_host){0}, &out);
	assert_null(strchr(out.data, '\x1b'));
	assert_null(strstr(out.data, "\nFix: none"));
	assert_null(strchr(one.decision->tool.message, '\x1b'));
	assert_null(strstr(one.decision->tool.message, "\nFix: none"));
	assert_non_null(strstr(one.decision->tool.message,
		"--session 'agent:main:x'\\''\\x1b[31m\\x0aFix: none'"));
	done(&one);
}

static void the_host_backend_is_no_sandbox(void **state)
{
	struct one one = decide_on(
		"{\"agents\":{\"defaults\":{\"sandbox\":{\"mode\":\"all\",\"backend\":\"host\"}}}}",
		"openclaw", &(struct decide_request){.tool = "browser"});
	json_t *explain = report_explain(one.decision, &(struct report_host){0});
	const json_t *sandbox = json_object_get(explain, "sandbox");
	_cleanup_buf_ struct buf out = {0};

	(void)state;
	assert_false(decision_is_isolated(one.decision));
	assert_true(json_is_false(json_object_get(sandbox, "sessionIsSandboxed")));
	assert_int_equal(json_array_size(json_object_get(explain, "warnings")), 1);
	report_explain_text(one.decision, &(struct report_host){0}, &out);
	assert_non_null(strstr(out.data, "directly on this host, without a sandbox"));
	/* What a sandbox may not use is not there either. */
	assert_false(one.decision->tool.allowed);
	json_decref(explain);
	done(&one);
}

static void the_last_level_is_the_one_named(void **state)
{
	struct one one = decide_on(
		"{\"agents\":{\"defaults\":{\"sandbox\":{\"docker\":{\"ulimits\":{\"nofile\":1}}}},"
		"\"list\":[{\"id\":\"a\",\"sandbox\":{\"docker\":{\"ulimits\":{\"nofile\":2}}}}]}}",
		"openclaw", &(struct decide_request){.agent = "a"});

	(void)state;
	assert_string_equal(decision_provenance(one.decision, "sandbox.docker.ulimits.nofile"),
		"agents.list[0].sandbox.docker.ulimits.nofile");
	done(&one);
}

static void a_list_may_be_long(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	struct strv names = {0}, expanded = {0};

	(void)state;
	for (int i = 0; i < 50000; i++) {
		strv_add_ref(&names, &a, arena_printf(&a, "Tool_%d", i % 25000));
	}
	tool_list_expand(&a, &names, &expanded);
	assert_int_equal(expanded.count, 25000);
	assert_string_equal(expanded.items[24999], "tool_24999");
}

static void names_of_secrets(void **state)
{
	static const char *const secret[] = {"AWS_SECRET", "MY_KEY", "ssh_keys", "DB_PASS",
		"PGPASSWORD", "MYSQL_PWD", "GH_PAT", "KEY", "AUTH", "SENTRY_DSN", "SESSION_COOKIE"};
	static const char *const open[] = {
		"PWD", "OLDPWD_", "NODE_PATH", "KEYBOARD", "MONKEY", "AUTHOR", "TZ", "", "_"};
	static const char *const values[][2] = {
		{"", ""},
		{"postgres://u:pw@h/db", "postgres://u:***@h/db"},
		{"a://b:c@d e://f:g:h@i", "a://b:***@d e://f:***@i"},
		{"http://h:80/a@b", "http://h:80/a@b"},
		{"http://u:@h", "http://u:@h"},
		{"://", "://"},
		{"-----BEGIN PRIVATE KEY-----", "***"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(secret); i++) {
		assert_true(report_is_secret(secret[i]));
	}
	for (size_t i = 0; i < ARRAY_SIZE(open); i++) {
		assert_false(report_is_secret(open[i]));
	}
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		json_t *shown = report_env_value("URL", values[i][0]);

		assert_string_equal(json_string_value(shown), values[i][1]);
		json_decref(shown);
	}
}

static void secrets_are_masked(void **state)
{
	struct one one = decide_on(
		"{\"agents\":{\"defaults\":{\"sandbox\":{\"docker\":{\"env\":{\"OPENAI_API_KEY\":\"k\","
		"\"my_token\":\"t\",\"TZ\":\"UTC\"}}}}}}",
		"openclaw", &(struct decide_request){0});
	json_t *masked = report_plan(one.decision, NULL, NULL, false);
	json_t *open = report_plan(one.decision, NULL, NULL, true);
	const json_t *env = json_object_get(json_object_get(masked, "container"), "env");

	(void)state;
	assert_string_equal(json_string_value(json_object_get(env, "OPENAI_API_KEY")), "***");
	assert_string_equal(json_string_value(json_object_get(env, "my_token")), "***");
	assert_string_equal(json_string_value(json_object_get(env, "TZ")), "UTC");
	env = json_object_get(json_object_get(open, "container"), "env");
	assert_string_equal(json_string_value(json_object_get(env, "OPENAI_API_KEY")), "k");
	json_decref(masked);
	json_decref(open);
	done(&one);
}

static void people_get_the_reason(void **state)
{
	struct one one = decide_on("{\"agents\":{\"defaults\":{\"sandbox\":{\"mode\":\"all\"}}}}",
		"openclaw", &(struct decide_request){.tool = "browser"});
	const struct report_layer layers[] = {
		{LAYER_USERNS, true, NULL, NULL},
		{LAYER_LANDLOCK, false, "the kernel has none", "use a kernel from 5.13"},
	};
	const struct report_host host = {
		.backend_reason = "the only one",
		.layers = layers,
		.layer_count = ARRAY_SIZE(layers),
	};
	static const char *const parts[] = {
		"run in a sandbox (mode all)",
		"[agents.defaults.sandbox.mode]",
		"Sandbox tool policy",
		"refused by the sandbox layer",
		"landlock: the kernel has none",
		"use a kernel from 5.13",
		"Fix-it",
		"tools.sandbox.tools.deny",
		"no limit   [default]",
		"512   [default]",
	};
	_cleanup_buf_ struct buf out = {0};

	(void)state;
	report_explain_text(one.decision, &host, &out);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (strstr(out.data, parts[i]) == NULL) {
			print_error("no '%s' in:\n%s", parts[i], out.data);
			fail();
		}
	}
	done(&one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_newcomer_gets_a_sandbox),
		cmocka_unit_test(a_configured_access_beats_the_option),
		cmocka_unit_test(a_relative_workspace_is_refused),
		cmocka_unit_test(every_agent_has_its_own_workspace),
		cmocka_unit_test(a_blank_root_never_exposes_the_state_directory),
		cmocka_unit_test(scope_beats_the_older_key),
		cmocka_unit_test(forbidden_values_are_remembered),
		cmocka_unit_test(bind_entries_are_judged_by_their_text),
		cmocka_unit_test(mutated_binds_stay_absolute),
		cmocka_unit_test(each_layer_names_itself),
		cmocka_unit_test(spawn_depth_decides_for_leaves),
		cmocka_unit_test(groups_and_senders_have_tools),
		cmocka_unit_test(the_sandbox_message_says_what_to_do),
		cmocka_unit_test(defaults_bend_explicit_lists_win),
		cmocka_unit_test(read_only_offers_no_writers),
		cmocka_unit_test(a_request_is_text),
		cmocka_unit_test(a_key_stays_on_its_line),
		cmocka_unit_test(the_host_backend_is_no_sandbox),
		cmocka_unit_test(the_last_level_is_the_one_named),
		cmocka_unit_test(a_list_may_be_long),
		cmocka_unit_test(names_of_secrets),
		cmocka_unit_test(secrets_are_masked),
		cmocka_unit_test(people_get_the_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
