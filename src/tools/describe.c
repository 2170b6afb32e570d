/* SPDX-License-Identifier: MIT */
/* A tool as its clients are told of it. */
#include <stdbool.h>

#include "tools/tool.h"

static json_t *annotations_of(const struct tool *tool)
{
	return json_pack("{s:s, s:b, s:b, s:b, s:b}", "title", tool->title, "readOnlyHint",
		(tool->hints & TOOL_READS_ONLY) != 0, "destructiveHint",
		(tool->hints & TOOL_DESTRUCTIVE) != 0, "idempotentHint",
		(tool->hints & TOOL_IDEMPOTENT) != 0, "openWorldHint",
		(tool->hints & TOOL_OPEN_WORLD) != 0);
}

json_t *tool_describe(const struct tool *tool)
{
	json_t *output = tool->output != NULL ? json_loads(tool->output, 0, NULL) : NULL;

	return json_pack("{s:s, s:s, s:s, s:o, s:o*, s:o}", "name", tool->name, "title",
		tool->title, "description", tool->summary, "parameters",
		json_loads(tool->parameters, 0, NULL), "output", output, "annotations",
		annotations_of(tool));
}
