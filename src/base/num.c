/* SPDX-License-Identifier: MIT */
/* Numbers from text: the whole string or nothing. */
#include "base/num.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/macro.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Reads digits to *end. -EINVAL without any, -ERANGE past UINT64_MAX. */
static int read_digits(const char *text, const char **ret_end, uint64_t *ret)
{
	uint64_t value = 0;
	bool overflow = false;

	if (!is_digit(*text)) {
		return -EINVAL;
	}
	for (; is_digit(*text); text++) {
		if (__builtin_mul_overflow(value, 10U, &value) ||
			__builtin_add_overflow(value, (uint64_t)(*text - '0'), &value)) {
			overflow = true;
		}
	}
	*ret_end = text;
	*ret = value;
	return overflow ? -ERANGE : 0;
}

int num_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	const char *end = text;
	uint64_t value;
	int r = read_digits(text, &end, &value);

	if (r == -EINVAL || *end != '\0') {
		return -EINVAL; /* garbage after the digits says more than their size */
	}
	if (r < 0 || value < min || value > max) {
		return -ERANGE;
	}
	*ret = value;
	return 0;
}

int num_parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret)
{
	bool negative = *text == '-';
	uint64_t magnitude;
	int64_t value;
	int r = num_parse_u64(negative ? text + 1 : text, 0, UINT64_MAX, &magnitude);

	if (r < 0) {
		return r;
	}
	if (negative) {
		if (magnitude > (uint64_t)INT64_MAX + 1) {
			return -ERANGE;
		}
		/* Not -magnitude: INT64_MIN has no positive twin. */
		value = magnitude > 0 ? -(int64_t)(magnitude - 1) - 1 : 0;
	} else {
		if (magnitude > INT64_MAX) {
			return -ERANGE;
		}
		value = (int64_t)magnitude;
	}
	if (value < min || value > max) {
		return -ERANGE;
	}
	*ret = value;
	return 0;
}

int num_parse_u32(const char *text, uint32_t min, uint32_t max, uint32_t *ret)
{
	uint64_t value;
	int r = num_parse_u64(text, min, max, &value);

	if (r == 0) {
		*ret = (uint32_t)value;
	}
	return r;
}

/* "", "b", or a unit with an optional b or ib: the shift, or -EINVAL. */
static int unit_shift(const char *unit)
{
	static const char units[] = "kmgtp";
	const char *found;

	if (*unit == '\0' || strcasecmp(unit, "b") == 0) {
		return 0;
	}
	found = strchr(units, *unit | 0x20);
	if (found == NULL) {
		return -EINVAL;
	}
	unit++;
	if (*unit != '\0' && strcasecmp(unit, "b") != 0 && strcasecmp(unit, "ib") != 0) {
		return -EINVAL;
	}
	return 10 * (int)(found - units + 1);
}

/* The bytes that the digits after the point stand for, rounded down. From the last digit to the
 * first: x = (digit * unit + x) / 10 is exact for any number of digits and stays below a unit. */
static uint64_t fraction_bytes(const char *digits, const char *end, int shift)
{
	uint64_t bytes = 0;

	while (end > digits) {
		end--;
		bytes = (((uint64_t)(*end - '0') << shift) + bytes) / 10;
	}
	return bytes;
}

int num_parse_size(const char *text, int64_t *ret_bytes)
{
	const char *end = text, *fraction = NULL, *fraction_end = NULL;
	uint64_t whole, bytes;
	int r, shift;

	if (strcmp(text, "-1") == 0) {
		*ret_bytes = -1;
		return 0;
	}
	r = read_digits(text, &end, &whole);
	if (r == -EINVAL) {
		return r;
	}
	if (*end == '.') {
		fraction = ++end;
		while (is_digit(*end)) {
			end++;
		}
		fraction_end = end;
		if (fraction == fraction_end) {
			return -EINVAL;
		}
	}
	shift = unit_shift(end);
	if (shift < 0) {
		return shift;
	}
	if (r < 0 || whole > (uint64_t)INT64_MAX >> shift) {
		return -ERANGE;
	}
	/* The fraction is below one unit, so the sum stays within INT64_MAX. */
	bytes = whole << shift;
	if (fraction != NULL) {
		bytes += fraction_bytes(fraction, fraction_end, shift);
	}
	*ret_bytes = (int64_t)bytes;
	return 0;
}

uint64_t num_leading_u64(const char *text)
{
	size_t len = strspn(text, "0123456789");
	char digits[24];
	uint64_t value;

	if (len >= sizeof(digits)) {
		return 0;
	}
	memcpy(digits, text, len);
	digits[len] = '\0';
	return num_parse_u64(digits, 0, UINT64_MAX, &value) == 0 ? value : 0;
}
