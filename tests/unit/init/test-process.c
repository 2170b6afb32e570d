/* SPDX-License-Identifier: MIT */
/* Commands in a real creel-init: streams, statuses, credit, signals, terminals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "rig.h"

static int start(void **state)
{
	*state = rig_start(false);
	return 0;
}

static int stop(void **state)
{
	return rig_stop(*state);
}

static void exit_codes_and_streams(void **state)
{
	struct rig *rig = *state;
	struct run *run = run_new(rig);

	assert_int_equal(run_to_end(run, rig, "echo out; echo err >&2; exit 7", 0), 7);
	assert_string_equal(run->out.data, "out\n");
	assert_string_equal(run->err.data, "err\n");
	assert_int_equal(run->end.out_bytes, 4);
	assert_int_equal(run->end.err_bytes, 4);
	assert_true(run->spawned);
	assert_true(run->end.max_rss_kib > 0);
	run_forget(run);
}

static void many_short_commands(void **state)
{
	struct rig *rig = *state;

	for (int i = 0; i < 200; i++) {
		struct run *run = run_new(rig);
		const char *const argv[] = {"true", NULL};

		run_argv(run, rig, argv, 0);
		rig_until(rig, &run->exited);
		assert_false(run->failed);
		assert_int_equal(run->end.code, 0);
		run_forget(run);
	}
}

/* ---- what could not be started ---- */

static void expect_failure(
	struct rig *rig, const struct wire_spawn *spawn, uint32_t stage, uint32_t num)
{
	struct run *run = run_new(rig);

	run_spawn(run, rig, spawn);
	rig_until(rig, &run->exited);
	assert_true(run->failed);
	assert_false(run->spawned);
	assert_int_equal(run->fail_stage, stage);
	assert_int_equal(run->fail_errno, num);
	assert_true(run->fail_text[0] != '\0');
}

static void spawns_that_fail(void **state)
{
	static const char *const missing[] = {"no-such-program", NULL};
	static const char *const missing_path[] = {"/no/such/program", NULL};
	static const char *const directory[] = {"/etc", NULL};
	static const char *const not_executable[] = {"/etc/passwd", NULL};
	static const char *const empty[] = {"", NULL};
	static const char *const fine[] = {"true", NULL};
	static const struct wire_rlimit mark = {.resource = 15, .soft = 1, .hard = 1};
	const struct {
		struct wire_spawn spawn;
		uint32_t stage, num;
	} cases[] = {
		{{.argv = missing}, WIRE_FAIL_EXEC, ENOENT},
		{{.argv = missing_path}, WIRE_FAIL_EXEC, ENOENT},
		{{.argv = directory}, WIRE_FAIL_EXEC, EACCES},
		{{.argv = not_executable}, WIRE_FAIL_EXEC, EACCES},
		{{.argv = empty}, WIRE_FAIL_EXEC, ENOENT},
		{{.argv = fine, .cwd = "/no/such/dir"}, WIRE_FAIL_CWD, ENOENT},
		{{.argv = fine, .cwd = "/etc/passwd"}, WIRE_FAIL_CWD, ENOTDIR},
		{{.argv = fine, .rlimits = &mark, .rlimit_count = 1}, WIRE_FAIL_REQUEST, EINVAL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct wire_spawn spawn = cases[i].spawn;

		spawn.uid = spawn.gid = WIRE_NO_ID;
		expect_failure(*state, &spawn, cases[i].stage, cases[i].num);
	}
}

/* ---- what a process starts with ---- */

static void a_clean_start(void **state)
{
	struct rig *rig = *state;
	struct run *run = run_new(rig);

	assert_int_equal(
		run_to_end(run, rig,
			"ls /proc/self/fd | tr '\n' ' '; "
			"grep -E '^Sig(Blk|Ign)' /proc/$$/status | cut -f2 | uniq; "
			"ps -o pid=,pgid=,sid= -p $$ | tr -s ' ' '\n' | grep . | uniq | wc -l",
			0),
		0);
	/* 3 is the directory that ls reads. */
	assert_string_equal(run->out.data, "0 1 2 3 0000000000000000\n1\n");
	run_forget(run);
}

static void the_environment_is_what_was_sent(void **state)
{
	static const char *const argv[] = {"/usr/bin/env", NULL};
	static const char *const env[] = {"A=1", "B=two words", NULL};
	const struct wire_spawn spawn = {
		.uid = WIRE_NO_ID, .gid = WIRE_NO_ID, .argv = argv, .env = env};
	struct run *run = run_new(*state);

	run_spawn(run, *state, &spawn);
	rig_until(*state, &run->exited);
	assert_string_equal(run->out.data, "A=1\nB=two words\n");
	run_forget(run);
}

static void the_login_environment_lies_below(void **state)
{
	static const char *const argv[] = {"/usr/bin/env", NULL};
	static const char *const env[] = {"A=1", NULL};
	const struct wire_spawn spawn = {.flags = WIRE_SPAWN_LOGIN_ENV,
		.uid = WIRE_NO_ID,
		.gid = WIRE_NO_ID,
		.argv = argv,
		.env = env};

	for (int i = 0; i < 2; i++) {
		struct run *first = run_new(*state);
		struct run *second = run_new(*state);

		/* The second one arrives while the first may still wait for the shell. */
		run_spawn(first, *state, &spawn);
		run_spawn(second, *state, &spawn);
		rig_until(*state, &first->exited);
		rig_until(*state, &second->exited);
		assert_false(first->failed || second->failed);
		assert_non_null(strstr(first->out.data, "PATH=/"));
		assert_non_null(strstr(first->out.data, "A=1\n"));
		assert_null(strstr(first->out.data, "SHLVL="));
		assert_string_equal(first->out.data, second->out.data);
		run_forget(first);
		run_forget(second);
	}
}

static void limits_and_identity(void **state)
{
	static const char *const argv[] = {"sh", "-c",
		"ulimit -n; id -u; id -g; id -G; grep -E '^Cap(Prm|Eff|Inh|Amb)' /proc/self/status "
		"| cut -f2 | uniq",
		NULL};
	static const struct wire_rlimit limit = {.resource = 7, .soft = 123, .hard = 200};
	struct wire_spawn spawn = {
		.uid = 65534, .gid = 65533, .argv = argv, .rlimits = &limit, .rlimit_count = 1};
	struct run *run = run_new(*state);

	if (geteuid() != 0) {
		print_message("skipped: changing the user needs root\n");
		skip();
	}
	run_spawn(run, *state, &spawn);
	rig_until(*state, &run->exited);
	assert_false(run->failed);
	assert_string_equal(run->out.data, "123\n65534\n65533\n65533\n0000000000000000\n");
	run_forget(run);
}

static void a_script_without_a_first_line(void **state)
{
	char path[] = "/tmp/creel-script-XXXXXX";
	const char *const argv[] = {path, "two words", NULL};
	int fd = mkstemp(path);
	struct run *run = run_new(*state);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "echo \"<$1>\"\n", 12), 12);
	assert_int_equal(fchmod(fd, 0755), 0);
	assert_int_equal(close(fd), 0);
	run_argv(run, *state, argv, 0);
	rig_until(*state, &run->exited);
	assert_false(run->failed);
	assert_string_equal(run->out.data, "<two words>\n");
	assert_int_equal(unlink(path), 0);
	run_forget(run);
}

/* ---- input ---- */

static void feed(struct run *run, const char *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		done += link_stdin(run->rig->link, run->stream, data + done, len - done);
		rig_turn(run->rig);
		assert_false(run->exited && done < len);
	}
}

static void input_comes_back(void **state)
{
	struct rig *rig = *state;
	struct run *run = run_new(rig);
	size_t len = (size_t)3 * 1024 * 1024 + 17;
	char *data = xmalloc(len);

	for (size_t i = 0; i < len; i++) {
		data[i] = (char)(i * 7 + i / 4096);
	}
	run_sh(run, rig, "cat", WIRE_SPAWN_STDIN);
	feed(run, data, len);
	link_stdin_eof(rig->link, run->stream);
	rig_until(rig, &run->exited);
	assert_int_equal(run->end.code, 0);
	assert_int_equal(run->out.len, len);
	assert_memory_equal(run->out.data, data, len);
	free(data);
	run_forget(run);
}

static void input_that_nobody_wants(void **state)
{
	static const char zeros[65536];
	struct rig *rig = *state;
	struct run *run = run_new(rig);

	run_sh(run, rig, "exec <&-; sleep 0.2; echo done", WIRE_SPAWN_STDIN);
	rig_until(rig, &run->spawned);
	for (int i = 0; i < 16 && !run->exited; i++) {
		size_t done = 0;

		while (done < sizeof(zeros) && !run->exited) {
			done += link_stdin(
				rig->link, run->stream, zeros + done, sizeof(zeros) - done);
			rig_turn(rig);
		}
	}
	rig_until(rig, &run->exited);
	assert_string_equal(run->out.data, "done\n");
	run_forget(run);
}

static void no_input_is_an_empty_one(void **state)
{
	struct run *run = run_new(*state);

	assert_int_equal(run_to_end(run, *state, "cat; echo $?", 0), 0);
	assert_string_equal(run->out.data, "0\n");
	run_forget(run);
}

/* ---- output ---- */

static void merged_output_keeps_its_order(void **state)
{
	struct run *run = run_new(*state);

	assert_int_equal(
		run_to_end(run, *state, "echo 1; echo 2 >&2; echo 3", WIRE_SPAWN_MERGE), 0);
	assert_string_equal(run->out.data, "1\n2\n3\n");
	assert_int_equal(run->err.len, 0);
	run_forget(run);
}

static void much_output_arrives_whole(void **state)
{
	struct run *run = run_new(*state);

	assert_int_equal(run_to_end(run, *state, "seq 1 1500000", 0), 0);
	assert_int_equal(run->out_lost, 0);
	assert_int_equal(run->out.len, run->end.out_bytes);
	for (size_t i = 0, at = 0; i < 1500000; i++) {
		char line[16];
		size_t len = (size_t)snprintf(line, sizeof(line), "%zu\n", i + 1);

		assert_true(at + len <= run->out.len);
		assert_memory_equal(run->out.data + at, line, len);
		at += len;
	}
	run_forget(run);
}

/* Window, ring and pipe hold less than 3 MiB together: a writer of 16 MiB cannot end before it is read. */
static void a_slow_reader_pauses_the_process(void **state)
{
	struct rig *rig = *state;
	struct run *run = run_new(rig);
	size_t held;

	run->hold = true;
	run_sh(run, rig, "head -c 16777216 /dev/zero; echo end >&2", 0);
	while (run->out.len < LIMIT_CREDIT_WINDOW) {
		rig_turn(rig);
	}
	rig_pump_ms(rig, 100);
	assert_int_equal(run->out.len, LIMIT_CREDIT_WINDOW);
	assert_false(run->exited);
	assert_int_equal(run->err.len, 0);
	held = run->out.len;
	run->hold = false;
	link_consumed(rig->link, run->stream, WIRE_STDOUT, held);
	rig_until(rig, &run->exited);
	assert_int_equal(run->out.len, 16777216);
	assert_int_equal(run->out_lost, 0);
	assert_string_equal(run->err.data, "end\n");
	run_forget(run);
}

static void nobody_reads_and_it_runs_on(void **state)
{
	struct rig *rig = *state;
	struct run *run = run_new(rig);
	const uint64_t total = 16777216 + 4;
	struct error err;

	run_sh(run, rig, "head -c 16777216 /dev/zero; echo end", WIRE_SPAWN_DETACHED);
	rig_until(rig, &run->exited);
	assert_int_equal(run->out.len, 0);
	assert_int_equal(run->end.out_bytes, total);
	/* From the start: the loss is stated, the newest is there. */
	assert_int_equal(link_fetch(rig->link, run->stream, 0, 0, UINT32_MAX, NULL, NULL, &err), 0);
	rig_until(rig, &run->fetched);
	assert_true(run->process.out_end == total);
	assert_true(run->process.out_first == total - LIMIT_RING_DEFAULT);
	assert_true(run->out_lost == total - LIMIT_RING_DEFAULT);
	assert_int_equal(run->out.len, LIMIT_RING_DEFAULT);
	assert_memory_equal(run->out.data + run->out.len - 4, "end\n", 4);
	/* The same again, from an offset, a little: a poll can be repeated. */
	run->fetched = false;
	run->out_next = total - 4;
	buf_clear(&run->out);
	assert_int_equal(link_fetch(rig->link, run->stream, total - 4, 0, 3, NULL, NULL, &err), 0);
	rig_until(rig, &run->fetched);
	assert_string_equal(run->out.data, "end");
	run_forget(run);
}

static void fetching_does_not_pause(void **state)
{
	struct rig *rig = *state;
	struct run *run = run_new(rig);
	struct error err;

	run_sh(run, rig, "head -c 10 /dev/zero; cat >&2; head -c 8388608 /dev/zero",
		WIRE_SPAWN_DETACHED | WIRE_SPAWN_STDIN);
	rig_until(rig, &run->spawned);
	while (run->process.out_end < 10) {
		run->fetched = false;
		run->out_next = 0;
		buf_clear(&run->out);
		assert_int_equal(link_fetch(rig->link, run->stream, 0, 0, 5, NULL, NULL, &err), 0);
		rig_until(rig, &run->fetched);
	}
	assert_int_equal(run->out.len, 5);
	assert_true(run->process.running);
	link_stdin_eof(rig->link, run->stream);
	rig_until(rig, &run->exited);
	assert_int_equal(run->end.out_bytes, 8388608 + 10);
	run_forget(run);
}

static void following_later(void **state)
{
	struct rig *rig = *state;
	struct run *run = run_new(rig);
	struct error err;

	run_sh(run, rig, "echo one; cat", WIRE_SPAWN_DETACHED | WIRE_SPAWN_STDIN);
	rig_until(rig, &run->spawned);
	assert_int_equal(link_attach(rig->link, run->stream, 0, 0, NULL, NULL, &err), 0);
	rig_until(rig, &run->attached);
	feed(run, "two\n", 4);
	link_stdin_eof(rig->link, run->stream);
	rig_until(rig, &run->exited);
	assert_string_equal(run->out.data, "one\ntwo\n");
	/* And once more, after the end: the same bytes, and the end is told again. */
	run->exited = run->attached = false;
	run->out_next = 0;
	buf_clear(&run->out);
	assert_int_equal(link_attach(rig->link, run->stream, 0, 0, NULL, NULL, &err), 0);
	rig_until(rig, &run->exited);
	assert_string_equal(run->out.data, "one\ntwo\n");
	assert_false(run->process.running);
	run_forget(run);
}

static void a_talker_does_not_starve_others(void **state)
{
	struct rig *rig = *state;
	struct run *loud = run_new(rig);

	run_sh(loud, rig, "exec cat /dev/zero", 0);
	rig_until(rig, &loud->spawned);
	for (int i = 0; i < 20; i++) {
		struct run *quiet = run_new(rig);

		assert_int_equal(run_to_end(quiet, rig, "echo hi", 0), 0);
		assert_string_equal(quiet->out.data, "hi\n");
		run_forget(quiet);
		buf_clear(&loud->out);
	}
	assert_true(loud->out_next > LIMIT_CREDIT_WINDOW);
	assert_int_equal(loud->out_lost, 0);
	link_signal(rig->link, loud->stream, SIGKILL, WIRE_SIGNAL_GROUP);
	rig_until(rig, &loud->exited);
	assert_int_equal(loud->end.signal, SIGKILL);
	run_forget(loud);
}

static void a_small_ring(void **state)
{
	static const char *const argv[] = {"seq", "1", "100000", NULL};
	const struct wire_spawn spawn = {.flags = WIRE_SPAWN_DETACHED,
		.uid = WIRE_NO_ID,
		.gid = WIRE_NO_ID,
		.ring_bytes = 7,
		.argv = argv};
	struct rig *rig = *state;
	struct run *run = run_new(rig);
	struct error err;

	run_spawn(run, rig, &spawn);
	rig_until(rig, &run->exited);
	assert_int_equal(link_fetch(rig->link, run->stream, 0, 0, UINT32_MAX, NULL, NULL, &err), 0);
	rig_until(rig, &run->fetched);
	assert_string_equal(run->out.data, "100000\n");
	assert_true(run->out_lost == run->end.out_bytes - 7);
	run_forget(run);
}

/* ---- the table ---- */

static void a_thousand_at_once(void **state)
{
	enum { COUNT = 1000 };
	struct rig *rig = *state;
	struct run *runs[COUNT];
	static const char *const argv[] = {"cat", NULL};

	for (size_t i = 0; i < COUNT; i++) {
		runs[i] = run_new(rig);
		run_argv(runs[i], rig, argv, WIRE_SPAWN_STDIN);
	}
	for (size_t i = 0; i < COUNT; i++) {
		rig_until(rig, &runs[i]->spawned);
	}
	rig->listed_count = 0;
	rig->list_ended = false;
	link_list(rig->link);
	rig_until(rig, &rig->list_ended);
	assert_int_equal(rig->listed_count, COUNT);
	assert_true(rig->listed[0].running);
	for (size_t i = 0; i < COUNT; i++) {
		assert_int_equal(link_stdin(rig->link, runs[i]->stream, &i, sizeof(i)), sizeof(i));
		link_stdin_eof(rig->link, runs[i]->stream);
	}
	for (size_t i = 0; i < COUNT; i++) {
		rig_until(rig, &runs[i]->exited);
		assert_int_equal(runs[i]->end.code, 0);
		assert_int_equal(runs[i]->out.len, sizeof(i));
		assert_memory_equal(runs[i]->out.data, &i, sizeof(i));
		run_forget(runs[i]);
	}
	rig->listed_count = 0;
	rig->list_ended = false;
	link_list(rig->link);
	rig_until(rig, &rig->list_ended);
	assert_int_equal(rig->listed_count, 0);
}

static void pings(void **state)
{
	struct rig *rig = *state;

	link_ping(rig->link, 0x1234567890);
	while (rig->pong == 0) {
		rig_turn(rig);
	}
	assert_true(rig->pong == 0x1234567890);
}

/* All of its output and how it ended come first, however slowly they are read. */
static void the_last_process_takes_the_sandbox_along(void **state)
{
	struct rig *rig = *state;
	struct run *run = run_new(rig);

	assert_int_equal(run_to_end(run, rig, "head -c 3000000 /dev/zero; sleep 100 & exit 3",
				 WIRE_SPAWN_LAST),
		3);
	assert_int_equal(run->out.len, 3000000);
	rig_until(rig, &rig->dead);
	assert_int_equal(rig->why.num, EPIPE);
}

static void attaching_to_nothing(void **state)
{
	struct rig *rig = *state;
	struct run *run = run_new(rig);
	struct error err;

	run->stream = 999999;
	assert_int_equal(link_attach(rig->link, run->stream, 0, 0, &run_ops, run, &err), 0);
	rig_until(rig, &run->failed);
	assert_int_equal(run->fail_errno, ESRCH);
}

#define process_test(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		process_test(exit_codes_and_streams),
		process_test(many_short_commands),
		process_test(spawns_that_fail),
		process_test(a_clean_start),
		process_test(the_environment_is_what_was_sent),
		process_test(the_login_environment_lies_below),
		process_test(limits_and_identity),
		process_test(a_script_without_a_first_line),
		process_test(input_comes_back),
		process_test(input_that_nobody_wants),
		process_test(no_input_is_an_empty_one),
		process_test(merged_output_keeps_its_order),
		process_test(much_output_arrives_whole),
		process_test(a_slow_reader_pauses_the_process),
		process_test(nobody_reads_and_it_runs_on),
		process_test(fetching_does_not_pause),
		process_test(following_later),
		process_test(a_talker_does_not_starve_others),
		process_test(a_small_ring),
		process_test(a_thousand_at_once),
		process_test(pings),
		process_test(the_last_process_takes_the_sandbox_along),
		process_test(attaching_to_nothing),
	};

	(void)alarm(110); /* a loop that waits in vain must not wait for ever */
	return cmocka_run_group_tests_name("init process", tests, NULL, NULL);
}
