/* SPDX-License-Identifier: MIT */
/* Effective settings: look a key up where it may stand, in order, and say where it was. */
#include "config/merge.h"

#include <assert.h>
#include <string.h>

#include "base/macro.h"
#include "base/own.h"
#include "config/doc.h"
#include "config/schema.h"

/* One place where a key may stand. */
struct layer {
	json_t *block; /* NULL: absent */
	const char *prefix; /* "agents.defaults.sandbox" */
	enum merge_source source;
};

enum { FIELD_MAX = 64 };

/* The first key of "docker.image" into key; the rest is returned. */
static const char *take_step(const char *field, char key[FIELD_MAX])
{
	size_t len = strcspn(field, ".");

	assert(len < FIELD_MAX);
	memcpy(key, field, len);
	key[len] = '\0';
	return field + len + (field[len] == '.');
}

/* The value at a path of plain keys, "docker.image". */
static json_t *value_at(json_t *block, const char *field)
{
	while (block != NULL && *field != '\0') {
		char key[FIELD_MAX];

		field = take_step(field, key);
		block = json_object_get(block, key);
	}
	return block;
}

static const struct schema_node *node_at(const struct schema_node *node, const char *field)
{
	while (node != NULL && *field != '\0') {
		char key[FIELD_MAX];

		field = take_step(field, key);
		node = schema_child(node, key);
	}
	return node;
}

static const char *join_key(struct arena *a, const char *prefix, const char *field)
{
	return arena_printf(a, "%s%s%s", prefix, *prefix != '\0' ? "." : "", field);
}

static const char *member_key(struct arena *a, const char *object, const char *name)
{
	_cleanup_buf_ struct buf key = {0};

	buf_add_str(&key, object);
	doc_path_add_key(&key, name);
	return arena_strdup(a, key.data);
}

static void add_item(struct merged *m, struct merged_item item)
{
	for (size_t i = 0; item.name != NULL && i < m->item_count; i++) {
		if (strcmp(m->items[i].name, item.name) == 0) {
			m->items[i] = item;
			return;
		}
	}
	m->items[m->item_count++] = item;
}

static void add_items(
	struct merged *m, struct arena *a, json_t *value, const char *key, enum merge_source source)
{
	const char *name;
	json_t *item;
	size_t i;

	if (json_is_array(value)) {
		json_array_foreach(value, i, item)
		{
			add_item(m, (struct merged_item){.value = item,
					    .key = source == MERGE_DEFAULT
							   ? key
							   : arena_printf(a, "%s[%zu]", key, i),
					    .source = source});
		}
		return;
	}
	json_object_foreach(value, name, item)
	{
		add_item(m, (struct merged_item){.name = name,
				    .value = item,
				    .key = source == MERGE_DEFAULT ? key : member_key(a, key, name),
				    .source = source});
	}
}

static size_t value_size(const json_t *value)
{
	return json_is_array(value) ? json_array_size(value) : json_object_size(value);
}

/*
 * Lists one after another, maps by name. layers go from the weakest to the strongest. A default
 * stands in for a weakest layer that says nothing, so that the agent's variables join the default
 * ones while a global env replaces them.
 */
static void combine(const struct schema_row *row, const struct brand *brand, struct arena *a,
	const struct layer *layers, size_t count, const char *field, struct merged *ret)
{
	json_t *values[4] = {NULL};
	size_t total = 0;

	assert(count <= ARRAY_SIZE(values));
	*ret = (struct merged){.key = "default"};
	for (size_t i = 0; i < count; i++) {
		values[i] = value_at(layers[i].block, field);
		total += value_size(values[i]);
	}
	if (values[0] == NULL && schema_default(row, brand) != NULL) {
		total += value_size(schema_default(row, brand));
	}
	ret->items = arena_calloc(a, total + 1, sizeof(*ret->items));
	if (values[0] == NULL && schema_default(row, brand) != NULL) {
		ret->source = MERGE_DEFAULT;
		add_items(ret, a, schema_default(row, brand), "default", MERGE_DEFAULT);
	}
	for (size_t i = 0; i < count; i++) {
		if (values[i] == NULL) {
			continue;
		}
		ret->key = join_key(a, layers[i].prefix, field);
		add_items(ret, a, values[i], ret->key, layers[i].source);
		ret->source = ret->source == MERGE_UNSET || ret->item_count == 0 ? layers[i].source
										 : MERGE_BOTH;
	}
}

/* The strongest layer that has the key. */
static void override(const struct schema_row *row, const struct brand *brand, struct arena *a,
	const struct layer *layers, size_t count, const char *field, struct merged *ret)
{
	json_t *def = schema_default(row, brand);

	for (size_t i = count; i-- > 0;) {
		json_t *value = value_at(layers[i].block, field);

		if (value != NULL) {
			*ret = (struct merged){.source = layers[i].source,
				.value = value,
				.key = join_key(a, layers[i].prefix, field)};
			return;
		}
	}
	*ret = (struct merged){.source = def != NULL ? MERGE_DEFAULT : MERGE_UNSET,
		.value = def,
		.key = "default"};
}

static void resolve(const struct schema_row *row, const struct brand *brand, struct arena *a,
	const struct layer *layers, size_t count, const char *field, struct merged *ret)
{
	if (row->merge == MERGE_RULE_CONCAT || row->merge == MERGE_RULE_MAP) {
		combine(row, brand, a, layers, count, field, ret);
	} else {
		override(row, brand, a, layers, count, field, ret);
	}
}

static const struct schema_node *sandbox_schema(void)
{
	static const struct schema_node *node;

	if (node == NULL) {
		node = node_at(schema_tree(), "agents.defaults.sandbox");
	}
	return node;
}

static json_t *agent_entry(const struct config *config, int index)
{
	json_t *list = json_object_get(json_object_get(config->root, "agents"), "list");

	return index >= 0 ? json_array_get(list, (size_t)index) : NULL;
}

static const char *agent_prefix(const struct config *config, int index)
{
	return index >= 0 && (size_t)index < config->agent_count ? config->agent_keys[index] : "";
}

static void resolve_scope(struct sandbox_merge *m, struct arena *a)
{
	struct merged scope, per_session;

	sandbox_merge_get(m, a, "scope", &scope);
	m->scope = json_string_value(scope.value);
	m->scope_key = scope.key;
	if (scope.source == MERGE_DEFAULT) {
		sandbox_merge_get(m, a, "perSession", &per_session);
		if (json_is_boolean(per_session.value)) {
			m->scope = json_is_true(per_session.value) ? "session" : "shared";
			m->scope_key = per_session.key;
		}
	}
	m->shared = strcmp(m->scope, "shared") == 0;
}

void sandbox_merge_init(
	struct sandbox_merge *m, struct arena *a, const struct config *config, int agent_index)
{
	json_t *agents = json_object_get(config->root, "agents");

	*m = (struct sandbox_merge){.config = config,
		.defaults = json_object_get(json_object_get(agents, "defaults"), "sandbox"),
		.agent = json_object_get(agent_entry(config, agent_index), "sandbox"),
		.agent_index = agent_index};
	resolve_scope(m, a);
}

static void merge_field(const struct sandbox_merge *m, struct arena *a,
	const struct schema_row *row, const char *field, struct merged *ret)
{
	struct layer layers[2] = {{m->defaults, "agents.defaults.sandbox", MERGE_GLOBAL}};
	size_t count = 1;

	if (m->agent != NULL && row->merge != MERGE_RULE_DEFAULTS &&
		!(m->shared && (row->flags & SCHEMA_NOT_SHARED))) {
		layers[count++] = (struct layer){m->agent,
			arena_printf(a, "%s.sandbox", agent_prefix(m->config, m->agent_index)),
			MERGE_AGENT};
	}
	resolve(row, m->config->brand, a, layers, count, field, ret);
}

void sandbox_merge_get(
	const struct sandbox_merge *m, struct arena *a, const char *field, struct merged *ret)
{
	const struct schema_node *node = node_at(sandbox_schema(), field);

	assert(node != NULL);
	merge_field(m, a, node->row, field, ret);
}

static json_t *merged_to_json(const struct merged *m)
{
	json_t *out;

	if (m->items == NULL) {
		return json_deep_copy(m->value);
	}
	out = m->item_count > 0 && m->items[0].name == NULL ? json_array() : json_object();
	for (size_t i = 0; i < m->item_count; i++) {
		if (m->items[i].name == NULL) {
			(void)json_array_append_new(out, json_deep_copy(m->items[i].value));
		} else {
			(void)json_object_set_new(
				out, m->items[i].name, json_deep_copy(m->items[i].value));
		}
	}
	return out;
}

static void fill(const struct sandbox_merge *m, struct arena *a, const struct schema_node *node,
	const char *prefix, json_t *out)
{
	for (const struct schema_node *child = node->first; child != NULL; child = child->next) {
		const char *field = join_key(a, prefix, child->name);
		struct merged value;

		if (child->row->alias != NULL || (child->row->flags & SCHEMA_PASSED)) {
			continue;
		}
		if (child->first != NULL) {
			json_t *object = json_object();

			fill(m, a, child, field, object);
			(void)json_object_set_new(out, child->name, object);
			continue;
		}
		merge_field(m, a, child->row, field, &value);
		/* An empty list of binds means something only where the key was set. */
		if (value.source != MERGE_UNSET) {
			(void)json_object_set_new(out, child->name,
				value.items != NULL && value.item_count == 0 &&
						child->row->type == SCHEMA_STRINGS
					? json_array()
					: merged_to_json(&value));
		}
	}
}

json_t *sandbox_merge_all(const struct sandbox_merge *m)
{
	_cleanup_arena_ struct arena arena = {0};
	json_t *out = json_object();

	fill(m, &arena, sandbox_schema(), "", out);
	return out;
}

void tools_merge_get(const struct config *config, int agent_index, struct arena *a,
	const char *field, struct merged *ret)
{
	json_t *agent = json_object_get(agent_entry(config, agent_index), "tools");
	const struct schema_node *node = node_at(schema_child(schema_tree(), "tools"), field);
	struct layer layers[2] = {{json_object_get(config->root, "tools"), "tools", MERGE_GLOBAL}};
	size_t count = 1;

	assert(node != NULL);
	/* applyPatch is replaced whole: a key that the agent's block leaves out has its default. */
	if (strncmp(field, "exec.applyPatch.", 16) == 0 &&
		value_at(agent, "exec.applyPatch") != NULL) {
		count = 0;
	}
	if (agent != NULL) {
		layers[count++] = (struct layer){agent,
			arena_printf(a, "%s.tools", agent_prefix(config, agent_index)),
			MERGE_AGENT};
	}
	resolve(node->row, config->brand, a, layers, count, field, ret);
}

void config_value(
	const struct config *config, struct arena *a, const char *path, struct merged *ret)
{
	const struct schema_row *row = schema_find(path);
	json_t *value = config_get(config, path);

	assert(row != NULL);
	if (value != NULL) {
		*ret = (struct merged){
			.source = MERGE_GLOBAL, .value = value, .key = arena_strdup(a, path)};
		return;
	}
	value = schema_default(row, config->brand);
	*ret = (struct merged){.source = value != NULL ? MERGE_DEFAULT : MERGE_UNSET,
		.value = value,
		.key = "default"};
}
