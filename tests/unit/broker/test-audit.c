/* SPDX-License-Identifier: MIT */
/* The audit log: rows in a chain, and what breaks it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../scratch.h"
#include "base/buf.h"
#include "base/macro.h"
#include "base/mem.h"
#include "broker/audit-mask.h"
#include "broker/audit-secrets.h"
#include "broker/audit.h"

struct log {
	char dir[SCRATCH_PATH_SIZE], path[96];
	struct audit *audit;
};

static void open_log(struct log *log, const struct audit_opts *opts)
{
	struct error err = {0};

	log->audit = audit_close(log->audit);
	if (audit_open(log->dir, opts, &log->audit, &err) < 0) {
		fail_msg("%s", err.text);
	}
}

static int set_up(void **state)
{
	struct log *log = xcalloc(1, sizeof(*log));

	scratch_make(log->dir, "audit");
	(void)snprintf(log->path, sizeof(log->path), "%s/" AUDIT_FILE, log->dir);
	open_log(log, NULL);
	*state = log;
	return 0;
}

static int tear_down(void **state)
{
	struct log *log = *state;

	(void)audit_close(log->audit);
	scratch_remove(log->dir);
	free(log);
	return 0;
}

static void add(struct log *log, const char *action)
{
	struct audit_entry entry = AUDIT_ENTRY("call", action);
	struct error err = {0};

	entry.session = "agent:main:main";
	if (audit_row(log->audit, &entry, &err) < 0) {
		fail_msg("%s", err.text);
	}
}

/* Rows, or -1 when the chain is broken. */
static long count_verified(struct log *log)
{
	struct audit_verdict verdict;
	struct error err = {0};

	return audit_verify(log->dir, &verdict, &err) < 0 ? -1 : (long)verdict.rows;
}

static char *slurp(struct log *log, size_t *ret_len)
{
	int fd = open(log->path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *text;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	text = xcalloc(1, (size_t)st.st_size + 1);
	assert_int_equal(read(fd, text, (size_t)st.st_size), st.st_size);
	(void)close(fd);
	*ret_len = (size_t)st.st_size;
	return text;
}

static void spill(struct log *log, const char *text, size_t len)
{
	int fd = open(log->path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	(void)close(fd);
}

struct seen {
	long rows;
	char actions[256];
	bool stop;
};

static bool on_row(void *arg, const char *text, size_t len, const json_t *row)
{
	struct seen *seen = arg;
	size_t at = strlen(seen->actions);

	assert_null(memchr(text, '\n', len));
	seen->rows++;
	(void)snprintf(seen->actions + at, sizeof(seen->actions) - at, "%s ",
		json_string_value(json_object_get(row, "action")));
	return !seen->stop;
}

static void read_into(struct log *log, struct audit_position *position, struct seen *seen)
{
	struct error err = {0};

	*seen = (struct seen){0};
	assert_int_equal(audit_read(log->dir, position, on_row, seen, &err), 0);
}

static void rows_form_a_chain(void **state)
{
	struct log *log = *state;
	struct audit_position position = {0};
	struct seen seen;
	struct stat st;

	assert_int_equal(count_verified(log), 0);
	add(log, "one");
	add(log, "two");
	open_log(log, NULL);
	add(log, "three");
	assert_int_equal(count_verified(log), 3);
	read_into(log, &position, &seen);
	assert_string_equal(seen.actions, "one two three ");
	read_into(log, &position, &seen);
	assert_int_equal(seen.rows, 0);
	add(log, "four");
	read_into(log, &position, &seen);
	assert_string_equal(seen.actions, "four ");
	assert_int_equal(stat(log->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

/* Each byte of the log is covered. */
static void every_changed_byte_is_found(void **state)
{
	struct log *log = *state;
	size_t len;
	char *text;

	add(log, "one");
	add(log, "two");
	text = slurp(log, &len);
	for (size_t i = 0; i < len; i++) {
		text[i] = (char)(text[i] ^ 1);
		spill(log, text, len);
		/* Without its newline the last row is one that was cut off, which a crash does too. */
		assert_int_equal(count_verified(log), i == len - 1 ? 1 : -1);
		text[i] = (char)(text[i] ^ 1);
	}
	free(text);
}

static void removed_and_moved_rows_are_found(void **state)
{
	struct log *log = *state;
	_cleanup_buf_ struct buf changed = {0};
	char *text, *second, *third;
	size_t len;

	add(log, "one");
	add(log, "two");
	add(log, "three");
	text = slurp(log, &len);
	second = strchr(text, '\n') + 1;
	third = strchr(second, '\n') + 1;
	buf_add(&changed, text, (size_t)(second - text));
	buf_add_str(&changed, third);
	spill(log, changed.data, changed.len);
	assert_int_equal(count_verified(log), -1);
	buf_clear(&changed);
	buf_add(&changed, text, (size_t)(second - text));
	buf_add_str(&changed, third);
	buf_add(&changed, second, (size_t)(third - second));
	spill(log, changed.data, changed.len);
	assert_int_equal(count_verified(log), -1);
	/* The oldest may be gone, as when a file is not kept any more. */
	spill(log, second, strlen(second));
	assert_int_equal(count_verified(log), 2);
	free(text);
}

static void half_a_row_is_dropped_and_said(void **state)
{
	struct log *log = *state;
	struct audit_position position = {0};
	struct seen seen;
	size_t len;
	char *text;

	add(log, "one");
	add(log, "two");
	text = slurp(log, &len);
	spill(log, text, len - 5);
	free(text);
	assert_int_equal(count_verified(log), 1);
	add(log, "three");
	assert_int_equal(count_verified(log), 3);
	read_into(log, &position, &seen);
	assert_string_equal(seen.actions, "one repaired three ");
}

static void a_foreign_end_is_not_written_behind(void **state)
{
	struct log *log = *state;
	struct audit *other = NULL;
	struct error err = {0};

	add(log, "one");
	spill(log, "{\"seq\":7}\n", 10);
	assert_int_equal(audit_open(log->dir, NULL, &other, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "audit verify"));
	assert_null(other);
}

static void files_are_put_aside(void **state)
{
	const struct audit_opts opts = {.max_bytes = 1000, .files = 3};
	struct log *log = *state;
	struct audit_position position = {0};
	struct audit_verdict verdict;
	struct seen seen;
	struct error err = {0};

	open_log(log, &opts);
	for (int i = 0; i < 5; i++) {
		add(log, "a");
	}
	read_into(log, &position, &seen);
	assert_int_equal(seen.rows, 5);
	for (int i = 0; i < 4; i++) {
		add(log, "b");
	}
	/* A reader that was away while files were put aside misses nothing that is kept. */
	read_into(log, &position, &seen);
	assert_string_equal(seen.actions, "b b b b ");
	for (int i = 0; i < 50; i++) {
		add(log, "c");
	}
	open_log(log, &opts);
	add(log, "d");
	assert_int_equal(audit_verify(log->dir, &verdict, &err), 0);
	assert_int_equal(verdict.last_seq, 60);
	assert_true(verdict.first_seq > 1);
	assert_int_equal(verdict.rows, verdict.last_seq - verdict.first_seq + 1);
}

/* Processes that write at the same time take turns. */
static void several_writers(void **state)
{
	enum { WRITERS = 4, ROWS = 100 };
	const struct audit_opts opts = {.max_bytes = 20000, .files = 100};
	struct log *log = *state;

	for (int i = 0; i < WRITERS; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			log->audit = NULL;
			open_log(log, &opts);
			for (int j = 0; j < ROWS; j++) {
				add(log, "x");
			}
			_exit(0);
		}
	}
	for (int i = 0; i < WRITERS; i++) {
		int status;

		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(count_verified(log), WRITERS * ROWS);
}

static void text_cannot_forge_a_line(void **state)
{
	static const char evil[] = "x\n{\"seq\":99}\r\n\x1b[2J\xff\xe2\x80\xa8 end";
	struct log *log = *state;
	struct audit_entry entry = AUDIT_ENTRY("call", evil);
	struct error err = {0};
	size_t len, lines = 0;
	char *text;

	entry.reason = entry.session = entry.sender = evil;
	assert_int_equal(audit_row(log->audit, &entry, &err), 0);
	text = slurp(log, &len);
	for (size_t i = 0; i < len; i++) {
		lines += text[i] == '\n' ? 1 : 0;
		assert_true(text[i] == '\n' || (text[i] >= ' ' && text[i] < 0x7f));
	}
	assert_int_equal(lines, 1);
	free(text);
	assert_int_equal(count_verified(log), 1);
}

static void long_rows_lose_their_detail(void **state)
{
	struct log *log = *state;
	struct audit_entry entry = AUDIT_ENTRY("call", "exec");
	char *much = xcalloc(1, 300001);
	struct error err = {0};
	json_t *detail;

	(void)memset(much, 'a', 300000);
	detail = json_pack("{s:s}", "command", much);
	entry.detail = detail;
	entry.session = much;
	assert_int_equal(audit_row(log->audit, &entry, &err), 0);
	add(log, "next");
	assert_int_equal(count_verified(log), 2);
	json_decref(detail);
	free(much);
}

/* RLIMIT_FSIZE stands in for the disk: a write that does not fit is cut off there as well. */
static void a_full_disk_leaves_no_half_row(void **state)
{
	struct log *log = *state;
	struct audit_entry entry = AUDIT_ENTRY("call", "exec");
	struct rlimit before, small;
	struct error err = {0};
	struct stat st;

	add(log, "one");
	assert_int_equal(stat(log->path, &st), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = (struct rlimit){.rlim_cur = (rlim_t)st.st_size + 20, .rlim_max = before.rlim_max};
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_true(audit_row(log->audit, &entry, &err) < 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(count_verified(log), 1);
	add(log, "two");
	assert_int_equal(count_verified(log), 2);
}

/* --- secrets --- */

static void masks(const char *text, const char *expected)
{
	static const char *const secrets[] = {"hunter22", "hunter22longer", "abc", NULL};
	const struct strv list = {.items = (const char **)(uintptr_t)secrets, .count = 3};
	_cleanup_buf_ struct buf out = {0};

	audit_mask(&out, text, &list);
	assert_string_equal(out.data != NULL ? out.data : "", expected);
}

static void secrets_are_masked(void **state)
{
	(void)state;
	masks("", "");
	masks("say hunter22 twice: hunter22", "say *** twice: ***");
	masks("xhunter22longery", "x***y");
	masks("agent:main:xHUNTER22longery", "agent:main:x***y");
	masks("abc is too short", "abc is too short");
	masks("export GITHUB_TOKEN=ghp_123 && run", "export GITHUB_TOKEN=*** && run");
	masks("API_KEY='a b c' x", "API_KEY=*** x");
	masks("PASSWORD=\"open", "PASSWORD=***");
	masks("PATH=/usr/bin", "PATH=/usr/bin");
	masks("curl -H 'Authorization: Bearer abc.def' url",
		"curl -H 'Authorization: Bearer ***' url");
	masks("TOKEN= next", "TOKEN= next");
	masks("==", "==");
}

static void secrets_are_masked_in_rows(void **state)
{
	static const char *const secrets[] = {"s3cr3t-value", NULL};
	const struct strv list = {.items = (const char **)(uintptr_t)secrets, .count = 1};
	struct log *log = *state;
	struct audit_entry entry = AUDIT_ENTRY("call", "exec");
	struct error err = {0};
	json_t *detail = json_pack("{s:s, s:[s], s:{s:s}, s:i}", "command", "echo s3cr3t-value",
		"list", "s3cr3t-value", "env", "MY_TOKEN", "another", "n", 3);
	size_t len;
	char *text;

	audit_set_secrets(log->audit, &list);
	entry.reason = "because s3cr3t-value";
	entry.detail = detail;
	assert_int_equal(audit_row(log->audit, &entry, &err), 0);
	json_decref(detail);
	text = slurp(log, &len);
	assert_null(strstr(text, "s3cr3t"));
	assert_null(strstr(text, "another"));
	assert_non_null(strstr(text, "\"n\":3"));
	free(text);
}

static void the_token_of_a_call_is_masked(void **state)
{
	struct log *log = *state;
	struct audit_entry entry = AUDIT_ENTRY("call", "exec");
	struct error err = {0};
	_cleanup_buf_ struct buf shown = {0};
	size_t len;
	char *text;

	audit_learn_secret(log->audit, "native");
	audit_learn_secret(log->audit, "vnc-pass");
	entry.secret = "presented";
	entry.session = "agent:main:vnc-pass-presented";
	entry.backend = "native";
	assert_int_equal(audit_row(log->audit, &entry, &err), 0);
	text = slurp(log, &len);
	assert_non_null(strstr(text, "agent:main:***-***"));
	assert_non_null(strstr(text, "\"backend\":\"native\""));
	free(text);
	audit_mask_text(log->audit, "vnc-pass and presented", &shown);
	assert_string_equal(shown.data, "*** and presented");
}

static void learnt_secrets_are_bounded(void **state)
{
	struct log *log = *state;
	_cleanup_buf_ struct buf shown = {0};
	char value[16];

	for (int i = 0; i < 300; i++) {
		(void)snprintf(value, sizeof(value), "learnt-%03d", i);
		audit_learn_secret(log->audit, value);
	}
	audit_mask_text(log->audit, "learnt-000 learnt-043 learnt-044 learnt-299", &shown);
	assert_string_equal(shown.data, "learnt-000 learnt-043 *** ***");
}

static void has(const struct strv *list, const char *value, bool expected)
{
	if (strv_contains(list, value) != expected) {
		fail_msg("'%s' is %s", value, expected ? "not found" : "found");
	}
}

static void secrets_are_found(void **state)
{
	static const char text[] =
		"{'agents': {'defaults': {'sandbox': {'docker': {'env': {'LANG': 'C.UTF-8',"
		" 'MY_API_KEY': 'of-the-env', 'DB': 'postgres://me:of-the-url@db/x?y=a://b:second@c'}}}},"
		" 'list': [{'id': 'a', 'sandbox': {'docker': {'env': {'GH_TOKEN': 'of-the-agent'}}}}]},"
		" 'gateway': {'auth': {'password': 'of-the-original'}, 'listen': 'off', 'tokens': ["
		" {'name': 'n', 'token': 'of-the-list'}, {'name': 'm', 'tokenFile': '/a/file'}]},"
		" 'channels': {'telegram': {'botToken': 'of-a-channel', 'id': 'plain'}},"
		" 'secrets': {'TEXT': '-----BEGIN PRIVATE KEY-----'}}";
	static const char *const env[] = {"HOME=/home/me", "X_SECRET=of-the-process", "NO", NULL};
	_cleanup_arena_ struct arena arena = {0};
	char *json = arena_strdup(&arena, text);
	struct strv list = {0};
	json_t *root;

	(void)state;
	for (char *at = json; *at != '\0'; at++) {
		*at = *at == '\'' ? '"' : *at;
	}
	root = json_loads(json, 0, NULL);
	assert_non_null(root);
	audit_secrets_of_config(root, &arena, &list);
	json_decref(root);
	audit_secrets_of_env((char *const *)(uintptr_t)env, &arena, &list);
	audit_secrets_of_env(NULL, &arena, &list);
	has(&list, "of-the-env", true);
	has(&list, "of-the-url", true);
	has(&list, "second", true);
	has(&list, "of-the-agent", true);
	has(&list, "of-the-original", true);
	has(&list, "of-the-list", true);
	has(&list, "of-a-channel", true);
	has(&list, "-----BEGIN PRIVATE KEY-----", true);
	has(&list, "of-the-process", true);
	has(&list, "C.UTF-8", false);
	has(&list, "/a/file", false);
	has(&list, "plain", false);
	has(&list, "n", false);
	assert_int_equal(list.count, 9);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(rows_form_a_chain),
		CASE(every_changed_byte_is_found),
		CASE(removed_and_moved_rows_are_found),
		CASE(half_a_row_is_dropped_and_said),
		CASE(a_foreign_end_is_not_written_behind),
		CASE(files_are_put_aside),
		CASE(several_writers),
		CASE(text_cannot_forge_a_line),
		CASE(long_rows_lose_their_detail),
		CASE(a_full_disk_leaves_no_half_row),
		cmocka_unit_test(secrets_are_masked),
		cmocka_unit_test(secrets_are_found),
		CASE(the_token_of_a_call_is_masked),
		CASE(learnt_secrets_are_bounded),
		CASE(secrets_are_masked_in_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
