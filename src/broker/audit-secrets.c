/* SPDX-License-Identifier: MIT */
#include "broker/audit-secrets.h"

#include <string.h>

#include "config/schema.h"
#include "policy/report.h"

struct search {
	struct arena *arena;
	struct strv *found;
};

static void add_value(const struct search *s, const char *name, const char *value)
{
	size_t from, to;

	if (report_is_secret_value(name, value)) {
		strv_add(s->found, s->arena, value);
		return;
	}
	while (report_url_password(value, &from, &to)) {
		strv_add_ref(s->found, s->arena, arena_strndup(s->arena, value + from, to - from));
		value += to;
	}
}

/* Members of a map have names of the user's, which tell more than the mark on all of them: LANG is no
 * secret. Other names that the schema knows tell nothing: tokenFile is a place. */
static void add_string(
	const struct search *s, const struct schema_node *node, const char *name, const char *value)
{
	bool known = node != NULL && node->row != NULL && node->name[0] != '*';

	if (known && (node->row->flags & SCHEMA_SECRET_VALUE) != 0) {
		strv_add(s->found, s->arena, value);
	} else {
		add_value(s, known ? "" : name, value);
	}
}

/* Depth is bounded by the reader (LIMIT_CONFIG_DEPTH). node NULL: the schema does not know it. */
static void walk(const struct search *s, const struct schema_node *node, const char *name,
	const json_t *value)
{
	/* jansson's iterators take what they do not change as if they did. */
	json_t *object = (json_t *)(uintptr_t)value, *item;
	const char *key;
	size_t i;

	if (json_is_string(value)) {
		add_string(s, node, name, json_string_value(value));
	} else if (json_is_array(value)) {
		json_array_foreach(value, i, item)
		{
			walk(s, node != NULL ? node->any : NULL, name, item);
		}
	} else if (json_is_object(value)) {
		json_object_foreach(object, key, item)
		{
			walk(s, node != NULL ? schema_child(node, key) : NULL, key, item);
		}
	}
}

void audit_secrets_of_config(const json_t *root, struct arena *a, struct strv *ret)
{
	const struct search s = {.arena = a, .found = ret};

	walk(&s, schema_tree(), "", root);
}

void audit_secrets_of_env(char *const *env, struct arena *a, struct strv *ret)
{
	const struct search s = {.arena = a, .found = ret};

	for (; env != NULL && *env != NULL; env++) {
		const char *equals = strchr(*env, '=');

		if (equals != NULL) {
			add_value(&s, arena_strndup(a, *env, (size_t)(equals - *env)), equals + 1);
		}
	}
}
