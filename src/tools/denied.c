/* SPDX-License-Identifier: MIT */
/* Texts and details of refusals. */
#include "tools/denied.h"

#include <string.h>

#include "base/arena.h"
#include "base/macro.h"
#include "base/path.h"
#include "tools/denied_place.h"

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

json_t *denied_row(const struct denial *denial)
{
	json_t *row = json_object(), *fix = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(denial->fix) && denial->fix[i] != NULL; i++) {
		(void)json_array_append_new(fix, json_string(denial->fix[i]));
	}
	(void)json_object_set_new(row, "layer", json_string(or_unknown(denial->layer)));
	(void)json_object_set_new(row, "what", result_string(denial->what, strlen(denial->what)));
	(void)json_object_set_new(
		row, "rule", json_string(denial->rule != NULL ? denial->rule : ""));
	(void)json_object_set_new(row, "fix", fix);
	(void)json_object_set_new(row, "source", json_string(denial_source_name(denial->source)));
	if (denial->count > 0) {
		(void)json_object_set_new(row, "count", json_integer((json_int_t)denial->count));
	}
	return row;
}

void denied_tell(struct tool_call *call, const struct tool_process *process, const json_t *row)
{
	const struct tool_session *session = process != NULL ? process->session : call->session;
	const struct tool_denied denied = {
		.tool = process != NULL      ? "exec"
			: call->tool != NULL ? call->tool->name
					     : NULL,
		.process_id = process != NULL ? process->id : NULL,
		.call_arg = call != NULL ? call->arg : NULL,
		.row = row,
	};

	if (session->denied != NULL) {
		session->denied(session->denied_arg, &denied);
	}
}

/* Our own decision: one row, which is told. fix is taken over. */
static json_t *denied_details(
	struct tool_call *call, const char *layer, const char *what, const char *rule, json_t *fix)
{
	json_t *row = denied_row(&(struct denial){
		.source = DENIAL_POLICY, .layer = layer, .what = what, .rule = rule});

	(void)json_object_set_new(row, "fix", fix);
	denied_tell(call, NULL, row);
	return json_pack("{s:[o]}", "denied", row);
}

json_t *denied_write(struct tool_call *call, const char *path)
{
	_cleanup_arena_ struct arena arena = {0};
	const struct sandbox_spec *spec = &call->decision->spec;
	const char *full = path != NULL && spec->workdir != NULL
				   ? path_normalize(&arena, path_join(&arena, spec->workdir, path))
				   : NULL;
	struct denial denial;
	json_t *row;

	/* A link may lead elsewhere: then it is not this place that is read-only. */
	if (full == NULL || !denied_place_read_only(spec, full, &arena, &denial)) {
		denied_place_somewhere(&denial);
	}
	denial.source = DENIAL_FILE;
	row = denied_row(&denial);
	denied_tell(call, NULL, row);
	return json_pack("{s:[o]}", "denied", row);
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
	json_t *details = denied_details(call, layer, what, rule, fix);

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
			denied_details(call, verdict->layer,
				verdict->tool != NULL ? verdict->tool : name, verdict->rule, fix));
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
