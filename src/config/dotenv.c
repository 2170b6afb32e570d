/* SPDX-License-Identifier: MIT */
/* .env files, as the dotenv package of Node.js reads them: the original takes variables from one. */
#include "config/dotenv.h"

#include <stdbool.h>
#include <string.h>

#include "base/buf.h"

static const char name_letters[] =
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

static void set(struct arena *a, struct doc_index *index, const char *name, const char *value)
{
	struct doc_node *node = doc_index_get(index, name);

	if (node == NULL) {
		node = arena_alloc(a, sizeof(*node));
		node->type = DOC_STRING;
		doc_index_add(index, name, node);
	}
	node->text = value;
	node->count = (uint32_t)strlen(value);
}

/* What stands between quotes. */
static char *unquote(struct arena *a, const char *text, size_t len, char quote)
{
	_cleanup_buf_ struct buf out = {0};

	for (size_t i = 0; i < len; i++) {
		bool escape = quote == '"' && text[i] == '\\' && i + 1 < len;

		if (escape && (text[i + 1] == 'n' || text[i + 1] == 'r')) {
			buf_add_char(&out, text[++i] == 'n' ? '\n' : '\r');
		} else {
			buf_add_char(&out, text[i]);
		}
	}
	return arena_strdup(a, out.data != NULL ? out.data : "");
}

/* The value at text; *ret_end is where the rest of its last line starts. */
static char *read_value(struct arena *a, const char *text, const char **ret_end)
{
	const char *close =
		strchr("'\"`", *text) != NULL && *text != '\0' ? strchr(text + 1, *text) : NULL;
	size_t len;

	/* In double quotes, a backslash keeps the next quote from closing. */
	while (close != NULL && *text == '"' && close[-1] == '\\') {
		close = strchr(close + 1, '"');
	}
	if (close != NULL) {
		*ret_end = close + 1;
		return unquote(a, text + 1, (size_t)(close - text - 1), *text);
	}
	len = strcspn(text, "#\r\n");
	*ret_end = text + len;
	while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t')) {
		len--;
	}
	return arena_strndup(a, text, len);
}

void dotenv_parse(struct arena *a, const char *text, struct doc_index *ret)
{
	while (*text != '\0') {
		const char *name, *after;
		size_t len;

		text += strspn(text, " \t\r\n");
		if (strncmp(text, "export", 6) == 0 && (text[6] == ' ' || text[6] == '\t')) {
			text += 6 + strspn(text + 6, " \t");
		}
		len = strspn(text, name_letters);
		name = text;
		after = text + len + strspn(text + len, " \t");
		if (len > 0 && *after == '=') {
			const char *value = after + 1 + strspn(after + 1, " \t");

			set(a, ret, arena_strndup(a, name, len), read_value(a, value, &text));
		}
		text += strcspn(text, "\n");
	}
}
