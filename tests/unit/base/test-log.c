/* SPDX-License-Identifier: MIT */
/* Log lines: one line each, nothing in them that drives a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/log_form.h"
#include "base/own.h"

static char output[16384];

/* stderr goes to a pipe while fn runs; what came is in output. */
static void capture(void (*fn)(void))
{
	int ends[2];
	int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	ssize_t n;

	assert_true(saved >= 0);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	fn();
	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	(void)close(ends[1]);
	(void)close(saved);
	n = read(ends[0], output, sizeof(output) - 1);
	(void)close(ends[0]);
	assert_true(n >= 0);
	output[n] = '\0';
}

static void every_level(void)
{
	log_error("e %d", 1);
	log_warning("w");
	log_info("i");
	log_debug("d");
}

static void levels_below_are_silent(void **state)
{
	(void)state;
	capture(every_level);
	assert_string_equal(output, "creel: e 1\ncreel: warning: w\n");
	log_set_level(LOG_LEVEL_ERROR);
	capture(every_level);
	assert_string_equal(output, "creel: e 1\n");
	log_set_level(LOG_LEVEL_DEBUG);
	capture(every_level);
	assert_string_equal(output, "creel: e 1\ncreel: warning: w\ncreel: i\ncreel: debug: d\n");
}

static void named(void)
{
	log_set_name("creel-init");
	log_error("x");
	log_set_name("creel");
}

static void the_name_can_be_set(void **state)
{
	(void)state;
	capture(named);
	assert_string_equal(output, "creel-init: x\n");
}

static void star(void *arg, const char *text, struct buf *out)
{
	buf_addf(out, "%s%zu%s", (const char *)arg, strlen(text), "\n");
}

static void filtered(void)
{
	static char before[] = "length ";

	log_set_filter(star, before);
	log_error("s3cr3t");
	log_set_filter(NULL, NULL);
	log_error("s3cr3t");
}

static void a_filter_says_what_is_shown(void **state)
{
	(void)state;
	capture(filtered);
	assert_string_equal(output, "creel: length 6\\x0a\ncreel: s3cr3t\n");
}

static void forms(void)
{
	assert_true(log_form_set("json"));
	assert_false(log_form_set("xml"));
	assert_string_equal(log_form_name(), "json");
	log_with(LOG_LEVEL_ERROR, LOG_FIELDS({"sandbox", "a\"b"}, {"none", NULL}), "say %s",
		"\"\\\n\xff\xc3\xa9");
	assert_true(log_form_set("text"));
	log_with(LOG_LEVEL_ERROR, LOG_FIELDS({"sandbox", "a"}), "say");
	assert_true(log_form_set(NULL));
}

static void the_form_is_json(void **state)
{
	char expected[256];
	const char *rest;

	(void)state;
	capture(forms);
	rest = strstr(output, "Z\",");
	assert_memory_equal(output, "{\"time\":\"20", 11);
	assert_non_null(rest);
	(void)snprintf(expected, sizeof(expected),
		"Z\",\"level\":\"error\",\"program\":\"creel\",\"pid\":%d,"
		"\"message\":\"say \\\"\\\\\\\\x0a\\\\xff\xc3\xa9\",\"sandbox\":\"a\\\"b\"}\n"
		"creel: say\n",
		getpid());
	assert_string_equal(rest, expected);
}

static void masked_fields(void)
{
	static char before[] = "masked ";

	assert_true(log_form_set("json"));
	log_set_filter(star, before);
	log_with(LOG_LEVEL_ERROR, LOG_FIELDS({"sandbox", "s3cr3t"}), "x");
	log_set_filter(NULL, NULL);
	assert_true(log_form_set(NULL));
}

static void fields_are_filtered_too(void **state)
{
	(void)state;
	capture(masked_fields);
	assert_null(strstr(output, "s3cr3t"));
	assert_non_null(strstr(output, "\"sandbox\":\"masked 6\\\\x0a\"}"));
}

/* stderr is the pipe while this runs; systemd sets the variable to the device and inode of it. */
static void to_the_journal(void)
{
	struct stat st;
	char stream[64];

	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	(void)snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		(unsigned long long)st.st_ino);
	assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
	log_form_open();
	log_error("e");
	log_warning("w");
	assert_int_equal(setenv("JOURNAL_STREAM", "1:1", 1), 0);
	log_form_open();
	log_error("e");
	assert_int_equal(setenv("CREEL_LOG", "json", 1), 0);
	log_form_open();
	log_error("e");
	assert_int_equal(unsetenv("CREEL_LOG"), 0);
	assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
	log_form_open();
}

static void lines_for_the_journal_have_priorities(void **state)
{
	static const char expected[] = "<3>creel: e\n<4>creel: warning: w\ncreel: e\n{";

	(void)state;
	log_set_level(LOG_LEVEL_WARNING);
	capture(to_the_journal);
	assert_memory_equal(output, expected, sizeof(expected) - 1);
}

static void forged(void)
{
	log_error("file '%s'", "a\ncreel: all is well\x1b[2J\xff");
}

static void a_message_cannot_forge_a_line(void **state)
{
	(void)state;
	capture(forged);
	assert_string_equal(output, "creel: file 'a\\x0acreel: all is well\\x1b[2J\\xff'\n");
}

static void endless(void)
{
	char fill[9000];

	memset(fill, 'x', sizeof(fill) - 1);
	fill[sizeof(fill) - 1] = '\0';
	log_error("%s", fill);
}

static void a_long_message_is_cut(void **state)
{
	(void)state;
	capture(endless);
	assert_int_equal(strlen(output), strlen("creel: ") + 4095 + 1);
	assert_int_equal(output[strlen(output) - 1], '\n');
}

static void broken(void)
{
	(void)close(STDERR_FILENO);
	errno = EXDEV;
	log_error("nobody hears this");
	assert_int_equal(errno, EXDEV);
	log_set_level(LOG_LEVEL_ERROR);
	log_warning("nor this");
	assert_int_equal(errno, EXDEV);
}

static void errno_survives_a_failed_write(void **state)
{
	(void)state;
	capture(broken);
	assert_string_equal(output, "");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(levels_below_are_silent),
		cmocka_unit_test(the_name_can_be_set),
		cmocka_unit_test(a_filter_says_what_is_shown),
		cmocka_unit_test(the_form_is_json),
		cmocka_unit_test(fields_are_filtered_too),
		cmocka_unit_test(lines_for_the_journal_have_priorities),
		cmocka_unit_test(a_message_cannot_forge_a_line),
		cmocka_unit_test(a_long_message_is_cut),
		cmocka_unit_test(errno_survives_a_failed_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
