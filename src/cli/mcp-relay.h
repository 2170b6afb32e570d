/* SPDX-License-Identifier: MIT */
/* stdin and stdout joined with a running gateway that speaks MCP. */
#ifndef CLI_MCP_RELAY_H
#define CLI_MCP_RELAY_H

#include "config/config.h"

/*
 * Until stdin ends, a signal comes or the gateway goes. agent and session may be NULL. 0; -ENOENT:
 * no gateway runs, and nothing was read; others: it is there and does not serve, or went away.
 */
int mcp_relay_run(
	const struct config *config, const char *agent, const char *session, struct error *err);

#endif
