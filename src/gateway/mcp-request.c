/* SPDX-License-Identifier: MIT */
/* A request from its arrival to its answer. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "gateway/mcp-internal.h"

struct mcp_request *mcp_request_new(struct mcp *mcp, struct mcp_exchange *exchange,
	const json_t *id, const struct mcp_revision *revision)
{
	struct mcp_request *request = xcalloc(1, sizeof(*request));

	*request = (struct mcp_request){
		.next = mcp->requests,
		.mcp = mcp,
		.exchange = exchange,
		.refs = 1,
		.id = json_deep_copy(id),
		.revision = revision,
		.log_level = mcp->log_level,
		.progress_due_ns = UINT64_MAX,
	};
	if (mcp->requests != NULL) {
		mcp->requests->prev = request;
	}
	mcp->requests = request;
	mcp->request_count++;
	exchange->open++;
	return request;
}

void mcp_request_ref(struct mcp_request *request)
{
	request->refs++;
}

void mcp_request_unref(struct mcp_request *request)
{
	if (--request->refs > 0) {
		return;
	}
	json_decref(request->id);
	json_decref(request->params);
	json_decref(request->progress_token);
	buf_finish(&request->progress_text);
	free(request);
}

struct mcp_request *mcp_request_find(const struct mcp *mcp, const json_t *id)
{
	struct mcp_request *request = mcp->requests;

	while (request != NULL && !json_equal(request->id, id)) {
		request = request->next;
	}
	return request;
}

static void unlink_request(struct mcp_request *request)
{
	struct mcp *mcp = request->mcp;

	if (mcp == NULL) {
		return;
	}
	if (request->prev != NULL) {
		request->prev->next = request->next;
	} else {
		mcp->requests = request->next;
	}
	if (request->next != NULL) {
		request->next->prev = request->prev;
	}
	request->prev = request->next = NULL;
	request->mcp = NULL;
	mcp->request_count--;
}

/* The work is over: nothing will call back any more. */
static void end(struct mcp_request *request, json_t *message, int http_status)
{
	struct mcp_exchange *exchange = request->exchange;

	unlink_request(request);
	request->exchange = NULL;
	if (exchange != NULL) {
		mcp_exchange_add(exchange, message, http_status);
		mcp_exchange_close(exchange);
	} else {
		json_decref(message);
	}
	mcp_request_unref(request);
}

void mcp_request_cancel(struct mcp_request *request)
{
	struct mcp_exchange *exchange = request->exchange;

	request->exchange = NULL;
	request->progress_due_ns = UINT64_MAX;
	if (exchange != NULL) {
		mcp_exchange_close(exchange);
	}
	if (request->call != NULL) {
		gateway_call_abort(request->call); /* its end comes, perhaps it has come */
		return;
	}
	if (request->ask != NULL) {
		gateway_ask_forget(request->ask);
		request->ask = NULL;
	}
	end(request, NULL, 0);
}

static bool is_stateless(const struct mcp_request *request)
{
	return (request->revision->features & MCP_STATELESS) != 0;
}

void mcp_request_answer(struct mcp_request *request, json_t *result)
{
	if (is_stateless(request)) {
		json_t *meta = json_object_get(result, "_meta");

		(void)json_object_set_new(result, "resultType", json_string("complete"));
		if (meta == NULL) {
			(void)json_object_set_new(result, "_meta", json_object());
			meta = json_object_get(result, "_meta");
		}
		(void)json_object_set_new(meta, "io.modelcontextprotocol/serverInfo",
			mcp_server_info(request->revision));
	}
	end(request, rpc_answer(request->id, result), 200);
}

void mcp_request_answer_cacheable(struct mcp_request *request, json_t *result, int ttl_ms)
{
	if (is_stateless(request)) {
		(void)json_object_set_new(result, "ttlMs", json_integer(ttl_ms));
		(void)json_object_set_new(result, "cacheScope", json_string("private"));
	}
	mcp_request_answer(request, result);
}

void mcp_request_fail_status(struct mcp_request *request, enum rpc_code code, const char *text,
	json_t *data, int http_status)
{
	end(request, rpc_error(request->id, code, text, data), http_status);
}

void mcp_request_fail(
	struct mcp_request *request, enum rpc_code code, const char *text, json_t *data)
{
	mcp_request_fail_status(request, code, text, data, 200);
}

void mcp_request_fail_ask(struct mcp_request *request, const struct gateway_failure *failure)
{
	bool arguments = strcmp(failure->type, TOOL_FAIL_ARGUMENTS) == 0;

	mcp_request_fail_status(request, arguments ? RPC_PARAMS : RPC_INTERNAL, failure->message,
		json_pack("{s:s, s:o*}", "type", failure->type, "hint",
			failure->hint != NULL ? rpc_string(failure->hint, strlen(failure->hint))
					      : NULL),
		gateway_status_of(failure->type));
}
