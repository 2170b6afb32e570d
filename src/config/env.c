/* SPDX-License-Identifier: MIT */
/* ${NAME} in texts: the environment's value, that of the .env file, or the env block's. */
#include <string.h>

#include "base/limits.h"
#include "base/own.h"
#include "base/path.h"
#include "config/dotenv.h"
#include "config/index.h"
#include "config/loader.h"
#include "config/schema.h"

/* A reference that starts at text: "${NAME}". Its length, or 0; *ret_name is in arena memory. */
static size_t reference(struct arena *a, const char *text, const char **ret_name)
{
	const char *p = text + 2;

	if (text[0] != '$' || text[1] != '{' || !((*p >= 'A' && *p <= 'Z') || *p == '_')) {
		return 0;
	}
	while ((*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || *p == '_') {
		p++;
	}
	if (*p != '}') {
		return 0;
	}
	*ret_name = arena_strndup(a, text + 2, (size_t)(p - text - 2));
	return (size_t)(p + 1 - text);
}

struct substitution {
	struct loader *l;
	struct doc_index env, vars; /* the members of the env block and of its vars */
	struct doc_index file; /* of the .env file, once file_read */
	bool file_read;
	size_t added; /* bytes of all values put in */
	bool exceeded; /* more than may be: said once */
};

/* Escaped ones are none. */
static bool has_reference(struct arena *a, const char *text)
{
	const char *name;

	for (const char *p = strchr(text, '$'); p != NULL; p = strchr(p, '$')) {
		size_t escaped = p[1] == '$' ? reference(a, p + 1, &name) : 0;

		if (escaped == 0 && reference(a, p, &name) > 0) {
			return true;
		}
		p += 1 + escaped;
	}
	return false;
}

/* env.NAME and env.vars.NAME: used where the environment has nothing, the first before the second.
 * A text that itself refers to a variable is no value. */
static const char *from_block(const struct substitution *s, const char *name)
{
	const struct doc_node *value = doc_index_get(&s->env, name);

	if (value == NULL || value->type != DOC_STRING || value->count == 0) {
		value = doc_index_get(&s->vars, name);
	}
	if (value == NULL || value->type != DOC_STRING || value->count == 0 ||
		has_reference(s->l->arena, value->text)) {
		return NULL;
	}
	return value->text;
}

/* The .env file in the state directory, read when something is first looked for in it. The original
 * reads one in the working directory as well; that directory may be a workspace, which is not
 * trusted to say what a configuration means. */
static const char *from_file(struct substitution *s, const char *name)
{
	const struct doc_node *value;
	struct error err = {0};
	uint16_t index;

	if (!s->file_read) {
		s->file_read = true;
		if (source_read(&s->l->sources, s->l->arena,
			    path_join(s->l->arena, s->l->config->state_dir, ".env"), &index,
			    &err) == 0) {
			dotenv_parse(s->l->arena, s->l->sources.items[index].text, &s->file);
		}
	}
	value = doc_index_get(&s->file, name);
	return value != NULL && value->count > 0 ? value->text : NULL;
}

static const char *lookup(struct substitution *s, const char *name)
{
	const char *value = s->l->env->get(s->l->env->arg, name);

	if (value == NULL || *value == '\0') {
		value = from_file(s, name);
	}
	return value != NULL ? value : from_block(s, name);
}

/* jansson's own check, because its texts are what the value becomes part of. */
static bool is_utf8(const char *text)
{
	json_t *value = json_string(text);
	bool valid = value != NULL;

	json_decref(value);
	return valid;
}

static void report_unset(struct loader *l, const struct doc_node *node, const char *name)
{
	loader_file_error(l, node,
		arena_printf(l->arena, "set %s, or write $${%s} for the text itself", name, name),
		"%s refers to ${%s}, which the environment does not have", doc_path(l->arena, node),
		name);
}

static void report_invalid(
	struct loader *l, const struct doc_node *node, const char *name, bool report)
{
	if (report) {
		loader_file_error(l, node, NULL, "%s refers to ${%s}, which is not valid UTF-8",
			doc_path(l->arena, node), name);
	}
}

/* A value, unless all of them together are more than a configuration may hold. */
static bool add_value(
	struct substitution *s, const struct doc_node *node, const char *value, struct buf *out)
{
	size_t len = strlen(value);

	if (len > LIMIT_CONFIG_BYTES - s->added) {
		if (!s->exceeded) {
			loader_file_error(s->l, node, NULL,
				"the values of variables make the configuration larger than "
				"16 MiB");
		}
		s->exceeded = true;
		return false;
	}
	s->added += len;
	buf_add(out, value, len);
	return true;
}

/* The replaced text, or NULL after reporting. */
static char *substitute(struct substitution *s, const struct doc_node *node, bool report)
{
	_cleanup_buf_ struct buf out = {0};
	struct arena *a = s->l->arena;
	const char *p = node->text, *name, *value;
	size_t len;

	while (*p != '\0') {
		if (p[0] == '$' && p[1] == '$' && (len = reference(a, p + 1, &name)) > 0) {
			buf_add(&out, p + 1, len); /* $${NAME} stands for ${NAME} itself */
			p += len + 1;
		} else if ((len = reference(a, p, &name)) > 0) {
			value = lookup(s, name);
			if (value == NULL && report) {
				report_unset(s->l, node, name);
			}
			if (value != NULL && !is_utf8(value)) {
				report_invalid(s->l, node, name, report);
				value = NULL;
			}
			if (value == NULL || !add_value(s, node, value, &out)) {
				return NULL;
			}
			p += len;
		} else {
			buf_add_char(&out, *p++);
		}
	}
	return arena_strdup(a, out.data != NULL ? out.data : "");
}

/* schema: NULL where the table has no row. What Creel does not use may need variables that only its
 * user has. */
static void walk(struct substitution *s, struct doc_node *node, const struct schema_node *schema)
{
	bool used = schema != NULL && !(schema->row->flags & SCHEMA_PASSED);
	char *text;

	if (node->type == DOC_OBJECT || node->type == DOC_ARRAY) {
		for (struct doc_node *child = node->first; child != NULL; child = child->next) {
			const struct schema_node *below = schema;

			if (used && schema->row->type != SCHEMA_ANY &&
				(schema->first != NULL || schema->any != NULL)) {
				below = child->key != NULL ? schema_child(schema, child->key)
							   : schema->any;
			}
			walk(s, child, below);
		}
		return;
	}
	if (node->type != DOC_STRING || strchr(node->text, '$') == NULL) {
		return;
	}
	text = substitute(s, node, used);
	if (text != NULL) {
		node->text = text;
		node->count = (uint32_t)strlen(text);
	} else if (used) {
		node->type = DOC_BAD;
	}
}

static bool has_dollar(const struct doc_node *node)
{
	bool found = node->type == DOC_STRING && strchr(node->text, '$') != NULL;

	if (node->type != DOC_OBJECT && node->type != DOC_ARRAY) {
		return found;
	}
	for (const struct doc_node *child = node->first; child != NULL && !found;
		child = child->next) {
		found = has_dollar(child);
	}
	return found;
}

void env_substitute(struct loader *l)
{
	struct substitution s = {.l = l};
	struct doc_node *env = doc_get(l->root, "env");

	if (!has_dollar(l->root)) {
		return; /* the usual case */
	}
	doc_index_add_members(&s.env, env);
	doc_index_add_members(&s.vars, doc_get(env, "vars"));
	for (struct doc_node *child = l->root->first; child != NULL; child = child->next) {
		if (child != env) {
			walk(&s, child, schema_child(schema_tree(), child->key));
		}
	}
	/* Last: what the block gives to others is what was written in it, wherever it stands. */
	if (env != NULL) {
		walk(&s, env, schema_child(schema_tree(), "env"));
	}
	doc_index_finish(&s.file);
	doc_index_finish(&s.env);
	doc_index_finish(&s.vars);
}
