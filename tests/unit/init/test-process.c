/* SPDX-License-Identifier: MIT */
/* Commands in a real creel-init: streams, statuses, credit, signals, terminals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "rig.h"

static int start(void **state)
{
	*state = rig_start(false);
	return 0;
}

static int stop(void **state)
{
	int status = rig_finish(*state);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	return 0;
}

static void exit_codes_and_streams(void **state)
{
	struct rig *rig = *state;
	_cleanup_run_ struct run run = {0};

	assert_int_equal(run_to_end(&run, rig, "echo out; echo err >&2; exit 7", 0), 7);
	assert_string_equal(run.out.data, "out\n");
	assert_string_equal(run.err.data, "err\n");
	assert_int_equal(run.end.out_bytes, 4);
	assert_int_equal(run.end.err_bytes, 4);
	assert_true(run.spawned);
	assert_true(run.end.max_rss_kib > 0);
	run_forget(&run);
}

static void many_short_commands(void **state)
{
	struct rig *rig = *state;

	for (int i = 0; i < 200; i++) {
		_cleanup_run_ struct run run = {0};
		const char *const argv[] = {"true", NULL};

		run_argv(&run, rig, argv, 0);
		rig_until(rig, &run.exited);
		assert_false(run.failed);
		assert_int_equal(run.end.code, 0);
		run_forget(&run);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exit_codes_and_streams),
		cmocka_unit_test(many_short_commands),
	};

	return cmocka_run_group_tests_name("init process", tests, start, stop);
}
