/* SPDX-License-Identifier: MIT */
/* The table of sessions is bounded: what nobody set anything for makes room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "broker/sessions.h"

static struct sessions *open_empty(void)
{
	struct sessions *sessions = NULL;
	char *notice = NULL;
	struct error err;

	/* SQLite's own, in memory. */
	assert_int_equal(sessions_open(":memory:", &sessions, &notice, &err), 0);
	assert_null(notice);
	return sessions;
}

static int touch(struct sessions *sessions, int number, struct error *err)
{
	char key[32];

	(void)snprintf(key, sizeof(key), "key-%d", number);
	return sessions_touch(sessions, key, "main", number, err);
}

static int direct(struct sessions *sessions, int number, struct error *err)
{
	static char off[] = "off";
	const struct session_directives given = {.elevated = off};
	char key[32];

	(void)snprintf(key, sizeof(key), "key-%d", number);
	return sessions_direct(sessions, key, "main", &given, number, err);
}

static size_t count(struct sessions *sessions, const char *key)
{
	json_t *list = sessions_list(sessions, key);
	size_t n = json_array_size(list);

	json_decref(list);
	return n;
}

static void the_unused_make_room(void **state)
{
	struct sessions *sessions = open_empty();
	struct error err;

	(void)state;
	assert_int_equal(direct(sessions, 0, &err), 0);
	for (int i = 1; i <= 2 * LIMIT_SESSIONS; i++) {
		assert_int_equal(touch(sessions, i, &err), 1);
	}
	assert_in_range(count(sessions, NULL), LIMIT_SESSIONS / 2, LIMIT_SESSIONS);
	/* The oldest of all was told something; the next one was not. */
	assert_int_equal(count(sessions, "key-0"), 1);
	assert_int_equal(count(sessions, "key-1"), 0);
	/* One that is there needs no room. */
	assert_int_equal(touch(sessions, 2 * LIMIT_SESSIONS, &err), 0);
	(void)sessions_close(sessions);
}

static void what_has_directives_stays(void **state)
{
	struct sessions *sessions = open_empty();
	struct error err;

	(void)state;
	for (int i = 0; i < LIMIT_SESSIONS; i++) {
		assert_int_equal(direct(sessions, i, &err), 0);
	}
	assert_int_equal(direct(sessions, LIMIT_SESSIONS, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "end some"));
	assert_int_equal(touch(sessions, LIMIT_SESSIONS, &err), -ENOSPC);
	assert_int_equal(direct(sessions, 0, &err), 0);
	assert_int_equal(sessions_end(sessions, "key-7", &err), 1);
	assert_int_equal(sessions_end(sessions, "key-7", &err), 0);
	assert_int_equal(direct(sessions, LIMIT_SESSIONS, &err), 0);
	(void)sessions_close(sessions);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_unused_make_room),
		cmocka_unit_test(what_has_directives_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
