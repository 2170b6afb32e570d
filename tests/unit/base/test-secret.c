/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

static void every_bit_counts(void **state)
{
	uint8_t a[32], b[32];

	(void)state;
	memset(a, 0x5a, sizeof(a));
	memcpy(b, a, sizeof(b));
	assert_true(secret_equal(a, b, sizeof(a)));
	assert_true(secret_equal(a, b, 0));
	for (size_t bit = 0; bit < sizeof(a) * 8; bit++) {
		b[bit / 8] ^= (uint8_t)(1U << bit % 8);
		assert_false(secret_equal(a, b, sizeof(a)));
		b[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
}

static void texts_of_other_lengths_differ(void **state)
{
	(void)state;
	assert_true(secret_text_equal("", ""));
	assert_true(secret_text_equal("token", "token"));
	assert_false(secret_text_equal("token", "token1"));
	assert_false(secret_text_equal("token1", "token"));
	assert_false(secret_text_equal("token", "Token"));
	assert_false(secret_text_equal(NULL, ""));
	assert_false(secret_text_equal("", NULL));
	assert_false(secret_text_equal(NULL, NULL));
}

static void it_is_overwritten_where_it_stands(void **state)
{
	static const char zero[16];
	char text[16] = "a secret";

	(void)state;
	secret_wipe(text);
	assert_memory_equal(text, zero, sizeof(text));
	secret_wipe(NULL);
	assert_null(secret_free(NULL));
	assert_null(secret_free(strdup("x")));
}

/* What was consumed lies behind the end; freed memory is not to be looked at, so the buffer keeps none. */
static void a_buffer_is_empty_afterwards(void **state)
{
	struct buf b = {0};

	(void)state;
	secret_buf_finish(&b);
	buf_add_str(&b, "Authorization: Bearer token");
	buf_consume(&b, 10);
	secret_buf_finish(&b);
	assert_null(b.data);
	assert_int_equal(b.len, 0);
	assert_int_equal(b.cap, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_bit_counts),
		cmocka_unit_test(texts_of_other_lengths_differ),
		cmocka_unit_test(it_is_overwritten_where_it_stands),
		cmocka_unit_test(a_buffer_is_empty_afterwards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
