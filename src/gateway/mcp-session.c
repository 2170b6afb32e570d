/* SPDX-License-Identifier: MIT */
/* Getting to know each other: initialize, server/discover, ping, logging/setLevel. */
#include "gateway/mcp-internal.h"

#define INSTRUCTIONS                                                                                 \
	"Commands and files of this server are in a sandbox, and its tools work there. Paths are "   \
	"relative to the workspace. What the sandbox or the operator's policy forbids is answered "  \
	"with the rule that forbids it and the setting that would allow it: tell your user instead " \
	"of looking for a way around."

json_t *mcp_server_info(const struct mcp_revision *revision)
{
	json_t *info = json_pack("{s:s, s:s}", "name", "creel", "version", CREEL_VERSION);

	if ((revision->features & MCP_STRUCTURED) != 0) {
		(void)json_object_set_new(info, "title", json_string("Creel"));
	}
	if ((revision->features & MCP_DESCRIPTION) != 0) {
		(void)json_object_set_new(info, "description",
			json_string("Commands and files in a sandbox, under a policy"));
	}
	return info;
}

static json_t *capabilities(void)
{
	return json_pack(
		"{s:{s:b}, s:{}, s:{}}", "tools", "listChanged", 1, "resources", "logging");
}

static void on_known(void *arg, const json_t *result, const struct gateway_failure *failure)
{
	struct mcp_request *request = arg;
	struct mcp *mcp = request->mcp;

	request->ask = NULL;
	if (failure != NULL) {
		mcp_request_fail_ask(request, failure);
		return;
	}
	mcp->revision =
		mcp_revision_agree(rpc_text(json_object_get(request->params, "protocolVersion")));
	request->revision = mcp->revision;
	mcp_watch(mcp, result);
	mcp_request_answer(
		request, json_pack("{s:s, s:o, s:o, s:s}", "protocolVersion", mcp->revision->name,
				 "capabilities", capabilities(), "serverInfo",
				 mcp_server_info(mcp->revision), "instructions", INSTRUCTIONS));
}

void mcp_run_initialize(struct mcp_request *request, const json_t *params)
{
	struct mcp *mcp = request->mcp;
	const json_t *client = json_object_get(params, "clientInfo");
	const json_t *can = json_object_get(params, "capabilities");
	struct gateway_ask *ask;

	if (mcp->revision != NULL) {
		mcp_request_fail(request, RPC_INVALID, "initialize was answered already", NULL);
		return;
	}
	if (rpc_text(json_object_get(params, "protocolVersion")) == NULL ||
		(client != NULL && !json_is_object(client)) ||
		(can != NULL && !json_is_object(can))) {
		mcp_request_fail(request, RPC_PARAMS,
			"initialize needs protocolVersion, a string; clientInfo and capabilities "
			"must be objects",
			NULL);
		return;
	}
	request->params = json_deep_copy(params);
	ask = gateway_ask(mcp->opts.gateway, mcp->caller, "auth", NULL, on_known, request);
	if (ask != NULL) {
		request->ask = ask;
	}
}

void mcp_run_discover(struct mcp_request *request, const json_t *params)
{
	(void)params;
	mcp_request_answer_cacheable(request,
		json_pack("{s:o, s:o, s:s}", "supportedVersions", mcp_revision_names(),
			"capabilities", capabilities(), "instructions", INSTRUCTIONS),
		3600 * 1000);
}

void mcp_run_ping(struct mcp_request *request, const json_t *params)
{
	(void)params;
	mcp_request_answer(request, json_object());
}

void mcp_run_set_level(struct mcp_request *request, const json_t *params)
{
	int level = mcp_level_from_name(rpc_text(json_object_get(params, "level")));

	if (level < 0) {
		mcp_request_fail(request, RPC_PARAMS,
			"level must be debug, info, notice, warning, error, critical, alert or "
			"emergency",
			NULL);
		return;
	}
	request->mcp->log_level = (enum mcp_level)level;
	mcp_request_answer(request, json_object());
}
