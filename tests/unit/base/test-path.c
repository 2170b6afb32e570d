/* SPDX-License-Identifier: MIT */
/* Path text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/path.h"

static const char *const normal[][2] = {
	{"/", "/"},
	{"//", "/"},
	{"/.", "/"},
	{"/..", "/"},
	{"/../..", "/"},
	{"/../../a", "/a"},
	{"/a", "/a"},
	{"/a/", "/a"},
	{"//a//b//", "/a/b"},
	{"/a/./b//../c/", "/a/c"},
	{"/a/b/../..", "/"},
	{"/a/b/../../..", "/"},
	{"/a/../b", "/b"},
	{"/./a/.", "/a"},
	{"/...", "/..."},
	{"/..a/.b/b..", "/..a/.b/b.."},
	{"/a/..b/../c", "/a/c"},
	{"/ /\n", "/ /\n"},
};

static void normalising(void **state)
{
	_cleanup_arena_ struct arena a = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(normal); i++) {
		assert_string_equal(path_normalize(&a, normal[i][0]), normal[i][1]);
		assert_string_equal(path_normalize(&a, normal[i][1]), normal[i][1]);
	}
}

/* Every text of up to 8 of the characters that matter: the result is absolute, has no empty, "."
 * or ".." part, and normalising it again changes nothing. */
static void normalising_any_text(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 3 * 3 * 3 * 3 * 3 * 3 * 3 * 3; n++) {
		_cleanup_arena_ struct arena a = {0};
		char text[10] = "/";
		unsigned rest = n;
		char *out;

		for (size_t i = 1; i < 9; i++) {
			text[i] = "/.a"[rest % 3];
			rest /= 3;
		}
		out = path_normalize(&a, text);
		assert_int_equal(out[0], '/');
		assert_null(strstr(out, "//"));
		assert_string_equal(path_normalize(&a, out), out);
		if (strcmp(out, "/") != 0) {
			assert_int_not_equal(out[strlen(out) - 1], '/');
			strcat(out, "/");
			assert_null(strstr(out, "/./"));
			assert_null(strstr(out, "/../"));
		}
	}
}

static void absolute(void **state)
{
	(void)state;
	assert_true(path_is_absolute("/"));
	assert_true(path_is_absolute("/a"));
	assert_false(path_is_absolute(""));
	assert_false(path_is_absolute("a/"));
	assert_false(path_is_absolute("~/a"));
}

static void below(void **state)
{
	(void)state;
	assert_true(path_is_below("/a", "/a"));
	assert_true(path_is_below("/a/b", "/a"));
	assert_true(path_is_below("/a/b/c", "/a/b"));
	assert_true(path_is_below("/", "/"));
	assert_true(path_is_below("/a", "/"));
	assert_false(path_is_below("/ab", "/a"));
	assert_false(path_is_below("/a", "/a/b"));
	assert_false(path_is_below("/", "/a"));
	assert_false(path_is_below("/b/a", "/a"));
	assert_false(path_is_below("a", "/"));
}

static void joining(void **state)
{
	_cleanup_arena_ struct arena a = {0};

	(void)state;
	assert_string_equal(path_join(&a, "/a", "b"), "/a/b");
	assert_string_equal(path_join(&a, "/a/", "b/c"), "/a/b/c");
	assert_string_equal(path_join(&a, "/", "b"), "/b");
	assert_string_equal(path_join(&a, "/a", "/b"), "/b");
	assert_string_equal(path_join(&a, "a", "../b"), "a/../b");
}

static void base_names(void **state)
{
	(void)state;
	assert_string_equal(path_basename("/a/b"), "b");
	assert_string_equal(path_basename("b"), "b");
	assert_string_equal(path_basename("/"), "");
	assert_string_equal(path_basename("/a/"), "");
	assert_string_equal(path_basename(""), "");
}

static void home(void **state)
{
	_cleanup_arena_ struct arena a = {0};

	(void)state;
	assert_string_equal(path_expand_home(&a, "~", "/h"), "/h");
	assert_string_equal(path_expand_home(&a, "~/x", "/h"), "/h/x");
	assert_string_equal(path_expand_home(&a, "~/x", "/"), "/x");
	assert_string_equal(path_expand_home(&a, "~user/x", "/h"), "~user/x");
	assert_string_equal(path_expand_home(&a, "/~", "/h"), "/~");
	assert_string_equal(path_expand_home(&a, "a~", "/h"), "a~");
	assert_string_equal(path_expand_home(&a, "", "/h"), "");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(normalising),
		cmocka_unit_test(normalising_any_text),
		cmocka_unit_test(absolute),
		cmocka_unit_test(below),
		cmocka_unit_test(joining),
		cmocka_unit_test(base_names),
		cmocka_unit_test(home),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
