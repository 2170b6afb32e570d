/* SPDX-License-Identifier: MIT */
/* What becomes of a process's bytes: cleaning, counting, cutting, keeping the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "tools/output.h"
#include "tools/utf8.h"

static void test_clean(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"plain\tand\r\nlines\n", "plain\tand\r\nlines\n"},
		{"\033[31mred\a\b", "[31mred"},
		{"a\x7f"
		 "b",
			"ab"},
		{"h\xc3\xa9llo \xf0\x9f\x90\x9f", "h\xc3\xa9llo \xf0\x9f\x90\x9f"},
		{"\xc2\x9b"
		 "31m",
			"31m"}, /* CSI as one C1 character */
		{"x\xe2\x80\xaey", "xy"}, /* right-to-left override */
		{"x\xed\xa0\x80y", "xy"}, /* a surrogate */
		{"x\xffy", "x\xef\xbf\xbdy"},
		{"x\xc0\xafy", "x\xef\xbf\xbd\xef\xbf\xbdy"}, /* overlong '/' */
		{"x\xf4\x90\x80\x80y", "x\xef\xbf\xbdy"}, /* past U+10FFFF */
		{"x\xe2\x82", "x"}, /* cut at the end */
		{"\x82\xac"
		 "x",
			"x"}, /* cut at the start */
		{"", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buf_ struct buf out = {0};

		utf8_clean(&out, cases[i].in, strlen(cases[i].in));
		assert_string_equal(out.data != NULL ? out.data : "", cases[i].out);
	}
}

/* Whatever comes in, valid text without control characters goes out, also when cut anywhere. */
static void test_clean_anything(void **state)
{
	uint32_t seed = 12345;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		_cleanup_buf_ struct buf out = {0};
		char in[64];
		size_t len = (size_t)(round % 64);

		for (size_t i = 0; i < len; i++) {
			seed = seed * 1664525 + 1013904223;
			/* Often bytes that begin or go on a sequence. */
			in[i] = (char)((seed >> 28) < 8 ? seed >> 20 : 0x80 | (seed >> 20 & 0x7f));
		}
		utf8_clean(&out, in, len);
		assert_true(utf8_is_valid(out.data != NULL ? out.data : "", out.len));
		for (size_t i = 0; i < out.len; i++) {
			uint8_t c = (uint8_t)out.data[i];

			assert_true(c >= 0x20 || c == '\t' || c == '\n' || c == '\r');
			assert_true(c != 0x7f);
		}
	}
}

static void test_count_and_cut(void **state)
{
	const char *text = "a\xc3\xa9\xf0\x9f\x90\x9fz";

	(void)state;
	assert_int_equal(utf8_count(text, strlen(text)), 4);
	assert_int_equal(utf8_tail_offset(text, strlen(text), 0), strlen(text));
	assert_int_equal(utf8_tail_offset(text, strlen(text), 1), 7);
	assert_int_equal(utf8_tail_offset(text, strlen(text), 2), 3);
	assert_int_equal(utf8_tail_offset(text, strlen(text), 9), 0);
	assert_int_equal(utf8_count_lines("", 0), 0);
	assert_int_equal(utf8_count_lines("a", 1), 1);
	assert_int_equal(utf8_count_lines("a\n", 2), 1);
	assert_int_equal(utf8_count_lines("a\n\nb", 4), 3);
}

static void test_output_keeps_the_end(void **state)
{
	struct output out;
	uint64_t lost;
	size_t len;

	(void)state;
	output_init(&out, 8);
	output_add(&out, 0, "1\n2\n3\n", 6);
	assert_int_equal(output_lines(&out), 3);
	output_add(&out, 6, "4\n5\n6\n7\n", 8);
	assert_int_equal(out.end, 14);
	assert_int_equal(out.dropped + out.kept.len, 14);
	assert_true(out.kept.len <= 12);
	assert_string_equal(out.kept.data + out.kept.len - 8, "4\n5\n6\n7\n");
	assert_int_equal(output_lines(&out), 7);
	assert_string_equal(output_from(&out, 12, &len, &lost), "7\n");
	assert_int_equal(lost, 0);
	(void)output_from(&out, 0, &len, &lost);
	assert_int_equal(lost, out.dropped);
	(void)output_from(&out, 99, &len, &lost);
	assert_int_equal(len, 0);
	output_finish(&out);
}

static void test_output_gaps_and_repeats(void **state)
{
	struct output out;

	(void)state;
	output_init(&out, 100);
	output_add(&out, 0, "abc", 3);
	output_add(&out, 1, "bcde", 4); /* sent again after a reconnect */
	assert_string_equal(out.kept.data, "abcde");
	output_add(&out, 0, "ab", 2);
	assert_string_equal(out.kept.data, "abcde");
	output_add(&out, 15, "x", 1);
	assert_int_equal(out.missing, 10);
	assert_string_equal(out.kept.data, "abcdex");
	output_skip_to(&out, 20);
	assert_int_equal(out.missing, 14);
	assert_int_equal(out.end, 20);
	output_finish(&out);
}

static void test_output_text_cut(void **state)
{
	_cleanup_buf_ struct buf text = {0};
	struct output out;
	size_t total;

	(void)state;
	output_init(&out, 100);
	output_add(&out, 0, "  \n12345\xc3\xa9 \n", 12);
	output_text(&out, 3, &text, &total);
	assert_string_equal(text.data, "45\xc3\xa9");
	assert_int_equal(total, 6);
	output_finish(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_clean_anything),
		cmocka_unit_test(test_count_and_cut),
		cmocka_unit_test(test_output_keeps_the_end),
		cmocka_unit_test(test_output_gaps_and_repeats),
		cmocka_unit_test(test_output_text_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
