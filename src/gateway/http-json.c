/* SPDX-License-Identifier: MIT */
/* JSON that a client sent, within limits. */
#include "gateway/http-json.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"

/* The byte after the string that begins at text[at]. */
static size_t skip_string(const char *text, size_t len, size_t at)
{
	for (at++; at < len && text[at] != '"'; at++) {
		if (text[at] == '\\') {
			at++;
		}
	}
	return at < len ? at + 1 : len;
}

/* Every value but the first stands behind one of these. Whether it is JSON is jansson's question. */
static int check_size(const char *text, size_t len, struct error *err)
{
	size_t values = 1, depth = 0;

	for (size_t at = 0; at < len;) {
		char c = text[at];

		if (c == '"') {
			at = skip_string(text, len, at);
			continue;
		}
		if (c == '[' || c == '{') {
			depth++;
			values++;
		} else if (c == ',') {
			values++;
		} else if ((c == ']' || c == '}') && depth > 0) {
			depth--;
		}
		if (values > LIMIT_JSON_VALUES || depth > LIMIT_JSON_DEPTH) {
			return error_plain(err, E2BIG,
				"the JSON has more than %d values or %d levels", LIMIT_JSON_VALUES,
				LIMIT_JSON_DEPTH);
		}
		at++;
	}
	return 0;
}

json_t *http_json_load(const char *text, size_t len, struct error *err)
{
	json_error_t why;
	json_t *json;

	if (check_size(text, len, err) < 0) {
		return NULL;
	}
	json = json_loadb(
		text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &why);
	if (json == NULL) {
		/* jansson quotes what it stumbled over. */
		_cleanup_buf_ struct buf safe = {0};

		buf_add_printable(&safe, why.text, strlen(why.text), 0);
		(void)error_plain(err, EINVAL, "no JSON: %s (line %d, column %d)", safe.data,
			why.line, why.column);
	}
	return json;
}
