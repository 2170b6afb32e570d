/* SPDX-License-Identifier: MIT */
/* `sandbox explain --json`: the original's fields, and what else a decision holds. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/report-internal.h"

enum {
	/* One page of the read tool (contract D11). */
	READ_PAGE_BYTES = 51200,
	READ_PAGE_LINES = 2000,
};

static json_t *source_object(const struct list_source *source)
{
	return json_pack("{s:s,s:s}", "source", source->source, "key", source->key);
}

static json_t *tools_object(const struct decision *d)
{
	return json_pack("{s:o,s:o,s:{s:o,s:o}}", "allow", report_list(&d->sandbox_allow), "deny",
		report_list(&d->sandbox_deny), "sources", "allow", source_object(&d->allow_source),
		"deny", source_object(&d->deny_source));
}

static json_t *sandbox_object(const struct decision *d, const struct report_host *host)
{
	const struct sandbox_spec *spec = &d->spec;

	return json_pack("{s:s,s:s,s:b,s:s,s:o,s:o,s:o,s:b,s:s,s:o,s:s,s:s,s:s,s:s,s:o,s:s,s:o}",
		"mode", sandbox_mode_name(d->mode), "scope", sandbox_scope_name(d->scope),
		"perSession", d->scope == SCOPE_SESSION ? 1 : 0, "workspaceAccess",
		workspace_access_name(spec->access), "workspaceRoot",
		report_text(d->workspace_root), "workspace", report_text(spec->workspace_dir),
		"agentWorkspace", report_text(spec->agent_workspace_dir), "sessionIsSandboxed",
		decision_is_isolated(d) ? 1 : 0, "backend", backend_kind_name(spec->backend),
		"backendReason", report_text(host->backend_reason), "containerName", spec->name,
		"scopeKey", spec->scope_key, "image", spec->image, "workdir", spec->workdir, "user",
		report_text(spec->user), "seccompProfile", spec_seccomp(spec), "tools",
		tools_object(d));
}

static json_t *elevated_object(const struct decision *d)
{
	json_t *from = json_object(), *failures = json_array(), *object;

	if (d->elevated.have_global) {
		json_object_set_new(from, "global", report_list(&d->elevated.global_allow));
	}
	if (d->elevated.have_agent) {
		json_object_set_new(from, "agent", report_list(&d->elevated.agent_allow));
	}
	for (size_t i = 0; i < d->elevated.failure_count; i++) {
		json_array_append_new(
			failures, json_pack("{s:s,s:s}", "gate", d->elevated.failures[i].gate,
					  "key", d->elevated.failures[i].key));
	}
	object = json_pack("{s:b,s:b,s:b,s:o,s:o}", "enabled", d->elevated.enabled ? 1 : 0,
		"allowedByConfig", d->elevated.allowed_by_config ? 1 : 0, "alwaysAllowedByConfig",
		d->elevated.always_allowed_by_config ? 1 : 0, "allowFrom", from, "failures",
		failures);
	if (d->elevated.channel != NULL) {
		json_object_set_new(object, "channel", json_string(d->elevated.channel));
	}
	return object;
}

static json_t *positive(int64_t value)
{
	return value > 0 ? json_integer(value) : json_null();
}

static json_t *limits_object(const struct decision *d)
{
	const struct sandbox_spec *spec = &d->spec;

	return json_pack("{s:o,s:o,s:o,s:o,s:o,s:I,s:I,s:i,s:i}", "pidsLimit",
		positive(spec->pids_limit), "memory", positive(spec->memory), "memorySwap",
		spec->memory_swap != 0 ? json_integer(spec->memory_swap) : json_null(), "cpus",
		spec->cpu_millis > 0 ? report_cpus(spec) : json_null(), "ulimits",
		report_ulimits(spec), "outputChars", (json_int_t)spec->output_limit_chars,
		"ringBytes", (json_int_t)spec->ring_bytes, "readPageBytes", READ_PAGE_BYTES,
		"readPageLines", READ_PAGE_LINES);
}

static json_t *mounts_array(const struct decision *d)
{
	json_t *array = report_mounts(&d->spec), *entry;
	size_t i;

	json_array_foreach(array, i, entry)
	{
		const struct spec_mount *m = &d->spec.mounts[i];

		json_object_set_new(entry, "key", report_text(m->key));
		if (m->dangerous) {
			json_object_set_new(entry, "dangerous", json_true());
		}
	}
	return array;
}

static json_t *isolation_object(const struct decision *d, const struct report_host *host)
{
	json_t *in_force = json_array(), *missing = json_array(), *allowed = json_array();

	for (size_t i = 0; i < host->layer_count; i++) {
		const struct report_layer *l = &host->layers[i];
		const char *name = isolation_layer_name(l->layer);

		if (l->present) {
			json_array_append_new(in_force, json_string(name));
			continue;
		}
		json_array_append_new(
			missing, json_pack("{s:s,s:o,s:o,s:b}", "layer", name, "detail",
					 report_text(l->detail), "fix", report_text(l->fix),
					 "allowed", d->spec.allow_missing[l->layer] ? 1 : 0));
	}
	for (int i = 0; i < LAYER_COUNT_; i++) {
		if (d->spec.allow_missing[i]) {
			json_array_append_new(allowed,
				json_string(isolation_layer_name((enum isolation_layer)i)));
		}
	}
	return json_pack(
		"{s:o,s:o,s:o}", "inForce", in_force, "missing", missing, "allowMissing", allowed);
}

static json_t *provenance_object(const struct decision *d)
{
	json_t *object = json_object();

	for (size_t i = 0; i < d->provenance_count; i++) {
		json_object_set_new(
			object, d->provenance[i].field, json_string(d->provenance[i].key));
	}
	return object;
}

static void add_warning(json_t *array, const char *fmt, ...) _printf_(2, 3);

static void add_warning(json_t *array, const char *fmt, ...)
{
	va_list args;
	char *text = NULL;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) >= 0) {
		json_array_append_new(array, report_text(text));
	}
	va_end(args);
	free(text);
}

/* What is configured and does nothing here: nobody should have to find that out by trying. */
static void add_unused(json_t *array, const struct decision *d)
{
	const char *key = decision_provenance(d, "sandbox.docker.image");

	if (d->spec.backend == BACKEND_NATIVE && strcmp(key, "default") != 0) {
		add_warning(array,
			"the image '%s' (%s) is not used: the native backend has no images; its "
			"root is %s",
			d->spec.image, key,
			d->spec.native_root != NULL ? d->spec.native_root
						    : "this host's own /usr, read-only");
	}
}

json_t *report_warnings(const struct decision *d)
{
	json_t *array = json_array();

	if (d->sandboxed && !decision_is_isolated(d)) {
		add_warning(array,
			"DANGEROUS: mode %s asks for a sandbox, but the backend is 'host' (%s), which "
			"isolates nothing: tools run directly on this host",
			sandbox_mode_name(d->mode), decision_provenance(d, "sandbox.backend"));
	}
	add_unused(array, d);
	for (size_t i = 0; i < d->spec.mount_count; i++) {
		const struct spec_mount *m = &d->spec.mounts[i];

		if (m->dangerous) {
			add_warning(array,
				"DANGEROUS: '%s' is bound to '%s' although it is a blocked path; "
				"dangerouslyAllowBindSources lets it through (%s)",
				m->source, m->target, m->key);
		}
	}
	if (d->allow_external_binds && d->bind_count > 0) {
		add_warning(array,
			"dangerouslyAllowExternalBindSources is on: binds may come from "
			"outside the workspaces (%s)",
			decision_provenance(
				d, "sandbox.docker.dangerouslyAllowExternalBindSources"));
	}
	return array;
}

json_t *report_explain(const struct decision *decision, const struct report_host *host)
{
	json_t *object = json_pack("{s:s,s:s,s:s,s:o,s:o,s:o,s:o,s:s,s:{s:I,s:I},s:o,s:o,s:o,s:o}",
		"agentId", decision->agent_id, "sessionKey", decision->session_key,
		"mainSessionKey", decision->main_session_key, "sandbox",
		sandbox_object(decision, host), "elevated", elevated_object(decision), "limits",
		limits_object(decision), "mounts", mounts_array(decision), "network",
		decision->spec.network, "prune", "idleHours",
		(json_int_t)decision->prune_idle_hours, "maxAgeDays",
		(json_int_t)decision->prune_max_age_days, "isolation",
		isolation_object(decision, host), "fixIt", report_list(&decision->fix_it),
		"warnings", report_warnings(decision), "provenance", provenance_object(decision));

	if (host->problem != NULL) {
		json_object_set_new(object, "problem", report_text(host->problem));
	}
	return object;
}
