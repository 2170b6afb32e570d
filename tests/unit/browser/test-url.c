/* SPDX-License-Identifier: MIT */
/* Which addresses a browser may be sent to, in every notation that one understands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "browser/url.h"

static const struct browser_settings open_settings = {.private_network = true};

static int check(const char *url, const struct browser_settings *settings)
{
	struct error err = {0};
	int r = url_check(url, settings, &err);

	assert_true(r == 0 || (r == -EACCES && err.text[0] != '\0'));
	return r;
}

static void pages(void **state)
{
	static const char *const good[] = {"http://example.org/", "https://example.org:8443/x?y#z",
		"HTTP://EXAMPLE.ORG", "about:blank", "data:text/html,x", "http://127.0.0.1:8000/",
		"http://localhost/", "http://10.0.0.1/", "http://[::1]:3000/", " http://a.b/ ",
		"http://169.253.1.1/", "http://169.254.example.org/"};
	static const char *const bad[] = {"", "file:///etc/passwd", "FILE:/etc/passwd",
		"chrome://gpu", "javascript:alert(1)", "view-source:http://a/", "about:config",
		"ftp://a/", "blob:http://a/1", "http:", "http://", "http:///", "java\nscript:1",
		"/etc/passwd", "example.org", "http://[::1", "http://a:99999/", "http://a:x/"};
	static const char *const metadata[] = {"http://169.254.169.254/", "http://169.254.0.1/",
		"http://2852039166/", "http://0xa9fea9fe/", "http://0251.0376.0251.0376/",
		"http://169.254.43518/", "http://0xa9.254.169.0xfe:80/",
		"http:\\\\169.254.169.254\\", "http:/169.254.169.254/", "http:////169.254.169.254/",
		"ht\ntp://169.254.169.254/", "http://u:p@169.254.169.254/",
		"http://a@b@169.254.169.254/", "http://[::ffff:169.254.169.254]/",
		"http://[::ffff:a9fe:a9fe]/", "http://[64:ff9b::a9fe:a9fe]/", "http://[fe80::1]/",
		"http://[fd00:ec2::254]/", "http://1%369.254.169.254/", "http://169.254.169.254./",
		"http://metadata.google.internal/", "http://METADATA.google.internal./",
		"http://100.100.100.200/"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		if (check(good[i], &open_settings) != 0) {
			fail_msg("refused: %s", good[i]);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (check(bad[i], &open_settings) == 0) {
			fail_msg("allowed: %s", bad[i]);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(metadata); i++) {
		if (check(metadata[i], &open_settings) == 0) {
			fail_msg("allowed: %s", metadata[i]);
		}
	}
}

static void private_addresses(void **state)
{
	static const char *const inside[] = {"http://127.1/", "http://localhost:1/",
		"http://10.1.2.3/", "http://172.31.0.1/", "http://192.168.1.1/", "http://0/",
		"http://[::1]/", "http://[::]/", "http://[fc00::1]/", "http://x.localhost/",
		"http://printer.local/", "http://100.64.0.1/"};
	const char *hosts[] = {"printer.local", "*.corp.example", NULL};
	const struct browser_settings closed = {.private_hosts = {.items = hosts, .count = 2}};
	const struct browser_settings only = {
		.private_network = true, .only_hosts = {.items = hosts, .count = 2}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(inside); i++) {
		int expected = strstr(inside[i], "printer") != NULL ? 0 : -EACCES;

		assert_int_equal(check(inside[i], &closed), expected);
		assert_int_equal(check(inside[i], &open_settings), 0);
	}
	assert_int_equal(check("http://172.32.0.1/", &closed), 0);
	assert_int_equal(check("http://a.corp.example/", &only), 0);
	assert_int_equal(check("http://corp.example/", &only), 0);
	assert_int_equal(check("http://acorp.example/", &only), -EACCES);
	assert_int_equal(check("http://example.org/", &only), -EACCES);
}

static void control_addresses(void **state)
{
	const char *urls[] = {"http://127.0.0.1:9222/", NULL};
	const char *ports[] = {"9222", "443", NULL};
	const struct browser_settings s = {.control_urls = {.items = urls, .count = 1},
		.control_ports = {.items = ports, .count = 2}};
	const struct browser_settings by_port = {.control_ports = {.items = ports, .count = 2}};
	struct error err;

	(void)state;
	assert_int_equal(url_check_control("http://127.0.0.1:9222", &s, &err), 0);
	assert_int_equal(url_check_control("http://127.0.0.1:9223", &s, &err), -EACCES);
	assert_int_equal(url_check_control("http://localhost:9222", &s, &err), -EACCES);
	assert_int_equal(url_check_control("wss://anywhere/x", &by_port, &err), 0);
	assert_int_equal(url_check_control("ws://anywhere/x", &by_port, &err), -EACCES);
	assert_int_equal(url_check_control("file:///x", &open_settings, &err), -EACCES);
	assert_int_equal(url_check_control("ftp://x/", &open_settings, &err), -EACCES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages),
		cmocka_unit_test(private_addresses),
		cmocka_unit_test(control_addresses),
	};

	return cmocka_run_group_tests_name("browser url", tests, NULL, NULL);
}
