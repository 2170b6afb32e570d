/* SPDX-License-Identifier: MIT */
#include "gateway/mcp-revision.h"

#include <string.h>

#include "base/macro.h"
#include "gateway/mcp.h"

/* Newest first. https://modelcontextprotocol.io/specification/<name>/changelog */
static const struct mcp_revision revisions[] = {
	{"2026-07-28", MCP_STATELESS | MCP_DESCRIPTION | MCP_STRUCTURED | MCP_ANNOTATIONS},
	{"2025-11-25", MCP_DESCRIPTION | MCP_STRUCTURED | MCP_ANNOTATIONS},
	{"2025-06-18", MCP_STRUCTURED | MCP_ANNOTATIONS},
	{"2025-03-26", MCP_ANNOTATIONS | MCP_BATCH}, /* batches came with it and went after it */
	{"2024-11-05", 0},
};

const struct mcp_revision *mcp_revision_by_name(const char *name)
{
	for (size_t i = 0; name != NULL && i < ARRAY_SIZE(revisions); i++) {
		if (strcmp(revisions[i].name, name) == 0) {
			return &revisions[i];
		}
	}
	return NULL;
}

const struct mcp_revision *mcp_revision_agree(const char *wanted)
{
	const struct mcp_revision *found = mcp_revision_by_name(wanted);

	/* A client that begins with initialize cannot mean a revision that has none. */
	return found != NULL && (found->features & MCP_STATELESS) == 0 ? found : &revisions[1];
}

json_t *mcp_revision_names(void)
{
	json_t *names = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(revisions); i++) {
		(void)json_array_append_new(names, json_string(revisions[i].name));
	}
	return names;
}

bool mcp_version_is_known(const char *version)
{
	return mcp_revision_by_name(version) != NULL;
}

bool mcp_version_has_session(const char *version)
{
	const struct mcp_revision *found = mcp_revision_by_name(version);

	return found != NULL && (found->features & MCP_STATELESS) == 0;
}
