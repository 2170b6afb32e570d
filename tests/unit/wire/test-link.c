/* SPDX-License-Identifier: MIT */
/* The gateway's link against a scripted peer that plays creel-init, well and badly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/own.h"
#include "peer.h"
#include "wire/link.h"

struct fixture {
	struct peer p;
	/* What the callbacks heard. */
	int ready, spawned, exited, failed, lost, attached, fetched, listed, list_ends, pongs;
	size_t output, room;
	uint64_t last_offset;
	uint32_t stream;
	int exit_code;
	bool forget_in_callback;
};

static const uint8_t token[WIRE_TOKEN_SIZE] = {1, 2, 3};

static void on_ready(void *arg, const struct wire_hello *hello)
{
	struct fixture *f = arg;

	(void)hello;
	f->ready++;
}

static void on_process(void *arg, const struct wire_process *process)
{
	struct fixture *f = arg;

	(void)process;
	f->listed++;
}

static void on_list_end(void *arg, uint32_t count)
{
	struct fixture *f = arg;

	(void)count;
	f->list_ends++;
}

static void on_pong(void *arg, uint64_t value)
{
	struct fixture *f = arg;

	assert_true(value == 5);
	f->pongs++;
}

static const struct link_ops link_ops = {
	.ready = on_ready, .process = on_process, .list_end = on_list_end, .pong = on_pong};

static void on_spawned(void *arg, uint32_t pid)
{
	struct fixture *f = arg;

	assert_int_equal(pid, 7);
	f->spawned++;
}

static void on_output(
	void *arg, enum wire_channel channel, uint64_t offset, const uint8_t *data, size_t len)
{
	struct fixture *f = arg;

	assert_non_null(data);
	f->output += len;
	f->last_offset = offset;
	if (f->forget_in_callback) {
		link_forget(f->p.link, f->stream);
	} else {
		link_consumed(f->p.link, f->stream, channel, len);
	}
}

static void on_room(void *arg, size_t bytes)
{
	struct fixture *f = arg;

	f->room = bytes;
}

static void on_exited(void *arg, const struct wire_exited *exited)
{
	struct fixture *f = arg;

	f->exit_code = exited->code;
	f->exited++;
}

static void on_failed(void *arg, const struct wire_failed *failed)
{
	struct fixture *f = arg;

	assert_int_equal(failed->errnum, 2);
	f->failed++;
	/* Too late, and harmless: the stream is over. */
	link_forget(f->p.link, f->stream);
}

static void on_lost(void *arg, const struct error *why)
{
	struct fixture *f = arg;

	assert_true(why->text[0] != '\0');
	f->lost++;
}

static void on_attached(void *arg, const struct wire_process *process)
{
	struct fixture *f = arg;

	assert_int_equal(process->stream, f->stream);
	f->attached++;
}

static void on_fetched(void *arg, const struct wire_process *process)
{
	struct fixture *f = arg;

	assert_int_equal(process->stream, f->stream);
	f->fetched++;
}

static const struct link_process_ops process_ops = {
	.spawned = on_spawned,
	.output = on_output,
	.stdin_room = on_room,
	.exited = on_exited,
	.failed = on_failed,
	.lost = on_lost,
	.attached = on_attached,
	.fetched = on_fetched,
};

static int set_up(void **state)
{
	static struct fixture fixture;
	int fd;

	fixture = (struct fixture){0};
	fd = peer_init(&fixture.p);
	fixture.p.link = link_new(fd, token, false, &link_ops, &fixture);
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	peer_finish(&f->p);
	return 0;
}

static int pump(struct fixture *f)
{
	return peer_pump(&f->p);
}

static void expect(struct fixture *f, uint16_t kind)
{
	assert_int_equal(peer_next_frame(&f->p, NULL).kind, kind);
}

static void say_hello(struct fixture *f)
{
	struct wire_hello hello = {.version = WIRE_VERSION, .next_stream = 1};

	memcpy(hello.token, token, sizeof(token));
	frame_add_hello(&f->p.say, &hello);
	assert_int_equal(pump(f), 0);
	assert_true(link_is_ready(f->p.link));
	expect(f, FRAME_WELCOME);
}

static void spawn(struct fixture *f, uint32_t flags)
{
	static const char *const argv[] = {"x", NULL};
	struct wire_spawn request = {.flags = flags, .argv = argv};

	assert_int_equal(
		link_spawn(f->p.link, &request, &process_ops, f, &f->stream, &f->p.err), 0);
	expect(f, FRAME_SPAWN);
}

static void say_spawned(struct fixture *f)
{
	frame_add_u32(&f->p.say, FRAME_SPAWNED, f->stream, 7);
	assert_int_equal(pump(f), 0);
}

static void start_process(struct fixture *f)
{
	say_hello(f);
	spawn(f, WIRE_SPAWN_STDIN);
	say_spawned(f);
	assert_int_equal(f->spawned, 1);
}

static void say_output(struct fixture *f, uint64_t offset, size_t len)
{
	frame_add_output_header(&f->p.say, f->stream, WIRE_STDOUT, offset, (uint32_t)len);
	for (size_t i = 0; i < len; i++) {
		buf_add_u8(&f->p.say, 'x');
	}
}

static void say_exited(struct fixture *f)
{
	struct wire_exited exited = {.code = 3};

	frame_add_exited(&f->p.say, f->stream, &exited);
}

static void say_process(struct fixture *f, enum frame_kind kind, bool running)
{
	struct wire_process process = {.stream = f->stream, .pid = 7, .running = running};

	frame_add_process(&f->p.say, kind, kind == FRAME_PROCESS ? 0 : f->stream, &process);
}

/* The link must be dead of the peer's fault, say why, and stay so. */
static void expect_death(struct fixture *f)
{
	assert_int_equal(pump(f), -EPROTO);
	assert_true(f->p.err.text[0] != '\0');
	assert_false(link_is_ready(f->p.link));
	assert_int_equal(link_pump(f->p.link, 0, &f->p.err), -EPROTO);
}

static void hello_and_a_whole_life(void **state)
{
	struct fixture *f = *state;

	start_process(f);
	assert_int_equal(f->ready, 1);
	say_output(f, 0, 10);
	say_output(f, 10, 5);
	say_exited(f);
	assert_int_equal(pump(f), 0);
	assert_int_equal(f->output, 15);
	assert_int_equal(f->exited, 1);
	assert_int_equal(f->exit_code, 3);
	link_forget(f->p.link, f->stream);
	expect(f, FRAME_FORGET);
	frame_add_empty(&f->p.say, FRAME_FORGOTTEN, f->stream);
	assert_int_equal(pump(f), 0);
	/* Forgotten: the number means nothing any more. */
	say_exited(f);
	expect_death(f);
	assert_int_equal(f->lost, 0);
}

static void a_wrong_token(void **state)
{
	struct fixture *f = *state;
	struct wire_hello hello = {.version = WIRE_VERSION};

	memcpy(hello.token, token, sizeof(token));
	hello.token[31] ^= 1;
	frame_add_hello(&f->p.say, &hello);
	expect_death(f);
	assert_int_equal(f->ready, 0);
}

static void a_wrong_version(void **state)
{
	struct fixture *f = *state;
	struct wire_hello hello = {.version = WIRE_VERSION + 1};

	memcpy(hello.token, token, sizeof(token));
	frame_add_hello(&f->p.say, &hello);
	expect_death(f);
}

static void a_frame_before_hello(void **state)
{
	struct fixture *f = *state;

	frame_add_u64(&f->p.say, FRAME_PONG, 0, 1);
	expect_death(f);
}

static void no_spawn_before_hello(void **state)
{
	static const char *const argv[] = {"x", NULL};
	struct fixture *f = *state;
	struct wire_spawn request = {.argv = argv};
	uint32_t stream;

	assert_int_equal(
		link_spawn(f->p.link, &request, &process_ops, f, &stream, &f->p.err), -ENOTCONN);
	assert_int_equal(pump(f), 0);
}

/* An inherited stream: the request may lie there before creel-init comes to say hello. */
static void a_request_before_hello(void **state)
{
	struct fixture *f = *state;
	static const char *const argv[] = {"x", NULL};
	struct wire_spawn request = {.flags = WIRE_SPAWN_LAST, .argv = argv};
	struct wire_hello hello = {.version = WIRE_VERSION, .next_stream = 1};
	int fd;

	peer_finish(&f->p);
	fd = peer_init(&f->p);
	f->p.link = link_new(fd, NULL, true, &link_ops, f);
	link_greet(f->p.link);
	assert_false(link_is_ready(f->p.link));
	assert_int_equal(
		link_spawn(f->p.link, &request, &process_ops, f, &f->stream, &f->p.err), 0);
	expect(f, FRAME_WELCOME);
	expect(f, FRAME_SPAWN);
	frame_add_hello(&f->p.say, &hello);
	assert_int_equal(pump(f), 0);
	assert_true(link_is_ready(f->p.link));
	expect(f, 0); /* no second welcome */
	say_spawned(f);
	assert_int_equal(f->spawned, 1);
}

/* A stream with a token: who is at the other end is not known before hello. */
static void no_greeting_for_a_stranger(void **state)
{
	static const char *const argv[] = {"x", NULL};
	struct fixture *f = *state;
	struct wire_spawn request = {.argv = argv};
	uint32_t stream;

	link_greet(f->p.link);
	assert_int_equal(
		link_spawn(f->p.link, &request, &process_ops, f, &stream, &f->p.err), -ENOTCONN);
	assert_int_equal(pump(f), 0);
	expect(f, 0); /* nothing was sent */
}

static void a_second_hello(void **state)
{
	struct fixture *f = *state;
	struct wire_hello hello = {.version = WIRE_VERSION};

	say_hello(f);
	memcpy(hello.token, token, sizeof(token));
	frame_add_hello(&f->p.say, &hello);
	expect_death(f);
}

static void an_unknown_stream(void **state)
{
	struct fixture *f = *state;

	start_process(f);
	frame_add_output_header(&f->p.say, f->stream + 1, WIRE_STDOUT, 0, 1);
	buf_add_u8(&f->p.say, 'x');
	expect_death(f);
	assert_int_equal(f->lost, 1);
	assert_int_equal(f->output, 0);
}

static void an_unknown_kind(void **state)
{
	struct fixture *f = *state;

	start_process(f);
	frame_add_header(&f->p.say, (enum frame_kind)999, f->stream, 0);
	expect_death(f);
}

static void a_request_kind_from_the_sandbox(void **state)
{
	struct fixture *f = *state;

	start_process(f);
	frame_add_empty(&f->p.say, FRAME_FORGET, f->stream);
	expect_death(f);
}

static void an_offset_that_wraps(void **state)
{
	struct fixture *f = *state;

	start_process(f);
	say_output(f, UINT64_MAX - 10, 100);
	expect_death(f);
}

static void more_than_the_window(void **state)
{
	static const char *const argv[] = {"x", NULL};
	struct fixture *f = *state;
	struct wire_spawn request = {.argv = argv};
	uint64_t at = 0;
	int r = 0;

	say_hello(f);
	/* No callbacks: nobody consumes anything. */
	assert_int_equal(link_spawn(f->p.link, &request, NULL, NULL, &f->stream, &f->p.err), 0);
	frame_add_u32(&f->p.say, FRAME_SPAWNED, f->stream, 7);
	while (at < LIMIT_CREDIT_WINDOW) {
		assert_int_equal(r, 0);
		say_output(f, at, 65536);
		at += 65536;
		r = pump(f);
	}
	assert_int_equal(r, 0);
	say_output(f, at, 1);
	expect_death(f);
}

static void consumed_output_is_granted_anew(void **state)
{
	struct fixture *f = *state;
	_cleanup_buf_ struct buf payload = {0};
	uint64_t granted = 0;

	start_process(f);
	for (uint64_t at = 0; at < 8 * (uint64_t)LIMIT_CREDIT_WINDOW; at += 65536) {
		struct frame_header header;

		say_output(f, at, 65536);
		assert_int_equal(pump(f), 0);
		while ((header = peer_next_frame(&f->p, &payload)).kind == FRAME_CREDIT) {
			struct wire_bytes bytes = {(const uint8_t *)payload.data, payload.len};
			enum wire_channel channel;
			uint32_t more;

			assert_int_equal(frame_get_credit(bytes, &channel, &more, &f->p.err), 0);
			granted += more;
		}
		/* Never more on the way than the window. */
		assert_true(granted <= at + 65536);
	}
	assert_true(granted >= 7 * (uint64_t)LIMIT_CREDIT_WINDOW);
	/* A caller that counts wrongly does not lift the limit. */
	link_consumed(f->p.link, f->stream, WIRE_STDOUT, 1000 * (size_t)LIMIT_CREDIT_WINDOW);
	(void)pump(f);
	assert_true(granted <= 8 * (uint64_t)LIMIT_CREDIT_WINDOW);
}

static void offsets_going_backwards(void **state)
{
	struct fixture *f = *state;

	start_process(f);
	say_output(f, 100, 10);
	say_output(f, 109, 10);
	expect_death(f);
	assert_int_equal(f->output, 10);
	assert_true(f->last_offset == 100);
}

static void output_before_spawned(void **state)
{
	struct fixture *f = *state;

	say_hello(f);
	spawn(f, 0);
	say_output(f, 0, 1);
	expect_death(f);
}

static void output_after_exited(void **state)
{
	struct fixture *f = *state;

	start_process(f);
	say_exited(f);
	say_output(f, 0, 1);
	expect_death(f);
	assert_int_equal(f->exited, 1);
	assert_int_equal(f->output, 0);
}

static void a_second_end(void **state)
{
	struct fixture *f = *state;

	start_process(f);
	say_exited(f);
	say_exited(f);
	expect_death(f);
}

static void output_of_a_detached_process(void **state)
{
	struct fixture *f = *state;

	say_hello(f);
	spawn(f, WIRE_SPAWN_DETACHED);
	say_spawned(f);
	say_output(f, 0, 1);
	expect_death(f);
}

static void stdin_credit_over_the_window(void **state)
{
	struct fixture *f = *state;

	start_process(f);
	assert_int_equal(link_stdin_room(f->p.link, f->stream), WIRE_STDIN_WINDOW);
	assert_int_equal(link_stdin(f->p.link, f->stream, "hello", 5), 5);
	expect(f, FRAME_STDIN);
	assert_int_equal(link_stdin_room(f->p.link, f->stream), WIRE_STDIN_WINDOW - 5);
	frame_add_u32(&f->p.say, FRAME_STDIN_CREDIT, f->stream, 5);
	assert_int_equal(pump(f), 0);
	assert_int_equal(f->room, WIRE_STDIN_WINDOW);
	frame_add_u32(&f->p.say, FRAME_STDIN_CREDIT, f->stream, 1);
	expect_death(f);
}

static void stdin_takes_what_the_window_takes(void **state)
{
	static const char zeros[WIRE_STDIN_WINDOW + 10];
	struct fixture *f = *state;

	start_process(f);
	assert_int_equal(link_stdin(f->p.link, f->stream, zeros, sizeof(zeros)), WIRE_STDIN_WINDOW);
	assert_int_equal(link_stdin(f->p.link, f->stream, zeros, 1), 0);
	link_stdin_eof(f->p.link, f->stream);
	assert_int_equal(link_stdin_room(f->p.link, f->stream), 0);
}

static void failed_ends_the_stream(void **state)
{
	struct fixture *f = *state;
	struct wire_failed failed = {.stage = WIRE_FAIL_EXEC, .errnum = 2};

	say_hello(f);
	spawn(f, 0);
	frame_add_failed(&f->p.say, f->stream, &failed);
	assert_int_equal(pump(f), 0);
	assert_int_equal(f->failed, 1);
	link_signal(f->p.link, f->stream, 9, WIRE_SIGNAL_TREE);
	assert_int_equal(peer_next_frame(&f->p, NULL).kind, 0);
	frame_add_failed(&f->p.say, f->stream, &failed);
	expect_death(f);
}

/* Output that was on its way when the gateway lost interest is no offence. */
static void forgotten_streams_are_ignored(void **state)
{
	struct fixture *f = *state;

	start_process(f);
	f->forget_in_callback = true;
	say_output(f, 0, 10);
	say_output(f, 10, 10);
	say_output(f, 5, 10);
	say_exited(f);
	assert_int_equal(pump(f), 0);
	assert_int_equal(f->output, 10);
	assert_int_equal(f->exited, 0);
	expect(f, FRAME_FORGET);
	frame_add_empty(&f->p.say, FRAME_FORGOTTEN, f->stream);
	frame_add_empty(&f->p.say, FRAME_FORGOTTEN, f->stream);
	expect_death(f);
	assert_int_equal(f->lost, 0);
}

static void forgotten_without_being_asked(void **state)
{
	struct fixture *f = *state;

	start_process(f);
	frame_add_empty(&f->p.say, FRAME_FORGOTTEN, f->stream);
	expect_death(f);
}

static void attach_again(void **state)
{
	struct fixture *f = *state;

	start_process(f);
	say_output(f, 0, 100);
	assert_int_equal(pump(f), 0);
	assert_int_equal(link_attach(f->p.link, f->stream, 10, 0, NULL, NULL, &f->p.err), 0);
	expect(f, FRAME_ATTACH);
	assert_int_equal(link_attach(f->p.link, f->stream, 10, 0, NULL, NULL, &f->p.err), -EBUSY);
	/* On the way before the request was read: not what was asked for. */
	say_output(f, 100, 50);
	say_exited(f);
	say_process(f, FRAME_ATTACHED, false);
	say_output(f, 10, 140);
	say_exited(f);
	assert_int_equal(pump(f), 0);
	assert_int_equal(f->attached, 1);
	assert_int_equal(f->output, 100 + 140);
	assert_int_equal(f->exited, 1);
}

static void fetch_once(void **state)
{
	struct fixture *f = *state;

	say_hello(f);
	f->stream = 77; /* what an earlier connection left */
	assert_int_equal(link_fetch(f->p.link, 77, 0, 0, 100, &process_ops, f, &f->p.err), 0);
	expect(f, FRAME_ATTACH);
	say_process(f, FRAME_ATTACHED, true);
	say_output(f, 0, 100);
	say_process(f, FRAME_FETCHED, true);
	assert_int_equal(pump(f), 0);
	assert_int_equal(f->fetched, 1);
	assert_int_equal(f->output, 100);
	/* Not followed: the end is told, output is not. */
	say_exited(f);
	assert_int_equal(pump(f), 0);
	assert_int_equal(f->exited, 1);
	say_output(f, 100, 1);
	expect_death(f);
}

static void fetch_more_than_asked(void **state)
{
	struct fixture *f = *state;

	say_hello(f);
	f->stream = 77;
	assert_int_equal(link_fetch(f->p.link, 77, 0, 0, 10, &process_ops, f, &f->p.err), 0);
	say_process(f, FRAME_ATTACHED, true);
	say_output(f, 0, 11);
	expect_death(f);
}

static void an_answer_for_another_stream(void **state)
{
	struct fixture *f = *state;
	struct wire_process process = {.stream = 78, .running = true};

	say_hello(f);
	f->stream = 77;
	assert_int_equal(link_fetch(f->p.link, 77, 0, 0, 10, &process_ops, f, &f->p.err), 0);
	frame_add_process(&f->p.say, FRAME_ATTACHED, 77, &process);
	expect_death(f);
}

static void lists_and_pings(void **state)
{
	struct fixture *f = *state;

	say_hello(f);
	link_list(f->p.link);
	link_ping(f->p.link, 5);
	expect(f, FRAME_LIST);
	expect(f, FRAME_PING);
	f->stream = 1;
	say_process(f, FRAME_PROCESS, true);
	say_process(f, FRAME_PROCESS, true);
	frame_add_u32(&f->p.say, FRAME_LIST_END, 0, 2);
	frame_add_u64(&f->p.say, FRAME_PONG, 0, 5);
	assert_int_equal(pump(f), 0);
	assert_int_equal(f->listed, 2);
	assert_int_equal(f->list_ends, 1);
	assert_int_equal(f->pongs, 1);
	frame_add_u64(&f->p.say, FRAME_PONG, 0, 5);
	expect_death(f);
}

static void a_list_nobody_asked_for(void **state)
{
	struct fixture *f = *state;

	say_hello(f);
	f->stream = 1;
	say_process(f, FRAME_PROCESS, true);
	expect_death(f);
}

static void a_list_that_counts_wrongly(void **state)
{
	struct fixture *f = *state;

	say_hello(f);
	link_list(f->p.link);
	frame_add_u32(&f->p.say, FRAME_LIST_END, 0, 1);
	expect_death(f);
}

static void the_peer_gives_up(void **state)
{
	static const char reason[] = "no\x1b[31mway";
	struct fixture *f = *state;

	start_process(f);
	frame_add_string(&f->p.say, FRAME_ERROR, 0,
		(struct wire_bytes){(const uint8_t *)reason, sizeof(reason) - 1});
	expect_death(f);
	assert_null(strchr(f->p.err.text, '\x1b'));
	assert_non_null(strstr(f->p.err.text, "way"));
}

static void the_peer_goes_away(void **state)
{
	struct fixture *f = *state;

	start_process(f);
	say_output(f, 0, 3);
	assert_int_equal(send(f->p.fd, f->p.say.data, f->p.say.len, 0), f->p.say.len);
	buf_clear(&f->p.say);
	assert_int_equal(shutdown(f->p.fd, SHUT_RDWR), 0);
	/* What it said last is still heard. */
	while (link_pump(f->p.link, POLLIN | POLLOUT, &f->p.err) == 0) {
	}
	assert_int_equal(link_pump(f->p.link, POLLIN, &f->p.err), -EPIPE);
	assert_int_equal(f->output, 3);
	assert_int_equal(f->lost, 1);
}

static void freeing_tells_who_waits(void **state)
{
	struct fixture *f = *state;

	start_process(f);
	f->p.link = link_free(f->p.link);
	assert_int_equal(f->lost, 1);
}

/* The same bytes, one at a time. */
static void split_at_every_byte(void **state)
{
	struct fixture *f = *state;
	_cleanup_buf_ struct buf all = {0};

	start_process(f);
	say_output(f, 0, 10);
	say_output(f, 10, 10);
	say_exited(f);
	all = f->p.say;
	f->p.say = (struct buf){0};
	for (size_t i = 0; i < all.len; i++) {
		assert_int_equal(f->exited, 0);
		buf_add(&f->p.say, all.data + i, 1);
		assert_int_equal(pump(f), 0);
	}
	assert_int_equal(f->exited, 1);
	assert_int_equal(f->output, 20);
}

/* Whatever bit is wrong, the link lives or dies; it never passes on more than was granted. */
static void every_bit_flip(void **state)
{
	struct fixture *f = *state;
	_cleanup_buf_ struct buf all = {0};

	start_process(f);
	say_output(f, 0, 10);
	say_exited(f);
	all = f->p.say;
	f->p.say = (struct buf){0};
	for (size_t bit = 0; bit < all.len * 8; bit++) {
		int r;

		assert_int_equal(tear_down(state), 0);
		assert_int_equal(set_up(state), 0);
		start_process(f);
		all.data[bit / 8] ^= (char)(1 << (bit % 8));
		buf_add(&f->p.say, all.data, all.len);
		all.data[bit / 8] ^= (char)(1 << (bit % 8));
		r = pump(f);
		assert_true(r == 0 || r == -EPROTO);
		assert_true(f->output < all.len);
		assert_true(f->exited <= 1);
	}
}

#define link_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		link_test(hello_and_a_whole_life),
		link_test(a_wrong_token),
		link_test(a_wrong_version),
		link_test(a_frame_before_hello),
		link_test(no_spawn_before_hello),
		link_test(a_request_before_hello),
		link_test(no_greeting_for_a_stranger),
		link_test(a_second_hello),
		link_test(an_unknown_stream),
		link_test(an_unknown_kind),
		link_test(a_request_kind_from_the_sandbox),
		link_test(an_offset_that_wraps),
		link_test(more_than_the_window),
		link_test(consumed_output_is_granted_anew),
		link_test(offsets_going_backwards),
		link_test(output_before_spawned),
		link_test(output_after_exited),
		link_test(a_second_end),
		link_test(output_of_a_detached_process),
		link_test(stdin_credit_over_the_window),
		link_test(stdin_takes_what_the_window_takes),
		link_test(failed_ends_the_stream),
		link_test(forgotten_streams_are_ignored),
		link_test(forgotten_without_being_asked),
		link_test(attach_again),
		link_test(fetch_once),
		link_test(fetch_more_than_asked),
		link_test(an_answer_for_another_stream),
		link_test(lists_and_pings),
		link_test(a_list_nobody_asked_for),
		link_test(a_list_that_counts_wrongly),
		link_test(the_peer_gives_up),
		link_test(the_peer_goes_away),
		link_test(freeing_tells_who_waits),
		link_test(split_at_every_byte),
		link_test(every_bit_flip),
	};

	return cmocka_run_group_tests_name("wire link", tests, NULL, NULL);
}
