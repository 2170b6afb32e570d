/* SPDX-License-Identifier: MIT */
/* What a sandbox refuses to a command: gathered while it runs and when it ends, told in its results. */
#ifndef TOOLS_DENIED_COMMAND_H
#define TOOLS_DENIED_COMMAND_H

#include "tools/process_table.h"

/* What was refused since the last look, into process->denied; whoever watches the session hears of new kinds. */
void denied_look(struct tool_process *process);
/* The last look, at one that ended: also what its end says, and its output when it failed. */
void denied_look_last(struct tool_process *process);

/* details.denied, when there is any; with text also the one sentence for a model, when the command failed. */
void denied_add(const struct tool_process *process, json_t *details, struct buf *text);

/* Whoever watches is to hear of a refusal while the command still runs: when to look next, UINT64_MAX: not. */
uint64_t denied_deadline(const struct tool_session *session);
void denied_tick(struct tool_session *session, uint64_t now_ns);

#endif
