/* SPDX-License-Identifier: MIT */
/* The browser tool's actions on the browser and its tabs. */
#include <string.h>

#include "base/macro.h"
#include "base/mem.h"
#include "base/own.h"
#include "base/path.h"
#include "browser/url.h"
#include "tools/browser_call.h"

enum {
	UPLOAD_FILES_MAX = 64,
};

static json_t *tab_json(const struct browser *b, const struct browser_tab *tab)
{
	return json_pack("{s:s, s:s, s:s, s:b, s:b}", "targetId", tab->id, "url", tab->url, "title",
		tab->title, "current", tab == browser_tab(b, NULL), "crashed", tab->crashed);
}

static void run_status(struct browser_call *bc, const json_t *result)
{
	const struct browser_settings *s = bc->call->decision != NULL && bc->home->control == NULL
						   ? &bc->call->decision->browser
						   : NULL;
	const struct browser *b = bc->home->browser;
	bool up = b != NULL && browser_is_up(b);
	json_t *details = json_pack("{s:b, s:b}", "enabled", 1, "running", up);

	(void)result;
	if (s != NULL) {
		(void)json_object_set_new(details, "headless", json_boolean(s->headless));
		(void)json_object_set_new(details, "noVnc", json_boolean(s->vnc));
	}
	if (up) {
		(void)json_object_set_new(details, "version", json_string(browser_version(b)));
		(void)json_object_set_new(
			details, "tabs", json_integer((json_int_t)browser_tab_count(b)));
		(void)json_object_set_new(details, "restarts", json_integer(browser_restarts(b)));
		bc_finish(bc, details,
			"The browser runs: %s, %zu tabs, %u restarts of its services.",
			browser_version(b), browser_tab_count(b), browser_restarts(b));
		return;
	}
	bc_finish(bc, details, "The browser does not run. Action start, or open, starts it.");
}

static void on_stopped(struct browser_call *bc, const json_t *params)
{
	(void)params;
	bc_finish(bc, NULL, "The browser was stopped.");
}

static void run_stop(struct browser_call *bc, const json_t *result)
{
	const struct tool_browser *home = bc->home;
	const struct tool_browser_source *source = home->session->browsers;

	(void)result;
	if (home->control != NULL) {
		/* One that was started for this ends with it; others go on. */
		source->discard(source->arg, home->control);
		bc_finish(bc, NULL, "The browser is not used any more.");
		return;
	}
	if (home->browser != NULL && browser_stop(home->browser)) {
		bc->event = BROWSER_EVENT_STOPPED;
		bc->on_event = on_stopped;
	} else {
		bc_finish(bc, NULL, "The browser does not run.");
	}
}

static void run_tabs(struct browser_call *bc, const json_t *result)
{
	_cleanup_buf_ struct buf text = {0};
	json_t *list = json_array();

	(void)result;
	for (const struct browser_tab *tab = browser_tabs(bc->browser); tab != NULL;
		tab = tab->next) {
		(void)json_array_append_new(list, tab_json(bc->browser, tab));
		buf_addf(&text, "%s%.8s %.300s", text.len > 0 ? "\n" : "", tab->id, tab->url);
		if (*tab->title != '\0') {
			buf_addf(&text, " (%.300s)", tab->title);
		}
		buf_add_str(&text, tab->crashed ? " [crashed]" : "");
	}
	bc_finish_text(bc, json_pack("{s:o}", "tabs", list),
		text.len > 0 ? text.data : "No tab is open.", text.len > 0 ? text.len : 15);
}

/* --- open, focus, close --- */

static void finish_page(struct browser_call *bc, const json_t *result)
{
	const json_t *page = json_object_get(json_object_get(result, "result"), "value");
	const char *url = json_string_value(json_object_get(page, "url"));
	const char *title = json_string_value(json_object_get(page, "title"));
	const char *state = json_string_value(json_object_get(page, "state"));
	struct browser_tab *tab = browser_tab(bc->browser, bc->tab_id);

	url = url != NULL ? url : "";
	title = title != NULL ? title : "";
	if (tab != NULL) {
		browser_tab_describe(tab, url, title);
	}
	bc_finish(bc, json_pack("{s:s, s:s}", "url", url, "title", title), "%.300s%s%.300s%s%s",
		url, *title != '\0' ? " (" : "", title, *title != '\0' ? ")" : "",
		state != NULL && strcmp(state, "complete") != 0 ? " still loads." : "");
}

/* The event of a page that is there already does not come again. */
static void ask_page(struct browser_call *bc, const json_t *result)
{
	(void)result;
	bc->event = NULL;
	bc_send(bc, "Runtime.evaluate",
		json_pack("{s:s, s:b}", "expression",
			"({url:location.href,title:document.title,state:document.readyState})",
			"returnByValue", 1),
		finish_page);
}

static void on_navigated(struct browser_call *bc, const json_t *result)
{
	const char *error = json_string_value(json_object_get(result, "errorText"));

	if (error != NULL && *error != '\0') {
		bc_fail(bc, TOOL_FAIL_FAILED, "the page could not be loaded: %.200s", error);
		return;
	}
	/* The same document, at another #place: nothing is loaded. */
	if (json_object_get(result, "loaderId") == NULL) {
		ask_page(bc, NULL);
		return;
	}
	if (bc->at == 0) {
		bc->event = "Page.loadEventFired";
		bc->on_event = ask_page;
	} else {
		ask_page(bc, NULL); /* it fired before the answer came */
	}
}

static void on_early_load(struct browser_call *bc, const json_t *params)
{
	(void)params;
	bc->at = 1;
}

static const char *checked_url(struct browser_call *bc)
{
	const char *url = bc_text(bc, "targetUrl");
	struct error err;

	url = url != NULL ? url : bc_text(bc, "url");
	if (url == NULL || *url == '\0') {
		bc_fail(bc, TOOL_FAIL_ARGUMENTS, "parameter targetUrl is missing");
		return NULL;
	}
	if (url_check(url, bc_settings(bc), &err) < 0) {
		bc_fail(bc, TOOL_FAIL_DENIED, "%s", err.text);
		return NULL;
	}
	return url;
}

static void run_navigate(struct browser_call *bc, const json_t *result)
{
	const char *url = checked_url(bc);

	(void)result;
	if (url == NULL) {
		return;
	}
	bc->event = "Page.loadEventFired";
	bc->on_event = on_early_load;
	bc_send(bc, "Page.navigate", json_pack("{s:s}", "url", url), on_navigated);
}

static void on_open_ready(struct browser_call *bc, const json_t *params)
{
	const struct browser_tab *tab = browser_tab(bc->browser, bc->tab_id);

	(void)params;
	if (tab == NULL || !tab->ready) {
		bc->event = BROWSER_EVENT_READY;
		bc->on_event = on_open_ready;
		return;
	}
	browser_set_current(bc->browser, tab);
	run_navigate(bc, NULL);
}

static void on_created(struct browser_call *bc, const json_t *result)
{
	const char *id = json_string_value(json_object_get(result, "targetId"));

	if (id == NULL) {
		bc_fail(bc, TOOL_FAIL_FAILED, "the browser opened no tab");
		return;
	}
	bc->tab_id = xstrdup(id);
	on_open_ready(bc, NULL);
}

static void run_open(struct browser_call *bc, const json_t *result)
{
	(void)result;
	if (bc_text(bc, "targetUrl") == NULL && bc_text(bc, "url") == NULL) {
		bc_fail(bc, TOOL_FAIL_ARGUMENTS, "parameter targetUrl is missing");
		return;
	}
	if (checked_url(bc) == NULL) {
		return;
	}
	if (browser_tab_count(bc->browser) >= BROWSER_TABS_MAX) {
		bc_fail(bc, TOOL_FAIL_FAILED, "%d tabs are open already; close one first",
			BROWSER_TABS_MAX);
		return;
	}
	bc_send_browser(
		bc, "Target.createTarget", json_pack("{s:s}", "url", "about:blank"), on_created);
}

static void on_focused(struct browser_call *bc, const json_t *result)
{
	struct browser_tab *tab = bc_tab(bc);

	(void)result;
	if (tab != NULL) {
		browser_set_current(bc->browser, tab);
		bc_finish(bc, tab_json(bc->browser, tab), "%.300s is in front.", tab->url);
	}
}

static void run_focus(struct browser_call *bc, const json_t *result)
{
	(void)result;
	bc_send_browser(bc, "Target.activateTarget", json_pack("{s:s}", "targetId", bc->tab_id),
		on_focused);
}

static void on_gone(struct browser_call *bc, const json_t *params)
{
	(void)params;
	bc_finish(bc, NULL, "The tab was closed.");
}

static void on_closed(struct browser_call *bc, const json_t *result)
{
	if (browser_tab(bc->browser, bc->tab_id) == NULL) {
		on_gone(bc, result);
		return;
	}
	bc->event = BROWSER_EVENT_GONE;
	bc->on_event = on_gone;
}

void browser_close_tab(struct browser_call *bc, const json_t *result)
{
	(void)result;
	bc_send_browser(
		bc, "Target.closeTarget", json_pack("{s:s}", "targetId", bc->tab_id), on_closed);
}

/* --- console, dialog, upload --- */

static bool level_matches(const char *wanted, const char *level)
{
	if (wanted == NULL || strcmp(wanted, "all") == 0) {
		return true;
	}
	/* The console's own "warning" comes as "warn" from some callers. */
	return strncmp(wanted, level, 4) == 0 ||
	       (strcmp(wanted, "error") == 0 && strcmp(level, "assert") == 0) ||
	       (strcmp(wanted, "info") == 0 && strcmp(level, "log") == 0);
}

static void run_console(struct browser_call *bc, const json_t *result)
{
	const char *wanted = bc_text(bc, "level");
	const struct browser_tab *tab = bc_tab(bc);
	_cleanup_buf_ struct buf text = {0};
	json_t *list = json_array(), *entry;
	size_t i;

	(void)result;
	if (tab == NULL) {
		json_decref(list);
		return;
	}
	json_array_foreach(tab->console, i, entry)
	{
		const char *level = json_string_value(json_object_get(entry, "level"));
		const char *line = json_string_value(json_object_get(entry, "text"));

		if (level_matches(wanted, level)) {
			(void)json_array_append(list, entry);
			buf_addf(&text, "%s[%s] %s", text.len > 0 ? "\n" : "", level, line);
		}
	}
	bc_finish_text(bc, json_pack("{s:o}", "messages", list),
		text.len > 0 ? text.data : "(nothing)", text.len > 0 ? text.len : 9);
}

static void on_dialog_answered(struct browser_call *bc, const json_t *result)
{
	(void)result;
	bc_finish(bc, NULL, "The dialog was answered.");
}

/* Answers the one that is open, or the next one. */
static void run_dialog(struct browser_call *bc, const json_t *result)
{
	const char *text = bc_text(bc, "promptText");
	struct browser_tab *tab = bc_tab(bc);
	bool accept = bc_flag(bc, "accept");

	(void)result;
	if (tab == NULL) {
		return;
	}
	if (tab->dialog != NULL) {
		bc_send(bc, "Page.handleJavaScriptDialog",
			json_pack("{s:b, s:s*}", "accept", accept, "promptText", text),
			on_dialog_answered);
		return;
	}
	tab->dialog_armed = true;
	tab->dialog_accept = accept;
	free(tab->dialog_text);
	tab->dialog_text = text != NULL ? xstrdup(text) : NULL;
	bc_finish(bc, NULL, "The next dialog of the page will be %s.",
		accept ? "accepted" : "dismissed");
}

/* Files of the workspace alone: nothing else of the sandbox is for a page. NULL: the call ended. */
static json_t *upload_paths(struct browser_call *bc)
{
	const char *root = bc->home->decision->spec.workdir;
	const json_t *paths = json_object_get(bc->args, "paths"), *item;
	struct arena arena = {0};
	json_t *list = json_array();
	size_t i, len = strlen(root);

	if (json_array_size(paths) == 0 || json_array_size(paths) > UPLOAD_FILES_MAX) {
		bc_fail(bc, TOOL_FAIL_ARGUMENTS, "parameter paths must name 1 to %d files",
			UPLOAD_FILES_MAX);
		json_decref(list);
		return NULL;
	}
	json_array_foreach(paths, i, item)
	{
		const char *text = json_string_value(item);
		const char *path =
			text == NULL ? NULL : path_normalize(&arena, path_join(&arena, root, text));

		if (path == NULL || strncmp(path, root, len) != 0 || path[len] != '/') {
			bc_fail(bc, TOOL_FAIL_DENIED,
				"'%.200s' is not in the workspace %s: only its files can be uploaded",
				text != NULL ? text : "", root);
			json_decref(list);
			arena_finish(&arena);
			return NULL;
		}
		(void)json_array_append_new(list, json_string(path));
	}
	arena_finish(&arena);
	return list;
}

static void on_uploaded(struct browser_call *bc, const json_t *result)
{
	(void)result;
	bc_finish(bc, NULL, "The files were chosen.");
}

static void on_input_found(struct browser_call *bc, const json_t *result)
{
	json_t *files = upload_paths(bc), *params;

	(void)result;
	if (files == NULL) {
		return;
	}
	if (bc->node != NULL) {
		params = json_copy(bc->node);
		(void)json_object_set_new(params, "files", files);
		bc_send(bc, "DOM.setFileInputFiles", params, on_uploaded);
		return;
	}
	if (bc_tab(bc) == NULL) {
		json_decref(files);
		return;
	}
	json_decref(bc_tab(bc)->files);
	bc_tab(bc)->files = files;
	bc_tab(bc)->choosing = true;
	bc_note(bc, "Page.setInterceptFileChooserDialog", json_pack("{s:b}", "enabled", 1));
	bc_finish(bc, NULL, "The next file chooser of the page will get these files.");
}

static void run_upload(struct browser_call *bc, const json_t *result)
{
	(void)result;
	/* It would read them where it runs: the session's link into a workspace may lead anywhere there. */
	if (bc->home->control != NULL) {
		bc_fail(bc, TOOL_FAIL_DENIED,
			"files of the workspace can be uploaded in the sandbox's browser alone "
			"(target sandbox)");
		return;
	}
	bc_find_node(bc, bc_text(bc, "inputRef") != NULL ? "inputRef" : "ref", "element", true,
		on_input_found);
}

const struct browser_action browser_actions_tab[] = {
	{.name = "status", .run = run_status},
	{.name = "start", .starts = true, .run = run_status},
	{.name = "stop", .run = run_stop},
	{.name = "tabs", .starts = true, .run = run_tabs},
	{.name = "open", .starts = true, .run = run_open},
	{.name = "focus", .starts = true, .needs_tab = true, .run = run_focus},
	{.name = "close", .starts = true, .needs_tab = true, .run = browser_close_tab},
	{.name = "navigate", .starts = true, .needs_tab = true, .run = run_navigate},
	{.name = "console", .starts = true, .needs_tab = true, .run = run_console},
	{.name = "dialog", .starts = true, .needs_tab = true, .run = run_dialog},
	{.name = "upload", .starts = true, .needs_tab = true, .run = run_upload},
};
const size_t browser_actions_tab_count = ARRAY_SIZE(browser_actions_tab);
