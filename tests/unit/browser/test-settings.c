/* SPDX-License-Identifier: MIT */
/* Browser settings: ports, the source range, and the way to another process and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include <string.h>

#include "base/macro.h"
#include "config/cidr.h"
#include "policy/browser.h"

static void source_ranges(void **state)
{
	static const char *const good[] = {"172.21.0.1/32", "10.0.0.0/8", "0.0.0.0/0", "127.0.0.1",
		"::1", "::1/128", "fd00::/64", "::/0"};
	static const char *const bad[] = {"", "/", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/",
		"::1/129", "::1/-1", ":::", "fe80::1%eth0", "[::1]", "fd00::/64]",
		"10.0.0.0/8,range=0", "10.0.0.0/8 x", "a.b.c.d", "10.0.0.0/-1",
		"1000000000000000000000.1.1.1"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_true(cidr_is_valid(good[i]));
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_false(cidr_is_valid(bad[i]));
	}
}

static void ports(void **state)
{
	(void)state;
	assert_int_equal(browser_debug_port(&(struct browser_settings){.cdp_port = 9222}), 9223);
	assert_int_equal(browser_debug_port(&(struct browser_settings){.cdp_port = 65535}), 65534);
}

static void there_and_back(void **state)
{
	const char *hosts[] = {"a.example", NULL};
	const struct browser_settings sent = {
		.headless = true,
		.allow_host_control = true,
		.cdp_port = 1,
		.vnc_port = 2,
		.novnc_port = 3,
		.auto_start_timeout_ms = 4,
		.source_range = "10.0.0.0/8",
		.only_hosts = {.items = hosts, .count = 1},
	};
	json_t *json = browser_settings_json(&sent);
	struct arena arena = {0};
	struct browser_settings got;

	(void)state;
	browser_settings_load(json, &arena, &got);
	assert_true(got.headless && got.allow_host_control);
	assert_false(got.vnc || got.auto_start || got.evaluate || got.private_network);
	assert_int_equal(got.cdp_port, 1);
	assert_int_equal(got.vnc_port, 2);
	assert_int_equal(got.novnc_port, 3);
	assert_int_equal(got.auto_start_timeout_ms, 4);
	assert_string_equal(got.source_range, "10.0.0.0/8");
	assert_int_equal(got.only_hosts.count, 1);
	assert_string_equal(got.only_hosts.items[0], "a.example");
	json_decref(json);
	/* What is missing, or makes no sense, has its default. */
	json = json_pack("{s:i, s:s}", "cdpPort", 70000, "vncPort", "x");
	browser_settings_load(json, &arena, &got);
	assert_int_equal(got.cdp_port, BROWSER_CDP_PORT);
	assert_int_equal(got.vnc_port, BROWSER_VNC_PORT);
	assert_true(got.auto_start && got.evaluate && got.private_network);
	json_decref(json);
	arena_finish(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(source_ranges),
		cmocka_unit_test(ports),
		cmocka_unit_test(there_and_back),
	};

	return cmocka_run_group_tests_name("browser settings", tests, NULL, NULL);
}
