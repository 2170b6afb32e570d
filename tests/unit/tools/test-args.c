/* SPDX-License-Identifier: MIT */
/* Arguments as models send them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "tools/args.h"

static json_t *load(const char *text)
{
	json_error_t why;
	json_t *given = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
	struct error err;
	json_t *args = NULL;

	assert_non_null(given);
	if (args_normalize(given, &args, &err) < 0) {
		args = NULL;
	}
	json_decref(given);
	return args;
}

static void test_normalize(void **state)
{
	json_t *args = load("{\"file_path\":\"p\",\"old_string\":\"o\",\"new_string\":"
			    "[{\"type\":\"text\",\"text\":\"a\"},{\"text\":\"b\"},\"c\"]}");

	(void)state;
	assert_string_equal(json_string_value(json_object_get(args, "path")), "p");
	assert_string_equal(json_string_value(json_object_get(args, "oldText")), "o");
	assert_string_equal(json_string_value(json_object_get(args, "newText")), "abc");
	assert_null(json_object_get(args, "file_path"));
	json_decref(args);
	args = load("{\"path\":\"first\",\"file_path\":\"second\",\"content\":{\"text\":\"x\"}}");
	assert_string_equal(json_string_value(json_object_get(args, "path")), "first");
	assert_string_equal(json_string_value(json_object_get(args, "content")), "x");
	json_decref(args);
	args = load("null");
	assert_int_equal(json_object_size(args), 0);
	json_decref(args);
	assert_null(load("[]"));
	assert_null(load("\"text\""));
}

static void test_texts(void **state)
{
	json_t *args = load("{\"a\":\"x\",\"b\":5,\"c\":null,\"d\":\"\",\"e\":\"x\\u0000y\"}");
	const char *text = "untouched";
	struct error err;
	size_t len;

	(void)state;
	assert_int_equal(args_text(args, "c", 0, &text, &err), 0);
	assert_string_equal(text, "untouched");
	assert_int_equal(args_text(args, "a", ARGS_REQUIRED, &text, &err), 0);
	assert_string_equal(text, "x");
	assert_int_equal(args_text(args, "b", 0, &text, &err), -EINVAL);
	assert_int_equal(args_text(args, "c", ARGS_REQUIRED, &text, &err), -EINVAL);
	assert_string_equal(err.text, "Missing required parameter: c");
	assert_int_equal(args_text(args, "d", ARGS_NOT_EMPTY, &text, &err), -EINVAL);
	assert_non_null(strstr(err.text, "Missing required parameter"));
	assert_int_equal(args_text(args, "e", 0, &text, &err), -EINVAL);
	assert_int_equal(args_content(args, "e", 0, &text, &len, &err), 0);
	assert_int_equal(len, 3);
	json_decref(args);
}

static void test_numbers(void **state)
{
	static const struct {
		const char *json;
		int64_t value;
		int result;
	} cases[] = {
		{"{\"n\":5}", 5, 0},
		{"{\"n\":\"5\"}", 5, 0},
		{"{\"n\":5.9}", 5, 0},
		{"{\"n\":-1}", 0, -EINVAL},
		{"{\"n\":11}", 0, -EINVAL},
		{"{\"n\":1e300}", 0, -EINVAL},
		{"{\"n\":\"5x\"}", 0, -EINVAL},
		{"{\"n\":\" 5\"}", 0, -EINVAL},
		{"{\"n\":true}", 0, -EINVAL},
		{"{\"n\":[]}", 0, -EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *args = load(cases[i].json);
		struct error err;
		int64_t value = 0;
		bool given = false;

		assert_int_equal(args_int(args, "n", 0, 10, &value, &given, &err), cases[i].result);
		assert_int_equal(value, cases[i].value);
		assert_true(given);
		json_decref(args);
	}
}

static void test_bools(void **state)
{
	json_t *args = load("{\"a\":true,\"b\":\"false\",\"c\":1}");
	struct error err;
	bool value = false, given = true;

	(void)state;
	assert_int_equal(args_bool(args, "a", &value, NULL, &err), 0);
	assert_true(value);
	assert_int_equal(args_bool(args, "b", &value, &given, &err), 0);
	assert_false(value);
	assert_int_equal(args_bool(args, "c", &value, &given, &err), -EINVAL);
	assert_int_equal(args_bool(args, "z", &value, &given, &err), 0);
	assert_false(given);
	json_decref(args);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_normalize),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_bools),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
