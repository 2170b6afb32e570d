/* SPDX-License-Identifier: MIT */
/* The codec of the file tools' frames. */
#include "wire/frame_file.h"

#include <errno.h>
#include <string.h>

#include "wire/cursor.h"

static void add_string(struct buf *out, struct wire_bytes text)
{
	buf_add_u32le(out, (uint32_t)text.len);
	buf_add(out, text.data, text.len);
}

int frame_add_file_request(struct buf *out, uint32_t stream,
	const struct wire_file_request *request, struct error *err)
{
	if (request->path.len > WIRE_FILE_MAX_PATH || request->root.len > WIRE_FILE_MAX_PATH) {
		return error_plain(err, E2BIG, "a path of more than %d bytes", WIRE_FILE_MAX_PATH);
	}
	if ((uint64_t)request->a_len + request->b_len > WIRE_FILE_MAX_BODY) {
		return error_plain(err, E2BIG, "more than %d MiB in one request",
			WIRE_FILE_MAX_BODY / (1024 * 1024));
	}
	frame_add_header(out, (enum frame_kind)FRAME_FILE_REQUEST, stream,
		(uint32_t)(4 + 4 + 3 * 8 + 4 + request->root.len + 4 + request->path.len + 4 + 4));
	buf_add_u32le(out, request->op);
	buf_add_u32le(out, request->flags);
	buf_add_u64le(out, request->offset);
	buf_add_u64le(out, request->limit);
	buf_add_u64le(out, request->max_bytes);
	add_string(out, request->root);
	add_string(out, request->path);
	buf_add_u32le(out, request->a_len);
	buf_add_u32le(out, request->b_len);
	return 0;
}

int frame_get_file_request(
	struct wire_bytes payload, struct wire_file_request *ret, struct error *err)
{
	struct cursor c = cursor_on(payload);
	struct wire_file_request request = {0};
	int r;

	request.op = cursor_range(&c, 4, 0, WIRE_FILE_OP_END_ - 1, "op");
	request.flags = cursor_range(&c, 4, 0, WIRE_FILE_FLAGS_, "flags");
	request.offset = cursor_u64(&c, "offset");
	request.limit = cursor_u64(&c, "limit");
	request.max_bytes = cursor_u64(&c, "max bytes");
	request.root = cursor_string(&c, WIRE_FILE_MAX_PATH, "root");
	request.path = cursor_string(&c, WIRE_FILE_MAX_PATH, "path");
	request.a_len = cursor_range(&c, 4, 0, WIRE_FILE_MAX_BODY, "first length");
	request.b_len = cursor_range(&c, 4, 0, WIRE_FILE_MAX_BODY - request.a_len, "second length");
	if (c.bad == NULL && request.op == 0) {
		c.bad = "op";
	}
	if (c.bad == NULL && (request.root.len == 0 || request.root.data[0] != '/')) {
		c.bad = "root";
	}
	r = cursor_end(&c, "file request", err);
	if (r == 0) {
		*ret = request;
	}
	return r;
}

void frame_add_file_bytes(
	struct buf *out, enum frame_file_kind kind, uint32_t stream, const void *data, size_t len)
{
	const uint8_t *bytes = data;

	while (len > 0) {
		size_t piece = len < LIMIT_FRAME_PAYLOAD ? len : LIMIT_FRAME_PAYLOAD;

		frame_add_bytes(out, (enum frame_kind)kind, stream, bytes, piece);
		bytes += piece;
		len -= piece;
	}
}

int frame_get_file_bytes(struct wire_bytes payload, struct wire_bytes *ret, struct error *err)
{
	if (payload.len == 0) {
		return error_plain(err, EPROTO, "malformed file bytes frame: bad length");
	}
	*ret = payload;
	return 0;
}

/* Cut, and up to a byte 0: what is sent must pass the peer's own check. */
static struct wire_bytes clipped(struct wire_bytes text)
{
	size_t len = text.len < WIRE_MAX_TEXT ? text.len : WIRE_MAX_TEXT;
	const uint8_t *nul = len > 0 ? memchr(text.data, '\0', len) : NULL;

	return (struct wire_bytes){
		.data = text.data, .len = nul != NULL ? (size_t)(nul - text.data) : len};
}

void frame_add_file_done(struct buf *out, uint32_t stream, const struct wire_file_done *done)
{
	struct wire_bytes text = clipped(done->text);

	frame_add_header(out, (enum frame_kind)FRAME_FILE_DONE, stream,
		(uint32_t)(4 + 4 + text.len + sizeof(done->facts)));
	buf_add_u32le(out, done->errnum);
	add_string(out, text);
	for (size_t i = 0; i < WIRE_FILE_FACTS; i++) {
		buf_add_u64le(out, done->facts[i]);
	}
}

int frame_get_file_done(struct wire_bytes payload, struct wire_file_done *ret, struct error *err)
{
	struct cursor c = cursor_on(payload);
	struct wire_file_done done = {0};
	int r;

	/* 4095: MAX_ERRNO, the largest that a Linux system call can give. */
	done.errnum = cursor_range(&c, 4, 0, 4095, "errno");
	done.text = cursor_string(&c, WIRE_MAX_TEXT, "text");
	for (size_t i = 0; i < WIRE_FILE_FACTS; i++) {
		done.facts[i] = cursor_u64(&c, "fact");
	}
	r = cursor_end(&c, "file done", err);
	if (r == 0) {
		*ret = done;
	}
	return r;
}
