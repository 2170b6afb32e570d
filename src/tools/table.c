/* SPDX-License-Identifier: MIT */
/* The table of tools: to add one, write its file and name it here. */
#include <string.h>
#include <strings.h>

#include "base/macro.h"
#include "tools/internal.h"

static const struct tool *const table[] = {
	&tool_exec,
	&tool_process,
	&tool_read,
	&tool_write,
	&tool_edit,
	&tool_apply_patch,
	&tool_ls,
	&tool_glob,
	&tool_grep,
	&tool_browser,
};

/* contract D6 */
static const struct {
	const char *alias, *name;
} aliases[] = {
	{"bash", "exec"},
	{"apply-patch", "apply_patch"},
};

const struct tool *const *tool_table(size_t *ret_count)
{
	*ret_count = ARRAY_SIZE(table);
	return table;
}

const struct tool *tool_by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(aliases); i++) {
		if (strcasecmp(aliases[i].alias, name) == 0) {
			name = aliases[i].name;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (strcasecmp(table[i]->name, name) == 0) {
			return table[i];
		}
	}
	return NULL;
}

bool tool_is_offered(const struct tool *tool, const struct decision *decision)
{
	return !tool->writes || decision == NULL || !decision->sandboxed ||
	       decision->spec.access != ACCESS_RO;
}
