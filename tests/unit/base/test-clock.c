/* SPDX-License-Identifier: MIT */
/* Deadlines on the monotonic clock. Nothing here waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>

#include "base/clock.h"

static void time_never_goes_back(void **state)
{
	uint64_t before = clock_now_ns();

	(void)state;
	assert_true(before > 0);
	for (int i = 0; i < 1000; i++) {
		uint64_t now = clock_now_ns();

		assert_true(now >= before);
		before = now;
	}
}

static void a_passed_deadline_leaves_nothing(void **state)
{
	(void)state;
	assert_int_equal(clock_left_ms(0), 0);
	assert_int_equal(clock_left_ms(clock_now_ns()), 0);
}

static void never_is_minus_one(void **state)
{
	(void)state;
	assert_int_equal(clock_left_ms(UINT64_MAX), -1);
	assert_int_equal(clock_left_ms(clock_after_ns(UINT64_MAX)), -1);
}

static void a_far_deadline_is_clamped(void **state)
{
	(void)state;
	assert_int_equal(clock_left_ms(UINT64_MAX - 1), INT_MAX);
}

static void what_is_left_is_rounded_up(void **state)
{
	int left = clock_left_ms(clock_after_ns(1000 * NS_PER_S));

	(void)state;
	/* However slow the machine, it is not more than what was asked for. */
	assert_true(left > 0 && left <= 1000000);
}

static void a_delay_is_added(void **state)
{
	uint64_t before = clock_now_ns();
	uint64_t then = clock_after_ns(5 * NS_PER_MS);
	uint64_t after = clock_now_ns();

	(void)state;
	assert_true(then >= before + 5 * NS_PER_MS);
	assert_true(then <= after + 5 * NS_PER_MS);
	assert_true(clock_after_ns(UINT64_MAX - 1) == UINT64_MAX);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_never_goes_back),
		cmocka_unit_test(a_passed_deadline_leaves_nothing),
		cmocka_unit_test(never_is_minus_one),
		cmocka_unit_test(a_far_deadline_is_clamped),
		cmocka_unit_test(what_is_left_is_rounded_up),
		cmocka_unit_test(a_delay_is_added),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
