/* SPDX-License-Identifier: MIT */
/* The relay: what its peer may say, with every bit flipped and cut at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/own.h"
#include "wire/relay.h"

struct rig {
	int sandbox, peer; /* the far ends */
	struct link *link;
	struct relay *relay;
	bool refuse;
	unsigned asked, ended;
};

static int on_spawn(
	void *arg, struct wire_bytes payload, struct wire_spawn *spawn, struct error *err)
{
	struct rig *rig = arg;

	(void)payload;
	(void)spawn;
	rig->asked++;
	return rig->refuse ? error_plain(err, EPERM, "not this one") : 0;
}

static void on_ended(void *arg, const struct wire_exited *exited)
{
	struct rig *rig = arg;

	(void)exited;
	rig->ended++;
}

static const struct relay_ops ops = {.spawn = on_spawn, .ended = on_ended};

static void rig_open(struct rig *rig)
{
	int link[2], peer[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, link), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, peer), 0);
	rig->sandbox = link[1];
	rig->peer = peer[1];
	rig->link = link_new(link[0], NULL, false, NULL, NULL);
	link_greet(rig->link);
	rig->relay = relay_new(peer[0], rig->link, &ops, rig);
}

static void rig_close(struct rig *rig)
{
	rig->relay = relay_free(rig->relay);
	rig->link = link_free(rig->link);
	(void)close(rig->sandbox);
	(void)close(rig->peer);
}

static void add_spawn(struct buf *out, uint32_t stream)
{
	static const char *const argv[] = {"ls", NULL};
	static const char *const env[] = {NULL};
	struct wire_spawn spawn = {
		.flags = WIRE_SPAWN_STDIN, .argv = argv, .env = env, .credit = 1000};
	struct error err;

	assert_int_equal(frame_add_spawn(out, stream, &spawn, &err), 0);
}

static void add_talk(struct buf *out)
{
	struct wire_welcome welcome = {.version = WIRE_VERSION};

	frame_add_welcome(out, &welcome);
	add_spawn(out, 1);
	frame_add_bytes(out, FRAME_STDIN, 1, "abc", 3);
	frame_add_credit(out, 1, WIRE_STDOUT, 5);
	frame_add_resize(out, 1, 1, 2);
	frame_add_signal(out, 1, 15, WIRE_SIGNAL_END);
	frame_add_empty(out, FRAME_STDIN_EOF, 1);
	frame_add_empty(out, FRAME_FORGET, 1);
}

/* Never a crash, never a second process, and its end is told at most once. */
static void try_bytes(const void *data, size_t len)
{
	struct rig rig = {0};
	struct error err;

	rig_open(&rig);
	(void)relay_feed(rig.relay, data, len, &err);
	rig_close(&rig);
	assert_true(rig.asked <= 1);
	assert_true(rig.ended <= 1);
}

static void every_bit_flip_and_cut(void **state)
{
	_cleanup_buf_ struct buf talk = {0};

	(void)state;
	add_talk(&talk);
	for (size_t bit = 0; bit < talk.len * 8; bit++) {
		talk.data[bit / 8] = (char)(talk.data[bit / 8] ^ (1 << (bit % 8)));
		try_bytes(talk.data, talk.len);
		talk.data[bit / 8] = (char)(talk.data[bit / 8] ^ (1 << (bit % 8)));
	}
	for (size_t cut = 0; cut <= talk.len; cut++) {
		try_bytes(talk.data, cut);
	}
}

/* The kind of each frame that the peer got. */
static size_t read_kinds(int fd, uint16_t kinds[16])
{
	_cleanup_buf_ struct buf in = {0};
	char *room = buf_reserve(&in, 65536);
	ssize_t n = recv(fd, room, 65536, MSG_DONTWAIT);
	size_t at = 0, count = 0;
	struct frame_header header;
	struct error err;

	buf_commit(&in, n > 0 ? (size_t)n : 0);
	while (count < 16 &&
		frame_peek((const uint8_t *)in.data + at, in.len - at, &header, &err) == 1) {
		kinds[count++] = header.kind;
		at += FRAME_HEADER_SIZE + header.length;
	}
	return count;
}

static void what_is_refused_fails(void **state)
{
	struct wire_welcome welcome = {.version = WIRE_VERSION};
	_cleanup_buf_ struct buf talk = {0};
	struct rig rig = {.refuse = true};
	uint16_t kinds[16];
	struct error err;

	(void)state;
	rig_open(&rig);
	frame_add_welcome(&talk, &welcome);
	add_spawn(&talk, 7);
	assert_int_equal(relay_feed(rig.relay, talk.data, talk.len, &err), 0);
	assert_int_equal(read_kinds(rig.peer, kinds), 2);
	assert_int_equal(kinds[0], FRAME_HELLO);
	assert_int_equal(kinds[1], FRAME_FAILED);
	assert_true(relay_is_over(rig.relay));
	assert_int_equal(rig.ended, 1);
	/* And there is no second try. */
	buf_clear(&talk);
	rig.refuse = false;
	add_spawn(&talk, 9);
	assert_int_equal(relay_feed(rig.relay, talk.data, talk.len, &err), -EPROTO);
	assert_int_equal(rig.asked, 1);
	rig_close(&rig);
}

static void nothing_before_welcome(void **state)
{
	_cleanup_buf_ struct buf talk = {0};
	struct rig rig = {0};
	struct error err;

	(void)state;
	rig_open(&rig);
	add_spawn(&talk, 1);
	assert_int_equal(relay_feed(rig.relay, talk.data, talk.len, &err), -EPROTO);
	assert_int_equal(rig.asked, 0);
	rig_close(&rig);
}

static void input_over_the_credit(void **state)
{
	_cleanup_free_ char *much = xmalloc(WIRE_STDIN_WINDOW + 1);
	struct wire_welcome welcome = {.version = WIRE_VERSION};
	_cleanup_buf_ struct buf talk = {0};
	struct rig rig = {0};
	struct error err;

	(void)state;
	memset(much, 'x', WIRE_STDIN_WINDOW + 1);
	rig_open(&rig);
	frame_add_welcome(&talk, &welcome);
	add_spawn(&talk, 1);
	frame_add_bytes(&talk, FRAME_STDIN, 1, much, WIRE_STDIN_WINDOW / 2);
	assert_int_equal(relay_feed(rig.relay, talk.data, talk.len, &err), 0);
	buf_clear(&talk);
	frame_add_bytes(&talk, FRAME_STDIN, 1, much, WIRE_STDIN_WINDOW / 2 + 1);
	assert_int_equal(relay_feed(rig.relay, talk.data, talk.len, &err), -EPROTO);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_bit_flip_and_cut),
		cmocka_unit_test(what_is_refused_fails),
		cmocka_unit_test(nothing_before_welcome),
		cmocka_unit_test(input_over_the_credit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
