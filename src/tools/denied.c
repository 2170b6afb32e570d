/* SPDX-License-Identifier: MIT */
/* Texts and details of refusals. */
#include "tools/denied.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/macro.h"

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

static json_t *denied_entry(const char *layer, const char *what, const char *rule, json_t *fix)
{
	json_t *entry = json_object();

	(void)json_object_set_new(entry, "layer", json_string(or_unknown(layer)));
	(void)json_object_set_new(entry, "what", result_string(what, strlen(what)));
	(void)json_object_set_new(entry, "rule", json_string(rule != NULL ? rule : ""));
	(void)json_object_set_new(entry, "fix", fix);
	return entry;
}

static json_t *denied_details(const char *layer, const char *what, const char *rule, json_t *fix)
{
	return json_pack("{s:[o]}", "denied", denied_entry(layer, what, rule, fix));
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

/* What is told about one command. */
struct telling {
	json_t *rows;
	struct buf sentence; /* "connections out of the sandbox (2) (netns), ..." */
	const char *key; /* of the first row */
};

static void on_denial(void *arg, const struct denial *denial)
{
	struct telling *telling = arg;
	json_t *fix = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(denial->fix) && denial->fix[i] != NULL; i++) {
		(void)json_array_append_new(fix, json_string(denial->fix[i]));
	}
	(void)json_array_append_new(
		telling->rows, denied_entry(denial->layer, denial->what, denial->rule, fix));
	buf_addf(&telling->sentence, "%s%s [%s]", telling->sentence.len > 0 ? ", " : "",
		denial->what, denial->layer);
	if (telling->key == NULL) {
		telling->key = denial->fix[0];
	}
}

/* What the end of a command says by itself. */
static void tell_end(const struct tool_process *p, denial_fn told, void *arg)
{
	struct denial row = {
		.layer = isolation_layer_name(LAYER_RLIMITS),
		.fix = {"agents.defaults.sandbox.docker.ulimits"},
	};

	if (p->failed && p->fail_stage == WIRE_FAIL_RESOURCES && p->fail_errnum == EAGAIN) {
		row.what = "one process more";
		row.rule = "docker.pidsLimit";
		row.fix[0] = "agents.defaults.sandbox.docker.pidsLimit";
	} else if (p->exited && p->exit.signal == SIGXFSZ) {
		row.what = "a larger file";
		row.rule = "docker.ulimits: fsize";
	} else if (p->exited && p->exit.signal == SIGXCPU) {
		row.what = "more processor time";
		row.rule = "docker.ulimits: cpu";
	} else {
		return;
	}
	told(arg, &row);
}

void denied_to_command(struct tool_call *call, const struct tool_process *process, bool failed,
	json_t *details, struct buf *text)
{
	struct telling telling = {.rows = json_array()};

	if (!call->on_host) {
		if (call->session->denials != NULL) {
			denials_collect(call->session->denials, process->pid, on_denial, &telling);
		}
		tell_end(process, on_denial, &telling);
	}
	if (failed && telling.key != NULL) {
		buf_addf(text,
			"%s(The sandbox refused: %s. Who runs it can change that, beginning with "
			"%s.)",
			text->len > 0 ? "\n\n" : "", telling.sentence.data, telling.key);
	}
	if (json_array_size(telling.rows) > 0) {
		(void)json_object_set_new(details, "denied", telling.rows);
	} else {
		json_decref(telling.rows);
	}
	buf_finish(&telling.sentence);
}
