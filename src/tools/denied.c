/* SPDX-License-Identifier: MIT */
/* Texts and details of refusals. */
#include "tools/denied.h"

#include <string.h>

static const char *or_unknown(const char *text)
{
	return text != NULL ? text : "unknown";
}

static const char *provenance_key(const struct decision *decision, const char *field)
{
	for (size_t i = 0; i < decision->provenance_count; i++) {
		if (strcmp(decision->provenance[i].field, field) == 0) {
			return decision->provenance[i].key;
		}
	}
	return NULL;
}

static json_t *denied_details(const char *layer, const char *what, const char *rule, json_t *fix)
{
	json_t *entry = json_object();

	(void)json_object_set_new(entry, "layer", json_string(or_unknown(layer)));
	(void)json_object_set_new(entry, "what", result_string(what, strlen(what)));
	(void)json_object_set_new(entry, "rule", json_string(rule != NULL ? rule : ""));
	(void)json_object_set_new(entry, "fix", fix);
	return json_pack("{s:[o]}", "denied", entry);
}

static void add_fix_lines(struct buf *text, const json_t *fix)
{
	for (size_t i = 0; i < json_array_size(fix); i++) {
		buf_addf(text, "%s- %s\n", i == 0 ? "Fix:\n" : "",
			json_string_value(json_array_get(fix, i)));
	}
}

static void add_explain_hint(struct buf *text, const struct decision *decision)
{
	if (decision != NULL && decision->session_key != NULL) {
		buf_addf(text, "See: creel sandbox explain --session %s", decision->session_key);
	}
}

static void deny(struct tool_call *call, const char *what, struct buf *text, const char *layer,
	const char *rule, json_t *fix)
{
	json_t *details = denied_details(layer, what, rule, fix);

	add_fix_lines(text, fix);
	add_explain_hint(text, call->decision);
	while (text->len > 0 && text->data[text->len - 1] == '\n') {
		text->data[--text->len] = '\0';
	}
	call_fail(call, TOOL_FAIL_DENIED, text->data, NULL, details);
}

void denied_by_policy(struct tool_call *call, const char *name, const struct tool_verdict *verdict)
{
	_cleanup_buf_ struct buf text = {0};
	json_t *fix = json_array();

	for (size_t i = 0; i < verdict->fix.count; i++) {
		(void)json_array_append_new(fix, json_string(verdict->fix.items[i]));
	}
	if (verdict->message != NULL) {
		buf_add_str(&text, verdict->message);
		call_fail(call, TOOL_FAIL_DENIED, text.data, NULL,
			denied_details(verdict->layer, verdict->tool != NULL ? verdict->tool : name,
				verdict->rule, fix));
		return;
	}
	buf_add_str(&text, "Tool \"");
	buf_add_escaped(&text, name, strlen(name), 64);
	buf_addf(&text, "\" blocked by %s tool policy.\nReason: %s\n", or_unknown(verdict->layer),
		or_unknown(verdict->reason));
	deny(call, verdict->tool != NULL ? verdict->tool : name, &text, verdict->layer,
		verdict->rule, fix);
}

void denied_by_access(struct tool_call *call)
{
	_cleanup_buf_ struct buf text = {0};
	const char *key = provenance_key(call->decision, "sandbox.workspaceAccess");

	buf_addf(&text,
		"Tool \"%s\" is not offered: the workspace is read-only here "
		"(workspaceAccess=ro, from %s).\n",
		call->tool->name, or_unknown(key));
	deny(call, call->tool->name, &text, "workspace", "workspaceAccess: ro",
		json_pack("[s]", "agents.defaults.sandbox.workspaceAccess"));
}

void denied_elevated(struct tool_call *call)
{
	const struct decision *decision = call->decision;
	_cleanup_buf_ struct buf text = {0};
	_cleanup_buf_ struct buf gates = {0};
	json_t *fix = json_array();

	for (size_t i = 0; i < decision->elevated.failure_count; i++) {
		const struct gate_failure *failure = &decision->elevated.failures[i];

		buf_addf(&gates, "%s%s (%s)", i == 0 ? "" : ", ", failure->gate, failure->key);
		(void)json_array_append_new(fix, json_string(failure->key));
	}
	buf_addf(&text, "elevated is not available right now (runtime=%s).\nFailing gates: %s\n",
		decision->sandboxed ? "sandboxed" : "direct", gates.len > 0 ? gates.data : "none");
	deny(call, "elevated", &text, "elevated", gates.len > 0 ? gates.data : "elevated", fix);
}
