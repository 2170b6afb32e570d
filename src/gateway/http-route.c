/* SPDX-License-Identifier: MIT */
/* Which row of the tables a request belongs to. */
#include <stdlib.h>
#include <string.h>

#include "gateway/http-internal.h"

/* Where the segment that begins at text ends. */
static size_t segment_len(const char *text)
{
	return strcspn(text, "/");
}

/* params gets the decoded values; what it holds when false is returned is to be freed too. */
static bool match_path(const char *pattern, const char *path, char *params[HTTP_PARAMS_MAX])
{
	size_t count = 0;

	while (*pattern == '/' && *path == '/') {
		size_t want = segment_len(++pattern), have = segment_len(++path);

		if (*pattern == '{') {
			params[count] = have > 0 ? http_decode(path, have, false) : NULL;
			if (params[count++] == NULL) {
				return false;
			}
		} else if (want != have || memcmp(pattern, path, want) != 0) {
			return false;
		}
		pattern += want;
		path += have;
	}
	return *pattern == '\0' && *path == '\0';
}

static void free_params(char *params[HTTP_PARAMS_MAX])
{
	for (size_t i = 0; i < HTTP_PARAMS_MAX; i++) {
		free(params[i]);
		params[i] = NULL;
	}
}

static void add_allowed(struct buf *allow, enum http_method method)
{
	buf_addf(allow, "%s%s", allow->len > 0 ? ", " : "", http_method_name(method));
	if (method == HTTP_GET) {
		buf_add_str(allow, ", HEAD");
	}
}

/* true: it is this row, in x. */
static bool try_row(struct http_exchange *x, const struct http_route *row, struct buf *allow)
{
	enum http_method method = http_exchange_method(x);
	char *params[HTTP_PARAMS_MAX] = {NULL};
	bool matches = match_path(row->pattern, x->head.path, params);

	if (matches && row->method == method) {
		x->route = row;
		memcpy(x->params, params, sizeof(params));
		return true;
	}
	if (matches) {
		add_allowed(allow, row->method);
	}
	free_params(params);
	return false;
}

enum http_match http_route_find(struct http_exchange *x, struct buf *ret_allow)
{
	x->head_only = x->head.method == HTTP_HEAD;
	for (size_t t = 0; http_route_tables[t] != NULL; t++) {
		for (const struct http_route *row = http_route_tables[t]; row->pattern != NULL;
			row++) {
			if (try_row(x, row, ret_allow)) {
				return MATCH_YES;
			}
		}
	}
	return ret_allow->len > 0 ? MATCH_OTHER_METHOD : MATCH_NONE;
}

const char *http_exchange_param(const struct http_exchange *x, const char *name)
{
	const char *at = x->route->pattern;
	size_t len = strlen(name);

	for (size_t i = 0; i < HTTP_PARAMS_MAX; i++) {
		at = strchr(at, '{');
		if (at == NULL) {
			return NULL;
		}
		at++;
		if (strncmp(at, name, len) == 0 && at[len] == '}') {
			return x->params[i];
		}
	}
	return NULL;
}

void http_route_run(struct http_exchange *x)
{
	const struct http_route *route = x->route;
	json_t *args;

	if (route->run != NULL) {
		route->run(x);
		return;
	}
	args = http_exchange_fields(x);
	if (args == NULL) {
		return;
	}
	if (route->op != NULL) {
		http_exchange_ask(x, route->op, args);
		return;
	}
	/* The strings live in args, which the call keeps no longer than its start. */
	{
		json_t *agent = json_incref(json_object_get(args, "agent"));
		json_t *session = json_incref(json_object_get(args, "session"));

		(void)json_object_del(args, "agent");
		(void)json_object_del(args, "session");
		if (route->action != NULL) {
			(void)json_object_set_new(args, "action", json_string(route->action));
		}
		http_exchange_call(x, &(struct http_tool_call){
					      .agent = json_string_value(agent),
					      .session = json_string_value(session),
					      .tool = route->tool,
					      .args = args,
					      .denied_status = 403,
				      });
		json_decref(agent);
		json_decref(session);
	}
}
