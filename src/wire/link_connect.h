/* SPDX-License-Identifier: MIT */
/* Connections to ports inside the sandbox, over its link. */
#ifndef WIRE_LINK_CONNECT_H
#define WIRE_LINK_CONNECT_H

#include "wire/frame_connect.h"
#include "wire/link.h"

/*
 * All are optional. data is valid during the call only. Exactly one of closed and lost is the last that
 * is heard of a connection, also of one that was never connected (closed->errnum says why: ECONNREFUSED
 * when nothing listens). A callback may call any link function but link_free() and link_pump().
 */
struct link_connection_ops {
	void (*connected)(void *arg);
	void (*data)(void *arg, const uint8_t *data, size_t len);
	void (*room)(void *arg, size_t bytes); /* that many may be given to send now */
	void (*ended)(void *arg); /* nothing more is received; sending still works */
	void (*closed)(void *arg, const struct wire_closed *closed);
	void (*lost)(void *arg, const struct error *why);
};

/*
 * Ask creel-init to connect to a TCP port of the sandbox's loopback, 127.0.0.1 or else ::1. Bytes may be
 * sent at once, before `connected`. -ENOTCONN before the link is ready, -EINVAL for port 0, -EMFILE over
 * LIMIT_CONNECTIONS.
 */
int link_connect(struct link *link, uint16_t port, const struct link_connection_ops *ops, void *arg,
	uint32_t *ret_stream, struct error *err);
/* How much link_connection_send() takes now; it returns what it took (0..len). */
size_t link_connection_room(const struct link *link, uint32_t stream);
size_t link_connection_send(struct link *link, uint32_t stream, const void *data, size_t len);
void link_connection_end(struct link *link, uint32_t stream); /* no more is sent */
/* The receiver of `data` is done with so many bytes, which grants them anew. */
void link_connection_consumed(struct link *link, uint32_t stream, size_t bytes);
/* Drop it, with all that is under way: no callback comes for this stream after the call. */
void link_connection_close(struct link *link, uint32_t stream);

#endif
