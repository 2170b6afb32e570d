/* SPDX-License-Identifier: MIT */
/* What counts as a script of a command, and what is wrong in one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include <string.h>

#include "base/macro.h"
#include "tools/preflight.h"

static void test_scripts(void **state)
{
	static const struct {
		const char *command, *script;
		enum preflight_language language;
	} cases[] = {
		{"python x.py", "x.py", PREFLIGHT_PYTHON},
		{" \tpython3\n a/b.py --flag", "a/b.py", PREFLIGHT_PYTHON},
		{"node x.js;ls", "x.js", PREFLIGHT_NODE},
		{"node x.js>out", "x.js", PREFLIGHT_NODE},
		{"python .py", NULL, PREFLIGHT_NONE},
		{"python x.pyc", NULL, PREFLIGHT_NONE},
		{"python x.js", NULL, PREFLIGHT_NONE},
		{"python -u x.py", NULL, PREFLIGHT_NONE},
		{"python 'x.py'", NULL, PREFLIGHT_NONE},
		{"python $x.py", NULL, PREFLIGHT_NONE},
		{"python x*.py", NULL, PREFLIGHT_NONE},
		{"python x.py'z'", NULL, PREFLIGHT_NONE},
		{"python2 x.py", NULL, PREFLIGHT_NONE},
		{"pythonx.py", NULL, PREFLIGHT_NONE},
		{"echo python x.py", NULL, PREFLIGHT_NONE},
		{"python", NULL, PREFLIGHT_NONE},
		{"", NULL, PREFLIGHT_NONE},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *script = NULL;
		size_t len = 0;

		assert_int_equal(
			preflight_script(cases[i].command, &script, &len), cases[i].language);
		if (cases[i].script != NULL) {
			assert_int_equal(len, strlen(cases[i].script));
			assert_memory_equal(script, cases[i].script, len);
		}
	}
}

static void test_texts(void **state)
{
	static const struct {
		enum preflight_language language;
		uint64_t first_line;
		const char *text, *part; /* part of the refusal; NULL: none */
	} cases[] = {
		{PREFLIGHT_PYTHON, 1, "$AB", "x:1 names the shell variable $AB,"},
		{PREFLIGHT_PYTHON, 1, "a\nb $_1", "x:2 names the shell variable $_1,"},
		{PREFLIGHT_PYTHON, 9, "\n\n$HOMEx", "x:11 names the shell variable $HOME,"},
		{PREFLIGHT_PYTHON, 1, "$$PATH", "os.environ.get(\"PATH\")"},
		{PREFLIGHT_NODE, 1, "f($PATH)", "process.env.PATH"},
		{PREFLIGHT_PYTHON, 1, "$A $1A $ab ${AB} $", NULL},
		{PREFLIGHT_PYTHON, 1, "", NULL},
		{PREFLIGHT_PYTHON, 1, "NODE x", NULL},
		{PREFLIGHT_NODE, 1, "\n NODE", "begins with the word NODE"},
		{PREFLIGHT_NODE, 1, "NODE x", "begins with the word NODE"},
		{PREFLIGHT_NODE, 2, "NODE x", NULL},
		{PREFLIGHT_NODE, 1, "NODES", NULL},
		{PREFLIGHT_NODE, 1, "node", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buf_ struct buf why = {0};
		bool refused = preflight_refuses(cases[i].language, "dir/x", cases[i].first_line,
			cases[i].text, strlen(cases[i].text), &why);

		assert_int_equal(refused, cases[i].part != NULL);
		if (refused) {
			assert_memory_equal(why.data, "exec preflight: ", 16);
			assert_non_null(strstr(why.data, cases[i].part));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scripts),
		cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
