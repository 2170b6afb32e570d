/* SPDX-License-Identifier: MIT */
/* What the files of the front's middle share. */
#ifndef GATEWAY_INTERNAL_H
#define GATEWAY_INTERNAL_H

#include <event2/event.h>

#include "browser/browser.h"
#include "bus/channel.h"
#include "bus/grant.h"
#include "gateway/core.h"
#include "gateway/metrics.h"

struct front_box;

/* --- question.c: what the broker is asked --- */

/* failure NULL: packet is the answer, whose fds may be taken. */
typedef void (*question_fn)(
	void *arg, struct bus_packet *packet, const struct gateway_failure *failure);
struct question;

/* Who asks, with the fields of a message filled from it. *ret_fd is the descriptor to send along. */
void question_caller(struct bus_message *message, const struct gateway_caller *caller, int *ret_fd);
/* done comes once, later; NULL: it came already, as a failure. message->id is filled in. */
struct question *question_ask(
	struct gateway *gateway, struct bus_message *message, int fd, question_fn done, void *arg);
void question_forget(struct question *question); /* done does not come any more */
void question_answered(struct gateway *gateway, struct bus_packet *packet);
size_t questions_count(const struct gateway *gateway); /* without an answer */

/* --- grants.c: what was granted already --- */

/* Counted: calls and sessions use it while it may already be void. */
struct held_grant {
	struct grant *grant;
	unsigned uses;
};
struct held_grant *held_grant_new(struct grant *grant);
void held_grant_put(struct held_grant *held); /* NULL ok */

/* A caller copied, so that it can be asked about later. */
struct caller_copy {
	struct gateway_caller caller;
	struct arena arena;
	int fd; /* a duplicate of local_fd */
};
void caller_copy_init(struct caller_copy *copy, const struct gateway_caller *caller);
void caller_copy_finish(struct caller_copy *copy);

struct grants;
struct grants *grants_new(void);
struct grants *grants_free(struct grants *grants);
/* What one caller may do in one session is known by this text: owned. */
char *grants_key(const struct gateway_caller *caller, const char *agent, const char *session);
struct held_grant *grants_find(struct grants *grants, const char *key);
void grants_add(struct grants *grants, const char *key, struct held_grant *held);
/* Those of one session; NULL: all. */
void grants_forget(struct grants *grants, const char *session);
void grants_forget_box(struct grants *grants, const char *name);

/* --- browser-box.c: the sandbox of a browser --- */

/* Somebody's place at a browser: asked for, then there, until it is left or lost. */
struct browser_place {
	struct gateway *gateway;
	/* Its sandbox is open; the browser may still have to be started: browser_want(). */
	void (*ready)(void *arg, struct browser *browser, const struct decision *decision);
	/* Never came, or is about to go. The place is left already. */
	void (*lost)(void *arg, const struct gateway_failure *failure);
	void *arg;
	/* browser-box.c's */
	struct browser_place *next;
	struct question *question;
	struct browser_box *box;
	bool told;
};
/* One of ready and lost comes once, perhaps before this returns. control: NULL, the sandbox's; else as
 * BUS_CONTROL. */
void browser_place_enter(struct browser_place *place, const struct gateway_caller *caller,
	const char *agent, const char *session, const char *control);
/* Its sandbox is of no use: it ends soon, and the broker takes it away. */
void browser_place_discard(struct browser_place *place);
void browser_place_leave(struct browser_place *place); /* safe to repeat */
void browser_box_drop(struct gateway *gateway, const char *name);
/* As box_give_back(). */
bool browser_box_give_back(struct gateway *gateway, const char *name, bool *ret_closed);
void browser_boxes_free(struct gateway *gateway);

/* --- box-session.c: the sessions of tools in a sandbox --- */

/* Whose tools refuse something. */
struct denied_origin {
	struct gateway *gateway;
	struct held_grant *held;
};

/* The tools of one session in one sandbox. */
struct box_session {
	struct box_session *next;
	struct front_box *box;
	char *key;
	struct tool_session *tools;
	struct tool_images images; /* what tools ask for, and what was asked of the loop for it */
	struct event *image;
	struct held_grant *grant; /* whose decision the tools borrow */
	struct denied_origin origin;
	uint64_t patience_ns; /* until then what was adopted is waited for; 0: nothing */
	/* Its browsers. caller is whose call is being started, for the question to the broker. */
	struct tool_browser_source browsers;
	struct session_browser *browser_places; /* box-browser.c */
	const struct gateway_caller *caller;
};

/* The session of a grant; made when it is asked for first. */
struct box_session *box_session(struct front_box *box, struct held_grant *held);
/* Its background processes are killed, its calls end. */
void box_end_session(struct gateway *gateway, const char *session_key);

/* --- box-browser.c: the browsers of a session --- */

struct tool_browser_source box_browser_source(struct box_session *session);
void box_browsers_leave(struct box_session *session);

/* --- box.c: a sandbox whose stream is here --- */

struct gateway *box_gateway(const struct front_box *box);
struct front_box *box_find(struct gateway *gateway, const char *name);
/* adopt_fd: the stream. */
struct front_box *box_new(struct gateway *gateway, const struct grant *grant, int adopt_fd);
/* Where its sandbox tells what it refuses; takes them over. */
void box_set_denials(
	struct front_box *box, struct denial_fds *fds, const struct sandbox_spec *spec);
struct link *box_link(struct front_box *box);
/* Tells one from the next of its name; never 0. */
uint64_t box_serial(const struct front_box *box);
/* May a call of this grant start now? creel-init has said hello, and told what was left there. One that
 * may not waits: gateway_call_go() or gateway_call_lost() of it follows. */
bool box_is_ready(struct front_box *box, struct held_grant *held);
void box_wait(struct front_box *box, struct gateway_call *call);
void box_unwait(struct gateway_call *call);
/* After anything that may have queued bytes or set a time: wait for it. */
void box_update(struct front_box *box);
void gateway_boxes_update(struct gateway *gateway); /* box_update() of all */
/* Somebody works in it by its link, beside the tools. */
void box_use(struct front_box *box);
void box_unuse(struct front_box *box);
/* The configuration has left it behind, or not: one that has been is given back when nothing is at work in
 * it, so that the next call makes it anew (contract D12). */
void box_set_outdated(struct front_box *box, bool outdated);
/* The broker wants it back, or we end. */
void box_drop(struct gateway *gateway, const char *name);
/* The broker wants it back if nothing is at work in it; else it is outdated from here on. false: there is
 * none of that name. */
bool box_give_back(struct gateway *gateway, const char *name, bool *ret_closed);
void boxes_free(struct gateway *gateway);
/* Callbacks of links must not free links: this does it a turn later. */
void box_free_link_later(struct gateway *gateway, struct link *link);

/* --- host.c: commands that leave the sandbox --- */

extern const struct tool_host_ops
	host_ops; /* its arg is the gateway, a call's is the gateway_call */

/* The link of a relay that the broker gave, greeted, on the loop until it is released. It takes the one
 * SPAWN that was allowed. */
struct link *host_link_new(struct gateway *gateway, int adopt_fd);
void host_link_update(struct link *link); /* after anything that may have queued bytes */
void host_link_release(struct gateway *gateway, struct link *link);

/* --- event.c --- */

void events_init(struct gateway *gateway);
void events_add(struct gateway *gateway, const char *kind, json_t *event); /* taken over */
void events_finish(struct gateway *gateway);

/* --- core.c --- */

/* For tool_session_opts.denied; arg: a denied_origin. Counts it, logs it, tells those who watch. */
void gateway_denied(void *arg, const struct tool_denied *denied);

/* The sandbox that a call waits for is there, or is not going to be. */
void gateway_call_go(struct gateway_call *call, struct front_box *box);
void gateway_call_lost(struct gateway_call *call, const struct error *why);

struct gateway {
	struct event_base *base;
	struct bus_channel *bus;
	int images_fd; /* creel-image's control socket; FD_NONE: none */
	json_t *settings;
	uint64_t idle_ns; /* after so long without work a sandbox is given back */
	struct metrics *metrics;
	struct grants *grants;
	struct front_box *boxes;
	struct browser_box *browsers;
	struct question *questions;
	uint32_t next_id;
	size_t calls;
	uint64_t bytes_in, bytes_out; /* of streams that are closed, as their sandboxes see it */
	struct dead_link *dead_links;
	struct event *reaper; /* of dead_links */
	struct {
		uint64_t next_id;
		struct kept_event *ring;
		struct gateway_watch *watches;
	} events;
	bool stopping;
	void (*settled)(void *arg); /* settings are there */
	void (*stop)(void *arg); /* the broker says so */
	void *arg;
};

struct gateway *gateway_new(struct event_base *base, int bus_fd);
struct gateway *gateway_free(struct gateway *gateway);
/* Tell the broker that all is confined and serves. */
void gateway_ready(struct gateway *gateway);
size_t gateway_calls(const struct gateway *gateway);

/* The grant of an answer. false: it is none, and err says why. */
bool gateway_take_grant(struct bus_packet *packet, struct held_grant **ret, struct error *err);
/* The sandbox that it names: here already, or with the stream that came along. NULL: its stream has
 * ended meanwhile. */
struct front_box *gateway_box_for(
	struct gateway *gateway, const struct grant *grant, struct bus_packet *packet);
/* A row for the audit log; taken over. */
void gateway_audit_for(struct gateway *gateway, const struct gateway_caller *caller,
	const char *agent, const char *session, const char *name, json_t *row);
/* --- measure.c --- */

/* What there is now, and what the broker told (its op "metrics"), into the metrics. */
void gateway_measure(struct gateway *gateway, const json_t *told);
/* Processes of all sessions that run; adds the traffic of all streams that are open. */
size_t boxes_measure(const struct gateway *gateway, uint64_t *in, uint64_t *out);

/* The constant that equals a type that came as text. */
const char *gateway_failure_type(const char *type);

#endif
