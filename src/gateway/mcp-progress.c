/* SPDX-License-Identifier: MIT */
/* What a running command prints, told in pieces: notifications/progress. */
#include "base/clock.h"
#include "gateway/mcp-internal.h"
#include "tools/utf8.h"

enum {
	/* A command that prints all the time must not make its client do nothing but read. */
	PROGRESS_EVERY_MS = 100,
	/* The end of what came since the last piece; all of it comes with the result. */
	PROGRESS_TEXT_MAX = 4 * 1024,
};

bool mcp_progress_take(struct mcp_request *request, const json_t *params)
{
	json_t *token = json_object_get(json_object_get(params, "_meta"), "progressToken");

	if (token == NULL) {
		return true;
	}
	if (!rpc_is_id(token)) {
		mcp_request_fail(
			request, RPC_PARAMS, "progressToken must be a string or an integer", NULL);
		return false;
	}
	request->progress_token = json_deep_copy(token);
	return true;
}

static void tell(struct mcp_request *request, uint64_t now_ns)
{
	json_t *params = json_pack("{s:O, s:I}", "progressToken", request->progress_token,
		"progress", (json_int_t)request->progress_bytes);

	if ((request->revision->features & MCP_ANNOTATIONS) != 0) {
		_cleanup_buf_ struct buf text = {0};

		utf8_clean(&text, request->progress_text.data, request->progress_text.len);
		(void)json_object_set_new(params, "message",
			json_stringn_nocheck(text.data != NULL ? text.data : "", text.len));
	}
	buf_clear(&request->progress_text);
	request->progress_due_ns = UINT64_MAX;
	request->progress_next_ns = now_ns + PROGRESS_EVERY_MS * NS_PER_MS;
	mcp_send(request->mcp, request->exchange->origin,
		rpc_notification("notifications/progress", params), false, 200);
}

void mcp_progress_add(struct mcp_request *request, const char *data, size_t len)
{
	uint64_t now_ns;

	if (request->progress_token == NULL || request->exchange == NULL || len == 0) {
		return;
	}
	request->progress_bytes += len;
	if (len > PROGRESS_TEXT_MAX) {
		data += len - PROGRESS_TEXT_MAX;
		len = PROGRESS_TEXT_MAX;
	}
	buf_add(&request->progress_text, data, len);
	if (request->progress_text.len > PROGRESS_TEXT_MAX) {
		buf_consume(
			&request->progress_text, request->progress_text.len - PROGRESS_TEXT_MAX);
	}
	now_ns = clock_now_ns();
	if (now_ns >= request->progress_next_ns) {
		tell(request, now_ns);
	} else {
		request->progress_due_ns = request->progress_next_ns;
		if (request->mcp->opts.due != NULL) {
			request->mcp->opts.due(request->mcp->opts.arg);
		}
	}
}

void mcp_progress_tick(struct mcp_request *request, uint64_t now_ns)
{
	if (request->exchange != NULL && request->progress_due_ns <= now_ns) {
		tell(request, now_ns);
	} else {
		request->progress_due_ns = UINT64_MAX;
	}
}
