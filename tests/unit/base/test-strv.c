/* SPDX-License-Identifier: MIT */
/* The list of strings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/strv.h"

static void a_list_grows_and_stays_terminated(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	struct strv v = {0};

	(void)state;
	for (size_t i = 0; i < 300; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "n%zu", i);
		strv_add(&v, &a, name);
		assert_int_equal(v.count, i + 1);
		assert_true(v.cap > v.count);
		assert_null(v.items[v.count]);
	}
	for (size_t i = 0; i < 300; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "n%zu", i);
		assert_string_equal(v.items[i], name);
	}
}

static void add_copies_and_add_ref_does_not(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	struct strv v = {0};
	char text[] = "abc";

	(void)state;
	strv_add(&v, &a, text);
	strv_add_ref(&v, &a, text);
	text[0] = 'x';
	assert_string_equal(v.items[0], "abc");
	assert_ptr_equal(v.items[1], text);
}

static void membership(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	struct strv v = {0};

	(void)state;
	assert_false(strv_contains(&v, ""));
	strv_add_ref(&v, &a, "one");
	strv_add_ref(&v, &a, "two");
	assert_true(strv_contains(&v, "one"));
	assert_true(strv_contains(&v, "two"));
	assert_false(strv_contains(&v, "tw"));
	assert_false(strv_contains(&v, "two "));
	assert_false(strv_contains(&v, ""));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_grows_and_stays_terminated),
		cmocka_unit_test(add_copies_and_add_ref_does_not),
		cmocka_unit_test(membership),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
