/* SPDX-License-Identifier: MIT */
/* Messages of MCP's stdio transport: one JSON text on each line. */
#ifndef GATEWAY_MCP_LINES_H
#define GATEWAY_MCP_LINES_H

#include "base/buf.h"

/* A zeroed one is valid. */
struct mcp_lines {
	struct buf bytes;
	size_t at; /* before it are lines that were taken */
	size_t looked; /* before it is no line end */
	bool skips; /* the line is too long: its rest is thrown away */
};

enum mcp_line { MCP_LINE_NONE, MCP_LINE, MCP_LINE_TOO_LONG };

void mcp_lines_finish(struct mcp_lines *lines);
void mcp_lines_add(struct mcp_lines *lines, const char *data, size_t len);
/*
 * The next whole line that is not blank, without its end; valid until the next call of any of these.
 * MCP_LINE_TOO_LONG once for each line over LIMIT_MCP_MESSAGE, as soon as that shows; it is gone.
 */
enum mcp_line mcp_lines_next(struct mcp_lines *lines, const char **ret, size_t *ret_len);

#endif
