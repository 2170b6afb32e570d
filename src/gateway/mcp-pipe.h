/* SPDX-License-Identifier: MIT */
/* MCP's stdio transport over a connection: GET /v1/mcp with Upgrade: creel-mcp, for `creel mcp`. */
#ifndef GATEWAY_MCP_PIPE_H
#define GATEWAY_MCP_PIPE_H

#include "gateway/http.h"

/* The connection speaks one JSON-RPC message on each line from here on. When it ends, what runs ends. */
void mcp_pipe_open(struct http_exchange *x);
/* All of this server. */
void mcp_pipes_end(const struct http_server *server);

#endif
