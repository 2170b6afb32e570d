/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/own.h"
#include "gateway/http-head.h"
#include "gateway/http-internal.h"
#include "gateway/http-json.h"

static const char good[] = "POST /tools/invoke?a=1 HTTP/1.1\r\n"
			   "Host: localhost:18790\r\n"
			   "X-Blank:  in between \t\r\n"
			   "Connection: Keep-Alive, Upgrade\r\n"
			   "Content-Length: 12\r\n\r\n";

/* --- finding --- */

static void finds_the_end_byte_by_byte(void **state)
{
	size_t scanned = 0;

	(void)state;
	for (size_t len = 0; len < strlen(good); len++) {
		assert_int_equal(http_head_find(good, len, &scanned), 0);
	}
	assert_int_equal(http_head_find(good, strlen(good), &scanned), strlen(good));
}

static void leaves_what_comes_behind(void **state)
{
	size_t scanned = 0;

	(void)state;
	assert_int_equal(http_head_find("GET / HTTP/1.1\r\n\r\nGET", 21, &scanned), 18);
}

static void refuses_lines_without_cr(void **state)
{
	static const char *const texts[] = {
		"\n",
		"GET / HTTP/1.1\nHost: x\n\n",
		"GET / HTTP/1.1\r\nHost: x\r\n\n",
		"\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		size_t scanned = 0;

		assert_int_equal(http_head_find(texts[i], strlen(texts[i]), &scanned), -EBADMSG);
	}
}

/* --- taking apart --- */

static void reads_a_request(void **state)
{
	_cleanup_http_head_ struct http_head head = {0};
	struct http_refusal why;

	(void)state;
	assert_int_equal(http_head_parse(good, strlen(good), &head, &why), 0);
	assert_int_equal(head.method, HTTP_POST);
	assert_string_equal(head.path, "/tools/invoke");
	assert_string_equal(head.query, "a=1");
	assert_int_equal(head.minor, 1);
	assert_int_equal(head.header_count, 4);
	assert_string_equal(http_head_get(&head, "x-blank"), "in between");
	assert_null(http_head_get(&head, "x-none"));
	assert_int_equal(head.content_length, 12);
	assert_true(head.keep_alive);
	assert_false(head.chunked);
	assert_true(http_head_lists(&head, "connection", "upgrade"));
	assert_false(http_head_lists(&head, "connection", "up"));
}

static int status_of(const char *text)
{
	_cleanup_http_head_ struct http_head head = {0};
	struct http_refusal why = {0};

	return http_head_parse(text, strlen(text), &head, &why) < 0 ? why.status : 0;
}

#define HOST "Host: x\r\n"
static void says_what_is_wrong(void **state)
{
	static const struct {
		int status;
		const char *text;
	} rows[] = {
		{0, "GET / HTTP/1.1\r\n" HOST "\r\n"},
		{0, "\r\nGET / HTTP/1.1\r\n" HOST "\r\n"},
		{0, "GET / HTTP/1.0\r\n" HOST "\r\n"},
		{0, "BREW / HTTP/1.1\r\n" HOST "\r\n"},
		{0, "GET / HTTP/1.1\r\n" HOST "X-Empty:\r\n\r\n"},
		{0, "GET / HTTP/1.1\r\n" HOST "X: \xc3\xa9\r\n\r\n"},
		{0, "GET / HTTP/1.1\r\n" HOST "X: 1\r\nX: 2\r\n\r\n"},
		{0, "GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n"},
		{400, "GET /\r\n\r\n"},
		{400, "GET  / HTTP/1.1\r\n" HOST "\r\n"},
		{400, "GET / HTTP/1.1 \r\n" HOST "\r\n"},
		{400, "GET\t/ HTTP/1.1\r\n" HOST "\r\n"},
		{400, " GET / HTTP/1.1\r\n" HOST "\r\n"},
		{400, "G@T / HTTP/1.1\r\n" HOST "\r\n"},
		{400, "GET x HTTP/1.1\r\n" HOST "\r\n"},
		{400, "GET http://x/ HTTP/1.1\r\n" HOST "\r\n"},
		{400, "GET /#f HTTP/1.1\r\n" HOST "\r\n"},
		{400, "GET /\x80 HTTP/1.1\r\n" HOST "\r\n"},
		{400, "GET / http/1.1\r\n" HOST "\r\n"},
		{505, "GET / HTTP/2.0\r\n" HOST "\r\n"},
		{505, "GET / HTTP/1.2\r\n" HOST "\r\n"},
		{400, "GET / HTTP/1.1\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\n" HOST HOST "\r\n"},
		{400, "GET / HTTP/1.1\r\n" HOST "X\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\n" HOST "X : 1\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\n" HOST ": 1\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\n" HOST "X: 1\r\n 2\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\n" HOST "X: 1\r2\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\n" HOST "X: \x01\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\n" HOST "X: \x7f\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\n" HOST "Content-Length: 1, 1\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\n" HOST "Content-Length: +1\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\n" HOST "Content-Length: 0x1\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n"},
		{413, "GET / HTTP/1.1\r\n" HOST "Content-Length: 9223372036854775808\r\n\r\n"},
		{413, "GET / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999999\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\n" HOST
		      "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{400, "GET / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"},
		{501, "GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n"},
		{501, "GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, chunked\r\n\r\n"},
		{501, "GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n"},
		{417, "GET / HTTP/1.1\r\n" HOST "Expect: coffee\r\n\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (status_of(rows[i].text) != rows[i].status) {
			fail_msg("%d, not %d: %s", status_of(rows[i].text), rows[i].status,
				rows[i].text);
		}
	}
}

static void refuses_nul(void **state)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: x\0y\r\n\r\n";
	struct http_head head;
	struct http_refusal why;

	(void)state;
	assert_int_equal(http_head_parse(text, sizeof(text) - 1, &head, &why), -EBADMSG);
}

static void bounds_the_headers(void **state)
{
	_cleanup_buf_ struct buf text = {0};

	(void)state;
	buf_add_str(&text, "GET / HTTP/1.1\r\n" HOST);
	for (int i = 0; i < HTTP_HEADERS_MAX - 1; i++) {
		buf_addf(&text, "X-%d: 1\r\n", i);
	}
	buf_add_str(&text, "\r\n");
	assert_int_equal(status_of(text.data), 0);
	text.len -= 2;
	buf_add_str(&text, "X: 1\r\n\r\n");
	assert_int_equal(status_of(text.data), 431);
}

/* Each bit flipped, cut at each byte: no crash, and never a request without Host. */
static void survives_mutation(void **state)
{
	_cleanup_free_ char *copy = malloc(strlen(good) + 1);

	(void)state;
	for (size_t bit = 0; bit < strlen(good) * 8; bit++) {
		struct http_head head = {0};
		struct http_refusal why;

		memcpy(copy, good, strlen(good) + 1);
		copy[bit / 8] = (char)(copy[bit / 8] ^ (1 << (bit % 8)));
		if (http_head_parse(copy, strlen(good), &head, &why) == 0) {
			assert_non_null(http_head_get(&head, "host"));
			http_head_finish(&head);
		}
	}
	for (size_t len = 0; len < strlen(good); len++) {
		struct http_head head = {0};
		struct http_refusal why;

		assert_int_equal(http_head_parse(good, len, &head, &why), -EBADMSG);
	}
}

/* --- percent --- */

static void decodes_percent(void **state)
{
	static const struct {
		const char *text, *want;
		bool plus;
	} rows[] = {
		{"agent%3Amain", "agent:main", false},
		{"a%2fb%2F", "a/b/", false},
		{"a+b", "a+b", false},
		{"a+b", "a b", true},
		{"", "", false},
		{"%", NULL, false},
		{"%4", NULL, false},
		{"%4g", NULL, false},
		{"%00", NULL, false},
		{"%-1", NULL, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *got =
			http_decode(rows[i].text, strlen(rows[i].text), rows[i].plus);

		if (rows[i].want == NULL) {
			assert_null(got);
		} else {
			assert_string_equal(got, rows[i].want);
		}
	}
}

/* --- chunks --- */

/* Fed in pieces of step bytes. 1, 0 or negative as the decoder; *body gets what came out. */
static int decode(const char *text, size_t step, struct buf *body, size_t *ret_used)
{
	struct http_chunked decoder = {0};
	size_t at = 0, len = strlen(text);
	int r = 0;

	while (at < len && r == 0) {
		char piece[64];
		size_t n = len - at < step ? len - at : step, used, out;

		memcpy(piece, text + at, n);
		r = http_chunked_decode(&decoder, piece, n, &used, &out);
		buf_add(body, piece, out);
		at += used;
	}
	*ret_used = at;
	return r;
}

static void decodes_chunks(void **state)
{
	static const char text[] =
		"5;ext=1\r\nhello\r\n1\r\n,\r\n006\r\n world\r\n0\r\nTrailer: x\r\n\r\nGET";

	(void)state;
	for (size_t step = 1; step < 64; step++) {
		_cleanup_buf_ struct buf body = {0};
		size_t used;

		assert_int_equal(decode(text, step, &body, &used), 1);
		assert_string_equal(body.data, "hello, world");
		assert_string_equal(text + used, "GET");
	}
}

static void refuses_bad_chunks(void **state)
{
	static const char *const texts[] = {
		"\r\n",
		"x\r\n",
		"-1\r\n",
		"1\nx\r\n",
		"1\rx",
		"1 \r\nx\r\n",
		"1\r\nxx\r\n",
		"1\r\nx\n0\r\n\r\n",
		"1\r\nx\rx",
		"1111111111111111\r\n",
		"0\r\nX: 1\n\r\n",
		"0\r\n\rx",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		for (size_t step = 1; step < 8; step++) {
			_cleanup_buf_ struct buf body = {0};
			size_t used;

			if (decode(texts[i], step, &body, &used) >= 0) {
				fail_msg("taken: %s", texts[i]);
			}
		}
	}
}

static void bounds_extensions_and_trailers(void **state)
{
	struct http_chunked decoder = {0};
	char data[1024] = {0};
	size_t used, len;
	int r = 0;

	(void)state;
	memcpy(data, "1;", 2);
	memset(data + 2, 'x', sizeof(data) - 2);
	for (int i = 0; i < 9 && r == 0; i++) {
		r = http_chunked_decode(&decoder, data, sizeof(data), &used, &len);
		memset(data, 'x', sizeof(data));
	}
	assert_int_equal(r, -EBADMSG);
}

/* --- guards --- */

static void knows_its_names(void **state)
{
	static const char *const own[] = {"localhost", "LocalHost:18790", "127.0.0.1:1", "[::1]",
		"[::1]:18790", "192.168.1.2:18790", "box.example:18790", "BOX.example"};
	static const char *const foreign[] = {"evil.example", "localhost.evil.example", "",
		":18790", "localhost:x", "localhost:1:2", "[::1", "[::1]x",
		"127.0.0.1.evil.example", "a@localhost", "localhost.", "127.1"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		assert_true(http_guard_host(own[i], "box.example:18790"));
	}
	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
		assert_false(http_guard_host(foreign[i], "box.example:18790"));
	}
	assert_false(http_guard_host("box.example", NULL));
}

static void knows_other_sites(void **state)
{
	(void)state;
	assert_true(http_guard_origin("http://localhost:18790", "localhost:18790"));
	assert_true(http_guard_origin("https://LOCALHOST:18790", "localhost:18790"));
	assert_false(http_guard_origin("http://localhost:8080", "localhost:18790"));
	assert_false(http_guard_origin("http://evil.example", "localhost:18790"));
	assert_false(http_guard_origin("null", "localhost:18790"));
	assert_false(http_guard_origin("", "localhost:18790"));
	assert_false(http_guard_origin("file://localhost:18790", "localhost:18790"));
	assert_true(http_guard_fetch_site("same-origin"));
	assert_true(http_guard_fetch_site("none"));
	assert_false(http_guard_fetch_site("same-site"));
	assert_false(http_guard_fetch_site("cross-site"));
	assert_false(http_guard_fetch_site(""));
}

/* --- JSON --- */

static int json_result(const char *text, size_t len)
{
	struct error err = {0};
	json_t *json = http_json_load(text, len, &err);

	if (json != NULL) {
		json_decref(json);
		return 0;
	}
	assert_true(err.text[0] != '\0');
	return -err.num;
}

static void reads_json_within_limits(void **state)
{
	_cleanup_buf_ struct buf text = {0};

	(void)state;
	assert_int_equal(json_result("{\"a\":[1,2]}", 11), 0);
	assert_int_equal(json_result("\"x\"", 3), 0);
	assert_int_equal(json_result("", 0), -EINVAL);
	assert_int_equal(json_result("{", 1), -EINVAL);
	assert_int_equal(json_result("{} x", 4), -EINVAL);
	assert_int_equal(json_result("{\"a\":1,\"a\":2}", 13), -EINVAL);
	assert_int_equal(json_result("\"\xff\"", 3), -EINVAL);
	assert_int_equal(json_result("\"\\", 2), -EINVAL);
	for (int i = 0; i < LIMIT_JSON_DEPTH; i++) {
		buf_add_char(&text, '[');
	}
	assert_int_equal(json_result(text.data, text.len), -EINVAL);
	buf_add_char(&text, '[');
	assert_int_equal(json_result(text.data, text.len), -E2BIG);
}

static void bounds_the_values(void **state)
{
	_cleanup_buf_ struct buf text = {0};

	(void)state;
	buf_add_char(&text, '[');
	for (int i = 0; i < LIMIT_JSON_VALUES - 2; i++) {
		buf_add_str(&text, "1,");
	}
	buf_add_str(&text, "\",[,]\"]");
	assert_int_equal(json_result(text.data, text.len), 0);
	text.len--;
	buf_add_str(&text, ",1]");
	assert_int_equal(json_result(text.data, text.len), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_end_byte_by_byte),
		cmocka_unit_test(leaves_what_comes_behind),
		cmocka_unit_test(refuses_lines_without_cr),
		cmocka_unit_test(reads_a_request),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(refuses_nul),
		cmocka_unit_test(bounds_the_headers),
		cmocka_unit_test(survives_mutation),
		cmocka_unit_test(decodes_percent),
		cmocka_unit_test(decodes_chunks),
		cmocka_unit_test(refuses_bad_chunks),
		cmocka_unit_test(bounds_extensions_and_trailers),
		cmocka_unit_test(knows_its_names),
		cmocka_unit_test(knows_other_sites),
		cmocka_unit_test(reads_json_within_limits),
		cmocka_unit_test(bounds_the_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
