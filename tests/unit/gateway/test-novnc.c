/* SPDX-License-Identifier: MIT */
/* Tickets of the address through which a person looks: once, and for a minute by a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "gateway/novnc.h"

/* A user of a browser, as far as a ticket goes. */
struct gateway_browser {
	int closed;
};

static uint64_t now_ns;

uint64_t __wrap_clock_now_ns(void);
uint64_t __wrap_clock_after_ns(uint64_t delay_ns);

uint64_t __wrap_clock_now_ns(void)
{
	return now_ns;
}

uint64_t __wrap_clock_after_ns(uint64_t delay_ns)
{
	return now_ns + delay_ns;
}

void gateway_browser_close(struct gateway_browser *use)
{
	if (use != NULL) {
		use->closed++;
	}
}

static void works_once(void **state)
{
	struct gateway_browser use = {0}, other = {0};
	char ticket[NOVNC_TICKET_LEN + 1], second[NOVNC_TICKET_LEN + 1];
	bool control = false;

	(void)state;
	assert_true(novnc_ticket_new(NOVNC_PAGE, &use, true, ticket));
	assert_true(novnc_ticket_new(NOVNC_PAGE, &other, false, second));
	assert_int_equal(strlen(ticket), NOVNC_TICKET_LEN);
	assert_string_not_equal(ticket, second);
	/* Not for another use, and not by its beginning. */
	assert_null(novnc_ticket_take(NOVNC_STREAM, ticket, &control));
	assert_null(novnc_ticket_take(NOVNC_PAGE, "", &control));
	assert_ptr_equal(novnc_ticket_take(NOVNC_PAGE, ticket, &control), &use);
	assert_true(control);
	assert_null(novnc_ticket_take(NOVNC_PAGE, ticket, &control));
	assert_ptr_equal(novnc_ticket_take(NOVNC_PAGE, second, &control), &other);
	assert_false(control);
	/* Whoever took it closes it. */
	assert_int_equal(use.closed, 0);
}

static void is_too_old_after_a_minute(void **state)
{
	struct gateway_browser use = {0}, late = {0};
	char ticket[NOVNC_TICKET_LEN + 1], second[NOVNC_TICKET_LEN + 1];
	bool control;

	(void)state;
	assert_int_equal(NOVNC_TICKET_MS, 60000);
	assert_true(novnc_ticket_new(NOVNC_PAGE, &use, false, ticket));
	now_ns += 59999 * NS_PER_MS;
	assert_true(novnc_ticket_new(NOVNC_STREAM, &late, false, second));
	assert_ptr_equal(novnc_ticket_take(NOVNC_PAGE, ticket, &control), &use);
	now_ns += 60000 * NS_PER_MS;
	assert_null(novnc_ticket_take(NOVNC_STREAM, second, &control));
	assert_int_equal(late.closed, 1); /* the browser is let go of */
}

static void too_many_are_refused(void **state)
{
	struct gateway_browser use = {0};
	char ticket[NOVNC_TICKET_LEN + 1];
	int made = 0;

	(void)state;
	while (made < 10000 && novnc_ticket_new(NOVNC_PAGE, &use, false, ticket)) {
		made++;
	}
	assert_in_range(made, 1, 1000);
	assert_int_equal(use.closed, 1); /* of the one that was refused */
	/* A minute later there is room again. */
	now_ns += 60000 * NS_PER_MS;
	assert_true(novnc_ticket_new(NOVNC_PAGE, &use, false, ticket));
	assert_int_equal(use.closed, 1 + made);
	novnc_finish();
	assert_int_equal(use.closed, 2 + made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(works_once),
		cmocka_unit_test(is_too_old_after_a_minute),
		cmocka_unit_test(too_many_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
