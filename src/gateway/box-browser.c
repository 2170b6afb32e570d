/* SPDX-License-Identifier: MIT */
/* The browsers that a session's tools use: the sandbox's, and those outside that it may have. */
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "base/mem.h"
#include "gateway/internal.h"

struct session_browser {
	struct session_browser *next;
	struct box_session *session;
	char *control; /* NULL: the sandbox's */
	struct browser_place place;
	tool_browser_opened_fn opened; /* NULL: told */
	void *context;
};

static struct session_browser *find(struct box_session *s, const char *control)
{
	struct session_browser *b = s->browser_places;

	while (b != NULL &&
		!(control == NULL ? b->control == NULL
				  : b->control != NULL && strcmp(b->control, control) == 0)) {
		b = b->next;
	}
	return b;
}

static struct session_browser *find_or_add(struct box_session *s, const char *control)
{
	struct session_browser *b = find(s, control);

	if (b == NULL) {
		b = xcalloc(1, sizeof(*b));
		b->session = s;
		b->control = control != NULL ? xstrdup(control) : NULL;
		b->next = s->browser_places;
		s->browser_places = b;
	}
	return b;
}

void box_browsers_leave(struct box_session *s)
{
	while (s->browser_places != NULL) {
		struct session_browser *b = s->browser_places;

		s->browser_places = b->next;
		browser_place_leave(&b->place);
		free(b->control);
		free(b);
	}
}

static void unlink_browser(struct session_browser *b)
{
	struct session_browser **at = &b->session->browser_places;

	while (*at != b) {
		at = &(*at)->next;
	}
	*at = b->next;
}

static void on_ready(void *arg, struct browser *browser, const struct decision *decision)
{
	struct session_browser *b = arg;
	const struct tool_browser_place place = {.browser = browser, .decision = decision};
	tool_browser_opened_fn opened = TAKE_PTR(b->opened);

	opened(b->context, &place, NULL, NULL);
}

static void on_lost(void *arg, const struct gateway_failure *failure)
{
	struct session_browser *b = arg;
	tool_browser_opened_fn opened = TAKE_PTR(b->opened);
	struct error why;

	/* Asked for again, it is another. */
	unlink_browser(b);
	if (opened != NULL) {
		opened(b->context, NULL, failure->type, failure->message);
	} else {
		(void)error_plain(&why, EIO, "%s", failure->message);
		tool_session_browser_lost(b->session->tools, b->control, &why);
	}
	free(b->control);
	free(b);
}

static void on_wanted(void *arg, const char *control, tool_browser_opened_fn opened, void *context)
{
	struct box_session *s = arg;
	struct session_browser *b = find_or_add(s, control);

	browser_place_leave(&b->place);
	b->place = (struct browser_place){
		.gateway = box_gateway(s->box),
		.ready = on_ready,
		.lost = on_lost,
		.arg = b,
	};
	b->opened = opened;
	b->context = context;
	browser_place_enter(
		&b->place, s->caller, s->grant->grant->decision.agent_id, s->key, control);
}

static void on_discarded(void *arg, const char *control)
{
	struct session_browser *b = find(arg, control);

	if (b != NULL) {
		browser_place_discard(&b->place);
	}
}

struct tool_browser_source box_browser_source(struct box_session *session)
{
	return (struct tool_browser_source){
		.arg = session, .open = on_wanted, .discard = on_discarded};
}
