/* SPDX-License-Identifier: MIT */
/*
 * The frames of forwarded connections (docs/PROTOCOL.md): the gateway reaches a TCP port that something
 * inside the sandbox listens on, on its loopback, without any network between the two. One stream per
 * connection, its number chosen like a process's:
 *
 *	gateway: CONNECT          init: CONNECTED, or CONN_CLOSED with the reason
 *	bytes both ways, each within the credit that the other end granted (CONN_WINDOW at the start)
 *	either end's EOF is half a close, as TCP has it
 *	init:    CONN_CLOSED      always the last frame on the stream
 *
 * Pure, like wire/frame.h.
 */
#ifndef WIRE_FRAME_CONNECT_H
#define WIRE_FRAME_CONNECT_H

#include "wire/frame.h"

enum frame_connect_kind {
	FRAME_CONNECT = 64, /* gateway: u16 port, not 0 */
	FRAME_CONN_SEND = 66, /* gateway: bytes, at least one */
	FRAME_CONN_SEND_EOF = 68, /* gateway: empty; no more bytes come */
	FRAME_CONN_GRANT = 70, /* gateway: u32 more bytes that may be sent */
	FRAME_CONN_CLOSE = 72, /* gateway: empty; drop everything, CLOSED still comes */
	FRAME_CONNECTED = 65, /* init: empty */
	FRAME_CONN_DATA = 67, /* init: bytes, at least one */
	FRAME_CONN_EOF = 69, /* init: empty; what listens inside sends no more */
	FRAME_CONN_CREDIT = 71, /* init: u32 more bytes that may be sent */
	FRAME_CONN_CLOSED = 73, /* init: struct wire_closed; nothing comes on the stream after it */
};

/* Bytes that may be under way to either side before it grants more. A screenshot is about this long;
 * 256 connections of this size are what an end holds at worst. */
enum { WIRE_CONN_WINDOW = 256 * 1024 };

struct wire_closed {
	uint32_t errnum; /* 0: both sides ended, or the gateway closed it */
	struct wire_bytes text; /* errnum: one sentence */
};

void frame_add_connect(struct buf *out, uint32_t stream, uint16_t port);
int frame_get_connect(struct wire_bytes payload, uint16_t *ret_port, struct error *err);
/* At least one byte, at most LIMIT_FRAME_PAYLOAD. */
void frame_add_conn_bytes(struct buf *out, enum frame_connect_kind kind, uint32_t stream,
	const void *data, size_t len);
int frame_get_conn_bytes(struct wire_bytes payload, struct wire_bytes *ret, struct error *err);
/* CONN_GRANT and CONN_CREDIT. 0 is malformed: it would be a frame for nothing. */
void frame_add_conn_credit(
	struct buf *out, enum frame_connect_kind kind, uint32_t stream, uint32_t bytes);
int frame_get_conn_credit(struct wire_bytes payload, uint32_t *ret_bytes, struct error *err);
void frame_add_conn_closed(struct buf *out, uint32_t stream, const struct wire_closed *closed);
int frame_get_conn_closed(struct wire_bytes payload, struct wire_closed *ret, struct error *err);

#endif
