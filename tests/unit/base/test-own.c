/* SPDX-License-Identifier: MIT */
/* Scope-bound ownership. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>

#include "base/own.h"

static void a_descriptor_closes_with_its_scope(void **state)
{
	int number;

	(void)state;
	{
		_cleanup_close_ int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		assert_true(fd >= 0);
		number = fd;
		errno = EXDEV;
	}
	assert_int_equal(errno, EXDEV);
	assert_int_equal(fcntl(number, F_GETFD), -1);
	assert_int_equal(errno, EBADF);
}

static int open_null(void)
{
	_cleanup_close_ int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	return TAKE_FD(fd);
}

static void a_taken_descriptor_lives_on(void **state)
{
	_cleanup_close_ int fd = open_null();
	_cleanup_close_ int none = FD_NONE;

	(void)state;
	assert_true(fcntl(fd, F_GETFD) >= 0);
	assert_true(none < 0);
}

static void taking_leaves_the_variable_empty(void **state)
{
	_cleanup_free_ char *p = malloc(1);
	_cleanup_free_ char *q = TAKE_PTR(p);

	(void)state;
	assert_null(p);
	assert_non_null(q);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_descriptor_closes_with_its_scope),
		cmocka_unit_test(a_taken_descriptor_lives_on),
		cmocka_unit_test(taking_leaves_the_variable_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
