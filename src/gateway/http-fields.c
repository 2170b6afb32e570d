/* SPDX-License-Identifier: MIT */
/* The fields of a request, checked against the rows of its route. */
#include <errno.h>
#include <string.h>

#include "base/num.h"
#include "gateway/http-internal.h"

static const char *const type_names[] = {
	[HTTP_STRING] = "a string",
	[HTTP_INTEGER] = "an integer",
	[HTTP_BOOLEAN] = "true or false",
	[HTTP_OBJECT] = "an object",
	[HTTP_ARRAY] = "a list",
	[HTTP_ANY] = "any value",
};

static bool has_type(const json_t *value, enum http_field_type type)
{
	switch (type) {
	case HTTP_STRING:
		return json_is_string(value) &&
		       strlen(json_string_value(value)) == json_string_length(value);
	case HTTP_INTEGER:
		return json_is_integer(value);
	case HTTP_BOOLEAN:
		return json_is_boolean(value);
	case HTTP_OBJECT:
		return json_is_object(value);
	case HTTP_ARRAY:
		return json_is_array(value);
	case HTTP_ANY:
	default:
		return true;
	}
}

/* Is text one of "a|b|c"? */
static bool is_listed(const char *values, const char *text)
{
	size_t len = strlen(text);

	for (const char *at = values; *at != '\0';) {
		size_t n = strcspn(at, "|");

		if (n == len && memcmp(at, text, n) == 0) {
			return true;
		}
		at += n + (at[n] == '|');
	}
	return false;
}

/* From a path or a query. NULL: no value of that type. */
static json_t *from_text(const char *text, enum http_field_type type)
{
	int64_t number;

	switch (type) {
	case HTTP_INTEGER:
		return num_parse_i64(text, INT64_MIN, INT64_MAX, &number) == 0
			       ? json_integer(number)
			       : NULL;
	case HTTP_BOOLEAN:
		return is_listed("true|1", text)    ? json_true()
		       : is_listed("false|0", text) ? json_false()
						    : NULL;
	case HTTP_STRING:
	case HTTP_OBJECT:
	case HTTP_ARRAY:
	case HTTP_ANY:
	default:
		return json_string(text); /* NULL: no UTF-8 */
	}
}

/* The value, owned; NULL: not there. *ret_there tells a wrong one from a missing one. */
static json_t *find_value(struct http_exchange *x, const struct http_field *field,
	const json_t *body, bool *ret_there)
{
	const char *text;
	json_t *value;

	if (field->place == HTTP_IN_BODY) {
		value = json_object_get(body, field->name);
		*ret_there = value != NULL && !json_is_null(value);
		return *ret_there ? json_incref(value) : NULL;
	}
	text = field->place == HTTP_IN_PATH ? http_exchange_param(x, field->name)
					    : http_exchange_query(x, field->name);
	*ret_there = text != NULL;
	return text != NULL ? from_text(text, field->type) : NULL;
}

static int add_field(struct http_exchange *x, const struct http_field *field, const json_t *body,
	json_t *args, struct error *err)
{
	bool there = false;
	json_t *value = find_value(x, field, body, &there);

	if (!there && field->required) {
		return error_plain(err, EINVAL, "%s is missing", field->name);
	}
	if (!there) {
		return 0;
	}
	if (value == NULL || !has_type(value, field->type)) {
		json_decref(value);
		return error_plain(
			err, EINVAL, "%s must be %s", field->name, type_names[field->type]);
	}
	if (field->values != NULL && !is_listed(field->values, json_string_value(value))) {
		json_decref(value);
		return error_plain(err, EINVAL, "%s must be one of %s", field->name, field->values);
	}
	(void)json_object_set_new(args, field->as != NULL ? field->as : field->name, value);
	return 0;
}

/* --- sender --- */

static int read_sender(struct http_exchange *x, const json_t *body, struct error *err)
{
	json_t *json = json_object_get(body, "sender");
	struct sender *sender = &http_exchange_caller(x)->sender;
	const char *name;
	json_t *value;
	const struct {
		const char *name, **to;
	} texts[] = {
		{"provider", &sender->provider},
		{"id", &sender->id},
		{"name", &sender->name},
		{"username", &sender->username},
		{"tag", &sender->tag},
		{"e164", &sender->e164},
		{"from", &sender->from},
	};

	/* The original's header for the same. */
	sender->provider = http_exchange_header(x, "x-openclaw-message-channel");
	if (json == NULL || json_is_null(json)) {
		return 0;
	}
	if (!json_is_object(json)) {
		return error_plain(err, EINVAL, "sender must be an object");
	}
	json_object_foreach(json, name, value)
	{
		size_t i = 0;

		while (i < ARRAY_SIZE(texts) && strcmp(texts[i].name, name) != 0) {
			i++;
		}
		if (i < ARRAY_SIZE(texts) && has_type(value, HTTP_STRING)) {
			*texts[i].to = json_string_value(value);
		} else if (strcmp(name, "isOwner") == 0 && json_is_boolean(value)) {
			sender->is_owner = json_is_true(value);
		} else {
			return error_plain(err, EINVAL,
				"sender takes provider, id, name, username, tag, e164 and from "
				"(strings) and isOwner (true or false)");
		}
	}
	return 0;
}

/* --- all of it --- */

static bool is_field(const struct http_route *route, const char *name)
{
	for (const struct http_field *f = route->fields; f != NULL && f->name != NULL; f++) {
		if (f->place == HTTP_IN_BODY && strcmp(f->name, name) == 0) {
			return true;
		}
	}
	return (route->flags & HTTP_ROUTE_SENDER) != 0 && strcmp(name, "sender") == 0;
}

static int check_names(const struct http_route *route, json_t *body, struct error *err)
{
	const char *name;
	json_t *value;

	json_object_foreach(body, name, value)
	{
		if ((route->flags & HTTP_ROUTE_LAX) == 0 && !is_field(route, name)) {
			_cleanup_buf_ struct buf safe = {0};

			buf_add_escaped(&safe, name, strlen(name), 64);
			return error_plain(err, EINVAL,
				"'%s' is no field of this request; /openapi.json lists them",
				safe.data);
		}
	}
	return 0;
}

/* NULL: answered. *ret is NULL when there is no body. */
static bool load_body(struct http_exchange *x, json_t **ret)
{
	size_t len;

	(void)http_exchange_body(x, &len);
	*ret = NULL;
	if (len == 0 && x->json == NULL) {
		return true;
	}
	if (http_exchange_json(x) == NULL) {
		return false;
	}
	if (!json_is_object(x->json)) {
		http_exchange_fail(
			x, 400, "invalid_request", "the body must be a JSON object", NULL);
		return false;
	}
	*ret = x->json;
	return true;
}

json_t *http_exchange_fields(struct http_exchange *x)
{
	const struct http_route *route = x->route;
	json_t *args, *body = NULL;
	struct error err;
	int r;

	if (!load_body(x, &body)) {
		return NULL;
	}
	args = json_object();
	r = check_names(route, body, &err);
	for (const struct http_field *f = route->fields; r == 0 && f != NULL && f->name != NULL;
		f++) {
		r = add_field(x, f, body, args, &err);
	}
	if (r == 0 && (route->flags & HTTP_ROUTE_SENDER) != 0) {
		r = read_sender(x, body, &err);
	}
	if (r < 0) {
		json_decref(args);
		http_exchange_fail(x, 400, "invalid_request", err.text, NULL);
		return NULL;
	}
	return args;
}
