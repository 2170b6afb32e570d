/* SPDX-License-Identifier: MIT */
/* A document against the key table: every error in it, each with its place. */
#include <string.h>

#include "base/num.h"
#include "base/own.h"
#include "config/checks.h"
#include "config/loader.h"
#include "config/schema.h"

/* 2^53: every integer up to it is a double. */
static const double exact_limit = 9007199254740992.0;

static void validate(struct loader *l, struct doc_node *node, const struct schema_node *schema);

/* What was found, for a message: short, and nothing secret. */
static const char *found(
	struct loader *l, const struct doc_node *node, const struct schema_row *row)
{
	_cleanup_buf_ struct buf text = {0};

	switch ((enum doc_type)node->type) {
	case DOC_BOOL:
		return node->boolean ? "true" : "false";
	case DOC_INT:
		return row->flags & SCHEMA_SECRET_VALUE
			       ? "a number"
			       : arena_printf(l->arena, "%lld", (long long)node->integer);
	case DOC_REAL:
		return row->flags & SCHEMA_SECRET_VALUE
			       ? "a number"
			       : arena_printf(l->arena, "%.17g", node->real);
	case DOC_STRING:
		if (row->flags & SCHEMA_SECRET_VALUE) {
			return "a string";
		}
		buf_add_str(&text, "the string '");
		buf_add_escaped(&text, node->text, node->count, 40);
		buf_add_char(&text, '\'');
		return arena_strdup(l->arena, text.data);
	case DOC_BAD:
	case DOC_NULL:
	case DOC_ARRAY:
	case DOC_OBJECT:
	case DOC_COUNT_:
		break;
	}
	return doc_type_name(node->type);
}

static void wrong_type(struct loader *l, const struct doc_node *node, const struct schema_row *row,
	const char *expected)
{
	loader_error(l, node, node->type == DOC_NULL ? "remove the key to leave it unset" : NULL,
		"expected %s; found %s", expected, found(l, node, row));
}

static void validate_number(struct loader *l, struct doc_node *node, const struct schema_row *row)
{
	bool limited = row->min < row->max;
	bool integer = row->type == SCHEMA_INT;
	double value;

	if (integer) {
		(void)doc_make_integer(node);
	}
	if (node->type != DOC_INT && (integer || node->type != DOC_REAL)) {
		wrong_type(l, node, row, integer ? "an integer" : "a number");
		return;
	}
	value = node->type == DOC_INT ? (double)node->integer : node->real;
	if (limited && (value < row->min || value > row->max)) {
		const char *what = integer ? "an integer" : "a number";
		const char *range =
			row->max < exact_limit
				? arena_printf(l->arena, "from %.15g to %.15g", row->min, row->max)
				: arena_printf(l->arena, "of at least %.15g", row->min);

		loader_error(l, node, NULL, "expected %s %s; found %s", what, range,
			found(l, node, row));
	}
}

static bool enum_has(const char *values, const char *text)
{
	size_t len = strlen(text);

	for (const char *p = values; p != NULL; p = strchr(p, '|')) {
		p += *p == '|';
		if (strncmp(p, text, len) == 0 && (p[len] == '|' || p[len] == '\0')) {
			return true;
		}
	}
	return false;
}

/* The values as "a, b, c", and the nearest one as a hint. */
static void wrong_choice(
	struct loader *l, const struct doc_node *node, const struct schema_row *row)
{
	struct schema_node choices = {0};
	const char *nearest, *hint = NULL;
	_cleanup_buf_ struct buf list = {0};

	for (const char *p = row->values; *p != '\0';) {
		size_t len = strcspn(p, "|");
		struct schema_node *choice = arena_alloc(l->arena, sizeof(*choice));

		buf_addf(&list, "%s%.*s", list.len > 0 ? ", " : "", (int)len, p);
		*choice = (struct schema_node){
			.name = arena_strndup(l->arena, p, len), .row = row, .next = choices.first};
		choices.first = choice;
		p += len + (p[len] == '|');
	}
	nearest = node->type == DOC_STRING ? schema_nearest(&choices, node->text) : NULL;
	if (nearest != NULL) {
		hint = arena_printf(l->arena, "did you mean '%s'?", nearest);
	}
	loader_error(l, node, hint, "expected one of %s; found %s", list.data, found(l, node, row));
}

static void validate_strings(struct loader *l, struct doc_node *node, const struct schema_row *row)
{
	bool numbers = row->type == SCHEMA_IDS;

	if (node->type != DOC_ARRAY) {
		const char *expected = row->type == SCHEMA_COMMAND ? "a string or a list of strings"
								   : "a list of strings";

		wrong_type(l, node, row, numbers ? "a list of strings or numbers" : expected);
		return;
	}
	for (const struct doc_node *item = node->first; item != NULL; item = item->next) {
		if (item->type != DOC_STRING && item->type != DOC_BAD &&
			!(numbers && (item->type == DOC_INT || item->type == DOC_REAL))) {
			wrong_type(l, item, row, numbers ? "a string or a number" : "a string");
		}
	}
}

static void validate_ulimit(struct loader *l, struct doc_node *node, const struct schema_row *row)
{
	static const struct schema_row amount = {.type = SCHEMA_INT, .max = 9007199254740992.0};
	struct doc_node *soft, *hard;

	if (node->type == DOC_INT || node->type == DOC_REAL) {
		struct schema_row number = amount;

		number.min = -1;
		validate_number(l, node, &number);
		return;
	}
	if (node->type == DOC_STRING) {
		_cleanup_free_ char *copy = strdup(node->text);
		char *colon = copy != NULL ? strchr(copy, ':') : NULL;
		int64_t first = 0, second = 0;

		if (colon != NULL) {
			*colon = '\0';
		}
		if (copy == NULL || num_parse_i64(copy, -1, INT64_MAX, &first) < 0 ||
			(colon != NULL && num_parse_i64(colon + 1, -1, INT64_MAX, &second) < 0)) {
			wrong_type(l, node, row, "a limit as \"1024\" or \"1024:2048\"");
		} else if (colon != NULL && second >= 0 && (first > second || first < 0)) {
			loader_error(l, node, NULL, "the soft limit is above the hard limit");
		}
		return;
	}
	if (node->type != DOC_OBJECT) {
		wrong_type(l, node, row, "a number, \"soft:hard\" or {soft, hard}");
		return;
	}
	for (struct doc_node *child = node->first; child != NULL; child = child->next) {
		if (strcmp(child->key, "soft") != 0 && strcmp(child->key, "hard") != 0) {
			loader_key_error(l, node, child, "a limit has 'soft' and 'hard'",
				"unknown key '%s'", child->key);
		} else if (child->type != DOC_BAD) {
			validate_number(l, child, &amount);
		}
	}
	soft = doc_get(node, "soft");
	hard = doc_get(node, "hard");
	if (soft != NULL && hard != NULL && soft->type == DOC_INT && hard->type == DOC_INT &&
		soft->integer > hard->integer) {
		loader_error(l, node, NULL, "the soft limit is above the hard limit");
	}
}

/* A member of this name further down, as "docker" for "image". */
static const char *belongs_in(
	struct loader *l, const struct schema_node *node, const char *name, unsigned depth)
{
	for (const struct schema_node *child = node->first; child != NULL; child = child->next) {
		const struct schema_node *member = schema_child(child, name);
		const char *below;

		if (member != NULL && member != child->any &&
			!(member->row->flags & SCHEMA_PASSED)) {
			return child->name;
		}
		below = depth > 0 ? belongs_in(l, child, name, depth - 1) : NULL;
		if (below != NULL) {
			return arena_printf(l->arena, "%s.%s", child->name, below);
		}
	}
	return NULL;
}

static void unknown_key(struct loader *l, const struct doc_node *node,
	const struct doc_node *member, const struct schema_node *schema)
{
	const char *nearest, *place, *hint = NULL;

	if (loader_is_full(l)) {
		return;
	}
	nearest = schema_nearest(schema, member->key);
	place = belongs_in(l, schema, member->key, 1);
	if (nearest != NULL) {
		hint = arena_printf(l->arena, "did you mean '%s'?", nearest);
	} else if (place != NULL) {
		hint = arena_printf(l->arena, "'%s' belongs in '%s'", member->key, place);
	}
	loader_key_error(l, node, member, hint, "unknown key '%s'%s", member->key,
		node->written_parent == NULL ? " at the top level" : "");
}

/* A key under an old name gets its present one. False: both are there, reported. */
static bool rename_alias(struct loader *l, struct doc_node *node, struct doc_node *child,
	const struct schema_row *row)
{
	if (doc_get(node, row->alias) != NULL) {
		loader_key_error(l, node, child, arena_printf(l->arena, "keep '%s'", row->alias),
			"'%s' and '%s' are the same key", child->key, row->alias);
		return false;
	}
	child->written_key = child->key;
	child->key = row->alias;
	child->key_len = (uint32_t)strlen(row->alias);
	return true;
}

static void validate_member(struct loader *l, struct doc_node *node, struct doc_node *child,
	const struct schema_node *schema)
{
	const struct schema_node *member = schema_child(schema, child->key);

	if (child->type == DOC_BAD) {
		return;
	}
	if (member == NULL) {
		unknown_key(l, node, child, schema);
		return;
	}
	if (member->row->alias != NULL) {
		if (!rename_alias(l, node, child, member->row)) {
			return;
		}
		member = schema_child(schema, child->key);
	}
	validate(l, child, member);
}

/* JavaScript's name for an object's ancestor: the original drops it, whatever it holds. */
static void drop_prototype(struct loader *l, struct doc_node *node)
{
	struct doc_node *child = doc_take(node, "__proto__");

	if (child != NULL) {
		loader_warning(l, child, "remove it", "the key '__proto__' means nothing here");
	}
}

static void validate_members(
	struct loader *l, struct doc_node *node, const struct schema_node *schema)
{
	struct doc_node *next;

	drop_prototype(l, node);
	for (struct doc_node *child = node->first; child != NULL; child = next) {
		next = child->next;
		validate_member(l, node, child, schema);
	}
	for (const struct schema_node *child = schema->first; child != NULL; child = child->next) {
		if ((child->row->flags & SCHEMA_REQUIRED) && doc_get(node, child->name) == NULL) {
			loader_error(l, node, NULL, "the key '%s' is missing", child->name);
		}
	}
}

static void validate_list(struct loader *l, struct doc_node *node, const struct schema_node *schema)
{
	for (struct doc_node *item = node->first; item != NULL; item = item->next) {
		validate(l, item, schema->any);
	}
}

static void validate_string(struct loader *l, struct doc_node *node, const struct schema_row *row)
{
	if (node->type != DOC_STRING) {
		wrong_type(l, node, row, "a string");
	} else if ((row->flags & SCHEMA_NONEMPTY) && node->count == 0) {
		loader_error(l, node, "remove the key to leave it unset", "must not be empty");
	}
}

static void validate_value(
	struct loader *l, struct doc_node *node, const struct schema_node *schema)
{
	const struct schema_row *row = schema->row;

	switch (row->type) {
	case SCHEMA_BOOL:
		if (node->type != DOC_BOOL) {
			wrong_type(l, node, row, "true or false");
		}
		break;
	case SCHEMA_INT:
	case SCHEMA_NUMBER:
		validate_number(l, node, row);
		break;
	case SCHEMA_STRING:
		validate_string(l, node, row);
		break;
	case SCHEMA_ENUM:
		if (node->type != DOC_STRING || !enum_has(row->values, node->text)) {
			wrong_choice(l, node, row);
		}
		break;
	case SCHEMA_COMMAND:
		if (node->type != DOC_STRING) {
			validate_strings(l, node, row);
		}
		break;
	case SCHEMA_STRINGS:
	case SCHEMA_IDS:
		validate_strings(l, node, row);
		break;
	case SCHEMA_SIZE:
		if (node->type != DOC_STRING && node->type != DOC_INT && node->type != DOC_REAL) {
			wrong_type(l, node, row, "a size as \"512m\", or a number of bytes");
		}
		break;
	case SCHEMA_SECRET:
		if (node->type != DOC_STRING && node->type != DOC_OBJECT) {
			wrong_type(l, node, row, "a string, or an object that refers to a secret");
		}
		break;
	case SCHEMA_ULIMIT:
		validate_ulimit(l, node, row);
		break;
	case SCHEMA_OBJECT:
	case SCHEMA_MAP:
		if (node->type != DOC_OBJECT) {
			wrong_type(l, node, row, "an object");
		} else {
			validate_members(l, node, schema);
		}
		break;
	case SCHEMA_LIST:
		if (node->type != DOC_ARRAY) {
			wrong_type(l, node, row, "a list");
		} else {
			validate_list(l, node, schema);
		}
		break;
	case SCHEMA_ANY:
	case SCHEMA_TYPE_COUNT_:
		break;
	}
}

static void validate(struct loader *l, struct doc_node *node, const struct schema_node *schema)
{
	const struct schema_row *row = schema->row;
	size_t before = l->issue_count;

	if (node->type == DOC_BAD || loader_is_full(l)) {
		return;
	}
	if (row->flags & SCHEMA_PASSED) {
		strv_add_ref(&l->config->passed_over, l->arena, doc_path(l->arena, node));
		return;
	}
	if (row->flags & SCHEMA_RESERVED) {
		loader_error(l, node, "remove it", "this key is reserved and does nothing yet");
		return;
	}
	validate_value(l, node, schema);
	/* An object with one bad member is still checked as a whole: checks look at types themselves. */
	if (row->check != NULL && (l->issue_count == before || (row->type == SCHEMA_OBJECT &&
								       node->type == DOC_OBJECT))) {
		row->check(l, node);
	}
}

void validate_doc(struct loader *l)
{
	validate(l, l->root, schema_tree());
}
