/* SPDX-License-Identifier: MIT */
/* ${NAME} in texts: the environment's value, or the one that the env block gives. */
#include <string.h>

#include "base/own.h"
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

static bool has_reference(struct arena *a, const char *text)
{
	const char *name;

	for (const char *p = strchr(text, '$'); p != NULL; p = strchr(p + 1, '$')) {
		if (reference(a, p, &name) > 0) {
			return true;
		}
	}
	return false;
}

/* env.NAME and env.vars.NAME: used where the environment has nothing, the first before the second.
 * A text that itself refers to a variable is no value. */
static const char *from_block(const struct loader *l, const char *name)
{
	const struct doc_node *env = doc_get(l->root, "env");
	const struct doc_node *value = doc_get(env, name);

	if (value == NULL || value->type != DOC_STRING || value->count == 0 ||
		strcmp(name, "vars") == 0 || strcmp(name, "shellEnv") == 0) {
		value = doc_get(doc_get(env, "vars"), name);
	}
	if (value == NULL || value->type != DOC_STRING || value->count == 0 ||
		has_reference(l->arena, value->text)) {
		return NULL;
	}
	return value->text;
}

static const char *lookup(const struct loader *l, const char *name)
{
	const char *value = l->env->get(l->env->arg, name);

	return value != NULL && *value != '\0' ? value : from_block(l, name);
}

/* The replaced text, or NULL after reporting. */
static char *substitute(struct loader *l, const struct doc_node *node, bool report)
{
	_cleanup_buf_ struct buf out = {0};
	const char *p = node->text, *name, *value;
	size_t len;

	while (*p != '\0') {
		if (p[0] == '$' && p[1] == '$' && (len = reference(l->arena, p + 1, &name)) > 0) {
			buf_add(&out, p + 1, len); /* $${NAME} stands for ${NAME} itself */
			p += len + 1;
		} else if ((len = reference(l->arena, p, &name)) > 0) {
			value = lookup(l, name);
			if (value == NULL && !report) {
				return NULL;
			}
			if (value == NULL) {
				loader_file_error(l, node,
					arena_printf(l->arena,
						"set %s, or write $${%s} for the text itself", name,
						name),
					"%s refers to ${%s}, which the environment does not have",
					doc_path(l->arena, node), name);
				return NULL;
			}
			buf_add_str(&out, value);
			p += len;
		} else {
			buf_add_char(&out, *p++);
		}
	}
	return arena_strdup(l->arena, out.data != NULL ? out.data : "");
}

static void walk(struct loader *l, struct doc_node *node, bool report)
{
	char *text;

	if (node->type == DOC_OBJECT || node->type == DOC_ARRAY) {
		for (struct doc_node *child = node->first; child != NULL; child = child->next) {
			walk(l, child, report);
		}
		return;
	}
	if (node->type != DOC_STRING || strchr(node->text, '$') == NULL) {
		return;
	}
	text = substitute(l, node, report);
	if (text != NULL) {
		node->text = text;
		node->count = (uint32_t)strlen(text);
	} else if (report) {
		node->type = DOC_BAD;
	}
}

void env_substitute(struct loader *l)
{
	if (l->root->type != DOC_OBJECT) {
		return;
	}
	for (struct doc_node *child = l->root->first; child != NULL; child = child->next) {
		/* A block that Creel does not use may need variables that only its user has. */
		walk(l, child, !schema_passed_over(child->key));
	}
}
