/* SPDX-License-Identifier: MIT */
/*
 * The client's end of a WebSocket (RFC 6455) that carries text: bytes in, messages out and the other
 * way round. Pure: it neither waits nor reads. Framing by libwslay, which is loaded when the first one
 * is made: programs that never talk to a browser do not pay for it.
 */
#ifndef BROWSER_WS_H
#define BROWSER_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct ws;

struct ws_ops {
	/* Bytes for the peer. All are taken. */
	void (*send)(void *arg, const void *data, size_t len);
	/* One whole text message, not NUL-terminated, valid during the call. */
	void (*message)(void *arg, const char *text, size_t len);
};

/* Load libwslay now: for a process that may open no files later. 0, or -ENOSYS with what to install. */
int ws_load(struct error *err);

/* Asks for the upgrade at once. path begins with a slash. -ENOSYS: the library is not there. */
int ws_new(const char *path, const char *host, const struct ws_ops *ops, void *arg, struct ws **ret,
	struct error *err);
struct ws *ws_free(struct ws *ws); /* NULL ok; NULL. Not from a callback. */
bool ws_is_open(const struct ws *ws); /* the upgrade was granted */

/* 0, or -EPROTO: the peer is no WebSocket server, broke the protocol, or closed. Dead from then on. */
int ws_receive(struct ws *ws, const void *data, size_t len, struct error *err);
/* Before it is open too: kept until then. text must be UTF-8. */
int ws_send(struct ws *ws, const char *text, size_t len, struct error *err);

#endif
