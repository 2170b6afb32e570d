/* SPDX-License-Identifier: MIT */
/* The stream itself: calling home and calling again, and a gateway that breaks the rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../scratch.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/own.h"
#include "rig.h"

static const uint8_t token[WIRE_TOKEN_SIZE] = "0123456789abcdef0123456789abcde";

/* A directory with a token and a listening socket, and the creel-init that calls there. */
struct home {
	char dir[SCRATCH_PATH_SIZE], token[80], socket[80];
	int listener;
	pid_t pid;
};

static void write_token(const struct home *home, const void *data, size_t len)
{
	int fd = open(home->token, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	assert_int_equal(close(fd), 0);
}

static void listen_again(struct home *home)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)unlink(home->socket);
	memcpy(address.sun_path, home->socket, sizeof(home->socket));
	home->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(home->listener >= 0);
	assert_int_equal(
		bind(home->listener, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(home->listener, 1), 0);
}

static void stop_listening(struct home *home)
{
	(void)close(home->listener);
	home->listener = FD_NONE;
	(void)unlink(home->socket);
}

static int set_up(void **state)
{
	struct home *home = xcalloc(1, sizeof(*home));

	scratch_make(home->dir, "home");
	(void)snprintf(home->token, sizeof(home->token), "%s/token", home->dir);
	(void)snprintf(home->socket, sizeof(home->socket), "%s/socket", home->dir);
	home->listener = FD_NONE;
	write_token(home, token, sizeof(token));
	*state = home;
	return 0;
}

static int tear_down(void **state)
{
	struct home *home = *state;

	if (home->pid > 0) {
		(void)kill(home->pid, SIGKILL);
		(void)waitpid(home->pid, NULL, 0);
	}
	cleanup_closep(&home->listener);
	scratch_remove(home->dir);
	free(home);
	return 0;
}

static void start_init(struct home *home, bool once)
{
	home->pid = fork();
	assert_true(home->pid >= 0);
	if (home->pid == 0) {
		(void)execl(rig_init_path(), "creel-init", "--dir", home->dir,
			once ? "--once" : (char *)NULL, (char *)NULL);
		_exit(127);
	}
}

static int wait_exit(struct home *home)
{
	int status = 0;

	assert_int_equal(waitpid(home->pid, &status, 0), home->pid);
	home->pid = 0;
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* The next call, as a link. */
static struct rig *answer(struct home *home)
{
	struct rig *rig = xcalloc(1, sizeof(*rig));
	int fd = accept4(home->listener, NULL, NULL, SOCK_CLOEXEC);
	struct error err;

	assert_true(fd >= 0);
	rig->link = link_new(fd, token, false, &rig_ops, rig);
	if (link_wait_ready(rig->link, 20000, &err) < 0) {
		fail_msg("%s", err.text);
	}
	return rig;
}

static void hang_up(struct rig *rig)
{
	rig->link = link_free(rig->link);
	while (rig->runs != NULL) {
		struct run *run = rig->runs;

		rig->runs = run->next;
		buf_finish(&run->out);
		buf_finish(&run->err);
		free(run);
	}
	free(rig);
}

static void everything_survives_a_reconnect(void **state)
{
	struct home *home = *state;
	struct rig *rig;
	struct run *ended, *running, *again;
	uint32_t ended_stream, running_stream;
	uint64_t instance;
	struct error err;

	listen_again(home);
	start_init(home, false);
	rig = answer(home);
	assert_false(rig->hello.reconnect);
	assert_int_equal(rig->hello.processes, 0);
	instance = rig->hello.instance;
	/* The gateway removes it once it was used: creel-init remembers. */
	assert_int_equal(unlink(home->token), 0);
	running = run_new(rig);
	/* It waits for the connection to be gone (no socket), ends that and goes on. */
	run_sh(running, rig, "echo before; read line; head -c 3000000 /dev/zero; echo $line; cat",
		WIRE_SPAWN_STDIN);
	ended = run_new(rig);
	run_sh(ended, rig, "sleep 0.3; echo result; exit 42", 0);
	rig_until(rig, &ended->spawned);
	while (running->out.len < 7) {
		rig_turn(rig);
	}
	assert_int_equal(link_stdin(rig->link, running->stream, "after\n", 6), 6);
	running_stream = running->stream;
	ended_stream = ended->stream;
	/* Both are lost to this gateway, right now; their output has to wait. */
	stop_listening(home);
	hang_up(rig);
	(void)usleep(500000);
	listen_again(home);

	rig = answer(home);
	assert_true(rig->hello.reconnect);
	assert_true(rig->hello.instance == instance);
	assert_int_equal(rig->hello.processes, 2);
	assert_true(rig->hello.next_stream > ended_stream);
	link_list(rig->link);
	rig_until(rig, &rig->list_ended);
	assert_int_equal(rig->listed_count, 2);
	again = run_new(rig);
	again->stream = ended_stream;
	assert_int_equal(link_attach(rig->link, ended_stream, 0, 0, &run_ops, again, &err), 0);
	rig_until(rig, &again->exited);
	assert_int_equal(again->end.code, 42);
	assert_string_equal(again->out.data, "result\n");
	run_forget(again);

	/* Nobody followed: it ran on, and what the ring could not hold is stated. */
	again = run_new(rig);
	again->stream = running_stream;
	assert_int_equal(link_attach(rig->link, running_stream, 0, 0, &run_ops, again, &err), 0);
	while (again->out.len < 7 ||
		memcmp(again->out.data + again->out.len - 6, "after\n", 6) != 0) {
		rig_turn(rig);
	}
	assert_true(again->process.running);
	assert_int_equal(again->out_next, 7 + 3000000 + 6);
	assert_int_equal(again->out_lost + again->out.len, again->out_next);
	/* Its input is still open, and new streams do not collide. */
	link_stdin_eof(rig->link, running_stream);
	rig_until(rig, &again->exited);
	assert_int_equal(again->end.code, 0);
	running = run_new(rig);
	assert_int_equal(run_to_end(running, rig, "echo new", 0), 0);
	assert_true(running->stream > ended_stream);
	link_shutdown(rig->link, 1000);
	rig_until(rig, &rig->dead);
	hang_up(rig);
	assert_int_equal(wait_exit(home), 0);
}

/* The gateway is not up yet, or down for a while. */
static void it_calls_until_somebody_answers(void **state)
{
	struct home *home = *state;
	struct rig *rig;

	start_init(home, false);
	(void)usleep(250000);
	listen_again(home);
	rig = answer(home);
	assert_false(rig->hello.reconnect);
	hang_up(rig);
	rig = answer(home);
	assert_true(rig->hello.reconnect);
	hang_up(rig);
}

/* As sandboxes that last are used: a socket that appears whole, one call, no socket. */
static void it_comes_back_every_time(void **state)
{
	struct home *home = *state;
	char aside[sizeof(home->socket)], kept[sizeof(home->socket)];

	memcpy(kept, home->socket, sizeof(kept));
	(void)snprintf(aside, sizeof(aside), "%s/new", home->dir);
	listen_again(home);
	start_init(home, false);
	for (int i = 0; i < 50; i++) {
		struct rig *rig = answer(home);
		struct run *run = run_new(rig);

		assert_int_equal(rig->hello.reconnect, i > 0);
		assert_int_equal(rig->hello.processes, 0);
		stop_listening(home);
		assert_int_equal(run_to_end(run, rig, "exit 3", 0), 3);
		run_forget(run);
		hang_up(rig);
		memcpy(home->socket, aside, sizeof(aside));
		listen_again(home);
		memcpy(home->socket, kept, sizeof(kept));
		assert_int_equal(rename(aside, kept), 0);
	}
	hang_up(answer(home));
}

static void forget_and_leave(struct home *home, struct rig *rig, struct run *run)
{
	stop_listening(home);
	run_forget(run);
	hang_up(rig);
	listen_again(home);
}

/* What runs in the background of a command that nobody remembers. */
static void what_was_left_behind_is_told(void **state)
{
	struct home *home = *state;
	struct rig *rig;
	struct run *run;
	char gone[64];
	pid_t left;

	listen_again(home);
	start_init(home, false);
	rig = answer(home);
	assert_int_equal(rig->hello.capabilities, 0);
	run = run_new(rig);
	assert_int_equal(run_to_end(run, rig, "sleep 100 >/dev/null 2>&1 & echo $!", 0), 0);
	buf_add_char(&run->out, '\0');
	left = (pid_t)strtol(run->out.data, NULL, 10);
	assert_true(left > 1);
	forget_and_leave(home, rig, run);
	rig = answer(home);
	assert_int_equal(rig->hello.processes, 0);
	assert_int_equal(rig->hello.capabilities, WIRE_HELLO_POPULATED);
	assert_int_equal(kill(left, SIGKILL), 0);
	/* It lives until it runs again, and then until it is waited for. */
	(void)snprintf(gone, sizeof(gone), "while kill -0 %d 2>&-; do :; done", (int)left);
	run = run_new(rig);
	assert_int_equal(run_to_end(run, rig, gone, 0), 0);
	forget_and_leave(home, rig, run);
	rig = answer(home);
	assert_int_equal(rig->hello.capabilities, 0);
	hang_up(rig);
}

static struct rig *answer_tied(struct home *home, bool tied)
{
	struct rig *rig = xcalloc(1, sizeof(*rig));
	int fd = accept4(home->listener, NULL, NULL, SOCK_CLOEXEC);
	struct error err;

	assert_true(fd >= 0);
	rig->link = link_new(fd, token, false, &rig_ops, rig);
	if (tied) {
		link_tie(rig->link);
	}
	assert_int_equal(link_wait_ready(rig->link, 20000, &err), 0);
	return rig;
}

/* A tied connection takes its own processes along, and nobody else's. */
static void what_is_tied_ends_with_its_connection(void **state)
{
	struct home *home = *state;
	struct rig *rig;
	struct run *run, *ended;

	listen_again(home);
	start_init(home, false);
	rig = answer_tied(home, false);
	run = run_new(rig);
	run_sh(run, rig, "exec sleep 1000", 0);
	rig_until(rig, &run->spawned);
	hang_up(rig);

	rig = answer_tied(home, true);
	assert_int_equal(rig->hello.processes, 1);
	run = run_new(rig);
	run_sh(run, rig, "trap '' TERM HUP; echo $$; sleep 1000 & wait", 0);
	ended = run_new(rig);
	assert_int_equal(run_to_end(ended, rig, "exit 0", 0), 0);
	while (run->out.len == 0) {
		rig_turn(rig);
	}
	hang_up(rig);

	/* The first is still there, and not tied to who only looks. */
	for (int i = 0; i < 2; i++) {
		rig = answer_tied(home, true);
		assert_int_equal(rig->hello.processes, 1);
		link_list(rig->link);
		rig_until(rig, &rig->list_ended);
		assert_int_equal(rig->listed_count, 1);
		assert_true(rig->listed[0].running);
		hang_up(rig);
	}
}

static void once_is_once(void **state)
{
	struct home *home = *state;

	listen_again(home);
	start_init(home, true);
	hang_up(answer(home));
	assert_int_equal(wait_exit(home), 0);
}

static void the_welcome_may_say_once(void **state)
{
	struct home *home = *state;
	struct error err;
	struct link *link;

	listen_again(home);
	start_init(home, false);
	link = link_new(accept4(home->listener, NULL, NULL, SOCK_CLOEXEC), token, true, NULL, NULL);
	assert_int_equal(link_wait_ready(link, 20000, &err), 0);
	/* Answered means that the welcome was read. */
	link_ping(link, 1);
	while (link_pump(link, POLLIN, &err) == 0 && link_events(link) != POLLIN) {
	}
	(void)usleep(50000);
	link = link_free(link);
	assert_int_equal(wait_exit(home), 0);
}

static void a_bad_token_file(void **state)
{
	struct home *home = *state;

	write_token(home, token, sizeof(token) - 1);
	start_init(home, false);
	assert_int_equal(wait_exit(home), 1);
	write_token(home, "0123456789abcdef0123456789abcdefX", 33);
	start_init(home, false);
	assert_int_equal(wait_exit(home), 1);
	assert_int_equal(unlink(home->token), 0);
	assert_int_equal(symlink("/etc/passwd", home->token), 0);
	start_init(home, false);
	assert_int_equal(wait_exit(home), 1);
}

/* ---- a builder that has not ended yet ---- */

/* Until our parent is creel-init and sleeps; false: it has ended. */
static bool await_sleeping_init(void)
{
	pid_t parent = getppid();
	char path[64];
	char line[512] = "";
	const char *name = NULL;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", parent);
	while (getppid() == parent) {
		FILE *file = fopen(path, "re");

		name = file != NULL && fgets(line, sizeof(line), file) != NULL
			       ? strstr(line, "(creel-init")
			       : NULL;
		if (file != NULL) {
			(void)fclose(file);
		}
		if (name != NULL && strstr(name, ") S ") != NULL) {
			return true;
		}
	}
	return false;
}

/* creel-init with a child that speaks on its stream and ends with that code; -1: no child. */
static pid_t start_joining(int stream_fd, int code)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0) {
		return pid;
	}
	(void)dup2(stream_fd, 9);
	if (code >= 0 && fork() == 0) {
		_exit(await_sleeping_init() && send(9, "built", 5, 0) == 5 ? code : 99);
	}
	(void)execl(rig_init_path(), "creel-init", "--join", "--fd", "9", (char *)NULL);
	_exit(127);
}

/* What was said on the stream, by both or until creel-init had ended, and how it did. */
static size_t hear_joining(int code, char *ret, size_t size, int *ret_status)
{
	size_t len = 0;
	int fds[2];
	ssize_t n;
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	pid = start_joining(fds[1], code);
	(void)close(fds[1]);
	while (len <= strlen("built") && (n = recv(fds[0], ret + len, size - len, 0)) > 0) {
		len += (size_t)n;
	}
	(void)close(fds[0]);
	assert_int_equal(waitpid(pid, ret_status, 0), pid);
	return len;
}

static void nothing_is_said_before_the_builder_has_ended(void **state)
{
	char heard[256];
	int status;
	size_t len = hear_joining(0, heard, sizeof(heard), &status);

	(void)state;
	assert_true(len > 5);
	assert_memory_equal(heard, "built", 5);
	assert_int_equal(status, 0);
	/* It failed: the root may be anything. There is none: who knows what that means. */
	assert_int_equal(hear_joining(3, heard, sizeof(heard), &status), 5);
	assert_int_equal(WEXITSTATUS(status), 1);
	assert_int_equal(hear_joining(-1, heard, sizeof(heard), &status), 0);
	assert_int_equal(WEXITSTATUS(status), 1);
}

/* ---- a gateway that breaks the rules ---- */

struct raw {
	int fd;
	pid_t pid;
};

static void raw_start(struct raw *raw)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	raw->pid = fork();
	assert_true(raw->pid >= 0);
	if (raw->pid == 0) {
		(void)dup2(fds[1], 9);
		(void)execl(rig_init_path(), "creel-init", "--fd", "9", (char *)NULL);
		_exit(127);
	}
	(void)close(fds[1]);
	raw->fd = fds[0];
}

static void raw_say(const struct raw *raw, const struct buf *say)
{
	assert_int_equal(send(raw->fd, say->data, say->len, MSG_NOSIGNAL), say->len);
}

/* Everything until the end of the stream; creel-init must then exit 0, as its stream is over. */
static void raw_read_all(const struct raw *raw, struct buf *heard)
{
	char chunk[4096];
	ssize_t n;
	int status = 0;

	while ((n = recv(raw->fd, chunk, sizeof(chunk), 0)) > 0) {
		buf_add(heard, chunk, (size_t)n);
	}
	(void)close(raw->fd);
	assert_int_equal(waitpid(raw->pid, &status, 0), raw->pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static uint16_t last_kind(const struct buf *heard)
{
	const uint8_t *at = (const uint8_t *)heard->data;
	size_t left = heard->len;
	struct frame_header header;
	uint16_t kind = 0;
	struct error err;

	while (frame_peek(at, left, &header, &err) == 1) {
		kind = header.kind;
		at += FRAME_HEADER_SIZE + header.length;
		left -= FRAME_HEADER_SIZE + header.length;
	}
	return kind;
}

static void add_welcome(struct buf *say)
{
	struct wire_welcome welcome = {.version = WIRE_VERSION};

	frame_add_welcome(say, &welcome);
}

static void add_spawn(struct buf *say, uint32_t stream)
{
	static const char *const argv[] = {"/bin/sleep", "1000", NULL};
	struct wire_spawn spawn = {
		.flags = WIRE_SPAWN_STDIN, .uid = WIRE_NO_ID, .gid = WIRE_NO_ID, .argv = argv};
	struct error err;

	assert_int_equal(frame_add_spawn(say, stream, &spawn, &err), 0);
}

static void expect_refusal(const struct buf *say)
{
	_cleanup_buf_ struct buf heard = {0};
	struct raw raw;

	raw_start(&raw);
	raw_say(&raw, say);
	raw_read_all(&raw, &heard);
	assert_int_equal(last_kind(&heard), FRAME_ERROR);
}

static void garbage(void **state)
{
	(void)state;
	for (int round = 0; round < 8; round++) {
		_cleanup_buf_ struct buf say = {0};
		uint32_t seed = 12345U + (uint32_t)round;

		if (round % 2 == 1) {
			add_welcome(&say);
		}
		for (int i = 0; i < 4096; i++) {
			seed = seed * 1664525U + 1013904223U;
			/* Not a length that makes it wait for more. */
			buf_add_u8(&say, (uint8_t)(i % 12 == 3 ? 0xff : seed >> 24));
		}
		expect_refusal(&say);
	}
}

static void frames_out_of_place(void **state)
{
	_cleanup_buf_ struct buf say = {0};

	(void)state;
	add_spawn(&say, 1); /* before welcome */
	expect_refusal(&say);
	buf_clear(&say);
	add_welcome(&say);
	add_welcome(&say);
	expect_refusal(&say);
	buf_clear(&say);
	add_welcome(&say);
	add_spawn(&say, 0);
	expect_refusal(&say);
	buf_clear(&say);
	add_welcome(&say);
	frame_add_u64(&say, FRAME_PING, 7, 1);
	expect_refusal(&say);
	buf_clear(&say);
	add_welcome(&say);
	frame_add_u64(&say, FRAME_PONG, 0, 1);
	expect_refusal(&say);
	buf_clear(&say);
	frame_add_welcome(&say, &(struct wire_welcome){.version = WIRE_VERSION + 1});
	expect_refusal(&say);
}

/* More input than was granted for. */
static void input_over_the_credit(void **state)
{
	_cleanup_buf_ struct buf say = {0};
	void *zeros = xcalloc(1, WIRE_STDIN_WINDOW);

	(void)state;
	add_welcome(&say);
	add_spawn(&say, 1);
	frame_add_bytes(&say, FRAME_STDIN, 1, zeros, WIRE_STDIN_WINDOW - 12);
	frame_add_bytes(&say, FRAME_STDIN, 1, zeros, WIRE_STDIN_WINDOW - 12);
	free(zeros);
	expect_refusal(&say);
}

/* Every truncation of a sound beginning: the stream just ends. */
static void a_gateway_that_dies_in_a_frame(void **state)
{
	_cleanup_buf_ struct buf say = {0};

	(void)state;
	add_welcome(&say);
	add_spawn(&say, 1);
	for (size_t len = 0; len < say.len; len += 5) {
		_cleanup_buf_ struct buf heard = {0};
		struct raw raw;

		raw_start(&raw);
		assert_int_equal(send(raw.fd, say.data, len, MSG_NOSIGNAL), len);
		assert_int_equal(shutdown(raw.fd, SHUT_WR), 0);
		raw_read_all(&raw, &heard);
	}
}

static void requests_for_nothing_are_ignored(void **state)
{
	_cleanup_buf_ struct buf say = {0}, heard = {0};
	struct raw raw;

	(void)state;
	add_welcome(&say);
	frame_add_bytes(&say, FRAME_STDIN, 9, "x", 1);
	frame_add_empty(&say, FRAME_STDIN_EOF, 9);
	frame_add_credit(&say, 9, WIRE_STDOUT, 1);
	frame_add_resize(&say, 9, 1, 1);
	frame_add_signal(&say, 9, SIGKILL, WIRE_SIGNAL_TREE);
	frame_add_empty(&say, FRAME_FORGET, 9);
	raw_start(&raw);
	raw_say(&raw, &say);
	assert_int_equal(shutdown(raw.fd, SHUT_WR), 0);
	raw_read_all(&raw, &heard);
	assert_int_equal(last_kind(&heard), FRAME_FORGOTTEN);
}

static void a_stream_in_use(void **state)
{
	_cleanup_buf_ struct buf say = {0}, heard = {0};
	struct raw raw;

	(void)state;
	add_welcome(&say);
	add_spawn(&say, 5);
	add_spawn(&say, 5);
	raw_start(&raw);
	raw_say(&raw, &say);
	while (last_kind(&heard) != FRAME_FAILED) {
		char chunk[4096];
		ssize_t n = recv(raw.fd, chunk, sizeof(chunk), 0);

		assert_true(n > 0);
		buf_add(&heard, chunk, (size_t)n);
	}
	assert_int_equal(shutdown(raw.fd, SHUT_WR), 0);
	raw_read_all(&raw, &heard);
}

#define home_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		home_test(everything_survives_a_reconnect),
		home_test(what_was_left_behind_is_told),
		home_test(it_calls_until_somebody_answers),
		home_test(it_comes_back_every_time),
		home_test(what_is_tied_ends_with_its_connection),
		home_test(once_is_once),
		home_test(the_welcome_may_say_once),
		cmocka_unit_test(nothing_is_said_before_the_builder_has_ended),
		home_test(a_bad_token_file),
		cmocka_unit_test(garbage),
		cmocka_unit_test(frames_out_of_place),
		cmocka_unit_test(input_over_the_credit),
		cmocka_unit_test(a_gateway_that_dies_in_a_frame),
		cmocka_unit_test(requests_for_nothing_are_ignored),
		cmocka_unit_test(a_stream_in_use),
	};

	(void)alarm(110); /* a loop that waits in vain must not wait for ever */
	return cmocka_run_group_tests_name("init stream", tests, NULL, NULL);
}
