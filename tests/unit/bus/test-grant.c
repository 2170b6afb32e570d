/* SPDX-License-Identifier: MIT */
/* A grant is its decision again, in all that tools look at, and has nothing else of the configuration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "base/own.h"
#include "bus/grant.h"
#include "tools/internal.h"

static const char *const configs[] = {
	"{}",
	"{\"agents\":{\"defaults\":{\"sandbox\":{\"mode\":\"off\"}}}}",
	"{\"agents\":{\"defaults\":{\"sandbox\":{\"mode\":\"all\",\"workspaceAccess\":\"ro\",\"docker\":{"
	"\"env\":{\"A\":\"1\",\"API_KEY\":\"s\"},\"memory\":\"64m\",\"pidsLimit\":9,"
	"\"tmpfs\":[\"/tmp:size=1m\"],\"ulimits\":{\"fsize\":4096},\"binds\":[\"/srv/x:/x:ro\"]}}},\"list\":[{\"id\":\"work\",\"tools\":{\"exec\":{"
	"\"backgroundMs\":50,\"pathPrepend\":[\"/x\"]},\"deny\":[\"write\"]}}]},"
	"\"tools\":{\"exec\":{\"timeoutSec\":7,\"host\":\"sandbox\"},\"fs\":{\"workspaceOnly\":true},"
	"\"elevated\":{\"allowFrom\":{\"telegram\":[\"1\"]}}},"
	"\"gateway\":{\"tokens\":[{\"name\":\"x\",\"token\":\"very-secret\"}]}}",
	"{\"agents\":{\"defaults\":{\"elevatedDefault\":\"on\",\"sandbox\":{\"scope\":\"shared\","
	"\"workspaceAccess\":\"rw\"}}},\"tools\":{\"elevated\":{\"allowFrom\":{\"webchat\":[\"*\"]}},"
	"\"sandbox\":{\"tools\":{\"allow\":[\"read\"]}}}}",
};

static const struct decide_request requests[] = {
	{.agent = NULL},
	{.agent = "work", .session = "team"},
	{.session = "telegram:group:x",
		.sender = {.provider = "telegram", .id = "1", .from = "telegram:1"},
		.elevated = true},
	{.session = "main",
		.sender = {.provider = "webchat", .id = "2"},
		.session_elevated = "full"},
};

static void assert_text(const char *a, const char *b)
{
	assert_int_equal(a == NULL, b == NULL);
	if (a != NULL) {
		assert_string_equal(a, b);
	}
}

static void assert_list(const struct strv *a, const struct strv *b)
{
	assert_int_equal(a->count, b->count);
	for (size_t i = 0; i < a->count; i++) {
		assert_string_equal(a->items[i], b->items[i]);
	}
}

static void assert_settings(const struct decision *a, const struct decision *b)
{
	static const char *const names[] = {
		"host", "backgroundMs", "timeoutSec", "pathPrepend", "ask"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const json_t *left = setting_exec(a, names[i]), *right = setting_exec(b, names[i]);

		assert_int_equal(left == NULL, right == NULL);
		assert_true(left == NULL || json_equal(left, right));
	}
	assert_int_equal(setting_bool(a, "tools.fs.workspaceOnly", false),
		setting_bool(b, "tools.fs.workspaceOnly", false));
}

static void assert_elevated(const struct decision *a, const struct decision *b)
{
	assert_int_equal(a->elevated.allowed_by_config, b->elevated.allowed_by_config);
	assert_int_equal(a->elevated.requested, b->elevated.requested);
	assert_int_equal(a->elevated.failure_count, b->elevated.failure_count);
	for (size_t i = 0; i < a->elevated.failure_count; i++) {
		assert_string_equal(a->elevated.failures[i].gate, b->elevated.failures[i].gate);
		assert_string_equal(a->elevated.failures[i].key, b->elevated.failures[i].key);
	}
}

/* What refuses, so that a refusal can name it. */
static void assert_limits(const struct sandbox_spec *a, const struct sandbox_spec *b)
{
	assert_text(a->network, b->network);
	assert_int_equal(a->memory, b->memory);
	assert_int_equal(a->pids_limit, b->pids_limit);
	assert_int_equal(a->read_only_root, b->read_only_root);
	assert_list(&a->tmpfs, &b->tmpfs);
	assert_int_equal(a->ulimit_count, b->ulimit_count);
	for (size_t i = 0; i < a->ulimit_count; i++) {
		assert_string_equal(a->ulimits[i].name, b->ulimits[i].name);
		assert_int_equal(a->ulimits[i].soft, b->ulimits[i].soft);
		assert_int_equal(a->ulimits[i].hard, b->ulimits[i].hard);
	}
	assert_int_equal(a->mount_count, b->mount_count);
	for (size_t i = 0; i < a->mount_count; i++) {
		assert_int_equal(a->mounts[i].kind, b->mounts[i].kind);
		assert_text(a->mounts[i].target, b->mounts[i].target);
		assert_int_equal(a->mounts[i].read_only, b->mounts[i].read_only);
		assert_text(a->mounts[i].key, b->mounts[i].key);
		/* The host's own paths stay with the broker. */
		assert_true(a->mounts[i].kind != MOUNT_BIND || b->mounts[i].source == NULL);
	}
}

static void assert_same(const struct decision *a, const struct decision *b)
{
	assert_text(a->agent_id, b->agent_id);
	assert_text(a->session_key, b->session_key);
	assert_int_equal(a->sandboxed, b->sandboxed);
	assert_int_equal(a->host_configured, b->host_configured);
	assert_text(a->spec.name, b->spec.name);
	assert_text(a->spec.workdir, b->spec.workdir);
	assert_text(a->spec.workspace_dir, b->spec.workspace_dir);
	assert_text(a->spec.agent_workspace_dir, b->spec.agent_workspace_dir);
	assert_int_equal(a->spec.access, b->spec.access);
	assert_list(&a->spec.env, &b->spec.env);
	assert_int_equal(a->spec.ring_bytes, b->spec.ring_bytes);
	assert_int_equal(a->spec.output_limit_chars, b->spec.output_limit_chars);
	assert_limits(&a->spec, &b->spec);
	assert_string_equal(a->config->brand->name, b->config->brand->name);
	assert_text(a->config->home, b->config->home);
	assert_text(decision_provenance(a, "sandbox.workspaceAccess"),
		decision_provenance(b, "sandbox.workspaceAccess"));
	assert_elevated(a, b);
	assert_settings(a, b);
}

static void assert_verdicts(
	struct decision *d, const struct decide_request *request, const struct grant *grant)
{
	size_t count;
	const struct tool *const *table = tool_table(&count);

	for (size_t i = 0; i < count; i++) {
		const struct tool_verdict *got = grant_verdict(grant, table[i]->name);
		struct tool_verdict wanted = {0};

		decision_check_tool(d, request, table[i]->name, &wanted);
		assert_non_null(got);
		assert_int_equal(got->allowed, wanted.allowed);
		assert_text(got->layer, wanted.layer);
		assert_text(got->rule, wanted.rule);
		assert_text(got->reason, wanted.reason);
		assert_text(got->message, wanted.message);
		assert_list(&got->fix, &wanted.fix);
		assert_int_equal(
			tool_is_offered(table[i], d), tool_is_offered(table[i], &grant->decision));
	}
}

static void a_grant_is_its_decision(void **state)
{
	(void)state;
	for (size_t c = 0; c < ARRAY_SIZE(configs); c++) {
		for (size_t r = 0; r < ARRAY_SIZE(requests); r++) {
			struct config config = {.root = json_loads(configs[c], 0, NULL),
				.brand = brand_by_name("creel"),
				.home = "/home/x",
				.state_dir = "/home/x/.creel"};
			_cleanup_free_ char *text = NULL;
			struct decision *d;
			struct grant *grant;
			struct error err;
			json_t *json;

			assert_non_null(config.root);
			assert_int_equal(decide(&config, &requests[r], &d, &err), 0);
			json = grant_encode(d, &requests[r]);
			text = json_dumps(json, 0);
			assert_non_null(text);
			assert_null(strstr(text, "very-secret"));
			json_decref(json);
			json = json_loads(text, 0, NULL);
			assert_int_equal(grant_decode(json, &grant, &err), 0);
			assert_same(d, &grant->decision);
			assert_verdicts(d, &requests[r], grant);
			assert_null(grant_verdict(grant, "no_such_tool"));
			grant = grant_free(grant);
			d = decision_free(d);
			json_decref(config.root);
		}
	}
}

static void what_is_no_grant(void **state)
{
	static const char *const texts[] = {"{}", "[]", "{\"agentId\":\"a\"}",
		"{\"agentId\":\"a\",\"sessionKey\":\"s\",\"settings\":{},\"brand\":\"nobody\"}",
		("{\"agentId\":\"a\",\"sessionKey\":\"s\",\"settings\":{},\"brand\":\"creel\","
		 "\"spec\":{\"backend\":99}}")};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct grant *grant;
		struct error err;

		assert_int_equal(
			grant_decode(json_loads(texts[i], 0, NULL), &grant, &err), -EPROTO);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_grant_is_its_decision),
		cmocka_unit_test(what_is_no_grant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
