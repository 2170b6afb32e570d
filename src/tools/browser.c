/* SPDX-License-Identifier: MIT */
/* browser: a Chromium in a sandbox of its own, driven by the agent. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "base/mem.h"
#include "tools/args.h"
#include "tools/browser_call.h"

enum {
	TIMEOUT_DEFAULT_MS = 20000,
	TIMEOUT_MAX_MS = 300000,
	BROWSERS_MAX = 8, /* of one session: the sandbox's, the host's, some others */
	CONTROL_URL_MAX = 2048,
};

static const char parameters[] =
	"{\"type\":\"object\",\"properties\":{"
	"\"action\":{\"type\":\"string\",\"enum\":[\"status\",\"start\",\"stop\",\"tabs\",\"open\","
	"\"focus\",\"close\",\"navigate\",\"snapshot\",\"screenshot\",\"console\",\"pdf\",\"upload\","
	"\"dialog\",\"act\"]},"
	"\"target\":{\"type\":\"string\",\"enum\":[\"sandbox\",\"host\",\"custom\"]},"
	"\"controlUrl\":{\"type\":\"string\",\"description\":\"target custom: the DevTools address\"},"
	"\"targetUrl\":{\"type\":\"string\",\"description\":\"open, navigate: where to (also url)\"},"
	"\"targetId\":{\"type\":\"string\",\"description\":\"The tab; default: the one in front\"},"
	"\"maxChars\":{\"type\":\"integer\"},\"interactive\":{\"type\":\"boolean\"},"
	"\"compact\":{\"type\":\"boolean\"},\"depth\":{\"type\":\"integer\"},"
	"\"mode\":{\"type\":\"string\",\"enum\":[\"efficient\"]},"
	"\"fullPage\":{\"type\":\"boolean\"},"
	"\"ref\":{\"type\":\"string\",\"description\":\"An element: eN of the last snapshot\"},"
	"\"element\":{\"type\":\"string\",\"description\":\"An element: a CSS selector\"},"
	"\"type\":{\"type\":\"string\",\"enum\":[\"png\",\"jpeg\"]},"
	"\"level\":{\"type\":\"string\",\"description\":\"console: error, warning or info\"},"
	"\"limit\":{\"type\":\"integer\"},"
	"\"paths\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},"
	"\"description\":\"upload: files of the workspace\"},"
	"\"inputRef\":{\"type\":\"string\"},\"accept\":{\"type\":\"boolean\"},"
	"\"promptText\":{\"type\":\"string\"},\"timeoutMs\":{\"type\":\"integer\"},"
	"\"path\":{\"type\":\"string\",\"description\":\"pdf: where to save it\"},"
	"\"request\":{\"type\":\"object\",\"description\":\"act: {kind: click|type|press|hover|drag|"
	"select|fill|wait|evaluate|resize|close, ref, text, submit, key, startRef, endRef, values, "
	"fields: [{ref, value}], timeMs, textGone, url, selector, fn, width, height, doubleClick, "
	"button, modifiers}\"},"
	"\"kind\":{\"type\":\"string\"}},\"required\":[\"action\"]}";

static const struct browser_action act_action = {
	.name = "act", .needs_tab = true, .starts = true, .run = browser_act};

static const struct browser_action *find_in(
	const struct browser_action *table, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(table[i].name, name) == 0) {
			return &table[i];
		}
	}
	return NULL;
}

static const struct browser_action *find_action(const char *name)
{
	const struct browser_action *found =
		find_in(browser_actions_tab, browser_actions_tab_count, name);

	if (found == NULL) {
		found = find_in(browser_actions_page, browser_actions_page_count, name);
	}
	return found == NULL && strcmp(name, act_action.name) == 0 ? &act_action : found;
}

/* --- the session's browser --- */

static struct tool_browser *find_home(const struct tool_session *session, const char *control)
{
	struct tool_browser *home = session->tool_browsers;

	while (home != NULL &&
		!(control == NULL ? home->control == NULL
				  : home->control != NULL && strcmp(home->control, control) == 0)) {
		home = home->next;
	}
	return home;
}

static struct tool_call *first_call(const struct tool_browser *home)
{
	struct tool_call *call = home->session->calls;

	while (call != NULL && (call->tool != &tool_browser || call->state == NULL ||
				       ((struct browser_call *)call->state)->home != home)) {
		call = call->next;
	}
	return call;
}

/* One that is not open and that nobody waits for makes room. */
static size_t drop_unused(struct tool_session *session)
{
	struct tool_browser **at = &session->tool_browsers;
	size_t count = 0;

	while (*at != NULL) {
		struct tool_browser *home = *at;

		if (home->browser != NULL || home->opening || first_call(home) != NULL) {
			at = &home->next;
			count++;
			continue;
		}
		*at = home->next;
		free(home->control);
		free(home);
	}
	return count;
}

/* NULL: the session has too many. */
static struct tool_browser *home_of(struct tool_session *session, const char *control)
{
	struct tool_browser *home = find_home(session, control);

	if (home == NULL && drop_unused(session) < BROWSERS_MAX) {
		home = xcalloc(1, sizeof(*home));
		home->session = session;
		home->control = control != NULL ? xstrdup(control) : NULL;
		home->next = session->tool_browsers;
		session->tool_browsers = home;
	}
	return home;
}

static void forget_browser(struct tool_browser *home)
{
	if (home->browser != NULL) {
		browser_unlisten(home->browser, &home->listener);
		home->browser = NULL;
	}
}

void tool_browser_free(struct tool_session *session)
{
	while (session->tool_browsers != NULL) {
		struct tool_browser *home = session->tool_browsers;

		session->tool_browsers = home->next;
		forget_browser(home);
		free(home->control);
		free(home);
	}
}

void tool_session_browser_lost(
	struct tool_session *session, const char *control, const struct error *why)
{
	struct tool_browser *home = find_home(session, control);
	struct tool_call *call;

	if (home == NULL || home->browser == NULL) {
		return;
	}
	while ((call = first_call(home)) != NULL) {
		call_failf(call, TOOL_FAIL_UNAVAILABLE, "the %s is gone: %s",
			control == NULL ? "browser's sandbox" : "browser", why->text);
	}
	forget_browser(home);
}

/* Calls may end while they are told: from the start again until nobody is left. */
static void on_event(void *arg, struct browser_tab *tab, const char *method, const json_t *params)
{
	struct tool_browser *home = arg;
	struct tool_call *next;

	for (struct tool_call *call = home->session->calls; call != NULL; call = next) {
		struct browser_call *bc = call->state;

		next = call->next;
		if (call->tool == &tool_browser && bc != NULL && bc->home == home) {
			bc_event(bc, tab, method, params);
		}
	}
}

static void on_up(void *arg, const char *error)
{
	struct browser_call *bc = arg;
	const struct tool_browser_source *source = bc->call->session->browsers;

	bc->waiting = false;
	if (error == NULL) {
		bc_run(bc);
		return;
	}
	if (browser_was_started(bc->browser)) {
		source->discard(source->arg, NULL);
	}
	bc_fail(bc, TOOL_FAIL_UNAVAILABLE, "%s", error);
}

static void on_opened(void *context, const struct tool_browser_place *place, const char *failure,
	const char *message)
{
	struct tool_browser *home = context;

	home->opening = false;
	if (place != NULL) {
		home->decision = place->decision;
		home->browser = place->browser;
		home->listener = (struct browser_listener){.fn = on_event, .arg = home};
		browser_listen(home->browser, &home->listener);
	}
	for (struct tool_call *call = home->session->calls, *next; call != NULL; call = next) {
		struct browser_call *bc = call->state;

		next = call->next;
		if (call->tool != &tool_browser || bc == NULL || bc->home != home ||
			bc->browser != NULL) {
			continue;
		}
		if (place == NULL) {
			bc_fail(bc, failure, "%s", message);
			continue;
		}
		bc->browser = home->browser;
		bc->waiting = true;
		browser_want(home->browser, strcmp(bc->action->name, "start") == 0, on_up, bc);
	}
}

static void want_browser(struct browser_call *bc)
{
	struct tool_session *session = bc->call->session;
	struct tool_browser *home = bc->home;

	if (home->browser != NULL) {
		bc->waiting = true;
		browser_want(home->browser, strcmp(bc->action->name, "start") == 0, on_up, bc);
	} else if (!home->opening) {
		home->opening = true;
		session->browsers->open(session->browsers->arg, home->control, on_opened, home);
	}
}

/* --- targets --- */

static bool has_sandbox(const struct tool_call *call)
{
	return call->decision != NULL && call->decision->sandboxed &&
	       call->decision->browser_enabled;
}

/* *ret: NULL, the sandbox's; or what is to be opened outside. Whether it may be is not decided here. */
static int read_target(
	const struct tool_call *call, const json_t *args, const char **ret, struct error *err)
{
	const char *target = NULL, *control = NULL;
	int r = args_text(args, "target", 0, &target, err);

	r = r < 0 ? r : args_text(args, "controlUrl", 0, &control, err);
	if (r < 0) {
		return r;
	}
	if (target == NULL) {
		bool sandbox = call->decision == NULL || call->decision->sandboxed;

		target = control != NULL ? "custom" : sandbox ? "sandbox" : "host";
	}
	*ret = NULL;
	if (strcmp(target, "sandbox") == 0) {
		return 0;
	}
	if (strcmp(target, "host") == 0) {
		*ret = "host";
		return 0;
	}
	if (strcmp(target, "custom") != 0) {
		return error_plain(
			err, EINVAL, "target '%.32s' is none of sandbox, host, custom", target);
	}
	if (control == NULL || *control == '\0') {
		return error_plain(err, EINVAL, "target custom needs controlUrl");
	}
	*ret = control;
	return strlen(control) < CONTROL_URL_MAX && strcmp(control, "host") != 0
		       ? 0
		       : error_plain(err, EINVAL, "controlUrl is no http or ws address");
}

/* false: there is none to be had, and the call has ended. */
static bool has_source(struct tool_call *call, const char *control)
{
	if (call->session->browsers == NULL || call->decision == NULL ||
		(control == NULL && !has_sandbox(call))) {
		call_fail(call, TOOL_FAIL_UNAVAILABLE,
			"Sandbox browser is unavailable: agents.defaults.sandbox.browser.enabled "
			"is not true, or this session is not sandboxed.",
			NULL, NULL);
		return false;
	}
	return true;
}

static void begin(struct tool_call *call, struct tool_browser *home,
	const struct browser_action *action, int64_t timeout_ms)
{
	/* The start of a browser has its own limit. */
	bc_start(call, home, action,
		timeout_ms + (action->starts ? call->decision->browser.auto_start_timeout_ms : 0));
	if (action->starts) {
		want_browser(call->state);
	} else if (home->browser != NULL) {
		bc_run(call->state);
	} else {
		action->run(call->state, NULL);
	}
}

static int start(struct tool_call *call, const json_t *args, struct error *err)
{
	int64_t timeout_ms = TIMEOUT_DEFAULT_MS;
	const struct browser_action *action;
	const char *name = NULL, *control = NULL;
	struct tool_browser *home;
	int r = args_text(args, "action", ARGS_REQUIRED | ARGS_NOT_EMPTY, &name, err);

	r = r < 0 ? r : args_int(args, "timeoutMs", 1, TIMEOUT_MAX_MS, &timeout_ms, NULL, err);
	if (r < 0) {
		return r;
	}
	action = find_action(name);
	if (action == NULL) {
		return error_plain(err, EINVAL,
			"action '%.32s' is none of status, start, stop, tabs, open, focus, close, "
			"navigate, snapshot, screenshot, console, pdf, upload, dialog, act",
			name);
	}
	r = read_target(call, args, &control, err);
	if (r < 0 || !has_source(call, control)) {
		return r;
	}
	home = home_of(call->session, control);
	if (home == NULL) {
		return error_plain(err, EMFILE,
			"%d browsers are the most that a session may have open: action stop gives one "
			"up",
			BROWSERS_MAX);
	}
	begin(call, home, action, timeout_ms);
	return 0;
}

static void on_abort(struct tool_call *call)
{
	call_fail(call, TOOL_FAIL_ABORTED, "the call was aborted", NULL, NULL);
}

const struct tool tool_browser = {
	.name = "browser",
	.title = "Use a web browser",
	.summary =
		"Drive a web browser in its own sandbox: open pages, read them (snapshot), act on "
		"their elements, take screenshots.",
	.parameters = parameters,
	.hints = TOOL_OPEN_WORLD,
	.start = start,
	.abort = on_abort,
};
