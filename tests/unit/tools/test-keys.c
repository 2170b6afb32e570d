/* SPDX-License-Identifier: MIT */
/* Key tokens, hex bytes, base64 and names. */
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
#include "tools/base64.h"
#include "tools/keys.h"
#include "tools/slug.h"

static void test_tokens(void **state)
{
	static const struct {
		const char *token, *bytes;
		size_t len;
		bool known;
	} cases[] = {
		{"Enter", "\r", 1, true},
		{"enter", "\r", 1, true},
		{"BTab", "\x1b[Z", 3, true},
		{"S-Tab", "\x1b[Z", 3, true},
		{"^C", "\x03", 1, true},
		{"C-c", "\x03", 1, true},
		{"C-[", "\x1b", 1, true},
		{"C-Space", "\0", 1, true},
		{"M-x", "\x1bx", 2, true},
		{"C-M-d", "\x1b\x04", 2, true},
		{"S-a", "A", 1, true},
		{"Up", "\x1b[A", 3, true},
		{"C-Up", "\x1b[1;5A", 6, true},
		{"S-M-Left", "\x1b[1;4D", 6, true},
		{"PgDn", "\x1b[6~", 4, true},
		{"C-Delete", "\x1b[3;5~", 6, true},
		{"F1", "\x1bOP", 3, true},
		{"S-F1", "\x1b[1;2P", 6, true},
		{"F12", "\x1b[24~", 5, true},
		{"KP0", "\x1bOp", 3, true},
		{"KP/", "\x1bOo", 3, true},
		{"KPEnter", "\x1bOM", 3, true},
		{"a", "a", 1, true},
		{"hello", "hello", 5, true},
		{"C-hello", "C-hello", 7, false},
		{"C-", "C-", 2, true},
		{"", "", 0, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buf_ struct buf out = {0};
		bool known = keys_add_token(&out, cases[i].token);

		if (known != cases[i].known || out.len != cases[i].len ||
			(out.len > 0 && memcmp(out.data, cases[i].bytes, out.len) != 0)) {
			fail_msg("token '%s'", cases[i].token);
		}
	}
}

static void test_hex(void **state)
{
	static const char *const bad[] = {"", "0x", "1b2", "g", "0x1g", "-1"};
	_cleanup_buf_ struct buf out = {0};

	(void)state;
	assert_int_equal(keys_add_hex(&out, "1b"), 0);
	assert_int_equal(keys_add_hex(&out, "0xFF"), 0);
	assert_int_equal(keys_add_hex(&out, "a"), 0);
	assert_memory_equal(out.data, "\x1b\xff\x0a", 3);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(keys_add_hex(&out, bad[i]), -EINVAL);
	}
	assert_int_equal(out.len, 3);
}

static void test_base64(void **state)
{
	/* RFC 4648 section 10 */
	static const char *const cases[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="},
		{"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buf_ struct buf out = {0};

		base64_add(&out, cases[i][0], strlen(cases[i][0]));
		assert_string_equal(out.data != NULL ? out.data : "", cases[i][1]);
	}
}

static void test_command_names(void **state)
{
	static const char *const cases[][2] = {
		{"make -j2 all", "make all"},
		{"  ls  ", "ls"},
		{"python3 -u -m http.server", "python3 http.server"},
		{"", ""},
		{"x 01234567890123456789012345678901234567890123456789",
			"x 0123456789012345678901234567890123456789012345"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *name = slug_command_name(cases[i][0]);

		assert_string_equal(name, cases[i][1]);
		free(name);
	}
}

static bool always_taken_but(const void *arg, const char *slug)
{
	return strncmp(slug, arg, strlen(arg)) != 0;
}

static void test_slugs(void **state)
{
	char *slug = slug_new(always_taken_but, "");

	(void)state;
	assert_non_null(strchr(slug, '-'));
	free(slug);
	slug = slug_new(always_taken_but, "process-");
	assert_string_equal(slug, "process-13");
	free(slug);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_hex),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_command_names),
		cmocka_unit_test(test_slugs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
