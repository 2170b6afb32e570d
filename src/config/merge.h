/* SPDX-License-Identifier: MIT */
/* One agent's effective settings: its own block over the defaults, by the rules of the key table. */
#ifndef CONFIG_MERGE_H
#define CONFIG_MERGE_H

#include "config/config.h"

/* Where a value came from. */
enum merge_source {
	MERGE_UNSET, /* no value and no default */
	MERGE_DEFAULT, /* built in */
	MERGE_GLOBAL, /* agents.defaults.sandbox, or tools */
	MERGE_AGENT, /* agents.list[N] */
	MERGE_BOTH, /* a list or map with parts of both; see items */
	MERGE_COUNT_,
};

/* One element of a concatenated list or of a map that is merged by name. */
struct merged_item {
	const char *name; /* in a map; NULL in a list */
	json_t *value; /* borrowed from the configuration */
	const char *key; /* "agents.list[1].sandbox.docker.binds[0]"; "default" */
	enum merge_source source;
};

struct merged {
	enum merge_source source;
	json_t *value; /* borrowed; NULL: unset, or source is MERGE_BOTH */
	const char
		*key; /* "agents.list[1].sandbox.docker.image"; "default" when unset or built in */
	struct merged_item *items; /* rules concat and map: always filled, in order; else NULL */
	size_t item_count;
};

/* Which blocks are laid over each other. Borrows from config. */
struct sandbox_merge {
	const struct config *config;
	json_t *defaults,
		*agent; /* agents.defaults.sandbox and agents.list[N].sandbox; NULL: absent */
	int agent_index; /* in agents.list; -1: the agent has no entry */
	bool shared; /* set by sandbox_merge_init() from the resolved scope */
	const char *scope; /* "session", "agent" or "shared" */
	const char *scope_key; /* "agents.defaults.sandbox.perSession", ..., "default" */
};

/* agent_index -1: no entry. Resolves the scope (scope of either block, else perSession, else
 * session) and with it which of the agent's keys count. Key texts are made in a. */
void sandbox_merge_init(
	struct sandbox_merge *m, struct arena *a, const struct config *config, int agent_index);

/*
 * The effective value of one key below sandbox: "mode", "docker.image", "docker.env",
 * "browser.binds". Knows each key's merge rule and built-in default (brand included); asserts that
 * the key table has it. "docker.env" and "docker.ulimits" merge by name, "docker.binds" and
 * "browser.binds" concatenate. Under scope shared the agent's docker, browser, prune, native and
 * egress blocks are passed over.
 */
void sandbox_merge_get(
	const struct sandbox_merge *m, struct arena *a, const char *field, struct merged *ret);

/* The whole effective block with defaults filled in, as new heap values (json_decref). */
json_t *sandbox_merge_all(const struct sandbox_merge *m);

/*
 * The same for a key below tools ("exec.host", "exec.timeoutSec", "fs.workspaceOnly", "profile",
 * "sandbox.tools.allow", "loopDetection.enabled"): agents.list[N].tools over tools.
 */
void tools_merge_get(const struct config *config, int agent_index, struct arena *a,
	const char *field, struct merged *ret);

/* Any other key with a default: "session.mainKey", "agents.defaults.elevatedDefault". */
void config_value(
	const struct config *config, struct arena *a, const char *path, struct merged *ret);

#endif
