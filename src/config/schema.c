/* SPDX-License-Identifier: MIT */
/* The key table as a tree: lookups, nearest names, defaults. */
#include "config/schema.h"

#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "base/macro.h"
#include "base/own.h"
#include "config/doc.h"
#include "config/nearest.h"

/* Built once and kept until the process ends: the table is constant. */
static struct arena tree_arena;
static struct schema_node *tree;

static const struct shorthand {
	const char *name;
	const char *stands_for[4];
} shorthands[] = {
	{"@sandbox", {"@defaults.sandbox", "@agent.sandbox", NULL}},
	{"@policy",
		{"@tools.sandbox.tools", "tools.subagents.tools", "@tools.toolsBySender.*", NULL}},
	{"@tools", {"tools", "@agent.tools", NULL}},
	{"@defaults", {"agents.defaults", NULL}},
	{"@agent", {"agents.list[]", "agents.entries.*", NULL}},
};

const char *const *schema_expand(const char *path, size_t *ret_prefix_len)
{
	size_t len = strcspn(path, ".");

	for (size_t i = 0; i < ARRAY_SIZE(shorthands); i++) {
		if (strlen(shorthands[i].name) == len &&
			memcmp(shorthands[i].name, path, len) == 0) {
			*ret_prefix_len = len;
			return shorthands[i].stands_for;
		}
	}
	return NULL;
}

static bool has_name(const struct schema_node *node, const char *name, size_t len)
{
	return node->name_len == len && memcmp(node->name, name, len) == 0;
}

static struct schema_node *find_child(const struct schema_node *node, const char *name, size_t len)
{
	/* The table goes block by block: while it is read, the newest child is the likely one. */
	if (node->last != NULL && has_name(node->last, name, len)) {
		return node->last;
	}
	for (struct schema_node *child = node->first; child != NULL; child = child->next) {
		if (has_name(child, name, len)) {
			return child;
		}
	}
	return NULL;
}

static struct schema_node *new_child(struct schema_node *node, const char *name, size_t len)
{
	struct schema_node *child = arena_alloc(&tree_arena, sizeof(*child));

	child->name = arena_strndup(&tree_arena, name, len);
	child->name_len = len;
	if (name[0] == '*' || name[0] == '[') {
		node->any = child;
		return child;
	}
	if (node->last != NULL) {
		node->last->next = child;
	} else {
		node->first = child;
	}
	node->last = child;
	return child;
}

/* The member on the way to a row: it is there, or this row is its first. */
static struct schema_node *add_child(struct schema_node *node, const char *name, size_t len)
{
	struct schema_node *child;

	if (name[0] == '*' || name[0] == '[') {
		return node->any != NULL ? node->any : new_child(node, name, len);
	}
	child = find_child(node, name, len);
	return child != NULL ? child : new_child(node, name, len);
}

static struct schema_node *add_path(struct schema_node *root, const char *path)
{
	struct schema_node *node = root;

	while (*path != '\0') {
		size_t len = *path == '[' ? 2 : strcspn(path, ".[");

		/* No key has two rows, so the last step needs no search. */
		node = path[len] == '\0' && *path != '*' && *path != '['
			       ? new_child(node, path, len)
			       : add_child(node, path, len);
		path += len;
		path += *path == '.';
	}
	return node;
}

/* The container of a row that stands for several of its members. */
static struct schema_node *find_path(struct schema_node *root, const char *path)
{
	struct schema_node *node = root;

	while (*path != '\0') {
		size_t len = *path == '[' ? 2 : strcspn(path, ".[");

		node = add_child(node, path, len);
		path += len;
		path += *path == '.';
	}
	return node;
}

static void add_row(struct schema_node *root, const struct schema_row *row, const char *path)
{
	size_t prefix_len = 0;
	const char *const *expanded = schema_expand(path, &prefix_len);
	struct schema_node *node;

	if (expanded != NULL) {
		for (; *expanded != NULL; expanded++) {
			add_row(root, row,
				arena_printf(&tree_arena, "%s%s", *expanded, path + prefix_len));
		}
		return;
	}
	if (!(row->flags & SCHEMA_PASSED) || row->values == NULL) {
		add_path(root, path)->row = row;
		return;
	}
	node = find_path(root, path);
	for (const char *name = row->values; *name != '\0'; name += strspn(name, " ")) {
		size_t len = strcspn(name, " ");

		new_child(node, name, len)->row = row;
		name += len;
	}
}

const struct schema_node *schema_tree(void)
{
	if (tree == NULL) {
		tree = arena_alloc(&tree_arena, sizeof(*tree));
		for (size_t i = 0; i < schema_row_count; i++) {
			add_row(tree, &schema_rows[i], schema_rows[i].path);
		}
	}
	return tree;
}

const struct schema_node *schema_child(const struct schema_node *node, const char *key)
{
	const struct schema_node *child = find_child(node, key, strlen(key));

	return child != NULL ? child : node->any;
}

const struct schema_row *schema_find(const char *path)
{
	const struct schema_node *node = schema_tree();
	struct doc_step step;

	while (node != NULL && *path != '\0') {
		if (!doc_path_step(&path, &step)) {
			return NULL;
		}
		if (step.key == NULL) {
			node = node->any;
		} else {
			const struct schema_node *child = find_child(node, step.key, step.key_len);

			node = child != NULL ? child : node->any;
		}
	}
	return node != NULL ? node->row : NULL;
}

const char *schema_nearest(const struct schema_node *node, const char *name)
{
	const struct schema_node *nearest = NULL;
	int best = NEAREST_NONE;

	for (const struct schema_node *child = node->first; child != NULL; child = child->next) {
		int d = nearest_distance(name, child->name);
		/* A name of Creel's own is a better guess than one that is passed over. */
		bool better = nearest != NULL && d == best &&
			      !(child->row->flags & SCHEMA_PASSED) &&
			      (nearest->row->flags & SCHEMA_PASSED);

		if (d < best || better) {
			best = d;
			nearest = child;
		}
	}
	return nearest != NULL ? nearest->name : NULL;
}

/* Defaults as values, per brand: made when first asked for. */
enum { BRANDS_MAX = 8 };
static json_t **defaults[BRANDS_MAX];

static size_t brand_index(const struct brand *brand)
{
	size_t index = 0;

	while (brand_at(index) != brand) {
		index++;
		assert(index < BRANDS_MAX);
	}
	return index;
}

static json_t *make_default(const struct schema_row *row, const struct brand *brand)
{
	_cleanup_buf_ struct buf text = {0};
	const char *p = row->def, *mark;
	json_t *value;

	while ((mark = strchr(p, '@')) != NULL) {
		bool is_mode = strncmp(mark, "@mode@", 6) == 0;

		assert(is_mode || strncmp(mark, "@brand@", 7) == 0);
		buf_add(&text, p, (size_t)(mark - p));
		buf_add_str(&text, is_mode ? brand->default_mode : brand->name);
		p = mark + (is_mode ? 6 : 7);
	}
	buf_add_str(&text, p);
	value = json_loadb(text.data, text.len, JSON_DECODE_ANY, NULL);
	assert(value != NULL);
	return value;
}

json_t *schema_default(const struct schema_row *row, const struct brand *brand)
{
	size_t index = brand_index(brand), which = (size_t)(row - schema_rows);

	if (row->def == NULL || strchr(row->def, '<') != NULL) {
		return NULL;
	}
	if (defaults[index] == NULL) {
		defaults[index] = arena_calloc(&tree_arena, schema_row_count, sizeof(json_t *));
	}
	if (defaults[index][which] == NULL) {
		defaults[index][which] = make_default(row, brand);
	}
	return defaults[index][which];
}
