/* SPDX-License-Identifier: MIT */
/* workspace:///PATH: a file of the workspace as a resource. Pure. */
#ifndef GATEWAY_MCP_URI_H
#define GATEWAY_MCP_URI_H

#include "base/buf.h"
#include "base/error.h"

#define MCP_URI_PREFIX "workspace:///"

/* path is relative. What RFC 3986 does not let stand in a path is percent-encoded. */
void mcp_uri_add(struct buf *out, const char *path);
/*
 * The path that a URI names, appended to out, relative and without "." or "..". -EINVAL: another
 * scheme, a query, a broken or odd escape (NUL, what is not UTF-8), a path that leads elsewhere.
 */
int mcp_uri_parse(const char *uri, struct buf *out, struct error *err);

#endif
