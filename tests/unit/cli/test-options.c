/* SPDX-License-Identifier: MIT */
/* The command line: what is taken, what is refused and in which words. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/cmd.h"

struct test_args {
	struct common_args common;
	const char *name;
	uint32_t limit_ms;
	bool loud;
};

static const struct cmd_option options[] = {
	{"name", 'n', "NAME", OPTION_TEXT, offsetof(struct test_args, name), "a name"},
	{"limit", 0, "SECONDS", OPTION_SECONDS, offsetof(struct test_args, limit_ms), "a time"},
	{"loud", 'l', NULL, OPTION_FLAG, offsetof(struct test_args, loud), "a flag"},
};

static const struct cmd plain = {
	.name = "plain",
	.summary = "for tests",
	.operands = "[THING]",
	.max_operands = 1,
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.args_size = sizeof(struct test_args),
};

static const struct cmd runner = {
	.name = "runner",
	.summary = "for tests",
	.operands = "CMD [ARG...]",
	.min_operands = 1,
	.max_operands = -1,
	.operands_are_command = true,
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.args_size = sizeof(struct test_args),
};

enum { WORDS_MAX = 12 };

/* A command line under test and what came of it. */
struct parsed {
	char *argv[WORDS_MAX + 1];
	char text[WORDS_MAX][64];
	_Alignas(max_align_t) char storage[CMD_ARGS_MAX];
	struct cmd_call call;
	struct buf message;
	int r;
};

static void parse(struct parsed *p, const struct cmd *cmd, const char *const *words)
{
	int count = 0;

	memset(p, 0, sizeof(*p));
	for (; words[count] != NULL; count++) {
		assert_true(count < WORDS_MAX && strlen(words[count]) < sizeof(p->text[0]));
		memcpy(p->text[count], words[count], strlen(words[count]) + 1);
		p->argv[count] = p->text[count];
	}
	p->r = cmd_parse(cmd, p->argv, p->storage, &p->call, &p->message);
}

static const struct test_args *args_of(const struct parsed *p)
{
	return p->call.args;
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_takes_every_form(void **state)
{
	struct parsed p;

	(void)state;
	parse(&p, &plain, WORDS("--name", "a", "--loud", "--limit=1.5", "thing", "--json"));
	assert_int_equal(p.r, 0);
	assert_string_equal(args_of(&p)->name, "a");
	assert_true(args_of(&p)->loud);
	assert_true(args_of(&p)->common.json);
	assert_int_equal(args_of(&p)->limit_ms, 1500);
	assert_int_equal(p.call.operand_count, 1);
	assert_string_equal(p.call.operands[0], "thing");
	assert_null(p.call.operands[1]);

	parse(&p, &plain, WORDS("-lnb", "-n", "c"));
	assert_int_equal(p.r, 0);
	assert_true(args_of(&p)->loud);
	assert_string_equal(args_of(&p)->name, "c");

	parse(&p, &plain, WORDS("--name=--loud", "--", "--limit"));
	assert_int_equal(p.r, 0);
	assert_string_equal(args_of(&p)->name, "--loud");
	assert_false(args_of(&p)->loud);
	assert_string_equal(p.call.operands[0], "--limit");

	parse(&p, &plain, WORDS("--name="));
	assert_int_equal(p.r, 0);
	assert_string_equal(args_of(&p)->name, "");

	parse(&p, &plain, WORDS("-"));
	assert_int_equal(p.r, 0);
	assert_string_equal(p.call.operands[0], "-");
}

static void test_leaves_the_commands_own_options_alone(void **state)
{
	struct parsed p;

	(void)state;
	parse(&p, &runner, WORDS("--loud", "ls", "-l", "--name", "--help", "--"));
	assert_int_equal(p.r, 0);
	assert_true(args_of(&p)->loud);
	assert_false(args_of(&p)->common.help);
	assert_int_equal(p.call.operand_count, 5);
	assert_string_equal(p.call.operands[0], "ls");
	assert_string_equal(p.call.operands[3], "--help");
	assert_string_equal(p.call.operands[4], "--");

	parse(&p, &runner, WORDS("--", "--loud", "x"));
	assert_int_equal(p.r, 0);
	assert_false(args_of(&p)->loud);
	assert_string_equal(p.call.operands[0], "--loud");
}

static void test_refuses_in_one_sentence(void **state)
{
	static const struct {
		const struct cmd *cmd;
		const char *words[4];
		const char *message;
	} cases[] = {
		{&plain, {"--nmae", "x"},
			"plain: there is no option '--nmae', did you mean '--name'?"},
		{&plain, {"--lou"}, "plain: there is no option '--lou', did you mean '--loud'?"},
		{&plain, {"--zzzzzz"},
			"plain: there is no option '--zzzzzz'; 'creel help plain' lists them"},
		{&plain, {"-x"}, "plain: there is no option '-x'; 'creel help plain' lists them"},
		{&plain, {"--name"}, "plain: option '--name' needs a value: NAME"},
		{&plain, {"-n"}, "plain: option '--name' needs a value: NAME"},
		{&plain, {"--config="}, "plain: option '--config' needs a FILE that is not empty"},
		{&plain, {"--loud=yes"}, "plain: option '--loud' takes no value"},
		{&plain, {"a", "b"},
			"plain: takes [THING] alone, and there is one argument too many: 'b'"},
		{&plain, {"--a\nb"},
			"plain: there is no option '--a\\x0ab'; 'creel help plain' lists them"},
		{&runner, {"--loud"}, "runner: needs CMD [ARG...]"},
		{&runner, {NULL}, "runner: needs CMD [ARG...]"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct parsed p;

		parse(&p, cases[i].cmd, cases[i].words);
		assert_int_equal(p.r, -EINVAL);
		assert_string_equal(p.message.data, cases[i].message);
		buf_finish(&p.message);
	}
}

static void test_reads_times(void **state)
{
	static const struct {
		const char *text;
		uint32_t ms; /* 0: refused */
	} cases[] = {
		{"1", 1000},
		{"0.5", 500},
		{".25", 250},
		{"2s", 2000},
		{"2m", 120000},
		{"1.5m", 90000},
		{"1h", 3600000},
		{"0.001", 1},
		{"1000h", 3600000000U},
		{"0", 0},
		{"0.0001", 0},
		{"", 0},
		{".", 0},
		{"-1", 0},
		{"1 ", 0},
		{" 1", 0},
		{"1x", 0},
		{"1.2.3", 0},
		{"m", 0},
		{"1e3", 0},
		{"0x10", 0},
		{"inf", 0},
		{"4294968", 0},
		{"99999999999999999999999", 0},
		{"1193.1h", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct parsed p;

		parse(&p, &plain, WORDS("--limit", cases[i].text));
		assert_int_equal(p.r, cases[i].ms > 0 ? 0 : -EINVAL);
		assert_int_equal(args_of(&p)->limit_ms, cases[i].ms);
		buf_finish(&p.message);
	}
}

static void test_help_needs_no_operands(void **state)
{
	struct parsed p;

	(void)state;
	parse(&p, &runner, WORDS("--help"));
	assert_int_equal(p.r, 0);
	assert_true(args_of(&p)->common.help);
}

static void test_nearest_is_near(void **state)
{
	static const char *const words[] = {"exec", "doctor", "sandbox", "policy", "config"};
	static const struct {
		const char *word, *nearest;
	} cases[] = {
		{"exce", "exec"},
		{"docter", "doctor"},
		{"sandbx", "sandbox"},
		{"cofnig", "config"},
		{"exec", "exec"},
		{"zebra", NULL},
		{"", NULL},
		{"a-word-that-is-much-too-long-to-be-a-slip-of-anything", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *found = nearest_word(cases[i].word, words, ARRAY_SIZE(words));

		if (cases[i].nearest == NULL) {
			assert_null(found);
		} else {
			assert_non_null(found);
			assert_string_equal(found, cases[i].nearest);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_takes_every_form),
		cmocka_unit_test(test_leaves_the_commands_own_options_alone),
		cmocka_unit_test(test_refuses_in_one_sentence),
		cmocka_unit_test(test_reads_times),
		cmocka_unit_test(test_help_needs_no_operands),
		cmocka_unit_test(test_nearest_is_near),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
