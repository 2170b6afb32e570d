/* SPDX-License-Identifier: MIT */
/* Comparing what an engine says of a container with what was decided. */
#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/macro.h"
#include "base/own.h"
#include "cli/probe.h"

#define FROM "engine"

enum { NANO_PER_MILLI_CPU = 1000000 };

struct engine_view {
	struct probe *probe;
	const struct sandbox_spec *spec;
	const json_t *config, *host, *mounts;
	struct arena arena;
};

static void add(struct engine_view *v, const char *check, const char *decided, const char *found)
{
	probe_add(v->probe, check, FROM, decided, found, strcmp(decided, found) == 0);
}

/* Where engines have several words for one thing: others that mean what was decided. */
static void add_meant(struct engine_view *v, const char *check, const char *decided,
	const char *found, bool meant)
{
	add(v, check, decided, meant ? decided : found);
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "";
}

static const char *bool_text(bool value)
{
	return value ? "yes" : "no";
}

static void check_number(struct engine_view *v, const char *check, const char *key, int64_t decided)
{
	int64_t found = json_integer_value(json_object_get(v->host, key));

	/* Podman and older engines write -1 for none. */
	add(v, check, arena_printf(&v->arena, "%" PRId64, decided),
		arena_printf(&v->arena, "%" PRId64, found == -1 && decided == 0 ? 0 : found));
}

static const char *joined(struct engine_view *v, const struct strv *list)
{
	const char *all = "";

	for (size_t i = 0; i < list->count; i++) {
		all = arena_printf(&v->arena, "%s%s%s", all, i > 0 ? " " : "", list->items[i]);
	}
	return all;
}

static void check_list(
	struct engine_view *v, const char *check, const char *key, const struct strv *decided)
{
	const json_t *list = json_object_get(v->host, key), *item;
	const char *found = "";
	size_t i;

	json_array_foreach(list, i, item)
	{
		found = arena_printf(&v->arena, "%s%s%s", found, i > 0 ? " " : "",
			json_is_string(item) ? json_string_value(item) : "?");
	}
	add(v, check, joined(v, decided), found);
}

/* --- mounts --- */

static const json_t *mount_at(const struct engine_view *v, const char *target)
{
	const json_t *item;
	size_t i;

	json_array_foreach(v->mounts, i, item)
	{
		if (strcmp(text_of(item, "Destination"), target) == 0) {
			return item;
		}
	}
	return NULL;
}

/* The configured source, also where the engine was given it with its owner exchanged (docker/owned.h). */
static const char *source_of(struct engine_view *v, const json_t *found, size_t i)
{
	const char *source = text_of(found, "Source");
	const char *owned = arena_printf(&v->arena, "/owned/%zu", i);
	size_t len = strlen(source), tail = strlen(owned);

	return len > tail && strcmp(source + len - tail, owned) == 0 ? v->spec->mounts[i].source
								     : source;
}

static void check_mounts(struct engine_view *v)
{
	/* And two of ours: the run directory, and creel-init in it. */
	size_t count = v->spec->mount_count + 2;

	for (size_t i = 0; i < v->spec->mount_count; i++) {
		const struct spec_mount *m = &v->spec->mounts[i];
		const json_t *found = mount_at(v, m->target);

		add(v, arena_printf(&v->arena, "mount %s", m->target),
			arena_printf(&v->arena, "%s, %s", m->source,
				m->read_only ? "read-only" : "writable"),
			found == NULL ? "not there"
				      : arena_printf(&v->arena, "%s, %s", source_of(v, found, i),
						json_is_true(json_object_get(found, "RW"))
							? "writable"
							: "read-only"));
	}
	add(v, "number of mounts", arena_printf(&v->arena, "%zu", count),
		arena_printf(&v->arena, "%zu", json_array_size(v->mounts)));
}

/* Are all of these options among those, both by commas? */
static bool has_options(struct engine_view *v, const char *among, const char *options)
{
	const char *all = arena_printf(&v->arena, ",%s,", among);

	while (*options != '\0') {
		size_t len = strcspn(options, ",");

		if (strstr(all, arena_printf(&v->arena, ",%.*s,", (int)len, options)) == NULL) {
			return false;
		}
		options += len + (options[len] == ',' ? 1 : 0);
	}
	return true;
}

static void check_tmpfs(struct engine_view *v)
{
	const json_t *made = json_object_get(v->host, "Tmpfs");

	for (size_t i = 0; i < v->spec->tmpfs.count; i++) {
		const char *item = v->spec->tmpfs.items[i];
		size_t len = strcspn(item, ":");
		const char *target = arena_strndup(&v->arena, item, len);
		const char *found = json_string_value(json_object_get(made, target));

		const char *options = item[len] == ':' ? item + len + 1 : "";

		/* Podman adds its defaults. */
		add_meant(v, arena_printf(&v->arena, "tmpfs %s", target), options,
			found != NULL ? found : "not there",
			found != NULL && has_options(v, found, options));
	}
}

/* --- limits --- */

static void check_ulimit(struct engine_view *v, const struct spec_ulimit *limit)
{
	const json_t *list = json_object_get(v->host, "Ulimits"), *item;
	const char *found = "not there";
	size_t i;

	json_array_foreach(list, i, item)
	{
		const char *name = text_of(item, "Name");

		/* Podman writes RLIMIT_NOFILE. */
		name += strncmp(name, "RLIMIT_", 7) == 0 ? 7 : 0;
		if (strcasecmp(name, limit->name) == 0) {
			found = arena_printf(&v->arena,
				"%" JSON_INTEGER_FORMAT ":%" JSON_INTEGER_FORMAT,
				json_integer_value(json_object_get(item, "Soft")),
				json_integer_value(json_object_get(item, "Hard")));
		}
	}
	add(v, arena_printf(&v->arena, "ulimit %s", limit->name),
		arena_printf(&v->arena, "%" PRId64 ":%" PRId64, limit->soft, limit->hard), found);
}

static void check_limits(struct engine_view *v)
{
	const struct sandbox_spec *spec = v->spec;

	check_number(v, "pids limit", "PidsLimit", spec->pids_limit);
	check_number(v, "memory", "Memory", spec->memory);
	if (spec->memory_swap != 0) {
		check_number(v, "memory and swap", "MemorySwap", spec->memory_swap);
	}
	check_number(v, "cpus, in billionths", "NanoCpus", spec->cpu_millis * NANO_PER_MILLI_CPU);
	for (size_t i = 0; i < spec->ulimit_count; i++) {
		check_ulimit(v, &spec->ulimits[i]);
	}
}

/* --- isolation --- */

static bool has_option(const json_t *list, const char *option)
{
	const json_t *item;
	size_t i, len = strlen(option);

	json_array_foreach(list, i, item)
	{
		const char *text = json_string_value(item);

		/* Podman writes no-new-privileges:true. */
		if (text != NULL && strncmp(text, option, len) == 0) {
			return true;
		}
	}
	return false;
}

/* For ALL, Podman names all that it would have given. What a command really has is seen from inside. */
static void check_capabilities(struct engine_view *v)
{
	static const char *const given[] = {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"};
	const json_t *dropped = json_object_get(v->host, "CapDrop");
	struct strv decided = v->spec->cap_drop;
	bool all = decided.count == 1 && strcmp(decided.items[0], "ALL") == 0;

	for (size_t i = 0; i < ARRAY_SIZE(given); i++) {
		all = all && has_option(dropped, given[i]);
	}
	if (all) {
		add(v, "capabilities dropped", "ALL", "ALL");
	} else {
		check_list(v, "capabilities dropped", "CapDrop", &decided);
	}
}

static void check_isolation(struct engine_view *v)
{
	const struct sandbox_spec *spec = v->spec;
	const json_t *options = json_object_get(v->host, "SecurityOpt");
	const json_t *added = json_object_get(v->host, "CapAdd");

	add(v, "network", spec->network, text_of(v->host, "NetworkMode"));
	add(v, "read-only root", bool_text(spec->read_only_root),
		bool_text(json_is_true(json_object_get(v->host, "ReadonlyRootfs"))));
	add(v, "privileged", "no", bool_text(json_is_true(json_object_get(v->host, "Privileged"))));
	check_capabilities(v);
	add(v, "capabilities added", "0", arena_printf(&v->arena, "%zu", json_array_size(added)));
	for (size_t i = 0; i < spec->security_opt.count; i++) {
		const char *option = spec->security_opt.items[i];
		/* A profile is there with its content, not with its name. */
		const char *shown = arena_strndup(&v->arena, option,
			strcspn(option, "=") +
				(strchr(option, '=') != NULL && strncmp(option, "seccomp=", 8) == 0
						? 1
						: strlen(option)));

		add(v, arena_printf(&v->arena, "security option %s", option), "there",
			has_option(options, shown) ? "there" : "not there");
	}
	/* Its own either way; Podman's words. */
	add_meant(v, "ipc namespace", "private", text_of(v->host, "IpcMode"),
		strcmp(text_of(v->host, "IpcMode"), "shareable") == 0);
	add_meant(v, "pid namespace", "", text_of(v->host, "PidMode"),
		strcmp(text_of(v->host, "PidMode"), "private") == 0);
	if (spec->runtime != NULL) {
		add(v, "runtime", spec->runtime, text_of(v->host, "Runtime"));
	}
	if (spec->gpus != NULL) {
		add(v, "gpus", "asked for",
			json_array_size(json_object_get(v->host, "DeviceRequests")) > 0
				? "asked for"
				: "not there");
	}
}

static void check_life(struct engine_view *v)
{
	add(v, "restart policy", "no", text_of(json_object_get(v->host, "RestartPolicy"), "Name"));
	add(v, "log", "none", text_of(json_object_get(v->host, "LogConfig"), "Type"));
}

static bool has_entry(const json_t *list, const char *entry)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		if (json_is_string(item) && strcmp(json_string_value(item), entry) == 0) {
			return true;
		}
	}
	return false;
}

/* The values are compared, and not shown. */
static void check_environment(struct engine_view *v)
{
	_cleanup_buf_ struct buf missing = {0};

	for (size_t i = 0; i < v->spec->env.count; i++) {
		const char *entry = v->spec->env.items[i];

		if (!has_entry(json_object_get(v->config, "Env"), entry)) {
			buf_addf(&missing, "%s%.*s", missing.len > 0 ? " " : "",
				(int)strcspn(entry, "="), entry);
		}
	}
	add(v, "variables that differ", "none", missing.len > 0 ? missing.data : "none");
}

/* It is made by the image's id, and the label says the name. Podman knows the name itself, in full. */
static const char *image_of(struct engine_view *v, const json_t *inspected)
{
	const char *shown = text_of(v->config, "Image");
	const char *label = text_of(json_object_get(v->config, "Labels"), "creel.image");
	size_t shown_len = strlen(shown), len = strlen(label);

	if (strcmp(shown, text_of(inspected, "Image")) == 0 ||
		(shown_len > len && shown[shown_len - len - 1] == '/' &&
			strcmp(shown + shown_len - len, label) == 0)) {
		return label;
	}
	return shown;
}

void probe_engine(struct probe *probe, const struct sandbox_spec *spec, const json_t *inspected)
{
	struct engine_view v = {
		.probe = probe,
		.spec = spec,
		.config = json_object_get(inspected, "Config"),
		.host = json_object_get(inspected, "HostConfig"),
		.mounts = json_object_get(inspected, "Mounts"),
	};

	add(&v, "image", spec->image, image_of(&v, inspected));
	add(&v, "user", spec->user != NULL ? spec->user : "", text_of(v.config, "User"));
	add(&v, "working directory", spec->workdir, text_of(v.config, "WorkingDir"));
	check_environment(&v);
	check_isolation(&v);
	check_mounts(&v);
	check_tmpfs(&v);
	check_limits(&v);
	check_list(&v, "dns", "Dns", &spec->dns);
	check_list(&v, "extra hosts", "ExtraHosts", &spec->extra_hosts);
	check_life(&v);
	arena_finish(&v.arena);
}
