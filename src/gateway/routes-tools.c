/* SPDX-License-Identifier: MIT */
/* POST /tools/invoke, as the original has it, and what there is to invoke. */
#include <string.h>

#include "gateway/routes.h"

/* The original puts "action" among the arguments of a tool that has one there and was given none. */
static void set_action(json_t *args, json_t *action)
{
	if (action != NULL && json_object_get(args, "action") == NULL) {
		(void)json_object_set(args, "action", action);
	}
}

static json_t *call_args(json_t *fields)
{
	json_t *args = json_object_get(fields, "args");

	args = args != NULL ? json_copy(args) : json_object();
	set_action(args, json_object_get(fields, "action"));
	return args;
}

static void invoke(struct http_exchange *x)
{
	json_t *fields = http_exchange_fields(x);

	if (fields == NULL) {
		return;
	}
	http_exchange_caller(x)->model_provider =
		json_string_value(json_object_get(fields, "modelProvider"));
	http_exchange_call(
		x, &(struct http_tool_call){
			   .agent = json_string_value(json_object_get(fields, "agent")),
			   .session = json_string_value(json_object_get(fields, "session")),
			   .tool = json_string_value(json_object_get(fields, "tool")),
			   .args = call_args(fields),
			   /* As the original: a tool that policy hides is not there. */
			   .denied_status = 404,
		   });
	json_decref(fields);
}

static const struct http_field invoke_fields[] = {
	{"tool", HTTP_IN_BODY, HTTP_STRING, true, .doc = "its name, or an alias of it"},
	{"args", HTTP_IN_BODY, HTTP_OBJECT, .doc = "the tool's arguments"},
	{"action", HTTP_IN_BODY, HTTP_STRING, .doc = "args.action, when args has none"},
	FIELD_SESSION(HTTP_IN_BODY),
	FIELD_AGENT(HTTP_IN_BODY),
	{"modelProvider", HTTP_IN_BODY, HTTP_STRING, .doc = "for tools.byProvider"},
	FIELD_END,
};

static const struct http_field list_fields[] = {
	FIELD_SESSION(HTTP_IN_QUERY),
	FIELD_AGENT(HTTP_IN_QUERY),
	FIELD_END,
};

const struct http_route routes_tools[] = {
	{HTTP_POST, "/tools/invoke", "invokeTool", "tools", "Call a tool and wait for its result.",
		.flags = HTTP_ROUTE_LARGE | HTTP_ROUTE_SENDER | HTTP_ROUTE_LAX | HTTP_ROUTE_MISSING,
		.run = invoke, .fields = invoke_fields, .answer = ANSWER_TOOL},
	{HTTP_GET, "/v1/tools", "listTools", "tools",
		"The tools, their parameters, and whether policy offers them to this session.",
		.op = "tools", .fields = list_fields, .answer = "{\"type\":\"array\"}"},
	{HTTP_GET, "/v1/explain", "explain", "tools",
		"The decision about a session, as creel sandbox explain --json prints it.",
		.op = "explain", .fields = list_fields, .answer = ANSWER_OBJECT},
	{.pattern = NULL},
};
