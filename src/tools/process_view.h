/* SPDX-License-Identifier: MIT */
/* What the process tool shows of a process. */
#ifndef TOOLS_PROCESS_VIEW_H
#define TOOLS_PROCESS_VIEW_H

#include "tools/process_table.h"

/* The actions that only look. Each ends the call. */
void process_view_list(struct tool_call *call);
void process_view_poll(struct tool_call *call, struct tool_process *process);
/* line offsets count from 0 at the first line that the process wrote. */
struct process_log_request {
	int64_t offset, limit;
	bool offset_given, limit_given;
};
void process_view_log(struct tool_call *call, const struct tool_process *process,
	const struct process_log_request *request);

/* "completed" or "failed" with a text. Ends the call. */
void process_view_say(struct tool_call *call, const char *status, const char *fmt, ...)
	_printf_(3, 4);

#endif
