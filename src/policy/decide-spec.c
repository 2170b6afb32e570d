/* SPDX-License-Identifier: MIT */
/* The container spec, key by key: the agent's value, else the one for all agents, else the default. */
#include <string.h>

#include "base/limits.h"
#include "base/macro.h"
#include "base/num.h"
#include "policy/bind.h"
#include "policy/text.h"
#include "policy/view.h"

enum {
	DEFAULT_PIDS_LIMIT = 512, /* contract D11: enough for any build, too few for a fork bomb */
	DEFAULT_OUTPUT_CHARS = 200000,
	/* The least that Docker takes; a smaller share would be no share. */
	MIN_CPU_MILLIS = 10,
	CPU_MILLIS = 1000,
};

static const char *const default_tmpfs[] = {"/tmp", "/var/tmp", "/run"};
static const char *const default_cap_drop[] = {"ALL"};

#define DOCKER_FIELD(key) "sandbox.docker." key

static const json_t *docker_get(struct view *v, const char *key, const char *field)
{
	enum view_level level;
	const json_t *value = view_get(v, VIEW_DOCKER, key, &level);

	view_provenance(v, field, view_key(v, level, VIEW_DOCKER, key));
	return value;
}

/* NULL: not configured. */
static const char *docker_text(struct view *v, const char *key, const char *field)
{
	return json_string_value(docker_get(v, key, field));
}

static bool docker_flag(struct view *v, const char *key, const char *field)
{
	return json_is_true(docker_get(v, key, field));
}

/* The key that a problem with a docker value is reported under. */
static const char *docker_key(const struct view *v, const char *key)
{
	enum view_level level;

	(void)view_get(v, VIEW_DOCKER, key, &level);
	return view_key(v, level, VIEW_DOCKER, key);
}

static void docker_list(struct view *v, const char *key, const char *field, struct strv *ret,
	const char *const *fallback, size_t fallback_count)
{
	const json_t *list = docker_get(v, key, field);

	if (list != NULL) {
		view_strings(v->arena, list, ret);
		return;
	}
	for (size_t i = 0; i < fallback_count; i++) {
		strv_add_ref(ret, v->arena, fallback[i]);
	}
}

/* Without the blank entries, which Docker's command line would stumble over. */
static void docker_words(struct view *v, const char *key, const char *field, struct strv *ret)
{
	const json_t *list = docker_get(v, key, field), *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		if (!text_is_blank(json_string_value(item))) {
			strv_add_ref(ret, v->arena, json_string_value(item));
		}
	}
}

/* Bytes: a number, or Docker's text for one. 0 when not configured or blank. */
static int64_t docker_size(struct view *v, const char *key, const char *field)
{
	const json_t *value = docker_get(v, key, field);
	const char *text = json_string_value(value);
	int64_t bytes = 0;

	if (json_is_integer(value)) {
		bytes = json_integer_value(value);
	} else if (json_is_real(value)) {
		double size = json_real_value(value);

		bytes = size < 1 ? 0 : size < 1e15 ? (int64_t)size : INT64_MAX;
	} else if (text_is_blank(text)) {
		return 0;
	} else if (num_parse_size(text_trim(v->arena, text), &bytes) < 0) {
		view_problem(v, docker_key(v, key),
			"%s '%s' is not a size; write bytes or a number with k, m or g", key, text);
		return 0;
	}
	/* Only swap may be without a limit. */
	if (bytes < 1 && !(bytes == -1 && strcmp(key, "memorySwap") == 0)) {
		view_problem(v, docker_key(v, key), "%s is %lld; it must be a positive size", key,
			(long long)bytes);
	}
	return bytes;
}

static int64_t docker_cpus(struct view *v)
{
	const json_t *value = docker_get(v, "cpus", DOCKER_FIELD("cpus"));
	double cpus = json_number_value(value);
	int64_t millis;

	if (value == NULL) {
		return 0;
	}
	/* Rounded by hand: llround() would make every start of creel load libm. */
	millis = cpus > 0 && cpus < 1e6 ? (int64_t)(cpus * CPU_MILLIS + 0.5) : 0;
	if (millis < MIN_CPU_MILLIS) {
		view_problem(v, docker_key(v, "cpus"),
			"cpus is %g; it must be at least 0.01 and below a million", cpus);
	}
	return millis;
}

static int64_t docker_pids(struct view *v)
{
	const json_t *value = docker_get(v, "pidsLimit", DOCKER_FIELD("pidsLimit"));

	return json_is_integer(value) ? json_integer_value(value) : DEFAULT_PIDS_LIMIT;
}

/* A name is what a shell could set; anything else cannot be passed on faithfully. */
static bool is_env_name(const char *name)
{
	if (*name == '\0' || (*name >= '0' && *name <= '9')) {
		return false;
	}
	for (; *name != '\0'; name++) {
		if (*name != '_' && (*name < '0' || *name > '9') && (*name < 'A' || *name > 'Z') &&
			(*name < 'a' || *name > 'z')) {
			return false;
		}
	}
	return true;
}

static void env_set(struct view *v, const char *name, const char *value)
{
	struct strv *env = &v->decision->spec.env;
	const char *item = text_concat(v->arena, name, "=", value, NULL);
	size_t len = strlen(name) + 1;

	for (size_t i = 0; i < env->count; i++) {
		if (strncmp(env->items[i], item, len) == 0) {
			env->items[i] = item;
			return;
		}
	}
	strv_add_ref(env, v->arena, item);
}

static void env_add(struct view *v, enum view_level level)
{
	const json_t *block = view_at(v, level, VIEW_DOCKER, "env"), *value;
	const char *name, *key;

	json_object_foreach((json_t *)(uintptr_t)block, name, value)
	{
		key = view_key(v, level, VIEW_DOCKER, text_concat(v->arena, "env.", name, NULL));
		if (!is_env_name(name)) {
			view_problem(v, key,
				"'%s' is not the name of a variable; use letters, digits and "
				"'_', not starting with a digit",
				name);
			continue;
		}
		env_set(v, name, json_is_string(value) ? json_string_value(value) : "");
		view_provenance(v, arena_printf(v->arena, DOCKER_FIELD("env.%s"), name), key);
	}
}

static void decide_env(struct view *v)
{
	if (view_at(v, VIEW_DEFAULTS, VIEW_DOCKER, "env") == NULL) {
		env_set(v, "LANG", "C.UTF-8");
		view_provenance(v, DOCKER_FIELD("env.LANG"), "default");
	}
	env_add(v, VIEW_DEFAULTS);
	env_add(v, VIEW_AGENT);
}

/* "1024", "1024:2048"; -1 is no limit. */
static bool parse_ulimit_text(struct arena *a, const char *text, struct spec_ulimit *ret)
{
	char *copy = text_trim(a, text), *colon = strchr(copy, ':');

	if (colon != NULL) {
		*colon++ = '\0';
	}
	if (num_parse_i64(copy, -1, INT64_MAX, &ret->soft) < 0) {
		return false;
	}
	ret->hard = ret->soft;
	return colon == NULL || num_parse_i64(colon, -1, INT64_MAX, &ret->hard) == 0;
}

static int64_t ulimit_side(const json_t *value, const char *side)
{
	const json_t *number = json_object_get(value, side);

	return json_is_integer(number) ? json_integer_value(number) : -2;
}

/* false: nothing is set by it. */
static bool parse_ulimit(struct view *v, const char *key, const char *name, const json_t *value,
	struct spec_ulimit *ret)
{
	*ret = (struct spec_ulimit){.name = name};
	if (json_is_integer(value)) {
		ret->soft = ret->hard = json_integer_value(value);
	} else if (json_is_string(value)) {
		if (text_is_blank(json_string_value(value))) {
			return false;
		}
		if (!parse_ulimit_text(v->arena, json_string_value(value), ret)) {
			view_problem(v, key, "ulimit %s is '%s'; write a number or soft:hard", name,
				json_string_value(value));
			return false;
		}
	} else {
		ret->soft = ulimit_side(value, "soft");
		ret->hard = ulimit_side(value, "hard");
		if (ret->soft == -2 && ret->hard == -2) {
			return false;
		}
		ret->soft = ret->soft == -2 ? ret->hard : ret->soft;
		ret->hard = ret->hard == -2 ? ret->soft : ret->hard;
	}
	if (ret->hard != -1 && (ret->soft == -1 || ret->soft > ret->hard)) {
		view_problem(v, key, "ulimit %s: the soft limit %lld is above the hard limit %lld",
			name, (long long)ret->soft, (long long)ret->hard);
	}
	return true;
}

static void ulimits_add(
	struct view *v, enum view_level level, struct spec_ulimit *list, size_t *count)
{
	const json_t *block = view_at(v, level, VIEW_DOCKER, "ulimits"), *value;
	const char *name;

	json_object_foreach((json_t *)(uintptr_t)block, name, value)
	{
		const char *key = view_key(
			v, level, VIEW_DOCKER, text_concat(v->arena, "ulimits.", name, NULL));
		size_t at = 0;

		while (at < *count && strcmp(list[at].name, name) != 0) {
			at++;
		}
		if (!parse_ulimit(v, key, name, value, &list[at])) {
			/* An entry that says nothing leaves no hole behind. */
			if (at < *count) {
				memmove(list + at, list + at + 1, (--*count - at) * sizeof(*list));
			}
			continue;
		}
		*count += at == *count;
		view_provenance(v, arena_printf(v->arena, DOCKER_FIELD("ulimits.%s"), name), key);
	}
}

static void decide_ulimits(struct view *v)
{
	struct sandbox_spec *spec = &v->decision->spec;
	size_t most = json_object_size(view_at(v, VIEW_DEFAULTS, VIEW_DOCKER, "ulimits")) +
		      json_object_size(view_at(v, VIEW_AGENT, VIEW_DOCKER, "ulimits"));
	struct spec_ulimit *list = arena_calloc(v->arena, most + 1, sizeof(*list));

	ulimits_add(v, VIEW_DEFAULTS, list, &spec->ulimit_count);
	ulimits_add(v, VIEW_AGENT, list, &spec->ulimit_count);
	spec->ulimits = list;
}

static bool folds_to(struct view *v, const char *text, const char *word)
{
	return strcmp(text_fold(v->arena, text), word) == 0;
}

static void decide_network(struct view *v)
{
	struct decision *d = v->decision;
	const char *network = docker_text(v, "network", DOCKER_FIELD("network"));

	d->allow_namespace_join = docker_flag(v, "dangerouslyAllowContainerNamespaceJoin",
		DOCKER_FIELD("dangerouslyAllowContainerNamespaceJoin"));
	d->spec.network = network != NULL ? network : "none";
	view_check_network(v, d->spec.network, docker_key(v, "network"));
}

static void decide_profile(struct view *v, const char *key, const char *field, const char *option)
{
	const char *profile = docker_text(v, key, field);

	if (text_is_blank(profile)) {
		return;
	}
	if (folds_to(v, profile, "unconfined")) {
		view_problem(
			v, docker_key(v, key), "%s 'unconfined' is refused: name a profile", key);
	}
	strv_add_ref(&v->decision->spec.security_opt, v->arena,
		text_concat(v->arena, option, "=", profile, NULL));
}

static void decide_setup(struct view *v)
{
	/* Loading has joined a list to one text. */
	const char *text = docker_text(v, "setupCommand", DOCKER_FIELD("setupCommand"));

	v->decision->spec.setup_command = text_is_blank(text) ? NULL : text;
}

static void decide_binds(struct view *v)
{
	struct decision *d = v->decision;

	view_binds(v, VIEW_DOCKER);
	(void)docker_get(v, "binds", DOCKER_FIELD("binds"));
	d->allow_external_binds = docker_flag(v, "dangerouslyAllowExternalBindSources",
		DOCKER_FIELD("dangerouslyAllowExternalBindSources"));
	d->allow_reserved_targets = docker_flag(v, "dangerouslyAllowReservedContainerTargets",
		DOCKER_FIELD("dangerouslyAllowReservedContainerTargets"));
	view_strings(v->arena,
		docker_get(v, "dangerouslyAllowBindSources",
			DOCKER_FIELD("dangerouslyAllowBindSources")),
		&d->allow_bind_sources);
}

static void decide_mounts(struct view *v)
{
	struct decision *d = v->decision;
	struct sandbox_spec *spec = &d->spec;
	struct spec_mount *mounts = arena_calloc(v->arena, d->bind_count + 2, sizeof(*mounts));
	size_t count = 0;

	mounts[count++] = (struct spec_mount){
		.kind = MOUNT_WORKSPACE,
		.source = spec->workspace_dir,
		.target = spec->workdir,
		.read_only = spec->access == ACCESS_RO,
		.key = decision_provenance(d, "sandbox.workspaceAccess"),
	};
	if (spec->access != ACCESS_NONE &&
		strcmp(spec->workspace_dir, spec->agent_workspace_dir) != 0) {
		mounts[count++] = (struct spec_mount){
			.kind = MOUNT_AGENT,
			.source = spec->agent_workspace_dir,
			.target = "/agent",
			.read_only = spec->access == ACCESS_RO,
			.key = decision_provenance(d, "sandbox.workspaceAccess"),
		};
	}
	for (size_t i = 0; i < d->bind_count; i++) {
		struct bind_parts parts;
		enum bind_fault fault = bind_parse(v->arena, d->binds[i].raw, &parts);

		if (fault == BIND_OK || fault == BIND_TARGET_RESERVED) {
			mounts[count++] = (struct spec_mount){
				.kind = MOUNT_BIND,
				.source = parts.source,
				.target = parts.target,
				.read_only = parts.read_only,
				.raw = d->binds[i].raw,
				.key = d->binds[i].key,
			};
		}
	}
	spec->mounts = mounts;
	spec->mount_count = count;
}

static void decide_native(struct view *v)
{
	struct sandbox_spec *spec = &v->decision->spec;
	enum view_level level;
	const json_t *list, *item;
	size_t i;

	spec->native_root = json_string_value(view_get(v, VIEW_NATIVE, "root", &level));
	view_provenance(v, "sandbox.native.root", view_key(v, level, VIEW_NATIVE, "root"));
	list = view_get(v, VIEW_NATIVE, "allowMissing", &level);
	view_provenance(
		v, "sandbox.native.allowMissing", view_key(v, level, VIEW_NATIVE, "allowMissing"));
	json_array_foreach(list, i, item)
	{
		enum isolation_layer layer;
		const char *name = json_string_value(item);

		if (name != NULL && isolation_layer_from_name(name, &layer)) {
			spec->allow_missing[layer] = true;
		}
	}
}

static void decide_image(struct view *v)
{
	struct decision *d = v->decision;
	const char *image = docker_text(v, "image", DOCKER_FIELD("image"));
	const char *prefix = docker_text(v, "containerPrefix", DOCKER_FIELD("containerPrefix"));
	const char *workdir = docker_text(v, "workdir", DOCKER_FIELD("workdir"));
	const char *user = docker_text(v, "user", DOCKER_FIELD("user"));

	d->spec.image = image != NULL ? image : d->config->brand->image;
	d->spec.name = session_container_name(v->arena,
		prefix != NULL ? prefix : d->config->brand->container_prefix, d->scope,
		d->spec.scope_key);
	view_provenance(v, "sandbox.containerName",
		decision_provenance(d, DOCKER_FIELD("containerPrefix")));
	d->spec.workdir = workdir != NULL ? workdir : "/workspace";
	if (bind_target_is_system(v->arena, d->spec.workdir)) {
		view_problem(v, docker_key(v, "workdir"),
			"workdir '%s' is refused: it covers a directory that the sandbox itself is "
			"made of",
			d->spec.workdir);
	}
	d->spec.user = text_is_blank(user) ? NULL : user;
}

void decide_spec(struct view *v)
{
	struct sandbox_spec *spec = &v->decision->spec;
	const json_t *read_only;

	decide_image(v);
	read_only = docker_get(v, "readOnlyRoot", DOCKER_FIELD("readOnlyRoot"));
	spec->read_only_root = !json_is_false(read_only);
	docker_list(v, "tmpfs", DOCKER_FIELD("tmpfs"), &spec->tmpfs, default_tmpfs,
		ARRAY_SIZE(default_tmpfs));
	docker_list(v, "capDrop", DOCKER_FIELD("capDrop"), &spec->cap_drop, default_cap_drop,
		ARRAY_SIZE(default_cap_drop));
	decide_network(v);
	decide_env(v);
	decide_setup(v);
	spec->pids_limit = docker_pids(v);
	spec->memory = docker_size(v, "memory", DOCKER_FIELD("memory"));
	spec->memory_swap = docker_size(v, "memorySwap", DOCKER_FIELD("memorySwap"));
	spec->cpu_millis = docker_cpus(v);
	decide_ulimits(v);
	/* Not configurable: setuid programs never gain anything in a sandbox. */
	strv_add_ref(&spec->security_opt, v->arena, "no-new-privileges");
	decide_profile(v, "seccompProfile", DOCKER_FIELD("seccompProfile"), "seccomp");
	decide_profile(v, "apparmorProfile", DOCKER_FIELD("apparmorProfile"), "apparmor");
	docker_words(v, "dns", DOCKER_FIELD("dns"), &spec->dns);
	docker_words(v, "extraHosts", DOCKER_FIELD("extraHosts"), &spec->extra_hosts);
	spec->runtime = docker_text(v, "runtime", DOCKER_FIELD("runtime"));
	spec->gpus = docker_text(v, "gpus", DOCKER_FIELD("gpus"));
	spec->docker_socket = docker_text(v, "socket", DOCKER_FIELD("socket"));
	spec->label_prefix = v->decision->config->brand->label_prefix;
	decide_binds(v);
	decide_browser(v);
	decide_native(v);
	if (v->request->browser) {
		decide_browser_spec(v);
	}
	decide_mounts(v);
	spec->output_limit_chars = DEFAULT_OUTPUT_CHARS;
	spec->ring_bytes = LIMIT_RING_DEFAULT;
	view_provenance(v, "limits.outputChars", "default");
	view_provenance(v, "limits.ringBytes", "default");
}
