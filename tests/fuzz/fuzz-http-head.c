/* SPDX-License-Identifier: MIT */
/* The head of a request, and behind it a chunked body, in pieces and at once. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/own.h"
#include "gateway/http-head.h"
#include "gateway/http-json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int decode(const char *data, size_t len, size_t step, struct buf *body)
{
	struct http_chunked decoder = {0};
	_cleanup_free_ char *copy = malloc(len + 1);
	size_t at = 0;
	int r = 0;

	memcpy(copy, data, len);
	while (at < len && r == 0) {
		size_t n = len - at < step ? len - at : step, used = 0, out = 0;

		r = http_chunked_decode(&decoder, copy + at, n, &used, &out);
		assert(used <= n && out <= used);
		buf_add(body, copy + at, out);
		at += used;
	}
	return r;
}

static void check_body(const char *data, size_t len)
{
	_cleanup_buf_ struct buf whole = {0}, pieces = {0};
	int a = decode(data, len, len + 1, &whole), b = decode(data, len, 1, &pieces);

	assert(a == b && whole.len == pieces.len);
	assert(whole.len == 0 || memcmp(whole.data, pieces.data, whole.len) == 0);
}

static void check_json(const char *data, size_t len)
{
	struct error err;

	json_decref(http_json_load(data, len, &err));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	_cleanup_http_head_ struct http_head head = {0};
	struct http_refusal why = {0};
	size_t scanned = 0;
	int len = http_head_find(text, size, &scanned);

	if (len <= 0) {
		check_body(text, size);
		check_json(text, size);
		return 0;
	}
	assert((size_t)len <= size);
	if (http_head_parse(text, (size_t)len, &head, &why) < 0) {
		assert(why.status >= 400 && why.message != NULL);
	} else {
		_cleanup_free_ char *path = http_decode(head.path, strlen(head.path), false);

		assert(path == NULL || strlen(path) <= strlen(head.path));
		assert(head.path[0] == '/' && http_head_get(&head, "host") != NULL);
		assert(!head.chunked || head.content_length == 0);
	}
	check_body(text + len, size - (size_t)len);
	check_json(text + len, size - (size_t)len);
	return 0;
}
