/* SPDX-License-Identifier: MIT */
/* A peer: what it sends is taken apart, what it asked is started, and ends with it. */
#include "gateway/mcp.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "gateway/mcp-internal.h"

const struct mcp_method mcp_methods[] = {
	{"initialize", true, false, mcp_run_initialize},
	{"ping", true, false, mcp_run_ping},
	{"logging/setLevel", true, false, mcp_run_set_level},
	{"server/discover", false, true, mcp_run_discover},
	{"subscriptions/listen", false, true, mcp_run_listen},
	{"tools/list", true, true, mcp_run_tools_list},
	{"tools/call", true, true, mcp_run_tools_call},
	{"resources/list", true, true, mcp_run_resources_list},
	{"resources/read", true, true, mcp_run_resources_read},
	{"resources/templates/list", true, true, mcp_run_templates_list},
};
const size_t mcp_method_count = sizeof(mcp_methods) / sizeof(mcp_methods[0]);

#define META "io.modelcontextprotocol/"

struct mcp *mcp_new(const struct mcp_opts *opts)
{
	struct mcp *mcp = xcalloc(1, sizeof(*mcp));

	mcp->opts = *opts;
	mcp->opts.agent = opts->agent != NULL ? xstrdup(opts->agent) : NULL;
	mcp->opts.session = opts->session != NULL ? xstrdup(opts->session) : NULL;
	mcp->log_level = MCP_LOG_WARNING; /* until the client says what it wants */
	return mcp;
}

/* --- going out --- */

void mcp_send(struct mcp *mcp, void *origin, json_t *json, bool is_answer, int http_status)
{
	char *text = json_dumps(json, JSON_COMPACT);
	struct mcp_message message = {
		.origin = origin,
		.text = text,
		.len = text != NULL ? strlen(text) : 0,
		.is_answer = is_answer,
		.http_status = http_status,
	};

	json_decref(json);
	if (text != NULL) {
		mcp->opts.send(mcp->opts.arg, &message);
		free(text);
	}
}

void mcp_exchange_add(struct mcp_exchange *exchange, json_t *message, int http_status)
{
	if (exchange->answers != NULL) {
		(void)json_array_append_new(exchange->answers, message);
	} else {
		mcp_send(exchange->mcp, exchange->origin, message, true, http_status);
	}
}

static void exchange_free(struct mcp_exchange *exchange)
{
	struct mcp_exchange **at = &exchange->mcp->exchanges;

	while (*at != exchange) {
		at = &(*at)->next;
	}
	*at = exchange->next;
	json_decref(exchange->answers);
	free(exchange);
}

void mcp_exchange_close(struct mcp_exchange *exchange)
{
	struct mcp *mcp = exchange->mcp;
	void *origin = exchange->origin;

	if (--exchange->open > 0) {
		return;
	}
	if (json_array_size(exchange->answers) > 0) {
		json_t *answers = exchange->answers;

		exchange->answers = NULL;
		mcp_send(mcp, origin, answers, true, 200);
	}
	exchange_free(exchange);
	mcp->opts.answered(mcp->opts.arg, origin);
}

/* --- coming in --- */

static void refuse(struct mcp_exchange *exchange, const json_t *id, enum rpc_code code,
	const char *text, json_t *data, int http_status)
{
	mcp_exchange_add(exchange, rpc_error(id, code, text, data), http_status);
}

/* NULL: it was refused. */
static const struct mcp_revision *stateless_revision(
	struct mcp_exchange *exchange, const struct rpc_message *message, const json_t *meta)
{
	const json_t *version = json_object_get(meta, META "protocolVersion");
	const struct mcp_revision *revision = mcp_revision_by_name(rpc_text(version));

	if (!json_is_string(version) ||
		!json_is_object(json_object_get(meta, META "clientCapabilities"))) {
		refuse(exchange, message->id, RPC_PARAMS,
			"_meta must say the protocolVersion, a string, and the clientCapabilities, "
			"an object",
			NULL, 400);
		return NULL;
	}
	if (revision == NULL || (revision->features & MCP_STATELESS) == 0) {
		refuse(exchange, message->id, RPC_VERSION, "Unsupported protocol version",
			json_pack("{s:o, s:O}", "supported", mcp_revision_names(), "requested",
				version),
			400);
		return NULL;
	}
	return revision;
}

static bool same(const char *header, const char *value)
{
	return header != NULL && value != NULL && strcmp(header, value) == 0;
}

/* 2026-07-28, Streamable HTTP, Server Validation: whoever routes by headers must not be fooled. */
static bool headers_agree(struct mcp_exchange *exchange, const struct rpc_message *message,
	const struct mcp_revision *revision)
{
	const struct mcp_headers *headers = exchange->mcp->headers;
	const char *name = rpc_text(json_object_get(message->params, "name"));
	const char *wrong = NULL;

	if (headers == NULL) {
		return true;
	}
	if (strcmp(message->method, "resources/read") == 0) {
		name = rpc_text(json_object_get(message->params, "uri"));
	} else if (strcmp(message->method, "tools/call") != 0) {
		name = NULL;
	}
	if (!same(headers->version, revision->name)) {
		wrong = "Header mismatch: MCP-Protocol-Version does not say what _meta says";
	} else if (!same(headers->method, message->method)) {
		wrong = "Header mismatch: Mcp-Method does not say what \"method\" says";
	} else if (name != NULL && !same(headers->name, name)) {
		wrong = "Header mismatch: Mcp-Name does not say what params say";
	}
	if (wrong != NULL) {
		refuse(exchange, message->id, RPC_HEADERS, wrong, NULL, 400);
	}
	return wrong == NULL;
}

static const struct mcp_method *find_method(const char *name, const struct mcp_revision *revision)
{
	bool stateless = (revision->features & MCP_STATELESS) != 0;

	for (size_t i = 0; i < mcp_method_count; i++) {
		const struct mcp_method *method = &mcp_methods[i];

		if (strcmp(method->name, name) == 0 &&
			(stateless ? method->stateless : method->with_session)) {
			return method;
		}
	}
	return NULL;
}

/* What the request is to be understood by; NULL: it was refused. */
static const struct mcp_revision *revision_of(
	struct mcp_exchange *exchange, const struct rpc_message *message)
{
	const struct mcp *mcp = exchange->mcp;
	const json_t *meta = json_object_get(message->params, "_meta");
	bool opens = strcmp(message->method, "initialize") == 0;
	const struct mcp_revision *revision;

	if (meta != NULL && !json_is_object(meta)) {
		refuse(exchange, message->id, RPC_PARAMS, "_meta must be an object", NULL, 400);
		return NULL;
	}
	if (json_object_get(meta, META "protocolVersion") != NULL && !opens) {
		revision = stateless_revision(exchange, message, meta);
		return revision != NULL && headers_agree(exchange, message, revision) ? revision
										      : NULL;
	}
	if (mcp->revision == NULL && !opens && strcmp(message->method, "ping") != 0) {
		refuse(exchange, message->id, RPC_INVALID,
			"begin with initialize, or say in _meta what is spoken", NULL, 400);
		return NULL;
	}
	return mcp->revision != NULL ? mcp->revision : mcp_revision_agree(NULL);
}

static bool may_start(struct mcp_exchange *exchange, const struct rpc_message *message)
{
	const struct mcp *mcp = exchange->mcp;

	if (mcp_request_find(mcp, message->id) != NULL) {
		refuse(exchange, message->id, RPC_INVALID, "a request with this id is at work",
			NULL, 200);
		return false;
	}
	if (mcp->request_count >= LIMIT_MCP_REQUESTS) {
		refuse(exchange, message->id, RPC_INTERNAL,
			"too many requests are at work: wait for one of them", NULL, 429);
		return false;
	}
	return true;
}

static void set_log_level(struct mcp_request *request, const json_t *params)
{
	const json_t *meta = json_object_get(params, "_meta");

	if ((request->revision->features & MCP_STATELESS) != 0) {
		int level = mcp_level_from_name(rpc_text(json_object_get(meta, META "logLevel")));

		request->log_level = level < 0 ? MCP_LOG_NEVER : (enum mcp_level)level;
	}
}

static void start_request(struct mcp_exchange *exchange, const struct rpc_message *message)
{
	const struct mcp_revision *revision = revision_of(exchange, message);
	const struct mcp_method *method;
	struct mcp_request *request;

	if (revision == NULL || !may_start(exchange, message)) {
		return;
	}
	method = find_method(message->method, revision);
	if (method == NULL) {
		refuse(exchange, message->id, RPC_NO_METHOD, "there is no such method", NULL,
			(revision->features & MCP_STATELESS) != 0 ? 404 : 200);
		return;
	}
	if (exchange->answers != NULL && method->run == mcp_run_initialize) {
		refuse(exchange, message->id, RPC_INVALID, "initialize must come alone", NULL, 200);
		return;
	}
	request = mcp_request_new(exchange->mcp, exchange, message->id, revision);
	request->method = method;
	set_log_level(request, message->params);
	/* It may end at once, and is ours until we have let go. */
	mcp_request_ref(request);
	method->run(request, message->params);
	mcp_request_unref(request);
}

static void on_cancelled(struct mcp *mcp, const json_t *params)
{
	const json_t *id = json_object_get(params, "requestId");
	struct mcp_request *request = rpc_is_id(id) ? mcp_request_find(mcp, id) : NULL;

	/* Unknown or answered already: the two have met on the way. A client must not cancel
	 * initialize. */
	if (request != NULL && request->method->run != mcp_run_initialize) {
		mcp_request_cancel(request);
	}
}

static void receive_one(struct mcp_exchange *exchange, const json_t *json)
{
	struct rpc_message message;

	rpc_classify(json, &message);
	switch (message.kind) {
	case RPC_REQUEST:
		start_request(exchange, &message);
		break;
	case RPC_NOTIFICATION:
		/* notifications/initialized opens nothing here; others are none of ours. */
		if (strcmp(message.method, "notifications/cancelled") == 0) {
			on_cancelled(exchange->mcp, message.params);
		}
		break;
	case RPC_RESPONSE:
		break; /* nothing is asked of clients */
	case RPC_MALFORMED:
		refuse(exchange, message.id, message.code, message.problem, NULL, 400);
		break;
	}
}

static void receive_batch(struct mcp_exchange *exchange, const json_t *batch)
{
	const struct mcp *mcp = exchange->mcp;
	size_t count = json_array_size(batch);

	if (mcp->revision == NULL || (mcp->revision->features & MCP_BATCH) == 0) {
		refuse(exchange, NULL, RPC_INVALID,
			"this revision of the protocol has no batches: one message at a time", NULL,
			400);
		return;
	}
	if (count == 0 || count > LIMIT_MCP_BATCH) {
		refuse(exchange, NULL, RPC_INVALID,
			count == 0 ? "the batch is empty" : "too many messages in one batch", NULL,
			400);
		return;
	}
	exchange->answers = json_array();
	for (size_t i = 0; i < count; i++) {
		receive_one(exchange, json_array_get(batch, i));
	}
}

static struct mcp_exchange *exchange_new(struct mcp *mcp, void *origin)
{
	struct mcp_exchange *exchange = xcalloc(1, sizeof(*exchange));

	*exchange = (struct mcp_exchange){
		.next = mcp->exchanges, .mcp = mcp, .origin = origin, .open = 1};
	mcp->exchanges = exchange;
	return exchange;
}

void mcp_receive(struct mcp *mcp, const struct gateway_caller *caller,
	const struct mcp_headers *headers, void *origin, const char *text, size_t len)
{
	struct mcp_exchange *exchange = exchange_new(mcp, origin);
	_cleanup_buf_ struct buf why = {0};
	json_t *json = rpc_load(text, len, &why);

	mcp->caller = caller;
	mcp->headers = headers;
	if (json == NULL) {
		refuse(exchange, NULL, RPC_PARSE, why.data, NULL, 400);
	} else if (json_is_array(json)) {
		receive_batch(exchange, json);
	} else {
		receive_one(exchange, json);
	}
	mcp_exchange_close(exchange);
	mcp->caller = NULL;
	mcp->headers = NULL;
	json_decref(json);
}

void mcp_refuse(struct mcp *mcp, const char *why)
{
	mcp_send(mcp, NULL, rpc_error(NULL, RPC_INVALID, why, NULL), true, 400);
}

/* --- the end, and the time --- */

static struct mcp_request *first_of(const struct mcp *mcp, const struct mcp_exchange *exchange)
{
	struct mcp_request *request = mcp->requests;

	while (request != NULL && request->exchange != exchange) {
		request = request->next;
	}
	return request;
}

void mcp_forget(struct mcp *mcp, void *origin)
{
	struct mcp_exchange *exchange = mcp->exchanges;
	struct mcp_request *request;

	while (exchange != NULL && exchange->origin != origin) {
		exchange = exchange->next;
	}
	if (exchange == NULL) {
		return;
	}
	while ((request = first_of(mcp, exchange)) != NULL) {
		request->exchange = NULL;
		mcp_request_cancel(request);
	}
	exchange_free(exchange);
}

struct mcp *mcp_free(struct mcp *mcp)
{
	if (mcp == NULL) {
		return NULL;
	}
	mcp->watch = gateway_unwatch(mcp->watch);
	while (mcp->exchanges != NULL) {
		mcp_forget(mcp, mcp->exchanges->origin);
	}
	/* What was cancelled before and has not ended: it ends without us. */
	while (mcp->requests != NULL) {
		struct mcp_request *request = mcp->requests;

		mcp->requests = request->next;
		request->prev = request->next = NULL;
		request->mcp = NULL;
	}
	free((char *)(uintptr_t)mcp->opts.agent);
	free((char *)(uintptr_t)mcp->opts.session);
	free(mcp);
	return NULL;
}

uint64_t mcp_deadline(const struct mcp *mcp)
{
	uint64_t next = UINT64_MAX;

	for (const struct mcp_request *r = mcp->requests; r != NULL; r = r->next) {
		next = r->progress_due_ns < next ? r->progress_due_ns : next;
	}
	return next;
}

void mcp_tick(struct mcp *mcp, uint64_t now_ns)
{
	for (struct mcp_request *r = mcp->requests; r != NULL; r = r->next) {
		if (r->progress_due_ns <= now_ns) {
			mcp_progress_tick(r, now_ns);
		}
	}
}

const char *mcp_version(const struct mcp *mcp)
{
	return mcp->revision != NULL ? mcp->revision->name : NULL;
}

size_t mcp_running(const struct mcp *mcp)
{
	return mcp->request_count;
}
