/* SPDX-License-Identifier: MIT */
/* Tool lists that name no tool. */
#include "policy/lint.h"

#include <stdlib.h>
#include <string.h>

#include "config/doc.h"
#include "config/nearest.h"
#include "policy/tools.h"

/* More than a person reads, and each place is found by walking its file. */
enum { WARNINGS_MAX = 100 };

struct lint {
	const struct config *config;
	struct arena *arena;
	struct strv known; /* tools and groups */
	struct config_issue *issues;
	size_t count, cap;
};

static void add_known(struct lint *l)
{
	tool_list_known(l->arena, &l->known);
	for (size_t i = 0; tool_group_name(i) != NULL; i++) {
		strv_add_ref(&l->known, l->arena, tool_group_name(i));
	}
	strv_add_ref(&l->known, l->arena, "bash");
	strv_add_ref(&l->known, l->arena, "apply-patch");
}

static void warn(struct lint *l, const char *path, const char *message, const char *hint)
{
	struct config_issue issue = {
		.path = path, .message = message, .hint = hint, .warning = true};

	if (l->count >= WARNINGS_MAX) {
		return;
	}
	if (!config_issue_place(l->config, path, &issue)) {
		issue.file = l->config->path != NULL ? l->config->path : "";
	}
	if (l->count >= l->cap) {
		struct config_issue *larger;

		l->cap = l->cap > 0 ? l->cap * 2 : 8;
		larger = arena_calloc(l->arena, l->cap, sizeof(*larger));
		if (l->count > 0) {
			memcpy(larger, l->issues, l->count * sizeof(*larger));
		}
		l->issues = larger;
	}
	l->issues[l->count++] = issue;
}

static bool names_a_tool(const struct lint *l, const char *entry)
{
	for (size_t i = 0; i < l->known.count; i++) {
		if (tool_entry_covers(l->arena, entry, l->known.items[i])) {
			return true;
		}
	}
	return false;
}

static const char *suggestion(struct lint *l, const char *entry)
{
	const char *nearest =
		nearest_name(tool_name_normalize(l->arena, entry), l->known.items, l->known.count);

	return nearest != NULL ? arena_printf(l->arena, "did you mean '%s'?", nearest) : NULL;
}

static const char *quoted(struct arena *a, const char *text)
{
	_cleanup_buf_ struct buf out = {0};

	buf_add_char(&out, '\'');
	buf_add_escaped(&out, text, strlen(text), 60);
	buf_add_char(&out, '\'');
	return arena_strdup(a, out.data);
}

/* A tool of a plugin has a name that nobody here knows: an unknown entry says nothing yet unless it
 * is nearly a known one, or nothing else is allowed. */
static void lint_list(struct lint *l, const char *path, const json_t *list, bool allow)
{
	const char *only = NULL;
	bool useful = false;
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		const char *entry = json_string_value(item), *hint;

		if (entry == NULL || *tool_name_normalize(l->arena, entry) == '\0') {
			continue;
		}
		if (names_a_tool(l, entry)) {
			useful = true;
			continue;
		}
		only = only != NULL ? only : entry;
		hint = suggestion(l, entry);
		if (hint != NULL) {
			warn(l, arena_printf(l->arena, "%s[%zu]", path, i),
				arena_printf(l->arena, "there is no tool called %s",
					quoted(l->arena, entry)),
				hint);
		}
	}
	if (allow && !useful && only != NULL) {
		warn(l, path,
			arena_printf(l->arena,
				"nothing in this list names a tool, as %s: it allows no tool at all",
				quoted(l->arena, only)),
			"'creel policy check TOOL' says what a tool's name does; remove the list to "
			"allow every tool");
	}
}

static const char *member(struct arena *a, const char *path, const char *key)
{
	_cleanup_buf_ struct buf out = {0};

	buf_add_str(&out, path);
	doc_path_add_key(&out, key);
	return arena_strdup(a, out.data);
}

/* Every allow, alsoAllow and deny below a tools block, at whatever depth its policies stand. Depth is
 * bounded by the reader. */
static void lint_block(struct lint *l, const char *path, json_t *block)
{
	const char *key;
	json_t *value;

	json_object_foreach(block, key, value)
	{
		bool allow = strcmp(key, "allow") == 0;

		if (json_is_object(value)) {
			lint_block(l, member(l->arena, path, key), value);
		} else if (json_is_array(value) &&
			   (allow || strcmp(key, "alsoAllow") == 0 || strcmp(key, "deny") == 0)) {
			lint_list(l, member(l->arena, path, key), value, allow);
		}
	}
}

static int compare_places(const void *a, const void *b)
{
	const struct config_issue *x = a, *y = b;
	int order = strcmp(x->file, y->file);

	if (order != 0 || x->offset == y->offset) {
		return order;
	}
	return x->offset < y->offset ? -1 : 1;
}

size_t policy_lint(const struct config *config, struct arena *a, struct config_issue **ret_issues)
{
	struct lint l = {.config = config, .arena = a};
	json_t *agent;
	size_t i;

	add_known(&l);
	lint_block(&l, "tools", json_object_get(config->root, "tools"));
	json_array_foreach(config_get(config, "agents.list"), i, agent)
	{
		if (i < config->agent_count) {
			lint_block(&l, member(a, config->agent_keys[i], "tools"),
				json_object_get(agent, "tools"));
		}
	}
	if (l.count > 0) {
		qsort(l.issues, l.count, sizeof(*l.issues), compare_places);
	}
	*ret_issues = l.issues;
	return l.count;
}
