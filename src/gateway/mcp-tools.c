/* SPDX-License-Identifier: MIT */
/* tools/list and tools/call. */
#include <string.h>

#include "gateway/mcp-internal.h"

/* Policy can change at any moment; who does not listen for that asks again soon. */
enum { TOOLS_TTL_MS = 5000 };

static void copy(json_t *to, const char *name, const json_t *from, const char *from_name)
{
	json_t *value = json_object_get(from, from_name);

	if (value != NULL) {
		(void)json_object_set(to, name, value);
	}
}

static json_t *listed_tool(const json_t *tool, unsigned features)
{
	json_t *entry = json_object();

	copy(entry, "name", tool, "name");
	copy(entry, "description", tool, "description");
	copy(entry, "inputSchema", tool, "parameters");
	if ((features & MCP_STRUCTURED) != 0) {
		copy(entry, "title", tool, "title");
		copy(entry, "outputSchema", tool, "output");
	}
	if ((features & MCP_ANNOTATIONS) != 0) {
		copy(entry, "annotations", tool, "annotations");
	}
	return entry;
}

static void on_tools(void *arg, const json_t *result, const struct gateway_failure *failure)
{
	struct mcp_request *request = arg;
	json_t *tools = json_array();
	const json_t *tool;
	size_t i;

	request->ask = NULL;
	if (failure != NULL) {
		json_decref(tools);
		mcp_request_fail_ask(request, failure);
		return;
	}
	json_array_foreach((json_t *)(uintptr_t)result, i, tool)
	{
		if (json_is_true(json_object_get(tool, "offered"))) {
			(void)json_array_append_new(
				tools, listed_tool(tool, request->revision->features));
		}
	}
	mcp_request_answer_cacheable(request, json_pack("{s:o}", "tools", tools), TOOLS_TTL_MS);
}

void mcp_run_tools_list(struct mcp_request *request, const json_t *params)
{
	const struct mcp *mcp = request->mcp;
	struct gateway_ask *ask;

	if (json_object_get(params, "cursor") != NULL) {
		mcp_request_fail(request, RPC_PARAMS, "there is no such page of tools", NULL);
		return;
	}
	ask = gateway_ask(mcp->opts.gateway, mcp->caller, "tools",
		json_pack("{s:s*, s:s*}", "agent", mcp->opts.agent, "session", mcp->opts.session),
		on_tools, request);
	if (ask != NULL) {
		request->ask = ask;
	}
}

/* --- results --- */

static bool has_image(const json_t *content)
{
	for (size_t i = 0; i < json_array_size(content); i++) {
		if (json_object_get(json_array_get(content, i), "text") == NULL) {
			return true;
		}
	}
	return false;
}

static json_t *joined_text(const json_t *content)
{
	_cleanup_buf_ struct buf text = {0};

	for (size_t i = 0; i < json_array_size(content); i++) {
		const json_t *part = json_object_get(json_array_get(content, i), "text");

		if (i > 0) {
			buf_add_char(&text, '\n');
		}
		buf_add(&text, json_string_value(part), json_string_length(part));
	}
	return json_stringn_nocheck(text.data != NULL ? text.data : "", text.len);
}

/*
 * Several clients show a model structuredContent and nothing else once it is there. So it says all
 * that content says: details alone where the tool promises that, the text beside them where not, and
 * it is left out where content has an image.
 */
static json_t *structured(const struct tool *tool, const json_t *content, json_t *details)
{
	json_t *object;

	if (tool->output != NULL) {
		return json_incref(details);
	}
	if (has_image(content)) {
		return NULL;
	}
	object = json_copy(details);
	(void)json_object_set_new(object, "text", joined_text(content));
	return object;
}

static json_t *success_json(const struct mcp_request *request, const struct tool *tool,
	const struct tool_result *result)
{
	json_t *object = json_pack("{s:O, s:b}", "content", result->content, "isError", 0);

	if ((request->revision->features & MCP_STRUCTURED) != 0) {
		json_t *extra = structured(tool, result->content, result->details);

		if (extra != NULL) {
			(void)json_object_set_new(object, "structuredContent", extra);
		}
	}
	return object;
}

static json_t *failure_json(const struct mcp_request *request, const struct tool_result *result)
{
	_cleanup_buf_ struct buf text = {0};
	json_t *object, *details;

	buf_add_str(&text, result->failure.message);
	if (result->failure.hint != NULL) {
		buf_addf(&text, "\n%s", result->failure.hint);
	}
	object = json_pack("{s:[{s:s, s:o}], s:b}", "content", "type", "text", "text",
		rpc_string(text.data, text.len), "isError", 1);
	if ((request->revision->features & MCP_STRUCTURED) != 0) {
		details = result->details != NULL ? json_copy(result->details) : json_object();
		(void)json_object_set_new(details, "error",
			json_pack("{s:s, s:o}", "type", result->failure.type, "message",
				rpc_string(text.data, text.len)));
		(void)json_object_set_new(object, "structuredContent", details);
	}
	return object;
}

/* --- calls --- */

static void log_end(struct mcp_request *request, const char *name, const struct tool_result *result)
{
	const json_t *denied = json_array_get(json_object_get(result->details, "denied"), 0);

	if (result->failure.message == NULL) {
		mcp_log(request, MCP_LOG_DEBUG, "creel.call",
			json_pack("{s:s, s:s}", "tool", name, "end", "done"));
	} else if (denied != NULL) {
		json_t *data = json_copy((json_t *)(uintptr_t)denied);

		(void)json_object_set_new(data, "tool", json_string(name));
		mcp_log(request, MCP_LOG_WARNING, "creel.policy", data);
	} else {
		bool gone = strcmp(result->failure.type, TOOL_FAIL_UNAVAILABLE) == 0;

		mcp_log(request, gone ? MCP_LOG_ERROR : MCP_LOG_INFO, "creel.call",
			json_pack("{s:s, s:s, s:o}", "tool", name, "end", result->failure.type,
				"message",
				rpc_string(
					result->failure.message, strlen(result->failure.message))));
	}
}

static void on_called(void *arg, struct tool_result *result)
{
	struct mcp_request *request = arg;
	const char *name = rpc_text(json_object_get(request->params, "name"));
	const struct tool *tool = tool_by_name(name);

	request->call = NULL;
	log_end(request, name, result);
	mcp_request_answer(request, result->failure.message != NULL
					    ? failure_json(request, result)
					    : success_json(request, tool, result));
	tool_result_finish(result);
}

static void on_output(void *arg, const char *data, size_t len)
{
	mcp_progress_add(arg, data, len);
}

/* false: refused, as a protocol error: nothing that a model could have meant. */
static bool check_call(struct mcp_request *request, const json_t *params)
{
	const char *name = rpc_text(json_object_get(params, "name"));
	const json_t *args = json_object_get(params, "arguments");
	_cleanup_buf_ struct buf text = {0};

	if (name == NULL) {
		mcp_request_fail(request, RPC_PARAMS, "name must be the name of a tool", NULL);
		return false;
	}
	if (args != NULL && !json_is_object(args)) {
		mcp_request_fail(request, RPC_PARAMS, "arguments must be an object", NULL);
		return false;
	}
	if (tool_by_name(name) == NULL) {
		buf_add_str(&text, "Unknown tool: ");
		buf_add_escaped(&text, name, strlen(name), 64);
		mcp_request_fail(request, RPC_PARAMS, text.data, NULL);
		return false;
	}
	return mcp_progress_take(request, params);
}

void mcp_run_tools_call(struct mcp_request *request, const json_t *params)
{
	const struct mcp *mcp = request->mcp;
	struct gateway_call *call;

	if (!check_call(request, params)) {
		return;
	}
	request->params = json_pack("{s:O}", "name", json_object_get(params, "name"));
	call = gateway_call_start(
		mcp->opts.gateway, &(struct gateway_call_opts){
					   .caller = mcp->caller,
					   .agent = mcp->opts.agent,
					   .session = mcp->opts.session,
					   .tool = rpc_text(json_object_get(params, "name")),
					   .args = json_object_get(params, "arguments"),
					   .progress = on_output,
					   .done = on_called,
					   .arg = request,
				   });
	if (call != NULL) {
		request->call = call;
	}
}
