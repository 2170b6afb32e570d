/* SPDX-License-Identifier: MIT */
/* What each key of sandbox.browser does to the browser's sandbox, and to nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/macro.h"
#include "base/mem.h"
#include "base/own.h"
#include "fixture.h"

struct one {
	struct config *config;
	struct decision *decision;
};

/* browser: the members of sandbox.browser; more: of sandbox, with a comma in front. */
static struct one decide_on(const char *browser, const char *more, const char *root)
{
	const struct decide_request request = {.browser = true};
	_cleanup_free_ char *json = xasprintf(
		"{\"agents\":{\"defaults\":{\"sandbox\":{\"mode\":\"all\",\"browser\":{%s}%s}}}%s}",
		browser, more, root);
	struct one one = {.config = fixture_new(json, "openclaw")};

	one.decision = fixture_decide(one.config, &request);
	return one;
}

static void done(struct one *one)
{
	(void)decision_free(one->decision);
	fixture_free(one->config);
}

static bool has_env(const struct decision *d, const char *item)
{
	return strv_contains(&d->spec.env, item);
}

static bool has_name(const struct decision *d, const char *name)
{
	for (size_t i = 0; i < d->spec.env.count; i++) {
		if (strncmp(d->spec.env.items[i], name, strlen(name)) == 0) {
			return true;
		}
	}
	return false;
}

static void defaults(void **state)
{
	struct one one = decide_on("", "", "");
	const struct decision *d = one.decision;
	const struct browser_settings *b = &d->browser;

	(void)state;
	assert_false(d->browser_enabled);
	assert_null(d->problem);
	assert_string_equal(d->spec.image, "openclaw-sandbox-browser:bookworm-slim");
	assert_string_equal(d->spec.network, "openclaw-sandbox-browser");
	assert_non_null(strstr(d->spec.name, "openclaw-sbx-browser-"));
	assert_int_equal(b->cdp_port, 9222);
	assert_int_equal(b->vnc_port, 5900);
	assert_int_equal(b->novnc_port, 6080);
	assert_int_equal(b->auto_start_timeout_ms, 12000);
	assert_true(b->auto_start && b->vnc && b->evaluate && b->private_network);
	assert_false(b->headless || b->allow_host_control);
	assert_null(b->source_range);
	assert_int_equal(
		b->control_urls.count + b->control_hosts.count + b->control_ports.count, 0);
	assert_true(has_env(d, "OPENCLAW_BROWSER_HEADLESS=0"));
	assert_true(has_env(d, "OPENCLAW_BROWSER_ENABLE_NOVNC=1"));
	assert_false(has_name(d, "OPENCLAW_BROWSER_CDP_SOURCE_RANGE"));
	assert_false(has_name(d, "OPENCLAW_BROWSER_EXTRA_ARGS"));
	done(&one);
}

/* What is told to the supervisor, and so is part of what the container was made from. */
static void keys_that_the_container_sees(void **state)
{
	static const struct {
		const char *key, *env;
	} rows[] = {
		{"\"headless\":true", "OPENCLAW_BROWSER_HEADLESS=1"},
		{"\"headless\":true", "OPENCLAW_BROWSER_ENABLE_NOVNC=0"},
		{"\"enableNoVnc\":false", "OPENCLAW_BROWSER_ENABLE_NOVNC=0"},
		{"\"cdpPort\":9333", "OPENCLAW_BROWSER_CDP_PORT=9333"},
		{"\"vncPort\":5999", "OPENCLAW_BROWSER_VNC_PORT=5999"},
		{"\"noVncPort\":6999", "OPENCLAW_BROWSER_NOVNC_PORT=6999"},
		{"\"cdpSourceRange\":\"10.0.0.0/8\"",
			"OPENCLAW_BROWSER_CDP_SOURCE_RANGE=10.0.0.0/8"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct one one = decide_on(rows[i].key, "", "");

		if (!has_env(one.decision, rows[i].env) || one.decision->problem != NULL) {
			fail_msg("%s: no %s", rows[i].key, rows[i].env);
		}
		done(&one);
	}
}

static void keys_that_the_caller_sees(void **state)
{
	struct one one =
		decide_on("\"enabled\":true,\"autoStart\":false,\"autoStartTimeoutMs\":7,"
			  "\"allowHostControl\":true,\"allowedControlUrls\":[\"http://a\"],"
			  "\"allowedControlHosts\":[\"b\"],\"allowedControlPorts\":[9,\"10\"]",
			"",
			",\"browser\":{\"evaluateEnabled\":false,\"extraArgs\":[\"--a\",\"--b=c\"],"
			"\"ssrfPolicy\":{\"dangerouslyAllowPrivateNetwork\":false,"
			"\"allowedHostnames\":[\"x\"],\"hostnameAllowlist\":[\"*.y\"]}}");
	const struct browser_settings *b = &one.decision->browser;

	(void)state;
	assert_true(one.decision->browser_enabled);
	assert_false(b->auto_start || b->evaluate || b->private_network);
	assert_int_equal(b->auto_start_timeout_ms, 7);
	assert_true(b->allow_host_control);
	assert_string_equal(b->control_urls.items[0], "http://a");
	assert_string_equal(b->control_hosts.items[0], "b");
	assert_string_equal(b->control_ports.items[0], "9");
	assert_string_equal(b->control_ports.items[1], "10");
	assert_string_equal(b->private_hosts.items[0], "x");
	assert_string_equal(b->only_hosts.items[0], "*.y");
	assert_true(has_env(one.decision, "OPENCLAW_BROWSER_EXTRA_ARGS=--a\n--b=c\n"));
	done(&one);
}

static void image_prefix_and_network(void **state)
{
	struct one one = decide_on("\"image\":\"mine:1\",\"containerPrefix\":\"my-\","
				   "\"network\":\" Bridge2 \"",
		",\"docker\":{\"image\":\"other\",\"network\":\"none\",\"setupCommand\":\"x\"}",
		"");
	const struct decision *d = one.decision;

	(void)state;
	assert_string_equal(d->spec.image, "mine:1");
	assert_null(d->spec.native_root);
	assert_int_equal(strncmp(d->spec.name, "my-", 3), 0);
	assert_string_equal(d->spec.network, "Bridge2");
	assert_null(d->spec.setup_command);
	done(&one);
	/* Unpacked, for the native backend. */
	one = decide_on("\"image\":\"/var/lib/browser\"", ",\"native\":{\"root\":\"/r\"}", "");
	assert_string_equal(one.decision->spec.native_root, "/var/lib/browser");
	done(&one);
	one = decide_on("", ",\"native\":{\"root\":\"/r\"}", "");
	assert_string_equal(one.decision->spec.native_root, "/r");
	done(&one);
	/* A blank one is none. */
	one = decide_on("\"network\":\" \",\"image\":\"\"", "", "");
	assert_string_equal(one.decision->spec.network, "openclaw-sandbox-browser");
	assert_string_equal(one.decision->spec.image, "openclaw-sandbox-browser:bookworm-slim");
	done(&one);
}

static void binds(void **state)
{
	static const char docker[] = ",\"docker\":{\"binds\":[\"/d:/d\"]}";
	struct one one = decide_on("", docker, "");

	(void)state;
	assert_int_equal(one.decision->bind_count, 1);
	assert_string_equal(one.decision->binds[0].raw, "/d:/d");
	done(&one);
	one = decide_on("\"binds\":[]", docker, "");
	assert_int_equal(one.decision->bind_count, 0);
	assert_int_equal(one.decision->spec.mount_count, 1);
	done(&one);
	one = decide_on("\"binds\":[\"/b:/b:ro\"]", docker, "");
	assert_int_equal(one.decision->bind_count, 1);
	assert_string_equal(one.decision->binds[0].raw, "/b:/b:ro");
	assert_string_equal(one.decision->binds[0].key, "agents.defaults.sandbox.browser.binds[0]");
	done(&one);
}

static void what_is_refused(void **state)
{
	static const struct {
		const char *browser, *more;
	} rows[] = {
		{"\"cdpPort\":5900", ""},
		{"\"vncPort\":9223", ""},
		{"\"noVncPort\":9222", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct one one = decide_on(rows[i].browser, rows[i].more, "");

		if (one.decision->problem == NULL) {
			fail_msg("%s is allowed", rows[i].browser);
		}
		done(&one);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(keys_that_the_container_sees),
		cmocka_unit_test(keys_that_the_caller_sees),
		cmocka_unit_test(image_prefix_and_network),
		cmocka_unit_test(binds),
		cmocka_unit_test(what_is_refused),
	};

	return cmocka_run_group_tests_name("browser keys", tests, NULL, NULL);
}
