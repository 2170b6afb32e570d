/* SPDX-License-Identifier: MIT */
/* The revisions of the protocol and what sets them apart. */
#ifndef GATEWAY_MCP_REVISION_H
#define GATEWAY_MCP_REVISION_H

#include <jansson.h>

enum mcp_feature {
	MCP_BATCH = 1, /* several messages in one array */
	MCP_ANNOTATIONS = 2, /* of tools; and the text of a progress notification */
	MCP_STRUCTURED = 4, /* structuredContent, outputSchema, title */
	MCP_DESCRIPTION = 8, /* of the server */
	MCP_STATELESS = 16, /* no initialize; resultType, cache hints */
};

struct mcp_revision {
	const char *name;
	unsigned features;
};

/* NULL: unknown, as is NULL. */
const struct mcp_revision *mcp_revision_by_name(const char *name);
/* What initialize agrees on when the client asks for wanted (NULL: anything). */
const struct mcp_revision *mcp_revision_agree(const char *wanted);
/* All names, newest first: a new reference. */
json_t *mcp_revision_names(void);

#endif
