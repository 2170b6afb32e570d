/* SPDX-License-Identifier: MIT */
/* Connections through a real creel-init to servers on the loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/own.h"
#include "rig.h"
#include "wire/link_connect.h"

struct peer {
	struct rig *rig;
	uint32_t stream;
	struct buf got;
	size_t bytes;
	uint32_t errnum;
	bool connected, ended, closed, lost;
	bool hold; /* leave what comes unconsumed */
};

static void on_connected(void *arg)
{
	struct peer *p = arg;

	p->connected = true;
}

static void on_data(void *arg, const uint8_t *data, size_t len)
{
	struct peer *p = arg;

	p->bytes += len;
	if (p->got.len < 1000) {
		buf_add(&p->got, data, len);
	}
	if (!p->hold) {
		link_connection_consumed(p->rig->link, p->stream, len);
	}
}

static void on_ended(void *arg)
{
	struct peer *p = arg;

	p->ended = true;
}

static void on_closed(void *arg, const struct wire_closed *closed)
{
	struct peer *p = arg;

	p->closed = true;
	p->errnum = closed->errnum;
	assert_true((closed->errnum != 0) == (closed->text.len != 0));
}

static void on_lost(void *arg, const struct error *why)
{
	struct peer *p = arg;

	(void)why;
	p->lost = true;
}

static const struct link_connection_ops ops = {
	.connected = on_connected,
	.data = on_data,
	.ended = on_ended,
	.closed = on_closed,
	.lost = on_lost,
};

/* A listening socket on a port that the kernel chose. */
static int listen_on(int family, uint16_t *ret_port)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_in four = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr *address =
		family == AF_INET ? (struct sockaddr *)&four : (struct sockaddr *)&six;
	socklen_t size = family == AF_INET ? sizeof(four) : sizeof(six);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, address, size) < 0) {
		cleanup_closep(&fd);
		return FD_NONE;
	}
	assert_int_equal(listen(fd, 10), 0);
	assert_int_equal(getsockname(fd, address, &size), 0);
	*ret_port = ntohs(family == AF_INET ? four.sin_port : six.sin6_port);
	return fd;
}

/* Its callbacks come until the link is gone, after the test. */
static struct peer peer;

static void dial(struct peer *p, struct rig *rig, uint16_t port)
{
	struct error err;

	*p = (struct peer){.rig = rig};
	assert_int_equal(link_connect(rig->link, port, &ops, p, &p->stream, &err), 0);
}

static void send_all(struct peer *p, const char *text)
{
	assert_int_equal(
		link_connection_send(p->rig->link, p->stream, text, strlen(text)), strlen(text));
}

static int start(void **state)
{
	*state = rig_start(false);
	return 0;
}

static int stop(void **state)
{
	return rig_stop(*state);
}

static void both_ways_and_half_closes(void **state)
{
	struct rig *rig = *state;
	struct peer *p = &peer;
	uint16_t port;
	_cleanup_close_ int listener = listen_on(AF_INET, &port);
	_cleanup_close_ int server = FD_NONE;
	char chunk[16] = "";

	dial(p, rig, port);
	send_all(p, "hello");
	rig_until(rig, &p->connected);
	server = accept(listener, NULL, NULL);
	assert_int_equal(recv(server, chunk, 5, MSG_WAITALL), 5);
	assert_string_equal(chunk, "hello");
	link_connection_end(rig->link, p->stream);
	assert_int_equal(recv(server, chunk, 1, 0), 0);
	/* Our half is closed, theirs is not. */
	assert_int_equal(send(server, "world", 5, MSG_NOSIGNAL), 5);
	assert_int_equal(shutdown(server, SHUT_WR), 0);
	rig_until(rig, &p->closed);
	assert_true(p->ended);
	assert_int_equal(p->errnum, 0);
	assert_string_equal(p->got.data, "world");
	buf_finish(&p->got);
}

static void nothing_listens(void **state)
{
	struct rig *rig = *state;
	struct peer *p = &peer;
	uint16_t port;
	int listener = listen_on(AF_INET, &port);

	(void)close(listener);
	dial(p, rig, port);
	send_all(p, "into the void");
	rig_until(rig, &p->closed);
	assert_int_equal(p->errnum, ECONNREFUSED);
	assert_false(p->connected);
	/* creel-init and the link live on. */
	dial(p, rig, port);
	rig_until(rig, &p->closed);
}

static void the_other_loopback(void **state)
{
	struct rig *rig = *state;
	struct peer *p = &peer;
	uint16_t port = 0;
	_cleanup_close_ int listener = listen_on(AF_INET6, &port);

	if (listener < 0) {
		skip(); /* a kernel without IPv6 */
	}
	dial(p, rig, port);
	rig_until(rig, &p->connected);
	link_connection_close(rig->link, p->stream);
}

static void a_slow_reader_here(void **state)
{
	struct rig *rig = *state;
	struct peer *p = &peer;
	uint16_t port;
	_cleanup_close_ int listener = listen_on(AF_INET, &port);
	_cleanup_close_ int server = FD_NONE;
	static char chunk[256 * 1024];
	size_t total = 0, most = 8 * 1024 * 1024;

	dial(p, rig, port);
	p->hold = true;
	rig_until(rig, &p->connected);
	server = accept(listener, NULL, NULL);
	/* What the kernel and the window hold, and not a byte more. */
	for (int quiet = 0; quiet < 20 && total < most;) {
		ssize_t n = send(server, chunk, sizeof(chunk), MSG_NOSIGNAL | MSG_DONTWAIT);

		total += n > 0 ? (size_t)n : 0;
		quiet = n > 0 ? 0 : quiet + 1;
		rig_pump_ms(rig, 10);
	}
	assert_int_equal(p->bytes, WIRE_CONN_WINDOW);
	p->hold = false;
	link_connection_consumed(rig->link, p->stream, p->bytes);
	assert_int_equal(shutdown(server, SHUT_WR), 0);
	rig_until(rig, &p->ended);
	assert_int_equal(p->bytes, total);
	buf_finish(&p->got);
}

static void a_server_that_resets(void **state)
{
	struct linger now = {.l_onoff = 1};
	struct rig *rig = *state;
	struct peer *p = &peer;
	uint16_t port;
	_cleanup_close_ int listener = listen_on(AF_INET, &port);
	int server;

	dial(p, rig, port);
	rig_until(rig, &p->connected);
	server = accept(listener, NULL, NULL);
	assert_int_equal(setsockopt(server, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	(void)close(server);
	rig_until(rig, &p->closed);
	assert_int_equal(p->errnum, ECONNRESET);
}

static void closing_reaches_the_server(void **state)
{
	struct rig *rig = *state;
	struct peer *p = &peer;
	uint16_t port;
	_cleanup_close_ int listener = listen_on(AF_INET, &port);
	_cleanup_close_ int server = FD_NONE;
	char byte;

	dial(p, rig, port);
	rig_until(rig, &p->connected);
	server = accept(listener, NULL, NULL);
	link_connection_close(rig->link, p->stream);
	rig_pump_ms(rig, 10);
	assert_int_equal(recv(server, &byte, 1, 0), 0);
	assert_false(p->closed || p->lost);
}

/* Nobody reads: it stops taking, and says so by its room. */
static size_t fill(struct peer *p, size_t most)
{
	static const char chunk[WIRE_CONN_WINDOW];
	size_t sent = 0;

	for (int quiet = 0; quiet < 20 && sent < most;) {
		size_t n = link_connection_send(p->rig->link, p->stream, chunk, sizeof(chunk));

		sent += n;
		quiet = n > 0 ? 0 : quiet + 1;
		rig_pump_ms(p->rig, 10);
	}
	assert_true(sent < most);
	assert_int_equal(link_connection_room(p->rig->link, p->stream), 0);
	return sent;
}

static void a_slow_reader_there(void **state)
{
	struct rig *rig = *state;
	struct peer *p = &peer;
	uint16_t port;
	_cleanup_close_ int listener = listen_on(AF_INET, &port);
	_cleanup_close_ int server = FD_NONE;
	static char chunk[WIRE_CONN_WINDOW];
	size_t sent, received = 0;

	dial(p, rig, port);
	rig_until(rig, &p->connected);
	server = accept(listener, NULL, NULL);
	sent = fill(p, 64 * 1024 * 1024);
	link_connection_end(rig->link, p->stream);
	while (received < sent) {
		ssize_t n = recv(server, chunk, sizeof(chunk), MSG_DONTWAIT);

		assert_true(n != 0);
		received += n > 0 ? (size_t)n : 0;
		rig_pump_ms(rig, n > 0 ? 0 : 1);
	}
	assert_int_equal(received, sent);
	assert_int_equal(recv(server, chunk, 1, 0), 0);
}

/* A frame that breaks the rules ends the stream, and creel-init with it (--fd). */
static void bytes_over_the_credit(void **state)
{
	struct rig *rig = *state;
	struct peer *p = &peer;
	_cleanup_buf_ struct buf out = {0};
	_cleanup_close_ int listener = FD_NONE;
	uint16_t port;

	listener = listen_on(AF_INET, &port);
	dial(p, rig, port);
	rig_until(rig, &p->connected);
	(void)fill(p, 64 * 1024 * 1024);
	frame_add_conn_bytes(&out, FRAME_CONN_SEND, p->stream, "x", 1);
	assert_int_equal(send(link_fd(rig->link), out.data, out.len, MSG_NOSIGNAL), out.len);
	rig_until(rig, &rig->dead);
	assert_non_null(strstr(rig->why.text, "credit"));
	assert_true(p->lost);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(both_ways_and_half_closes, start, stop),
		cmocka_unit_test_setup_teardown(nothing_listens, start, stop),
		cmocka_unit_test_setup_teardown(the_other_loopback, start, stop),
		cmocka_unit_test_setup_teardown(a_slow_reader_here, start, stop),
		cmocka_unit_test_setup_teardown(a_slow_reader_there, start, stop),
		cmocka_unit_test_setup_teardown(a_server_that_resets, start, stop),
		cmocka_unit_test_setup_teardown(closing_reaches_the_server, start, stop),
		cmocka_unit_test_setup_teardown(bytes_over_the_credit, start, stop),
	};

	return cmocka_run_group_tests_name("init connect", tests, NULL, NULL);
}
