/* SPDX-License-Identifier: MIT */
/* The programs whose configuration files are understood, and where each keeps its own. */
#include <string.h>

#include "base/macro.h"
#include "config/config.h"

/* NOLINTBEGIN(bugprone-macro-parentheses): literals that are joined */
#define BRAND(id, env, mode)                                                                    \
	{                                                                                       \
		.name = id, .state_dir = "." id, .config_name = id ".json",                     \
		.image = id "-sandbox:bookworm-slim",                                           \
		.browser_image = id "-sandbox-browser:bookworm-slim",                           \
		.browser_prefix = id "-sbx-browser-", .browser_network = id "-sandbox-browser", \
		.container_prefix = id "-sbx-", .env_prefix = env, .label_prefix = id ".",      \
		.default_mode = mode,                                                           \
	}
/* NOLINTEND(bugprone-macro-parentheses) */

/* The search goes from top to bottom. A configuration of another program keeps that program's
 * default, which is no sandbox unless asked for; Creel's own is to sandbox everything. */
static const struct brand brands[] = {
	BRAND("creel", "CREEL_", "all"),
	BRAND("openclaw", "OPENCLAW_", "off"),
	BRAND("clawdbot", "CLAWDBOT_", "off"),
	BRAND("verso", "VERSO_", "off"),
	BRAND("equabot", "EQUABOT_", "off"),
};

const struct brand *brand_at(size_t index)
{
	return index < ARRAY_SIZE(brands) ? &brands[index] : NULL;
}

const struct brand *brand_by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(brands); i++) {
		if (strcmp(brands[i].name, name) == 0) {
			return &brands[i];
		}
	}
	return NULL;
}
