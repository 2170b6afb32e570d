/* SPDX-License-Identifier: MIT */
/* The door to one place outside: a link on this side, an echo on the other, and peers that break the rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/own.h"
#include "broker/door.h"
#include "wire/link_connect.h"

enum { PATIENCE_MS = 20000, BIG = 3 * WIRE_CONN_WINDOW };

struct seen {
	struct link *link;
	uint32_t stream;
	bool connected, ended, closed, lost;
	uint32_t errnum;
	struct buf data;
	size_t sent, size; /* of what is to be sent */
};

static struct seen seen;
static pid_t door_pid;
static int lease;

static void on_connected(void *arg)
{
	(void)arg;
	seen.connected = true;
}

static void on_data(void *arg, const uint8_t *data, size_t len)
{
	(void)arg;
	buf_add(&seen.data, data, len);
	link_connection_consumed(seen.link, seen.stream, len);
}

static void on_ended(void *arg)
{
	(void)arg;
	seen.ended = true;
}

static void on_closed(void *arg, const struct wire_closed *closed)
{
	(void)arg;
	seen.closed = true;
	seen.errnum = closed->errnum;
}

static void on_lost(void *arg, const struct error *why)
{
	(void)arg;
	(void)why;
	seen.lost = true;
}

static const struct link_connection_ops ops = {
	.connected = on_connected,
	.data = on_data,
	.ended = on_ended,
	.closed = on_closed,
	.lost = on_lost,
};

/* In a process of its own, as the broker has it. Returns the link's end. */
static int open_door(const struct door *door)
{
	int pair[2], leases[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(pipe(leases), 0);
	door_pid = fork();
	if (door_pid == 0) {
		(void)close(pair[0]);
		(void)close(leases[1]);
		door_serve(pair[1], leases[0], door);
		_exit(0);
	}
	(void)close(pair[1]);
	(void)close(leases[0]);
	lease = leases[1];
	return pair[0];
}

static void open_link(const struct door *door)
{
	struct error err;

	seen = (struct seen){0};
	seen.link = link_new(open_door(door), NULL, true, NULL, NULL);
	assert_int_equal(link_wait_ready(seen.link, PATIENCE_MS, &err), 0);
}

static void finish(void)
{
	int status;

	seen.link = link_free(seen.link);
	assert_int_equal(waitpid(door_pid, &status, 0), door_pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	(void)close(lease);
	buf_finish(&seen.data);
}

static void connect_it(void)
{
	struct error err;

	assert_int_equal(link_connect(seen.link, 1, &ops, NULL, &seen.stream, &err), 0);
}

static void send_some(void)
{
	static const uint8_t zeros[BIG];

	if (seen.sent < seen.size) {
		seen.sent += link_connection_send(
			seen.link, seen.stream, zeros + seen.sent, seen.size - seen.sent);
	}
}

/* Until it is true, or the test has waited too long. */
#define UNTIL(condition)                                                                         \
	while (!(condition)) {                                                                   \
		struct pollfd p_ = {.fd = link_fd(seen.link), .events = link_events(seen.link)}; \
		struct error err_;                                                               \
                                                                                                 \
		send_some();                                                                     \
		p_.events = link_events(seen.link);                                              \
		assert_true(poll(&p_, 1, PATIENCE_MS) > 0);                                      \
		if (link_pump(seen.link, p_.revents, &err_) < 0) {                               \
			assert_true(condition);                                                  \
		}                                                                                \
	}

static int listen_here(struct sockaddr_in *ret)
{
	socklen_t size = sizeof(*ret);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*ret = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(bind(fd, (const struct sockaddr *)ret, sizeof(*ret)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)ret, &size), 0);
	return fd;
}

/* A process that gives back what it gets, once. */
static pid_t echo(int listen_fd)
{
	pid_t pid;

	assert_int_equal(listen(listen_fd, 4), 0);
	pid = fork();
	if (pid == 0) {
		static char data[65536];
		int fd = accept(listen_fd, NULL, NULL);
		ssize_t n;

		while ((n = read(fd, data, sizeof(data))) > 0) {
			for (ssize_t at = 0, m; at < n; at += m) {
				m = write(fd, data + at, (size_t)(n - at));
				if (m <= 0) {
					_exit(1);
				}
			}
		}
		_exit(0);
	}
	(void)close(listen_fd);
	return pid;
}

static void there_and_back(void **state)
{
	struct sockaddr_in address;
	int fd = listen_here(&address);
	pid_t pid = echo(fd);
	const struct door door = {.address = (const struct sockaddr *)&address,
		.address_size = sizeof(address),
		.pipe_fd = FD_NONE};

	(void)state;
	open_link(&door);
	connect_it();
	seen.size = BIG; /* more than either window: credit has to come back */
	UNTIL(seen.data.len == BIG);
	assert_true(seen.connected);
	link_connection_end(seen.link, seen.stream);
	UNTIL(seen.closed);
	assert_true(seen.ended);
	assert_int_equal(seen.errnum, 0);
	finish();
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void nobody_listens(void **state)
{
	struct sockaddr_in address;
	int fd = listen_here(&address);
	const struct door door = {.address = (const struct sockaddr *)&address,
		.address_size = sizeof(address),
		.pipe_fd = FD_NONE};

	(void)state;
	(void)close(fd);
	open_link(&door);
	connect_it();
	UNTIL(seen.closed);
	assert_false(seen.connected);
	assert_int_equal(seen.errnum, ECONNREFUSED);
	finish();
}

static void a_pipe_is_for_one(void **state)
{
	int pair[2];
	struct door door = {0};
	struct error err;
	uint32_t second;
	char text[5] = "";

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	door.pipe_fd = pair[0];
	open_link(&door);
	(void)close(pair[0]);
	connect_it();
	UNTIL(seen.connected);
	assert_int_equal(link_connection_send(seen.link, seen.stream, "ping", 4), 4);
	assert_int_equal(read(pair[1], text, 4), 4);
	assert_string_equal(text, "ping");
	assert_int_equal(write(pair[1], "pong", 4), 4);
	UNTIL(seen.data.len == 4);
	assert_int_equal(link_connect(seen.link, 1, &ops, NULL, &second, &err), 0);
	UNTIL(seen.closed);
	assert_int_equal(seen.errnum, ECONNREFUSED);
	/* With its only connection it is over. */
	link_connection_close(seen.link, seen.stream);
	assert_int_equal(read(pair[1], text, 4), 0);
	(void)close(pair[1]);
	finish();
}

static void the_lease_ends_it(void **state)
{
	struct sockaddr_in address;
	int fd = listen_here(&address), status;
	const struct door door = {.address = (const struct sockaddr *)&address,
		.address_size = sizeof(address),
		.pipe_fd = FD_NONE};

	(void)state;
	open_link(&door);
	(void)close(lease);
	assert_int_equal(waitpid(door_pid, &status, 0), door_pid);
	assert_true(WIFEXITED(status));
	seen.link = link_free(seen.link);
	(void)close(fd);
}

/* Whatever a front that was taken over sends: the door ends, and does nothing else. */
static void who_breaks_the_rules(void **state)
{
	struct sockaddr_in address;
	int fd = listen_here(&address);
	const struct door door = {.address = (const struct sockaddr *)&address,
		.address_size = sizeof(address),
		.pipe_fd = FD_NONE};
	const struct wire_welcome welcome = {.version = WIRE_VERSION};

	(void)state;
	assert_int_equal(listen(fd, 1), 0);
	for (int i = 0; i < 6; i++) {
		_cleanup_buf_ struct buf out = {0};
		int peer = open_door(&door), status;

		if (i > 0) {
			frame_add_welcome(&out, &welcome);
		}
		switch (i) {
		case 0: /* before the welcome */
		case 1: /* twice the same stream */
			frame_add_connect(&out, 1, 1);
			frame_add_connect(&out, 1, 1);
			break;
		case 2: /* a SPAWN, of all things */
			frame_add_connect(&out, 1, 1);
			frame_add_empty(&out, FRAME_SPAWN, 1);
			break;
		case 3: /* more credit than a window */
			frame_add_connect(&out, 1, 1);
			frame_add_conn_credit(&out, FRAME_CONN_GRANT, 1, WIRE_CONN_WINDOW);
			break;
		case 4: /* a length that is none */
			buf_add(&out, "\xff\xff\xff\xff\x02\x00\x00\x00\x00\x00\x00\x00", 12);
			break;
		default: /* on no stream */
			frame_add_connect(&out, 0, 1);
			break;
		}
		assert_int_equal(send(peer, out.data, out.len, MSG_NOSIGNAL), (ssize_t)out.len);
		assert_int_equal(waitpid(door_pid, &status, 0), door_pid);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		(void)close(peer);
		(void)close(lease);
	}
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(nobody_listens),
		cmocka_unit_test(a_pipe_is_for_one),
		cmocka_unit_test(the_lease_ends_it),
		cmocka_unit_test(who_breaks_the_rules),
	};

	return cmocka_run_group_tests_name("door", tests, NULL, NULL);
}
