/* SPDX-License-Identifier: MIT */
/* A call of the browser tool: its steps, its end. */
#include "tools/browser_call.h"

#include <stdarg.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tools/args.h"
#include "wire/link_file.h"

struct link *bc_file_link(const struct browser_call *bc)
{
	return bc->home->control == NULL ? browser_link(bc->browser) : bc->call->session->link;
}

static void bc_free(void *p)
{
	struct browser_call *bc = p;

	if (bc->browser != NULL && bc->waiting) {
		browser_forget(bc->browser, bc);
	}
	if (bc->browser != NULL && bc->command != 0) {
		browser_forget_command(bc->browser, bc->command);
	}
	if (bc->browser != NULL && bc->stream != 0) {
		link_file_forget(bc_file_link(bc), bc->stream);
	}
	free(bc->tab_id);
	json_decref(bc->node);
	json_decref(bc->node2);
	buf_finish(&bc->data);
	free(bc);
}

static void on_deadline(struct tool_call *call, uint64_t now_ns)
{
	const struct browser_call *bc = call->state;

	(void)now_ns;
	call_failf(call, TOOL_FAIL_TIMEOUT,
		"the browser did not finish '%s' in time; timeoutMs makes it longer, and action "
		"snapshot shows where the page is",
		bc->action->name);
}

void bc_start(struct tool_call *call, struct tool_browser *home,
	const struct browser_action *action, int64_t timeout_ms)
{
	struct browser_call *bc = xcalloc(1, sizeof(*bc));

	*bc = (struct browser_call){
		.call = call,
		.home = home,
		.browser = home->browser,
		.action = action,
		.args = call->args,
	};
	call->state = bc;
	call->free_state = bc_free;
	call->tick = on_deadline;
	call->deadline_ns = clock_after_ns((uint64_t)timeout_ms * NS_PER_MS);
}

const struct browser_settings *bc_settings(const struct browser_call *bc)
{
	return &bc->home->decision->browser;
}

struct browser_tab *bc_tab(struct browser_call *bc)
{
	struct browser_tab *tab = browser_tab(bc->browser, bc->tab_id);

	if (tab == NULL) {
		bc_fail(bc, TOOL_FAIL_NOT_FOUND, "the tab was closed");
	}
	return tab;
}

/* --- steps --- */

/* Of an element that was there at the last snapshot: Chromium has several words for it. */
static bool is_gone(const char *error)
{
	return strstr(error, "No node") != NULL || strstr(error, "find node") != NULL ||
	       strstr(error, "detached") != NULL;
}

static void on_answer(void *arg, const json_t *result, const char *error)
{
	struct browser_call *bc = arg;

	bc->command = 0;
	if (error != NULL && bc->node != NULL && is_gone(error)) {
		bc_fail(bc, TOOL_FAIL_NOT_FOUND,
			"the element is gone from the page; action snapshot shows what is there now");
		return;
	}
	if (error != NULL) {
		bc_fail(bc, TOOL_FAIL_FAILED, "the browser says: %.500s", error);
		return;
	}
	bc->next(bc, result);
}

static void on_ignored(void *arg, const json_t *result, const char *error)
{
	(void)arg;
	(void)result;
	(void)error;
}

static void send_to(struct browser_call *bc, const struct browser_tab *tab, const char *method,
	json_t *params, browser_step_fn next)
{
	bc->next = next;
	if (!browser_is_up(bc->browser)) {
		json_decref(params);
		bc_fail(bc, TOOL_FAIL_UNAVAILABLE, "the browser is gone");
		return;
	}
	bc->command = browser_command(bc->browser, tab, method, params, on_answer, bc);
}

void bc_send(struct browser_call *bc, const char *method, json_t *params, browser_step_fn next)
{
	struct browser_tab *tab = bc->tab_id != NULL ? bc_tab(bc) : NULL;

	if (bc->tab_id != NULL && tab == NULL) {
		json_decref(params);
		return;
	}
	send_to(bc, tab, method, params, next);
}

void bc_send_browser(
	struct browser_call *bc, const char *method, json_t *params, browser_step_fn next)
{
	send_to(bc, NULL, method, params, next);
}

void bc_note(struct browser_call *bc, const char *method, json_t *params)
{
	const struct browser_tab *tab = browser_tab(bc->browser, bc->tab_id);

	(void)browser_command(bc->browser, tab, method, params, on_ignored, NULL);
}

/* A tab that was just opened is attached to in a moment. */
static void on_ready(struct browser_call *bc, const json_t *params)
{
	(void)params;
	bc_run(bc);
}

static bool works_behind_dialog(const char *action)
{
	return strcmp(action, "dialog") == 0 || strcmp(action, "close") == 0 ||
	       strcmp(action, "console") == 0;
}

static bool choose_tab(struct browser_call *bc)
{
	const char *id = json_string_value(json_object_get(bc->call->args, "targetId"));
	const struct browser_tab *tab = browser_tab(bc->browser, id);

	if (tab == NULL) {
		bc_fail(bc, TOOL_FAIL_NOT_FOUND,
			id != NULL
				? "there is no tab '%.64s', or more than one; action tabs lists them"
				: "no tab is open%.0s; action open opens one",
			id != NULL ? id : "");
		return false;
	}
	if (!tab->ready) {
		bc->event = BROWSER_EVENT_READY;
		bc->on_event = on_ready;
		return false;
	}
	if (tab->crashed && strcmp(bc->action->name, "navigate") != 0 &&
		strcmp(bc->action->name, "close") != 0) {
		bc_fail(bc, TOOL_FAIL_FAILED,
			"the page crashed; action navigate loads it, or another, again");
		return false;
	}
	if (tab->dialog != NULL && !works_behind_dialog(bc->action->name)) {
		bc_fail(bc, TOOL_FAIL_FAILED,
			"the page waits for an answer to its dialog '%.300s': action dialog gives one",
			json_string_value(json_object_get(tab->dialog, "message")));
		return false;
	}
	free(bc->tab_id);
	bc->tab_id = xstrdup(tab->id);
	return true;
}

void bc_run(struct browser_call *bc)
{
	bc->event = NULL;
	if (!bc->action->needs_tab || choose_tab(bc)) {
		bc->action->run(bc, NULL);
	}
}

/* A dialog stops the page: no answer comes to what was asked of it. */
static bool is_blocked_by(
	const struct browser_call *bc, const struct browser_tab *tab, const char *method)
{
	return bc->command != 0 && tab->dialog != NULL &&
	       strcmp(method, "Page.javascriptDialogOpening") == 0 &&
	       strcmp(bc->action->name, "dialog") != 0;
}

void bc_event(
	struct browser_call *bc, struct browser_tab *tab, const char *method, const json_t *params)
{
	bool ours = bc->tab_id == NULL || (tab != NULL && strcmp(tab->id, bc->tab_id) == 0);

	if (bc->tab_id != NULL && ours && tab != NULL && tab->crashed &&
		strstr(method, "argetCrashed") != NULL &&
		strcmp(bc->action->name, "navigate") != 0) {
		bc_fail(bc, TOOL_FAIL_FAILED,
			"the page crashed; action navigate loads it, or another, again");
	} else if (bc->event != NULL && ours && strcmp(bc->event, method) == 0) {
		bc->event = NULL;
		bc->on_event(bc, params);
	} else if (bc->tab_id != NULL && ours && tab != NULL && is_blocked_by(bc, tab, method)) {
		bc_finish(bc, json_pack("{s:O}", "dialog", tab->dialog),
			"The page opened a dialog and waits: %.60s '%.500s'. Answer it with action "
			"dialog (accept true or false, promptText).",
			json_string_value(json_object_get(tab->dialog, "type")),
			json_string_value(json_object_get(tab->dialog, "message")));
	}
}

/* --- ends --- */

void bc_fail(struct browser_call *bc, const char *type, const char *fmt, ...)
{
	_cleanup_buf_ struct buf text = {0}, shown = {0};
	va_list args;

	va_start(args, fmt);
	buf_vaddf(&text, fmt, args);
	va_end(args);
	/* A page's stack trace has lines; the rest of what it may put here is escaped. */
	for (size_t i = 0; i < text.len; i++) {
		text.data[i] = (char)(text.data[i] == '\n' ? ' ' : text.data[i]);
	}
	buf_add_printable(&shown, text.data, text.len, 0);
	call_fail(bc->call, type, shown.data != NULL ? shown.data : "", NULL, NULL);
}

void bc_finish_text(struct browser_call *bc, json_t *details, const char *text, size_t len)
{
	if (details == NULL) {
		details = json_object();
	}
	if (bc->tab_id != NULL) {
		(void)json_object_set_new(details, "targetId", json_string(bc->tab_id));
	}
	call_finish_text(bc->call, text, len, details);
}

void bc_finish(struct browser_call *bc, json_t *details, const char *fmt, ...)
{
	_cleanup_buf_ struct buf text = {0};
	va_list args;

	va_start(args, fmt);
	buf_vaddf(&text, fmt, args);
	va_end(args);
	bc_finish_text(bc, details, text.data != NULL ? text.data : "", text.len);
}

/* --- arguments --- */

const char *bc_text(const struct browser_call *bc, const char *name)
{
	const char *text = json_string_value(json_object_get(bc->args, name));

	return text != NULL ? text : json_string_value(json_object_get(bc->call->args, name));
}

bool bc_flag(const struct browser_call *bc, const char *name)
{
	bool value = false;
	struct error err;

	(void)args_bool(bc->args, name, &value, NULL, &err);
	return value;
}

bool bc_number(struct browser_call *bc, const char *name, int64_t min, int64_t max, int64_t *ret)
{
	struct error err;

	if (args_int(bc->args, name, min, max, ret, NULL, &err) < 0) {
		bc_fail(bc, TOOL_FAIL_ARGUMENTS, "%s", err.text);
		return false;
	}
	return true;
}
