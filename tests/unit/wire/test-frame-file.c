/* SPDX-License-Identifier: MIT */
/* The codec of the file tools: golden bytes, every truncation, every bit flip, every limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/frame_file.h"

static struct wire_bytes bytes_of(const char *text)
{
	return (struct wire_bytes){(const uint8_t *)text, strlen(text)};
}

static struct wire_file_request sample_request(void)
{
	return (struct wire_file_request){
		.op = WIRE_FILE_EDIT,
		.flags = WIRE_FILE_BENEATH,
		.offset = 0x0102,
		.limit = 3,
		.max_bytes = UINT64_MAX,
		.root = bytes_of("/w"),
		.path = bytes_of("a"),
		.a_len = 5,
		.b_len = 6,
	};
}

static void add_samples(struct buf *request, struct buf *done)
{
	struct wire_file_request r = sample_request();
	struct wire_file_done d = {
		.errnum = 2, .text = bytes_of("no"), .facts = {1, 0, 0, 0, 0, 0, 0, 9}};
	struct error err;

	assert_int_equal(frame_add_file_request(request, 7, &r, &err), 0);
	frame_add_file_done(done, 7, &d);
}

static void test_golden(void **state)
{
	static const uint8_t request_bytes[] = "\x33\0\0\0\x1a\0\0\0\x07\0\0\0"
					       "\x03\0\0\0\x01\0\0\0"
					       "\x02\x01\0\0\0\0\0\0\x03\0\0\0\0\0\0\0"
					       "\xff\xff\xff\xff\xff\xff\xff\xff"
					       "\x02\0\0\0/w\x01\0\0\0"
					       "a\x05\0\0\0\x06\0\0\0";
	static const uint8_t done_bytes[] = "\x4a\0\0\0\x1d\0\0\0\x07\0\0\0"
					    "\x02\0\0\0\x02\0\0\0no\x01\0\0\0\0\0\0\0";
	_cleanup_buf_ struct buf request = {0}, done = {0};

	(void)state;
	add_samples(&request, &done);
	assert_int_equal(request.len, sizeof(request_bytes) - 1);
	assert_memory_equal(request.data, request_bytes, request.len);
	assert_int_equal(done.len, 12 + 4 + 4 + 2 + 64);
	assert_memory_equal(done.data, done_bytes, sizeof(done_bytes) - 1);
	assert_int_equal(done.data[done.len - 8], 9);
}

static void test_round_trip(void **state)
{
	_cleanup_buf_ struct buf request = {0}, done = {0};
	struct wire_file_request r;
	struct wire_file_done d;
	struct error err;

	(void)state;
	add_samples(&request, &done);
	assert_int_equal(frame_get_file_request((struct wire_bytes){(uint8_t *)request.data + 12,
							request.len - 12},
				 &r, &err),
		0);
	assert_int_equal(r.op, WIRE_FILE_EDIT);
	assert_int_equal(r.offset, 0x0102);
	assert_int_equal(r.root.len, 2);
	assert_memory_equal(r.path.data, "a", 1);
	assert_int_equal(r.b_len, 6);
	assert_int_equal(
		frame_get_file_done(
			(struct wire_bytes){(uint8_t *)done.data + 12, done.len - 12}, &d, &err),
		0);
	assert_int_equal(d.errnum, 2);
	assert_int_equal(d.facts[7], 9);
}

/* payload decodes, and so does a copy on the heap (where a sanitizer sees reads past it). */
static int decode(bool is_request, const uint8_t *data, size_t len, struct error *err)
{
	uint8_t *copy = xmalloc(len > 0 ? len : 1);
	struct wire_file_request r;
	struct wire_file_done d;
	int result;

	memcpy(copy, data, len);
	result = is_request ? frame_get_file_request((struct wire_bytes){copy, len}, &r, err)
			    : frame_get_file_done((struct wire_bytes){copy, len}, &d, err);
	free(copy);
	return result;
}

static void mutate(bool is_request, const struct buf *frame)
{
	uint8_t *payload = (uint8_t *)frame->data + FRAME_HEADER_SIZE;
	size_t len = frame->len - FRAME_HEADER_SIZE;
	struct error err;

	for (size_t cut = 0; cut < len; cut++) {
		assert_int_equal(decode(is_request, payload, cut, &err), -EPROTO);
		assert_non_null(strstr(err.text, "malformed"));
	}
	for (size_t bit = 0; bit < len * 8; bit++) {
		int r;

		payload[bit / 8] ^= (uint8_t)(1U << (bit % 8));
		r = decode(is_request, payload, len, &err);
		assert_true(r == 0 || r == -EPROTO);
		payload[bit / 8] ^= (uint8_t)(1U << (bit % 8));
	}
}

static void test_mutations(void **state)
{
	_cleanup_buf_ struct buf request = {0}, done = {0};
	struct error err;

	(void)state;
	add_samples(&request, &done);
	mutate(true, &request);
	mutate(false, &done);
	buf_add_char(&request, 'x');
	assert_int_equal(
		decode(true, (uint8_t *)request.data + 12, request.len - 12, &err), -EPROTO);
}

static void test_limits(void **state)
{
	struct wire_file_request r = sample_request();
	_cleanup_buf_ struct buf out = {0}, big = {0};
	char *path = xmalloc(WIRE_FILE_MAX_PATH + 1);
	struct error err;

	(void)state;
	memset(path, 'x', WIRE_FILE_MAX_PATH + 1);
	r.path = (struct wire_bytes){(uint8_t *)path, WIRE_FILE_MAX_PATH + 1};
	assert_int_equal(frame_add_file_request(&out, 1, &r, &err), -E2BIG);
	assert_int_equal(out.len, 0);
	r = sample_request();
	r.a_len = WIRE_FILE_MAX_BODY;
	r.b_len = 1;
	assert_int_equal(frame_add_file_request(&out, 1, &r, &err), -E2BIG);
	r.b_len = 0;
	assert_int_equal(frame_add_file_request(&out, 1, &r, &err), 0);
	/* a root that is not absolute */
	buf_clear(&out);
	r.root = bytes_of("w/");
	assert_int_equal(frame_add_file_request(&out, 1, &r, &err), 0);
	assert_int_equal(decode(true, (uint8_t *)out.data + 12, out.len - 12, &err), -EPROTO);
	/* bytes are split at the frame limit */
	buf_clear(&out);
	(void)buf_reserve(&big, LIMIT_FRAME_PAYLOAD + 1);
	frame_add_file_bytes(&out, FRAME_FILE_BODY, 1, big.data, LIMIT_FRAME_PAYLOAD + 1);
	assert_int_equal(out.len, 2 * FRAME_HEADER_SIZE + LIMIT_FRAME_PAYLOAD + 1);
	buf_clear(&out);
	frame_add_file_bytes(&out, FRAME_FILE_DATA, 1, "", 0);
	assert_int_equal(out.len, 0);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
