/* SPDX-License-Identifier: MIT */
/* The tabs: which there are, what their pages say, what was armed for them. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/own.h"
#include "browser/internal.h"

static void tab_free(struct browser_tab *tab)
{
	free(tab->id);
	free(tab->session);
	free(tab->url);
	free(tab->title);
	free(tab->dialog_text);
	free(tab->refs);
	json_decref(tab->files);
	json_decref(tab->dialog);
	json_decref(tab->console);
	free(tab);
}

void tabs_clear(struct browser *b)
{
	while (b->tabs != NULL) {
		struct browser_tab *tab = b->tabs;

		b->tabs = tab->next;
		tab_free(tab);
	}
	b->current = NULL;
	b->tab_count = 0;
}

struct browser_tab *browser_tabs(const struct browser *b)
{
	return b->tabs;
}

size_t browser_tab_count(const struct browser *b)
{
	return b->tab_count;
}

static struct browser_tab *find(const struct browser *b, const char *id)
{
	struct browser_tab *tab = b->tabs;

	while (tab != NULL && strcmp(tab->id, id) != 0) {
		tab = tab->next;
	}
	return tab;
}

static struct browser_tab *find_session(const struct browser *b, const char *session)
{
	struct browser_tab *tab = b->tabs;

	while (tab != NULL && (*session == '\0' || strcmp(tab->session, session) != 0)) {
		tab = tab->next;
	}
	return tab;
}

struct browser_tab *browser_tab(const struct browser *b, const char *id)
{
	struct browser_tab *found = NULL;

	if (id == NULL || *id == '\0') {
		found = b->current != NULL ? b->current : b->tabs;
		return found;
	}
	for (struct browser_tab *tab = b->tabs; tab != NULL; tab = tab->next) {
		if (strcmp(tab->id, id) == 0) {
			return tab;
		}
		if (strncasecmp(tab->id, id, strlen(id)) == 0) {
			if (found != NULL) {
				return NULL; /* more than one */
			}
			found = tab;
		}
	}
	return found;
}

void browser_set_current(struct browser *b, const struct browser_tab *tab)
{
	b->current = tab != NULL ? find(b, tab->id) : NULL;
}

static void replace(char **text, const char *with)
{
	char *copy = xstrdup(with);

	free(*text);
	*text = copy;
}

void browser_tab_describe(struct browser_tab *tab, const char *url, const char *title)
{
	replace(&tab->url, url);
	replace(&tab->title, title);
}

static void on_ignored(void *arg, const json_t *result, const char *error)
{
	(void)arg;
	(void)result;
	(void)error;
}

static void tell(
	struct browser *b, const struct browser_tab *tab, const char *method, json_t *params)
{
	(void)browser_command(b, tab, method, params, on_ignored, NULL);
}

static struct browser_tab *add(struct browser *b, const char *id)
{
	struct browser_tab *tab = find(b, id), **end = &b->tabs;

	if (tab != NULL) {
		return tab;
	}
	while (*end != NULL) {
		end = &(*end)->next;
	}
	tab = xcalloc(1, sizeof(*tab));
	*tab = (struct browser_tab){
		.browser = b,
		.id = xstrdup(id),
		.session = xstrdup(""),
		.url = xstrdup(""),
		.title = xstrdup(""),
		.console = json_array(),
	};
	*end = tab;
	b->tab_count++;
	return tab;
}

static void set_info(struct browser_tab *tab, const json_t *info)
{
	replace(&tab->url, text_member(info, "url"));
	replace(&tab->title, text_member(info, "title"));
}

static void on_target(struct browser *b, const json_t *info)
{
	const char *id = text_member(info, "targetId");
	struct browser_tab *tab = find(b, id);

	if (*id == '\0' || strcmp(text_member(info, "type"), "page") != 0) {
		return;
	}
	if (tab == NULL && b->tab_count >= BROWSER_TABS_MAX) {
		/* A person's own browser may have more; they are not for us then. */
		if (!b->outside) {
			tell(b, NULL, "Target.closeTarget", json_pack("{s:s}", "targetId", id));
		}
		return;
	}
	tab = add(b, id);
	set_info(tab, info);
}

/* The tab cannot be gone: its commands are answered before it goes. */
static void on_ready(void *arg, const json_t *result, const char *error)
{
	struct browser_tab *tab = arg;
	struct browser *b = tab->browser;

	(void)result;
	if (error == NULL) {
		tab->ready = true;
		browser_tell(b, tab, BROWSER_EVENT_READY, NULL);
	}
}

static void on_attached(struct browser *b, const json_t *params)
{
	const json_t *info = json_object_get(params, "targetInfo");
	struct browser_tab *tab;

	on_target(b, info);
	tab = find(b, text_member(info, "targetId"));
	if (tab == NULL) {
		return;
	}
	replace(&tab->session, text_member(params, "sessionId"));
	tell(b, tab, "Page.enable", NULL);
	tell(b, tab, "Runtime.enable", NULL);
	tell(b, tab, "Log.enable", NULL);
	tell(b, tab, "DOM.enable", NULL);
	(void)browser_command(b, tab, "Accessibility.enable", NULL, on_ready, tab);
}

static void on_gone(struct browser *b, struct browser_tab *tab)
{
	struct browser_tab **at = &b->tabs;

	if (tab == NULL) {
		return;
	}
	browser_tell(b, tab, BROWSER_EVENT_GONE, NULL);
	while (*at != tab) {
		at = &(*at)->next;
	}
	*at = tab->next;
	b->tab_count--;
	if (b->current == tab) {
		b->current = NULL;
	}
	if (b->cdp != NULL && *tab->session != '\0') {
		cdp_session_gone(b->cdp, tab->session);
	}
	tab_free(tab);
}

/* --- what a page says --- */

static void add_console(struct browser_tab *tab, const char *level, const char *text)
{
	_cleanup_buf_ struct buf cut = {0};

	buf_add_printable(&cut, text, strlen(text), BROWSER_CONSOLE_BYTES);
	if (json_array_size(tab->console) >= BROWSER_CONSOLE_MAX) {
		(void)json_array_remove(tab->console, 0);
	}
	(void)json_array_append_new(tab->console,
		json_pack("{s:s, s:s}", "level", level, "text", cut.data != NULL ? cut.data : ""));
}

/* One argument of console.log() as a person would see it. */
static void add_remote_value(struct buf *text, const json_t *object)
{
	const json_t *value = json_object_get(object, "value");
	_cleanup_free_ char *dump = NULL;

	if (json_is_string(value)) {
		buf_add_str(text, json_string_value(value));
	} else if (value != NULL) {
		dump = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
		buf_add_str(text, dump != NULL ? dump : "?");
	} else {
		buf_add_str(text, text_member(object, "description"));
	}
}

static void on_console(struct browser_tab *tab, const json_t *params)
{
	_cleanup_buf_ struct buf text = {0};
	const json_t *args = json_object_get(params, "args"), *arg;
	size_t i;

	json_array_foreach(args, i, arg)
	{
		if (i > 0) {
			buf_add_char(&text, ' ');
		}
		add_remote_value(&text, arg);
	}
	add_console(tab, text_member(params, "type"), text.data != NULL ? text.data : "");
}

static void on_exception(struct browser_tab *tab, const json_t *params)
{
	const json_t *details = json_object_get(params, "exceptionDetails");
	const char *description = text_member(json_object_get(details, "exception"), "description");

	add_console(
		tab, "error", *description != '\0' ? description : text_member(details, "text"));
}

static void on_log(struct browser_tab *tab, const json_t *params)
{
	const json_t *entry = json_object_get(params, "entry");
	_cleanup_buf_ struct buf text = {0};

	buf_addf(&text, "%s %s", text_member(entry, "text"), text_member(entry, "url"));
	add_console(tab, text_member(entry, "level"), text.data);
}

static void on_dialog(struct browser *b, struct browser_tab *tab, const json_t *params)
{
	if (!tab->dialog_armed) {
		json_decref(tab->dialog);
		tab->dialog = json_pack("{s:s, s:s}", "type", text_member(params, "type"),
			"message", text_member(params, "message"));
	} else {
		tab->dialog_armed = false;
		tell(b, tab, "Page.handleJavaScriptDialog",
			json_pack("{s:b, s:s*}", "accept", tab->dialog_accept, "promptText",
				tab->dialog_text));
	}
}

static void on_chooser(struct browser *b, struct browser_tab *tab, const json_t *params)
{
	const json_t *node = json_object_get(params, "backendNodeId");

	if (tab->choosing && json_is_integer(node)) {
		tab->choosing = false;
		tell(b, tab, "DOM.setFileInputFiles",
			json_pack("{s:O, s:I}", "files", tab->files, "backendNodeId",
				json_integer_value(node)));
		tell(b, tab, "Page.setInterceptFileChooserDialog",
			json_pack("{s:b}", "enabled", 0));
	}
}

/* Another document numbers its nodes anew, from one on: an old ref would be some other element. */
static void on_navigated(struct browser_tab *tab, const json_t *params)
{
	if (json_object_get(json_object_get(params, "frame"), "parentId") == NULL) {
		tab->ref_count = 0;
	}
}

static void page_event(
	struct browser *b, struct browser_tab *tab, const char *method, const json_t *params)
{
	if (strcmp(method, "Runtime.consoleAPICalled") == 0) {
		on_console(tab, params);
	} else if (strcmp(method, "Runtime.exceptionThrown") == 0) {
		on_exception(tab, params);
	} else if (strcmp(method, "Log.entryAdded") == 0) {
		on_log(tab, params);
	} else if (strcmp(method, "Page.javascriptDialogOpening") == 0) {
		on_dialog(b, tab, params);
	} else if (strcmp(method, "Page.javascriptDialogClosed") == 0) {
		json_decref(tab->dialog);
		tab->dialog = NULL;
	} else if (strcmp(method, "Page.fileChooserOpened") == 0) {
		on_chooser(b, tab, params);
	} else if (strcmp(method, "Page.frameNavigated") == 0) {
		on_navigated(tab, params);
	} else if (strcmp(method, "Inspector.targetCrashed") == 0) {
		tab->crashed = true;
	} else if (strcmp(method, "Inspector.targetReloadedAfterCrash") == 0) {
		tab->crashed = false;
	}
}

void tabs_event(struct browser *b, const char *session, const char *method, const json_t *params)
{
	struct browser_tab *tab = find_session(b, session);

	if (strcmp(method, "Target.targetCreated") == 0 ||
		strcmp(method, "Target.targetInfoChanged") == 0) {
		on_target(b, json_object_get(params, "targetInfo"));
	} else if (strcmp(method, "Target.attachedToTarget") == 0) {
		on_attached(b, params);
	} else if (strcmp(method, "Target.targetDestroyed") == 0) {
		on_gone(b, find(b, text_member(params, "targetId")));
		tab = NULL;
	} else if (strcmp(method, "Target.targetCrashed") == 0) {
		tab = find(b, text_member(params, "targetId"));
		if (tab != NULL) {
			tab->crashed = true;
		}
	} else if (tab != NULL) {
		page_event(b, tab, method, params);
	}
	browser_tell(b, tab, method, params);
}
