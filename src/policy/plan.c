/* SPDX-License-Identifier: MIT */
/* `sandbox plan`: the container that would be made. */
#include <string.h>

#include "policy/report-internal.h"

json_t *report_ulimits(const struct sandbox_spec *spec)
{
	json_t *object = json_object();

	for (size_t i = 0; i < spec->ulimit_count; i++) {
		const struct spec_ulimit *u = &spec->ulimits[i];

		json_object_set_new(object, u->name,
			json_pack("{s:I,s:I}", "soft", (json_int_t)u->soft, "hard",
				(json_int_t)u->hard));
	}
	return object;
}

json_t *report_cpus(const struct sandbox_spec *spec)
{
	if (spec->cpu_millis % 1000 == 0) {
		return json_integer(spec->cpu_millis / 1000);
	}
	return json_real((double)spec->cpu_millis / 1000.0);
}

json_t *report_mounts(const struct sandbox_spec *spec)
{
	json_t *array = json_array();

	for (size_t i = 0; i < spec->mount_count; i++) {
		const struct spec_mount *m = &spec->mounts[i];

		json_array_append_new(array,
			json_pack("{s:o,s:o,s:b}", "source", report_text(m->source), "target",
				report_text(m->target), "readOnly", m->read_only ? 1 : 0));
	}
	return array;
}

static json_t *env_object(const struct strv *env, bool reveal)
{
	json_t *object = json_object();

	for (size_t i = 0; i < env->count; i++) {
		const char *eq = strchr(env->items[i], '=');
		char *name = strndup(env->items[i], (size_t)(eq - env->items[i]));

		if (name != NULL) {
			json_object_set_new(object, name,
				reveal ? report_text(eq + 1) : report_env_value(name, eq + 1));
		}
		free(name);
	}
	return object;
}

/* Sizes in bytes; a limit that is not set is left out, so that 0 cannot be taken for one. */
static void add_limits(json_t *container, const struct sandbox_spec *spec)
{
	if (spec->pids_limit > 0) {
		json_object_set_new(container, "pidsLimit", json_integer(spec->pids_limit));
	}
	if (spec->memory > 0) {
		json_object_set_new(container, "memory", json_integer(spec->memory));
	}
	if (spec->memory_swap != 0) {
		json_object_set_new(container, "memorySwap", json_integer(spec->memory_swap));
	}
	if (spec->cpu_millis > 0) {
		json_object_set_new(container, "cpus", report_cpus(spec));
	}
}

json_t *report_plan(
	const struct decision *decision, const char *backend_reason, json_t *steps, bool reveal)
{
	const struct sandbox_spec *spec = &decision->spec;
	json_t *container = json_pack("{s:s,s:s,s:o,s:s,s:o,s:b,s:o,s:s,s:o,s:o,s:o,s:o,s:o,s:o}",
		"name", spec->name, "image", spec->image, "user", report_text(spec->user),
		"workdir", spec->workdir, "env", env_object(&spec->env, reveal), "readOnlyRoot",
		spec->read_only_root ? 1 : 0, "tmpfs", report_list(&spec->tmpfs), "network",
		spec->network, "capDrop", report_list(&spec->cap_drop), "securityOpt",
		report_list(&spec->security_opt), "dns", report_list(&spec->dns), "extraHosts",
		report_list(&spec->extra_hosts), "ulimits", report_ulimits(spec), "mounts",
		report_mounts(spec));

	add_limits(container, spec);
	if (spec->runtime != NULL) {
		json_object_set_new(container, "runtime", json_string(spec->runtime));
	}
	if (spec->gpus != NULL) {
		json_object_set_new(container, "gpus", json_string(spec->gpus));
	}
	return json_pack("{s:s,s:s,s:b,s:s,s:o,s:o,s:o,s:o,s:o}", "agentId", decision->agent_id,
		"sessionKey", decision->session_key, "sessionIsSandboxed",
		decision->sandboxed ? 1 : 0, "backend", backend_kind_name(spec->backend),
		"backendReason", report_text(backend_reason), "container", container,
		"setupCommand", report_text(spec->setup_command), "configHash",
		report_text(spec->config_hash), "steps", steps != NULL ? steps : json_array());
}
