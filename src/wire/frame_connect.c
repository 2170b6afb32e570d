/* SPDX-License-Identifier: MIT */
/* The codec of forwarded connections. */
#include "wire/frame_connect.h"

#include <errno.h>
#include <string.h>

#include "wire/cursor.h"

/* MAX_ERRNO, the largest that a Linux system call can give. */
enum { ERRNUM_MAX = 4095 };

void frame_add_connect(struct buf *out, uint32_t stream, uint16_t port)
{
	frame_add_header(out, (enum frame_kind)FRAME_CONNECT, stream, 2);
	buf_add_u16le(out, port);
}

int frame_get_connect(struct wire_bytes payload, uint16_t *ret_port, struct error *err)
{
	struct cursor c = cursor_on(payload);
	uint32_t port = cursor_range(&c, 2, 1, UINT16_MAX, "port");
	int r = cursor_end(&c, "connect", err);

	if (r == 0) {
		*ret_port = (uint16_t)port;
	}
	return r;
}

void frame_add_conn_bytes(struct buf *out, enum frame_connect_kind kind, uint32_t stream,
	const void *data, size_t len)
{
	frame_add_bytes(out, (enum frame_kind)kind, stream, data, len);
}

int frame_get_conn_bytes(struct wire_bytes payload, struct wire_bytes *ret, struct error *err)
{
	if (payload.len == 0) {
		return error_plain(err, EPROTO, "malformed connection bytes frame: bad length");
	}
	*ret = payload;
	return 0;
}

void frame_add_conn_credit(
	struct buf *out, enum frame_connect_kind kind, uint32_t stream, uint32_t bytes)
{
	frame_add_u32(out, (enum frame_kind)kind, stream, bytes);
}

int frame_get_conn_credit(struct wire_bytes payload, uint32_t *ret_bytes, struct error *err)
{
	struct cursor c = cursor_on(payload);
	uint32_t bytes = cursor_range(&c, 4, 1, WIRE_CONN_WINDOW, "bytes");
	int r = cursor_end(&c, "connection credit", err);

	if (r == 0) {
		*ret_bytes = bytes;
	}
	return r;
}

/* Cut, and up to a byte 0: what is sent must pass the peer's own check. */
static size_t clipped(struct wire_bytes text)
{
	size_t len = text.len < WIRE_MAX_TEXT ? text.len : WIRE_MAX_TEXT;
	const uint8_t *nul = len > 0 ? memchr(text.data, '\0', len) : NULL;

	return nul != NULL ? (size_t)(nul - text.data) : len;
}

void frame_add_conn_closed(struct buf *out, uint32_t stream, const struct wire_closed *closed)
{
	size_t len = clipped(closed->text);

	frame_add_header(out, (enum frame_kind)FRAME_CONN_CLOSED, stream, (uint32_t)(4 + 4 + len));
	buf_add_u32le(out, closed->errnum);
	buf_add_u32le(out, (uint32_t)len);
	buf_add(out, closed->text.data, len);
}

int frame_get_conn_closed(struct wire_bytes payload, struct wire_closed *ret, struct error *err)
{
	struct cursor c = cursor_on(payload);
	struct wire_closed closed = {0};
	int r;

	closed.errnum = cursor_range(&c, 4, 0, ERRNUM_MAX, "errno");
	closed.text = cursor_string(&c, WIRE_MAX_TEXT, "text");
	r = cursor_end(&c, "connection closed", err);
	if (r == 0) {
		*ret = closed;
	}
	return r;
}
