/* SPDX-License-Identifier: MIT */
/* Allocation that aborts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/own.h"

static void an_empty_request_gives_memory(void **state)
{
	_cleanup_free_ void *a = xmalloc(0);
	_cleanup_free_ void *b = xcalloc(0, 8);
	_cleanup_free_ void *c = xcalloc(8, 0);
	_cleanup_free_ void *d = xreallocarray(NULL, 0, 1);

	(void)state;
	assert_non_null(a);
	assert_non_null(b);
	assert_non_null(c);
	assert_non_null(d);
}

static void calloc_zeroes_and_realloc_keeps(void **state)
{
	_cleanup_free_ char *p = xcalloc(4, 4);

	(void)state;
	for (int i = 0; i < 16; i++) {
		assert_int_equal(p[i], 0);
	}
	memset(p, 'k', 16);
	p = xreallocarray(p, 1000, 16);
	for (int i = 0; i < 16; i++) {
		assert_int_equal(p[i], 'k');
	}
	p = xreallocarray(p, 0, 0);
	assert_non_null(p);
}

static void text_is_copied(void **state)
{
	const char unterminated[2] = {'a', 'b'};
	_cleanup_free_ char *a = xstrdup("abc");
	_cleanup_free_ char *b = xstrndup("abc", 2);
	_cleanup_free_ char *c = xstrndup("abc", 99);
	_cleanup_free_ char *d = xstrndup(unterminated, 2);
	_cleanup_free_ char *e = xasprintf("%s=%d", "n", 3);

	(void)state;
	assert_string_equal(a, "abc");
	assert_string_equal(b, "ab");
	assert_string_equal(c, "abc");
	assert_string_equal(d, "ab");
	assert_string_equal(e, "n=3");
}

static volatile size_t huge = SIZE_MAX / 2 - 4096;

static void ask_malloc(void)
{
	free(xmalloc(huge));
}

static void ask_calloc(void)
{
	free(xcalloc(huge, 4));
}

static void ask_realloc(void)
{
	free(xreallocarray(NULL, huge, 1));
}

static void ask_realloc_overflow(void)
{
	free(xreallocarray(NULL, huge, 8));
}

static void ask_little(void)
{
	free(xmalloc(100));
}

static int fatal_signal(void (*fn)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		const struct rlimit no_core = {0, 0};

		(void)setrlimit(RLIMIT_CORE, &no_core);
		(void)close(STDERR_FILENO);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void what_cannot_be_had_aborts(void **state)
{
	(void)state;
	assert_int_equal(fatal_signal(ask_little), 0);
	assert_int_equal(fatal_signal(ask_malloc), SIGABRT);
	assert_int_equal(fatal_signal(ask_calloc), SIGABRT);
	assert_int_equal(fatal_signal(ask_realloc), SIGABRT);
	assert_int_equal(fatal_signal(ask_realloc_overflow), SIGABRT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_request_gives_memory),
		cmocka_unit_test(calloc_zeroes_and_realloc_keeps),
		cmocka_unit_test(text_is_copied),
		cmocka_unit_test(what_cannot_be_had_aborts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
