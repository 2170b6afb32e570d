/* SPDX-License-Identifier: MIT */
/* A refusal that tells the model who blocked what and how its operator can allow it. */
#ifndef TOOLS_DENIED_H
#define TOOLS_DENIED_H

#include "tools/internal.h"

/* Each ends the call. */
void denied_by_policy(struct tool_call *call, const char *name, const struct tool_verdict *verdict);
void denied_by_access(struct tool_call *call); /* a writing tool under workspaceAccess ro */
void denied_elevated(struct tool_call *call); /* gates from call->decision */

#endif
