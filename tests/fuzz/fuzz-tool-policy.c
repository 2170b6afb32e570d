/* SPDX-License-Identifier: MIT */
/* Tool lists and wildcards from any bytes, against a matcher that cannot go wrong. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "policy/tools.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One row of the table per pattern character: does pattern[..p] match name[..n]? */
static bool table_match(const char *pattern, const char *name)
{
	size_t len = strlen(name);
	bool *row = xcalloc(len + 1, sizeof(*row)), result;

	row[0] = true;
	for (; *pattern != '\0'; pattern++) {
		bool diagonal = row[0];

		row[0] = row[0] && *pattern == '*';
		for (size_t n = 1; n <= len; n++) {
			bool above = row[n];

			row[n] = *pattern == '*' ? above || row[n - 1]
						 : diagonal && *pattern == name[n - 1];
			diagonal = above;
		}
	}
	result = row[len];
	free(row);
	return result;
}

/* First line the tool; then one entry per line, '-' in front for the deny list. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_arena_ struct arena a = {0};
	char *tool = arena_strndup(&a, (const char *)data, size < 4096 ? size : 4096), *line = tool;
	struct tool_policy policy = {0};
	struct tool_match match;
	struct strv expanded = {0};
	const char *name;

	while ((line = strchr(line, '\n')) != NULL) {
		*line++ = '\0';
		strv_add_ref(
			*line == '-' ? &policy.deny : &policy.allow, &a, line + (*line == '-'));
	}
	name = tool_name_normalize(&a, tool);
	for (size_t i = 0; i < policy.allow.count; i++) {
		assert(tool_glob_match(policy.allow.items[i], name) ==
			table_match(policy.allow.items[i], name));
	}
	match = policy_match(&a, &policy, tool);
	assert(match.allowed == (match.rule == RULE_NONE || match.rule == RULE_ALLOW));
	assert((match.entries.count > 0) == (match.rule == RULE_ALLOW || match.rule == RULE_DENY));
	for (size_t i = 0; i < policy.deny.count; i++) {
		assert(!tool_entry_covers(&a, policy.deny.items[i], name) || !match.allowed);
	}
	tool_list_expand(&a, &policy.allow, &expanded);
	return 0;
}
