/* SPDX-License-Identifier: MIT */
/* How long a decision takes on an ordinary configuration: at most 20 microseconds each. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "../tests/unit/policy/fixture.h"
#include "base/clock.h"

/* Five agents, overrides at both levels, tool lists at four layers, channels with allow lists. */
static const char config_text[] =
	"{\"session\":{\"scope\":\"per-sender\",\"mainKey\":\"main\"},"
	"\"agents\":{\"defaults\":{\"workspace\":\"~/clawd\",\"sandbox\":{\"mode\":\"non-main\","
	"\"scope\":\"agent\",\"workspaceAccess\":\"rw\",\"docker\":{\"network\":\"bridge\","
	"\"memory\":\"1g\",\"cpus\":1.5,\"pidsLimit\":256,\"env\":{\"LANG\":\"C.UTF-8\","
	"\"NODE_ENV\":\"production\",\"TZ\":\"UTC\"},\"ulimits\":{\"nofile\":{\"soft\":1024,"
	"\"hard\":2048},\"nproc\":256},\"dns\":[\"1.1.1.1\"],\"setupCommand\":\"true\","
	"\"binds\":[\"/home/u/clawd/data:/data:ro\"]},\"browser\":{\"enabled\":true},"
	"\"prune\":{\"idleHours\":12}}},\"list\":[{\"id\":\"main\",\"default\":true},"
	"{\"id\":\"work\",\"tools\":{\"profile\":\"coding\",\"deny\":[\"process\"]}},"
	"{\"id\":\"family\",\"sandbox\":{\"mode\":\"all\",\"workspaceAccess\":\"ro\"}},"
	"{\"id\":\"ops\",\"sandbox\":{\"docker\":{\"image\":\"ops:1\"}}},"
	"{\"id\":\"public\",\"sandbox\":{\"mode\":\"all\",\"scope\":\"session\",\"docker\":"
	"{\"network\":\"none\",\"env\":{\"TZ\":\"CET\"},\"binds\":[\"/home/u/clawd/pub:/pub\"]}},"
	"\"tools\":{\"allow\":[\"group:fs\",\"exec\"],\"deny\":[\"web_*\"],\"sandbox\":{\"tools\":"
	"{\"allow\":[\"exec\",\"group:fs\"],\"deny\":[\"browser\"]}},\"elevated\":{\"allowFrom\":"
	"{\"whatsapp\":[\"+15550001111\"]}}}}]},\"tools\":{\"deny\":[\"canvas\",\"nodes\"],"
	"\"byProvider\":{\"openai/gpt-5\":{\"deny\":[\"tts\"]}},\"elevated\":{\"enabled\":true,"
	"\"allowFrom\":{\"whatsapp\":[\"+15550001111\",\"+15550002222\"],\"discord\":[\"*\"]}},"
	"\"sandbox\":{\"tools\":{\"deny\":[\"gateway\",\"cron\"]}}}}";

enum { ROUNDS = 20000 };

static int compare(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return a < b ? -1 : a > b;
}

int main(void)
{
	struct config *config = fixture_new(config_text, "openclaw");
	const struct decide_request request = {
		.session = "agent:public:whatsapp:group:120363@g.us",
		.tool = "exec",
		.model_provider = "openai/gpt-5",
		.sender = {.id = "+15550001111"},
	};
	uint64_t *took = xcalloc(ROUNDS, sizeof(*took));

	for (size_t i = 0; i < ROUNDS; i++) {
		uint64_t start = clock_now_ns();

		(void)decision_free(fixture_decide(config, &request));
		took[i] = clock_now_ns() - start;
	}
	qsort(took, ROUNDS, sizeof(*took), compare);
	(void)printf(
		"{\"bench\":\"decide\",\"unit\":\"us\",\"p50\":%.2f,\"p99\":%.2f,\"goal\":20}\n",
		(double)took[ROUNDS / 2] / 1000.0, (double)took[ROUNDS * 99 / 100] / 1000.0);
	free(took);
	fixture_free(config);
	return 0;
}
