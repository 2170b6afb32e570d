/* SPDX-License-Identifier: MIT */
/* The exit status that a shell would give for every way a session can end. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macro.h"
#include "cli/session.h"

static void test_status(void **state)
{
	static const struct {
		struct session_result result;
		int status;
	} cases[] = {
		{{.end = SESSION_EXITED, .exited = {.code = 0}}, 0},
		{{.end = SESSION_EXITED, .exited = {.code = 7}}, 7},
		{{.end = SESSION_EXITED, .exited = {.code = 255}}, 255},
		{{.end = SESSION_EXITED, .exited = {.code = -1, .signal = SIGSEGV}}, 139},
		{{.end = SESSION_EXITED, .exited = {.code = -1, .signal = SIGPIPE}}, 141},
		{{.end = SESSION_EXITED, .exited = {.code = -1, .signal = SIGKILL}}, 137},
		/* It minded TERM, or not: the caller sent TERM either way. */
		{{.end = SESSION_EXITED,
			 .exited = {.code = -1, .signal = SIGTERM},
			 .signal = SIGTERM},
			143},
		{{.end = SESSION_EXITED,
			 .exited = {.code = -1, .signal = SIGKILL},
			 .signal = SIGTERM},
			143},
		{{.end = SESSION_EXITED,
			 .exited = {.code = -1, .signal = SIGKILL},
			 .signal = SIGHUP},
			129},
		{{.end = SESSION_EXITED, .exited = {.code = 3}, .signal = SIGTERM}, 3},
		{{.end = SESSION_EXITED, .exited = {.code = 0}, .timed_out = true}, 124},
		{{.end = SESSION_EXITED,
			 .exited = {.code = -1, .signal = SIGTERM},
			 .timed_out = true},
			124},
		{{.end = SESSION_EXITED,
			 .exited = {.code = -1, .signal = SIGTERM},
			 .broken_pipe = true},
			141},
		{{.end = SESSION_FAILED, .failed_stage = WIRE_FAIL_EXEC, .failed_num = ENOENT},
			127},
		{{.end = SESSION_FAILED, .failed_stage = WIRE_FAIL_EXEC, .failed_num = ENOTDIR},
			127},
		{{.end = SESSION_FAILED, .failed_stage = WIRE_FAIL_EXEC, .failed_num = EACCES},
			126},
		{{.end = SESSION_FAILED, .failed_stage = WIRE_FAIL_EXEC, .failed_num = ENOEXEC},
			126},
		{{.end = SESSION_FAILED, .failed_stage = WIRE_FAIL_EXEC, .failed_num = E2BIG}, 126},
		{{.end = SESSION_FAILED, .failed_stage = WIRE_FAIL_CWD, .failed_num = ENOENT}, 125},
		{{.end = SESSION_FAILED, .failed_stage = WIRE_FAIL_RESOURCES, .failed_num = EAGAIN},
			125},
		{{.end = SESSION_FAILED, .failed_stage = WIRE_FAIL_REQUEST, .failed_num = EINVAL},
			125},
		{{.end = SESSION_LOST}, 125},
		{{.end = SESSION_LOST, .signal = SIGTERM}, 143},
		{{.end = SESSION_LOST, .timed_out = true}, 124},
		{{.end = SESSION_OUTPUT}, 125},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(session_status(&cases[i].result), cases[i].status);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_status)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
