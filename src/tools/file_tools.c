/* SPDX-License-Identifier: MIT */
/* read, write, edit, apply_patch, ls, glob, grep: their schemas and arguments. */
#include <errno.h>

#include "tools/args.h"
#include "tools/internal.h"

static int not_yet(struct tool_call *call, const json_t *args, struct error *err)
{
	(void)call;
	(void)args;
	return error_plain(err, ENOSYS, "not there yet");
}
#define T(n, w)                        \
	const struct tool tool_##n = { \
		.name = #n, .summary = "", .parameters = "{}", .writes = w, .start = not_yet}
T(read, false);
T(write, true);
T(edit, true);
T(apply_patch, true);
T(ls, false);
T(glob, false);
T(grep, false);
