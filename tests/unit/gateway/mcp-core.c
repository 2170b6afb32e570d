/* SPDX-License-Identifier: MIT */
#include "mcp-core.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct gateway_call {
	struct gateway_call *next; /* newer */
	struct gateway *gateway;
	struct gateway_call_opts opts;
	bool starting, over;
};

struct gateway_watch {
	struct gateway_watch *next;
	struct gateway *gateway;
	gateway_event_fn fn;
	void *arg;
};

struct gateway {
	struct gateway_call *calls; /* oldest first */
	struct gateway_watch *watches;
	unsigned aborted;
	uint64_t events;
	const char *refuses;
};

struct gateway *mcp_core_new(void)
{
	return xcalloc(1, sizeof(struct gateway));
}

int gateway_status_of(const char *type)
{
	return strcmp(type, GATEWAY_FAIL_UNAUTHORIZED) == 0 ? 401 : 500;
}

static void call_end(struct gateway_call *call, struct tool_result *result)
{
	struct gateway_call **at = &call->gateway->calls;

	while (*at != call) {
		at = &(*at)->next;
	}
	*at = call->next;
	call->over = true;
	call->opts.done(call->opts.arg, result);
	if (!call->starting) {
		free(call);
	}
}

static void succeed(struct gateway_call *call, const char *text, json_t *details)
{
	struct tool_result result = {
		.content = json_pack("[{s:s, s:s}]", "type", "text", "text", text),
		.details = details,
	};

	call_end(call, &result);
}

static void fail(struct gateway_call *call, const char *type, const char *text, json_t *details)
{
	struct tool_result result = {.details = details};

	result.failure.type = type;
	result.failure.message = xstrdup(text);
	call_end(call, &result);
}

static void fake_read(struct gateway_call *call)
{
	const char *path = json_string_value(json_object_get(call->opts.args, "path"));

	if (path != NULL && strcmp(path, "picture") == 0) {
		struct tool_result result = {
			.content = json_pack("[{s:s, s:s}, {s:s, s:s, s:s}]", "type", "text",
				"text", "Read image file", "type", "image", "data", "AAAA",
				"mimeType", "image/png"),
			.details = json_object(),
		};

		call_end(call, &result);
	} else if (path != NULL && strcmp(path, "./a b.txt") == 0) {
		succeed(call, "6 bytes",
			json_pack("{s:i, s:i, s:s, s:s, s:s}", "size", 6, "bytes", 6, "mimeType",
				"text/plain", "encoding", "utf-8", "data", "hello\n"));
	} else if (path != NULL && strcmp(path, "./bin") == 0) {
		succeed(call, "3 bytes",
			json_pack("{s:i, s:i, s:s, s:s, s:s}", "size", 3, "bytes", 3, "mimeType",
				"application/octet-stream", "encoding", "base64", "data", "AAEC"));
	} else if (path != NULL && strcmp(path, "./big") == 0) {
		succeed(call, "5 bytes of 9",
			json_pack("{s:i, s:i, s:s, s:s, s:s}", "size", 9, "bytes", 5, "mimeType",
				"text/plain", "encoding", "utf-8", "data", "12345"));
	} else {
		fail(call, TOOL_FAIL_NOT_FOUND, "no such file", json_object());
	}
}

/* 1,001 of them: one more than a page. */
static void fake_glob(struct gateway_call *call)
{
	json_t *paths = json_array();

	(void)json_array_append_new(paths, json_string("a b.txt"));
	(void)json_array_append_new(paths, json_string("not \xef\xbf\xbd utf-8"));
	for (int i = 0; i < 999; i++) {
		(void)json_array_append_new(paths, json_sprintf("f%d", i));
	}
	succeed(call, "many", json_pack("{s:i, s:o}", "count", 1001, "paths", paths));
}

static void start(struct gateway_call *call)
{
	const char *tool = call->opts.tool;

	if (strcmp(tool, "write") == 0) {
		fail(call, TOOL_FAIL_DENIED, "write is blocked",
			json_pack("{s:[{s:s, s:s, s:s, s:[s]}]}", "denied", "layer", "sandbox",
				"what", "write", "rule", "tools.sandbox.tools.deny: write", "fix",
				"tools.sandbox.tools.deny"));
	} else if (strcmp(tool, "read") == 0) {
		fake_read(call);
	} else if (strcmp(tool, "glob") == 0) {
		fake_glob(call);
	} else if (strcmp(tool, "exec") != 0) {
		succeed(call, tool, json_pack("{s:s}", "was", tool));
	}
}

struct gateway_call *gateway_call_start(
	struct gateway *gateway, const struct gateway_call_opts *opts)
{
	struct gateway_call *call = xcalloc(1, sizeof(*call));
	struct gateway_call **at = &gateway->calls;

	*call = (struct gateway_call){.gateway = gateway, .opts = *opts, .starting = true};
	while (*at != NULL) {
		at = &(*at)->next;
	}
	*at = call;
	start(call);
	call->starting = false;
	if (call->over) {
		free(call);
		return NULL;
	}
	return call;
}

void gateway_call_abort(struct gateway_call *call)
{
	call->gateway->aborted++;
	fail(call, TOOL_FAIL_ABORTED, "the call was aborted", json_object());
}

bool mcp_core_print(struct gateway *gateway, const char *text)
{
	const struct gateway_call *call = gateway->calls;

	if (call != NULL && call->opts.progress != NULL) {
		call->opts.progress(call->opts.arg, text, strlen(text));
	}
	return call != NULL;
}

bool mcp_core_end(struct gateway *gateway, const char *failure, const char *text)
{
	struct gateway_call *call = gateway->calls;

	if (call == NULL) {
		return false;
	}
	if (failure != NULL) {
		fail(call, failure, text, json_object());
	} else {
		succeed(call, text,
			json_pack("{s:s, s:i, s:s}", "status", "completed", "exitCode", 0,
				"aggregated", text));
	}
	return true;
}

unsigned mcp_core_aborted(const struct gateway *gateway)
{
	return gateway->aborted;
}

unsigned mcp_core_running(const struct gateway *gateway)
{
	unsigned count = 0;

	for (const struct gateway_call *call = gateway->calls; call != NULL; call = call->next) {
		count++;
	}
	return count;
}

void mcp_core_refuse(struct gateway *gateway, const char *failure)
{
	gateway->refuses = failure;
}

struct gateway_ask *gateway_ask(struct gateway *gateway, const struct gateway_caller *caller,
	const char *op, json_t *args, gateway_answer_fn done, void *arg)
{
	json_t *result = json_array();
	size_t count;
	const struct tool *const *table = tool_table(&count);

	(void)caller;
	json_decref(args);
	if (gateway->refuses != NULL) {
		json_decref(result);
		done(arg, NULL,
			&(struct gateway_failure){
				.type = gateway->refuses, .message = "no", .hint = "a hint"});
		return NULL;
	}
	for (size_t i = 0; strcmp(op, "tools") == 0 && i < count; i++) {
		json_t *entry = tool_describe(table[i]);

		(void)json_object_set_new(
			entry, "offered", json_boolean(strcmp(table[i]->name, "write") != 0));
		(void)json_array_append_new(result, entry);
	}
	done(arg, result, NULL);
	json_decref(result);
	return NULL;
}

void gateway_ask_forget(struct gateway_ask *ask)
{
	(void)ask;
}

struct gateway_watch *gateway_watch(
	struct gateway *gateway, const json_t *auth, uint64_t after, gateway_event_fn fn, void *arg)
{
	struct gateway_watch *watch = xcalloc(1, sizeof(*watch));

	(void)auth;
	(void)after;
	*watch = (struct gateway_watch){
		.next = gateway->watches, .gateway = gateway, .fn = fn, .arg = arg};
	gateway->watches = watch;
	return watch;
}

struct gateway_watch *gateway_unwatch(struct gateway_watch *watch)
{
	struct gateway_watch **at;

	if (watch == NULL) {
		return NULL;
	}
	at = &watch->gateway->watches;
	while (*at != watch) {
		at = &(*at)->next;
	}
	*at = watch->next;
	free(watch);
	return NULL;
}

void mcp_core_event(struct gateway *gateway, const char *kind)
{
	json_t *event = json_object();

	gateway->events++;
	for (struct gateway_watch *w = gateway->watches; w != NULL; w = w->next) {
		w->fn(w->arg, gateway->events, kind, event);
	}
	json_decref(event);
}

struct gateway *mcp_core_free(struct gateway *gateway)
{
	while (gateway->calls != NULL) {
		gateway_call_abort(gateway->calls);
	}
	free(gateway);
	return NULL;
}
