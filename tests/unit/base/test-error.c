/* SPDX-License-Identifier: MIT */
/* The error struct: texts, numbers, cutting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/error.h"

static void set_appends_the_reason(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(error_set(&err, ENOENT, "cannot open '%s'", "x"), -ENOENT);
	assert_int_equal(err.num, ENOENT);
	assert_string_equal(err.text, "cannot open 'x': No such file or directory");
}

static void plain_does_not(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(error_plain(&err, EINVAL, "%d is odd", 3), -EINVAL);
	assert_int_equal(err.num, EINVAL);
	assert_string_equal(err.text, "3 is odd");
}

static void prefix_puts_context_in_front(void **state)
{
	struct error err;

	(void)state;
	(void)error_plain(&err, EPERM, "inner");
	assert_int_equal(error_prefix(&err, "outer %d", 1), -EPERM);
	assert_int_equal(error_prefix(&err, "top"), -EPERM);
	assert_int_equal(err.num, EPERM);
	assert_string_equal(err.text, "top: outer 1: inner");
}

static void long_texts_are_cut_and_terminated(void **state)
{
	char fill[5000];

	(void)state;
	memset(fill, 'x', sizeof(fill) - 1);
	fill[sizeof(fill) - 1] = '\0';
	/* Around the size of the field, where an off-by-one would show under ASan. */
	for (size_t len = sizeof(((struct error *)0)->text) - 40;
		len < sizeof(((struct error *)0)->text) + 4; len++) {
		struct error err;

		(void)error_set(&err, ENOENT, "%.*s", (int)len, fill);
		assert_true(strlen(err.text) < sizeof(err.text));
		assert_int_equal(err.text[0], 'x');
		(void)error_prefix(&err, "%.*s", (int)len, fill);
		assert_true(strlen(err.text) < sizeof(err.text));
		assert_int_equal(err.num, ENOENT);
	}
	{
		struct error err;

		(void)error_plain(&err, EIO, "%s", fill);
		assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_appends_the_reason),
		cmocka_unit_test(plain_does_not),
		cmocka_unit_test(prefix_puts_context_in_front),
		cmocka_unit_test(long_texts_are_cut_and_terminated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
