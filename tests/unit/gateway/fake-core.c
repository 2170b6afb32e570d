/* SPDX-License-Identifier: MIT */
/* core.h without a broker and without sandboxes. */
#include "fake-core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/own.h"
#include "gateway/browser.h"
#include "gateway/exec-relay.h"

enum { TEXT_MAX = 64 * 1024 * 1024 };

struct kept {
	char *kind;
	json_t *event;
};

struct gateway {
	struct event_base *base;
	json_t *settings;
	unsigned running, aborted, asked;
	uint64_t last_id;
	struct kept ring[GATEWAY_EVENTS_KEPT];
	struct gateway_watch *watches;
};

struct gateway_call {
	struct gateway *gateway;
	struct event timer;
	tool_done_fn done;
	void *arg;
};

struct gateway_ask {
	struct gateway *gateway;
	struct event timer;
	gateway_answer_fn done;
	void *arg;
	json_t *result;
	struct gateway_failure failure;
};

struct gateway_watch {
	struct gateway *gateway;
	struct gateway_watch *prev, *next;
	gateway_event_fn fn;
	void *arg;
};

struct event_base *gateway_base(struct gateway *gateway)
{
	return gateway->base;
}

const json_t *gateway_settings(struct gateway *gateway)
{
	return gateway->settings;
}

void gateway_audit(struct gateway *gateway, const char *kind, json_t *event)
{
	fake_gateway_event(gateway, kind, event);
}

int gateway_status_of(const char *type)
{
	static const struct {
		const char *type;
		int status;
	} rows[] = {
		{TOOL_FAIL_DENIED, 403},
		{TOOL_FAIL_ARGUMENTS, 400},
		{TOOL_FAIL_NOT_FOUND, 404},
		{TOOL_FAIL_FAILED, 400},
		{TOOL_FAIL_TIMEOUT, 504},
		{TOOL_FAIL_ABORTED, 503},
		{TOOL_FAIL_UNAVAILABLE, 503},
		{GATEWAY_FAIL_UNAUTHORIZED, 401},
		{GATEWAY_FAIL_FORBIDDEN, 403},
		{GATEWAY_FAIL_BUSY, 429},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (strcmp(rows[i].type, type) == 0) {
			return rows[i].status;
		}
	}
	return 500;
}

/* --- who --- */

static bool is_admin(const struct gateway_caller *caller)
{
	return caller->token != NULL ? strcmp(caller->token, "admin") == 0 : caller->local_fd >= 0;
}

static bool is_known(const struct gateway_caller *caller)
{
	return is_admin(caller) ||
	       (caller->token != NULL && strcmp(caller->token, "main-only") == 0);
}

static bool reaches(const struct gateway_caller *caller, const char *agent, const char *session)
{
	if (is_admin(caller)) {
		return true;
	}
	return (agent == NULL || strcmp(agent, "main") == 0) &&
	       (session == NULL || strncmp(session, "agent:", 6) != 0 ||
		       strncmp(session, "agent:main:", 11) == 0);
}

/* --- tools --- */

static void finish(const struct gateway_call_opts *opts, const char *text, size_t len)
{
	struct tool_result result = {
		.content =
			json_pack("[{s:s, s:o}]", "type", "text", "text", json_stringn(text, len)),
		.details = json_pack("{s:s, s:O}", "tool", opts->tool, "args", opts->args),
	};

	opts->done(opts->arg, &result);
}

static void fail(const struct gateway_call_opts *opts, const char *type, const char *message)
{
	struct tool_result result = {.failure = {.type = type,
					     .message = xstrdup(message),
					     .hint = xstrdup("see the fake")}};

	opts->done(opts->arg, &result);
}

static void on_slept(evutil_socket_t fd, short events, void *arg)
{
	struct gateway_call *call = arg;
	struct gateway_call_opts opts = {
		.tool = "exec", .args = json_object(), .done = call->done, .arg = call->arg};

	(void)fd;
	(void)events;
	call->gateway->running--;
	free(call);
	finish(&opts, "slept", 5);
	json_decref((json_t *)(uintptr_t)opts.args);
}

void gateway_call_abort(struct gateway_call *call)
{
	struct gateway_call_opts opts = {.done = call->done, .arg = call->arg};

	(void)event_del(&call->timer);
	call->gateway->running--;
	call->gateway->aborted++;
	free(call);
	fail(&opts, TOOL_FAIL_ABORTED, "aborted");
}

static struct gateway_call *sleep_for(
	struct gateway *gateway, const struct gateway_call_opts *opts, uint32_t ms)
{
	struct gateway_call *call = xcalloc(1, sizeof(*call));
	struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	gateway->running++;
	call->gateway = gateway;
	call->done = opts->done;
	call->arg = opts->arg;
	(void)event_assign(&call->timer, gateway->base, -1, 0, on_slept, call);
	(void)event_add(&call->timer, &wait);
	return call;
}

static struct gateway_call *run_exec(struct gateway *gateway, const struct gateway_call_opts *opts)
{
	const char *command = json_string_value(json_object_get(opts->args, "command"));
	uint32_t number = 0;

	if (command == NULL) {
		fail(opts, TOOL_FAIL_ARGUMENTS, "parameter command is missing");
	} else if (strncmp(command, "sleep ", 6) == 0 &&
		   num_parse_u32(command + 6, 0, UINT32_MAX, &number) == 0) {
		return sleep_for(gateway, opts, number);
	} else if (strncmp(command, "tell ", 5) == 0 && opts->progress != NULL &&
		   num_parse_u32(command + 5, 0, UINT32_MAX, &number) == 0) {
		opts->progress(opts->arg, "up\n", 3);
		return sleep_for(gateway, opts, number);
	} else if (strncmp(command, "print ", 6) == 0 &&
		   num_parse_u32(command + 6, 0, TEXT_MAX, &number) == 0) {
		_cleanup_free_ char *text = xmalloc(number + 1);

		memset(text, 'x', number + 1);
		finish(opts, text, number);
	} else {
		finish(opts, command, strlen(command));
	}
	return NULL;
}

static void run_file(const struct gateway_call_opts *opts)
{
	const char *path = json_string_value(json_object_get(opts->args, "path"));

	path = path != NULL ? path : json_string_value(json_object_get(opts->args, "sessionId"));
	if (path != NULL && strcmp(path, "missing") == 0) {
		fail(opts, TOOL_FAIL_NOT_FOUND, "missing: No such file or directory");
	} else {
		finish(opts, path != NULL ? path : "", path != NULL ? strlen(path) : 0);
	}
}

struct gateway_call *gateway_call_start(
	struct gateway *gateway, const struct gateway_call_opts *opts)
{
	const struct tool *tool = tool_by_name(opts->tool);

	if (!is_known(opts->caller)) {
		fail(opts, GATEWAY_FAIL_UNAUTHORIZED, "no token that is known");
	} else if (!reaches(opts->caller, opts->agent, opts->session)) {
		fail(opts, GATEWAY_FAIL_FORBIDDEN, "the token does not reach this agent");
	} else if (strcmp(opts->tool, "browser") == 0) {
		fail(opts, TOOL_FAIL_DENIED, "browser is denied");
	} else if (tool == NULL) {
		fail(opts, TOOL_FAIL_NOT_FOUND, "there is no such tool");
	} else if (strcmp(tool->name, "exec") == 0) {
		return run_exec(gateway, opts);
	} else {
		run_file(opts);
	}
	return NULL;
}

/* --- asks --- */

/* Names, for the lists that are asked for. */
static const struct {
	const char *op, *list;
} lists[] = {
	{"sandbox.list", "sandboxes"},
	{"sandbox.recreate", "removed"},
	{"sandbox.prune", "removed"},
	{"session.list", "sessions"},
	{"approval.list", "approvals"},
	{"audit.query", "rows"},
};

static bool names_missing(const json_t *args)
{
	static const char *const names[] = {"session", "name", "id"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *value = json_string_value(json_object_get(args, names[i]));

		if (value != NULL && strcmp(value, "missing") == 0) {
			return true;
		}
	}
	return false;
}

/* NULL: there is no such thing. */
static json_t *answer(struct gateway *gateway, const char *op, const json_t *args)
{
	if (names_missing(args)) {
		return NULL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		if (strcmp(lists[i].op, op) == 0) {
			return json_pack("{s:[O]}", lists[i].list, args);
		}
	}
	if (strcmp(op, "sandbox.rm") == 0) {
		return json_pack("{s:[O]}", "removed", json_object_get(args, "name"));
	}
	if (strcmp(op, "tools") == 0) {
		return json_pack("[{s:s}]", "name", "exec");
	}
	if (strcmp(op, "metrics") == 0) {
		return json_pack("{s:s}", "text", "# TYPE creel_fake gauge\ncreel_fake 1\n");
	}
	if (strcmp(op, "status") == 0) {
		return json_pack("{s:i, s:i, s:i}", "running", gateway->running, "aborted",
			gateway->aborted, "asked", gateway->asked);
	}
	if (strcmp(op, "session.directive") == 0) {
		fake_gateway_event(gateway, "session.directive", json_deep_copy(args));
	}
	return json_pack("{s:s, s:O}", "op", op, "args", args);
}

static void on_answer(evutil_socket_t fd, short events, void *arg)
{
	struct gateway_ask *ask = arg;

	(void)fd;
	(void)events;
	ask->gateway->asked--;
	ask->done(ask->arg, ask->result, ask->result == NULL ? &ask->failure : NULL);
	json_decref(ask->result);
	free(ask);
}

/* auth is answered at once, all else later: both ways are real. */
static struct gateway_ask *answer_later(struct gateway *gateway, json_t *result,
	const struct gateway_failure *failure, gateway_answer_fn done, void *arg)
{
	static const struct timeval soon = {0};
	struct gateway_ask *ask = xcalloc(1, sizeof(*ask));

	*ask = (struct gateway_ask){.gateway = gateway,
		.done = done,
		.arg = arg,
		.result = result,
		.failure = *failure};
	gateway->asked++;
	(void)event_assign(&ask->timer, gateway->base, -1, 0, on_answer, ask);
	(void)event_add(&ask->timer, &soon);
	return ask;
}

struct gateway_ask *gateway_ask(struct gateway *gateway, const struct gateway_caller *caller,
	const char *op, json_t *args, gateway_answer_fn done, void *arg)
{
	struct gateway_failure failure = {TOOL_FAIL_NOT_FOUND, "there is none of that name", NULL};
	json_t *result = NULL;

	args = args != NULL ? args : json_object();
	if (!is_known(caller)) {
		failure = (struct gateway_failure){
			GATEWAY_FAIL_UNAUTHORIZED, "no token that is known", NULL};
	} else if (!reaches(caller, json_string_value(json_object_get(args, "agent")),
			   json_string_value(json_object_get(args, "session")))) {
		failure = (struct gateway_failure){
			GATEWAY_FAIL_FORBIDDEN, "the token does not reach this", NULL};
	} else if (strcmp(op, "auth") == 0) {
		result = json_pack("{s:s, s:b}", "name",
			caller->token != NULL ? caller->token : "local", "admin", is_admin(caller));
	} else {
		result = answer(gateway, op, args);
	}
	json_decref(args);
	if (strcmp(op, "auth") == 0) {
		done(arg, result, result == NULL ? &failure : NULL);
		json_decref(result);
		return NULL;
	}
	return answer_later(gateway, result, &failure, done, arg);
}

void gateway_ask_forget(struct gateway_ask *ask)
{
	(void)event_del(&ask->timer);
	ask->gateway->asked--;
	json_decref(ask->result);
	free(ask);
}

/* --- events --- */

void fake_gateway_event(struct gateway *gateway, const char *kind, json_t *event)
{
	struct kept *kept = &gateway->ring[++gateway->last_id % GATEWAY_EVENTS_KEPT];
	struct gateway_watch *next = NULL;

	free(kept->kind);
	json_decref(kept->event);
	kept->kind = xstrdup(kind);
	kept->event = event;
	for (struct gateway_watch *watch = gateway->watches; watch != NULL; watch = next) {
		next = watch->next;
		watch->fn(watch->arg, gateway->last_id, kind, event);
	}
}

struct gateway_watch *gateway_watch(
	struct gateway *gateway, const json_t *auth, uint64_t after, gateway_event_fn fn, void *arg)
{
	struct gateway_watch *watch = xcalloc(1, sizeof(*watch));
	uint64_t oldest =
		gateway->last_id < GATEWAY_EVENTS_KEPT ? 0 : gateway->last_id - GATEWAY_EVENTS_KEPT;

	(void)auth;
	*watch = (struct gateway_watch){
		.gateway = gateway, .next = gateway->watches, .fn = fn, .arg = arg};
	if (watch->next != NULL) {
		watch->next->prev = watch;
	}
	gateway->watches = watch;
	for (uint64_t id = after < oldest ? oldest + 1 : after + 1;
		after != UINT64_MAX && id <= gateway->last_id; id++) {
		const struct kept *kept = &gateway->ring[id % GATEWAY_EVENTS_KEPT];

		fn(arg, id, kept->kind, kept->event);
	}
	return watch;
}

struct gateway_watch *gateway_unwatch(struct gateway_watch *watch)
{
	if (watch != NULL) {
		*(watch->prev != NULL ? &watch->prev->next : &watch->gateway->watches) =
			watch->next;
		if (watch->next != NULL) {
			watch->next->prev = watch->prev;
		}
		free(watch);
	}
	return NULL;
}

/* --- exec --- */

/* Says how much came behind the request, and ends. */
void exec_relay_start(struct gateway *gateway, const struct exec_relay_opts *opts)
{
	static const char refused[] =
		"HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\n"
		"Content-Length: 64\r\n\r\n{\"ok\":false,\"error\":{"
		"\"type\":\"unauthorized\",\"message\":\"unknown\"}}";
	static const char taken[] = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
				    "Upgrade: creel-frames\r\n\r\n";
	_cleanup_close_ int fd = opts->adopt_fd;

	(void)gateway;
	if (!is_known(opts->caller)) {
		(void)send(fd, refused, sizeof(refused) - 1, MSG_NOSIGNAL);
		return;
	}
	(void)send(fd, taken, sizeof(taken) - 1, MSG_NOSIGNAL);
	(void)send(fd, opts->early, opts->early_len, MSG_NOSIGNAL);
}

/* --- life --- */

struct gateway *fake_gateway_new(struct event_base *base)
{
	struct gateway *gateway = xcalloc(1, sizeof(*gateway));

	gateway->base = base;
	gateway->settings = json_pack("{s:s, s:s}", "version", "fake", "listen", "gateway.test:1");
	return gateway;
}

struct gateway *fake_gateway_free(struct gateway *gateway)
{
	for (size_t i = 0; i < GATEWAY_EVENTS_KEPT; i++) {
		free(gateway->ring[i].kind);
		json_decref(gateway->ring[i].event);
	}
	json_decref(gateway->settings);
	free(gateway);
	return NULL;
}

/* There is no browser behind a fake. */
struct gateway_browser *gateway_browser_open(struct gateway *gateway,
	const struct gateway_caller *caller, const char *agent, const char *session,
	gateway_browser_fn done, void *arg)
{
	const struct gateway_failure failure = {
		.type = TOOL_FAIL_UNAVAILABLE, .message = "there is no browser here"};

	(void)gateway;
	(void)caller;
	(void)agent;
	(void)session;
	done(arg, NULL, &failure);
	return NULL;
}

struct browser *gateway_browser_get(const struct gateway_browser *use)
{
	(void)use;
	return NULL;
}

void gateway_browser_close(struct gateway_browser *use)
{
	(void)use;
}

void gateway_browser_flush(struct gateway *gateway)
{
	(void)gateway;
}
