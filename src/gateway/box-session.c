/* SPDX-License-Identifier: MIT */
/* The sessions of tools in a sandbox, and what an earlier front left there of them. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "gateway/box-internal.h"
#include "gateway/call.h"

enum {
	/* How long calls wait for the output of what an earlier front left in their session. */
	ADOPT_PATIENCE_MS = 2000,
};

/* --- what was left there --- */

void box_found_free(struct found *f)
{
	free(f->session);
	free(f->tag);
	free(f);
}

void box_add_found(struct front_box *box, const struct wire_process *process)
{
	struct found *f = xcalloc(1, sizeof(*f));

	f->session = tool_tag_session(process->tag);
	f->tag = xstrndup((const char *)process->tag.data, process->tag.len);
	f->process = *process;
	f->process.name = (struct wire_bytes){0};
	f->process.tag.data = (const uint8_t *)f->tag;
	f->next = box->found;
	box->found = f;
}

static void ignore_attached(void *arg, const struct wire_process *process)
{
	(void)arg;
	(void)process;
}

/* A search, a command line's command: whoever waited for it is gone. */
static void end_orphan(struct front_box *box, const struct found *f)
{
	static const struct link_process_ops ops = {.attached = ignore_attached};
	struct error ignored;

	if (link_fetch(box->stream.link, f->process.stream, 0, 0, 0, &ops, NULL, &ignored) == 0) {
		link_forget(box->stream.link, f->process.stream);
	}
}

void box_end_orphans(struct front_box *box)
{
	struct found **at = &box->found;

	while (*at != NULL) {
		struct found *f = *at;

		if (f->session == NULL) {
			*at = f->next;
			end_orphan(box, f);
			box_found_free(f);
		} else {
			at = &f->next;
		}
	}
}

/* Those of a session that is there now. */
static void adopt_found(struct front_box *box, struct box_session *session)
{
	struct found **at = &box->found;
	struct error err;

	while (*at != NULL) {
		struct found *f = *at;

		if (strcmp(f->session, session->key) != 0) {
			at = &f->next;
			continue;
		}
		*at = f->next;
		if (tool_session_adopt(session->tools, &f->process, &err) < 0) {
			log_with(LOG_LEVEL_WARNING, LOG_FIELDS({"sandbox", box->name}),
				"sandbox %s: %s", box->name, err.text);
		} else {
			session->patience_ns = clock_after_ns(ADOPT_PATIENCE_MS * NS_PER_MS);
		}
		box_found_free(f);
	}
}

/* --- images --- */

static int image_service(void *arg, struct error *err)
{
	const struct box_session *session = arg;
	int fd = session->box->gateway->images_fd;

	return fd >= 0 ? fd : error_plain(err, ENOSYS, "this gateway has no creel-image");
}

static void on_image(evutil_socket_t fd, short events, void *arg)
{
	struct box_session *session = arg;

	(void)fd;
	(void)events;
	tool_session_image_event(session->tools);
	box_update(session->box); /* the next in the queue may have asked for its file */
}

static void image_watch(void *arg, int fd, short events)
{
	struct box_session *session = arg;
	short wanted = EV_PERSIST;

	if (session->image != NULL) {
		event_free(session->image);
		session->image = NULL;
	}
	if (events == 0) {
		return;
	}
	wanted |= (events & POLLIN) != 0 ? EV_READ : 0;
	wanted |= (events & POLLOUT) != 0 ? EV_WRITE : 0;
	session->image = event_new(session->box->gateway->base, fd, wanted, on_image, session);
	(void)event_add(session->image, NULL);
}

/* --- sessions --- */

void box_session_free(struct box_session *session)
{
	session->tools = tool_session_free(session->tools);
	box_browsers_leave(session);
	held_grant_put(session->grant);
	free(session->key);
	free(session);
}

/* One sandbox may be everybody's, and callers come with ever new keys. What runs and what is remembered is
 * bounded elsewhere (calls, processes): sessions with none of both make room, the oldest first. */
static void make_room(struct front_box *box)
{
	struct box_session **oldest = NULL;
	size_t count = 0;

	for (struct box_session **at = &box->sessions; *at != NULL; at = &(*at)->next) {
		const struct tool_session *tools = (*at)->tools;

		count++;
		if (!tool_session_is_at_work(tools) && !tool_session_has_processes(tools)) {
			oldest = at;
		}
	}
	if (count >= LIMIT_SANDBOX_SESSIONS && oldest != NULL) {
		struct box_session *s = *oldest;

		*oldest = s->next;
		box_session_free(s);
	}
}

struct box_session *box_session(struct front_box *box, struct held_grant *held)
{
	const struct grant *grant = held->grant;
	const struct tool_verdict *process = grant_verdict(grant, "process");
	struct box_session *s = box->sessions;

	while (s != NULL && strcmp(s->key, grant->decision.session_key) != 0) {
		s = s->next;
	}
	if (s != NULL) {
		return s;
	}
	make_room(box);
	s = xcalloc(1, sizeof(*s));
	held->uses++;
	*s = (struct box_session){
		.next = box->sessions,
		.box = box,
		.key = xstrdup(grant->decision.session_key),
		.grant = held,
		.origin = {.gateway = box->gateway, .held = held},
		.images = {image_service, image_watch, s},
	};
	s->browsers = box_browser_source(s);
	s->tools = tool_session_new(&(struct tool_session_opts){
		.link = box->stream.link,
		.host = &host_ops,
		.host_arg = box->gateway,
		.decision = &grant->decision,
		.backend_name = box->backend,
		.container = box->name,
		.may_background = process != NULL && process->allowed,
		.images = &s->images,
		.denials = box->denials,
		.denied = gateway_denied,
		.denied_arg = &s->origin,
		.browsers = &s->browsers,
	});
	box->sessions = s;
	adopt_found(box, s);
	return s;
}

void box_end_session(struct gateway *gateway, const char *session_key)
{
	for (struct front_box *box = gateway->boxes; box != NULL; box = box->next) {
		for (struct box_session **at = &box->sessions; *at != NULL; at = &(*at)->next) {
			struct box_session *s = *at;

			if (strcmp(s->key, session_key) == 0) {
				*at = s->next;
				box_session_free(s);
				box_update(box);
				break;
			}
		}
	}
}
