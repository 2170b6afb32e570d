/* SPDX-License-Identifier: MIT */
/* The description of the HTTP API, made of the same rows that serve it. */
#include "gateway/openapi.h"

#include <string.h>

#include "gateway/http.h"

static json_t *parse(const char *text)
{
	return json_loads(text, 0, NULL);
}

/* --- schemas --- */

static const char *const type_names[] = {
	[HTTP_STRING] = "string",
	[HTTP_INTEGER] = "integer",
	[HTTP_BOOLEAN] = "boolean",
	[HTTP_OBJECT] = "object",
	[HTTP_ARRAY] = "array",
};

static json_t *split(const char *values)
{
	json_t *list = json_array();

	while (*values != '\0') {
		size_t n = strcspn(values, "|");

		(void)json_array_append_new(list, json_stringn(values, n));
		values += n + (values[n] == '|');
	}
	return list;
}

static json_t *field_schema(const struct http_field *field)
{
	json_t *schema = json_object();

	if (field->type != HTTP_ANY) {
		(void)json_object_set_new(schema, "type", json_string(type_names[field->type]));
	}
	if (field->values != NULL) {
		(void)json_object_set_new(schema, "enum", split(field->values));
	}
	return schema;
}

static const char sender_schema[] =
	"{\"type\":\"object\",\"additionalProperties\":false,"
	"\"description\":\"on whose behalf\",\"properties\":{"
	"\"provider\":{\"type\":\"string\"},\"id\":{\"type\":\"string\"},"
	"\"name\":{\"type\":\"string\"},\"username\":{\"type\":\"string\"},"
	"\"tag\":{\"type\":\"string\"},\"e164\":{\"type\":\"string\"},"
	"\"from\":{\"type\":\"string\"},\"isOwner\":{\"type\":\"boolean\"}}}";

static const char failure_schema[] =
	"{\"type\":\"object\",\"required\":[\"ok\",\"error\"],\"properties\":{"
	"\"ok\":{\"const\":false},\"error\":{\"type\":\"object\","
	"\"required\":[\"type\",\"message\"],\"properties\":{\"type\":{\"type\":\"string\"},"
	"\"message\":{\"type\":\"string\"},\"hint\":{\"type\":\"string\"},"
	"\"details\":{\"type\":\"object\"}}}}}";

/* --- what a route takes --- */

static json_t *parameters(const struct http_route *route)
{
	json_t *list = json_array();

	for (const struct http_field *f = route->fields; f != NULL && f->name != NULL; f++) {
		if (f->place != HTTP_IN_BODY) {
			(void)json_array_append_new(
				list, json_pack("{s:s, s:s, s:b, s:s, s:o}", "name", f->name, "in",
					      f->place == HTTP_IN_PATH ? "path" : "query",
					      "required", f->required, "description", f->doc,
					      "schema", field_schema(f)));
		}
	}
	return list;
}

/* NULL: it takes no body. */
static json_t *body_schema(const struct http_route *route, bool *ret_required)
{
	json_t *properties = json_object(), *required = json_array(), *schema;

	for (const struct http_field *f = route->fields; f != NULL && f->name != NULL; f++) {
		json_t *field = f->place == HTTP_IN_BODY ? field_schema(f) : NULL;

		if (field != NULL) {
			(void)json_object_set_new(field, "description", json_string(f->doc));
			(void)json_object_set_new(properties, f->name, field);
		}
		if (field != NULL && f->required) {
			(void)json_array_append_new(required, json_string(f->name));
		}
	}
	if ((route->flags & HTTP_ROUTE_SENDER) != 0) {
		(void)json_object_set_new(properties, "sender", parse(sender_schema));
	}
	*ret_required = json_array_size(required) > 0;
	schema = json_object_size(properties) > 0
			 ? json_pack("{s:s, s:O, s:O, s:b}", "type", "object", "properties",
				   properties, "required", required, "additionalProperties",
				   (route->flags & HTTP_ROUTE_LAX) != 0)
			 : NULL;
	json_decref(properties);
	json_decref(required);
	return schema;
}

/* --- what it answers --- */

static json_t *response(const char *description, const char *type, json_t *schema)
{
	json_t *media = json_object();

	if (schema != NULL) {
		(void)json_object_set_new(media, "schema", schema);
	}
	return json_pack("{s:s, s:{s:o}}", "description", description, "content", type, media);
}

static json_t *success(const struct http_route *route)
{
	json_t *schema = route->answer != NULL ? parse(route->answer) : NULL;

	if ((route->flags & HTTP_ROUTE_RAW) == 0) {
		schema = json_pack("{s:s, s:[s,s], s:{s:{s:b}, s:o}}", "type", "object", "required",
			"ok", "result", "properties", "ok", "const", 1, "result", schema);
	}
	return response("Done", route->type != NULL ? route->type : "application/json", schema);
}

static void add_failure(json_t *responses, const char *status, const char *description)
{
	(void)json_object_set_new(responses, status,
		response(description, "application/json",
			json_pack("{s:s}", "$ref", "#/components/schemas/Failure")));
}

static json_t *responses(const struct http_route *route, bool has_body)
{
	json_t *all = json_object();

	if (route->upgrade != NULL) {
		(void)json_object_set_new(all, "101",
			json_pack("{s:s}", "description",
				"The connection speaks the other protocol"));
		add_failure(all, "426", "The request asks for no upgrade");
	} else {
		(void)json_object_set_new(all, "200", success(route));
	}
	if (route->fields != NULL && route->fields->name != NULL) {
		add_failure(all, "400", "The request is malformed, or the tool failed");
	}
	if ((route->flags & HTTP_ROUTE_OPEN) == 0) {
		add_failure(all, "401", "No bearer token, or none that is known");
	}
	add_failure(all, "403", "The token does not reach this, or another site's page asked");
	if ((route->flags & HTTP_ROUTE_MISSING) != 0) {
		add_failure(all, "404", "What the request names is not there");
	}
	if (has_body) {
		add_failure(all, "413", "The body is too large");
		add_failure(all, "415", "The body is no application/json");
	}
	add_failure(all, "default",
		"408 too slow, 429 too much at once, 431 head too large, 500 our fault, 503 not now");
	return all;
}

/* --- all of it --- */

static json_t *operation(const struct http_route *route)
{
	bool body_required = false;
	json_t *schema = body_schema(route, &body_required);
	json_t *op = json_pack("{s:s, s:s, s:[s], s:o, s:o}", "operationId", route->id, "summary",
		route->summary, "tags", route->tag, "parameters", parameters(route), "responses",
		responses(route, schema != NULL));

	if (schema != NULL) {
		(void)json_object_set_new(op, "requestBody",
			json_pack("{s:b, s:{s:{s:o}}}", "required", body_required, "content",
				"application/json", "schema", schema));
	}
	if ((route->flags & HTTP_ROUTE_OPEN) != 0) {
		(void)json_object_set_new(op, "security", json_array());
	}
	return op;
}

static void lower(const char *text, char ret[16])
{
	size_t i = 0;

	for (; i < 15 && text[i] != '\0'; i++) {
		ret[i] = (char)(text[i] | 0x20);
	}
	ret[i] = '\0';
}

static void add_route(json_t *paths, const struct http_route *route)
{
	json_t *path = json_object_get(paths, route->pattern);
	char method[16];

	if (path == NULL) {
		path = json_object();
		(void)json_object_set_new(paths, route->pattern, path);
	}
	lower(http_method_name(route->method), method);
	(void)json_object_set_new(path, method, operation(route));
}

json_t *openapi_document(void)
{
	json_t *paths = json_object();

	for (size_t t = 0; http_route_tables[t] != NULL; t++) {
		for (const struct http_route *route = http_route_tables[t]; route->pattern != NULL;
			route++) {
			if ((route->flags & HTTP_ROUTE_UNLISTED) == 0) {
				add_route(paths, route);
			}
		}
	}
	return json_pack("{s:s, s:{s:s, s:s, s:s}, s:[{s:[]}], s:o, s:{s:{s:o}, s:{s:{s:s, s:s}}}}",
		"openapi", "3.1.0", "info", "title", "Creel", "version", CREEL_VERSION, "summary",
		"Tools of AI agents, in sandboxes", "security", "bearer", "paths", paths,
		"components", "schemas", "Failure", parse(failure_schema), "securitySchemes",
		"bearer", "type", "http", "scheme", "bearer");
}
