/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include <ctype.h>
#include <string.h>

#include "base/random.h"

static void letters(void **state)
{
	char a[33], b[33];

	(void)state;
	random_letters(a, 32);
	random_letters(b, 32);
	assert_int_equal(strlen(a), 32);
	assert_string_not_equal(a, b);
	for (size_t i = 0; i < 32; i++) {
		assert_true(isalnum((unsigned char)a[i]));
	}
	random_letters(a, 0);
	assert_string_equal(a, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(letters)};

	return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
