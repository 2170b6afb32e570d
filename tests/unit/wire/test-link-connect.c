/* SPDX-License-Identifier: MIT */
/* The gateway's end of forwarded connections against a scripted peer, well and badly behaved. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "peer.h"
#include "wire/link_connect.h"

struct fixture {
	struct peer p;
	uint32_t stream;
	int connected, ended, closed, lost;
	uint32_t errnum;
	size_t bytes, room;
	bool consume, close_in_data;
};

static void on_connected(void *arg)
{
	struct fixture *f = arg;

	f->connected++;
}

static void on_data(void *arg, const uint8_t *data, size_t len)
{
	struct fixture *f = arg;

	assert_non_null(data);
	f->bytes += len;
	if (f->close_in_data) {
		link_connection_close(f->p.link, f->stream);
	} else if (f->consume) {
		link_connection_consumed(f->p.link, f->stream, len);
	}
}

static void on_room(void *arg, size_t bytes)
{
	struct fixture *f = arg;

	f->room = bytes;
}

static void on_ended(void *arg)
{
	struct fixture *f = arg;

	f->ended++;
}

static void on_closed(void *arg, const struct wire_closed *closed)
{
	struct fixture *f = arg;

	f->closed++;
	f->errnum = closed->errnum;
	/* Too late, and harmless. */
	link_connection_close(f->p.link, f->stream);
	assert_int_equal(link_connection_send(f->p.link, f->stream, "x", 1), 0);
}

static void on_lost(void *arg, const struct error *why)
{
	struct fixture *f = arg;

	assert_true(why->text[0] != '\0');
	f->lost++;
}

static const struct link_connection_ops ops = {
	.connected = on_connected,
	.data = on_data,
	.room = on_room,
	.ended = on_ended,
	.closed = on_closed,
	.lost = on_lost,
};

static int pump(struct fixture *f)
{
	return peer_pump(&f->p);
}

/* The next frame that the link sent; its payload's length. */
static size_t expect(struct fixture *f, uint16_t kind)
{
	struct frame_header header = peer_next_frame(&f->p, NULL);

	assert_int_equal(header.kind, kind);
	return header.length;
}

static void expect_silence(struct fixture *f)
{
	char byte;

	assert_int_equal(f->p.said.len, 0);
	assert_int_equal(recv(f->p.fd, &byte, 1, MSG_DONTWAIT), -1);
}

static void open_one(struct fixture *f)
{
	assert_int_equal(link_connect(f->p.link, 9222, &ops, f, &f->stream, &f->p.err), 0);
	assert_int_equal(expect(f, FRAME_CONNECT), 2);
}

static int set_up(void **state)
{
	static struct fixture fixture;
	struct wire_hello hello = {.version = WIRE_VERSION, .next_stream = 1};
	int fd;

	fixture = (struct fixture){.consume = true};
	fd = peer_init(&fixture.p);
	fixture.p.link = link_new(fd, NULL, false, NULL, NULL);
	assert_int_equal(
		link_connect(fixture.p.link, 1, &ops, &fixture, &fixture.stream, &fixture.p.err),
		-ENOTCONN);
	frame_add_hello(&fixture.p.say, &hello);
	assert_int_equal(pump(&fixture), 0);
	expect(&fixture, FRAME_WELCOME);
	open_one(&fixture);
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	peer_finish(&f->p);
	return 0;
}

static void say(struct fixture *f, enum frame_connect_kind kind)
{
	frame_add_empty(&f->p.say, (enum frame_kind)kind, f->stream);
}

static void say_data(struct fixture *f, size_t len)
{
	static const uint8_t bytes[LIMIT_FRAME_PAYLOAD];

	frame_add_conn_bytes(&f->p.say, FRAME_CONN_DATA, f->stream, bytes, len);
}

static void say_closed(struct fixture *f, uint32_t errnum)
{
	struct wire_closed closed = {.errnum = errnum, .text = {(const uint8_t *)"why", 3}};

	frame_add_conn_closed(&f->p.say, f->stream, &closed);
}

static void expect_death(struct fixture *f)
{
	assert_int_equal(pump(f), -EPROTO);
	assert_false(link_is_ready(f->p.link));
	assert_int_equal(f->lost, 1);
}

static void a_whole_life(void **state)
{
	struct fixture *f = *state;

	/* Before it is connected: what waits for it is under way already. */
	assert_int_equal(link_connection_send(f->p.link, f->stream, "GET", 3), 3);
	assert_int_equal(expect(f, FRAME_CONN_SEND), 3);
	say(f, FRAME_CONNECTED);
	say_data(f, 10);
	frame_add_conn_credit(&f->p.say, FRAME_CONN_CREDIT, f->stream, 3);
	assert_int_equal(pump(f), 0);
	assert_int_equal(f->connected, 1);
	assert_int_equal(f->bytes, 10);
	assert_int_equal(f->room, WIRE_CONN_WINDOW);
	link_connection_end(f->p.link, f->stream);
	link_connection_end(f->p.link, f->stream);
	assert_int_equal(expect(f, FRAME_CONN_SEND_EOF), 0);
	expect_silence(f);
	assert_int_equal(link_connection_send(f->p.link, f->stream, "x", 1), 0);
	say(f, FRAME_CONN_EOF);
	say_closed(f, 0);
	assert_int_equal(pump(f), 0);
	assert_int_equal(f->ended, 1);
	assert_int_equal(f->closed, 1);
	assert_int_equal(f->errnum, 0);
	expect_silence(f);
	/* The number means nothing any more. */
	say_data(f, 1);
	assert_int_equal(pump(f), -EPROTO);
	assert_int_equal(f->lost, 0);
}

static void nothing_listens(void **state)
{
	struct fixture *f = *state;

	say_closed(f, ECONNREFUSED);
	assert_int_equal(pump(f), 0);
	assert_int_equal(f->closed, 1);
	assert_int_equal(f->errnum, ECONNREFUSED);
	assert_int_equal(f->connected, 0);
}

static void the_window_is_renewed_and_kept(void **state)
{
	struct fixture *f = *state;

	say(f, FRAME_CONNECTED);
	say_data(f, WIRE_CONN_WINDOW / 4 - 1);
	assert_int_equal(pump(f), 0);
	expect_silence(f);
	say_data(f, 1);
	assert_int_equal(pump(f), 0);
	assert_int_equal(expect(f, FRAME_CONN_GRANT), 4);
	/* A caller that counts wrongly does not lift the limit. */
	link_connection_consumed(f->p.link, f->stream, SIZE_MAX);
	expect_silence(f);
	f->consume = false;
	for (int i = 0; i < 4; i++) {
		say_data(f, WIRE_CONN_WINDOW / 4);
		assert_int_equal(pump(f), 0);
	}
	assert_int_equal(f->bytes, WIRE_CONN_WINDOW / 4 * 5);
	say_data(f, 1);
	expect_death(f);
	assert_non_null(strstr(f->p.err.text, "credit"));
}

static void sending_stays_in_the_window(void **state)
{
	static const uint8_t bytes[WIRE_CONN_WINDOW + 1];
	struct fixture *f = *state;
	size_t sent = 0;

	assert_int_equal(
		link_connection_send(f->p.link, f->stream, bytes, sizeof(bytes)), WIRE_CONN_WINDOW);
	assert_int_equal(link_connection_room(f->p.link, f->stream), 0);
	while (sent < WIRE_CONN_WINDOW) {
		assert_int_equal(pump(f), 0);
		sent += expect(f, FRAME_CONN_SEND);
	}
	assert_int_equal(sent, WIRE_CONN_WINDOW);
	frame_add_conn_credit(&f->p.say, FRAME_CONN_CREDIT, f->stream, WIRE_CONN_WINDOW);
	frame_add_conn_credit(&f->p.say, FRAME_CONN_CREDIT, f->stream, 1);
	expect_death(f);
}

static void close_drops_what_is_under_way(void **state)
{
	struct fixture *f = *state;

	f->close_in_data = true;
	say(f, FRAME_CONNECTED);
	say_data(f, 5);
	say_data(f, 5);
	say(f, FRAME_CONN_EOF);
	assert_int_equal(pump(f), 0);
	assert_int_equal(f->bytes, 5);
	assert_int_equal(f->ended, 0);
	assert_int_equal(expect(f, FRAME_CONN_CLOSE), 0);
	say_closed(f, 0);
	assert_int_equal(pump(f), 0);
	assert_int_equal(f->closed, 0);
	expect_silence(f);
}

static void frames_out_of_turn(void **state)
{
	static const enum frame_connect_kind bad[][3] = {
		{FRAME_CONNECTED, FRAME_CONNECTED},
		{FRAME_CONN_EOF},
		{FRAME_CONNECTED, FRAME_CONN_EOF, FRAME_CONN_EOF},
		{FRAME_CONN_SEND_EOF},
		{(enum frame_connect_kind)FRAME_FORGOTTEN},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct fixture *f = *state;

		for (size_t j = 0; j < 3 && bad[i][j] != 0; j++) {
			say(f, bad[i][j]);
		}
		expect_death(f);
		(void)tear_down(state);
		(void)set_up(state);
	}
}

static void data_before_connected(void **state)
{
	say_data(*state, 1);
	expect_death(*state);
}

static void no_more_than_the_limit(void **state)
{
	struct fixture *f = *state;
	uint32_t stream;

	for (int i = 1; i < LIMIT_CONNECTIONS; i++) {
		assert_int_equal(link_connect(f->p.link, 1, NULL, NULL, &stream, &f->p.err), 0);
	}
	assert_int_equal(link_connect(f->p.link, 1, NULL, NULL, &stream, &f->p.err), -EMFILE);
	assert_int_equal(link_connect(f->p.link, 0, NULL, NULL, &stream, &f->p.err), -EINVAL);
	link_connection_close(f->p.link, f->stream);
	assert_int_equal(link_connect(f->p.link, 1, NULL, NULL, &stream, &f->p.err), -EMFILE);
	say_closed(f, 0);
	assert_int_equal(pump(f), 0);
	assert_int_equal(link_connect(f->p.link, 1, NULL, NULL, &stream, &f->p.err), 0);
	assert_int_equal(f->lost + f->closed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_whole_life, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_listens, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_window_is_renewed_and_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sending_stays_in_the_window, set_up, tear_down),
		cmocka_unit_test_setup_teardown(close_drops_what_is_under_way, set_up, tear_down),
		cmocka_unit_test_setup_teardown(frames_out_of_turn, set_up, tear_down),
		cmocka_unit_test_setup_teardown(data_before_connected, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_more_than_the_limit, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("wire link connect", tests, NULL, NULL);
}
