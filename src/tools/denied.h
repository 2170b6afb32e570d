/* SPDX-License-Identifier: MIT */
/* A refusal that tells the model who blocked what and how its operator can allow it. */
#ifndef TOOLS_DENIED_H
#define TOOLS_DENIED_H

#include "backend/denials.h"
#include "tools/process_table.h"

/* Each ends the call. */
void denied_by_policy(struct tool_call *call, const char *name, const struct tool_verdict *verdict);
void denied_by_access(struct tool_call *call); /* a writing tool under workspaceAccess ro */
void denied_elevated(struct tool_call *call); /* gates from call->decision */

/* A file operation of ours met a read-only place: details for call_fail(); path as the caller wrote it, NULL:
 * not known which. */
json_t *denied_write(struct tool_call *call, const char *path);

/* A row of details.denied, a new reference. */
json_t *denied_row(const struct denial *denial);
/* Whoever watches the session is told, once per row. process: whose it is, and its call; NULL: call's own. */
void denied_tell(struct tool_call *call, const struct tool_process *process, const json_t *row);

#endif
