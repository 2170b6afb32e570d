/* SPDX-License-Identifier: MIT */
/* The frame codec: golden bytes of every kind, every truncation, every bit flip, every limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/frame.h"

/* One frame of every kind, made by its encoder. */
struct sample {
	const char *name;
	void (*add)(struct buf *out);
	const char *hex; /* the whole frame */
};

static const struct wire_exited sample_exited = {.code = -1,
	.signal = 9,
	.timed_out = true,
	.out_bytes = 0x1122334455,
	.err_bytes = 2,
	.cpu_us = 3,
	.max_rss_kib = 4};

static void add_hello(struct buf *out)
{
	struct wire_hello hello = {.version = 1,
		.capabilities = 0,
		.instance = 0x0807060504030201,
		.processes = 3,
		.next_stream = 9,
		.reconnect = true};

	for (size_t i = 0; i < sizeof(hello.token); i++) {
		hello.token[i] = (uint8_t)(0xa0 + i);
	}
	frame_add_hello(out, &hello);
}

static void add_welcome(struct buf *out)
{
	struct wire_welcome welcome = {.version = 1, .once = true};

	frame_add_welcome(out, &welcome);
}

static void add_spawn(struct buf *out)
{
	static const char *const argv[] = {"ls", "", NULL};
	static const char *const env[] = {"A=", NULL};
	static const struct wire_rlimit limits[] = {{.resource = 7, .soft = 1, .hard = UINT64_MAX}};
	struct wire_spawn spawn = {
		.flags = WIRE_SPAWN_PTY | WIRE_SPAWN_STDIN,
		.uid = WIRE_NO_ID,
		.gid = 5,
		.rows = 24,
		.columns = 80,
		.ring_bytes = 65536,
		.timeout_ms = 1000,
		.grace_ms = 3000,
		.credit = 0x100000,
		.cwd = "/w",
		.argv = argv,
		.env = env,
		.rlimits = limits,
		.rlimit_count = 1,
		.tag = "t",
	};
	struct error err;

	assert_int_equal(frame_add_spawn(out, 1, &spawn, &err), 0);
}

static void add_spawned(struct buf *out)
{
	frame_add_u32(out, FRAME_SPAWNED, 1, 77);
}

static void add_failed(struct buf *out)
{
	struct wire_failed failed = {
		.stage = WIRE_FAIL_EXEC, .errnum = 2, .text = {(const uint8_t *)"no", 2}};

	frame_add_failed(out, 1, &failed);
}

static void add_stdin(struct buf *out)
{
	frame_add_bytes(out, FRAME_STDIN, 1, "a\0b", 3);
}

static void add_stdin_eof(struct buf *out)
{
	frame_add_empty(out, FRAME_STDIN_EOF, 1);
}

static void add_stdin_credit(struct buf *out)
{
	frame_add_u32(out, FRAME_STDIN_CREDIT, 1, 65536);
}

static void add_output(struct buf *out)
{
	frame_add_output_header(out, 1, WIRE_STDERR, 0x0102030405060708, 2);
	buf_add(out, "hi", 2);
}

static void add_credit(struct buf *out)
{
	frame_add_credit(out, 1, WIRE_STDOUT, 262144);
}

static void add_resize(struct buf *out)
{
	frame_add_resize(out, 1, 50, 132);
}

static void add_signal(struct buf *out)
{
	frame_add_signal(out, 1, 15, WIRE_SIGNAL_TREE);
}

static void add_exited(struct buf *out)
{
	frame_add_exited(out, 1, &sample_exited);
}

static void add_attach(struct buf *out)
{
	struct wire_attach attach = {.out_offset = 10,
		.err_offset = 20,
		.out_credit = 30,
		.err_credit = 40,
		.follow = true};

	frame_add_attach(out, 1, &attach);
}

static const struct wire_process sample_process = {
	.stream = 1,
	.pid = 77,
	.exited = {.code = -1, .signal = 9},
	.out_first = 1,
	.out_end = 2,
	.err_first = 3,
	.err_end = 3,
	.started_ms = 5,
	.name = {(const uint8_t *)"ls", 2},
	.tag = {(const uint8_t *)"tg", 2},
};

static void add_attached(struct buf *out)
{
	frame_add_process(out, FRAME_ATTACHED, 1, &sample_process);
}

static void add_fetched(struct buf *out)
{
	frame_add_process(out, FRAME_FETCHED, 1, &sample_process);
}

static void add_process(struct buf *out)
{
	frame_add_process(out, FRAME_PROCESS, 0, &sample_process);
}

static void add_forget(struct buf *out)
{
	frame_add_empty(out, FRAME_FORGET, 1);
}

static void add_forgotten(struct buf *out)
{
	frame_add_empty(out, FRAME_FORGOTTEN, 1);
}

static void add_list(struct buf *out)
{
	frame_add_empty(out, FRAME_LIST, 0);
}

static void add_list_end(struct buf *out)
{
	frame_add_u32(out, FRAME_LIST_END, 0, 2);
}

static void add_ping(struct buf *out)
{
	frame_add_u64(out, FRAME_PING, 0, 42);
}

static void add_pong(struct buf *out)
{
	frame_add_u64(out, FRAME_PONG, 0, 42);
}

static void add_shutdown(struct buf *out)
{
	frame_add_u32(out, FRAME_SHUTDOWN, 0, 3000);
}

static void add_error(struct buf *out)
{
	frame_add_string(out, FRAME_ERROR, 0, (struct wire_bytes){(const uint8_t *)"bad", 3});
}

#define PROCESS_HEX        \
	"01000000"         \
	"4d000000"         \
	"00"               \
	"ffffffff"         \
	"09000000"         \
	"00"               \
	"0000000000000000" \
	"0000000000000000" \
	"0000000000000000" \
	"0000000000000000" \
	"0100000000000000" \
	"0200000000000000" \
	"0300000000000000" \
	"0300000000000000" \
	"0500000000000000" \
	"02000000"         \
	"6c73"             \
	"02000000"         \
	"7467"

static const struct sample samples[] = {
	{"hello", add_hello,
		"39000000"
		"0100"
		"0000"
		"00000000"
		"01000000"
		"00000000"
		"a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf"
		"0102030405060708"
		"03000000"
		"09000000"
		"01"},
	{"welcome", add_welcome,
		"09000000"
		"0200"
		"0000"
		"00000000"
		"01000000"
		"00000000"
		"01"},
	{"spawn", add_spawn,
		"5b000000"
		"0400"
		"0000"
		"01000000"
		"05000000"
		"ffffffff"
		"05000000"
		"1800"
		"5000"
		"00000100"
		"e8030000"
		"b80b0000"
		"00001000"
		"01000000"
		"07000000"
		"0100000000000000"
		"ffffffffffffffff"
		"02000000"
		"2f77"
		"02000000"
		"02000000"
		"6c73"
		"00000000"
		"01000000"
		"02000000"
		"413d"
		"01000000"
		"74"},
	{"spawned", add_spawned,
		"04000000"
		"0300"
		"0000"
		"01000000"
		"4d000000"},
	{"failed", add_failed,
		"0e000000"
		"0500"
		"0000"
		"01000000"
		"04000000"
		"02000000"
		"02000000"
		"6e6f"},
	{"stdin", add_stdin,
		"03000000"
		"0600"
		"0000"
		"01000000"
		"610062"},
	{"stdin-eof", add_stdin_eof,
		"00000000"
		"0800"
		"0000"
		"01000000"},
	{"stdin-credit", add_stdin_credit,
		"04000000"
		"0700"
		"0000"
		"01000000"
		"00000100"},
	{"output", add_output,
		"0b000000"
		"0900"
		"0000"
		"01000000"
		"02"
		"0807060504030201"
		"6869"},
	{"credit", add_credit,
		"05000000"
		"0a00"
		"0000"
		"01000000"
		"01"
		"00000400"},
	{"resize", add_resize,
		"04000000"
		"0c00"
		"0000"
		"01000000"
		"3200"
		"8400"},
	{"signal", add_signal,
		"05000000"
		"0e00"
		"0000"
		"01000000"
		"0f000000"
		"02"},
	{"exited", add_exited,
		"29000000"
		"0b00"
		"0000"
		"01000000"
		"ffffffff"
		"09000000"
		"01"
		"5544332211000000"
		"0200000000000000"
		"0300000000000000"
		"0400000000000000"},
	{"attach", add_attach,
		"19000000"
		"1000"
		"0000"
		"01000000"
		"0a00000000000000"
		"1400000000000000"
		"1e000000"
		"28000000"
		"01"},
	{"attached", add_attached,
		"66000000"
		"0d00"
		"0000"
		"01000000" PROCESS_HEX},
	{"fetched", add_fetched,
		"66000000"
		"1700"
		"0000"
		"01000000" PROCESS_HEX},
	{"process", add_process,
		"66000000"
		"0f00"
		"0000"
		"00000000" PROCESS_HEX},
	{"forget", add_forget,
		"00000000"
		"1200"
		"0000"
		"01000000"},
	{"forgotten", add_forgotten,
		"00000000"
		"1900"
		"0000"
		"01000000"},
	{"list", add_list,
		"00000000"
		"1400"
		"0000"
		"00000000"},
	{"list-end", add_list_end,
		"04000000"
		"1100"
		"0000"
		"00000000"
		"02000000"},
	{"ping", add_ping,
		"08000000"
		"1600"
		"0000"
		"00000000"
		"2a00000000000000"},
	{"pong", add_pong,
		"08000000"
		"1300"
		"0000"
		"00000000"
		"2a00000000000000"},
	{"shutdown", add_shutdown,
		"04000000"
		"1800"
		"0000"
		"00000000"
		"b80b0000"},
	{"error", add_error,
		"07000000"
		"1500"
		"0000"
		"00000000"
		"03000000"
		"626164"},
};

static uint8_t nibble(char c)
{
	return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void add_hex(struct buf *out, const char *hex)
{
	for (; hex[0] != '\0'; hex += 2) {
		buf_add_u8(out, (uint8_t)(nibble(hex[0]) << 4 | nibble(hex[1])));
	}
}

static bool same_bytes(const struct buf *a, const struct buf *b)
{
	return a->len > 0 && b->data != NULL && a->len == b->len &&
	       memcmp(a->data, b->data, a->len) == 0;
}

static struct wire_bytes payload_of(const struct buf *frame)
{
	return (struct wire_bytes){
		(const uint8_t *)frame->data + FRAME_HEADER_SIZE, frame->len - FRAME_HEADER_SIZE};
}

/* Encode again what a payload decoded to. Bytes that mean one thing in one way only: the result must
 * be the payload. Returns what the decoder said. */
static int decode_encode_small(uint16_t kind, uint32_t stream, struct wire_bytes payload,
	struct buf *again, struct error *err)
{
	enum wire_channel channel;
	enum wire_signal_scope scope;
	struct wire_bytes bytes;
	uint64_t u64;
	uint32_t u32;
	uint16_t rows, columns;
	int r;

	switch (kind) {
	case FRAME_SPAWNED:
	case FRAME_STDIN_CREDIT:
	case FRAME_LIST_END:
	case FRAME_SHUTDOWN:
		r = frame_get_u32(payload, &u32, err);
		if (r == 0) {
			frame_add_u32(again, (enum frame_kind)kind, stream, u32);
		}
		return r;
	case FRAME_PING:
	case FRAME_PONG:
		r = frame_get_u64(payload, &u64, err);
		if (r == 0) {
			frame_add_u64(again, (enum frame_kind)kind, stream, u64);
		}
		return r;
	case FRAME_OUTPUT:
		r = frame_get_output(payload, &channel, &u64, &bytes, err);
		if (r == 0) {
			frame_add_output_header(again, stream, channel, u64, (uint32_t)bytes.len);
			buf_add(again, bytes.data, bytes.len);
		}
		return r;
	case FRAME_CREDIT:
		r = frame_get_credit(payload, &channel, &u32, err);
		if (r == 0) {
			frame_add_credit(again, stream, channel, u32);
		}
		return r;
	case FRAME_RESIZE:
		r = frame_get_resize(payload, &rows, &columns, err);
		if (r == 0) {
			frame_add_resize(again, stream, rows, columns);
		}
		return r;
	case FRAME_SIGNAL:
		r = frame_get_signal(payload, &u32, &scope, err);
		if (r == 0) {
			frame_add_signal(again, stream, u32, scope);
		}
		return r;
	case FRAME_ERROR:
		r = frame_get_string(payload, &bytes, err);
		if (r == 0) {
			frame_add_string(again, FRAME_ERROR, stream, bytes);
		}
		return r;
	case FRAME_STDIN:
		frame_add_bytes(again, FRAME_STDIN, stream, payload.data, payload.len);
		return 0;
	default:
		r = frame_get_empty(payload, err);
		if (r == 0) {
			frame_add_empty(again, (enum frame_kind)kind, stream);
		}
		return r;
	}
}

static int decode_encode(uint16_t kind, uint32_t stream, struct wire_bytes payload,
	struct buf *again, struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	union {
		struct wire_hello hello;
		struct wire_welcome welcome;
		struct wire_spawn spawn;
		struct wire_failed failed;
		struct wire_exited exited;
		struct wire_attach attach;
		struct wire_process process;
	} u;
	int r;

	switch (kind) {
	case FRAME_HELLO:
		r = frame_get_hello(payload, &u.hello, err);
		if (r == 0) {
			frame_add_hello(again, &u.hello);
		}
		return r;
	case FRAME_WELCOME:
		r = frame_get_welcome(payload, &u.welcome, err);
		if (r == 0) {
			frame_add_welcome(again, &u.welcome);
		}
		return r;
	case FRAME_SPAWN:
		r = frame_get_spawn(payload, &arena, &u.spawn, err);
		if (r == 0) {
			assert_int_equal(frame_add_spawn(again, stream, &u.spawn, err), 0);
		}
		return r;
	case FRAME_FAILED:
		r = frame_get_failed(payload, &u.failed, err);
		if (r == 0) {
			frame_add_failed(again, stream, &u.failed);
		}
		return r;
	case FRAME_EXITED:
		r = frame_get_exited(payload, &u.exited, err);
		if (r == 0) {
			frame_add_exited(again, stream, &u.exited);
		}
		return r;
	case FRAME_ATTACH:
		r = frame_get_attach(payload, &u.attach, err);
		if (r == 0) {
			frame_add_attach(again, stream, &u.attach);
		}
		return r;
	case FRAME_ATTACHED:
	case FRAME_FETCHED:
	case FRAME_PROCESS:
		r = frame_get_process(payload, &u.process, err);
		if (r == 0) {
			frame_add_process(again, (enum frame_kind)kind, stream, &u.process);
		}
		return r;
	default:
		return decode_encode_small(kind, stream, payload, again, err);
	}
}

/* Decoded from memory of exactly its size, so that a sanitizer sees a read beyond it. */
static int check_payload(const struct frame_header *header, struct wire_bytes payload)
{
	uint8_t *copy = xmalloc(payload.len);
	_cleanup_buf_ struct buf again = {0};
	struct error err = {0};
	int r;

	if (payload.len > 0) {
		memcpy(copy, payload.data, payload.len);
	}
	r = decode_encode(
		header->kind, header->stream, (struct wire_bytes){copy, payload.len}, &again, &err);
	if (r == 0) {
		assert_int_equal(again.len, FRAME_HEADER_SIZE + payload.len);
		if (payload.len > 0) {
			assert_memory_equal(
				again.data + FRAME_HEADER_SIZE, payload.data, payload.len);
		}
	} else {
		assert_int_equal(r, -EPROTO);
		assert_true(err.text[0] != '\0');
	}
	free(copy);
	return r;
}

static void golden_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		_cleanup_buf_ struct buf made = {0}, wanted = {0};
		struct frame_header header;
		struct error err;

		samples[i].add(&made);
		add_hex(&wanted, samples[i].hex);
		if (!same_bytes(&made, &wanted)) {
			fail_msg("%s: other bytes than the golden ones", samples[i].name);
		}
		assert_int_equal(
			frame_peek((const uint8_t *)made.data, made.len, &header, &err), 1);
		assert_int_equal(header.length, made.len - FRAME_HEADER_SIZE);
		assert_int_equal(check_payload(&header, payload_of(&made)), 0);
	}
}

/* A frame cut anywhere asks for more; a payload cut anywhere is malformed. */
static void every_truncation(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		_cleanup_buf_ struct buf made = {0};
		struct frame_header header, other;
		struct wire_bytes whole;
		struct error err;

		samples[i].add(&made);
		for (size_t len = 0; len < made.len; len++) {
			assert_int_equal(
				frame_peek((const uint8_t *)made.data, len, &other, &err), 0);
		}
		(void)frame_peek((const uint8_t *)made.data, made.len, &header, &err);
		whole = payload_of(&made);
		if (header.kind == FRAME_STDIN) {
			continue; /* any bytes at all */
		}
		for (size_t len = 0; len < whole.len; len++) {
			/* An OUTPUT frame may carry fewer bytes, but not none. */
			if (header.kind == FRAME_OUTPUT && len > 9) {
				continue;
			}
			assert_int_equal(
				check_payload(&header, (struct wire_bytes){whole.data, len}),
				-EPROTO);
		}
	}
}

static void a_byte_too_many(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		_cleanup_buf_ struct buf made = {0};
		struct frame_header header;
		struct error err;

		samples[i].add(&made);
		(void)frame_peek((const uint8_t *)made.data, made.len, &header, &err);
		buf_add_u8(&made, 0);
		if (header.kind != FRAME_STDIN && header.kind != FRAME_OUTPUT) {
			assert_int_equal(check_payload(&header, payload_of(&made)), -EPROTO);
		}
	}
}

/* Each flipped bit gives either a refusal or a value that encodes to these very bytes. */
static void every_bit_flip(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		_cleanup_buf_ struct buf made = {0};
		struct frame_header header;
		struct error err;

		samples[i].add(&made);
		for (size_t bit = 0; bit < made.len * 8; bit++) {
			uint8_t *byte = (uint8_t *)made.data + bit / 8;
			int r;

			*byte ^= (uint8_t)(1U << (bit % 8));
			r = frame_peek((const uint8_t *)made.data, made.len, &header, &err);
			assert_true(r == 1 || r == 0 || r == -EPROTO);
			if (r == 1) {
				struct wire_bytes payload = payload_of(&made);

				assert_true(header.length <= payload.len);
				payload.len = header.length;
				(void)check_payload(&header, payload);
			}
			*byte ^= (uint8_t)(1U << (bit % 8));
		}
	}
}

static void header_limits(void **state)
{
	uint8_t header[FRAME_HEADER_SIZE] = {0};
	struct frame_header ret = {.length = 7};
	struct error err;

	(void)state;
	header[2] = LIMIT_FRAME_PAYLOAD >> 16;
	assert_int_equal(frame_peek(header, sizeof(header), &ret, &err), 0);
	header[0] = 1;
	assert_int_equal(frame_peek(header, sizeof(header), &ret, &err), -EPROTO);
	header[0] = 0;
	header[7] = 1;
	assert_int_equal(frame_peek(header, sizeof(header), &ret, &err), -EPROTO);
	assert_int_equal(ret.length, 7);
}

static int add_list_of(size_t count, size_t len, bool env)
{
	const char **list = xcalloc(count + 1, sizeof(*list));
	static const char *const argv[] = {"x", NULL};
	struct wire_spawn spawn = {.argv = env ? argv : list, .env = env ? list : NULL};
	_cleanup_buf_ struct buf out = {0};
	char *text = xmalloc(len + 1);
	struct error err;
	int r;

	memset(text, env ? '=' : 'a', len);
	text[0] = 'a';
	text[len] = '\0';
	for (size_t i = 0; i < count; i++) {
		list[i] = text;
	}
	r = frame_add_spawn(&out, 1, &spawn, &err);
	if (r < 0) {
		assert_int_equal(out.len, 0);
	} else {
		struct frame_header header;

		assert_int_equal(frame_peek((const uint8_t *)out.data, out.len, &header, &err), 1);
		assert_int_equal(check_payload(&header, payload_of(&out)), 0);
	}
	free(text);
	free(list);
	return r;
}

static void spawn_limits(void **state)
{
	(void)state;
	assert_int_equal(add_list_of(LIMIT_SPAWN_STRINGS, 1, false), 0);
	assert_int_equal(add_list_of(LIMIT_SPAWN_STRINGS + 1, 1, false), -E2BIG);
	assert_int_equal(add_list_of(LIMIT_SPAWN_STRINGS, 2, true), -E2BIG);
	assert_int_equal(add_list_of(LIMIT_SPAWN_STRINGS - 1, 2, true), 0);
	assert_int_equal(add_list_of(1, LIMIT_SPAWN_BYTES - 8, false), 0);
	assert_int_equal(add_list_of(1, LIMIT_SPAWN_BYTES, false), -E2BIG);
	assert_int_equal(add_list_of(1, 1, true), -EINVAL);
}

static void spawn_refusals(void **state)
{
	static const char *const argv[] = {"x", NULL};
	static const char *const nothing[] = {NULL};
	static const char *const bad_env[] = {"=x", NULL};
	static const struct wire_rlimit limits[WIRE_MAX_RLIMITS + 1];
	const struct wire_spawn cases[] = {
		{.argv = NULL},
		{.argv = nothing},
		{.argv = argv, .flags = WIRE_SPAWN_FLAGS_ + 1},
		{.argv = argv, .ring_bytes = LIMIT_RING_MAX + 1},
		{.argv = argv, .rlimits = limits, .rlimit_count = WIRE_MAX_RLIMITS + 1},
		{.argv = argv, .env = bad_env},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buf_ struct buf out = {0};
		struct error err;
		int r = frame_add_spawn(&out, 1, &cases[i], &err);

		assert_true(r == -E2BIG || r == -EINVAL);
		assert_int_equal(out.len, 0);
	}
}

/* A huge count in a small frame must not allocate for it. */
static void a_lying_count(void **state)
{
	_cleanup_buf_ struct buf made = {0};
	struct frame_header header = {.kind = FRAME_SPAWN, .stream = 1};

	(void)state;
	add_spawn(&made);
	/* The count of argv: after 12 + 16 + 16 fixed bytes less the header, one limit and "/w". */
	made.data[FRAME_HEADER_SIZE + 32 + 4 + 20 + 6] = (char)0xff;
	made.data[FRAME_HEADER_SIZE + 32 + 4 + 20 + 7] = 0x0f;
	header.length = (uint32_t)(made.len - FRAME_HEADER_SIZE);
	assert_int_equal(check_payload(&header, payload_of(&made)), -EPROTO);
}

static void long_texts_are_cut(void **state)
{
	_cleanup_buf_ struct buf made = {0}, name = {0};
	struct wire_process process = sample_process, got;
	struct error err;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		buf_add_char(&name, 'n');
	}
	process.name = (struct wire_bytes){(const uint8_t *)name.data, name.len};
	frame_add_process(&made, FRAME_PROCESS, 0, &process);
	assert_int_equal(frame_get_process(payload_of(&made), &got, &err), 0);
	assert_int_equal(got.name.len, WIRE_MAX_NAME);
	buf_clear(&made);
	name.data[5] = '\0';
	frame_add_string(&made, FRAME_ERROR, 0, process.name);
	assert_int_equal(made.len, FRAME_HEADER_SIZE + 4 + 5);
}

/* What decodes is the value that was encoded, field by field. */
static void fields_survive(void **state)
{
	_cleanup_buf_ struct buf made = {0};
	_cleanup_arena_ struct arena arena = {0};
	struct wire_exited exited;
	struct wire_spawn spawn;
	struct error err;

	(void)state;
	add_exited(&made);
	assert_int_equal(frame_get_exited(payload_of(&made), &exited, &err), 0);
	assert_int_equal(exited.code, -1);
	assert_int_equal(exited.signal, 9);
	assert_true(exited.timed_out);
	assert_true(exited.out_bytes == 0x1122334455);
	buf_clear(&made);
	add_spawn(&made);
	assert_int_equal(frame_get_spawn(payload_of(&made), &arena, &spawn, &err), 0);
	assert_int_equal(spawn.flags, WIRE_SPAWN_PTY | WIRE_SPAWN_STDIN);
	assert_true(spawn.uid == WIRE_NO_ID && spawn.gid == 5);
	assert_true(spawn.rows == 24 && spawn.columns == 80);
	assert_true(spawn.timeout_ms == 1000 && spawn.grace_ms == 3000);
	assert_string_equal(spawn.cwd, "/w");
	assert_string_equal(spawn.argv[0], "ls");
	assert_string_equal(spawn.argv[1], "");
	assert_null(spawn.argv[2]);
	assert_string_equal(spawn.env[0], "A=");
	assert_null(spawn.env[1]);
	assert_int_equal(spawn.rlimit_count, 1);
	assert_true(spawn.rlimits[0].hard == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_bytes),
		cmocka_unit_test(every_truncation),
		cmocka_unit_test(a_byte_too_many),
		cmocka_unit_test(every_bit_flip),
		cmocka_unit_test(header_limits),
		cmocka_unit_test(spawn_limits),
		cmocka_unit_test(spawn_refusals),
		cmocka_unit_test(a_lying_count),
		cmocka_unit_test(long_texts_are_cut),
		cmocka_unit_test(fields_survive),
	};

	return cmocka_run_group_tests_name("wire frame", tests, NULL, NULL);
}
