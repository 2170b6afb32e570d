/* SPDX-License-Identifier: MIT */
/* The byte buffer: its invariants, its ceiling, the escaping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/own.h"

static void assert_valid(const struct buf *b)
{
	if (b->data != NULL) {
		assert_true(b->len < b->cap);
		assert_int_equal(b->data[b->len], '\0');
	} else {
		assert_int_equal(b->len, 0);
	}
	if (b->max > 0) {
		assert_true(b->len <= b->max);
	}
}

static void a_zeroed_buffer_is_empty_and_has_no_ceiling(void **state)
{
	_cleanup_buf_ struct buf b = {0};

	(void)state;
	assert_valid(&b);
	for (int i = 0; i < 100000; i++) {
		buf_add_char(&b, 'x');
	}
	assert_false(b.overflow);
	assert_int_equal(b.len, 100000);
	assert_valid(&b);
}

static void appends_add_up(void **state)
{
	_cleanup_buf_ struct buf b = {0};

	(void)state;
	buf_add(&b, "a\0b", 3);
	buf_add(&b, NULL, 0);
	buf_add_str(&b, "");
	buf_add_str(&b, "cd");
	buf_addf(&b, "%d%s", 12, "e");
	assert_int_equal(b.len, 8);
	assert_memory_equal(b.data, "a\0bcd12e", 9);
	assert_valid(&b);
}

static void integers_are_little_endian(void **state)
{
	_cleanup_buf_ struct buf b = {0};

	(void)state;
	buf_add_u8(&b, 0xfe);
	buf_add_u16le(&b, 0x0102);
	buf_add_u32le(&b, 0x03040506U);
	buf_add_u64le(&b, UINT64_C(0x0708090a0b0c0d0e));
	assert_int_equal(b.len, 15);
	assert_memory_equal(
		b.data, "\xfe\x02\x01\x06\x05\x04\x03\x0e\x0d\x0c\x0b\x0a\x09\x08\x07", 15);
}

static void the_ceiling_is_exact(void **state)
{
	/* Every ceiling, every way to meet it. */
	(void)state;
	for (size_t max = 1; max < 200; max++) {
		struct buf b;

		buf_init(&b, max);
		for (size_t i = 0; i < max; i++) {
			buf_add_char(&b, 'x');
		}
		assert_false(b.overflow);
		assert_int_equal(b.len, max);
		buf_add(&b, NULL, 0);
		assert_false(b.overflow);
		buf_add_char(&b, 'y');
		assert_true(b.overflow);
		assert_int_equal(b.len, max);
		assert_valid(&b);
		buf_finish(&b);
		assert_null(b.data);
		assert_int_equal(b.len, 0);
	}
}

static void an_append_that_passes_the_ceiling_adds_nothing(void **state)
{
	_cleanup_buf_ struct buf b = {0};

	(void)state;
	buf_init(&b, 5);
	buf_add_str(&b, "abc");
	buf_addf(&b, "%s", "def");
	assert_true(b.overflow);
	assert_string_equal(b.data, "abc");
	/* Would fit, but the chain is already broken. */
	buf_add_char(&b, 'd');
	assert_string_equal(b.data, "abc");
	assert_null(buf_reserve(&b, 1));
	buf_clear(&b);
	assert_false(b.overflow);
	assert_string_equal(b.data, "");
	buf_add_str(&b, "12345");
	assert_false(b.overflow);
	assert_string_equal(b.data, "12345");
}

static void a_huge_length_overflows_without_wrapping(void **state)
{
	_cleanup_buf_ struct buf b = {0};

	(void)state;
	buf_add_char(&b, 'x');
	assert_null(buf_reserve(&b, SIZE_MAX));
	assert_true(b.overflow);
	buf_clear(&b);
	assert_null(buf_reserve(&b, SIZE_MAX / 2 + 1));
	buf_clear(&b);
	b.max = 10;
	assert_null(buf_reserve(&b, SIZE_MAX - 1));
	assert_int_equal(b.len, 0);
}

static void reserve_and_commit_fill_in_place(void **state)
{
	_cleanup_buf_ struct buf b = {0};
	char *room;

	(void)state;
	buf_add_str(&b, "ab");
	room = buf_reserve(&b, 500);
	assert_non_null(room);
	assert_ptr_equal(room, b.data + 2);
	memset(room, 'z', 500);
	assert_int_equal(b.len, 2);
	buf_commit(&b, 3);
	assert_string_equal(b.data, "abzzz");
	buf_commit(&b, 0);
	assert_string_equal(b.data, "abzzz");
	assert_non_null(buf_reserve(&b, 0));
}

static void consume_drops_the_front(void **state)
{
	_cleanup_buf_ struct buf b = {0};

	(void)state;
	buf_consume(&b, 0);
	buf_add_str(&b, "abcdef");
	buf_consume(&b, 0);
	buf_consume(&b, 2);
	assert_string_equal(b.data, "cdef");
	buf_consume(&b, 4);
	assert_string_equal(b.data, "");
	assert_int_equal(b.len, 0);
}

static void take_moves_the_memory(void **state)
{
	_cleanup_buf_ struct buf b = {0};
	_cleanup_free_ char *empty = NULL;
	_cleanup_free_ char *text = NULL;

	(void)state;
	buf_init(&b, 9);
	empty = buf_take(&b);
	assert_string_equal(empty, "");
	buf_add_str(&b, "abc");
	text = buf_take(&b);
	assert_string_equal(text, "abc");
	assert_null(b.data);
	assert_int_equal(b.len, 0);
	/* The ceiling stays. */
	buf_add_str(&b, "0123456789");
	assert_true(b.overflow);
}

static void clear_before_any_append_is_fine(void **state)
{
	struct buf b = {0};

	(void)state;
	buf_clear(&b);
	assert_null(b.data);
	buf_finish(&b);
}

static const struct {
	const char *in;
	size_t limit;
	const char *out;
} escape_cases[] = {
	{"", 0, ""},
	{"plain ~text", 0, "plain ~text"},
	{"a\nb\rc\td", 0, "a\\x0ab\\x0dc\\x09d"},
	{"\x1b[31m\x7f", 0, "\\x1b[31m\\x7f"},
	{"it's \\ \"", 0, "it\\x27s \\ \""},
	{"\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x9f", 0, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x9f"},
	/* C1 controls are two bytes long. */
	{"\xc2\x9b\xc2\x80\xc2\x9f\xc2\xa0", 0, "\\xc2\\x9b\\xc2\\x80\\xc2\\x9f\xc2\xa0"},
	/* Not UTF-8: lone continuation, overlong, surrogate, above U+10FFFF, bad lead, truncated. */
	{"\x80", 0, "\\x80"},
	{"\xc0\xaf\xc1\xbf", 0, "\\xc0\\xaf\\xc1\\xbf"},
	{"\xe0\x9f\xbf", 0, "\\xe0\\x9f\\xbf"},
	{"\xe0\xa0\x80", 0, "\xe0\xa0\x80"},
	{"\xed\xa0\x80", 0, "\\xed\\xa0\\x80"},
	{"\xed\x9f\xbf", 0, "\xed\x9f\xbf"},
	{"\xf0\x8f\xbf\xbf", 0, "\\xf0\\x8f\\xbf\\xbf"},
	{"\xf0\x90\x80\x80", 0, "\xf0\x90\x80\x80"},
	{"\xf4\x90\x80\x80", 0, "\\xf4\\x90\\x80\\x80"},
	{"\xf4\x8f\xbf\xbf", 0, "\xf4\x8f\xbf\xbf"},
	{"\xf5\xff", 0, "\\xf5\\xff"},
	{"\xe2\x82", 0, "\\xe2\\x82"},
	{"\xe2\x82\x28", 0, "\\xe2\\x82("},
	{"\xe2\x82\xc0", 0, "\\xe2\\x82\\xc0"},
	{"\xc3\x28", 0, "\\xc3("},
	/* The cut: exact, and never inside a character. */
	{"abc", 3, "abc"},
	{"abcd", 3, "abc..."},
	{"ab\xe2\x82\xac", 3, "ab\xe2\x82\xac"},
	{"ab\xe2\x82\xac!", 3, "ab\xe2\x82\xac..."},
	{"\n\n", 1, "\\x0a..."},
};

static void escaping_shows_what_cannot_be_printed(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(escape_cases); i++) {
		_cleanup_buf_ struct buf b = {0};

		buf_add_escaped(
			&b, escape_cases[i].in, strlen(escape_cases[i].in), escape_cases[i].limit);
		buf_add_char(&b, '|');
		b.data[b.len - 1] = '\0';
		assert_string_equal(b.data, escape_cases[i].out);
	}
}

static void escaping_a_nul_and_keeping_the_quote(void **state)
{
	_cleanup_buf_ struct buf b = {0};

	(void)state;
	buf_add_escaped(&b, "a\0b", 3, 0);
	assert_string_equal(b.data, "a\\x00b");
	buf_clear(&b);
	buf_add_printable(&b, "it's\0\n", 6, 0);
	assert_string_equal(b.data, "it's\\x00\\x0a");
}

/* Whatever goes in, what comes out has no control byte and no quote, and fits four times over. */
static void escaping_any_bytes_is_safe(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 5000; round++) {
		_cleanup_buf_ struct buf b = {0};
		char bytes[24];

		for (size_t i = 0; i < sizeof(bytes); i++) {
			seed = seed * 1664525U + 1013904223U;
			bytes[i] = (char)(seed >> 24);
		}
		buf_add_escaped(&b, bytes, sizeof(bytes), 0);
		assert_true(b.len <= 4 * sizeof(bytes));
		for (size_t i = 0; i < b.len; i++) {
			unsigned char c = (unsigned char)b.data[i];

			assert_true(c >= 0x20 && c != 0x7f && c != '\'');
		}
	}
}

/* Random operations against a plain array that is known to be right. */
static void random_operations_match_a_model(void **state)
{
	_cleanup_buf_ struct buf b = {0};
	char model[512];
	size_t len = 0;
	uint32_t seed = 7;

	(void)state;
	buf_init(&b, sizeof(model));
	for (int round = 0; round < 20000; round++) {
		char chunk[64];
		size_t n;

		seed = seed * 1664525U + 1013904223U;
		n = seed >> 26;
		memset(chunk, (char)(seed >> 16), sizeof(chunk));
		if ((seed >> 8) % 3 != 0) {
			buf_add(&b, chunk, n);
			if (len + n > sizeof(model)) {
				assert_true(b.overflow);
				buf_clear(&b);
				len = 0;
			} else {
				memcpy(model + len, chunk, n);
				len += n;
			}
		} else {
			n = n < len ? n : len;
			buf_consume(&b, n);
			len -= n;
			memmove(model, model + n, len);
		}
		assert_valid(&b);
		assert_int_equal(b.len, len);
		if (len > 0) {
			assert_memory_equal(b.data, model, len);
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_zeroed_buffer_is_empty_and_has_no_ceiling),
		cmocka_unit_test(appends_add_up),
		cmocka_unit_test(integers_are_little_endian),
		cmocka_unit_test(the_ceiling_is_exact),
		cmocka_unit_test(an_append_that_passes_the_ceiling_adds_nothing),
		cmocka_unit_test(a_huge_length_overflows_without_wrapping),
		cmocka_unit_test(reserve_and_commit_fill_in_place),
		cmocka_unit_test(consume_drops_the_front),
		cmocka_unit_test(take_moves_the_memory),
		cmocka_unit_test(clear_before_any_append_is_fine),
		cmocka_unit_test(escaping_shows_what_cannot_be_printed),
		cmocka_unit_test(escaping_a_nul_and_keeping_the_quote),
		cmocka_unit_test(escaping_any_bytes_is_safe),
		cmocka_unit_test(random_operations_match_a_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
