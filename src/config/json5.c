/* SPDX-License-Identifier: MIT */
/* JSON5 1.0: values, lists and objects. Recursion is bounded by LIMIT_CONFIG_DEPTH. */
#include "config/json5.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/own.h"
#include "config/json5-internal.h"
#include "config/source.h"
#include "config/unicode.h"

/* Objects up to this size are searched pair by pair, larger ones sorted. */
enum { LINEAR_KEYS = 8 };

static const char *problem_path(struct json5_reader *r, const struct doc_node *node)
{
	if (node != NULL) {
		return doc_path(r->arena, node);
	}
	return "";
}

static void add_problem(struct json5_reader *r, const char *at, const struct doc_node *node,
	const char *message, const char *hint)
{
	struct json5_problem *problem;

	if (r->problems++ >= JSON5_PROBLEMS_MAX) {
		return;
	}
	problem = arena_alloc(r->arena, sizeof(*problem));
	problem->offset = (uint32_t)(at - r->text);
	problem->path = problem_path(r, node);
	problem->message = message;
	problem->hint = hint;
	if (r->result->last != NULL) {
		r->result->last->next = problem;
	} else {
		r->result->first = problem;
	}
	r->result->last = problem;
}

void json5_refuse(struct json5_reader *r, const char *at, const struct doc_node *node,
	const char *message, const char *hint)
{
	add_problem(r, at, node, message, hint);
}

bool json5_fail(struct json5_reader *r, const char *at, const char *message, const char *hint)
{
	if (!r->failed) {
		r->failed = true;
		add_problem(r, at, NULL, message, hint);
	}
	return false;
}

bool json5_unexpected(struct json5_reader *r, const char *expected)
{
	_cleanup_buf_ struct buf message = {0};
	uint32_t c;
	unsigned len = json5_peek(r, r->at, &c);
	const char *hint = NULL;

	if (len == 0) {
		buf_addf(&message, "the file ends here; expected %s", expected);
	} else if (c == UINT32_MAX) {
		return json5_fail(r, r->at, "invalid UTF-8", "save the file as UTF-8");
	} else if (strcmp(expected, "a value") == 0 && unicode_is_letter(c)) {
		hint = "a text needs quotes; true, false and null are written in lower case";
		buf_addf(&message, "unexpected '%.*s'; expected %s", (int)len, r->at, expected);
	} else {
		hint = strncmp(expected, "','", 3) == 0 ? "is a comma missing?" : NULL;
		buf_add_str(&message, "unexpected '");
		buf_add_escaped(&message, r->at, len, 0);
		buf_addf(&message, "'; expected %s", expected);
	}
	return json5_fail(r, r->at, arena_strdup(r->arena, message.data), hint);
}

static int compare_keys(const void *a, const void *b)
{
	const struct doc_node *x = *(const struct doc_node *const *)a;
	const struct doc_node *y = *(const struct doc_node *const *)b;
	size_t len = x->key_len < y->key_len ? x->key_len : y->key_len;
	int order = memcmp(x->key, y->key, len);

	if (order != 0) {
		return order;
	}
	if (x->key_len != y->key_len) {
		return x->key_len < y->key_len ? -1 : 1;
	}
	return x->key_offset < y->key_offset ? -1 : x->key_offset > y->key_offset;
}

static bool same_key(const struct doc_node *a, const struct doc_node *b)
{
	return a->key_len == b->key_len && memcmp(a->key, b->key, a->key_len) == 0;
}

static void refuse_duplicate(
	struct json5_reader *r, const struct doc_node *first, const struct doc_node *again)
{
	int line, column;

	if (r->problems >= JSON5_PROBLEMS_MAX) {
		return;
	}
	text_position(r->text, (size_t)(r->end - r->text), first->key_offset, &line, &column);
	json5_refuse(r, r->text + again->key_offset, again,
		arena_printf(r->arena, "the key '%s' stands twice in this object", again->key),
		arena_printf(r->arena, "it is already set in line %d; keep one of the two", line));
}

/* Sorting instead of hashing: no input makes it slow. */
static void find_duplicates_sorted(struct json5_reader *r, const struct doc_node *object)
{
	size_t n = 0;

	if (r->sorted_size < object->count) {
		r->sorted_size = object->count;
		r->sorted = xreallocarray(r->sorted, r->sorted_size, sizeof(struct doc_node *));
	}
	for (const struct doc_node *child = object->first; child != NULL; child = child->next) {
		r->sorted[n++] = child;
	}
	qsort(r->sorted, n, sizeof(struct doc_node *), compare_keys);
	for (size_t i = 1; i < n; i++) {
		if (same_key(r->sorted[i - 1], r->sorted[i])) {
			refuse_duplicate(r, r->sorted[i - 1], r->sorted[i]);
		}
	}
}

static void find_duplicates(struct json5_reader *r, const struct doc_node *object)
{
	if (object->count > LINEAR_KEYS) {
		find_duplicates_sorted(r, object);
		return;
	}
	for (const struct doc_node *b = object->first; b != NULL; b = b->next) {
		for (const struct doc_node *a = object->first; a != b; a = a->next) {
			if (same_key(a, b)) {
				refuse_duplicate(r, a, b);
				break;
			}
		}
	}
}

static bool read_value(struct json5_reader *r, struct doc_node *node);

static bool enter(struct json5_reader *r, struct doc_node *node, enum doc_type type)
{
	if (r->depth >= LIMIT_CONFIG_DEPTH) {
		return json5_fail(r, r->at, "nested deeper than 64 levels", NULL);
	}
	node->type = (uint8_t)type;
	r->depth++;
	r->lead = ++r->at;
	return json5_skip_space(r);
}

/* At the closing bracket. */
static void leave(struct json5_reader *r, struct doc_node *node)
{
	size_t lead = (size_t)(r->lead - r->text);

	node->tail =
		node->last != NULL && node->last->end > lead ? node->last->end : (uint32_t)lead;
	r->at++;
	r->depth--;
}

/* After a member: a comma or the closing bracket. *ret_more: another one follows. */
static bool read_separator(struct json5_reader *r, char close, bool *ret_more)
{
	if (!json5_skip_space(r)) {
		return false;
	}
	if (r->at < r->end && *r->at == ',') {
		r->lead = ++r->at;
		if (!json5_skip_space(r)) {
			return false;
		}
		*ret_more = r->at >= r->end || *r->at != close;
		return true;
	}
	if (r->at < r->end && *r->at == close) {
		*ret_more = false;
		return true;
	}
	return json5_unexpected(r, close == '}' ? "',' or '}'" : "',' or ']'");
}

static bool read_array(struct json5_reader *r, struct doc_node *node)
{
	bool more;

	if (!enter(r, node, DOC_ARRAY)) {
		return false;
	}
	more = r->at >= r->end || *r->at != ']';
	while (more) {
		struct doc_node *child = arena_alloc(r->arena, sizeof(*child));

		child->written_parent = node;
		child->index = node->count;
		child->source = r->source;
		child->lead = (uint32_t)(r->lead - r->text);
		doc_append(node, child);
		if (!read_value(r, child) || !read_separator(r, ']', &more)) {
			return false;
		}
	}
	leave(r, node);
	return true;
}

static bool read_key(struct json5_reader *r, struct doc_node *child)
{
	child->key_offset = (uint32_t)(r->at - r->text);
	if (r->at < r->end && (*r->at == '"' || *r->at == '\'')) {
		return json5_read_string(r, child, true);
	}
	return json5_read_name(r, child);
}

static bool read_object(struct json5_reader *r, struct doc_node *node)
{
	bool more;

	if (!enter(r, node, DOC_OBJECT)) {
		return false;
	}
	more = r->at >= r->end || *r->at != '}';
	while (more) {
		struct doc_node *child = arena_alloc(r->arena, sizeof(*child));

		child->written_parent = node;
		child->source = r->source;
		child->lead = (uint32_t)(r->lead - r->text);
		if (!read_key(r, child) || !json5_skip_space(r)) {
			return false;
		}
		doc_append(node, child);
		if (r->at >= r->end || *r->at != ':') {
			return json5_unexpected(r, "':'");
		}
		r->at++;
		if (!json5_skip_space(r) || !read_value(r, child) ||
			!read_separator(r, '}', &more)) {
			return false;
		}
		if (child->made) { /* the key was refused; nothing is said about its value */
			child->made = false;
			child->type = DOC_BAD;
		}
	}
	find_duplicates(r, node);
	leave(r, node);
	return true;
}

/* true, false, null: a name that something else follows. */
static bool read_word(
	struct json5_reader *r, struct doc_node *node, const char *word, enum doc_type type)
{
	size_t len = strlen(word);
	uint32_t c;

	if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0) {
		return json5_unexpected(r, "a value");
	}
	if (json5_peek(r, r->at + len, &c) > 0 && c < 0x80 &&
		((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			c == '_' || c == '$')) {
		return json5_unexpected(r, "a value");
	}
	node->type = (uint8_t)type;
	node->boolean = word[0] == 't';
	r->at += len;
	return true;
}

static bool dispatch_value(struct json5_reader *r, struct doc_node *node)
{
	if (r->at >= r->end) {
		return json5_unexpected(r, "a value");
	}
	switch (*r->at) {
	case '{':
		return read_object(r, node);
	case '[':
		return read_array(r, node);
	case '"':
	case '\'':
		return json5_read_string(r, node, false);
	case 't':
		return read_word(r, node, "true", DOC_BOOL);
	case 'f':
		return read_word(r, node, "false", DOC_BOOL);
	case 'n':
		return read_word(r, node, "null", DOC_NULL);
	default:
		return json5_read_number(r, node);
	}
}

static bool read_value(struct json5_reader *r, struct doc_node *node)
{
	node->offset = (uint32_t)(r->at - r->text);
	if (!dispatch_value(r, node)) {
		return false;
	}
	node->end = (uint32_t)(r->at - r->text);
	return true;
}

static bool read_document(struct json5_reader *r, struct doc_node *root)
{
	if (!json5_skip_space(r)) {
		return false;
	}
	if (r->at >= r->end) {
		return json5_fail(r, r->at, "the file is empty", "write at least {}");
	}
	if (!read_value(r, root) || !json5_skip_space(r)) {
		return false;
	}
	return r->at == r->end || json5_unexpected(r, "the end of the file");
}

int json5_parse(struct arena *a, const char *text, size_t len, uint16_t source,
	const struct doc_node *place, struct json5_result *ret)
{
	struct json5_reader r = {.arena = a,
		.text = text,
		.end = text + len,
		.at = text,
		.source = source,
		.result = ret};
	struct doc_node *root = arena_alloc(a, sizeof(*root));

	*ret = (struct json5_result){0};
	root->source = source;
	if (place != NULL) {
		root->written_parent = place->written_parent;
		root->written_key = place->written_key;
		root->key = place->key;
		root->key_len = place->key_len;
		root->index = place->index;
	}
	if (len > LIMIT_CONFIG_BYTES) {
		(void)json5_fail(&r, text, "larger than 16 MiB", NULL);
	} else if (read_document(&r, root)) {
		ret->root = root;
	}
	free(r.scratch);
	free(r.sorted);
	return ret->first != NULL ? -EINVAL : 0;
}

int json5_loads(const char *text, size_t len, const char *what, json_t **ret, struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	struct json5_result result;
	int line, column;

	if (json5_parse(&arena, text, len, 0, NULL, &result) < 0) {
		text_position(text, len, result.first->offset, &line, &column);
		return error_plain(
			err, EINVAL, "%s:%d:%d: %s", what, line, column, result.first->message);
	}
	*ret = doc_to_heap_json(result.root);
	return 0;
}
