/* SPDX-License-Identifier: MIT */
/* The tool catalogue and the matcher. */
#include "policy/tools.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/macro.h"
#include "policy/text.h"

static const char *const group_fs[] = {"read", "write", "edit", "apply_patch", NULL};
static const char *const group_runtime[] = {"exec", "process", NULL};
static const char *const group_web[] = {"web_search", "web_fetch", NULL};
static const char *const group_memory[] = {"memory_search", "memory_get", NULL};
static const char *const group_sessions[] = {"sessions_list", "sessions_history", "sessions_send",
	"sessions_spawn", "subagents", "session_status", NULL};
static const char *const group_ui[] = {"browser", "canvas", NULL};
static const char *const group_messaging[] = {"message", NULL};
static const char *const group_automation[] = {"cron", "gateway", NULL};
static const char *const group_nodes[] = {"nodes", NULL};
static const char *const group_agents[] = {"agents_list", NULL};
static const char *const group_media[] = {"image", "tts", NULL};
/* Every tool of the original that is neither a file nor a process tool. */
static const char *const group_openclaw[] = {
	"web_search",
	"web_fetch",
	"memory_search",
	"memory_get",
	"sessions_list",
	"sessions_history",
	"sessions_send",
	"sessions_spawn",
	"subagents",
	"session_status",
	"browser",
	"canvas",
	"message",
	"cron",
	"gateway",
	"nodes",
	"agents_list",
	"image",
	"tts",
	NULL,
};

static const struct {
	const char *name;
	const char *const *members;
} groups[] = {
	{"group:fs", group_fs},
	{"group:runtime", group_runtime},
	{"group:web", group_web},
	{"group:memory", group_memory},
	{"group:sessions", group_sessions},
	{"group:ui", group_ui},
	{"group:messaging", group_messaging},
	{"group:automation", group_automation},
	{"group:nodes", group_nodes},
	{"group:agents", group_agents},
	{"group:media", group_media},
	{"group:openclaw", group_openclaw},
};

/* Known tools that are in no group: ours beyond the original, and the login helper of a channel. */
static const char *const ungrouped[] = {"ls", "glob", "grep", "whatsapp_login"};

static const char *const profile_minimal[] = {"session_status", NULL};
static const char *const profile_coding[] = {
	"read",
	"write",
	"edit",
	"apply_patch",
	"exec",
	"process",
	"memory_search",
	"memory_get",
	"sessions_list",
	"sessions_history",
	"sessions_send",
	"sessions_spawn",
	"subagents",
	"session_status",
	"cron",
	"image",
	NULL,
};
static const char *const profile_messaging[] = {
	"sessions_list", "sessions_history", "sessions_send", "session_status", "message", NULL};

static const struct {
	const char *name;
	const char *const *allow; /* NULL: everything */
} profiles[] = {
	{"minimal", profile_minimal},
	{"coding", profile_coding},
	{"messaging", profile_messaging},
	{"full", NULL},
};

static const char *resolve_alias(const char *name)
{
	if (strcmp(name, "bash") == 0) {
		return "exec";
	}
	return strcmp(name, "apply-patch") == 0 ? "apply_patch" : name;
}

char *tool_name_normalize(struct arena *a, const char *name)
{
	char *folded = text_fold(a, name);
	const char *real = resolve_alias(folded);

	return real == folded ? folded : arena_strdup(a, real);
}

const char *tool_group_name(size_t index)
{
	return index < ARRAY_SIZE(groups) ? groups[index].name : NULL;
}

const char *const *tool_group_members(const char *normalized)
{
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		if (strcmp(groups[i].name, normalized) == 0) {
			return groups[i].members;
		}
	}
	return NULL;
}

static bool list_has(const char *const *list, const char *name)
{
	for (; *list != NULL; list++) {
		if (strcmp(*list, name) == 0) {
			return true;
		}
	}
	return false;
}

bool tool_name_is_known(const char *normalized)
{
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		if (list_has(groups[i].members, normalized)) {
			return true;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(ungrouped); i++) {
		if (strcmp(ungrouped[i], normalized) == 0) {
			return true;
		}
	}
	return false;
}

const char *const *tool_profile(const char *name, bool *ret_known)
{
	for (size_t i = 0; i < ARRAY_SIZE(profiles); i++) {
		if (name != NULL && strcmp(profiles[i].name, name) == 0) {
			*ret_known = true;
			return profiles[i].allow;
		}
	}
	*ret_known = false;
	return NULL;
}

static void add_once(struct arena *a, struct strv *list, const char *item)
{
	if (!strv_contains(list, item)) {
		strv_add_ref(list, a, item);
	}
}

/* Names seen so far: a table of open slots, because a list in a configuration may be very long. */
struct seen {
	struct arena *arena;
	const char **slots;
	size_t size, used; /* size is a power of two */
};

enum { SEEN_START = 64 };

static const char **seen_slot(const struct seen *s, const char *name)
{
	uint64_t hash = 14695981039346656037U; /* FNV-1a */
	size_t at;

	for (const char *p = name; *p != '\0'; p++) {
		hash = (hash ^ (unsigned char)*p) * 1099511628211U;
	}
	at = (size_t)hash & (s->size - 1);
	while (s->slots[at] != NULL && strcmp(s->slots[at], name) != 0) {
		at = (at + 1) & (s->size - 1);
	}
	return &s->slots[at];
}

static void seen_grow(struct seen *s)
{
	struct seen old = *s;

	s->size = old.size > 0 ? old.size * 2 : SEEN_START;
	s->slots = arena_calloc(s->arena, s->size, sizeof(*s->slots));
	for (size_t i = 0; i < old.size; i++) {
		if (old.slots[i] != NULL) {
			*seen_slot(s, old.slots[i]) = old.slots[i];
		}
	}
}

/* Was it new? name is kept. */
static bool seen_add(struct seen *s, const char *name)
{
	const char **slot;

	if (s->used * 2 >= s->size) {
		seen_grow(s);
	}
	slot = seen_slot(s, name);
	if (*slot != NULL) {
		return false;
	}
	*slot = name;
	s->used++;
	return true;
}

static void add_new(struct seen *s, struct strv *list, const char *name)
{
	if (seen_add(s, name)) {
		strv_add_ref(list, s->arena, name);
	}
}

void tool_list_expand(struct arena *a, const struct strv *entries, struct strv *ret)
{
	struct seen seen = {.arena = a};

	for (size_t i = 0; i < ret->count; i++) {
		(void)seen_add(&seen, ret->items[i]);
	}
	for (size_t i = 0; entries != NULL && i < entries->count; i++) {
		const char *name = tool_name_normalize(a, entries->items[i]);
		const char *const *members = tool_group_members(name);

		for (; members != NULL && *members != NULL; members++) {
			add_new(&seen, ret, *members);
		}
		if (members == NULL && *name != '\0') {
			add_new(&seen, ret, name);
		}
	}
}

void tool_list_known(struct arena *a, struct strv *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		for (const char *const *name = groups[i].members; *name != NULL; name++) {
			add_once(a, ret, *name);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(ungrouped); i++) {
		add_once(a, ret, ungrouped[i]);
	}
}

/* Linear in practice and at worst length times length: after a mismatch only the last '*' is tried
 * again, one character further on. */
bool tool_glob_match(const char *pattern, const char *name)
{
	const char *star = NULL, *retry = NULL;

	while (*name != '\0') {
		if (*pattern == '*') {
			star = ++pattern;
			retry = name;
		} else if (*pattern == *name) {
			pattern++;
			name++;
		} else if (star != NULL) {
			pattern = star;
			name = ++retry;
		} else {
			return false;
		}
	}
	pattern += strspn(pattern, "*");
	return *pattern == '\0';
}

/* Most entries are already in their normal form: those are compared without a copy. */
static bool is_plain(const char *entry)
{
	for (const char *p = entry; *p != '\0'; p++) {
		if ((*p < 'a' || *p > 'z') && (*p < '0' || *p > '9') && *p != '_' && *p != ':' &&
			*p != '*') {
			return false;
		}
	}
	return *entry != '\0';
}

bool tool_entry_covers(struct arena *a, const char *entry, const char *name)
{
	const char *const *members;

	entry = is_plain(entry) ? resolve_alias(entry) : tool_name_normalize(a, entry);
	if (*entry == '\0') {
		return false;
	}
	if (strncmp(entry, "group:", 6) == 0) {
		members = tool_group_members(entry);
		if (members != NULL) {
			return list_has(members, name);
		}
	}
	return tool_glob_match(entry, name);
}

const char *tool_rule_name(enum tool_rule rule)
{
	static const char *const names[] = {
		[RULE_NONE] = "none",
		[RULE_ALLOW] = "allow",
		[RULE_DENY] = "deny",
		[RULE_NOT_IN_ALLOW] = "not-in-allow",
	};
	_Static_assert(ARRAY_SIZE(names) == RULE_COUNT_, "every rule has a name");

	return names[rule];
}

static bool has_entries(const struct strv *list)
{
	for (size_t i = 0; i < list->count; i++) {
		if (!text_is_blank(list->items[i])) {
			return true;
		}
	}
	return false;
}

static const char *first_cover(struct arena *a, const struct strv *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++) {
		if (tool_entry_covers(a, list->items[i], name)) {
			return list->items[i];
		}
	}
	return NULL;
}

/* The tool whose entry lets this one in too; NULL: none. The tools that look around came after the
 * configurations that only know read. */
static const char *brought_along_by(const char *name)
{
	static const char *const lookers[] = {"ls", "glob", "grep"};

	if (strcmp(name, "apply_patch") == 0) {
		return "exec";
	}
	for (size_t i = 0; i < ARRAY_SIZE(lookers); i++) {
		if (strcmp(name, lookers[i]) == 0) {
			return "read";
		}
	}
	return NULL;
}

/* Who may not read may not look either; that exec is denied says nothing about apply_patch. */
static const char *denied_with(const char *name)
{
	const char *by = brought_along_by(name);

	return by != NULL && strcmp(by, "read") == 0 ? by : NULL;
}

enum tool_rule policy_rule(
	struct arena *a, const struct tool_policy *policy, const char *name, const char **ret_entry)
{
	const char *by = brought_along_by(name);

	*ret_entry = first_cover(a, &policy->deny, name);
	if (*ret_entry == NULL && denied_with(name) != NULL) {
		*ret_entry = first_cover(a, &policy->deny, denied_with(name));
	}
	if (*ret_entry != NULL) {
		return RULE_DENY;
	}
	if (!has_entries(&policy->allow)) {
		return RULE_NONE;
	}
	*ret_entry = first_cover(a, &policy->allow, name);
	if (*ret_entry == NULL && by != NULL) {
		*ret_entry = first_cover(a, &policy->allow, by);
	}
	return *ret_entry != NULL ? RULE_ALLOW : RULE_NOT_IN_ALLOW;
}

static void collect(struct arena *a, const struct strv *list, const char *name, struct strv *ret)
{
	for (size_t i = 0; i < list->count; i++) {
		if (tool_entry_covers(a, list->items[i], name)) {
			strv_add_ref(ret, a, list->items[i]);
		}
	}
}

struct tool_match policy_match(struct arena *a, const struct tool_policy *policy, const char *tool)
{
	const char *name = tool_name_normalize(a, tool), *entry = NULL;
	struct tool_match match = {.rule = policy_rule(a, policy, name, &entry)};

	match.allowed = match.rule == RULE_NONE || match.rule == RULE_ALLOW;
	if (match.rule == RULE_DENY) {
		collect(a, &policy->deny, name, &match.entries);
		if (match.entries.count == 0) {
			collect(a, &policy->deny, denied_with(name), &match.entries);
		}
	} else if (match.rule == RULE_ALLOW) {
		collect(a, &policy->allow, name, &match.entries);
		if (match.entries.count == 0) {
			collect(a, &policy->allow, brought_along_by(name), &match.entries);
		}
	}
	return match;
}
