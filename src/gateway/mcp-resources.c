/* SPDX-License-Identifier: MIT */
/* The workspace's files as resources: found by glob, read by read, under the policy of both. */
#include <string.h>

#include "base/limits.h"
#include "base/num.h"
#include "gateway/mcp-internal.h"
#include "gateway/mcp-uri.h"
#include "tools/mime.h"

enum { PAGE_FILES = 1000 };

static void call_tool(
	struct mcp_request *request, const char *tool, json_t *args, tool_done_fn done)
{
	const struct mcp *mcp = request->mcp;
	struct gateway_call *call =
		gateway_call_start(mcp->opts.gateway, &(struct gateway_call_opts){
							      .caller = mcp->caller,
							      .agent = mcp->opts.agent,
							      .session = mcp->opts.session,
							      .tool = tool,
							      .args = args,
							      .done = done,
							      .arg = request,
						      });

	json_decref(args);
	if (call != NULL) {
		request->call = call;
	}
}

static void fail_call(
	struct mcp_request *request, enum rpc_code code, const struct tool_result *result)
{
	json_t *data = result->details != NULL ? json_copy(result->details) : json_object();

	(void)json_object_set_new(data, "type", json_string(result->failure.type));
	if (json_object_get(request->params, "uri") != NULL) {
		(void)json_object_set(data, "uri", json_object_get(request->params, "uri"));
	}
	mcp_request_fail(request, code, result->failure.message, data);
}

/* --- list --- */

static json_t *file_json(const char *path)
{
	_cleanup_buf_ struct buf uri = {0};
	const char *mime = mime_by_name(path);

	mcp_uri_add(&uri, path);
	return json_pack("{s:s, s:s, s:s*}", "uri", uri.data, "name", path, "mimeType", mime);
}

/* Names that are no UTF-8 came with a replacement for what is wrong: no URI leads to them. */
static bool has_uri(const char *path)
{
	return path != NULL && strstr(path, "\xef\xbf\xbd") == NULL;
}

static void on_found(void *arg, struct tool_result *result)
{
	struct mcp_request *request = arg;
	const json_t *paths = json_object_get(result->details, "paths");
	size_t from = (size_t)json_integer_value(json_object_get(request->params, "from"));
	size_t end = from + PAGE_FILES;
	json_t *page;

	request->call = NULL;
	if (result->failure.message != NULL) {
		fail_call(request, RPC_INTERNAL, result);
		tool_result_finish(result);
		return;
	}
	page = json_pack("{s:[]}", "resources");
	for (size_t i = from; i < end && i < json_array_size(paths); i++) {
		const char *path = rpc_text(json_array_get(paths, i));

		if (has_uri(path)) {
			(void)json_array_append_new(
				json_object_get(page, "resources"), file_json(path));
		}
	}
	if (end < json_array_size(paths)) {
		(void)json_object_set_new(page, "nextCursor", json_sprintf("%zu", end));
	}
	mcp_request_answer_cacheable(request, page, 0);
	tool_result_finish(result);
}

void mcp_run_resources_list(struct mcp_request *request, const json_t *params)
{
	const json_t *cursor = json_object_get(params, "cursor");
	const char *text = rpc_text(cursor);
	uint64_t from = 0;

	if (cursor != NULL &&
		(text == NULL || num_parse_u64(text, 1, LIMIT_GLOB_RESULTS, &from) < 0)) {
		mcp_request_fail(request, RPC_PARAMS, "there is no such page of resources", NULL);
		return;
	}
	request->params = json_pack("{s:I}", "from", (json_int_t)from);
	call_tool(request, "glob",
		json_pack("{s:s, s:i}", "pattern", "**/*", "limit", LIMIT_GLOB_RESULTS), on_found);
}

/* --- read --- */

static enum rpc_code read_code(const struct mcp_request *request, const struct tool_result *result)
{
	if (strcmp(result->failure.type, TOOL_FAIL_NOT_FOUND) == 0) {
		return (request->revision->features & MCP_STATELESS) != 0 ? RPC_PARAMS
									  : RPC_NO_RESOURCE;
	}
	return strcmp(result->failure.type, TOOL_FAIL_ARGUMENTS) == 0 ? RPC_PARAMS : RPC_INTERNAL;
}

static void answer_read(struct mcp_request *request, const json_t *details)
{
	const char *encoding = json_string_value(json_object_get(details, "encoding"));
	json_t *data = json_object_get(details, "data");
	bool is_text = encoding != NULL && strcmp(encoding, "utf-8") == 0;
	json_int_t size = json_integer_value(json_object_get(details, "size"));
	json_int_t bytes = json_integer_value(json_object_get(details, "bytes"));

	if (size > bytes) {
		mcp_request_fail(request, RPC_INTERNAL,
			"the file is too large for a resource: read it by pages with the tool read",
			json_pack("{s:I, s:i}", "size", size, "limit", LIMIT_READ_RAW));
		return;
	}
	mcp_request_answer_cacheable(request,
		json_pack("{s:[{s:O, s:O*, s:O}]}", "contents", "uri",
			json_object_get(request->params, "uri"), "mimeType",
			json_object_get(details, "mimeType"), is_text ? "text" : "blob", data),
		0);
}

static void on_read(void *arg, struct tool_result *result)
{
	struct mcp_request *request = arg;

	request->call = NULL;
	if (result->failure.message != NULL) {
		fail_call(request, read_code(request, result), result);
	} else {
		answer_read(request, result->details);
	}
	tool_result_finish(result);
}

void mcp_run_resources_read(struct mcp_request *request, const json_t *params)
{
	json_t *uri = json_object_get(params, "uri");
	const char *text = rpc_text(uri);
	_cleanup_buf_ struct buf path = {0};
	struct error err = {.text = "uri must be the URI of a resource"};

	/* "./" before it: a name that begins with ~ or @ means itself here. */
	buf_add_str(&path, "./");
	if (text == NULL || mcp_uri_parse(text, &path, &err) < 0) {
		mcp_request_fail(request, RPC_PARAMS, err.text, NULL);
		return;
	}
	request->params = json_pack("{s:O}", "uri", uri);
	call_tool(request, "read",
		json_pack("{s:o, s:b, s:b}", "path", rpc_string(path.data, path.len), "raw", 1,
			"beneath", 1),
		on_read);
}

/* --- templates --- */

void mcp_run_templates_list(struct mcp_request *request, const json_t *params)
{
	json_t *template;

	if (json_object_get(params, "cursor") != NULL) {
		mcp_request_fail(request, RPC_PARAMS, "there is no such page of templates", NULL);
		return;
	}
	template = json_pack("{s:s, s:s, s:s}", "uriTemplate", MCP_URI_PREFIX "{+path}", "name",
		"workspace-file", "description",
		"A file of the workspace, by its path in there; those that .gitignore hides, too");
	if ((request->revision->features & MCP_STRUCTURED) != 0) {
		(void)json_object_set_new(template, "title", json_string("File of the workspace"));
	}
	mcp_request_answer_cacheable(
		request, json_pack("{s:[o]}", "resourceTemplates", template), 3600 * 1000);
}
