/* SPDX-License-Identifier: MIT */
/* The document tree: members, paths, and the same content as jansson values. */
#include "config/doc.h"

#include <assert.h>
#include <string.h>

#include "base/macro.h"
#include "base/num.h"

const char *doc_type_name(enum doc_type type)
{
	static const char *const names[] = {
		[DOC_BAD] = "a refused value",
		[DOC_NULL] = "null",
		[DOC_BOOL] = "a boolean",
		[DOC_INT] = "an integer",
		[DOC_REAL] = "a number",
		[DOC_STRING] = "a string",
		[DOC_ARRAY] = "a list",
		[DOC_OBJECT] = "an object",
	};
	_Static_assert(ARRAY_SIZE(names) == DOC_COUNT_, "one name per type");

	return names[type];
}

struct doc_node *doc_get(const struct doc_node *object, const char *key)
{
	if (object == NULL || object->type != DOC_OBJECT) {
		return NULL;
	}
	for (struct doc_node *child = object->first; child != NULL; child = child->next) {
		if (strcmp(child->key, key) == 0) {
			return child;
		}
	}
	return NULL;
}

struct doc_node *doc_item(const struct doc_node *list, size_t index)
{
	struct doc_node *child;

	if (list == NULL || list->type != DOC_ARRAY) {
		return NULL;
	}
	child = list->first;
	while (child != NULL && index-- > 0) {
		child = child->next;
	}
	return child;
}

struct doc_node *doc_alias(struct arena *a, const struct doc_node *node)
{
	struct doc_node *copy = arena_alloc(a, sizeof(*copy));

	*copy = *node;
	copy->next = NULL;
	return copy;
}

struct doc_node *doc_new(struct arena *a, enum doc_type type, const struct doc_node *like)
{
	struct doc_node *node = doc_alias(a, like);

	node->type = (uint8_t)type;
	node->made = true;
	node->count = 0;
	node->first = node->last = NULL;
	return node;
}

struct doc_node *doc_new_string(struct arena *a, const char *text, const struct doc_node *like)
{
	struct doc_node *node = doc_new(a, DOC_STRING, like);

	node->text = arena_strdup(a, text);
	node->count = (uint32_t)strlen(text);
	return node;
}

void doc_append(struct doc_node *container, struct doc_node *child)
{
	child->next = NULL;
	if (container->last != NULL) {
		container->last->next = child;
	} else {
		container->first = child;
	}
	container->last = child;
	container->count++;
}

struct doc_node *doc_take(struct doc_node *object, const char *key)
{
	struct doc_node *before = NULL, *child;

	if (object == NULL || object->type != DOC_OBJECT) {
		return NULL;
	}
	for (child = object->first; child != NULL; before = child, child = child->next) {
		if (strcmp(child->key, key) != 0) {
			continue;
		}
		if (before != NULL) {
			before->next = child->next;
		} else {
			object->first = child->next;
		}
		if (object->last == child) {
			object->last = before;
		}
		object->count--;
		child->next = NULL;
		return child;
	}
	return NULL;
}

void doc_set(struct doc_node *object, const char *key, struct doc_node *child)
{
	(void)doc_take(object, key);
	doc_add(object, key, child);
}

void doc_add(struct doc_node *object, const char *key, struct doc_node *child)
{
	if (child->written_key == NULL) {
		child->written_key = child->key;
	}
	child->key = key;
	child->key_len = (uint32_t)strlen(key);
	doc_append(object, child);
}

static bool is_plain_key(const char *key, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (key[i] == '.' || key[i] == '[' || key[i] == ']' || key[i] == '"' ||
			(unsigned char)key[i] <= ' ') {
			return false;
		}
	}
	return len > 0;
}

void doc_path_add_key(struct buf *path, const char *key)
{
	size_t len = strlen(key);

	if (is_plain_key(key, len)) {
		buf_addf(path, "%s%s", path->len > 0 ? "." : "", key);
		return;
	}
	buf_add_str(path, "[\"");
	for (size_t i = 0; i < len; i++) {
		if (key[i] == '"' || key[i] == '\\') {
			buf_add_char(path, '\\');
		}
		buf_add_char(path, (char)((unsigned char)key[i] < 0x20 ? '?' : key[i]));
	}
	buf_add_str(path, "\"]");
}

static void add_path(struct buf *path, const struct doc_node *node)
{
	const char *key = node->written_key != NULL ? node->written_key : node->key;

	if (node->written_parent == NULL) {
		return;
	}
	add_path(path, node->written_parent);
	if (key != NULL) {
		doc_path_add_key(path, key);
	} else {
		buf_addf(path, "[%u]", node->index);
	}
}

const char *doc_path(struct arena *a, const struct doc_node *node)
{
	_cleanup_buf_ struct buf path = {0};

	if (node != NULL) {
		add_path(&path, node);
	}
	return path.data != NULL ? arena_strdup(a, path.data) : "";
}

static bool step_bracket(const char **path, struct doc_step *ret)
{
	const char *p = *path + 1, *start = p;
	char digits[16] = "";
	uint32_t index;

	if (*p == '"') {
		/* Escapes in a quoted key are left to doc_at(), which compares unescaped. */
		for (start = ++p; *p != '\0' && *p != '"'; p++) {
			p += *p == '\\' && p[1] != '\0';
		}
		if (*p != '"' || p[1] != ']') {
			return false;
		}
		*ret = (struct doc_step){.key = start, .key_len = (size_t)(p - start)};
		*path = p + 2;
		return true;
	}
	while (*p != '\0' && *p != ']') {
		p++;
	}
	if (*p != ']' || (size_t)(p - start) >= sizeof(digits)) {
		return false;
	}
	memcpy(digits, start, (size_t)(p - start));
	if (num_parse_u32(digits, 0, UINT32_MAX, &index) < 0) {
		return false;
	}
	*ret = (struct doc_step){.index = index};
	*path = p + 1;
	return true;
}

bool doc_path_step(const char **path, struct doc_step *ret)
{
	const char *p = *path;
	char digits[16] = "";
	uint32_t index;
	size_t len;

	if (*p == '[') {
		return step_bracket(path, ret);
	}
	p += *p == '.';
	len = strcspn(p, ".[");
	if (len == 0) {
		return false;
	}
	*ret = (struct doc_step){.key = p, .key_len = len};
	if (len < sizeof(digits)) {
		memcpy(digits, p, len);
		if (num_parse_u32(digits, 0, UINT32_MAX, &index) == 0) {
			ret->numeric = true;
			ret->index = index;
		}
	}
	*path = p + len;
	return true;
}

/* Compare with a key of a step, in which a backslash stands before a quote or a backslash. */
static bool step_is(const struct doc_step *step, const char *key)
{
	size_t k = 0;

	for (size_t i = 0; i < step->key_len; i++) {
		i += step->key[i] == '\\' && i + 1 < step->key_len;
		if (key[k] == '\0' || key[k++] != step->key[i]) {
			return false;
		}
	}
	return key[k] == '\0';
}

static struct doc_node *step_into(const struct doc_node *node, const struct doc_step *step)
{
	if (step->key == NULL || (step->numeric && node->type == DOC_ARRAY)) {
		return doc_item(node, step->index);
	}
	if (node->type != DOC_OBJECT) {
		return NULL;
	}
	for (struct doc_node *child = node->first; child != NULL; child = child->next) {
		if (step_is(step, child->key)) {
			return child;
		}
	}
	return NULL;
}

struct doc_node *doc_at(struct doc_node *root, const char *path)
{
	struct doc_node *node = root;
	struct doc_step step;

	while (node != NULL && *path != '\0') {
		if (!doc_path_step(&path, &step)) {
			return NULL;
		}
		node = step_into(node, &step);
	}
	return node;
}

static json_t *convert(const struct doc_node *node);

static json_t *convert_array(const struct doc_node *node)
{
	json_t *list = json_array();

	for (const struct doc_node *child = node->first; child != NULL; child = child->next) {
		(void)json_array_append_new(list, convert(child));
	}
	return list;
}

static json_t *convert_object(const struct doc_node *node)
{
	json_t *object = json_object();

	for (const struct doc_node *child = node->first; child != NULL; child = child->next) {
		(void)json_object_set_new_nocheck(object, child->key, convert(child));
	}
	return object;
}

/* Depth is bounded by LIMIT_CONFIG_DEPTH per file and by the limits on includes. */
static json_t *convert(const struct doc_node *node)
{
	switch ((enum doc_type)node->type) {
	case DOC_BAD:
	case DOC_NULL:
		return json_null();
	case DOC_BOOL:
		return json_boolean(node->boolean);
	case DOC_INT:
		return json_integer(node->integer);
	case DOC_REAL:
		return json_real(node->real);
	case DOC_STRING:
		return json_stringn_nocheck(node->text, node->count);
	case DOC_ARRAY:
		return convert_array(node);
	case DOC_OBJECT:
		return convert_object(node);
	case DOC_COUNT_:
		break;
	}
	assert(false);
	return NULL;
}

json_t *doc_to_heap_json(const struct doc_node *node)
{
	return convert(node);
}

bool doc_make_integer(struct doc_node *node)
{
	static const double exact_limit = 9007199254740992.0;
	double whole;

	if (node->type == DOC_REAL && node->real > -exact_limit && node->real < exact_limit) {
		whole = (double)(int64_t)node->real;
		if (!(whole < node->real) && !(whole > node->real)) {
			node->integer = (int64_t)node->real;
			node->type = DOC_INT;
		}
	}
	return node->type == DOC_INT;
}

/* While a tree is being built, jansson allocates from this arena: nothing in it is ever freed one
 * by one, and a large configuration costs a few large allocations. No threads, no recursion. */
static struct arena *building;

static void *build_alloc(size_t size)
{
	return arena_alloc(building, size);
}

static void build_free(void *p)
{
	(void)p;
}

json_t *doc_to_json(struct arena *a, const struct doc_node *node)
{
	json_malloc_t saved_malloc;
	json_free_t saved_free;
	json_t *json;

	json_get_alloc_funcs(&saved_malloc, &saved_free);
	building = a;
	json_set_alloc_funcs(build_alloc, build_free);
	json = convert(node);
	json_set_alloc_funcs(saved_malloc, saved_free);
	building = NULL;
	return json;
}
