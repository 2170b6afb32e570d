/* SPDX-License-Identifier: MIT */
/* Elevated execution: the gates, who asked, and whether this call leaves the sandbox. */
#include "policy/elevated.h"

#include <string.h>
#include <strings.h>

#include "base/macro.h"
#include "policy/directive.h"
#include "policy/text.h"
#include "policy/view.h"

/* Letters and digits, everything else one '-': "Ann B." and "ann-b" are the same name. */
static char *name_slug(struct arena *a, const char *text)
{
	char *lower = text_fold(a, text), *out = arena_alloc(a, strlen(lower) + 1);
	size_t len = 0;

	for (const char *p = lower; *p != '\0'; p++) {
		bool word = (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') ||
			    (unsigned char)*p >= 0x80;

		if (word) {
			out[len++] = *p;
		} else if (len > 0 && out[len - 1] != '-') {
			out[len++] = '-';
		}
	}
	while (len > 0 && out[len - 1] == '-') {
		len--;
	}
	out[len] = '\0';
	return out;
}

static bool same_name(struct arena *a, const char *field, const char *value)
{
	const char *slug;

	if (text_is_blank(field)) {
		return false;
	}
	if (strcmp(text_fold(a, field), text_fold(a, value)) == 0) {
		return true;
	}
	slug = name_slug(a, value);
	return *slug != '\0' && strcmp(name_slug(a, field), slug) == 0;
}

/* Without "whatsapp:" in front, folded. */
static const char *identity(struct arena *a, const char *text, const char *channel)
{
	const char *folded = text_fold(a, text);
	size_t len = channel != NULL ? strlen(channel) : 0;

	if (len > 0 && strncmp(folded, channel, len) == 0 && folded[len] == ':') {
		return text_trim(a, folded + len + 1);
	}
	return folded;
}

static bool same_identity(
	struct arena *a, const char *field, const char *value, const char *channel)
{
	const char *wanted = identity(a, value, channel);

	/* "whatsapp:" alone names nobody. */
	return !text_is_blank(field) && *wanted != '\0' &&
	       strcmp(identity(a, field, channel), wanted) == 0;
}

/* An entry that picks its field. false in *ret_prefixed: it does not. */
static bool prefixed_admits(struct arena *a, const char *entry, const struct sender *s,
	const char *channel, bool *ret_prefixed)
{
	const struct {
		const char *prefix, *field;
		bool is_name;
	} fields[] = {
		{"id:", s->id, false},
		{"from:", s->from, false},
		{"e164:", s->e164, false},
		{"name:", s->name, true},
		{"username:", s->username, true},
		{"tag:", s->tag, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		size_t len = strlen(fields[i].prefix);

		if (strncasecmp(entry, fields[i].prefix, len) == 0) {
			*ret_prefixed = true;
			if (text_is_blank(entry + len)) {
				return false;
			}
			return fields[i].is_name
				       ? same_name(a, fields[i].field, entry + len)
				       : same_identity(a, fields[i].field, entry + len, channel);
		}
	}
	*ret_prefixed = false;
	return false;
}

bool elevated_list_admits(
	struct arena *a, const struct strv *list, const struct sender *sender, const char *channel)
{
	for (size_t i = 0; i < list->count; i++) {
		const char *entry = list->items[i];
		bool prefixed, admits;

		if (strcmp(entry, "*") == 0) {
			return true;
		}
		admits = prefixed_admits(a, entry, sender, channel, &prefixed);
		if (!prefixed) {
			admits = same_identity(a, sender->id, entry, channel) ||
				 same_identity(a, sender->from, entry, channel) ||
				 same_identity(a, sender->e164, entry, channel);
		}
		if (admits) {
			return true;
		}
	}
	return false;
}

/* The list for a channel, trimmed, blanks out. Keys are taken as they are written. */
static void read_allow(
	struct view *v, const json_t *allow_from, const char *channel, struct strv *ret)
{
	struct strv raw = {0};

	view_strings(v->arena, json_object_get(allow_from, channel), &raw);
	for (size_t i = 0; i < raw.count; i++) {
		if (!text_is_blank(raw.items[i])) {
			strv_add_ref(ret, v->arena, text_trim(v->arena, raw.items[i]));
		}
	}
}

enum { MAX_FAILURES = 6 };

static void add_failure(struct view *v, const char *gate, const char *key)
{
	struct decision *d = v->decision;

	if (d->elevated.failures == NULL) {
		d->elevated.failures =
			arena_calloc(v->arena, MAX_FAILURES, sizeof(*d->elevated.failures));
	}
	if (d->elevated.failure_count < MAX_FAILURES) {
		d->elevated.failures[d->elevated.failure_count++] =
			(struct gate_failure){.gate = gate, .key = key};
	}
}

static bool enabled_gate(struct view *v, const json_t *elevated, const char *shown)
{
	if (json_is_false(json_object_get(elevated, "enabled"))) {
		add_failure(v, "enabled", shown);
		return false;
	}
	return true;
}

static bool sender_known(const struct sender *s)
{
	return s->id != NULL || s->from != NULL || s->e164 != NULL || s->name != NULL ||
	       s->username != NULL || s->tag != NULL;
}

/* One allowFrom gate: the list has to name somebody, and this sender if there is one. */
static bool allow_gate(struct view *v, const struct strv *list, const char *base)
{
	struct decision *d = v->decision;
	const char *key = text_concat(v->arena, base, ".allowFrom.", d->elevated.channel, NULL);

	if (list->count == 0 || (sender_known(&v->request->sender) &&
					!elevated_list_admits(v->arena, list, &v->request->sender,
						d->elevated.channel))) {
		add_failure(v, "allowFrom", key);
		return false;
	}
	return true;
}

/* Discord's own allow list stands in where tools.elevated.allowFrom.discord is absent. It counts for
 * a known sender only: what the configuration allows in general is asked without one. */
static void discord_fallback(struct view *v)
{
	const json_t *channel = json_object_get(json_object_get(v->root, "channels"), "discord");
	const json_t *list = json_object_get(json_object_get(channel, "dm"), "allowFrom");

	list = list != NULL ? list : json_object_get(channel, "allowFrom");
	view_strings(v->arena, list, &v->decision->elevated.global_allow);
}

static void decide_allow(struct view *v, const json_t *global, const json_t *agent)
{
	struct decision *d = v->decision;
	const json_t *global_from = json_object_get(global, "allowFrom");
	const json_t *agent_from = json_object_get(agent, "allowFrom");
	bool ok;

	d->elevated.have_global = true;
	read_allow(v, global_from, d->elevated.channel, &d->elevated.global_allow);
	if (strcmp(d->elevated.channel, "discord") == 0 && sender_known(&v->request->sender) &&
		json_object_get(global_from, "discord") == NULL) {
		discord_fallback(v);
	}
	ok = allow_gate(v, &d->elevated.global_allow, "tools.elevated");
	if (agent_from != NULL) {
		d->elevated.have_agent = true;
		read_allow(v, agent_from, d->elevated.channel, &d->elevated.agent_allow);
		ok = allow_gate(v, &d->elevated.agent_allow, "agents.list[].tools.elevated") && ok;
	}
	d->elevated.allowed_by_config = d->elevated.enabled && ok;
	d->elevated.always_allowed_by_config =
		d->elevated.allowed_by_config && strv_contains(&d->elevated.global_allow, "*") &&
		(agent_from == NULL || strv_contains(&d->elevated.agent_allow, "*"));
}

static bool level_leaves(const char *level)
{
	const char *known = elevated_level(level);

	return known != NULL && strcmp(known, "off") != 0;
}

/* Contract D7: never by being allowed alone; somebody has to ask. */
static bool asked_for(struct view *v)
{
	const char *standing = json_string_value(json_object_get(v->defaults, "elevatedDefault"));

	if (v->request->elevated) {
		return true;
	}
	return level_leaves(
		v->request->session_elevated != NULL ? v->request->session_elevated : standing);
}

static const char *request_channel(struct view *v)
{
	if (!text_is_blank(v->request->sender.provider)) {
		return session_channel_name(v->arena, v->request->sender.provider);
	}
	return session_channel(v->arena, v->session.key, v->session.main_name);
}

void decide_elevated(struct view *v)
{
	struct decision *d = v->decision;
	const json_t *global = json_object_get(v->tools, "elevated");
	const json_t *agent = json_object_get(v->agent_tools, "elevated");
	bool global_on = enabled_gate(v, global, "tools.elevated.enabled");
	bool agent_on = enabled_gate(v, agent, "agents.list[].tools.elevated.enabled");
	const char *tool = v->request->tool;

	d->elevated.enabled = global_on && agent_on;
	d->elevated.channel = request_channel(v);
	if (d->elevated.channel != NULL) {
		decide_allow(v, global, agent);
	} else if (v->request->elevated) {
		add_failure(v, "provider", "tools.elevated.allowFrom.<provider>");
	}
	view_provenance(v, "elevated.enabled",
		!global_on ? "tools.elevated.enabled"
		: json_object_get(agent, "enabled") != NULL
			? view_agent_key(v, "tools.elevated.enabled")
		: json_object_get(global, "enabled") != NULL ? "tools.elevated.enabled"
							     : "default");
	if (tool != NULL && strcmp(tool_name_normalize(v->arena, tool), "exec") != 0) {
		return;
	}
	d->elevated.requested = asked_for(v);
	/* Without a sandbox there is nothing to leave. A list that admits "*" admits a sender that
	 * nobody named; any other list needs to know who is asking. */
	d->elevated.granted =
		d->sandboxed && d->elevated.requested && d->elevated.allowed_by_config &&
		(sender_known(&v->request->sender) || d->elevated.always_allowed_by_config);
}

/* A call that asks to leave and may not is refused, not quietly run inside. */
void elevated_apply(struct view *v, struct tool_verdict *verdict)
{
	struct decision *d = v->decision;
	const char *gates = "", *fix[] = {"tools.elevated.enabled", "tools.elevated.allowFrom",
					"agents.list[].tools.elevated.enabled",
					"agents.list[].tools.elevated.allowFrom"};

	if (!verdict->allowed || !v->request->elevated || !d->elevated.requested || !d->sandboxed ||
		d->elevated.granted) {
		return;
	}
	for (size_t i = 0; i < d->elevated.failure_count; i++) {
		gates = arena_printf(v->arena, "%s%s%s (%s)", gates, i > 0 ? ", " : "",
			d->elevated.failures[i].gate, d->elevated.failures[i].key);
		strv_add_ref(&verdict->fix, v->arena, d->elevated.failures[i].key);
	}
	if (d->elevated.failure_count == 0) {
		gates = "allowFrom (the sender is not known; name one with --sender)";
	}
	for (size_t i = 0; i < ARRAY_SIZE(fix); i++) {
		strv_add_ref(&verdict->fix, v->arena, fix[i]);
	}
	verdict->allowed = false;
	verdict->layer = "elevated";
	verdict->rule = d->elevated.failure_count > 0 ? d->elevated.failures[0].key
						      : "tools.elevated.allowFrom";
	verdict->reason = arena_printf(v->arena,
		"elevated is not available right now (runtime=sandboxed); "
		"failing gates: %s",
		gates);
	verdict->message = arena_printf(v->arena,
		"elevated is not available right now (runtime=sandboxed).\n"
		"Failing gates: %s\nFix-it keys:\n- %s\n- %s\n- %s\n- %s",
		gates, fix[0], fix[1], fix[2], fix[3]);
}
