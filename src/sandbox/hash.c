/* SPDX-License-Identifier: MIT */
/* The config hash, byte for byte as the original computes it. */
#include "sandbox/hash.h"

#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/macro.h"
#include "base/mem.h"
#include "policy/text.h"

/*
 * Keys are sorted as people sort words (the root collation of Unicode, for ASCII): punctuation, then
 * digits, then letters with their capitals beside them; small before capital where all else is equal.
 */
static int weight(unsigned char c)
{
	static const char order[] =
		"_-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$"
		"0123456789aAbBcCdDeEfFgGhHiIjJkKlLmMnNoOpPqQrRsStTuUvVwWxXyYzZ";
	const char *at = c != '\0' ? strchr(order, c) : NULL;

	return at != NULL ? (int)(at - order) + 1 : 256 + c;
}

static int primary(unsigned char c)
{
	return weight(c >= 'A' && c <= 'Z' ? (unsigned char)(c + ('a' - 'A')) : c);
}

static int compare_keys(const void *left, const void *right)
{
	const char *a = *(const char *const *)left, *b = *(const char *const *)right;
	size_t i = 0;

	while (a[i] != '\0' && b[i] != '\0' &&
		primary((unsigned char)a[i]) == primary((unsigned char)b[i])) {
		i++;
	}
	if (a[i] == '\0' && b[i] == '\0') {
		for (i = 0; a[i] != '\0' && a[i] == b[i]; i++) {
		}
		return a[i] == b[i] ? 0 : weight((unsigned char)a[i]) - weight((unsigned char)b[i]);
	}
	if (a[i] == '\0' || b[i] == '\0') {
		return a[i] == '\0' ? -1 : 1;
	}
	return primary((unsigned char)a[i]) - primary((unsigned char)b[i]);
}

static void dump_value(struct buf *out, const json_t *value);

static void dump_string(struct buf *out, const char *text, size_t len)
{
	buf_add_char(out, '"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '"' || c == '\\') {
			buf_addf(out, "\\%c", c);
		} else if (c == '\n' || c == '\r' || c == '\t' || c == '\b' || c == '\f') {
			static const char letters[] = "btn\0fr";

			buf_addf(out, "\\%c", letters[c - '\b']);
		} else if (c < 0x20) {
			buf_addf(out, "\\u%04x", c);
		} else {
			buf_add_char(out, (char)c);
		}
	}
	buf_add_char(out, '"');
}

/* The shortest text that reads back as the same number. */
static void dump_real(struct buf *out, double number)
{
	char text[40];

	for (int digits = 1; digits <= DBL_DECIMAL_DIG; digits++) {
		double back;

		(void)snprintf(text, sizeof(text), "%.*g", digits, number);
		back = strtod(text, NULL);
		/* Not ==: that is what -Wfloat-equal is there to stop, and -0 is not 0 here.
		 * NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c) */
		if (memcmp(&back, &number, sizeof(back)) == 0) {
			break;
		}
	}
	buf_add_str(out, text);
}

static void dump_object(struct buf *out, const json_t *object)
{
	const char **keys = xcalloc(json_object_size(object) + 1, sizeof(*keys));
	size_t count = 0;
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		if (!json_is_null(value)) {
			keys[count++] = key;
		}
	}
	qsort(keys, count, sizeof(*keys), compare_keys);
	buf_add_char(out, '{');
	for (size_t i = 0; i < count; i++) {
		if (i > 0) {
			buf_add_char(out, ',');
		}
		dump_string(out, keys[i], strlen(keys[i]));
		buf_add_char(out, ':');
		dump_value(out, json_object_get(object, keys[i]));
	}
	buf_add_char(out, '}');
	free(keys);
}

static void dump_array(struct buf *out, const json_t *array)
{
	const json_t *item;
	size_t i;

	buf_add_char(out, '[');
	json_array_foreach(array, i, item)
	{
		if (i > 0) {
			buf_add_char(out, ',');
		}
		dump_value(out, item);
	}
	buf_add_char(out, ']');
}

static void dump_value(struct buf *out, const json_t *value)
{
	if (json_is_object(value)) {
		dump_object(out, value);
	} else if (json_is_array(value)) {
		dump_array(out, value);
	} else if (json_is_string(value)) {
		dump_string(out, json_string_value(value), json_string_length(value));
	} else if (json_is_integer(value)) {
		buf_addf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	} else if (json_is_real(value)) {
		dump_real(out, json_real_value(value));
	} else {
		buf_add_str(out, json_is_true(value)    ? "true"
				 : json_is_false(value) ? "false"
							: "null");
	}
}

char *config_hash_json(struct arena *a, const json_t *value)
{
	_cleanup_buf_ struct buf out = {0};
	char hex[HASH_HEX_SIZE];

	dump_value(&out, value);
	hash_sha256_hex(out.data, out.len, hex);
	return arena_strdup(a, hex);
}

static json_t *string_list(const struct strv *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->count; i++) {
		json_array_append_new(array, json_string(list->items[i]));
	}
	return array;
}

static json_t *env_object(const struct strv *env)
{
	json_t *object = json_object();

	for (size_t i = 0; i < env->count; i++) {
		const char *eq = strchr(env->items[i], '=');

		json_object_setn_new(
			object, env->items[i], (size_t)(eq - env->items[i]), json_string(eq + 1));
	}
	return object;
}

/* Keys that go in only when the configuration sets them, exactly as it does. */
static const char *const plain_keys[] = {
	"setupCommand",
	"pidsLimit",
	"memory",
	"memorySwap",
	"cpus",
	"seccompProfile",
	"apparmorProfile",
	"dns",
	"extraHosts",
	"runtime",
	"gpus",
	"socket",
	"dangerouslyAllowReservedContainerTargets",
	"dangerouslyAllowExternalBindSources",
	"dangerouslyAllowContainerNamespaceJoin",
};

static void add_configured(const struct decision *d, json_t *docker, const char *key)
{
	char field[96];
	const char *path;
	json_t *value;

	(void)snprintf(field, sizeof(field), "sandbox.docker.%s", key);
	path = decision_provenance(d, field);
	if (path == NULL || strcmp(path, "default") == 0) {
		return;
	}
	value = config_get(d->config, path);
	if (strcmp(key, "setupCommand") == 0 && d->spec.setup_command != NULL) {
		json_object_set_new(docker, key, json_string(d->spec.setup_command));
	} else {
		json_object_set(docker, key, value);
	}
}

static json_t *ulimit_object(const struct decision *d)
{
	json_t *object = json_object();

	for (size_t i = 0; i < d->spec.ulimit_count; i++) {
		_cleanup_arena_ struct arena a = {0};
		const char *path = decision_provenance(d,
			text_concat(&a, "sandbox.docker.ulimits.", d->spec.ulimits[i].name, NULL));

		if (path != NULL) {
			json_object_set(
				object, d->spec.ulimits[i].name, config_get(d->config, path));
		}
	}
	return object;
}

static json_t *docker_object(const struct decision *d)
{
	const struct sandbox_spec *spec = &d->spec;
	const char *prefix_key = decision_provenance(d, "sandbox.docker.containerPrefix");
	json_t *docker = json_object(), *prefix = config_get(d->config, prefix_key);
	struct strv binds = {0};

	json_object_set_new(docker, "image", json_string(spec->image));
	if (prefix != NULL) {
		json_object_set(docker, "containerPrefix", prefix);
	} else {
		json_object_set_new(
			docker, "containerPrefix", json_string(d->config->brand->container_prefix));
	}
	json_object_set_new(docker, "workdir", json_string(spec->workdir));
	json_object_set_new(docker, "readOnlyRoot", json_boolean(spec->read_only_root));
	json_object_set_new(docker, "tmpfs", string_list(&spec->tmpfs));
	json_object_set_new(docker, "network", json_string(spec->network));
	if (spec->user != NULL) {
		json_object_set_new(docker, "user", json_string(spec->user));
	}
	json_object_set_new(docker, "capDrop", string_list(&spec->cap_drop));
	json_object_set_new(docker, "env", env_object(&spec->env));
	for (size_t i = 0; i < ARRAY_SIZE(plain_keys); i++) {
		add_configured(d, docker, plain_keys[i]);
	}
	if (spec->ulimit_count > 0) {
		json_object_set_new(docker, "ulimits", ulimit_object(d));
	}
	if (d->bind_count > 0) {
		struct arena scratch = {0};

		for (size_t i = 0; i < d->bind_count; i++) {
			strv_add_ref(&binds, &scratch, d->binds[i].raw);
		}
		json_object_set_new(docker, "binds", string_list(&binds));
		arena_finish(&scratch);
	}
	return docker;
}

const char *config_hash(struct decision *decision)
{
	const struct sandbox_spec *spec = &decision->spec;
	json_t *input = json_pack("{s:o,s:s,s:s,s:s}", "docker", docker_object(decision),
		"workspaceAccess", workspace_access_name(spec->access), "workspaceDir",
		spec->workspace_dir, "agentWorkspaceDir", spec->agent_workspace_dir);
	json_t *missing;
	const char *hash;

	/* A default of the original's is not written into its input; one of ours would change it. */
	if (spec->native_root != NULL) {
		json_object_set_new(input, "nativeRoot", json_string(spec->native_root));
	}
	missing = config_get(
		decision->config, decision_provenance(decision, "sandbox.native.allowMissing"));
	if (missing != NULL) {
		json_object_set(input, "nativeAllowMissing", missing);
	}
	hash = config_hash_json(&decision->arena, input);
	json_decref(input);
	return hash;
}
