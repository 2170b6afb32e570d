/* SPDX-License-Identifier: MIT */
/* The key table: complete in itself, and in everything that is made from it. */
#include "base/own.h"
#include "common.h"
#include "config/schema.h"

static void check_node(const struct schema_node *node, const char *path)
{
	if (node->row == NULL) {
		fail_msg("no row for '%s'", path);
	}
	if (node->any != NULL) {
		_cleanup_free_ char *below = xasprintf("%s%s", path, node->any->name);

		check_node(node->any, below);
		assert_true(node->row->type == SCHEMA_LIST || node->row->type == SCHEMA_MAP);
	}
	if (node->first != NULL) {
		assert_int_equal(node->row->type, SCHEMA_OBJECT);
	}
	for (const struct schema_node *child = node->first; child != NULL; child = child->next) {
		_cleanup_free_ char *below = xasprintf("%s.%s", path, child->name);

		for (const struct schema_node *other = child->next; other != NULL;
			other = other->next) {
			if (strcmp(child->name, other->name) == 0) {
				fail_msg("'%s' has two rows", below);
			}
		}
		check_node(child, below);
	}
}

static void test_tree(void **state)
{
	(void)state;
	check_node(schema_tree(), "");
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < schema_row_count; i++) {
		const struct schema_row *row = &schema_rows[i];
		size_t len = strlen(row->doc);

		if (len < 5 || row->doc[len - 1] != '.') {
			fail_msg("the sentence of '%s' has no full stop", row->path);
		}
		if (row->since == NULL || brand_by_name(row->since) == NULL) {
			fail_msg("'%s' has no origin", row->path);
		}
		if ((row->type == SCHEMA_ENUM) !=
			(row->values != NULL && row->type != SCHEMA_ANY)) {
			fail_msg("the values of '%s'", row->path);
		}
		if (row->type == SCHEMA_LIST || row->type == SCHEMA_MAP) {
			continue;
		}
		for (size_t b = 0; brand_at(b) != NULL; b++) {
			/* Asserts inside that the text is JSON. */
			(void)schema_default(row, brand_at(b));
		}
	}
}

/* A default must be a value that its own row accepts. */
static void test_defaults_are_valid(void **state)
{
	(void)state;
	for (size_t i = 0; i < schema_row_count; i++) {
		const struct schema_row *row = &schema_rows[i];
		const struct schema_row *found;
		_cleanup_buf_ struct buf text = {0};
		_cleanup_free_ char *value = NULL;
		_cleanup_free_ char *real = NULL;
		const char *rest;
		struct home home;
		struct config *config;
		size_t depth = 0;

		if (strncmp(row->path, "@sandbox.", 9) != 0 ||
			schema_default(row, brand_by_name("openclaw")) == NULL) {
			continue;
		}
		real = xasprintf("agents.list[3].sandbox.%s", row->path + 9);
		found = schema_find(real);
		assert_ptr_equal(found, row);
		value = json_dumps(schema_default(row, brand_by_name("openclaw")), JSON_ENCODE_ANY);
		buf_add_str(&text, "{agents:{defaults:{sandbox:{");
		rest = row->path + 9;
		for (const char *dot; (dot = strchr(rest, '.')) != NULL; rest = dot + 1) {
			buf_addf(&text, "%.*s:{", (int)(dot - rest), rest);
			depth++;
		}
		buf_addf(&text, "%s:%s", rest, value);
		for (size_t k = 0; k < depth + 4; k++) {
			buf_add_char(&text, '}');
		}
		home_make(&home);
		config = home_load(&home, text.data);
		assert_no_issues(config);
		(void)config_free(config);
		home_remove(&home);
	}
}

/* Member names and list markers of a path, looked up in a JSON Schema. */
static const json_t *schema_at(const json_t *root, const json_t *schema, const char *path)
{
	while (schema != NULL && *path != '\0') {
		size_t len = *path == '[' ? 2 : strcspn(path, ".[");
		const char *reference = json_string_value(json_object_get(schema, "$ref"));

		if (reference != NULL) {
			schema = json_object_get(
				json_object_get(root, "$defs"), strrchr(reference, '/') + 1);
		}
		if (*path == '[') {
			schema = json_object_get(schema, "items");
		} else if (*path == '*') {
			schema = json_object_get(schema, "additionalProperties");
		} else {
			_cleanup_free_ char *key = xstrndup(path, len);

			schema = json_object_get(json_object_get(schema, "properties"), key);
		}
		path += len;
		path += *path == '.';
	}
	return schema;
}

static void check_in_schema(const json_t *schema, const char *path)
{
	size_t prefix_len = 0;
	const char *const *expanded = schema_expand(path, &prefix_len);
	const json_t *found;

	if (expanded != NULL) {
		for (; *expanded != NULL; expanded++) {
			_cleanup_free_ char *full = xasprintf("%s%s", *expanded, path + prefix_len);

			check_in_schema(schema, full);
		}
		return;
	}
	found = schema_at(schema, schema, path);
	if (found == NULL || (json_object_get(found, "description") == NULL &&
				     json_object_get(found, "$ref") == NULL)) {
		fail_msg("the JSON Schema has no '%s'", path);
	}
}

/* Call check for every key that a row stands for. */
static void each_key(const struct schema_row *row,
	void (*check)(const void *arg, const char *path, const char *name), const void *arg)
{
	if (!(row->flags & SCHEMA_PASSED) || row->values == NULL) {
		check(arg, row->path, NULL);
		return;
	}
	for (const char *p = row->values; *p != '\0';) {
		size_t len = strcspn(p, " ");
		_cleanup_free_ char *name = xstrndup(p, len);
		_cleanup_free_ char *path =
			xasprintf("%s%s%s", row->path, *row->path != '\0' ? "." : "", name);

		check(arg, path, name);
		p += len + strspn(p + len, " ");
	}
}

static void check_schema_key(const void *arg, const char *path, const char *name)
{
	(void)name;
	check_in_schema(arg, path);
}

static void test_json_schema(void **state)
{
	json_t *schema = config_schema_json();

	(void)state;
	assert_string_equal(json_string_value(json_object_get(schema, "$schema")),
		"https://json-schema.org/draft/2020-12/schema");
	for (size_t i = 0; i < schema_row_count; i++) {
		each_key(&schema_rows[i], check_schema_key, schema);
	}
	json_decref(schema);
}

/* "@sandbox.mode" is documented as "sandbox.mode". */
static char *documented(const char *path)
{
	static const char *const names[][2] = {{"@sandbox", "sandbox"}, {"@tools", "tools"},
		{"@agent", "agents.list[]"}, {"@defaults", "agents.defaults"},
		{"@policy", "tools.sandbox.tools"}};

	for (size_t i = 0; i < 5; i++) {
		size_t len = strlen(names[i][0]);

		if (strncmp(path, names[i][0], len) == 0) {
			return xasprintf("%s%s", names[i][1], path + len);
		}
	}
	return xstrdup(path);
}

static void check_markdown_key(const void *arg, const char *path, const char *name)
{
	_cleanup_free_ char *shown = documented(path);
	_cleanup_free_ char *mark =
		xasprintf(name != NULL ? "`%s`" : "| `%s` |", name != NULL ? name : shown);

	if (*path != '\0' && strstr(arg, mark) == NULL) {
		fail_msg("docs/CONFIG.md has no '%s'", mark);
	}
}

static void check_man_key(const void *arg, const char *path, const char *name)
{
	_cleanup_free_ char *shown = documented(path);
	_cleanup_buf_ struct buf mark = {0};

	if (name == NULL) {
		buf_add_char(&mark, '*');
	}
	for (const char *p = name != NULL ? name : shown; *p != '\0'; p++) {
		if (*p == '*' || *p == '_') {
			buf_add_char(&mark, '\\');
		}
		buf_add_char(&mark, *p);
	}
	if (*path != '\0' && strstr(arg, mark.data) == NULL) {
		fail_msg("the manual page has no '%s'", mark.data);
	}
}

static void expect_file(const char *path, const struct buf *text)
{
	FILE *file = fopen(path, "re");
	_cleanup_free_ char *found = xcalloc(1, text->len + 2);

	assert_non_null(file);
	if (fread(found, 1, text->len + 1, file) != text->len || strcmp(found, text->data) != 0) {
		fail_msg("%s is not what the key table gives: write it anew with creel config docs",
			path);
	}
	assert_int_equal(fclose(file), 0);
}

static void test_documentation(void **state)
{
	_cleanup_buf_ struct buf markdown = {0};
	_cleanup_buf_ struct buf man = {0};

	(void)state;
	config_docs_markdown(&markdown);
	config_docs_man(&man);
	for (size_t i = 0; i < schema_row_count; i++) {
		each_key(&schema_rows[i], check_markdown_key, markdown.data);
		each_key(&schema_rows[i], check_man_key, man.data);
	}
	expect_file(SOURCE_ROOT "/docs/CONFIG.md", &markdown);
	expect_file(SOURCE_ROOT "/man/creel-config.5.scd", &man);
}

static void test_nearest(void **state)
{
	const struct schema_node *root = schema_tree();
	const struct schema_node *docker = schema_child(
		schema_child(schema_child(schema_child(root, "agents"), "defaults"), "sandbox"),
		"docker");

	(void)state;
	assert_string_equal(schema_nearest(docker, "imgae"), "image");
	assert_string_equal(schema_nearest(docker, "READONLYROOT"), "readOnlyRoot");
	assert_string_equal(schema_nearest(docker, "capdrops"), "capDrop");
	assert_string_equal(schema_nearest(docker, "readOnly"), "readOnlyRoot");
	assert_null(schema_nearest(docker, "xyz"));
	assert_null(schema_nearest(docker, ""));
	assert_null(schema_nearest(docker,
		"a name that is far longer than any key could ever be and so is near to none of them"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_defaults_are_valid),
		cmocka_unit_test(test_json_schema),
		cmocka_unit_test(test_documentation),
		cmocka_unit_test(test_nearest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
