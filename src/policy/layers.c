/* SPDX-License-Identifier: MIT */
/*
 * The tool pipeline. Each layer can only take tools away: whatever a layer above refused, no layer
 * below is asked about. The first refusal is the answer, and says who refused and how to change it.
 */
#include <string.h>
#include <strings.h>

#include "base/macro.h"
#include "policy/text.h"
#include "policy/view.h"

static const char *const default_allow[] = {
	"exec",
	"process",
	"read",
	"write",
	"edit",
	"apply_patch",
	"image",
	"sessions_list",
	"sessions_history",
	"sessions_send",
	"sessions_spawn",
	"subagents",
	"session_status",
};
static const char *const default_deny[] = {
	"browser",
	"canvas",
	"nodes",
	"cron",
	"gateway",
	"telegram",
	"whatsapp",
	"discord",
	"irc",
	"googlechat",
	"slack",
	"signal",
	"imessage",
};
static const char *const owner_only[] = {"whatsapp_login", "cron", "gateway"};
static const char *const writers[] = {"write", "edit", "apply_patch"};
static const char *const subagent_deny[] = {
	"gateway",
	"agents_list",
	"whatsapp_login",
	"session_status",
	"cron",
	"memory_search",
	"memory_get",
	"sessions_send",
};
static const char *const leaf_deny[] = {"sessions_list", "sessions_history", "sessions_spawn"};

static bool is_one_of(const char *name, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(list[i], name) == 0) {
			return true;
		}
	}
	return false;
}

/* ---- the sandbox layer's two lists ---- */

static const json_t *sandbox_tools(const json_t *tools)
{
	return json_object_get(json_object_get(tools, "sandbox"), "tools");
}

struct list_choice {
	const json_t *value;
	const char *source; /* "agent", "global", "default" */
	const char *shown; /* as the original names it: agents.list[]... */
	const char *exact; /* as config_get() takes it, or "default" */
};

/* agent ?? global ?? default, each list for itself. */
static struct list_choice choose_list(struct view *v, const char *name)
{
	const json_t *value = json_object_get(sandbox_tools(v->agent_tools), name);
	const char *tail = text_concat(v->arena, "tools.sandbox.tools.", name, NULL);

	if (json_is_array(value)) {
		return (struct list_choice){value, "agent",
			text_concat(v->arena, "agents.list[].", tail, NULL),
			view_agent_key(v, tail)};
	}
	value = json_object_get(sandbox_tools(v->tools), name);
	if (json_is_array(value)) {
		return (struct list_choice){value, "global", tail, tail};
	}
	return (struct list_choice){NULL, "default", tail, "default"};
}

static void expand_json(struct view *v, const json_t *list, struct strv *ret)
{
	struct strv raw = {0};

	view_strings(v->arena, list, &raw);
	tool_list_expand(v->arena, &raw, ret);
}

static void add_once(struct view *v, struct strv *list, const char *item)
{
	if (!strv_contains(list, item)) {
		strv_add_ref(list, v->arena, item);
	}
}

/* Contract D17: what alsoAllow names is allowed on top of the allow list (an empty one allows all
 * already). */
static void extend_allow(struct view *v, const struct list_choice *also)
{
	struct decision *d = v->decision;
	bool by_default = strcmp(d->allow_source.source, "default") == 0;

	if (also->value == NULL || d->sandbox_allow.count == 0 ||
		json_array_size(also->value) == 0) {
		return;
	}
	expand_json(v, also->value, &d->sandbox_allow);
	if (by_default) {
		d->allow_source = (struct list_source){also->source, also->shown};
		view_provenance(v, "sandbox.tools.alsoAllow", also->exact);
	}
}

static bool lifted(struct view *v, const json_t *also, const char *name)
{
	const json_t *item;
	size_t i;

	json_array_foreach(also, i, item)
	{
		if (json_is_string(item) &&
			tool_entry_covers(v->arena, json_string_value(item), name)) {
			return true;
		}
	}
	return false;
}

static void fill_deny(
	struct view *v, const struct list_choice *deny, const struct list_choice *also)
{
	struct decision *d = v->decision;

	if (deny->value != NULL) {
		expand_json(v, deny->value, &d->sandbox_deny);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(default_deny); i++) {
		/* Contract D15: a sandbox with a browser may use it. */
		if (d->browser_enabled && strcmp(default_deny[i], "browser") == 0) {
			continue;
		}
		if (!lifted(v, also->value, default_deny[i])) {
			strv_add_ref(&d->sandbox_deny, v->arena, default_deny[i]);
		}
	}
}

static void fill_allow(struct view *v, const struct list_choice *allow)
{
	struct decision *d = v->decision;

	if (allow->value != NULL) {
		expand_json(v, allow->value, &d->sandbox_allow);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(default_allow); i++) {
		strv_add_ref(&d->sandbox_allow, v->arena, default_allow[i]);
	}
	if (d->browser_enabled) {
		strv_add_ref(&d->sandbox_allow, v->arena, "browser");
	}
}

void decide_sandbox_tools(struct view *v)
{
	struct decision *d = v->decision;
	struct list_choice allow = choose_list(v, "allow"), deny = choose_list(v, "deny"),
			   also = choose_list(v, "alsoAllow");
	enum view_level level;

	d->browser_enabled = json_is_true(view_get(v, VIEW_BROWSER, "enabled", &level));
	view_provenance(v, "sandbox.browser.enabled", view_key(v, level, VIEW_BROWSER, "enabled"));
	d->allow_source = (struct list_source){allow.source, allow.shown};
	d->deny_source = (struct list_source){deny.source, deny.shown};
	view_provenance(v, "sandbox.tools.allow", allow.exact);
	view_provenance(v, "sandbox.tools.deny", deny.exact);
	fill_allow(v, &allow);
	fill_deny(v, &deny, &also);
	extend_allow(v, &also);
	/* A model that may look at anything may look at pictures, unless they are denied by name. */
	if (d->sandbox_allow.count > 0 && !strv_contains(&d->sandbox_deny, "image")) {
		add_once(v, &d->sandbox_allow, "image");
	}
}

/* ---- refusing ---- */

static bool refuse(
	struct tool_verdict *verdict, const char *layer, const char *rule, const char *reason)
{
	verdict->allowed = false;
	verdict->layer = layer;
	verdict->rule = rule;
	verdict->reason = reason;
	return false;
}

static void add_fix(struct view *v, struct tool_verdict *verdict, const char *key)
{
	if (!strv_contains(&verdict->fix, key)) {
		strv_add_ref(&verdict->fix, v->arena, key);
	}
}

/* One policy of one layer. base: the path of the object, "tools" or "agents.list[0].tools". */
static bool apply_policy(struct view *v, struct tool_verdict *verdict,
	const struct tool_policy *policy, const char *layer, const char *base,
	const char *allow_key)
{
	const char *entry, *key;

	switch (policy_rule(v->arena, policy, verdict->tool, &entry)) {
	case RULE_DENY:
		key = text_concat(v->arena, base, ".deny", NULL);
		add_fix(v, verdict, key);
		return refuse(verdict, layer, text_concat(v->arena, key, ": ", entry, NULL),
			arena_printf(v->arena, "the deny list %s contains '%s', which covers '%s'",
				key, entry, verdict->tool));
	case RULE_NOT_IN_ALLOW:
		key = text_concat(v->arena, base, ".", allow_key, NULL);
		add_fix(v, verdict, key);
		return refuse(verdict, layer, key,
			arena_printf(v->arena,
				"the allow list %s does not contain '%s', and a tool that "
				"is not in it is not offered",
				key, verdict->tool));
	case RULE_NONE:
	case RULE_ALLOW:
	case RULE_COUNT_:
		break;
	}
	return true;
}

/* {allow, alsoAllow, deny} as a plain layer reads it: alsoAllow alone restricts nothing. */
static struct tool_policy read_policy(struct view *v, const json_t *object)
{
	struct tool_policy policy = {0};
	const json_t *also = json_object_get(object, "alsoAllow");

	view_strings(v->arena, json_object_get(object, "allow"), &policy.allow);
	view_strings(v->arena, json_object_get(object, "deny"), &policy.deny);
	if (json_array_size(also) > 0 && policy.allow.count > 0) {
		view_strings(v->arena, also, &policy.allow);
	}
	return policy;
}

static bool check_plain(struct view *v, struct tool_verdict *verdict, const json_t *object,
	const char *layer, const char *base)
{
	struct tool_policy policy;

	if (!json_is_object(object)) {
		return true;
	}
	policy = read_policy(v, object);
	return apply_policy(v, verdict, &policy, layer, base, "allow");
}

/* ---- the layers, in order ---- */

static bool check_owner(struct view *v, struct tool_verdict *verdict)
{
	if (v->request->sender.is_owner ||
		!is_one_of(verdict->tool, owner_only, ARRAY_SIZE(owner_only))) {
		return true;
	}
	add_fix(v, verdict, "--owner");
	return refuse(verdict, "owner", "owner only",
		arena_printf(v->arena,
			"'%s' is offered to the owner alone, and the sender is not known "
			"to be the owner",
			verdict->tool));
}

/* Where a scope's setting stands: the agent's tools, else the global ones. */
struct scoped {
	const json_t *value;
	const char *key; /* of the object that holds it */
};

static struct scoped scoped_get(struct view *v, const json_t *agent, const char *agent_base,
	const json_t *global, const char *global_base, const char *name)
{
	const json_t *value = json_object_get(agent, name);

	if (value != NULL && !json_is_null(value)) {
		return (struct scoped){value, view_agent_key(v, agent_base)};
	}
	return (struct scoped){json_object_get(global, name), global_base};
}

static bool check_profile(struct view *v, struct tool_verdict *verdict, const json_t *agent,
	const char *agent_base, const json_t *global, const char *global_base, const char *layer)
{
	struct scoped profile = scoped_get(v, agent, agent_base, global, global_base, "profile");
	struct scoped also = scoped_get(v, agent, agent_base, global, global_base, "alsoAllow");
	const char *name = json_string_value(profile.value), *key;
	struct tool_policy policy = {0};
	bool known;
	const char *const *allow = tool_profile(name, &known);

	if (allow == NULL) {
		return true;
	}
	for (; *allow != NULL; allow++) {
		strv_add_ref(&policy.allow, v->arena, *allow);
	}
	view_strings(v->arena, also.value, &policy.allow);
	if (policy_rule(v->arena, &policy, verdict->tool, &key) != RULE_NOT_IN_ALLOW) {
		return true;
	}
	key = text_concat(v->arena, profile.key, ".profile", NULL);
	add_fix(v, verdict, text_concat(v->arena, profile.key, ".alsoAllow", NULL));
	add_fix(v, verdict, key);
	return refuse(verdict, layer, text_concat(v->arena, key, ": ", name, NULL),
		arena_printf(v->arena,
			"the profile '%s' (%s) does not contain '%s'; alsoAllow adds to a "
			"profile",
			name, key, verdict->tool));
}

/* byProvider[provider/model], else byProvider[provider]; keys are compared folded. */
static const json_t *find_provider(struct view *v, const json_t *tools, const char **ret_name)
{
	json_t *map = json_object_get(tools, "byProvider"), *entry;
	const char *wanted = v->request->model_provider, *name, *slash;
	const json_t *short_match = NULL;
	char *full, *provider;

	if (map == NULL || text_is_blank(wanted)) {
		return NULL;
	}
	full = text_fold(v->arena, wanted);
	slash = strchr(full, '/');
	provider = arena_strndup(
		v->arena, full, slash != NULL ? (size_t)(slash - full) : strlen(full));
	json_object_foreach(map, name, entry)
	{
		char *folded = text_fold(v->arena, name);

		if (strcmp(folded, full) == 0) {
			*ret_name = name;
			return entry;
		}
		if (strcmp(folded, provider) == 0) {
			*ret_name = name;
			short_match = entry;
		}
	}
	return short_match;
}

static const char *provider_base(struct view *v, const char *tools, const char *name)
{
	return text_concat(v->arena, tools, ".byProvider.", name, NULL);
}

static bool check_provider_profile(struct view *v, struct tool_verdict *verdict)
{
	const char *agent_name = "", *global_name = "";
	const json_t *agent = find_provider(v, v->agent_tools, &agent_name);
	const json_t *global = find_provider(v, v->tools, &global_name);

	return check_profile(v, verdict, agent, provider_base(v, "tools", agent_name), global,
		provider_base(v, "tools", global_name), "provider-profile");
}

static bool check_provider(struct view *v, struct tool_verdict *verdict, const json_t *tools,
	const char *base, const char *layer)
{
	const char *name = "";
	const json_t *entry = find_provider(v, tools, &name);

	return check_plain(v, verdict, entry, layer, provider_base(v, base, name));
}

static bool sender_is(struct view *v, const char *key)
{
	const struct sender *s = &v->request->sender;
	const char *const fields[] = {s->id, s->e164, s->username, s->name};

	key += *key == '@';
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (fields[i] != NULL && strcasecmp(fields[i] + (fields[i][0] == '@'), key) == 0) {
			return true;
		}
	}
	return false;
}

/* toolsBySender: the sender's own entry, else "*". */
static const json_t *sender_policy(struct view *v, json_t *map, const char **ret_name)
{
	const char *name;
	json_t *entry;

	json_object_foreach(map, name, entry)
	{
		if (strcmp(name, "*") != 0 && sender_is(v, name)) {
			*ret_name = name;
			return entry;
		}
	}
	*ret_name = "*";
	return json_object_get(map, "*");
}

/* Session keys are in lower case, the ids that people copy into a configuration often are not. */
static const json_t *find_group(
	struct view *v, json_t *groups, const char *wanted, const char **ret_id)
{
	const char *id;
	json_t *group = json_object_get(groups, wanted);

	*ret_id = wanted;
	if (group != NULL) {
		return group;
	}
	json_object_foreach(groups, id, group)
	{
		if (strcmp(text_fold(v->arena, id), wanted) == 0) {
			*ret_id = id;
			return group;
		}
	}
	*ret_id = "*";
	return json_object_get(groups, "*");
}

/* channels.<channel>.groups.<id>, else .groups.*: {tools, toolsBySender}. */
static bool check_group(struct view *v, struct tool_verdict *verdict)
{
	const char *channel = session_channel(v->arena, v->session.key, v->session.main_name);
	const char *agent, *rest, *id, *name;
	const json_t *group, *policy;
	const char *base;
	json_t *groups;

	if (channel == NULL || !session_key_parse(v->arena, v->session.key, &agent, &rest)) {
		return true;
	}
	groups = json_object_get(
		json_object_get(json_object_get(v->root, "channels"), channel), "groups");
	id = strstr(rest, ":group:");
	if (groups == NULL || id == NULL) {
		return true;
	}
	id = arena_strndup(v->arena, id + 7, strcspn(id + 7, ":"));
	group = find_group(v, groups, id, &id);
	base = text_concat(v->arena, "channels.", channel, ".groups.", id, NULL);
	policy = sender_policy(v, json_object_get(group, "toolsBySender"), &name);
	if (policy != NULL) {
		return check_plain(v, verdict, policy, "group",
			text_concat(v->arena, base, ".toolsBySender.", name, NULL));
	}
	return check_plain(v, verdict, json_object_get(group, "tools"), "group",
		text_concat(v->arena, base, ".tools", NULL));
}

/* What the tool call is answered with: the original's text, which models have learned to read. */
static const char *blocked_message(
	struct view *v, const struct tool_verdict *verdict, const char *reasons)
{
	const struct decision *d = v->decision;
	const char *fix = "", *hint = "", *shown = text_shown(v->arena, d->session_key);

	for (size_t i = 0; i < verdict->fix.count; i++) {
		fix = text_concat(v->arena, fix, "\n- ", verdict->fix.items[i], NULL);
	}
	if (d->mode == MODE_NON_MAIN) {
		hint = arena_printf(
			v->arena, "\n- use the main session key (%s)", d->main_session_key);
	}
	return arena_printf(v->arena,
		"Tool \"%s\" blocked by sandbox tool policy (mode=%s).\n"
		"Session: %s\nReason: %s\nFix:%s%s\n"
		"See: creel sandbox explain --session %s",
		text_shown(v->arena, verdict->tool), sandbox_mode_name(d->mode), shown, reasons,
		fix, hint, text_shell_word(v->arena, shown));
}

static bool check_sandbox(struct view *v, struct tool_verdict *verdict)
{
	struct decision *d = v->decision;
	struct tool_policy deny = {.deny = d->sandbox_deny}, allow = {.allow = d->sandbox_allow};
	const char *entry, *other;
	bool denied = policy_rule(v->arena, &deny, verdict->tool, &entry) == RULE_DENY;
	bool missing = policy_rule(v->arena, &allow, verdict->tool, &other) == RULE_NOT_IN_ALLOW;
	const char *reasons = denied && missing ? "deny list + allow list"
			      : denied          ? "deny list"
						: "allow list";

	if (!denied && !missing) {
		return true;
	}
	if (denied) {
		add_fix(v, verdict, d->deny_source.key);
	}
	if (missing) {
		add_fix(v, verdict, d->allow_source.key);
	}
	add_fix(v, verdict, "agents.defaults.sandbox.mode=off");
	add_fix(v, verdict, "agents.defaults.sandbox.mode");
	refuse(verdict, "sandbox",
		denied ? text_concat(v->arena, d->deny_source.key, ": ", entry, NULL)
		       : d->allow_source.key,
		arena_printf(v->arena, "%s: in a sandbox '%s' is %s%s%s", reasons, verdict->tool,
			denied ? arena_printf(v->arena, "refused by %s (%s)", d->deny_source.key,
					 d->deny_source.source)
			       : "",
			denied && missing ? " and " : "",
			missing ? arena_printf(v->arena, "not in %s (%s)", d->allow_source.key,
					  d->allow_source.source)
				: ""));
	verdict->message = blocked_message(v, verdict, reasons);
	return false;
}

/* Read-only means that nothing which writes is offered, not that it fails when it is used. */
static bool check_access(struct view *v, struct tool_verdict *verdict)
{
	struct decision *d = v->decision;
	const char *key;

	if (d->spec.access != ACCESS_RO ||
		!is_one_of(verdict->tool, writers, ARRAY_SIZE(writers))) {
		return true;
	}
	key = decision_provenance(d, "sandbox.workspaceAccess");
	add_fix(v, verdict, key);
	return refuse(verdict, "workspace", text_concat(v->arena, key, ": ro", NULL),
		arena_printf(v->arena,
			"workspaceAccess is 'ro', so '%s' is not offered; 'rw' would let it "
			"write",
			verdict->tool));
}

static int subagent_depth(struct view *v)
{
	int depth = session_subagent_depth(v->session.key);

	return v->request->subagent_depth > depth ? v->request->subagent_depth : depth;
}

static bool explicitly_allowed(struct view *v, const json_t *config, const char *name)
{
	return lifted(v, json_object_get(config, "allow"), name) ||
	       lifted(v, json_object_get(config, "alsoAllow"), name);
}

static bool check_subagent(struct view *v, struct tool_verdict *verdict)
{
	const json_t *config = json_object_get(json_object_get(v->tools, "subagents"), "tools");
	const json_t *most =
		json_object_get(json_object_get(v->defaults, "subagents"), "maxSpawnDepth");
	int depth = subagent_depth(v);
	json_int_t max_depth = json_is_integer(most) ? json_integer_value(most) : 1;
	bool never = is_one_of(verdict->tool, subagent_deny, ARRAY_SIZE(subagent_deny));
	bool leaf =
		depth >= max_depth && is_one_of(verdict->tool, leaf_deny, ARRAY_SIZE(leaf_deny));

	if (depth == 0) {
		return true;
	}
	if ((never || leaf) && !explicitly_allowed(v, config, verdict->tool)) {
		add_fix(v, verdict, "tools.subagents.tools.alsoAllow");
		if (leaf) {
			add_fix(v, verdict, "agents.defaults.subagents.maxSpawnDepth");
		}
		return refuse(verdict, "subagent", "sub-agent default",
			arena_printf(v->arena,
				"a sub-agent%s is not offered '%s' unless "
				"tools.subagents.tools.alsoAllow names it",
				leaf ? " that may not spawn further" : "", verdict->tool));
	}
	return check_plain(v, verdict, config, "subagent", "tools.subagents.tools");
}

void decide_tool(struct view *v, const char *tool, struct tool_verdict *ret)
{
	struct decision *d = v->decision;
	struct tool_verdict verdict = {
		.allowed = true,
		.tool = tool_name_normalize(v->arena, tool),
	};
	bool allowed =
		check_owner(v, &verdict) &&
		check_profile(v, &verdict, v->agent_tools, "tools", v->tools, "tools", "profile") &&
		check_provider_profile(v, &verdict) &&
		check_plain(v, &verdict, v->tools, "global", "tools") &&
		check_provider(v, &verdict, v->tools, "tools", "global-provider") &&
		check_plain(v, &verdict, v->agent_tools, "agent", view_agent_key(v, "tools")) &&
		check_provider(v, &verdict, v->agent_tools, view_agent_key(v, "tools"),
			"agent-provider") &&
		check_group(v, &verdict) &&
		(!d->sandboxed || (check_sandbox(v, &verdict) && check_access(v, &verdict))) &&
		check_subagent(v, &verdict);

	if (!allowed && verdict.message == NULL) {
		verdict.message =
			text_concat(v->arena, "Tool \"", text_shown(v->arena, verdict.tool),
				"\" is not available: ", verdict.reason, ".", NULL);
	}
	*ret = verdict;
}
