/* SPDX-License-Identifier: MIT */
/* Tool names, groups, profiles, wildcards, and one allow/deny policy against one name. Pure. */
#ifndef POLICY_TOOLS_H
#define POLICY_TOOLS_H

#include <stdbool.h>

#include "base/strv.h"

/* Trimmed, lower case, aliases resolved (bash -> exec, apply-patch -> apply_patch). */
char *tool_name_normalize(struct arena *a, const char *name);

/* Is it one of the tools this program or the original knows? */
bool tool_name_is_known(const char *normalized);

/* Every tool that tool_name_is_known() knows, in catalogue order. */
void tool_list_known(struct arena *a, struct strv *ret);

/* The name of the group at an index, from 0; NULL: past the last. */
const char *tool_group_name(size_t index);

/* The members of a group ("group:fs"), NULL-terminated; NULL when there is no such group. */
const char *const *tool_group_members(const char *normalized);

/* The allow list of a profile in catalogue order; NULL: unknown, or "full", which allows all.
 * *ret_known tells the two apart. */
const char *const *tool_profile(const char *name, bool *ret_known);

/* Normalise, expand groups, drop blanks and repeats; order kept. Entries may be NULL. */
void tool_list_expand(struct arena *a, const struct strv *entries, struct strv *ret);

/* '*' stands for any run of characters, everything else for itself; the whole name must match. */
bool tool_glob_match(const char *pattern, const char *name);

/* Does one list entry, as written, cover a normalised name? */
bool tool_entry_covers(struct arena *a, const char *entry, const char *name);

struct tool_policy {
	struct strv allow, deny; /* as written */
};

enum tool_rule { RULE_NONE, RULE_ALLOW, RULE_DENY, RULE_NOT_IN_ALLOW, RULE_COUNT_ };
const char *tool_rule_name(enum tool_rule rule); /* "none", "allow", "deny", "not-in-allow" */

struct tool_match {
	bool allowed;
	enum tool_rule rule;
	struct strv entries; /* those that decided, as written; set by policy_match() only */
};

/*
 * A name in the deny list is refused; else an allow list without entries allows everything; else it
 * has to be in the allow list, where exec brings apply_patch along, and read brings ls, glob and
 * grep. A deny of read denies those too.
 */
struct tool_match policy_match(struct arena *a, const struct tool_policy *policy, const char *tool);

/* The same answer without collecting entries, for a name that is already normalised. */
enum tool_rule policy_rule(struct arena *a, const struct tool_policy *policy, const char *name,
	const char **ret_entry);

#endif
