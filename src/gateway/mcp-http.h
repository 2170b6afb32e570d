/* SPDX-License-Identifier: MIT */
/*
 * MCP over Streamable HTTP: POST, GET and DELETE /mcp (routes_mcp of gateway/routes.h).
 *
 * A client of a revision with initialize gets a session, named by Mcp-Session-Id, which belongs to the
 * token that made it and outlives its connections: a stream that breaks can be taken up again by
 * Last-Event-ID. A request of 2026-07-28 stands alone, and ends with its connection.
 */
#ifndef GATEWAY_MCP_HTTP_H
#define GATEWAY_MCP_HTTP_H

#include "gateway/http.h"

/* Every session that came through this server ends, and what runs in them. */
void mcp_http_end(const struct http_server *server);

#endif
