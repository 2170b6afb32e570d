/* SPDX-License-Identifier: MIT */
/* A client of MCP that says anything, line by line, while calls print, end and are aborted. */
#include <assert.h>
#include <string.h>

#include "base/own.h"
#include "gateway/mcp-lines.h"
#include "gateway/mcp.h"
#include "mcp-core.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct counts {
	size_t deliveries, answered;
};

static void on_send(void *arg, const struct mcp_message *message)
{
	json_t *json = json_loadb(message->text, message->len, JSON_REJECT_DUPLICATES, NULL);

	(void)arg;
	assert(json != NULL);
	assert(memchr(message->text, '\n', message->len) == NULL);
	json_decref(json);
}

static void on_answered(void *arg, void *origin)
{
	struct counts *counts = arg;

	assert(origin == counts);
	counts->answered++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gateway_caller caller = {.local_fd = FD_NONE, .transport = "mcp"};
	struct counts counts = {0};
	struct gateway *core = mcp_core_new();
	struct mcp *mcp = mcp_new(&(struct mcp_opts){
		.gateway = core, .send = on_send, .answered = on_answered, .arg = &counts});
	struct mcp_lines lines = {0};
	const char *line;
	size_t len;

	mcp_lines_add(&lines, (const char *)data, size);
	mcp_lines_add(&lines, "\n", 1);
	while (mcp_lines_next(&lines, &line, &len) == MCP_LINE) {
		counts.deliveries++;
		mcp_receive(mcp, &caller, NULL, &counts, line, len);
		/* What happens meanwhile is a matter of the line's length: the same for each run. */
		if (len % 3 == 0) {
			(void)mcp_core_print(core, line);
			mcp_tick(mcp, UINT64_MAX - 1);
		}
		if (len % 5 == 0) {
			(void)mcp_core_end(core, NULL, "end");
		}
		if (len % 7 == 0) {
			mcp_core_event(core, "config.reloaded");
		}
	}
	while (mcp_core_end(core, TOOL_FAIL_FAILED, "end")) {
	}
	mcp_end_listening(mcp);
	assert(mcp_running(mcp) == 0 && counts.answered == counts.deliveries);
	mcp = mcp_free(mcp);
	core = mcp_core_free(core);
	mcp_lines_finish(&lines);
	return 0;
}
