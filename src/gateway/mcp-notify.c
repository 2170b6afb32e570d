/* SPDX-License-Identifier: MIT */
/* What a client is told without asking: log messages, and that the list of tools is another one. */
#include <string.h>

#include "base/macro.h"
#include "gateway/mcp-internal.h"

static const char *const levels[MCP_LOG_COUNT_] = {
	[MCP_LOG_DEBUG] = "debug",
	[MCP_LOG_INFO] = "info",
	[MCP_LOG_NOTICE] = "notice",
	[MCP_LOG_WARNING] = "warning",
	[MCP_LOG_ERROR] = "error",
	[MCP_LOG_CRITICAL] = "critical",
	[MCP_LOG_ALERT] = "alert",
	[MCP_LOG_EMERGENCY] = "emergency",
};

int mcp_level_from_name(const char *name)
{
	for (int i = 0; name != NULL && i < MCP_LOG_COUNT_; i++) {
		if (strcmp(levels[i], name) == 0) {
			return i;
		}
	}
	return -1;
}

void mcp_log(struct mcp_request *request, enum mcp_level level, const char *logger, json_t *data)
{
	struct mcp *mcp = request->mcp;
	/* With a session the level is the session's, which may have changed since. */
	enum mcp_level least = mcp == NULL || (request->revision->features & MCP_STATELESS) != 0
				       ? request->log_level
				       : mcp->log_level;

	if (mcp == NULL || request->exchange == NULL || level < least) {
		json_decref(data);
		return;
	}
	mcp_send(mcp, request->exchange->origin,
		rpc_notification("notifications/message",
			json_pack("{s:s, s:s, s:o}", "level", levels[level], "logger", logger,
				"data", data)),
		false, 200);
}

/* --- changes --- */

/* What may offer other tools than before. */
static bool changes_tools(const char *kind)
{
	static const char *const kinds[] = {
		"config.reloaded", "config.changed", "session.directive", "session.ended"};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(kinds[i], kind) == 0) {
			return true;
		}
	}
	return false;
}

static json_t *subscription_meta(const struct mcp_request *request)
{
	return json_pack("{s:O}", "io.modelcontextprotocol/subscriptionId", request->id);
}

static bool wants_tools(const struct mcp_request *request)
{
	const json_t *wanted = json_object_get(request->params, "notifications");

	return json_is_true(json_object_get(wanted, "toolsListChanged"));
}

static void on_event(void *arg, uint64_t id, const char *kind, const json_t *event)
{
	static const char changed[] = "notifications/tools/list_changed";
	struct mcp *mcp = arg;

	(void)id;
	(void)event;
	if (!changes_tools(kind)) {
		return;
	}
	if (mcp->revision != NULL) {
		mcp_send(mcp, NULL, rpc_notification(changed, NULL), false, 200);
	}
	for (struct mcp_request *r = mcp->requests; r != NULL; r = r->next) {
		if (r->listens && r->exchange != NULL && wants_tools(r)) {
			mcp_send(mcp, r->exchange->origin,
				rpc_notification(
					changed, json_pack("{s:o}", "_meta", subscription_meta(r))),
				false, 200);
		}
	}
}

void mcp_watch(struct mcp *mcp, const json_t *auth)
{
	if (mcp->watch == NULL) {
		mcp->watch = gateway_watch(mcp->opts.gateway, auth, UINT64_MAX, on_event, mcp);
	}
}

void mcp_end_listening(struct mcp *mcp)
{
	struct mcp_request *next;

	for (struct mcp_request *r = mcp->requests; r != NULL; r = next) {
		next = r->next;
		if (r->listens && r->exchange != NULL) {
			mcp_request_answer(r, json_pack("{s:o}", "_meta", subscription_meta(r)));
		}
	}
}

static void on_may_listen(void *arg, const json_t *result, const struct gateway_failure *failure)
{
	struct mcp_request *request = arg;
	json_t *honoured = json_object();

	request->ask = NULL;
	if (failure != NULL) {
		json_decref(honoured);
		mcp_request_fail_ask(request, failure);
		return;
	}
	if (wants_tools(request)) {
		(void)json_object_set_new(honoured, "toolsListChanged", json_true());
	}
	request->listens = true;
	/* The acknowledgement comes first, whatever happens next. */
	mcp_send(request->mcp, request->exchange->origin,
		rpc_notification("notifications/subscriptions/acknowledged",
			json_pack("{s:o, s:o}", "_meta", subscription_meta(request),
				"notifications", honoured)),
		false, 200);
	mcp_watch(request->mcp, result);
}

void mcp_run_listen(struct mcp_request *request, const json_t *params)
{
	const struct mcp *mcp = request->mcp;
	struct gateway_ask *ask;

	if (!json_is_object(json_object_get(params, "notifications"))) {
		mcp_request_fail(request, RPC_PARAMS,
			"notifications must be an object: what to listen for", NULL);
		return;
	}
	request->params = json_deep_copy(params);
	ask = gateway_ask(mcp->opts.gateway, mcp->caller, "auth", NULL, on_may_listen, request);
	if (ask != NULL) {
		request->ask = ask;
	}
}
