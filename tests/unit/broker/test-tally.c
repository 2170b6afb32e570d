/* SPDX-License-Identifier: MIT */
/* What the broker counts: by name and labels, and never without end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "broker/tally.h"

/* The count of one row; -1: there is none. */
static json_int_t count_of(const json_t *list, const char *label, const char *label2)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *row = json_array_get(list, i);
		const char *has = json_string_value(json_array_get(row, 1));
		const char *has2 = json_string_value(json_array_get(row, 2));

		if ((label == NULL ? has == NULL : has != NULL && strcmp(has, label) == 0) &&
			(label2 == NULL ? has2 == NULL
					: has2 != NULL && strcmp(has2, label2) == 0)) {
			return json_integer_value(json_array_get(row, 3));
		}
	}
	return -1;
}

static void rows_are_told_apart(void **state)
{
	struct tally *tally = tally_new();
	json_t *list;

	(void)state;
	tally_add(tally, "denials", "tool", "a");
	tally_add(tally, "denials", "tool", "a");
	tally_add(tally, "denials", "tool", "b");
	tally_add(tally, "denials", NULL, NULL);
	tally_add(tally, "reloads", "\xff", NULL);
	list = tally_json(tally);
	assert_int_equal(json_array_size(list), 4);
	assert_int_equal(count_of(list, "tool", "a"), 2);
	assert_int_equal(count_of(list, "tool", "b"), 1);
	assert_int_equal(count_of(list, NULL, NULL), 1);
	assert_int_equal(count_of(list, "other", NULL), 1);
	json_decref(list);
	(void)tally_free(tally);
}

static void new_ones_become_others(void **state)
{
	enum { MORE = 100 };
	struct tally *tally = tally_new();
	json_t *list;

	(void)state;
	for (int i = 0; i < LIMIT_METRIC_SERIES + MORE; i++) {
		char label[32];

		(void)snprintf(label, sizeof(label), "rule-%d", i);
		tally_add(tally, "denials", "tool", label);
	}
	tally_add(tally, "denials", "tool", "rule-0");
	list = tally_json(tally);
	assert_int_equal(json_array_size(list), LIMIT_METRIC_SERIES + 1);
	assert_int_equal(count_of(list, "tool", "rule-0"), 2);
	assert_int_equal(count_of(list, "other", "other"), MORE);
	json_decref(list);
	(void)tally_free(tally);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_told_apart),
		cmocka_unit_test(new_ones_become_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
