/* SPDX-License-Identifier: MIT */
/* The codec of forwarded connections: golden bytes, every truncation, every bit flip, every limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "base/mem.h"
#include "wire/frame_connect.h"

enum sample { CONNECT, SEND, SEND_EOF, GRANT, CLOSE, CONNECTED, DATA, END, CREDIT, CLOSED };

static const struct {
	const char *bytes;
	size_t len;
} golden[] = {
#define GOLDEN(text)                   \
	{                              \
		text, sizeof(text) - 1 \
	}
	[CONNECT] = GOLDEN("\x02\0\0\0\x40\0\0\0\x07\0\0\0\x06\x24"),
	[SEND] = GOLDEN("\x02\0\0\0\x42\0\0\0\x07\0\0\0hi"),
	[SEND_EOF] = GOLDEN("\0\0\0\0\x44\0\0\0\x07\0\0\0"),
	[GRANT] = GOLDEN("\x04\0\0\0\x46\0\0\0\x07\0\0\0\0\0\x04\0"),
	[CLOSE] = GOLDEN("\0\0\0\0\x48\0\0\0\x07\0\0\0"),
	[CONNECTED] = GOLDEN("\0\0\0\0\x41\0\0\0\x07\0\0\0"),
	[DATA] = GOLDEN("\x01\0\0\0\x43\0\0\0\x07\0\0\0x"),
	[END] = GOLDEN("\0\0\0\0\x45\0\0\0\x07\0\0\0"),
	[CREDIT] = GOLDEN("\x04\0\0\0\x47\0\0\0\x07\0\0\0\x01\0\0\0"),
	[CLOSED] = GOLDEN("\x0a\0\0\0\x49\0\0\0\x07\0\0\0\x6f\0\0\0\x02\0\0\0no"),
#undef GOLDEN
};

static void add_sample(struct buf *out, enum sample sample)
{
	const struct wire_closed closed = {
		.errnum = ECONNREFUSED, .text = {(const uint8_t *)"no", 2}};

	switch (sample) {
	case CONNECT:
		frame_add_connect(out, 7, 9222);
		break;
	case SEND:
		frame_add_conn_bytes(out, FRAME_CONN_SEND, 7, "hi", 2);
		break;
	case GRANT:
		frame_add_conn_credit(out, FRAME_CONN_GRANT, 7, WIRE_CONN_WINDOW);
		break;
	case DATA:
		frame_add_conn_bytes(out, FRAME_CONN_DATA, 7, "x", 1);
		break;
	case CREDIT:
		frame_add_conn_credit(out, FRAME_CONN_CREDIT, 7, 1);
		break;
	case CLOSED:
		frame_add_conn_closed(out, 7, &closed);
		break;
	case SEND_EOF:
		frame_add_empty(out, (enum frame_kind)FRAME_CONN_SEND_EOF, 7);
		break;
	case CLOSE:
		frame_add_empty(out, (enum frame_kind)FRAME_CONN_CLOSE, 7);
		break;
	case CONNECTED:
		frame_add_empty(out, (enum frame_kind)FRAME_CONNECTED, 7);
		break;
	case END:
		frame_add_empty(out, (enum frame_kind)FRAME_CONN_EOF, 7);
		break;
	}
}

static void golden_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(golden); i++) {
		_cleanup_buf_ struct buf out = {0};

		add_sample(&out, (enum sample)i);
		assert_int_equal(out.len, golden[i].len);
		assert_memory_equal(out.data, golden[i].bytes, out.len);
	}
}

/* From a copy on the heap, where a sanitizer sees reads past it. */
static int decode(enum sample sample, const void *data, size_t len)
{
	uint8_t *copy = xmalloc(len > 0 ? len : 1);
	struct wire_bytes payload = {copy, len}, bytes;
	struct wire_closed closed;
	struct error err = {0};
	uint32_t credit;
	uint16_t port;
	int r;

	memcpy(copy, data, len);
	switch (sample) {
	case CONNECT:
		r = frame_get_connect(payload, &port, &err);
		assert_true(r < 0 || port > 0);
		break;
	case SEND:
	case DATA:
		r = frame_get_conn_bytes(payload, &bytes, &err);
		assert_true(r < 0 || bytes.len > 0);
		break;
	case GRANT:
	case CREDIT:
		r = frame_get_conn_credit(payload, &credit, &err);
		assert_true(r < 0 || (credit > 0 && credit <= WIRE_CONN_WINDOW));
		break;
	case CLOSED:
		r = frame_get_conn_closed(payload, &closed, &err);
		assert_true(r < 0 || closed.text.len <= WIRE_MAX_TEXT);
		break;
	case SEND_EOF:
	case CLOSE:
	case CONNECTED:
	case END:
	default:
		r = frame_get_empty(payload, &err);
		break;
	}
	free(copy);
	assert_true(r == 0 || (r == -EPROTO && strstr(err.text, "malformed") != NULL));
	return r;
}

static void cut_and_flipped(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(golden); i++) {
		const char *payload = golden[i].bytes + FRAME_HEADER_SIZE;
		size_t len = golden[i].len - FRAME_HEADER_SIZE;
		char changed[64];

		assert_int_equal(decode((enum sample)i, payload, len), 0);
		for (size_t cut = 0; cut < len && i != SEND && i != DATA; cut++) {
			assert_int_equal(decode((enum sample)i, payload, cut), -EPROTO);
		}
		memcpy(changed, payload, len);
		for (size_t bit = 0; bit < len * 8; bit++) {
			changed[bit / 8] = (char)(changed[bit / 8] ^ (1 << (bit % 8)));
			(void)decode((enum sample)i, changed, len);
			changed[bit / 8] = (char)(changed[bit / 8] ^ (1 << (bit % 8)));
		}
		changed[len] = 'x';
		assert_int_equal(decode((enum sample)i, changed, len + 1),
			i == SEND || i == DATA ? 0 : -EPROTO);
	}
	assert_int_equal(decode(DATA, "", 0), -EPROTO);
}

static void limits(void **state)
{
	char text[WIRE_MAX_TEXT + 10];
	struct wire_closed closed = {.errnum = 1, .text = {(const uint8_t *)text, sizeof(text)}};
	_cleanup_buf_ struct buf out = {0};

	(void)state;
	assert_int_equal(decode(CONNECT, "\0", 2), -EPROTO);
	assert_int_equal(decode(CONNECT, "\xff\xff", 2), 0);
	assert_int_equal(decode(CREDIT, "\0\0\0", 4), -EPROTO);
	assert_int_equal(decode(CREDIT, "\0\0\x04", 4), 0);
	assert_int_equal(decode(CREDIT, "\x01\0\x04", 4), -EPROTO);
	/* What is sent passes the peer's check, however long it was. */
	memset(text, 'x', sizeof(text));
	frame_add_conn_closed(&out, 1, &closed);
	assert_int_equal(out.len, FRAME_HEADER_SIZE + 4 + 4 + WIRE_MAX_TEXT);
	assert_int_equal(
		decode(CLOSED, out.data + FRAME_HEADER_SIZE, out.len - FRAME_HEADER_SIZE), 0);
	buf_clear(&out);
	text[3] = '\0';
	frame_add_conn_closed(&out, 1, &closed);
	assert_int_equal(out.len, FRAME_HEADER_SIZE + 4 + 4 + 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_bytes),
		cmocka_unit_test(cut_and_flipped),
		cmocka_unit_test(limits),
	};

	return cmocka_run_group_tests_name("wire frame connect", tests, NULL, NULL);
}
