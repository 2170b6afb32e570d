/* SPDX-License-Identifier: MIT */
/* Typed access to the arguments of a tool call. */
#include "tools/args.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "base/num.h"

static const struct {
	const char *alias, *name;
} aliases[] = {
	{"file_path", "path"},
	{"filePath", "path"},
	{"old_string", "oldText"},
	{"new_string", "newText"},
	{"session_id", "sessionId"},
};

static const char *const content_names[] = {"content", "oldText", "newText", "input"};

static void resolve_aliases(json_t *args)
{
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
		json_t *value = json_object_get(args, aliases[i].alias);

		if (value == NULL) {
			continue;
		}
		if (json_object_get(args, aliases[i].name) == NULL) {
			(void)json_object_set(args, aliases[i].name, value);
		}
		(void)json_object_del(args, aliases[i].alias);
	}
}

static const json_t *block_text(const json_t *block)
{
	const json_t *text = json_is_object(block) ? json_object_get(block, "text") : block;

	return json_is_string(text) ? text : NULL;
}

/* Models send content as message blocks now and then. NULL: not such a value. */
static json_t *flatten(const json_t *value)
{
	_cleanup_buf_ struct buf text = {0};

	if (json_is_object(value)) {
		const json_t *only = block_text(value);

		return only != NULL ? json_stringn_nocheck(
					      json_string_value(only), json_string_length(only))
				    : NULL;
	}
	if (!json_is_array(value)) {
		return NULL;
	}
	for (size_t i = 0; i < json_array_size(value); i++) {
		const json_t *part = block_text(json_array_get(value, i));

		if (part == NULL) {
			return NULL;
		}
		buf_add(&text, json_string_value(part), json_string_length(part));
	}
	return json_stringn_nocheck(text.data != NULL ? text.data : "", text.len);
}

int args_normalize(const json_t *args, json_t **ret, struct error *err)
{
	json_t *own;

	if (args == NULL || json_is_null(args)) {
		*ret = json_object();
		return 0;
	}
	if (!json_is_object(args)) {
		return error_plain(err, EINVAL, "the arguments must be a JSON object");
	}
	own = json_copy((json_t *)(uintptr_t)args);
	resolve_aliases(own);
	for (size_t i = 0; i < sizeof(content_names) / sizeof(content_names[0]); i++) {
		json_t *value = json_object_get(own, content_names[i]);
		json_t *flat = value != NULL ? flatten(value) : NULL;

		if (flat != NULL) {
			(void)json_object_set_new(own, content_names[i], flat);
		}
	}
	*ret = own;
	return 0;
}

static json_t *get(const json_t *args, const char *name)
{
	json_t *value = json_object_get(args, name);

	return json_is_null(value) ? NULL : value;
}

int args_content(const json_t *args, const char *name, unsigned flags, const char **ret,
	size_t *ret_len, struct error *err)
{
	const json_t *value = get(args, name);

	if (value == NULL) {
		if ((flags & ARGS_REQUIRED) == 0) {
			return 0;
		}
		return error_plain(err, EINVAL, "Missing required parameter: %s", name);
	}
	if (!json_is_string(value)) {
		return error_plain(err, EINVAL, "parameter %s must be a string", name);
	}
	if ((flags & ARGS_NOT_EMPTY) != 0 && json_string_length(value) == 0) {
		return error_plain(
			err, EINVAL, "Missing required parameter: %s must not be empty", name);
	}
	*ret = json_string_value(value);
	*ret_len = json_string_length(value);
	return 0;
}

int args_text(
	const json_t *args, const char *name, unsigned flags, const char **ret, struct error *err)
{
	const char *text = NULL;
	size_t len = 0;
	int r = args_content(args, name, flags, &text, &len, err);

	if (r < 0 || text == NULL) {
		return r;
	}
	if (strlen(text) != len) {
		return error_plain(err, EINVAL, "parameter %s contains a NUL character", name);
	}
	*ret = text;
	return 0;
}

int args_bool(const json_t *args, const char *name, bool *ret, bool *ret_given, struct error *err)
{
	const json_t *value = get(args, name);

	if (ret_given != NULL) {
		*ret_given = value != NULL;
	}
	if (value == NULL) {
		return 0;
	}
	if (json_is_boolean(value)) {
		*ret = json_is_true(value);
		return 0;
	}
	if (json_is_string(value)) {
		const char *text = json_string_value(value);

		if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
			*ret = text[0] == 't';
			return 0;
		}
	}
	return error_plain(err, EINVAL, "parameter %s must be true or false", name);
}

static int read_int(const json_t *value, const char *name, int64_t *ret, struct error *err)
{
	double number;

	if (json_is_integer(value)) {
		*ret = json_integer_value(value);
		return 0;
	}
	if (json_is_string(value) &&
		num_parse_i64(json_string_value(value), INT64_MIN, INT64_MAX, ret) == 0) {
		return 0;
	}
	if (!json_is_real(value)) {
		return error_plain(err, EINVAL, "parameter %s must be a number", name);
	}
	number = floor(json_real_value(value));
	/* 2^62: beyond it a double is no exact int64, and no parameter goes there. */
	if (!(fabs(number) < 4611686018427387904.0)) {
		return error_plain(err, EINVAL, "parameter %s is out of range", name);
	}
	*ret = (int64_t)number;
	return 0;
}

int args_int(const json_t *args, const char *name, int64_t min, int64_t max, int64_t *ret,
	bool *ret_given, struct error *err)
{
	const json_t *value = get(args, name);
	int64_t number;
	int r;

	if (ret_given != NULL) {
		*ret_given = value != NULL;
	}
	if (value == NULL) {
		return 0;
	}
	r = read_int(value, name, &number, err);
	if (r < 0) {
		return r;
	}
	if (number < min || number > max) {
		return error_plain(err, EINVAL, "parameter %s is %lld, allowed is %lld to %lld",
			name, (long long)number, (long long)min, (long long)max);
	}
	*ret = number;
	return 0;
}
