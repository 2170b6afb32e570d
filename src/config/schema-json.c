/* SPDX-License-Identifier: MIT */
/* The key table as JSON Schema 2020-12, for editors and for other programs. */
#include <string.h>

#include "base/own.h"
#include "config/schema.h"

static json_t *node_schema(const struct schema_node *node);

static void set(json_t *object, const char *key, json_t *value)
{
	(void)json_object_set_new(object, key, value);
}

static json_t *typed(const char *type)
{
	return json_pack("{s:s}", "type", type);
}

static json_t *list_of(json_t *items)
{
	return json_pack("{s:s, s:o}", "type", "array", "items", items);
}

static json_t *one_of(const char *a, const char *b)
{
	return json_pack("{s:[s, s]}", "type", a, b);
}

static json_t *choices(const char *values)
{
	json_t *list = json_array();

	for (const char *p = values; *p != '\0';) {
		size_t len = strcspn(p, "|");

		(void)json_array_append_new(list, json_stringn(p, len));
		p += len + (p[len] == '|');
	}
	return json_pack("{s:s, s:o}", "type", "string", "enum", list);
}

static json_t *number(const struct schema_row *row)
{
	json_t *schema = typed(row->type == SCHEMA_INT ? "integer" : "number");

	if (row->min < row->max) {
		set(schema, "minimum",
			row->type == SCHEMA_INT ? json_integer((json_int_t)row->min)
						: json_real(row->min));
		set(schema, "maximum",
			row->type == SCHEMA_INT ? json_integer((json_int_t)row->max)
						: json_real(row->max));
	}
	return schema;
}

static json_t *ulimit(void)
{
	return json_pack("{s:[{s:s, s:i}, {s:s, s:s}, {s:s, s:b, s:{s:{s:s, s:i}, s:{s:s, s:i}}}]}",
		"anyOf", "type", "integer", "minimum", -1, "type", "string", "pattern",
		"^-?[0-9]+(:-?[0-9]+)?$", "type", "object", "additionalProperties", 0, "properties",
		"soft", "type", "integer", "minimum", 0, "hard", "type", "integer", "minimum", 0);
}

static json_t *object_schema(const struct schema_node *node)
{
	json_t *schema = typed("object"), *properties = json_object(), *required = json_array();

	for (const struct schema_node *child = node->first; child != NULL; child = child->next) {
		set(properties, child->name, node_schema(child));
		if (child->row->flags & SCHEMA_REQUIRED) {
			(void)json_array_append_new(required, json_string(child->name));
		}
	}
	if (json_object_size(properties) > 0) {
		set(schema, "properties", properties);
	} else {
		json_decref(properties);
	}
	if (json_array_size(required) > 0) {
		set(schema, "required", required);
	} else {
		json_decref(required);
	}
	set(schema, "additionalProperties",
		node->any != NULL ? node_schema(node->any) : json_false());
	return schema;
}

static json_t *type_schema(const struct schema_node *node)
{
	const struct schema_row *row = node->row;

	switch (row->type) {
	case SCHEMA_BOOL:
		return typed("boolean");
	case SCHEMA_INT:
	case SCHEMA_NUMBER:
		return number(row);
	case SCHEMA_STRING:
		return typed("string");
	case SCHEMA_ENUM:
		return choices(row->values);
	case SCHEMA_STRINGS:
		return list_of(typed("string"));
	case SCHEMA_COMMAND:
		return json_pack("{s:[o, o]}", "anyOf", typed("string"), list_of(typed("string")));
	case SCHEMA_SIZE:
		return one_of("string", "integer");
	case SCHEMA_ULIMIT:
		return ulimit();
	case SCHEMA_IDS:
		return list_of(one_of("string", "number"));
	case SCHEMA_SECRET:
		return one_of("string", "object");
	case SCHEMA_OBJECT:
	case SCHEMA_MAP:
		return object_schema(node);
	case SCHEMA_LIST:
		return list_of(node_schema(node->any));
	case SCHEMA_ANY:
	case SCHEMA_TYPE_COUNT_:
		break;
	}
	return json_object();
}

static json_t *node_schema(const struct schema_node *node)
{
	const struct schema_row *row = node->row;
	json_t *schema;

	if (row->flags & SCHEMA_PASSED) {
		return json_pack("{s:s}", "description", row->doc);
	}
	schema = row->flags & SCHEMA_RESERVED ? json_pack("{s:{}}", "not") : type_schema(node);
	set(schema, "description", json_string(row->doc));
	if (row->alias != NULL) {
		set(schema, "deprecated", json_true());
	}
	if (row->def != NULL && strpbrk(row->def, "@<") == NULL) {
		set(schema, "default", json_loads(row->def, JSON_DECODE_ANY, NULL));
	}
	return schema;
}

/* Both places of the sandbox block refer to one definition. */
static void refer(json_t *schema, const char *const *path, const char *name)
{
	for (; path[1] != NULL; path++) {
		schema = json_object_get(schema, *path);
	}
	(void)json_object_set_new(schema, *path, json_pack("{s:s}", "$ref", name));
}

json_t *config_schema_json(void)
{
	static const char *const defaults[] = {
		"properties", "agents", "properties", "defaults", "properties", "sandbox", NULL};
	static const char *const list[] = {"properties", "agents", "properties", "list", "items",
		"properties", "sandbox", NULL};
	static const char *const entries[] = {"properties", "agents", "properties", "entries",
		"additionalProperties", "properties", "sandbox", NULL};
	const struct schema_node *agents = schema_child(schema_tree(), "agents");
	json_t *schema = node_schema(schema_tree());

	set(schema, "$schema", json_string("https://json-schema.org/draft/2020-12/schema"));
	set(schema, "title", json_string("Creel configuration"));
	set(schema, "$defs",
		json_pack("{s:o}", "sandbox",
			node_schema(schema_child(schema_child(agents, "defaults"), "sandbox"))));
	refer(schema, defaults, "#/$defs/sandbox");
	refer(schema, list, "#/$defs/sandbox");
	refer(schema, entries, "#/$defs/sandbox");
	return schema;
}
