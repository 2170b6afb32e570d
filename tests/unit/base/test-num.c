/* SPDX-License-Identifier: MIT */
/* Numbers from text: the whole string or nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/macro.h"
#include "base/num.h"

static const char *const not_numbers[] = {"", " ", " 1", "1 ", "+1", "--1", "1.0", "0x10", "1e3",
	"a", "1a", "-", "- 1", "\t1", "1\n", "\xd9\xa1", "1,000", "18446744073709551616x"};

static void garbage_is_refused_and_writes_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(not_numbers); i++) {
		uint64_t u64 = 77;
		int64_t i64 = 77;
		uint32_t u32 = 77;

		assert_int_equal(num_parse_u64(not_numbers[i], 0, UINT64_MAX, &u64), -EINVAL);
		assert_int_equal(
			num_parse_i64(not_numbers[i], INT64_MIN, INT64_MAX, &i64), -EINVAL);
		assert_int_equal(num_parse_u32(not_numbers[i], 0, UINT32_MAX, &u32), -EINVAL);
		assert_true(u64 == 77 && i64 == 77 && u32 == 77);
	}
}

static void u64_covers_its_range(void **state)
{
	uint64_t v = 5;

	(void)state;
	assert_int_equal(num_parse_u64("-1", 0, UINT64_MAX, &v), -EINVAL);
	assert_int_equal(num_parse_u64("18446744073709551615", 0, UINT64_MAX, &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(num_parse_u64("18446744073709551616", 0, UINT64_MAX, &v), -ERANGE);
	assert_int_equal(num_parse_u64("184467440737095516150", 0, UINT64_MAX, &v), -ERANGE);
	assert_int_equal(num_parse_u64("0", 0, 0, &v), 0);
	assert_true(v == 0);
	assert_int_equal(num_parse_u64("0007", 7, 7, &v), 0);
	assert_true(v == 7);
	assert_int_equal(num_parse_u64("6", 7, 9, &v), -ERANGE);
	assert_int_equal(num_parse_u64("10", 7, 9, &v), -ERANGE);
	assert_true(v == 7);
}

static void i64_covers_its_range(void **state)
{
	int64_t v = 5;

	(void)state;
	assert_int_equal(num_parse_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &v), 0);
	assert_true(v == INT64_MIN);
	assert_int_equal(num_parse_i64("-9223372036854775809", INT64_MIN, INT64_MAX, &v), -ERANGE);
	assert_int_equal(num_parse_i64("9223372036854775807", INT64_MIN, INT64_MAX, &v), 0);
	assert_true(v == INT64_MAX);
	assert_int_equal(num_parse_i64("9223372036854775808", INT64_MIN, INT64_MAX, &v), -ERANGE);
	assert_int_equal(num_parse_i64("99999999999999999999", INT64_MIN, INT64_MAX, &v), -ERANGE);
	assert_int_equal(num_parse_i64("-0", -1, 1, &v), 0);
	assert_true(v == 0);
	assert_int_equal(num_parse_i64("-1", -1, 1, &v), 0);
	assert_true(v == -1);
	assert_int_equal(num_parse_i64("-2", -1, 1, &v), -ERANGE);
	assert_int_equal(num_parse_i64("2", -1, 1, &v), -ERANGE);
	assert_true(v == -1);
}

static void u32_covers_its_range(void **state)
{
	uint32_t v = 5;

	(void)state;
	assert_int_equal(num_parse_u32("4294967295", 0, UINT32_MAX, &v), 0);
	assert_true(v == UINT32_MAX);
	assert_int_equal(num_parse_u32("4294967296", 0, UINT32_MAX, &v), -ERANGE);
	assert_int_equal(num_parse_u32("1", 2, 3, &v), -ERANGE);
	assert_true(v == UINT32_MAX);
}

static const struct {
	const char *text;
	int r;
	int64_t bytes;
} sizes[] = {
	{"0", 0, 0},
	{"1", 0, 1},
	{"1024", 0, 1024},
	{"-1", 0, -1},
	{"1b", 0, 1},
	{"1B", 0, 1},
	{"1k", 0, 1024},
	{"1K", 0, 1024},
	{"1kb", 0, 1024},
	{"64KiB", 0, 65536},
	{"64kIb", 0, 65536},
	{"512m", 0, 536870912},
	{"512Mb", 0, 536870912},
	{"1g", 0, 1073741824},
	{"1.5g", 0, 1610612736},
	{"0.5k", 0, 512},
	{"1.5", 0, 1},
	{"1.999999999999999999999999999999b", 0, 1},
	{"0.001k", 0, 1},
	{"0.0009k", 0, 0},
	{"2t", 0, INT64_C(2199023255552)},
	{"1p", 0, INT64_C(1125899906842624)},
	{"8191p", 0, INT64_C(8191) << 50},
	{"8191.999999999999999999999p", 0, INT64_MAX},
	{"8192p", -ERANGE, 0},
	{"9223372036854775807", 0, INT64_MAX},
	{"9223372036854775808", -ERANGE, 0},
	{"18446744073709551616", -ERANGE, 0},
	{"18446744073709551616.5k", -ERANGE, 0},
	{"18446744073709551616q", -EINVAL, 0},
	{"9007199254740992k", -ERANGE, 0},
	{"", -EINVAL, 0},
	{"-2", -EINVAL, 0},
	{"-1k", -EINVAL, 0},
	{"+1", -EINVAL, 0},
	{"k", -EINVAL, 0},
	{".5g", -EINVAL, 0},
	{"1.", -EINVAL, 0},
	{"1.k", -EINVAL, 0},
	{"1.2.3", -EINVAL, 0},
	{"1 k", -EINVAL, 0},
	{" 1k", -EINVAL, 0},
	{"1k ", -EINVAL, 0},
	{"1kk", -EINVAL, 0},
	{"1kbb", -EINVAL, 0},
	{"1bb", -EINVAL, 0},
	{"1ib", -EINVAL, 0},
	{"1ki", -EINVAL, 0},
	{"1x", -EINVAL, 0},
	{"1\vm", -EINVAL, 0},
	{"1e3", -EINVAL, 0},
	{"0x10", -EINVAL, 0},
	{"nan", -EINVAL, 0},
};

static void sizes_are_read_as_docker_does(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		int64_t bytes = 123;
		int r = num_parse_size(sizes[i].text, &bytes);

		if (r != sizes[i].r) {
			fail_msg("'%s' gives %d instead of %d", sizes[i].text, r, sizes[i].r);
		}
		if (r < 0) {
			assert_true(bytes == 123);
		} else if (bytes != sizes[i].bytes) {
			fail_msg("'%s' gives %" PRId64, sizes[i].text, bytes);
		}
	}
}

/* Every single byte in every place of a good text: the parsers agree with a plain rule. */
static void one_changed_byte_is_a_number_or_refused(void **state)
{
	(void)state;
	for (size_t at = 0; at < 4; at++) {
		for (int c = 1; c < 256; c++) {
			char text[] = "1234";
			uint64_t v = 0;
			int r;

			text[at] = (char)c;
			r = num_parse_u64(text, 0, UINT64_MAX, &v);
			assert_int_equal(r, c >= '0' && c <= '9' ? 0 : -EINVAL);
			if (r == 0) {
				char again[32];

				(void)snprintf(again, sizeof(again), "%04" PRIu64, v);
				assert_string_equal(again, text);
			}
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(garbage_is_refused_and_writes_nothing),
		cmocka_unit_test(u64_covers_its_range),
		cmocka_unit_test(i64_covers_its_range),
		cmocka_unit_test(u32_covers_its_range),
		cmocka_unit_test(sizes_are_read_as_docker_does),
		cmocka_unit_test(one_changed_byte_is_a_number_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
