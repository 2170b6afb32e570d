/* SPDX-License-Identifier: MIT */
/* `sandbox explain` for a person: what happens, why, and what would change it. */
#include <inttypes.h>
#include <string.h>

#include "policy/report-internal.h"

enum { LABEL_WIDTH = 18 };

/* Nothing that comes from a configuration or a file name moves the reader's cursor. */
static void add_shown(struct buf *out, const char *text)
{
	buf_add_printable(out, text, strlen(text), 0);
}

static void line(struct buf *out, const char *label, const char *value, const char *why)
{
	buf_addf(out, "  %-*s ", LABEL_WIDTH, label);
	add_shown(out, value);
	if (why != NULL) {
		buf_add_str(out, "   [");
		add_shown(out, why);
		buf_add_char(out, ']');
	}
	buf_add_char(out, '\n');
}

static void field_line(struct buf *out, const struct decision *d, const char *label,
	const char *value, const char *field)
{
	line(out, label, value, decision_provenance(d, field));
}

/* The one sentence that most people came for. */
static void add_summary(struct buf *out, const struct decision *d, const struct report_host *host)
{
	const char *key = decision_provenance(d, "sandbox.mode");

	if (d->sandboxed && host->problem != NULL) {
		buf_add_str(out,
			"This session belongs in a sandbox, but none can be started, so its "
			"tools are refused:\n  ");
		add_shown(out, host->problem);
		buf_add_char(out, '\n');
	} else if (d->sandboxed && d->elevated.granted) {
		buf_add_str(
			out, "This call is elevated: it runs on this host, outside the sandbox.\n");
	} else if (d->sandboxed && !decision_is_isolated(d)) {
		buf_addf(out,
			"Tools of this session run directly on this host, without a sandbox: mode is "
			"%s, but the backend is host (%s).\n",
			sandbox_mode_name(d->mode), decision_provenance(d, "sandbox.backend"));
	} else if (d->sandboxed) {
		buf_addf(out, "Tools of this session run in a sandbox (mode %s).\n",
			sandbox_mode_name(d->mode));
	} else if (d->mode == MODE_NON_MAIN) {
		buf_addf(out,
			"Tools of this session run directly on this host: it is the main session, "
			"and mode non-main sandboxes only the others (%s).\n",
			key);
	} else {
		buf_addf(out,
			"Tools of this session run directly on this host, without a sandbox: mode "
			"is off (%s).\n",
			key);
	}
}

static void add_effective(struct buf *out, const struct decision *d, const struct report_host *host)
{
	const struct sandbox_spec *spec = &d->spec;

	buf_add_str(out, "\nEffective sandbox\n");
	line(out, "agent", d->agent_id, NULL);
	line(out, "session", d->session_key, NULL);
	line(out, "main session", d->main_session_key, NULL);
	field_line(out, d, "mode", sandbox_mode_name(d->mode), "sandbox.mode");
	field_line(out, d, "scope", sandbox_scope_name(d->scope), "sandbox.scope");
	field_line(out, d, "workspace access", workspace_access_name(spec->access),
		"sandbox.workspaceAccess");
	line(out, "workspace", spec->workspace_dir, NULL);
	field_line(out, d, "agent workspace", spec->agent_workspace_dir, "sandbox.agentWorkspace");
	line(out, "backend", backend_kind_name(spec->backend), host->backend_reason);
	if (!decision_is_isolated(d)) {
		return;
	}
	if (spec->backend == BACKEND_NATIVE) {
		line(out, "container", spec->name, NULL);
		field_line(out, d, "root",
			spec->native_root != NULL ? spec->native_root
						  : "this host's /usr and a small /etc, read-only",
			"sandbox.native.root");
	} else {
		line(out, "container", spec->name, NULL);
		field_line(out, d, "image", spec->image, "sandbox.docker.image");
	}
	line(out, "user", spec->user != NULL ? spec->user : "(not known yet)",
		strcmp(decision_provenance(d, "sandbox.docker.user"), "default") == 0
			? "owner of the workspace"
			: decision_provenance(d, "sandbox.docker.user"));
	field_line(out, d, "network", spec->network, "sandbox.docker.network");
	field_line(out, d, "system calls", spec_seccomp(spec), "sandbox.docker.seccompProfile");
}

static void add_mounts(struct buf *out, const struct decision *d)
{
	const struct sandbox_spec *spec = &d->spec;

	if (!decision_is_isolated(d)) {
		return;
	}
	buf_add_str(out, "\nWhat it sees of this host\n");
	for (size_t i = 0; i < spec->mount_count; i++) {
		const struct spec_mount *m = &spec->mounts[i];

		buf_addf(out, "  %-*s ", LABEL_WIDTH, m->target);
		add_shown(out, m->source);
		buf_addf(out, " (%s)   [%s]\n", m->read_only ? "read-only" : "read and write",
			m->key);
		if (m->dangerous) {
			buf_add_str(out, "    DANGEROUS: a blocked path, let through by "
					 "dangerouslyAllowBindSources\n");
		}
	}
}

static void add_list(struct buf *out, const char *label, const struct strv *list,
	const struct list_source *source, const char *empty)
{
	buf_addf(out, "  %-*s ", LABEL_WIDTH, label);
	for (size_t i = 0; i < list->count; i++) {
		buf_add_str(out, i > 0 ? ", " : "");
		add_shown(out, list->items[i]);
	}
	buf_addf(
		out, "%s   [%s: %s]\n", list->count == 0 ? empty : "", source->source, source->key);
}

static void add_policy(struct buf *out, const struct decision *d)
{
	buf_add_str(out, "\nSandbox tool policy\n");
	add_list(out, "allow", &d->sandbox_allow, &d->allow_source, "(everything)");
	add_list(out, "deny", &d->sandbox_deny, &d->deny_source, "(nothing)");
	if (!d->sandboxed) {
		buf_add_str(out, "  (not applied: this session is not sandboxed)\n");
	}
	if (d->tool.tool != NULL) {
		report_verdict_text(&d->tool, out);
	}
}

static void add_elevated(struct buf *out, const struct decision *d)
{
	buf_add_str(out, "\nElevated (a call that asks to leave the sandbox)\n");
	line(out, "enabled", d->elevated.enabled ? "yes" : "no",
		decision_provenance(d, "elevated.enabled"));
	line(out, "channel", d->elevated.channel != NULL ? d->elevated.channel : "(none known)",
		NULL);
	line(out, "allowed",
		d->elevated.always_allowed_by_config ? "yes, for every sender"
		: d->elevated.allowed_by_config      ? "for listed senders"
						     : "no",
		NULL);
	for (size_t i = 0; i < d->elevated.failure_count; i++) {
		line(out, "failing gate", d->elevated.failures[i].gate,
			d->elevated.failures[i].key);
	}
}

static void limit_line(struct buf *out, const struct decision *d, const char *label, int64_t value,
	const char *unit, const char *field)
{
	char text[64];

	if (value == 0) {
		field_line(out, d, label, "no limit", field);
		return;
	}
	(void)snprintf(text, sizeof(text), "%" PRId64 "%s", value, unit);
	field_line(out, d, label, value < 0 ? "unlimited" : text, field);
}

static void add_limits(struct buf *out, const struct decision *d)
{
	const struct sandbox_spec *spec = &d->spec;

	buf_add_str(out, "\nLimits\n");
	limit_line(out, d, "processes", spec->pids_limit, "", "sandbox.docker.pidsLimit");
	limit_line(out, d, "memory", spec->memory, " bytes", "sandbox.docker.memory");
	limit_line(out, d, "memory and swap", spec->memory_swap, " bytes",
		"sandbox.docker.memorySwap");
	limit_line(out, d, "cpu", spec->cpu_millis, "/1000 cores", "sandbox.docker.cpus");
	limit_line(out, d, "output per call", spec->output_limit_chars, " characters, the end kept",
		"limits.outputChars");
	limit_line(
		out, d, "output kept", spec->ring_bytes, " bytes per process", "limits.ringBytes");
}

static void add_isolation(struct buf *out, const struct decision *d, const struct report_host *host)
{
	size_t missing = 0;

	if (host->layer_count == 0 || !decision_is_isolated(d)) {
		return;
	}
	buf_addf(out, "\nIsolation\n  %-*s ", LABEL_WIDTH, "in force");
	for (size_t i = 0, shown = 0; i < host->layer_count; i++) {
		if (host->layers[i].present) {
			buf_addf(out, "%s%s", shown++ > 0 ? ", " : "",
				isolation_layer_name(host->layers[i].layer));
		}
		missing += !host->layers[i].present;
	}
	buf_add_char(out, '\n');
	for (size_t i = 0; missing > 0 && i < host->layer_count; i++) {
		const struct report_layer *l = &host->layers[i];

		if (l->present) {
			continue;
		}
		buf_addf(out, "  %-*s %s: %s%s\n", LABEL_WIDTH, "missing here",
			isolation_layer_name(l->layer), l->detail != NULL ? l->detail : "",
			d->spec.allow_missing[l->layer]
				? " (allowed by sandbox.native.allowMissing)"
				: "");
		if (l->fix != NULL && *l->fix != '\0') {
			buf_addf(out, "  %-*s %s\n", LABEL_WIDTH, "", l->fix);
		}
	}
}

static void add_warnings(struct buf *out, const struct decision *d)
{
	json_t *warnings = report_warnings(d), *warning;
	size_t i;

	json_array_foreach(warnings, i, warning)
	{
		buf_add_str(out, i == 0 ? "\nWarnings\n  - " : "  - ");
		add_shown(out, json_string_value(warning));
		buf_add_char(out, '\n');
	}
	json_decref(warnings);
}

static void add_fix_it(struct buf *out, const struct decision *d)
{
	buf_add_str(out, "\nFix-it (keys that change this)\n");
	for (size_t i = 0; i < d->fix_it.count; i++) {
		buf_addf(out, "  - %s\n", d->fix_it.items[i]);
	}
}

void report_explain_text(
	const struct decision *decision, const struct report_host *host, struct buf *out)
{
	add_summary(out, decision, host);
	add_effective(out, decision, host);
	add_mounts(out, decision);
	add_policy(out, decision);
	add_elevated(out, decision);
	add_limits(out, decision);
	add_isolation(out, decision, host);
	add_warnings(out, decision);
	add_fix_it(out, decision);
	buf_add_str(out, "\n[..] names the key that decided; 'default' means that none is set.\n");
}
