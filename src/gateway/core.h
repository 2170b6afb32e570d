/* SPDX-License-Identifier: MIT */
/*
 * The front's middle: what HTTP and MCP stand on. A tool call goes to a sandbox, everything else is
 * asked of the broker, which alone decides what a caller may do. One thread, one event loop; no
 * function here waits.
 */
#ifndef GATEWAY_CORE_H
#define GATEWAY_CORE_H

#include <jansson.h>
#include <stdint.h>

#include "policy/decide.h"
#include "tools/tool.h"

struct gateway;
struct event_base; /* of libevent, which not every implementation of this header has */

/*
 * Who calls. Nothing of it is believed here: the broker checks the token, or looks who is at the
 * other end of local_fd. Borrowed for the length of the call that gets it.
 */
struct gateway_caller {
	const char *token; /* the bearer token as presented; NULL: none */
	int local_fd; /* the accepted connection on the unix socket, whose peer has to be our own user
		       * or root; FD_NONE: it came another way. With a token the token counts. */
	struct sender sender; /* on whose behalf; owner only when the caller is an administrator */
	const char *transport; /* "http", "mcp", "cli": for the audit log */
	const char *model_provider; /* for tools.byProvider; NULL */
};

/* Failure types beside the TOOL_FAIL_* of tools/tool.h. */
#define GATEWAY_FAIL_UNAUTHORIZED "unauthorized" /* no token, or none that is known: 401 */
#define GATEWAY_FAIL_FORBIDDEN "forbidden" /* the token's scope does not reach this: 403 */
#define GATEWAY_FAIL_BUSY "busy" /* a limit is reached, try later: 429 */
#define GATEWAY_FAIL_INTERNAL "internal" /* our own: 500 */
/* The HTTP status that fits a failure type; 500 for one that is not known. */
int gateway_status_of(const char *type);

/* Why an ask failed. Strings are borrowed for the call. */
struct gateway_failure {
	const char *type; /* GATEWAY_FAIL_* or TOOL_FAIL_* */
	const char *message; /* never NULL */
	const char *hint; /* NULL: none */
};

/* --- tool calls --- */

/* Everything is copied; args gets a reference. agent and session NULL: as decide() defaults them. */
struct gateway_call_opts {
	const struct gateway_caller *caller;
	const char *agent, *session, *tool;
	const json_t *args; /* any JSON; NULL: {} */
	tool_progress_fn progress; /* may be NULL */
	tool_done_fn done;
	void *arg;
};
struct gateway_call;

/*
 * Start one call: starts the sandbox when it is not there. done comes exactly once, perhaps before
 * this returns, and then NULL is returned. The result belongs to done (tool_result_finish()). The
 * pointer is dead once done was called. done may start other calls.
 */
struct gateway_call *gateway_call_start(
	struct gateway *gateway, const struct gateway_call_opts *opts);
/* The caller lost interest: what runs is killed with its tree, unless it is in the background. done
 * still comes, perhaps before this returns. */
void gateway_call_abort(struct gateway_call *call);

/* --- everything else --- */

/* Exactly one of result and failure is there; both are borrowed for the call. */
typedef void (*gateway_answer_fn)(
	void *arg, const json_t *result, const struct gateway_failure *failure);
struct gateway_ask;

/*
 * Ask something by name. args (NULL: {}) is taken over. done comes exactly once, perhaps before this
 * returns, and then NULL is returned. What is asked, with its arguments, and what is answered:
 *
 *	auth                                {"name","admin"}: does the caller have access at all
 *	tools            agent? session?    [{"name","title","description","parameters","annotations",
 *	                                      "offered","reason"?}]; starts nothing
 *	explain          agent? session?    what `creel sandbox explain --json` prints, and "directives"
 *	sandbox.list     browser?           {"sandboxes":[..]} as `creel sandbox list --json`
 *	sandbox.recreate all|session|agent, browser?   {"removed":[names],"failed":[..]}
 *	sandbox.rm       name               {"removed":[names],"failed":[..]}
 *	sandbox.prune                       {"removed":[names],"failed":[..]}
 *	session.list                        {"sessions":[{"key","agentId","createdMs","usedMs",
 *	                                      "directives":{}}]}
 *	session.get      session agent?     one of these
 *	session.end      session agent?     {"ended":bool}: directives gone, background processes killed
 *	session.directive session agent? text   {"effective","cleaned","directives":{},"message"}
 *	approval.list                       {"approvals":[{"id","agentId","sessionKey","command","cwd",
 *	                                      "requestedBy","createdMs","expiresMs"}]}
 *	approval.decide  id decision("allow"|"deny")   {"id","decision"}
 *	config.reload                       {"reloaded":bool,"issues":[..]}
 *	audit.query      session? after? limit?        {"rows":[..]}
 *	status                              what `creel gateway status --json` prints
 *	metrics                             {"text"}: Prometheus
 *
 * Who is no administrator sees and touches what the token's agents and sessions reach.
 */
struct gateway_ask *gateway_ask(struct gateway *gateway, const struct gateway_caller *caller,
	const char *op, json_t *args, gateway_answer_fn done, void *arg);
/* done does not come any more. What was asked may happen all the same. */
void gateway_ask_forget(struct gateway_ask *ask);

/* --- events --- */

enum { GATEWAY_EVENTS_KEPT = 1024 }; /* for those who come back and say what they have seen */

/* kind: "sandbox.created", "call.started", ...; event is borrowed for the call. ids go up by one. */
typedef void (*gateway_event_fn)(void *arg, uint64_t id, const char *kind, const json_t *event);
struct gateway_watch;

/*
 * Tell of every event that the caller may see from now on, and first, within this call, of the kept
 * ones after id `after` (UINT64_MAX: of none). The caller has been let in by an ask ("auth"), whose
 * answer is auth. fn must not call gateway_unwatch(); it may be called until that returns.
 */
struct gateway_watch *gateway_watch(struct gateway *gateway, const json_t *auth, uint64_t after,
	gateway_event_fn fn, void *arg);
struct gateway_watch *gateway_unwatch(struct gateway_watch *watch); /* NULL ok; NULL */

/* --- the rest --- */

struct event_base *gateway_base(struct gateway *gateway);
/* What the broker tells its front: {"version","brand","listen","socket","instance"}; borrowed, until
 * the loop turns again. */
const json_t *gateway_settings(struct gateway *gateway);
/* One row for the audit log, of what only the front sees (a refused request); event is taken over. */
void gateway_audit(struct gateway *gateway, const char *kind, json_t *event);

#endif
