/* SPDX-License-Identifier: MIT */
/* The gates of browsers outside of the sandbox, and where their addresses lead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/macro.h"
#include "browser/control.h"

static int check(const struct decision *d, const char *target, struct control *ret)
{
	struct error err = {0};
	int r = control_check(d, target, ret, &err);

	assert_true(r == 0 || err.text[0] != '\0');
	return r;
}

static void addresses(void **state)
{
	static const struct {
		const char *url, *host, *path;
		uint16_t port;
		int result;
	} cases[] = {
		{"http://127.0.0.1:9222", "127.0.0.1", "", 9222, 0},
		{"http://Example.ORG/", "example.org", "", 80, 0},
		{"http://[::1]:9222/json", "::1", "", 9222, 0},
		{"ws://h:1/devtools/browser/x", "h", "/devtools/browser/x", 1, 0},
		{"ws://h:1/x?token=1#y", "h", "/x?token=1", 1, 0},
		{"ws://h:1/", "h", "", 1, 0},
		{"wss://h", NULL, NULL, 0, -EOPNOTSUPP},
		{"https://h", NULL, NULL, 0, -EOPNOTSUPP},
		{"http://u@h", NULL, NULL, 0, -EINVAL},
		{"http://u:p@h:1/", NULL, NULL, 0, -EINVAL},
		{"ws://h:1/x y", NULL, NULL, 0, -EINVAL},
		{"ws://h:1/x\r\nX: y", NULL, NULL, 0, -EINVAL},
		{"httpx://h", NULL, NULL, 0, -EACCES},
		{"file:///x", NULL, NULL, 0, -EACCES},
		{"http://", NULL, NULL, 0, -EACCES},
		{"http://h:0", NULL, NULL, 0, -EACCES},
		{"http://h:65536", NULL, NULL, 0, -EACCES},
		{"http://169.254.169.254", NULL, NULL, 0, -EACCES},
		{"http://2852039166", NULL, NULL, 0, -EACCES},
		{"http://[fe80::1]", NULL, NULL, 0, -EACCES},
		{"http://metadata.google.internal", NULL, NULL, 0, -EACCES},
		{"", NULL, NULL, 0, -EACCES},
	};
	struct config config = {.root = json_object()};
	const struct decision d = {.config = &config};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct control got;
		int r = check(&d, cases[i].url, &got);

		if (r != cases[i].result) {
			fail_msg("%s: %d", cases[i].url, r);
		}
		if (r == 0) {
			assert_string_equal(got.host, cases[i].host);
			assert_string_equal(got.path, cases[i].path);
			assert_int_equal(got.port, cases[i].port);
			assert_false(got.start);
		}
	}
	json_decref(config.root);
}

static void lists(void **state)
{
	const char *urls[] = {"http://a:9222/", "ws://[::1]:9/x", NULL};
	const char *hosts[] = {"A", "[::1]", "b.example", NULL};
	const char *ports[] = {"9222", "9", NULL};
	struct config config = {.root = json_object()};
	struct decision d = {.config = &config};
	struct control got;

	(void)state;
	d.browser.control_hosts = (struct strv){.items = hosts, .count = 3};
	assert_int_equal(check(&d, "http://a", &got), 0);
	assert_int_equal(check(&d, "http://[::1]:5", &got), 0);
	assert_int_equal(check(&d, "http://B.example", &got), 0);
	assert_int_equal(check(&d, "http://x.b.example", &got), -EACCES);
	assert_int_equal(check(&d, "http://a.evil", &got), -EACCES);
	assert_int_equal(check(&d, "http://a@evil", &got), -EACCES);
	assert_int_equal(check(&d, "http://[::2]", &got), -EACCES);
	d.browser.control_ports = (struct strv){.items = ports, .count = 2};
	assert_int_equal(check(&d, "http://a", &got), -EACCES);
	assert_int_equal(check(&d, "http://a:9222", &got), 0);
	d.browser.control_urls = (struct strv){.items = urls, .count = 2};
	assert_int_equal(check(&d, "http://a:9222", &got), 0);
	assert_int_equal(check(&d, "http://A:9222", &got), -EACCES);
	assert_int_equal(check(&d, "http://a:9222/json", &got), -EACCES);
	assert_int_equal(check(&d, "ws://[::1]:9/x", &got), 0);
	json_decref(config.root);
}

static void gates(void **state)
{
	struct config config = {.root = json_object()};
	struct decision d = {.config = &config, .sandboxed = true};
	struct control got;

	(void)state;
	assert_int_equal(check(&d, "host", &got), -EACCES);
	d.browser.allow_host_control = true;
	assert_int_equal(check(&d, "host", &got), 0);
	assert_true(got.start);
	d.sandboxed = d.browser.allow_host_control = false;
	assert_int_equal(check(&d, "host", &got), 0);
	(void)json_object_set_new(config.root, "browser", json_pack("{s:b}", "attachOnly", 1));
	assert_int_equal(check(&d, "host", &got), -EACCES);
	(void)json_object_set_new(config.root, "browser",
		json_pack("{s:b, s:s, s:i}", "attachOnly", 1, "cdpUrl", "http://h:9",
			"remoteCdpTimeoutMs", 7));
	assert_int_equal(check(&d, "host", &got), 0);
	assert_string_equal(got.host, "h");
	assert_int_equal(got.timeout_ms, 7);
	(void)json_object_set_new(config.root, "browser",
		json_pack("{s:b, s:s}", "enabled", 0, "cdpUrl", "http://h:9"));
	assert_int_equal(check(&d, "host", &got), -EACCES);
	assert_int_equal(check(&d, "http://h:9", &got), -EACCES);
	json_decref(config.root);
}

static void reach(void **state)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	const struct sockaddr other = {.sa_family = AF_UNIX};

	(void)state;
	assert_int_equal(inet_pton(AF_INET, "10.0.0.1", &v4.sin_addr), 1);
	assert_true(control_may_reach((const struct sockaddr *)&v4));
	assert_int_equal(inet_pton(AF_INET, "169.254.169.254", &v4.sin_addr), 1);
	assert_false(control_may_reach((const struct sockaddr *)&v4));
	assert_int_equal(inet_pton(AF_INET6, "::ffff:169.254.1.1", &v6.sin6_addr), 1);
	assert_false(control_may_reach((const struct sockaddr *)&v6));
	assert_int_equal(inet_pton(AF_INET6, "::1", &v6.sin6_addr), 1);
	assert_true(control_may_reach((const struct sockaddr *)&v6));
	assert_false(control_may_reach(&other));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(lists),
		cmocka_unit_test(gates),
		cmocka_unit_test(reach),
	};

	return cmocka_run_group_tests_name("browser control", tests, NULL, NULL);
}
