/* SPDX-License-Identifier: MIT */
/* The JSON5 reader: what is accepted and becomes what, agreement with jansson, and damage. */
#include <math.h>

#include "base/limits.h"
#include "base/own.h"
#include "common.h"
#include "config/json5.h"
#include "config/source.h"

static json_t *read_text(const char *text, size_t len)
{
	struct error err = {0};
	json_t *value = NULL;

	return json5_loads(text, len, "text", &value, &err) < 0 ? NULL : value;
}

static void check_value(const char *text, const char *expected)
{
	json_t *value = read_text(text, strlen(text));
	json_t *wanted = json_loads(expected, JSON_DECODE_ANY, NULL);

	assert_non_null(wanted);
	if (!json_equal(value, wanted)) {
		fail_msg("%s is not %s", text, expected);
	}
	json_decref(value);
	json_decref(wanted);
}

static void test_values(void **state)
{
	static const char *const pairs[][2] = {
		{"{}", "{}"},
		{" \t\v\f\r\n[]", "[]"},
		{"\xc2\xa0[\xe2\x80\xa8 1 \xe2\x80\xa9]\xef\xbb\xbf", "[1]"},
		{"\xef\xbb\xbf{}", "{}"},
		{"\xe3\x80\x80[\xe1\x9a\x80]", "[]"},
		{"// a\n/* b * / **/ true // c", "true"},
		{"// a\r null", "null"},
		{"// a\xe2\x80\xa9 null", "null"},
		{"[1,]", "[1]"},
		{"{a:1,}", "{\"a\":1}"},
		{"{$a_1: 1, _: 2, \xc3\xa4\xcc\x88: 3, \\u0061b: 4}",
			"{\"$a_1\":1,\"_\":2,\"\xc3\xa4\xcc\x88\":3,\"ab\":4}"},
		{"{'a b': 1, \"\": 2, true: 3, null: 4, Infinity: 5}",
			"{\"a b\":1,\"\":2,\"true\":3,\"null\":4,\"Infinity\":5}"},
		{"{a\xe2\x80\x8d"
		 "b: 1}",
			"{\"a\xe2\x80\x8d"
			"b\":1}"},
		{"'it\\'s \"x\"'", "\"it's \\\"x\\\"\""},
		{"'\\b\\f\\n\\r\\t\\v\\x41\\u00e4\\q\\\\/'",
			"\"\\b\\f\\n\\r\\t\\u000bA\\u00e4q\\\\/\""},
		{"'a\\\nb\\\r\nc\\\rd\\\xe2\x80\xa8"
		 "e'",
			"\"abcde\""},
		{"'\xe2\x80\xa8\t\x01'", "\"\\u2028\\t\\u0001\""},
		{"'\\ud83d\\ude00'", "\"\xf0\x9f\x98\x80\""},
		{"'\\\xf0\x9f\x98\x80'", "\"\xf0\x9f\x98\x80\""},
		{"0", "0"},
		{"-0", "0"},
		{"+7", "7"},
		{"0x1F", "31"},
		{"-0X10", "-16"},
		{"9223372036854775807", "9223372036854775807"},
		{"-9223372036854775808", "-9223372036854775808"},
		{"0x7fffffffffffffff", "9223372036854775807"},
		{"-0x8000000000000000", "-9223372036854775808"},
		{".5", "0.5"},
		{"5.", "5.0"},
		{"+.5e1", "5.0"},
		{"1e3", "1000.0"},
		{"1E-2", "0.01"},
		{"0.1", "0.1"},
		{"123456789012345678901234567890.0", "123456789012345678901234567890.0"},
		{"1.7976931348623157e308", "1.7976931348623157e308"},
		{"4.9e-324", "4.9e-324"},
		{"1e-400", "0.0"},
		{"0.000000000000000000000000000000000000001", "1e-39"},
		{"2.2250738585072011e-308", "2.2250738585072011e-308"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		check_value(pairs[i][0], pairs[i][1]);
	}
}

static void test_refused(void **state)
{
	static const char *const texts[] = {"", " ", "{", "[", "]", "}", "{,}", "[,]", "[1,,2]",
		"{a}", "{a:}", "{a:1 b:2}", "{:1}", "{1:1}", "{a b:1}", "[1 2]", "1 2", "{} {}",
		"tru", "trues", "nul", "True", "NULL", "undefined", "'a", "\"a'", "'a\nb'",
		"'\\x4'", "'\\u12'", "'\\01'", "'\\1'", "'\\9'", "'\\ud800'", "'\\udc00'",
		"'\\ud800\\u0041'", "'\\u0000'", "'\\0'", "'\\x00'", "{'\\u0000': 1}", "+", "-",
		".", "e5", "1e", "1e+", "0x", "0xg", "01", "-01", "1.2.3", "1_000", "0b1", "0o7",
		"1n", "5x", "--1", "+-1", "/", "/*", "/* *", "//", "# x", "9223372036854775808",
		"-9223372036854775809", "0x8000000000000000", "0x10000000000000000", "1e309",
		"-1e400", "NaN", "-NaN", "Infinity", "+Infinity", "Inf", "{a:1,a:2}", "{a:1,'a':2}",
		"{a:1,\\u0061:2}", "\xff", "'\xff'", "'\xc0\x80'", "'\xed\xa0\x80'",
		"'\xf4\x90\x80\x80'", "'\xe2\x82'", "// \xff\n1", "/* \xff */ 1", "{\xff:1}",
		"{a\\x41:1}", "{a\\u0020:1}", "{a\\u00:1}", "\xe2\x80\x8b[]"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		json_t *value = read_text(texts[i], strlen(texts[i]));

		if (value != NULL) {
			fail_msg("accepted: %s", texts[i]);
		}
	}
	assert_null(read_text("\"a\0b\"", 5));
	assert_null(read_text("1\0", 2));
	assert_null(read_text("1 // \0", 7));
	assert_null(read_text("/*\0*/ 1", 8));
	assert_null(read_text("{\"a\0\":1}", 8));
}

/* In large objects doubles are found by sorting. */
static void test_duplicates_in_large_objects(void **state)
{
	_cleanup_buf_ struct buf text = {0};
	_cleanup_arena_ struct arena arena = {0};
	struct json5_result result;

	(void)state;
	buf_add_str(&text, "{");
	for (int i = 0; i < 1000; i++) {
		buf_addf(&text, "k%d: %d,\n", (i * 7919) % 1000, i);
	}
	buf_add_str(&text, "}");
	assert_int_equal(json5_parse(&arena, text.data, text.len, 0, NULL, &result), 0);
	text.len--;
	buf_add_str(&text, "k500: 1, 'k1': 2}");
	assert_int_equal(json5_parse(&arena, text.data, text.len, 0, NULL, &result), -EINVAL);
	assert_non_null(result.first->next);
	assert_null(result.first->next->next);
	assert_non_null(result.root);
}

static void test_limits(void **state)
{
	_cleanup_buf_ struct buf text = {0};
	_cleanup_free_ char *large = xcalloc(1, LIMIT_CONFIG_BYTES + 1);
	json_t *value;

	(void)state;
	for (int i = 0; i < LIMIT_CONFIG_DEPTH; i++) {
		buf_add_char(&text, '[');
	}
	for (int i = 0; i < LIMIT_CONFIG_DEPTH; i++) {
		buf_add_char(&text, ']');
	}
	value = read_text(text.data, text.len);
	assert_non_null(value);
	json_decref(value);
	buf_clear(&text);
	for (int i = 0; i < LIMIT_CONFIG_DEPTH + 1; i++) {
		buf_add_str(&text, "{a:");
	}
	assert_null(read_text(text.data, text.len));
	memset(large, ' ', LIMIT_CONFIG_BYTES + 1);
	large[0] = '1';
	value = read_text(large, LIMIT_CONFIG_BYTES);
	assert_int_equal(json_integer_value(value), 1);
	json_decref(value);
	assert_null(read_text(large, LIMIT_CONFIG_BYTES + 1));
}

/* A small generator of the same sequence everywhere. */
static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525U + 1013904223U;
	return *seed >> 8;
}

static json_t *random_value(uint32_t *seed, int depth)
{
	static const char *const texts[] = {"", "a", "\"\\\b\f\n\r\t/", "\xc3\xa4\xe2\x82\xac",
		"\xf0\x9f\x98\x80", "\x01\x1f\x7f", "long text with several words in it",
		"'\xe2\x80\xa8"};
	char key[32];
	json_t *value;

	switch (next_random(seed) % (depth > 0 ? 8 : 6)) {
	case 0:
		return json_null();
	case 1:
		return json_boolean(next_random(seed) & 1);
	case 2:
		return json_integer(
			(json_int_t)(((uint64_t)next_random(seed) << 40) ^
				     ((uint64_t)next_random(seed) << 16) ^ next_random(seed)));
	case 3:
		return json_real(ldexp((double)next_random(seed) - 8388608.0,
			(int)(next_random(seed) % 600) - 300));
	case 4:
		return json_integer((json_int_t)(next_random(seed) % 100) - 50);
	case 5:
		return json_string(texts[next_random(seed) % 8]);
	case 6:
		value = json_array();
		for (uint32_t n = next_random(seed) % 6; n > 0; n--) {
			(void)json_array_append_new(value, random_value(seed, depth - 1));
		}
		return value;
	default:
		value = json_object();
		for (uint32_t n = next_random(seed) % 14; n > 0; n--) {
			(void)snprintf(key, sizeof(key), "%s%u", texts[next_random(seed) % 8], n);
			(void)json_object_set_new(value, key, random_value(seed, depth - 1));
		}
		return value;
	}
}

/* Every JSON text that jansson writes is read as jansson reads it. */
static void test_agrees_with_jansson(void **state)
{
	static const size_t flags[] = {JSON_COMPACT, JSON_INDENT(3), JSON_ENSURE_ASCII,
		JSON_ESCAPE_SLASH | JSON_INDENT(1)};
	uint32_t seed = 1;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		json_t *value = random_value(&seed, 5);
		_cleanup_free_ char *text =
			json_dumps(value, flags[i % 4] | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
		json_t *theirs = json_loads(text, JSON_DECODE_ANY, NULL);
		json_t *ours = read_text(text, strlen(text));

		assert_non_null(theirs);
		if (!json_equal(ours, theirs)) {
			fail_msg("read otherwise: %s", text);
		}
		json_decref(value);
		json_decref(theirs);
		json_decref(ours);
	}
}

static const char sample[] =
	"// head\n{ \"a\": [1, -2.5e3, 0x1F, .5, +1,], 'b\\u00e4': \"\\ud83d\\ude00\xe2\x82\xac\\x41\\\n\",\n"
	"  c_$1: { d: true, e: null, /* x */ f: 'it\\'s' }, }\n";

/* Damaged texts: a value or problems with places inside the text, never both missing. */
static void check_damaged(const char *text, size_t len)
{
	_cleanup_arena_ struct arena arena = {0};
	struct json5_result result;
	int r = json5_parse(&arena, text, len, 0, NULL, &result);

	assert_int_equal(r, result.first != NULL ? -EINVAL : 0);
	assert_true(r < 0 || result.root != NULL);
	for (const struct json5_problem *p = result.first; p != NULL; p = p->next) {
		_cleanup_buf_ struct buf caret = {0};
		int line, column;

		assert_true(p->offset <= len);
		text_position(text, len, p->offset, &line, &column);
		assert_true(line >= 1 && column >= 1);
		text_caret(text, len, p->offset, line, &caret);
		assert_non_null(strchr(caret.data, '^'));
	}
	if (result.root != NULL) {
		json_t *value = doc_to_heap_json(result.root);
		_cleanup_free_ char *dumped = json_dumps(value, JSON_ENCODE_ANY);

		/* Whatever was read can be written again: no invalid UTF-8 came through. */
		assert_non_null(dumped);
		json_decref(value);
	}
}

static void test_mutations(void **state)
{
	char *copy = xmalloc(sizeof(sample));

	(void)state;
	json_decref(read_text(sample, sizeof(sample) - 1));
	for (size_t i = 0; i < sizeof(sample) - 1; i++) {
		for (int bit = 0; bit < 8; bit++) {
			memcpy(copy, sample, sizeof(sample));
			copy[i] = (char)(copy[i] ^ (1 << bit));
			check_damaged(copy, sizeof(sample) - 1);
		}
	}
	free(copy);
	/* Cut at every byte, in a block of exactly that size so that reading past it is seen. */
	for (size_t len = 0; len < sizeof(sample) - 1; len++) {
		char *exact = xmalloc(len > 0 ? len : 1);

		memcpy(exact, sample, len);
		check_damaged(exact, len);
		free(exact);
	}
}

static void check_caret(const char *text, size_t offset, const char *expected)
{
	_cleanup_buf_ struct buf out = {0};
	int line, column;

	text_position(text, strlen(text), offset, &line, &column);
	text_caret(text, strlen(text), offset, line, &out);
	assert_string_equal(out.data, expected);
}

static void test_caret(void **state)
{
	char line[400], expected[300];

	(void)state;
	check_caret("abc", 1, "    1 | abc\n      |  ^\n");
	check_caret("a\r\nbc\rd", 6, "    3 | d\n      | ^\n");
	check_caret("\tx\xe6\x97\xa5y", 5, "    1 | \tx\xe6\x97\xa5y\n      | \t   ^\n");
	check_caret("a\xcc\x88"
		    "b",
		3,
		"    1 | a\xcc\x88"
		"b\n      |  ^\n");
	check_caret("a\x1b[31m\xff"
		    "b",
		7, "    1 | a?[31m?b\n      |        ^\n");
	check_caret("ab", 2, "    1 | ab\n      |   ^\n");
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	(void)snprintf(
		expected, sizeof(expected), "    1 | ...%.100s...\n      | %63s^\n", line, "");
	check_caret(line, 200, expected);
	(void)snprintf(expected, sizeof(expected), "    1 | %.100s...\n      | ^\n", line);
	check_caret(line, 0, expected);
}

static void test_error_of_an_argument(void **state)
{
	struct error err = {0};
	json_t *value = NULL;

	(void)state;
	assert_int_equal(json5_loads("{\n a: b }", 9, "--policy", &value, &err), -EINVAL);
	assert_null(value);
	assert_non_null(strstr(err.text, "--policy:2:5: unexpected 'b'; expected a value"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_duplicates_in_large_objects),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_agrees_with_jansson),
		cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_caret),
		cmocka_unit_test(test_error_of_an_argument),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
