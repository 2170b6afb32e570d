/* SPDX-License-Identifier: MIT */
/* A refusal that tells the model who blocked what and how its operator can allow it. */
#ifndef TOOLS_DENIED_H
#define TOOLS_DENIED_H

#include "tools/process_table.h"

/* Each ends the call. */
void denied_by_policy(struct tool_call *call, const char *name, const struct tool_verdict *verdict);
void denied_by_access(struct tool_call *call); /* a writing tool under workspaceAccess ro */
void denied_elevated(struct tool_call *call); /* gates from call->decision */

/* What the sandbox refused to a command that ended: details.denied, and when the command failed one
 * sentence behind text. */
void denied_to_command(struct tool_call *call, const struct tool_process *process, bool failed,
	json_t *details, struct buf *text);

#endif
