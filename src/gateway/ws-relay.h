/* SPDX-License-Identifier: MIT */
/* A WebSocket of an HTTP client, relayed to a port inside a browser's sandbox. */
#ifndef GATEWAY_WS_RELAY_H
#define GATEWAY_WS_RELAY_H

#include "gateway/browser.h"
#include "gateway/http.h"

/* The Sec-WebSocket-Key of a request for a WebSocket, borrowed; NULL: it is none (RFC 6455 4.2.1). */
const char *ws_relay_key(const struct http_exchange *x);

/*
 * Answer x, which ws_relay_key() accepts, as what listens on that port inside answers, and pass bytes
 * on until either side ends. adopt_use is closed then. path is ours, never the client's.
 */
void ws_relay_start(struct http_exchange *x, struct gateway_browser *adopt_use,
	struct browser *browser, uint16_t port, const char *path);

#endif
