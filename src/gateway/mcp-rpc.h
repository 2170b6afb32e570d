/* SPDX-License-Identifier: MIT */
/* JSON-RPC 2.0 as MCP narrows it: ids are strings or integers, params are objects. Pure. */
#ifndef GATEWAY_MCP_RPC_H
#define GATEWAY_MCP_RPC_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"

/* https://www.jsonrpc.org/specification#error_object, and the revisions of MCP that define more. */
enum rpc_code {
	RPC_PARSE = -32700,
	RPC_INVALID = -32600,
	RPC_NO_METHOD = -32601,
	RPC_PARAMS = -32602,
	RPC_INTERNAL = -32603,
	RPC_NO_RESOURCE = -32002, /* up to 2025-11-25; RPC_PARAMS since */
	RPC_HEADERS = -32020, /* 2026-07-28: headers and message differ */
	RPC_VERSION = -32022, /* 2026-07-28: such a revision is not spoken here */
};

enum rpc_kind { RPC_REQUEST, RPC_NOTIFICATION, RPC_RESPONSE, RPC_MALFORMED };

struct rpc_message {
	enum rpc_kind kind;
	const json_t *id; /* borrowed; NULL: none that could be answered to */
	const char *method;
	const json_t *params; /* an object or NULL */
	enum rpc_code code; /* of RPC_MALFORMED */
	const char *problem; /* static text */
};

/* NULL: it is no JSON (no UTF-8, a name twice, too deep), and why says so. */
json_t *rpc_load(const char *text, size_t len, struct buf *why);
void rpc_classify(const json_t *json, struct rpc_message *ret);

/* New messages. id is borrowed and may be NULL (null); result, data and params are taken over. */
json_t *rpc_answer(const json_t *id, json_t *result);
json_t *rpc_error(const json_t *id, enum rpc_code code, const char *text, json_t *data);
json_t *rpc_notification(const char *method, json_t *params);

/* The text of a string without a NUL in it, which no comparison would see behind; else NULL. */
const char *rpc_text(const json_t *json);
/* A string of any bytes, made valid UTF-8: json_pack() would fail for others. */
json_t *rpc_string(const char *text, size_t len);
/* Is it something that a request, or its progress token, can be named by? */
bool rpc_is_id(const json_t *json);

#endif
