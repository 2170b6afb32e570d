/* SPDX-License-Identifier: MIT */
/* Private to src/policy: the two places a sandbox key can stand, and which of them wins. */
#ifndef POLICY_VIEW_H
#define POLICY_VIEW_H

#include <jansson.h>
#include <stdbool.h>

#include "policy/decide.h"
#include "policy/session.h"
#include "policy/tools.h"

enum view_block { VIEW_TOP, VIEW_DOCKER, VIEW_BROWSER, VIEW_PRUNE, VIEW_NATIVE, VIEW_BLOCK_COUNT_ };

/* What decide() works on. */
struct view {
	struct arena *arena;
	struct decision *decision;
	const struct decide_request *request;
	const json_t *root;
	const json_t *tools; /* tools */
	const json_t *agent; /* agents.list[i]; NULL */
	const json_t *agent_tools;
	const json_t *defaults; /* agents.defaults */
	const json_t *sandbox[2]; /* agents.defaults.sandbox, agents.list[i].sandbox */
	size_t agent_index;
	const char *agent_path; /* agents.list[i] or agents.entries.<id>, as written */
	/* The blocks below sandbox[], looked up once. */
	const json_t *blocks[2][VIEW_BLOCK_COUNT_];
	bool shared; /* resolved scope: docker, browser, prune of the agent do not count */
	struct session_ref session;
};

enum view_level { VIEW_DEFAULT = -1, VIEW_DEFAULTS = 0, VIEW_AGENT = 1 };

/* The value of sandbox.<block>.<key>; the agent's wins. NULL: neither. */
const json_t *view_get(
	const struct view *v, enum view_block block, const char *key, enum view_level *ret_level);
/* The same at one level only. */
const json_t *view_at(
	const struct view *v, enum view_level level, enum view_block block, const char *key);

/* The path of a sandbox key at a level, as config_get() takes it. VIEW_DEFAULT gives "default". */
const char *view_key(
	const struct view *v, enum view_level level, enum view_block block, const char *key);
/* agents.list[i].<rest> */
const char *view_agent_key(const struct view *v, const char *rest);

void view_provenance(struct view *v, const char *field, const char *key);

/* Remember the first thing that forbids a sandbox. */
void view_problem(struct view *v, const char *key, const char *fmt, ...) _printf_(3, 4);

/* The strings of a JSON list; numbers as text; others are left out. */
void view_strings(struct arena *a, const json_t *list, struct strv *ret);

/* decision->binds: the block's of all agents, then the agent's. */
void view_binds(struct view *v, enum view_block block);
/* Networks that no sandbox gets; key: where this one is configured. */
void view_check_network(struct view *v, const char *network, const char *key);

/* The parts of decide(), each in a file of its own. */
void decide_spec(struct view *v);
void decide_browser(struct view *v); /* decision->browser */
void decide_browser_spec(struct view *v); /* over the sandbox's own spec, before its mounts */
void decide_sandbox_tools(struct view *v);
void decide_tool(struct view *v, const char *tool, struct tool_verdict *ret);
void decide_elevated(struct view *v);
void elevated_apply(struct view *v, struct tool_verdict *verdict);
void view_init(struct view *v, struct decision *d, const struct decide_request *request);

#endif
