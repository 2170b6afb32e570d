/* SPDX-License-Identifier: MIT */
/* What rg prints is whatever a sandbox likes: read, sorted and cut, or refused, never trusted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "base/mem.h"
#include "tools/search_rg.h"

#define LINE(type, path, number, text)                                \
	"{\"type\":\"" type "\",\"data\":{\"path\":{\"text\":\"" path \
	"\"},\"lines\":{\"text\":\"" text "\"},\"line_number\":" #number "}}\n"
#define END(path, offset)                                                                         \
	"{\"type\":\"end\",\"data\":{\"path\":{\"text\":\"" path "\"},\"binary_offset\":" #offset \
	"}}\n"
#define SUMMARY "{\"type\":\"summary\",\"data\":{\"stats\":{\"searches\":7}}}\n"

static const char plain[] = LINE("match", "./b", 2, "two\\n") LINE("context", "./b", 3, "three\\n")
	LINE("match", "./b", 9, "nine\\r\\n") END("./b", null) LINE("match", "./a", 1, "one")
		END("./a", null) LINE("match", "./z", 1, "zero\\n") END("./z", 5) SUMMARY;

static bool parse(const char *text, size_t context, size_t limit, struct grep_answer *ret)
{
	struct grep_query query = {.pattern = "x", .context = context, .limit = limit};

	return search_rg_parse(text, strlen(text), &query, ret);
}

static void test_sorted(void **state)
{
	struct grep_answer answer = {0};

	(void)state;
	assert_true(parse(plain, 1, 100, &answer));
	assert_string_equal(
		answer.text.data, "a:1: one\n--\nb:2: two\nb-3- three\n--\nb:9: nine\n");
	assert_int_equal(answer.matches, 3);
	assert_int_equal(answer.files, 2);
	assert_int_equal(answer.files_searched, 7);
	assert_false(answer.truncated);
	buf_finish(&answer.text);
}

static void test_limit(void **state)
{
	struct grep_answer answer = {0};

	(void)state;
	assert_true(parse(plain, 0, 1, &answer));
	assert_string_equal(answer.text.data, "a:1: one\n");
	assert_true(answer.truncated);
	buf_finish(&answer.text);
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"x\n", "{}\n", "{\"type\":\"match\"}\n", "{\"type\":\"end\",\"data\":null}\n",
		LINE("match", "./a", 0, "x"), LINE("match", "./a", 1.5, "x"),
		("{\"type\":\"match\",\"data\":{\"path\":{\"bytes\":\"/w==\"},\"lines\":{\"text\":\"\"},"
		 "\"line_number\":1}}\n"),
		"{\"type\":\"begin\"}", /* cut off */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct grep_answer answer = {0};

		assert_false(parse(bad[i], 0, 100, &answer));
	}
}

/* Every byte changed, every end cut: no crash, and no more than was asked for. */
static void test_mutations(void **state)
{
	struct grep_query query = {.pattern = "x", .context = 2, .limit = 2};

	(void)state;
	for (size_t i = 0; i < sizeof(plain) - 1; i++) {
		for (unsigned bit = 0; bit < 9; bit++) {
			char *text = xstrdup(plain);
			struct grep_answer answer = {0};
			size_t len = bit < 8 ? sizeof(plain) - 1 : i;

			text[i] = (char)(text[i] ^ (bit < 8 ? 1U << bit : 0));
			if (search_rg_parse(text, len, &query, &answer)) {
				assert_true(answer.matches <= 2);
			}
			buf_finish(&answer.text);
			free(text);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sorted),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_mutations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
