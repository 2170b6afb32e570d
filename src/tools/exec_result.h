/* SPDX-License-Identifier: MIT */
/* What exec says about a command that ended or goes on. */
#ifndef TOOLS_EXEC_RESULT_H
#define TOOLS_EXEC_RESULT_H

#include "tools/process_table.h"

struct exec_report {
	struct tool_process *process; /* ended */
	const char *cwd;
	int64_t timeout_s;
	size_t output_chars; /* the end of the output that the result carries */
	bool readable; /* the process tool can read more of it later */
	bool aborted;
};

/* Ends the call. The process, which nobody watches any more, is dropped; except when its output was
 * cut: then it gets a name and stays, so that the rest can be read. */
void exec_report_end(struct tool_call *call, const struct exec_report *report);

/* Ends the call; the process runs on. */
void exec_report_running(struct tool_call *call, struct tool_process *process, const char *cwd);

#endif
