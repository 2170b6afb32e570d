/* SPDX-License-Identifier: MIT */
/*
 * gateway/core.h without a broker and without sandboxes, for tests of what stands on it. Calls of
 * exec wait until the test ends them; the other tools answer at once, see mcp-core.c.
 */
#ifndef TESTS_MCP_CORE_H
#define TESTS_MCP_CORE_H

#include "gateway/core.h"

struct gateway *mcp_core_new(void);
struct gateway *mcp_core_free(struct gateway *gateway); /* calls at work end as aborted */

/* The oldest call at work prints, or ends: with text, or as a failure of that type. false: none. */
bool mcp_core_print(struct gateway *gateway, const char *text);
bool mcp_core_end(struct gateway *gateway, const char *failure, const char *text);
/* Calls that were aborted so far, and those at work. */
unsigned mcp_core_aborted(const struct gateway *gateway);
unsigned mcp_core_running(const struct gateway *gateway);
void mcp_core_event(struct gateway *gateway, const char *kind);
/* From now on everything asked fails with that type; NULL: no more. */
void mcp_core_refuse(struct gateway *gateway, const char *failure);

#endif
