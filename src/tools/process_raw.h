/* SPDX-License-Identifier: MIT */
/* The process tool for programs: by the byte. Models are not told of these actions. */
#ifndef TOOLS_PROCESS_RAW_H
#define TOOLS_PROCESS_RAW_H

#include "tools/process_table.h"

/*
 * raw.output  offset? limit?       details {sessionId, offset, next, end, lost, running, exitCode?,
 *                                  exitSignal?, dataBase64}: bytes from offset on, counted from the
 *                                  first that the process wrote; lost of them are gone
 * raw.stdin   dataBase64 eof?      details {bytes}
 * raw.resize  rows columns
 * raw.signal  signal tree?         "TERM" or "SIGTERM"
 *
 * false: action is none of these. Else the call has ended; an unknown sessionId is TOOL_FAIL_NOT_FOUND.
 * -EINVAL goes to *ret_r with err, as struct tool's start() has it.
 */
bool process_raw(struct tool_call *call, const char *action, const char *id, const json_t *args,
	int *ret_r, struct error *err);

#endif
