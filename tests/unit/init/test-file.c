/* SPDX-License-Identifier: MIT */
/* File requests to a real creel-init: its workers, their answers, their ends. */
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
#include <sys/stat.h>
#include <unistd.h>

#include "../scratch.h"
#include "base/macro.h"
#include "base/mem.h"
#include "rig.h"
#include "wire/link_file.h"

struct answer {
	struct buf data;
	bool done, lost;
	uint32_t errnum;
	char text[WIRE_MAX_TEXT + 1];
	uint64_t facts[WIRE_FILE_FACTS];
	uint32_t stream;
};

struct files {
	struct rig *rig;
	char dir[SCRATCH_PATH_SIZE];
};

static void on_data(void *arg, const uint8_t *data, size_t len)
{
	struct answer *answer = arg;

	buf_add(&answer->data, data, len);
}

static void on_done(void *arg, const struct wire_file_done *done)
{
	struct answer *answer = arg;

	assert_false(answer->done);
	answer->done = true;
	answer->errnum = done->errnum;
	assert_true(done->text.len < sizeof(answer->text));
	if (done->text.len > 0) {
		(void)memcpy(answer->text, done->text.data, done->text.len);
	}
	answer->text[done->text.len] = '\0';
	(void)memcpy(answer->facts, done->facts, sizeof(answer->facts));
}

static void on_lost(void *arg, const struct error *why)
{
	struct answer *answer = arg;

	(void)why;
	answer->lost = true;
}

static const struct link_file_ops ops = {.data = on_data, .done = on_done, .lost = on_lost};

static struct wire_bytes bytes_of(const char *text)
{
	return (struct wire_bytes){(const uint8_t *)text, strlen(text)};
}

/* Asks; the answer comes while the link is pumped. */
static void ask_bytes(struct files *f, struct answer *answer, struct wire_file_request request,
	struct wire_bytes a, struct wire_bytes b)
{
	struct error err;

	*answer = (struct answer){0};
	if (request.root.data == NULL) {
		request.root = bytes_of(f->dir);
	}
	request.flags |= WIRE_FILE_NO_SYNC;
	if (link_file_call(f->rig->link, &request, a, b, &ops, answer, &answer->stream, &err) < 0) {
		fail_msg("%s", err.text);
	}
}

static void ask(struct files *f, struct answer *answer, uint32_t op, const char *path,
	const char *a, const char *b)
{
	struct wire_file_request request = {
		.op = op, .offset = 0, .limit = 100, .max_bytes = LIMIT_READ_PAGE};

	if (path != NULL) {
		request.path = bytes_of(path);
	}
	ask_bytes(f, answer, request, bytes_of(a), bytes_of(b));
}

/* ... and waits for the answer. */
static void get(struct files *f, struct answer *answer, uint32_t op, const char *path,
	const char *a, const char *b)
{
	ask(f, answer, op, path, a, b);
	rig_until(f->rig, &answer->done);
}

static const char *data_of(const struct answer *answer)
{
	return answer->data.data != NULL ? answer->data.data : "";
}

static void expect_done(struct answer *answer, const char *data)
{
	if (answer->errnum != 0) {
		fail_msg("errno %u: %s", answer->errnum, answer->text);
	}
	assert_string_equal(data_of(answer), data);
	buf_finish(&answer->data);
}

static void expect_failed(struct answer *answer, int num, const char *text)
{
	assert_int_equal(answer->errnum, num);
	assert_non_null(strstr(answer->text, text));
	assert_int_equal(answer->data.len, 0);
	buf_finish(&answer->data);
}

static void put(struct files *f, const char *name, const char *text)
{
	char path[128];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
	struct files *f = xcalloc(1, sizeof(*f));

	scratch_make(f->dir, "file");
	f->rig = rig_start(false);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct files *f = *state;
	int status = f->rig != NULL ? rig_stop(f->rig) : 0;

	scratch_remove(f->dir);
	free(f);
	return status;
}

/* --- what each operation gives --- */

static void write_then_read(void **state)
{
	struct files *f = *state;
	struct answer answer;

	get(f, &answer, WIRE_FILE_WRITE, "new/deep/file", "one\ntwo\n", "");
	assert_int_equal(answer.facts[0], 1);
	assert_int_equal(answer.facts[1], 8);
	expect_done(&answer, "");
	get(f, &answer, WIRE_FILE_READ, "new/deep/file", "", "");
	assert_int_equal(answer.facts[3], 2);
	expect_done(&answer, "one\ntwo\n");
	get(f, &answer, WIRE_FILE_READ, "none", "", "");
	expect_failed(&answer, ENOENT, "none");
	get(f, &answer, WIRE_FILE_READ, NULL, "", "");
	expect_failed(&answer, EINVAL, "path");
}

static void edit_and_patch(void **state)
{
	struct files *f = *state;
	struct answer answer;

	put(f, "a", "one\ntwo\nthree\n");
	get(f, &answer, WIRE_FILE_EDIT, "a", "two", "2");
	assert_int_equal(answer.facts[0], 2);
	assert_non_null(strstr(data_of(&answer), "+2 2"));
	assert_non_null(strstr(data_of(&answer), "-2 two"));
	buf_finish(&answer.data);
	get(f, &answer, WIRE_FILE_EDIT, "a", "four", "4");
	assert_int_not_equal(answer.errnum, 0);
	buf_finish(&answer.data);
	get(f, &answer, WIRE_FILE_PATCH, NULL,
		"*** Begin Patch\n*** Add File: b\n+new\n*** Update File: a\n@@\n-one\n+1\n"
		"*** End Patch\n",
		"");
	assert_int_equal(answer.facts[0], 1);
	assert_int_equal(answer.facts[1], 1);
	expect_done(&answer, "Success. Updated the following files:\nA b\nM a");
	get(f, &answer, WIRE_FILE_PATCH, NULL, "no patch", "");
	assert_int_not_equal(answer.errnum, 0);
	buf_finish(&answer.data);
}

static void lists(void **state)
{
	struct files *f = *state;
	struct answer answer;

	put(f, "a.c", "int a;\n");
	put(f, "b.txt", "text\n");
	get(f, &answer, WIRE_FILE_LS, NULL, "", "");
	assert_int_equal(answer.facts[0], 2);
	assert_int_equal(data_of(&answer)[0], 'f');
	buf_finish(&answer.data);
	get(f, &answer, WIRE_FILE_GLOB, NULL, "*.c", "");
	assert_int_equal(answer.facts[0], 1);
	expect_done(&answer, "a.c");
	get(f, &answer, WIRE_FILE_GREP, NULL, "t a", "*.c");
	assert_int_equal(answer.facts[0], 1);
	expect_done(&answer, "a.c:1: int a;\n");
	get(f, &answer, WIRE_FILE_GREP, NULL, "(", "");
	assert_int_not_equal(answer.errnum, 0);
	buf_finish(&answer.data);
	get(f, &answer, WIRE_FILE_LS, "none", "", "");
	expect_failed(&answer, ENOENT, "none");
	get(f, &answer, WIRE_FILE_GLOB, "none", "*", "");
	assert_int_not_equal(answer.errnum, 0);
	buf_finish(&answer.data);
}

static void what_makes_no_sense(void **state)
{
	static const uint8_t nul[] = {'a', 0, 'b'};
	struct files *f = *state;
	struct answer answer;

	ask_bytes(f, &answer, (struct wire_file_request){.op = WIRE_FILE_GLOB, .limit = 10},
		(struct wire_bytes){nul, sizeof(nul)}, bytes_of(""));
	rig_until(f->rig, &answer.done);
	expect_failed(&answer, EINVAL, "NUL");
	ask_bytes(f, &answer,
		(struct wire_file_request){.op = WIRE_FILE_LS, .root = bytes_of("/no/such/root")},
		bytes_of(""), bytes_of(""));
	rig_until(f->rig, &answer.done);
	expect_failed(&answer, ENOENT, "/no/such/root");
}

static void outside_is_out_of_reach(void **state)
{
	struct files *f = *state;
	struct answer answer;

	ask_bytes(f, &answer,
		(struct wire_file_request){.op = WIRE_FILE_READ,
			.flags = WIRE_FILE_BENEATH,
			.limit = 10,
			.max_bytes = 1000,
			.path = bytes_of("../../etc/passwd")},
		bytes_of(""), bytes_of(""));
	rig_until(f->rig, &answer.done);
	assert_int_not_equal(answer.errnum, 0);
	assert_int_equal(answer.data.len, 0);
	buf_finish(&answer.data);
}

/* --- workers --- */

static void bodies_of_many_frames(void **state)
{
	enum { SIZE = 3 * 1024 * 1024 };
	struct files *f = *state;
	char *text = xmalloc(SIZE + 1);
	struct answer answer;

	for (size_t i = 0; i < SIZE; i++) {
		text[i] = i % 64 == 63 ? '\n' : (char)('a' + i % 23);
	}
	text[SIZE] = '\0';
	get(f, &answer, WIRE_FILE_WRITE, "big", text, "");
	assert_int_equal(answer.facts[1], SIZE);
	expect_done(&answer, "");
	ask_bytes(f, &answer,
		(struct wire_file_request){.op = WIRE_FILE_READ,
			.flags = WIRE_FILE_RAW,
			.limit = SIZE,
			.max_bytes = SIZE,
			.path = bytes_of("big")},
		bytes_of(""), bytes_of(""));
	rig_until(f->rig, &answer.done);
	assert_int_equal(answer.data.len, SIZE);
	assert_memory_equal(answer.data.data, text, SIZE);
	buf_finish(&answer.data);
	free(text);
}

/* More than there are workers: some wait, all are answered. */
static void many_at_once(void **state)
{
	enum { MANY = 100 };
	struct files *f = *state;
	struct answer answers[MANY];
	char name[16], text[16];

	for (int i = 0; i < MANY; i++) {
		(void)snprintf(name, sizeof(name), "f%d", i);
		(void)snprintf(text, sizeof(text), "text %d", i);
		ask(f, &answers[i], WIRE_FILE_WRITE, name, text, "");
	}
	for (int i = 0; i < MANY; i++) {
		rig_until(f->rig, &answers[i].done);
		expect_done(&answers[i], "");
	}
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(name, sizeof(name), "f%d", i);
		ask(f, &answers[i], WIRE_FILE_READ, name, "", "");
	}
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(text, sizeof(text), "text %d", i);
		rig_until(f->rig, &answers[i].done);
		expect_done(&answers[i], text);
	}
}

static pid_t find_worker(const struct files *f)
{
	char command[64];
	FILE *out;
	int pid = 0;

	(void)snprintf(command, sizeof(command), "pgrep -n -P %d -x creel-files", (int)f->rig->pid);
	/* The test's own fixed command. */
	out = popen(command, "re"); /* NOLINT(cert-env33-c) */
	assert_non_null(out);
	if (fscanf(out, "%d", &pid) != 1) { /* NOLINT(cert-err34-c) */
		pid = 0;
	}
	(void)pclose(out);
	return pid;
}

/* The only worker, stopped: what it is asked stays unanswered. */
static pid_t stop_worker(struct files *f)
{
	struct answer answer;
	pid_t worker;

	get(f, &answer, WIRE_FILE_LS, NULL, "", "");
	buf_finish(&answer.data);
	worker = find_worker(f);
	assert_true(worker > 0);
	assert_int_equal(kill(worker, SIGSTOP), 0);
	return worker;
}

static void a_look_can_be_aborted(void **state)
{
	struct files *f = *state;
	struct answer slow, next;

	(void)stop_worker(f);
	ask(f, &slow, WIRE_FILE_GREP, NULL, "x", "");
	rig_pump_ms(f->rig, 20);
	assert_false(slow.done);
	link_file_abort(f->rig->link, slow.stream);
	rig_until(f->rig, &slow.done);
	expect_failed(&slow, EINTR, "ended");
	get(f, &next, WIRE_FILE_WRITE, "a", "text", "");
	expect_done(&next, "");
}

static void a_killed_worker_is_replaced(void **state)
{
	struct files *f = *state;
	pid_t worker = stop_worker(f);
	struct answer slow, next;

	ask(f, &slow, WIRE_FILE_WRITE, "a", "text", "");
	rig_pump_ms(f->rig, 20);
	assert_false(slow.done);
	assert_int_equal(kill(worker, SIGKILL), 0);
	rig_until(f->rig, &slow.done);
	expect_failed(&slow, EINTR, "ended from outside");
	get(f, &next, WIRE_FILE_WRITE, "a", "text", "");
	expect_done(&next, "");
}

static void what_writes_is_not_aborted(void **state)
{
	struct files *f = *state;
	struct answer answer;

	ask(f, &answer, WIRE_FILE_WRITE, "a", "text", "");
	link_file_abort(f->rig->link, answer.stream);
	rig_until(f->rig, &answer.done);
	expect_done(&answer, "");
	get(f, &answer, WIRE_FILE_READ, "a", "", "");
	expect_done(&answer, "text");
}

static void nobody_waits_any_more(void **state)
{
	struct files *f = *state;
	struct answer slow, next;

	(void)stop_worker(f);
	ask(f, &slow, WIRE_FILE_GREP, NULL, "x", "");
	rig_pump_ms(f->rig, 20);
	link_file_forget(f->rig->link, slow.stream);
	get(f, &next, WIRE_FILE_LS, NULL, "", "");
	assert_int_equal(next.errnum, 0);
	assert_false(slow.done);
	buf_finish(&next.data);
	buf_finish(&slow.data);
}

/* The gateway goes while something is looked for: creel-init ends the worker and itself. */
static void the_end_of_the_stream(void **state)
{
	struct files *f = *state;
	struct answer slow;
	int status;

	(void)stop_worker(f);
	ask(f, &slow, WIRE_FILE_GREP, NULL, "x", "");
	rig_pump_ms(f->rig, 20);
	status = rig_finish(f->rig);
	f->rig = NULL;
	assert_int_equal(status, 0);
	assert_true(slow.lost);
	buf_finish(&slow.data);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(write_then_read),
		CASE(edit_and_patch),
		CASE(lists),
		CASE(what_makes_no_sense),
		CASE(outside_is_out_of_reach),
		CASE(bodies_of_many_frames),
		CASE(many_at_once),
		CASE(a_look_can_be_aborted),
		CASE(a_killed_worker_is_replaced),
		CASE(what_writes_is_not_aborted),
		CASE(nobody_waits_any_more),
		CASE(the_end_of_the_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
