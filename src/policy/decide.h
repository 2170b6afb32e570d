/* SPDX-License-Identifier: MIT */
/*
 * decide(): the one place where it is decided what may run where. Pure: no I/O, no clock, nothing
 * but its arguments. The runtime acts on the result and `sandbox explain` prints it.
 */
#ifndef POLICY_DECIDE_H
#define POLICY_DECIDE_H

#include "config/config.h"
#include "policy/browser.h"
#include "policy/spec.h"

enum sandbox_mode { MODE_OFF, MODE_NON_MAIN, MODE_ALL, MODE_COUNT_ };
enum sandbox_scope { SCOPE_SESSION, SCOPE_AGENT, SCOPE_SHARED, SCOPE_COUNT_ };
const char *sandbox_mode_name(enum sandbox_mode mode); /* "off", "non-main", "all" */
const char *sandbox_scope_name(enum sandbox_scope scope); /* "session", "agent", "shared" */

struct sender {
	const char *provider; /* channel: "whatsapp", ...; NULL: from the session key */
	const char *id, *name, *username, *tag, *e164, *from;
	bool is_owner;
};

struct decide_request {
	const char *agent; /* NULL: from session, else the default agent */
	const char *session; /* NULL: the agent's main session */
	const char *workspace; /* --workspace: absolute host path; NULL: the agent's */
	const char *tool; /* NULL: none asked for */
	const char *model_provider; /* "openai" or "openai/gpt-x", for tools.byProvider; NULL */
	struct sender sender;
	bool elevated; /* the call asks for it */
	bool browser; /* spec is to be the one of the browser's container */
	const char *session_elevated; /* persisted directive: "on", ...; NULL */
	int subagent_depth; /* 0: not a sub-agent */
};

/* Which key decided a field. */
struct provenance {
	const char *field; /* "sandbox.mode" */
	const char *key; /* "agents.list[0].sandbox.mode", or "default" */
};

/* Why a tool is refused, or that it is not. */
struct tool_verdict {
	bool allowed;
	const char *tool; /* normalised */
	const char
		*layer; /* "owner", "profile", "global", "agent", "sandbox", ...; NULL: allowed */
	const char *rule; /* the list and entry: "tools.sandbox.tools.deny: browser" */
	const char *reason; /* one sentence for a person */
	struct strv fix; /* keys that would change it, most specific first */
	const char
		*message; /* several lines for whoever made the call: what, why, how to change it */
};

struct list_source {
	const char *source; /* "agent", "global", "default" */
	const char *key;
};

struct gate_failure {
	const char *gate, *key;
};

/* One bind entry, in the order of the configuration: defaults first, then the agent's. */
struct bind_entry {
	const char *raw, *key;
};

struct decision {
	struct arena arena;
	const struct config *config; /* borrowed: must outlive the decision */
	const char *agent_id, *session_key, *main_session_key;
	enum sandbox_mode mode;
	enum sandbox_scope scope;
	bool is_main; /* this session is the agent's main one */
	bool sandboxed; /* this session belongs in a sandbox: its tool policy counts */
	bool host_configured; /* the backend for it is host by configuration: no isolation */
	const char *workspace_root;
	struct sandbox_spec spec; /* filled also when not sandboxed, as it would be */

	struct strv sandbox_allow, sandbox_deny;
	struct list_source allow_source, deny_source;
	/* The binds as configured. decide() puts those it can parse into spec.mounts as written;
	 * sandbox_resolve() checks all of them and puts the canonical sources in. */
	struct bind_entry *binds;
	size_t bind_count;
	struct strv allow_bind_sources; /* docker.dangerouslyAllowBindSources */
	bool allow_external_binds, allow_reserved_targets, allow_namespace_join;
	bool browser_enabled;
	struct browser_settings browser; /* filled also when it is not enabled */
	bool workspace_given; /* agent_workspace_dir came with the request: it must exist */
	/* The first thing that the configuration alone forbids, NULL when there is none: such a sandbox
	 * is never started. sandbox_resolve() returns it as its error. */
	const char *problem, *problem_key;

	struct {
		bool enabled, allowed_by_config, always_allowed_by_config;
		bool requested, granted; /* this call runs on the host, past the sandbox */
		const char *channel;
		/* NULL-terminated once filled; have_*: the list was consulted, be it empty. */
		struct strv global_allow, agent_allow;
		bool have_global, have_agent;
		struct gate_failure *failures;
		size_t failure_count;
	} elevated;

	struct tool_verdict tool; /* for request->tool */
	int64_t prune_idle_hours, prune_max_age_days;
	struct provenance *provenance;
	size_t provenance_count;
	struct strv fix_it;
};

/* 0, or -EINVAL for a request that makes no sense (a relative workspace, a session key that is
 * not UTF-8 or over LIMIT_NAME_BYTES) or a config with errors.
 * A configuration that no sandbox can be made from (network host) still gives a decision, so that it
 * can be explained: it has problem set, and sandbox_resolve() refuses it. *ret is set on 0 only; free
 * with decision_free(), which takes NULL. The config must have error_count 0 and outlive it. */
int decide(const struct config *config, const struct decide_request *request, struct decision **ret,
	struct error *err);
struct decision *decision_free(struct decision *decision);

/* Does this session run in isolation: sandboxed, and not by the host backend, which is none? An
 * elevated call leaves its session where it is. */
bool decision_is_isolated(const struct decision *decision);

/* The config key that decided a field, "default" when none did, "--workspace",
 * "--agent" or "--session" for the option. NULL
 * for a field that does not exist. */
const char *decision_provenance(const struct decision *decision, const char *field);

/* Another tool under the same decision: what decide() would have said with request->tool = tool.
 * Memory comes from the decision. */
void decision_check_tool(struct decision *decision, const struct decide_request *request,
	const char *tool, struct tool_verdict *ret);

#endif
