/* SPDX-License-Identifier: MIT */
/* Commands on a terminal of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <unistd.h>

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

static void wait_for_text(struct run *run, const char *text)
{
	while (run->out.data == NULL || strstr(run->out.data, text) == NULL) {
		assert_false(run->exited);
		rig_turn(run->rig);
	}
}

static void type(struct run *run, const char *text)
{
	assert_int_equal(link_stdin(run->rig->link, run->stream, text, strlen(text)), strlen(text));
}

static void a_controlling_terminal(void **state)
{
	struct run *run = run_new(*state);

	assert_int_equal(run_to_end(run, *state,
				 "test -t 0 && test -t 1 && test -t 2 && : </dev/tty && "
				 "stty size && ps -o tpgid= -p $$ | tr -d ' ' | grep -qx $$ && "
				 "echo err >&2",
				 WIRE_SPAWN_PTY),
		0);
	assert_string_equal(run->out.data, "24 80\r\nerr\r\n");
	assert_int_equal(run->err.len, 0);
	assert_int_equal(run->end.err_bytes, 0);
}

static void the_size_changes(void **state)
{
	struct rig *rig = *state;
	struct run *run = run_new(rig);

	run_sh(run, rig,
		"stty -echo; trap 'stty size; exit 3' WINCH; echo ready; "
		"while :; do sleep 0.05; done",
		WIRE_SPAWN_PTY | WIRE_SPAWN_STDIN);
	wait_for_text(run, "ready");
	link_resize(rig->link, run->stream, 50, 132);
	rig_until(rig, &run->exited);
	assert_int_equal(run->end.code, 3);
	assert_non_null(strstr(run->out.data, "50 132\r\n"));
}

static void typing_is_echoed(void **state)
{
	struct rig *rig = *state;
	struct run *run = run_new(rig);

	run_sh(run, rig, "echo ready; read line; echo \"<$line>\"",
		WIRE_SPAWN_PTY | WIRE_SPAWN_STDIN);
	wait_for_text(run, "ready");
	type(run, "hello\n");
	rig_until(rig, &run->exited);
	assert_string_equal(run->out.data, "ready\r\nhello\r\n<hello>\r\n");
}

static void control_c_interrupts(void **state)
{
	struct rig *rig = *state;
	struct run *run = run_new(rig);

	run_sh(run, rig, "echo ready; exec sleep 1000", WIRE_SPAWN_PTY | WIRE_SPAWN_STDIN);
	wait_for_text(run, "ready");
	type(run, "\003");
	rig_until(rig, &run->exited);
	assert_int_equal(run->end.signal, SIGINT);
}

/* The end of input is a character there, twice when a line is open. */
static void the_end_of_input(void **state)
{
	static const char *const inputs[] = {"", "line\n", "open"};
	static const char *const outputs[] = {"", "line\n", "open"};

	for (size_t i = 0; i < ARRAY_SIZE(inputs); i++) {
		struct rig *rig = *state;
		struct run *run = run_new(rig);

		run_sh(run, rig, "stty -echo -onlcr; echo ready; cat; echo $?",
			WIRE_SPAWN_PTY | WIRE_SPAWN_STDIN);
		wait_for_text(run, "ready\n");
		type(run, inputs[i]);
		link_stdin_eof(rig->link, run->stream);
		rig_until(rig, &run->exited);
		assert_int_equal(run->end.code, 0);
		assert_memory_equal(run->out.data, "ready\n", 6);
		assert_memory_equal(run->out.data + 6, outputs[i], strlen(outputs[i]));
		assert_string_equal(run->out.data + 6 + strlen(outputs[i]), "0\n");
	}
}

/* Who ignores the hang-up keeps the terminal open: the end is told all the same. */
static void the_end_in_spite_of_others(void **state)
{
	struct rig *rig = *state;
	struct run *run = run_new(rig);

	run_sh(run, rig, "(trap '' HUP; sleep 1000) & sleep 0.3; echo done; exit 4",
		WIRE_SPAWN_PTY);
	rig_until(rig, &run->exited);
	assert_int_equal(run->end.code, 4);
	assert_string_equal(run->out.data, "done\r\n");
	link_signal(rig->link, run->stream, SIGKILL, WIRE_SIGNAL_TREE);
}

static void much_output(void **state)
{
	struct run *run = run_new(*state);

	assert_int_equal(run_to_end(run, *state, "stty -onlcr; seq 1 200000", WIRE_SPAWN_PTY), 0);
	assert_int_equal(run->out.len, 1288895);
	assert_memory_equal(run->out.data + run->out.len - 7, "200000\n", 7);
}

#define pty_test(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		pty_test(a_controlling_terminal),
		pty_test(the_size_changes),
		pty_test(typing_is_echoed),
		pty_test(control_c_interrupts),
		pty_test(the_end_of_input),
		pty_test(the_end_in_spite_of_others),
		pty_test(much_output),
	};

	(void)alarm(110); /* a loop that waits in vain must not wait for ever */
	return cmocka_run_group_tests_name("init pty", tests, NULL, NULL);
}
