/* SPDX-License-Identifier: MIT */
#include "gateway/mcp-rpc.h"

#include <string.h>

#include "base/limits.h"
#include "tools/utf8.h"

const char *rpc_text(const json_t *json)
{
	const char *text = json_string_value(json);

	return text != NULL && strlen(text) == json_string_length(json) ? text : NULL;
}

bool rpc_is_id(const json_t *json)
{
	return json_is_integer(json) ||
	       (json_is_string(json) && json_string_length(json) <= LIMIT_NAME_BYTES);
}

json_t *rpc_string(const char *text, size_t len)
{
	_cleanup_buf_ struct buf clean = {0};

	if (utf8_is_valid(text, len)) {
		return json_stringn_nocheck(text, len);
	}
	utf8_clean(&clean, text, len);
	return json_stringn_nocheck(clean.data != NULL ? clean.data : "", clean.len);
}

json_t *rpc_load(const char *text, size_t len, struct buf *why)
{
	json_error_t error;
	/* A name that is there twice means something else to every reader. */
	json_t *json = json_loadb(
		text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);

	if (json == NULL) {
		buf_add_str(why, "this is no JSON: ");
		utf8_clean(why, error.text, strlen(error.text));
	}
	return json;
}

static void malformed(struct rpc_message *message, enum rpc_code code, const char *problem)
{
	message->kind = RPC_MALFORMED;
	message->code = code;
	message->problem = problem;
}

static void check_params(const json_t *json, struct rpc_message *message)
{
	const json_t *params = json_object_get(json, "params");

	if (json_is_object(params)) {
		message->params = params;
	} else if (json_is_array(params)) {
		malformed(
			message, RPC_PARAMS, "params must be an object: MCP has none by position");
	} else if (params != NULL) {
		malformed(message, RPC_INVALID, "params must be an object");
	}
}

void rpc_classify(const json_t *json, struct rpc_message *ret)
{
	const json_t *id = json_object_get(json, "id");
	const char *version = rpc_text(json_object_get(json, "jsonrpc"));

	*ret = (struct rpc_message){.kind = RPC_REQUEST, .id = rpc_is_id(id) ? id : NULL};
	if (!json_is_object(json)) {
		malformed(ret, RPC_INVALID, "a message must be an object");
	} else if (version == NULL || strcmp(version, "2.0") != 0) {
		malformed(ret, RPC_INVALID, "\"jsonrpc\" must be \"2.0\"");
	} else if (json_object_get(json, "method") == NULL) {
		ret->kind = RPC_RESPONSE;
		if (json_object_get(json, "result") == NULL &&
			json_object_get(json, "error") == NULL) {
			malformed(ret, RPC_INVALID, "\"method\" is missing");
		}
	} else if (id != NULL && ret->id == NULL) {
		malformed(ret, RPC_INVALID, "\"id\" must be a string or an integer");
	} else {
		ret->method = rpc_text(json_object_get(json, "method"));
		ret->kind = id != NULL ? RPC_REQUEST : RPC_NOTIFICATION;
		check_params(json, ret);
		if (ret->method == NULL) {
			malformed(ret, RPC_INVALID, "\"method\" must be a name");
		}
	}
}

static json_t *message_new(void)
{
	return json_pack("{s:s}", "jsonrpc", "2.0");
}

static void set_id(json_t *message, const json_t *id)
{
	(void)json_object_set_new(message, "id", id != NULL ? json_deep_copy(id) : json_null());
}

json_t *rpc_answer(const json_t *id, json_t *result)
{
	json_t *message = message_new();

	set_id(message, id);
	(void)json_object_set_new(message, "result", result);
	return message;
}

json_t *rpc_error(const json_t *id, enum rpc_code code, const char *text, json_t *data)
{
	json_t *message = message_new();

	set_id(message, id);
	(void)json_object_set_new(message, "error",
		json_pack("{s:i, s:o, s:o*}", "code", (int)code, "message",
			rpc_string(text, strlen(text)), "data", data));
	return message;
}

json_t *rpc_notification(const char *method, json_t *params)
{
	json_t *message = message_new();

	(void)json_object_set_new(message, "method", json_string(method));
	if (params != NULL) {
		(void)json_object_set_new(message, "params", params);
	}
	return message;
}
