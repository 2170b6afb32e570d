/* SPDX-License-Identifier: MIT */
/* Ending whole trees: what forked twice, left its session, ignores TERM or forks faster than it
 * dies. Once as a plain child of this host, once as PID 1 of a namespace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/num.h"
#include "rig.h"

static int start_plain(void **state)
{
	*state = rig_start(false);
	return 0;
}

static int start_namespaced(void **state)
{
	*state = rig_start(true);
	return 0;
}

static int stop(void **state)
{
	return *state != NULL ? rig_stop(*state) : 0;
}

static struct rig *rig_of(void **state)
{
	if (*state == NULL) {
		print_message("skipped: this host forbids new namespaces\n");
		skip();
	}
	return *state;
}

/* What the sleepers are called: every '@' becomes a number of this test program alone, since others
 * may run on this host at the same time. */
static const char *named(const char *text)
{
	static char line[1024];
	size_t len = 0;

	for (; *text != '\0'; text++) {
		len += (size_t)(*text == '@'
					? snprintf(line + len, sizeof(line) - len, "9%07d",
						  (int)getpid())
					: snprintf(line + len, sizeof(line) - len, "%c", *text));
		assert_true(len < sizeof(line));
	}
	return line;
}

/* How many processes called so live, as a process beside them sees it. */
static unsigned long count_named(struct rig *rig, const char *name)
{
	struct run *run = run_new(rig);
	char line[200];
	uint32_t count = 0;

	/* Zombies have an empty command line; the brackets keep grep's own from counting. */
	(void)snprintf(line, sizeof(line),
		"cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep -cx '[%c]%s' || true",
		'9', named(name) + 1);
	assert_int_equal(run_to_end(run, rig, line, 0), 0);
	assert_true(run->out.len > 0);
	run->out.data[run->out.len - 1] = '\0';
	assert_int_equal(num_parse_u32(run->out.data, 0, UINT32_MAX, &count), 0);
	run_forget(run);
	return count;
}

static void run_line(struct run *run, struct rig *rig, const char *text)
{
	run_sh(run, rig, named(text), 0);
}

static void wait_for_line(struct run *run, const char *line)
{
	while (run->out.data == NULL || strstr(run->out.data, line) == NULL) {
		assert_false(run->exited);
		rig_turn(run->rig);
	}
}

/* Each leaves a sleeper of that name: a child, an orphan, a session of its own twice over, one that
 * ignores TERM, one with an empty environment in another directory. */
#define SLEEPERS                                                  \
	"trap '' TERM; "                                          \
	"sleep @ & (sleep @ &) ; "                                \
	"setsid sh -c 'setsid sh -c \"sleep @ & sleep @\" & ' ; " \
	"(cd /usr && env -i setsid sleep @ & ) ; "                \
	"sleep 0.3; echo ready; "

static void kill_reaches_everything(void **state)
{
	struct rig *rig = rig_of(state);
	struct run *run = run_new(rig);
	struct run *other = run_new(rig);

	run_line(other, rig, "sleep @2 & echo ready; wait");
	wait_for_line(other, "ready");
	run_line(run, rig, SLEEPERS "wait");
	wait_for_line(run, "ready");
	assert_int_equal(count_named(rig, "@"), 5);
	link_signal(rig->link, run->stream, SIGKILL, WIRE_SIGNAL_TREE);
	rig_until(rig, &run->exited);
	assert_int_equal(run->end.signal, SIGKILL);
	assert_int_equal(count_named(rig, "@"), 0);
	/* The neighbour is untouched. */
	assert_int_equal(count_named(rig, "@2"), 1);
	assert_false(other->exited);
	run_forget(run);
	run_forget(other);
}

static void the_group_alone(void **state)
{
	struct rig *rig = rig_of(state);
	struct run *run = run_new(rig);

	run_line(run, rig, "setsid sleep @ & sleep 0.2; echo ready; sleep @2; echo no");
	wait_for_line(run, "ready");
	link_signal(rig->link, run->stream, SIGTERM, WIRE_SIGNAL_GROUP);
	rig_until(rig, &run->exited);
	assert_int_equal(run->end.signal, SIGTERM);
	assert_int_equal(count_named(rig, "@2"), 0);
	assert_int_equal(count_named(rig, "@"), 1);
	/* After its end, a signal reaches what is left. */
	link_signal(rig->link, run->stream, SIGKILL, WIRE_SIGNAL_TREE);
	while (count_named(rig, "@") > 0) {
	}
	run_forget(run);
}

static void a_timeout_leaves_nothing(void **state)
{
	const char *const argv[] = {"sh", "-c", named(SLEEPERS "wait"), NULL};
	static const char *const env[] = {"PATH=/usr/bin:/bin", NULL};
	const struct wire_spawn spawn = {.uid = WIRE_NO_ID,
		.gid = WIRE_NO_ID,
		.argv = argv,
		.env = env,
		.timeout_ms = 1000,
		.grace_ms = 100};
	struct rig *rig = rig_of(state);
	struct run *run = run_new(rig);

	run_spawn(run, rig, &spawn);
	rig_until(rig, &run->exited);
	assert_true(run->end.timed_out);
	assert_string_equal(run->out.data, "ready\n");
	/* Told only when all of it was gone. */
	assert_int_equal(count_named(rig, "@"), 0);
	run_forget(run);
}

static void ending_is_gentle_first(void **state)
{
	struct rig *rig = rig_of(state);
	struct run *run = run_new(rig);

	run_line(
		run, rig, "trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.05; done");
	wait_for_line(run, "ready");
	link_signal(rig->link, run->stream, SIGTERM, WIRE_SIGNAL_END);
	rig_until(rig, &run->exited);
	assert_int_equal(run->end.code, 5);
	assert_false(run->end.timed_out);
	assert_string_equal(run->out.data, "ready\nbye\n");
	run_forget(run);
}

static void forgetting_kills_what_runs(void **state)
{
	struct rig *rig = rig_of(state);
	struct run *run = run_new(rig);

	run_line(run, rig, SLEEPERS "wait");
	wait_for_line(run, "ready");
	run_forget(run);
	while (count_named(rig, "@") > 0) {
	}
	assert_false(run->exited);
}

/* Every process becomes two, up to a limit, for ever: only stopping all of it first ends it. */
static void a_fork_bomb(void **state)
{
	const char *const argv[] = {"sh", "-c",
		named("echo 'sh \"$0\" @ & sh \"$0\" @ & wait' >$HOME/bomb; echo ready; "
		      "exec sh $HOME/bomb @ 2>/dev/null"),
		NULL};
	char home[] = "/tmp/creel-bomb-XXXXXX";
	char env_home[64], script[64];
	const char *const env[] = {"PATH=/usr/bin:/bin", env_home, NULL};
	/* RLIMIT_NPROC counts the user's processes: one that has no others. */
	static const struct wire_rlimit limit = {.resource = 6, .soft = 60, .hard = 60};
	const struct wire_spawn spawn = {.uid = 54321,
		.gid = 54321,
		.argv = argv,
		.env = env,
		.rlimits = &limit,
		.rlimit_count = 1};
	struct rig *rig = rig_of(state);
	struct run *run = run_new(rig);

	if (geteuid() != 0) {
		print_message("skipped: a user of its own needs root\n");
		skip();
	}
	assert_non_null(mkdtemp(home));
	assert_int_equal(chown(home, 54321, 54321), 0);
	(void)snprintf(env_home, sizeof(env_home), "HOME=%s", home);
	run_spawn(run, rig, &spawn);
	wait_for_line(run, "ready");
	while (count_named(rig, "@") < 20) {
	}
	link_signal(rig->link, run->stream, SIGKILL, WIRE_SIGNAL_END);
	rig_until(rig, &run->exited);
	assert_int_equal(count_named(rig, "@"), 0);
	run_forget(run);
	(void)snprintf(script, sizeof(script), "%s/bomb", home);
	assert_int_equal(unlink(script), 0);
	assert_int_equal(rmdir(home), 0);
}

/* A background process keeps the pipe: the end is told all the same, and later output is kept. */
static void a_server_in_the_background(void **state)
{
	struct rig *rig = rig_of(state);
	struct run *run = run_new(rig);
	struct error err;

	run_line(run, rig, "(sleep 2; echo late; sleep @) & echo early");
	rig_until(rig, &run->exited);
	assert_int_equal(run->end.code, 0);
	assert_string_equal(run->out.data, "early\n");
	do {
		run->fetched = false;
		run->attached = true;
		run->out_next = 0;
		buf_clear(&run->out);
		assert_int_equal(
			link_fetch(rig->link, run->stream, 0, 0, 100, NULL, NULL, &err), 0);
		rig_until(rig, &run->fetched);
	} while (run->out.len < 11);
	assert_string_equal(run->out.data, "early\nlate\n");
	/* Forgetting a process that ended leaves its background ones alone. */
	run_forget(run);
	assert_int_equal(count_named(rig, "@"), 1);
}

static void shutdown_ends_all(void **state)
{
	struct rig *rig = rig_of(state);
	struct run *run = run_new(rig);

	run_line(run, rig, SLEEPERS "wait");
	wait_for_line(run, "ready");
	link_shutdown(rig->link, 200);
	rig_until(rig, &rig->dead);
	/* stop() sees exit status 0. */
}

/* The stream ends: so does everything, on a plain host too. */
static void the_end_of_the_stream_is_the_end(void **state)
{
	struct rig *rig = rig_of(state);
	struct run *run = run_new(rig);

	run_line(run, rig, SLEEPERS "wait");
	wait_for_line(run, "ready");
	assert_int_equal(stop(state), 0);
	*state = NULL;
	/* Seen by a second one, on this host. */
	*state = rig_start(false);
	assert_int_equal(count_named(*state, "@"), 0);
}

#define both(name)                                                        \
	{#name " (plain)", name, start_plain, stop, NULL},                \
	{                                                                 \
#		name " (namespaces)", name, start_namespaced, stop, NULL \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		both(kill_reaches_everything),
		both(the_group_alone),
		both(a_timeout_leaves_nothing),
		both(ending_is_gentle_first),
		both(forgetting_kills_what_runs),
		both(a_fork_bomb),
		both(a_server_in_the_background),
		both(shutdown_ends_all),
		both(the_end_of_the_stream_is_the_end),
	};

	(void)alarm(110); /* a loop that waits in vain must not wait for ever */
	return cmocka_run_group_tests_name("init tree", tests, NULL, NULL);
}
