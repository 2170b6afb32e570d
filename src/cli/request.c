/* SPDX-License-Identifier: MIT */
#include "cli/request.h"

#include <stdlib.h>
#include <string.h>

void decided_finish(struct decided *decided)
{
	decided->decision = decision_free(decided->decision);
	decided->config = config_free(decided->config);
	arena_finish(&decided->arena);
	free(decided->workspace);
	decided->workspace = NULL;
}

/* "telegram:123" or "123". The whole is also what allowFrom entries like "from:..." compare with. */
static struct sender parse_sender(struct arena *arena, const char *text)
{
	struct sender sender = {0};
	const char *colon;

	if (text == NULL) {
		return sender;
	}
	colon = strchr(text, ':');
	if (colon != NULL && colon > text) {
		sender.provider = arena_strndup(arena, text, (size_t)(colon - text));
		sender.from = text;
		text = colon + 1;
	}
	sender.id = text;
	return sender;
}

int request_decide(const struct cmd_call *call, const struct request_args *args, const char *tool,
	bool elevated, struct decided *ret)
{
	int status = prepare_config(call, false, &ret->config);

	ret->request = (struct decide_request){
		.agent = args->agent,
		.session = args->session,
		.tool = tool,
		.model_provider = args->provider,
		.elevated = elevated,
		.sender = parse_sender(&ret->arena, args->sender),
	};
	ret->request.sender.is_owner = args->owner;
	if (status == STATUS_OK && args->workspace != NULL) {
		status = prepare_directory(call, args->workspace, &ret->workspace);
		ret->request.workspace = ret->workspace;
	}
	if (status == STATUS_OK) {
		status = prepare_decision(call, ret->config, &ret->request, &ret->decision);
	}
	return status;
}
