/* SPDX-License-Identifier: MIT */
/* What the files of the MCP engine share: a peer, a delivery, a request at work. */
#ifndef GATEWAY_MCP_INTERNAL_H
#define GATEWAY_MCP_INTERNAL_H

#include "base/buf.h"
#include "gateway/mcp-revision.h"
#include "gateway/mcp-rpc.h"
#include "gateway/mcp.h"

/* RFC 5424 severities, as MCP names them; least first. */
enum mcp_level {
	MCP_LOG_DEBUG,
	MCP_LOG_INFO,
	MCP_LOG_NOTICE,
	MCP_LOG_WARNING,
	MCP_LOG_ERROR,
	MCP_LOG_CRITICAL,
	MCP_LOG_ALERT,
	MCP_LOG_EMERGENCY,
	MCP_LOG_COUNT_,
	MCP_LOG_NEVER = MCP_LOG_COUNT_,
};

struct mcp_exchange {
	struct mcp_exchange *next; /* of struct mcp */
	struct mcp *mcp;
	void *origin;
	json_t *answers; /* of a batch: an array; else NULL */
	size_t open; /* requests without an answer, and 1 while it is being received */
};

struct mcp_request {
	struct mcp_request *prev, *next; /* of struct mcp */
	struct mcp *mcp; /* NULL: nobody waits for it any more */
	struct mcp_exchange *exchange; /* NULL: no answer is wanted: it was cancelled */
	unsigned refs;
	json_t *id;
	const struct mcp_revision *revision;
	const struct mcp_method *method;
	enum mcp_level log_level; /* the least that is told of */
	struct gateway_call *call;
	struct gateway_ask *ask;
	json_t *params; /* what of them is needed later; may be NULL */
	bool listens; /* subscriptions/listen: it has no answer until the end */
	/* What a command prints while it runs, told in pieces. */
	json_t *progress_token; /* NULL: not wanted */
	uint64_t progress_bytes;
	struct buf progress_text; /* not told yet */
	uint64_t progress_next_ns; /* when the next piece may go out */
	uint64_t progress_due_ns; /* UINT64_MAX: nothing waits */
};

struct mcp {
	struct mcp_opts opts; /* agent, session: owned */
	const struct gateway_caller *caller; /* while a delivery is received */
	const struct mcp_headers *headers; /* likewise; NULL: none */
	const struct mcp_revision *revision; /* initialize came */
	enum mcp_level log_level;
	struct mcp_exchange *exchanges;
	struct mcp_request *requests; /* newest first */
	size_t request_count;
	struct gateway_watch *watch; /* somebody wants to hear of changes */
};

/* The table of methods; each run() sees to it that the request ends, now or later. */
struct mcp_method {
	const char *name;
	bool with_session, stateless; /* in which kinds of revisions it is there */
	void (*run)(struct mcp_request *request, const json_t *params);
};
extern const struct mcp_method mcp_methods[];
extern const size_t mcp_method_count;

/* --- mcp-request.c --- */

struct mcp_request *mcp_request_new(struct mcp *mcp, struct mcp_exchange *exchange,
	const json_t *id, const struct mcp_revision *revision);
void mcp_request_ref(struct mcp_request *request);
void mcp_request_unref(struct mcp_request *request);
/* In flight under this id; NULL: none. */
struct mcp_request *mcp_request_find(const struct mcp *mcp, const json_t *id);
/* No answer is wanted any more; what runs is killed. */
void mcp_request_cancel(struct mcp_request *request);
/* The end of a request. result and data are taken over. */
void mcp_request_answer(struct mcp_request *request, json_t *result);
/* The same for a result that may be kept for ttl_ms by this client alone. */
void mcp_request_answer_cacheable(struct mcp_request *request, json_t *result, int ttl_ms);
void mcp_request_fail(
	struct mcp_request *request, enum rpc_code code, const char *text, json_t *data);
void mcp_request_fail_status(struct mcp_request *request, enum rpc_code code, const char *text,
	json_t *data, int http_status);
/* What core.h says went wrong. */
void mcp_request_fail_ask(struct mcp_request *request, const struct gateway_failure *failure);

/* --- mcp.c --- */

/* The JSON is taken over. origin NULL: it belongs to no delivery. */
void mcp_send(struct mcp *mcp, void *origin, json_t *json, bool is_answer, int http_status);
void mcp_exchange_add(struct mcp_exchange *exchange, json_t *message, int http_status);
void mcp_exchange_close(struct mcp_exchange *exchange);

/* --- mcp-session.c --- */

void mcp_run_initialize(struct mcp_request *request, const json_t *params);
void mcp_run_discover(struct mcp_request *request, const json_t *params);
void mcp_run_ping(struct mcp_request *request, const json_t *params);
void mcp_run_set_level(struct mcp_request *request, const json_t *params);
json_t *mcp_server_info(const struct mcp_revision *revision);

/* --- mcp-notify.c --- */

void mcp_run_listen(struct mcp_request *request, const json_t *params);
/* -1: there is no such level. */
int mcp_level_from_name(const char *name);
/* data is taken over. */
void mcp_log(struct mcp_request *request, enum mcp_level level, const char *logger, json_t *data);
/* From now on the peer hears when the list of tools changes; auth is the answer to that ask. */
void mcp_watch(struct mcp *mcp, const json_t *auth);

/* --- mcp-progress.c --- */

/* false: the token is none, and the request was answered. */
bool mcp_progress_take(struct mcp_request *request, const json_t *params);
void mcp_progress_add(struct mcp_request *request, const char *data, size_t len);
void mcp_progress_tick(struct mcp_request *request, uint64_t now_ns);

/* --- mcp-tools.c, mcp-resources.c --- */

void mcp_run_tools_list(struct mcp_request *request, const json_t *params);
void mcp_run_tools_call(struct mcp_request *request, const json_t *params);
void mcp_run_resources_list(struct mcp_request *request, const json_t *params);
void mcp_run_resources_read(struct mcp_request *request, const json_t *params);
void mcp_run_templates_list(struct mcp_request *request, const json_t *params);

#endif
