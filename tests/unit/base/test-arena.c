/* SPDX-License-Identifier: MIT */
/* The arena: zeroed, aligned, disjoint pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"

static void an_untouched_arena_finishes(void **state)
{
	struct arena a = {0};

	(void)state;
	arena_finish(&a);
	arena_finish(&a);
	assert_null(a.chunks);
}

static void pieces_are_zeroed_aligned_and_disjoint(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	/* Around the alignment, around a chunk and well above one. */
	static const size_t sizes[] = {
		0, 1, 15, 16, 17, 0, 8000, 8127, 8128, 8129, 100000, 1, 3, 4096};
	unsigned char *pieces[ARRAY_SIZE(sizes) * 20];
	size_t n = 0;

	(void)state;
	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			unsigned char *p = arena_alloc(&a, sizes[i]);

			assert_int_equal((uintptr_t)p % 16, 0);
			for (size_t k = 0; k < sizes[i]; k++) {
				assert_int_equal(p[k], 0);
			}
			memset(p, (int)(n % 255 + 1), sizes[i]);
			pieces[n++] = p;
		}
	}
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < sizes[i % ARRAY_SIZE(sizes)]; k++) {
			assert_int_equal(pieces[i][k], i % 255 + 1);
		}
		for (size_t k = i + 1; k < n; k++) {
			assert_ptr_not_equal(pieces[i], pieces[k]);
		}
	}
}

/* Also where the memory is that of an arena before. */
static void a_second_life_is_zeroed(void **state)
{
	static const size_t sizes[] = {1, 500, 8000};

	(void)state;
	for (int round = 0; round < 3; round++) {
		_cleanup_arena_ struct arena a = {0};
		_cleanup_arena_ struct arena b = {0};
		_cleanup_arena_ struct arena c = {0};
		struct arena *arenas[] = {&a, &b, &c};

		for (size_t i = 0; i < ARRAY_SIZE(sizes) * ARRAY_SIZE(arenas); i++) {
			size_t size = sizes[i / ARRAY_SIZE(arenas)];
			unsigned char *p = arena_alloc(arenas[i % ARRAY_SIZE(arenas)], size);

			for (size_t k = 0; k < size; k++) {
				assert_int_equal(p[k], 0);
			}
			memset(p, (int)i + 1, size);
		}
		for (size_t i = 0; i < ARRAY_SIZE(arenas); i++) {
			for (size_t k = i + 1; k < ARRAY_SIZE(arenas); k++) {
				assert_ptr_not_equal(arenas[i]->chunks, arenas[k]->chunks);
			}
		}
	}
}

static void a_large_piece_does_not_waste_the_chunk(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	char *first = arena_alloc(&a, 16);

	(void)state;
	(void)arena_alloc(&a, 1000000);
	assert_ptr_equal((char *)arena_alloc(&a, 16), first + 16);
}

static void text_is_copied(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	char source[] = "wicker";
	char *copy = arena_strdup(&a, source);
	char *cut = arena_strndup(&a, source, 4);
	char *whole = arena_strndup(&a, source, 400);

	(void)state;
	source[0] = 'x';
	assert_string_equal(copy, "wicker");
	assert_string_equal(cut, "wick");
	assert_string_equal(whole, "wicker");
	assert_null(arena_strdup(&a, NULL));
	assert_string_equal(arena_strdup(&a, ""), "");
}

static void strndup_reads_no_further_than_len(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	const char unterminated[3] = {'a', 'b', 'c'};

	(void)state;
	assert_string_equal(arena_strndup(&a, unterminated, 3), "abc");
}

static void printf_formats(void **state)
{
	_cleanup_arena_ struct arena a = {0};
	char *text = arena_printf(&a, "%s-%d", "a", 7);
	char *big = arena_printf(&a, "%*s", 20000, "x");

	(void)state;
	assert_string_equal(text, "a-7");
	assert_int_equal(strlen(big), 20000);
	assert_string_equal(arena_printf(&a, "%s", ""), "");
}

/* Which signal ends a child that asks for count pieces of size. */
static int fatal_signal(size_t count, size_t size)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		_cleanup_arena_ struct arena a = {0};

		(void)close(STDERR_FILENO);
		(void)arena_calloc(&a, count, size);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void an_impossible_size_aborts(void **state)
{
	(void)state;
	assert_int_equal(fatal_signal(3, 5), 0);
	assert_int_equal(fatal_signal(SIZE_MAX / 2, 3), SIGABRT);
	assert_int_equal(fatal_signal(SIZE_MAX, 1), SIGABRT);
	assert_int_equal(fatal_signal(SIZE_MAX / 2 + 2, 1), SIGABRT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_untouched_arena_finishes),
		cmocka_unit_test(pieces_are_zeroed_aligned_and_disjoint),
		cmocka_unit_test(a_second_life_is_zeroed),
		cmocka_unit_test(a_large_piece_does_not_waste_the_chunk),
		cmocka_unit_test(text_is_copied),
		cmocka_unit_test(strndup_reads_no_further_than_len),
		cmocka_unit_test(printf_formats),
		cmocka_unit_test(an_impossible_size_aborts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
