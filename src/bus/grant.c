/* SPDX-License-Identifier: MIT */
/* A decision as JSON and back: the fields that src/tools reads. */
#include "bus/grant.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/macro.h"
#include "base/mem.h"
#include "tools/tool.h"

/* A text that may be absent, or is nothing that JSON can hold. */
static json_t *text_or_null(const char *text)
{
	json_t *string = text != NULL ? json_string(text) : NULL;

	return string != NULL ? string : json_null();
}

static json_t *list_of(const struct strv *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->count; i++) {
		(void)json_array_append_new(array, text_or_null(list->items[i]));
	}
	return array;
}

/* tools.exec and tools.fs of one block, the rest of which stays with the broker. */
static json_t *tool_settings(const json_t *block)
{
	static const char *const kept[] = {"exec", "fs"};
	const json_t *tools = json_object_get(block, "tools");
	json_t *some = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		json_t *value = json_object_get(tools, kept[i]);

		if (value != NULL) {
			/* A copy: the configuration's counts must not be touched. */
			(void)json_object_set_new(some, kept[i], json_deep_copy(value));
		}
	}
	return json_pack("{s:o}", "tools", some);
}

/* In the layout of a configuration, so that it is read by the same code. */
static json_t *settings_of(const struct decision *d)
{
	const json_t *root = d->config->root;
	const json_t *list = json_object_get(json_object_get(root, "agents"), "list");
	json_t *settings = tool_settings(root), *agents = json_array();

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *agent = json_array_get(list, i);
		const char *id = json_string_value(json_object_get(agent, "id"));

		if (id != NULL && strcmp(id, d->agent_id) == 0) {
			json_t *entry = tool_settings(agent);

			(void)json_object_set_new(entry, "id", json_string(id));
			(void)json_array_append_new(agents, entry);
		}
	}
	(void)json_object_set_new(settings, "agents", json_pack("{s:o}", "list", agents));
	return settings;
}

/* Where binds come from is the broker's to know; where they go, and that they are read-only, is told when
 * something is refused there. */
static json_t *mounts_of(const struct sandbox_spec *spec)
{
	json_t *array = json_array();

	for (size_t i = 0; i < spec->mount_count; i++) {
		const struct spec_mount *m = &spec->mounts[i];

		(void)json_array_append_new(
			array, json_pack("{s:i,s:o,s:o,s:b,s:o}", "kind", (int)m->kind, "source",
				       text_or_null(m->kind != MOUNT_BIND ? m->source : NULL),
				       "target", text_or_null(m->target), "readOnly", m->read_only,
				       "key", text_or_null(m->key)));
	}
	return array;
}

static json_t *ulimits_of(const struct sandbox_spec *spec)
{
	json_t *array = json_array();

	for (size_t i = 0; i < spec->ulimit_count; i++) {
		const struct spec_ulimit *limit = &spec->ulimits[i];

		(void)json_array_append_new(
			array, json_pack("{s:o,s:I,s:I}", "name", text_or_null(limit->name), "soft",
				       (json_int_t)limit->soft, "hard", (json_int_t)limit->hard));
	}
	return array;
}

/* What refuses, so that a refusal can name it. */
static void add_limits(const struct sandbox_spec *spec, json_t *object)
{
	(void)json_object_set_new(object, "network", text_or_null(spec->network));
	(void)json_object_set_new(object, "memory", json_integer(spec->memory));
	(void)json_object_set_new(object, "pids", json_integer(spec->pids_limit));
	(void)json_object_set_new(object, "readOnlyRoot", json_boolean(spec->read_only_root));
	(void)json_object_set_new(object, "tmpfs", list_of(&spec->tmpfs));
	(void)json_object_set_new(object, "ulimits", ulimits_of(spec));
}

static json_t *spec_of(const struct sandbox_spec *spec)
{
	json_t *object = json_pack("{s:i,s:o,s:o,s:i,s:o,s:o,s:o,s:I,s:I,s:o}", "backend",
		(int)spec->backend, "name", text_or_null(spec->name), "workdir",
		text_or_null(spec->workdir), "access", (int)spec->access, "workspace",
		text_or_null(spec->workspace_dir), "agentWorkspace",
		text_or_null(spec->agent_workspace_dir), "env", list_of(&spec->env), "outputLimit",
		(json_int_t)spec->output_limit_chars, "ringBytes", (json_int_t)spec->ring_bytes,
		"mounts", mounts_of(spec));

	add_limits(spec, object);
	return object;
}

static json_t *elevated_of(const struct decision *d)
{
	json_t *failures = json_array();

	for (size_t i = 0; i < d->elevated.failure_count; i++) {
		(void)json_array_append_new(
			failures, json_pack("[s,s]", d->elevated.failures[i].gate,
					  d->elevated.failures[i].key));
	}
	return json_pack("{s:b,s:b,s:b,s:b,s:o}", "enabled", d->elevated.enabled, "allowed",
		d->elevated.allowed_by_config, "requested", d->elevated.requested, "granted",
		d->elevated.granted, "failures", failures);
}

/* What is not there is left out: a front holds thousands of verdicts. */
static void add_text(json_t *object, const char *key, const char *text)
{
	json_t *string = text != NULL ? json_string(text) : NULL;

	if (string != NULL) {
		(void)json_object_set_new(object, key, string);
	}
}

static json_t *verdict_of(const struct tool_verdict *v)
{
	json_t *object = json_pack("{s:b}", "allowed", v->allowed);

	add_text(object, "tool", v->tool);
	add_text(object, "layer", v->layer);
	add_text(object, "rule", v->rule);
	add_text(object, "reason", v->reason);
	add_text(object, "message", v->message);
	if (v->fix.count > 0) {
		(void)json_object_set_new(object, "fix", list_of(&v->fix));
	}
	return object;
}

static json_t *verdicts_of(struct decision *d, const struct decide_request *request)
{
	json_t *object = json_object();
	size_t count;
	const struct tool *const *table = tool_table(&count);

	for (size_t i = 0; i < count; i++) {
		struct tool_verdict verdict = {0};

		decision_check_tool(d, request, table[i]->name, &verdict);
		(void)json_object_set_new(object, table[i]->name, verdict_of(&verdict));
	}
	return object;
}

static json_t *provenance_of(const struct decision *d)
{
	json_t *array = json_array();

	for (size_t i = 0; i < d->provenance_count; i++) {
		(void)json_array_append_new(array, text_or_null(d->provenance[i].field));
		(void)json_array_append_new(array, text_or_null(d->provenance[i].key));
	}
	return array;
}

json_t *grant_encode(struct decision *d, const struct decide_request *request)
{
	json_t *grant = json_pack("{s:o,s:o,s:o,s:b,s:b,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "agentId",
		text_or_null(d->agent_id), "sessionKey", text_or_null(d->session_key),
		"mainSessionKey", text_or_null(d->main_session_key), "sandboxed", d->sandboxed,
		"hostConfigured", d->host_configured, "brand", text_or_null(d->config->brand->name),
		"home", text_or_null(d->config->home), "spec", spec_of(&d->spec), "elevated",
		elevated_of(d), "settings", settings_of(d), "tools", verdicts_of(d, request),
		"provenance", provenance_of(d));

	if (grant != NULL) {
		(void)json_object_set_new(
			grant, "browserEnabled", json_boolean(d->browser_enabled));
		(void)json_object_set_new(grant, "browser", browser_settings_json(&d->browser));
	}
	return grant;
}

/* --- and back --- */

static const char *get_text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static int64_t get_int(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static bool get_bool(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

static void get_list(struct arena *a, const json_t *array, struct strv *ret)
{
	for (size_t i = 0; i < json_array_size(array); i++) {
		const char *text = json_string_value(json_array_get(array, i));

		if (text != NULL) {
			strv_add_ref(ret, a, text);
		}
	}
}

static const char *text_at(const json_t *array, size_t i)
{
	const char *text = json_string_value(json_array_get(array, i));

	return text != NULL ? text : "";
}

static const char *pair_at(const json_t *array, size_t i, size_t which)
{
	return text_at(json_array_get(array, i), which);
}

static void get_mounts(struct arena *a, const json_t *array, struct sandbox_spec *spec)
{
	struct spec_mount *mounts = arena_calloc(a, json_array_size(array) + 1, sizeof(*mounts));

	for (size_t i = 0; i < json_array_size(array); i++) {
		const json_t *mount = json_array_get(array, i);

		mounts[i] = (struct spec_mount){
			.kind = (enum spec_mount_kind)get_int(mount, "kind"),
			.source = get_text(mount, "source"),
			.target = get_text(mount, "target"),
			.read_only = get_bool(mount, "readOnly"),
			.key = get_text(mount, "key"),
		};
	}
	spec->mounts = mounts;
	spec->mount_count = json_array_size(array);
}

static void get_ulimits(struct arena *a, const json_t *array, struct sandbox_spec *spec)
{
	struct spec_ulimit *limits = arena_calloc(a, json_array_size(array) + 1, sizeof(*limits));

	for (size_t i = 0; i < json_array_size(array); i++) {
		const json_t *limit = json_array_get(array, i);
		const char *name = get_text(limit, "name");

		limits[i] = (struct spec_ulimit){.name = name != NULL ? name : "",
			.soft = get_int(limit, "soft"),
			.hard = get_int(limit, "hard")};
	}
	spec->ulimits = limits;
	spec->ulimit_count = json_array_size(array);
}

static void get_limits(struct arena *a, const json_t *object, struct sandbox_spec *spec)
{
	spec->network = get_text(object, "network");
	spec->memory = get_int(object, "memory");
	spec->pids_limit = get_int(object, "pids");
	spec->read_only_root = get_bool(object, "readOnlyRoot");
	get_list(a, json_object_get(object, "tmpfs"), &spec->tmpfs);
	get_ulimits(a, json_object_get(object, "ulimits"), spec);
}

static void get_spec(struct arena *a, const json_t *object, struct sandbox_spec *spec)
{
	spec->backend = (enum backend_kind)get_int(object, "backend");
	spec->name = get_text(object, "name");
	spec->workdir = get_text(object, "workdir");
	spec->access = (enum workspace_access)get_int(object, "access");
	spec->workspace_dir = get_text(object, "workspace");
	spec->agent_workspace_dir = get_text(object, "agentWorkspace");
	get_list(a, json_object_get(object, "env"), &spec->env);
	spec->output_limit_chars = get_int(object, "outputLimit");
	spec->ring_bytes = get_int(object, "ringBytes");
	get_mounts(a, json_object_get(object, "mounts"), spec);
	get_limits(a, object, spec);
}

static void get_elevated(struct arena *a, const json_t *object, struct decision *d)
{
	const json_t *failures = json_object_get(object, "failures");
	size_t count = json_array_size(failures);

	d->elevated.enabled = get_bool(object, "enabled");
	d->elevated.allowed_by_config = get_bool(object, "allowed");
	d->elevated.requested = get_bool(object, "requested");
	d->elevated.granted = get_bool(object, "granted");
	d->elevated.failures = arena_calloc(a, count + 1, sizeof(*d->elevated.failures));
	d->elevated.failure_count = count;
	for (size_t i = 0; i < count; i++) {
		d->elevated.failures[i] = (struct gate_failure){
			.gate = pair_at(failures, i, 0), .key = pair_at(failures, i, 1)};
	}
}

static void get_provenance(struct arena *a, const json_t *array, struct decision *d)
{
	size_t count = json_array_size(array) / 2; /* field and key in turns */

	d->provenance = arena_calloc(a, count + 1, sizeof(*d->provenance));
	d->provenance_count = count;
	for (size_t i = 0; i < count; i++) {
		d->provenance[i] = (struct provenance){
			.field = text_at(array, 2 * i), .key = text_at(array, 2 * i + 1)};
	}
}

static void get_tools(struct arena *a, json_t *object, struct grant *grant)
{
	const char *name;
	json_t *value;

	grant->tools = arena_calloc(a, json_object_size(object) + 1, sizeof(*grant->tools));
	json_object_foreach(object, name, value)
	{
		struct grant_tool *tool = &grant->tools[grant->tool_count++];

		tool->name = name;
		tool->verdict = (struct tool_verdict){
			.allowed = get_bool(value, "allowed"),
			.tool = get_text(value, "tool"),
			.layer = get_text(value, "layer"),
			.rule = get_text(value, "rule"),
			.reason = get_text(value, "reason"),
			.message = get_text(value, "message"),
		};
		get_list(a, json_object_get(value, "fix"), &tool->verdict.fix);
	}
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool get_token(const char *hex, uint8_t ret[WIRE_TOKEN_SIZE])
{
	if (hex == NULL || strlen(hex) != (size_t)2 * WIRE_TOKEN_SIZE) {
		return false;
	}
	for (size_t i = 0; i < WIRE_TOKEN_SIZE; i++) {
		int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);

		if (high < 0 || low < 0) {
			return false;
		}
		ret[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static void get_sandbox(struct grant *grant)
{
	const json_t *json = grant->json;

	grant->sandbox = get_text(json, "sandbox");
	grant->backend = get_text(json, "backend");
	grant->notice = get_text(json, "notice");
	grant->once = get_bool(json, "once");
	grant->control = json_object_get(json, "control");
	grant->admin = get_bool(json, "admin");
	grant->has_token = get_token(get_text(json, "token"), grant->token);
	get_list(&grant->decision.arena, json_object_get(json, "imageEnv"), &grant->image_env);
	get_list(&grant->decision.arena, json_object_get(json, "passwords"), &grant->passwords);
}

int grant_decode(json_t *json, struct grant **ret, struct error *err)
{
	struct grant *grant = xcalloc(1, sizeof(*grant));
	struct decision *d = &grant->decision;
	struct arena *a = &d->arena;
	const char *brand = get_text(json, "brand");

	grant->json = json;
	grant->brand = brand != NULL ? brand_by_name(brand) : NULL;
	d->agent_id = get_text(json, "agentId");
	d->session_key = get_text(json, "sessionKey");
	d->main_session_key = get_text(json, "mainSessionKey");
	d->sandboxed = get_bool(json, "sandboxed");
	d->host_configured = get_bool(json, "hostConfigured");
	get_spec(a, json_object_get(json, "spec"), &d->spec);
	d->browser_enabled = get_bool(json, "browserEnabled");
	browser_settings_load(json_object_get(json, "browser"), a, &d->browser);
	get_elevated(a, json_object_get(json, "elevated"), d);
	get_provenance(a, json_object_get(json, "provenance"), d);
	get_tools(a, json_object_get(json, "tools"), grant);
	get_sandbox(grant);
	grant->config.root = json_object_get(json, "settings");
	grant->config.brand = grant->brand;
	grant->config.home = get_text(json, "home");
	d->config = &grant->config;
	d->tool.allowed = true;
	if (grant->brand == NULL || grant->config.root == NULL || d->session_key == NULL ||
		d->agent_id == NULL || (unsigned)d->spec.backend >= BACKEND_COUNT_ ||
		(unsigned)d->spec.access >= ACCESS_COUNT_) {
		(void)grant_free(grant);
		return error_plain(err, EPROTO, "the broker's grant is incomplete");
	}
	*ret = grant;
	return 0;
}

struct grant *grant_free(struct grant *grant)
{
	if (grant != NULL) {
		arena_finish(&grant->decision.arena);
		json_decref(grant->json);
		free(grant);
	}
	return NULL;
}

const struct tool_verdict *grant_verdict(const struct grant *grant, const char *tool)
{
	const struct tool *found = tool_by_name(tool);

	for (size_t i = 0; found != NULL && i < grant->tool_count; i++) {
		if (strcmp(grant->tools[i].name, found->name) == 0) {
			return &grant->tools[i].verdict;
		}
	}
	return NULL;
}
