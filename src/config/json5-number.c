/* SPDX-License-Identifier: MIT */
/* JSON5: numbers, kept exactly or refused. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "config/json5-internal.h"

enum {
	/* 10^22 is the largest power of ten that a double holds exactly, and 2^53 the largest run of
	 * integers: within both, one multiplication or division rounds correctly. */
	EXACT_POWER = 22,
};
static const uint64_t exact_mantissa = UINT64_C(1) << 53;

struct number {
	const char *start; /* the sign, if any */
	bool negative, real, overflow;
	uint64_t digits; /* all digits as one integer */
	int scale; /* power of ten for digits */
	int exponent;
	unsigned seen;
};

static bool is_digit(const struct json5_reader *r, const char *at)
{
	return at < r->end && *at >= '0' && *at <= '9';
}

static void read_digits(struct json5_reader *r, struct number *n, bool fraction)
{
	for (; is_digit(r, r->at); r->at++) {
		n->seen++;
		n->overflow |= __builtin_mul_overflow(n->digits, (uint64_t)10, &n->digits);
		n->overflow |=
			__builtin_add_overflow(n->digits, (uint64_t)(*r->at - '0'), &n->digits);
		n->scale -= fraction ? 1 : 0;
	}
}

static bool read_exponent(struct json5_reader *r, struct number *n)
{
	bool negative = false;
	int value = 0;

	r->at++;
	n->real = true;
	if (r->at < r->end && (*r->at == '+' || *r->at == '-')) {
		negative = *r->at++ == '-';
	}
	if (!is_digit(r, r->at)) {
		return json5_unexpected(r, "the digits of an exponent");
	}
	/* Cut off where no number of digits that fits in a file could make up for it. */
	for (; is_digit(r, r->at); r->at++) {
		value = value < 100000000 ? value * 10 + (*r->at - '0') : value;
	}
	n->exponent = negative ? -value : value;
	return true;
}

/* What follows a number must not go on as a name: "5x", "0x1g", "1_000". */
static bool check_end(struct json5_reader *r)
{
	char c = r->at < r->end ? *r->at : ' ';

	if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		c == '_' || c == '$' || c == '.') {
		return json5_unexpected(r, "the end of the number");
	}
	return true;
}

static bool finish_integer(struct json5_reader *r, struct doc_node *node, const struct number *n)
{
	uint64_t limit = (uint64_t)INT64_MAX + (n->negative ? 1 : 0);

	if (n->overflow || n->digits > limit) {
		json5_refuse(r, n->start, node, "this integer does not fit in 64 bits",
			"the range is -9223372036854775808 to 9223372036854775807");
		return true;
	}
	node->type = DOC_INT;
	node->integer = n->negative ? (int64_t)(0 - n->digits) : (int64_t)n->digits;
	return true;
}

/* The general case. strtod() rounds correctly; its radix is '.' because no part of the program
 * calls setlocale(). */
static double slow_real(struct json5_reader *r, const char *digits, size_t len)
{
	json5_scratch(r, len + 1);
	memcpy(r->scratch, digits, len);
	r->scratch[len] = '\0';
	return strtod(r->scratch, NULL);
}

static bool finish_real(
	struct json5_reader *r, struct doc_node *node, const struct number *n, const char *digits)
{
	static const double power[EXACT_POWER + 1] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8,
		1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
	long exponent = (long)n->scale + n->exponent;
	double value;

	if (!n->overflow && n->digits <= exact_mantissa && exponent >= -EXACT_POWER &&
		exponent <= EXACT_POWER) {
		value = (double)n->digits;
		value = exponent < 0 ? value / power[-exponent] : value * power[exponent];
	} else {
		value = slow_real(r, digits, (size_t)(r->at - digits));
	}
	if (!isfinite(value)) {
		json5_refuse(r, n->start, node, "this number is too large for a double",
			"the largest is 1.7976931348623157e308");
		return true;
	}
	node->type = DOC_REAL;
	node->real = n->negative ? -value : value;
	return true;
}

static bool read_hexadecimal(struct json5_reader *r, struct doc_node *node, struct number *n)
{
	const char *first = r->at += 2;

	for (; r->at < r->end && json5_hex(*r->at) >= 0; r->at++) {
		n->overflow |= n->digits >> 60 != 0;
		n->digits = n->digits << 4 | (uint64_t)json5_hex(*r->at);
	}
	if (r->at == first) {
		return json5_unexpected(r, "hexadecimal digits");
	}
	return check_end(r) && finish_integer(r, node, n);
}

static bool read_decimal(struct json5_reader *r, struct doc_node *node, struct number *n)
{
	const char *digits = r->at;

	read_digits(r, n, false);
	if (r->at - digits > 1 && *digits == '0') {
		return json5_fail(
			r, digits, "a number cannot start with 0", "remove the leading zeros");
	}
	if (r->at < r->end && *r->at == '.') {
		r->at++;
		n->real = true;
		read_digits(r, n, true);
	}
	if (n->seen == 0) {
		r->at = n->start;
		return json5_unexpected(r, "a value");
	}
	if (r->at < r->end && (*r->at == 'e' || *r->at == 'E') && !read_exponent(r, n)) {
		return false;
	}
	if (!check_end(r)) {
		return false;
	}
	return n->real ? finish_real(r, node, n, digits) : finish_integer(r, node, n);
}

static bool read_non_finite(struct json5_reader *r, struct doc_node *node, const struct number *n)
{
	bool nan = *r->at == 'N';
	const char *word = nan ? "NaN" : "Infinity";
	size_t len = strlen(word);

	if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0) {
		return json5_unexpected(r, "a value");
	}
	r->at += len;
	json5_refuse(r, n->start, node,
		nan ? "NaN is not a number that a key can have" : "a number must be finite",
		"remove the key to leave it unset");
	return check_end(r);
}

bool json5_read_number(struct json5_reader *r, struct doc_node *node)
{
	struct number n = {.start = r->at};

	if (*r->at == '+' || *r->at == '-') {
		n.negative = *r->at++ == '-';
	}
	if (r->at < r->end && (*r->at == 'I' || *r->at == 'N')) {
		return read_non_finite(r, node, &n);
	}
	if (r->end - r->at > 1 && *r->at == '0' && (r->at[1] == 'x' || r->at[1] == 'X')) {
		return read_hexadecimal(r, node, &n);
	}
	return read_decimal(r, node, &n);
}
