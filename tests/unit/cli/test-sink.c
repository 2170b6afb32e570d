/* SPDX-License-Identifier: MIT */
/* A sink takes everything, never waits, and leaves the caller's descriptor as it was. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/sink.h"

enum { TOTAL = 1024 * 1024 };

static uint8_t sent[TOTAL], got[TOTAL];

static void fill(void)
{
	for (size_t i = 0; i < TOTAL; i++) {
		sent[i] = (uint8_t)(i * 31 + i / 251);
	}
}

/* Everything through, while the reader takes it piece by piece; no byte lost, doubled or moved. */
static void push_through(struct sink *sink, int reader)
{
	size_t done = 0, received = 0;

	fill();
	memset(got, 0, sizeof(got));
	for (size_t at = 0; at < TOTAL; at += TOTAL / 4) {
		sink_write(sink, sent + at, TOTAL / 4);
	}
	assert_true(sink_is_pending(sink)); /* a megabyte is more than any of them holds */
	while (received < TOTAL) {
		size_t room = TOTAL - received;
		ssize_t n = read(reader, got + received, room < 5000 ? room : 5000);

		assert_true(n > 0);
		received += (size_t)n;
		sink_flush(sink);
		done += sink_take_done(sink);
	}
	assert_false(sink_is_pending(sink));
	assert_int_equal(sink->error, 0);
	assert_int_equal(done, TOTAL);
	assert_memory_equal(got, sent, TOTAL);
}

static void test_pipe(void **state)
{
	struct sink sink;
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	sink_init(&sink, fds[1]);
	push_through(&sink, fds[0]);
	assert_int_equal(sink.kind, SINK_OWN);
	assert_int_equal(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
	sink_finish(&sink);
	assert_int_equal(close(fds[0]) | close(fds[1]), 0);
}

/* As where /proc is not there: in pieces that poll(2) vouches for. */
static void test_pipe_that_cannot_be_reopened(void **state)
{
	struct sink sink;
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	sink_init(&sink, fds[1]);
	sink.kind = SINK_POLLED;
	push_through(&sink, fds[0]);
	sink_finish(&sink);
	assert_int_equal(close(fds[0]) | close(fds[1]), 0);
}

static void test_socket(void **state)
{
	struct sink sink;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	sink_init(&sink, fds[1]);
	push_through(&sink, fds[0]);
	assert_int_equal(sink.kind, SINK_SOCKET);
	assert_int_equal(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
	sink_finish(&sink);
	assert_int_equal(close(fds[0]) | close(fds[1]), 0);
}

static void test_reader_gone(void **state)
{
	struct sink sink;
	int fds[2];

	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	sink_init(&sink, fds[1]);
	assert_int_equal(close(fds[0]), 0);
	sink_write(&sink, (const uint8_t *)"abc", 3);
	assert_int_equal(sink.error, EPIPE);
	assert_false(sink_is_pending(&sink));
	assert_int_equal(sink_take_done(&sink), 3); /* thrown away is done with */
	sink_write(&sink, (const uint8_t *)"de", 2);
	assert_int_equal(sink_take_done(&sink), 2);
	sink_finish(&sink);
	assert_int_equal(close(fds[1]), 0);
}

static void test_full_device(void **state)
{
	struct sink sink;
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	sink_init(&sink, fd);
	sink_write(&sink, (const uint8_t *)"abc", 3);
	assert_int_equal(sink.error, ENOSPC);
	sink_finish(&sink);
	assert_int_equal(close(fd), 0);
}

/* Opening a regular file again would start at its beginning and forget O_APPEND. */
static void test_regular_file(void **state)
{
	FILE *file = tmpfile();
	struct sink sink;
	char text[16] = {0};

	(void)state;
	assert_non_null(file);
	assert_int_equal(write(fileno(file), "one ", 4), 4);
	sink_init(&sink, fileno(file));
	sink_write(&sink, (const uint8_t *)"two", 3);
	assert_int_equal(sink.kind, SINK_DIRECT);
	assert_int_equal(pread(fileno(file), text, sizeof(text), 0), 7);
	assert_string_equal(text, "one two");
	sink_finish(&sink);
	assert_int_equal(fclose(file), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pipe),
		cmocka_unit_test(test_pipe_that_cannot_be_reopened),
		cmocka_unit_test(test_socket),
		cmocka_unit_test(test_reader_gone),
		cmocka_unit_test(test_full_device),
		cmocka_unit_test(test_regular_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
