/* SPDX-License-Identifier: MIT */
/* An old configuration file rewritten in the present layout, with its comments. */
#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "base/own.h"
#include "config/json5.h"
#include "config/loader.h"

struct writer {
	const char *text; /* of the old file */
	size_t len;
	const char *newline; /* as in the old file's first line */
	struct buf out;
};

static const char *newline_of(const char *text, size_t len)
{
	const char *end = memchr(text, '\n', len);

	return end != NULL && end > text && end[-1] == '\r' ? "\r\n" : "\n";
}

static void indent(struct writer *w, unsigned depth)
{
	for (unsigned i = 0; i < depth; i++) {
		buf_add_str(&w->out, "  ");
	}
}

static size_t skip_blanks(const struct writer *w, size_t at)
{
	while (at < w->len && (w->text[at] == ' ' || w->text[at] == '\t')) {
		at++;
	}
	return at;
}

/* The end of a comment that starts at at, or at. */
static size_t comment_end(const struct writer *w, size_t at)
{
	const char *end;

	if (at + 1 >= w->len || w->text[at] != '/') {
		return at;
	}
	if (w->text[at + 1] == '/') {
		/* A line also ends at U+2028 and U+2029. */
		while (at < w->len && w->text[at] != '\n' && w->text[at] != '\r' &&
			strncmp(w->text + at, "\xe2\x80\xa8", 3) != 0 &&
			strncmp(w->text + at, "\xe2\x80\xa9", 3) != 0) {
			at++;
		}
		return at;
	}
	end = w->text[at + 1] == '*' ? strstr(w->text + at + 2, "*/") : NULL;
	return end != NULL ? (size_t)(end + 2 - w->text) : at;
}

/* A comment behind a member, in the same line: its range; empty when there is none. */
static size_t trailing_comment(
	const struct writer *w, const struct doc_node *node, size_t *ret_start)
{
	size_t at = skip_blanks(w, node->end);

	if (at < w->len && w->text[at] == ',') {
		at = skip_blanks(w, at + 1);
	}
	*ret_start = at;
	return comment_end(w, at);
}

/* The comments between two places, one per line, but those of the member that ended before. */
static void write_comments(struct writer *w, size_t start, size_t until, unsigned depth)
{
	size_t at = start;
	bool first_line = true;

	while (at < until) {
		size_t end = comment_end(w, at);

		if (w->text[at] == '\n' || w->text[at] == '\r') {
			first_line = false;
		}
		if (end == at) {
			at++;
			continue;
		}
		/* What follows a comma in its line was said about the member before the comma. */
		if (!first_line || start == 0 || w->text[start - 1] == '{' ||
			w->text[start - 1] == '[') {
			indent(w, depth);
			buf_add(&w->out, w->text + at, end - at);
			buf_add_str(&w->out, w->newline);
		}
		at = end;
	}
}

/* The column at which the line of a byte starts to have text. */
static size_t line_indent(const struct writer *w, size_t at)
{
	size_t start = at;

	while (start > 0 && w->text[start - 1] != '\n') {
		start--;
	}
	return skip_blanks(w, start) - start;
}

/* A value's own text. Its further lines move with it, unless a text goes on over a line end: there
 * blanks count. */
static void write_verbatim(struct writer *w, const struct doc_node *node, unsigned depth)
{
	size_t remove = line_indent(w, node->offset), len = node->end - node->offset;
	const char *text = w->text + node->offset;

	if (memmem(text, len, "\\\n", 2) != NULL || memmem(text, len, "\\\r", 2) != NULL) {
		buf_add(&w->out, text, len);
		return;
	}
	for (size_t i = 0; i < len; i++) {
		buf_add_char(&w->out, text[i]);
		if (text[i] == '\n') {
			size_t blanks = 0;

			while (i + 1 < len && blanks < remove &&
				(text[i + 1] == ' ' || text[i + 1] == '\t')) {
				blanks++;
				i++;
			}
			indent(w, depth);
		}
	}
}

static void write_string(struct writer *w, const char *text)
{
	json_t *value = json_string_nocheck(text);
	char *encoded = json_dumps(value, JSON_ENCODE_ANY);

	buf_add_str(&w->out, encoded);
	free(encoded);
	json_decref(value);
}

static bool is_changed(const struct doc_node *node)
{
	if (node->changed || node->made) {
		return true;
	}
	if (node->type == DOC_OBJECT || node->type == DOC_ARRAY) {
		for (const struct doc_node *child = node->first; child != NULL;
			child = child->next) {
			if (is_changed(child)) {
				return true;
			}
		}
	}
	return false;
}

static void write_value(struct writer *w, const struct doc_node *node, unsigned depth);

static void write_key(struct writer *w, const struct doc_node *node)
{
	bool plain = node->key_len > 0 &&
		     strspn(node->key, "abcdefghijklmnopqrstuvwxyz"
				       "ABCDEFGHIJKLMNOPQRSTUVWXYZ_$") > 0 &&
		     strspn(node->key,
			     "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_$0123456789") ==
			     node->key_len;

	if (plain && w->text[node->key_offset] != '"') {
		buf_add_str(&w->out, node->key);
	} else {
		write_string(w, node->key);
	}
	buf_add_str(&w->out, ": ");
}

static void write_member(
	struct writer *w, const struct doc_node *child, bool object, unsigned depth)
{
	size_t start, end = trailing_comment(w, child, &start);

	if (!child->made) {
		/* An item of the list may have been a member with a key. */
		bool keyed = object || child->written_key != NULL;

		write_comments(w, child->lead, keyed ? child->key_offset : child->offset, depth);
	}
	indent(w, depth);
	if (object) {
		write_key(w, child);
	}
	write_value(w, child, depth);
	buf_add_char(&w->out, ',');
	if (!child->made && end > start && memchr(w->text + start, '\n', end - start) == NULL) {
		buf_add_char(&w->out, ' ');
		buf_add(&w->out, w->text + start, end - start);
	}
	buf_add_str(&w->out, w->newline);
}

static void write_members(struct writer *w, const struct doc_node *node, unsigned depth)
{
	bool object = node->type == DOC_OBJECT;

	buf_add_char(&w->out, object ? '{' : '[');
	buf_add_str(&w->out, w->newline);
	for (const struct doc_node *child = node->first; child != NULL; child = child->next) {
		write_member(w, child, object, depth + 1);
	}
	if (!node->made && node->end > 0) {
		write_comments(w, node->tail, node->end - 1, depth + 1);
	}
	indent(w, depth);
	buf_add_char(&w->out, object ? '}' : ']');
}

static void write_value(struct writer *w, const struct doc_node *node, unsigned depth)
{
	if (!is_changed(node)) {
		write_verbatim(w, node, depth);
	} else if (node->type == DOC_OBJECT || node->type == DOC_ARRAY) {
		write_members(w, node, depth);
	} else if (node->type == DOC_BOOL) {
		buf_add_str(&w->out, node->boolean ? "true" : "false");
	} else {
		write_string(w, node->text);
	}
}

/* What an include brings is known only when the configuration is loaded, and it may have the old
 * layout too or hold what a moved key would have to give way to. NULL: none stands in the way. */
static const struct doc_node *include_in_the_way(const struct doc_node *root)
{
	static const char *const touched[] = {"agent", "agents", "messages", "routing", "tools"};
	const struct doc_node *found = doc_get(root, "$include");

	for (size_t i = 0; i < ARRAY_SIZE(touched) && found == NULL; i++) {
		found = include_find(doc_get(root, touched[i]));
	}
	return found;
}

int config_migrate_text(const char *name, const char *text, size_t len, char **ret_text,
	struct strv *moved, struct arena *a, struct error *err)
{
	struct writer w = {
		.text = arena_strndup(a, text, len), .len = len, .newline = newline_of(text, len)};
	const struct doc_node *include;
	struct json5_result result;
	int line, column;

	if (json5_parse(a, text, len, 0, NULL, &result) < 0) {
		text_position(text, len, result.first->offset, &line, &column);
		return error_plain(
			err, EINVAL, "%s:%d:%d: %s", name, line, column, result.first->message);
	}
	*ret_text = NULL;
	if (result.root->type != DOC_OBJECT) {
		return 0;
	}
	include = include_in_the_way(result.root);
	migrate_layout(a, result.root, moved);
	if (moved->count == 0) {
		return 0;
	}
	if (include != NULL) {
		text_position(text, len, include->key_offset, &line, &column);
		return error_plain(err, EINVAL,
			"%s:%d:%d: cannot rewrite keys that meet an $include; put the included "
			"text in its place first",
			name, line, column);
	}
	result.root->changed = true;
	buf_add(&w.out, text, result.root->offset);
	write_value(&w, result.root, 0);
	buf_add(&w.out, text + result.root->end, len - result.root->end);
	*ret_text = arena_strdup(a, w.out.data);
	buf_finish(&w.out);
	return 0;
}
