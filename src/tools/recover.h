/* SPDX-License-Identifier: MIT */
/* Processes that outlive who started them: what they are called, and how they are found again. */
#ifndef TOOLS_RECOVER_H
#define TOOLS_RECOVER_H

#include "tools/process_table.h"

/* What creel-init keeps for a process: session, name, command and directory, cut to what fits. Heap. */
char *recover_tag(const struct tool_session *session, const struct tool_process *process);

#endif
