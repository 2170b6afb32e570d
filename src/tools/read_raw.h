/* SPDX-License-Identifier: MIT */
/* read with raw: a piece of a file as it is, for programs. */
#ifndef TOOLS_READ_RAW_H
#define TOOLS_READ_RAW_H

#include "tools/internal.h"

/*
 * As struct tool's start, for a read with raw: true. It is in no schema, because a model gains nothing
 * from it: offset and limit are bytes, at most LIMIT_READ_RAW of them, beneath: true refuses what
 * leads out of the workspace, and details has "size" of the file, "offset", "bytes", "mimeType",
 * "encoding" ("utf-8" or "base64") and "data".
 */
int read_raw_start(struct tool_call *call, const json_t *args, struct error *err);

#endif
