/* SPDX-License-Identifier: MIT */
/* The streams of sandboxes on the event loop: from hello until nobody uses them any more. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/own.h"
#include "gateway/box-internal.h"
#include "gateway/call.h"

struct dead_link {
	struct dead_link *next;
	struct link *link;
};

static void on_reap(evutil_socket_t fd, short events, void *arg)
{
	struct gateway *gateway = arg;

	(void)fd;
	(void)events;
	while (gateway->dead_links != NULL) {
		struct dead_link *dead = gateway->dead_links;

		gateway->dead_links = dead->next;
		(void)link_free(dead->link);
		free(dead);
	}
}

void box_free_link_later(struct gateway *gateway, struct link *link)
{
	struct dead_link *dead = xcalloc(1, sizeof(*dead));

	dead->link = link;
	dead->next = gateway->dead_links;
	gateway->dead_links = dead;
	if (gateway->reaper == NULL) {
		gateway->reaper = evtimer_new(gateway->base, on_reap, gateway);
	}
	event_active(gateway->reaper, EV_TIMEOUT, 1);
}

struct front_box *box_find(struct gateway *gateway, const char *name)
{
	struct front_box *box = gateway->boxes;

	while (box != NULL && strcmp(box->name, name) != 0) {
		box = box->next;
	}
	return box;
}

struct link *box_link(struct front_box *box)
{
	return box->stream.link;
}

uint64_t box_serial(const struct front_box *box)
{
	return box->serial;
}

static void release_name(struct gateway *gateway, const char *name)
{
	struct bus_message release = {.kind = BUS_RELEASE};
	struct error ignored;

	bus_set(&release, BUS_NAME, name);
	(void)bus_channel_send(gateway->bus, &release, NULL, 0, &ignored);
}

/* Into the sandbox, out of it. */
static void add_traffic(const struct front_box *box, uint64_t *in, uint64_t *out)
{
	uint64_t came, went;

	link_traffic(box->stream.link, &came, &went);
	*in += went;
	*out += came;
}

size_t boxes_measure(const struct gateway *gateway, uint64_t *in, uint64_t *out)
{
	size_t running = 0;

	for (const struct front_box *box = gateway->boxes; box != NULL; box = box->next) {
		add_traffic(box, in, out);
		for (const struct box_session *s = box->sessions; s != NULL; s = s->next) {
			running += tool_session_running(s->tools);
		}
	}
	return running;
}

/* Out of the table first: what its calls' callers start next goes to a new stream. */
static void box_close(struct front_box *box, const struct error *why)
{
	struct gateway *gateway = box->gateway;

	*box->slot = box->next;
	if (box->next != NULL) {
		box->next->slot = box->slot;
	}
	grants_forget_box(gateway->grants, box->name);
	while (box->waiting != NULL) {
		struct gateway_call *call = box->waiting;

		box_unwait(call);
		gateway_call_lost(call, why);
	}
	for (struct box_session *s = box->sessions; s != NULL; s = s->next) {
		tool_session_lost(s->tools, why);
	}
	while (box->sessions != NULL) {
		struct box_session *s = box->sessions;

		box->sessions = s->next;
		box_session_free(s);
	}
	while (box->found != NULL) {
		struct found *f = box->found;

		box->found = f->next;
		box_found_free(f);
	}
	add_traffic(box, &gateway->bytes_in, &gateway->bytes_out);
	stream_close(&box->stream);
	box->denials = denials_free(box->denials);
	release_name(gateway, box->name);
	events_add(gateway, "sandbox.released", json_pack("{s:s}", "name", box->name));
	free(box->name);
	free(box->backend);
	free(box);
}

void box_drop(struct gateway *gateway, const char *name)
{
	struct front_box *box = box_find(gateway, name);
	struct error why;

	(void)error_plain(&why, ECANCELED, "the sandbox was taken down");
	if (box != NULL) {
		box_close(box, &why);
	}
}

void boxes_free(struct gateway *gateway)
{
	while (gateway->boxes != NULL) {
		box_drop(gateway, gateway->boxes->name);
	}
	if (gateway->reaper != NULL) {
		on_reap(-1, 0, gateway);
		event_free(gateway->reaper);
		gateway->reaper = NULL;
	}
}

/* --- hello --- */

bool box_is_ready(struct front_box *box, struct held_grant *held)
{
	struct box_session *session;

	if (!box->ready) {
		return false;
	}
	session = box_session(box, held);
	if (session->patience_ns > 0 && (tool_session_is_settled(session->tools) ||
						clock_now_ns() >= session->patience_ns)) {
		session->patience_ns = 0;
	}
	return session->patience_ns == 0;
}

void box_wait(struct front_box *box, struct gateway_call *call)
{
	struct gateway_call **at = &box->waiting;

	while (*at != NULL) {
		at = &(*at)->next_waiter;
	}
	call->waits_for = box;
	call->next_waiter = NULL;
	*at = call;
}

void box_unwait(struct gateway_call *call)
{
	struct gateway_call **at = &call->waits_for->waiting;

	while (*at != call) {
		at = &(*at)->next_waiter;
	}
	*at = call->next_waiter;
	call->next_waiter = NULL;
	call->waits_for = NULL;
}

static void set_ready(struct front_box *box)
{
	box->ready = true;
	stream_greeted(&box->stream);
}

/* What an earlier front left there is asked for before anything new is started. */
static void on_ready(void *arg, const struct wire_hello *hello)
{
	struct front_box *box = arg;

	if (hello->processes > 0) {
		link_list(box->stream.link);
	} else {
		set_ready(box);
	}
}

static void on_process(void *arg, const struct wire_process *process)
{
	box_add_found(arg, process);
}

static void on_list_end(void *arg, uint32_t count)
{
	struct front_box *box = arg;

	(void)count;
	box_end_orphans(box);
	set_ready(box);
}

static const struct link_ops link_ops = {
	.ready = on_ready, .process = on_process, .list_end = on_list_end};

static void on_silent(void *arg)
{
	struct error why;

	(void)error_plain(
		&why, ETIMEDOUT, "creel-init did not say hello within %d s", STREAM_HELLO_S);
	box_close(arg, &why);
}

/* The name, because any of them may bring the box to its end. */
static void start_waiting(struct gateway *gateway, const char *name)
{
	struct front_box *box;

	while ((box = box_find(gateway, name)) != NULL) {
		struct gateway_call *call = box->waiting;

		while (call != NULL && !box_is_ready(box, call->held)) {
			call = call->next_waiter;
		}
		if (call == NULL) {
			box_update(box);
			return;
		}
		box_unwait(call);
		gateway_call_go(call, box);
	}
}

/* --- is it used? --- */

void box_use(struct front_box *box)
{
	box->users++;
}

void box_unuse(struct front_box *box)
{
	box->users--;
	box->used_ns = clock_now_ns();
	box_update(box);
}

static bool is_at_work(const struct front_box *box)
{
	bool working = !box->ready || box->waiting != NULL || box->users > 0;

	for (const struct box_session *s = box->sessions; s != NULL && !working; s = s->next) {
		working = tool_session_is_at_work(s->tools);
	}
	for (const struct found *f = box->found; f != NULL && !working; f = f->next) {
		working = f->process.running;
	}
	return working;
}

/* Ended processes that somebody may still ask about: what was shown of them is known here alone. */
static bool is_remembering(const struct front_box *box)
{
	const struct box_session *s = box->sessions;

	while (s != NULL && !tool_session_has_processes(s->tools)) {
		s = s->next;
	}
	return s != NULL;
}

static void wait_idle(struct front_box *box, uint64_t now)
{
	uint64_t due = box->used_ns + box->gateway->idle_ns;

	stream_look_after(&box->stream, due > now ? due - now : box->gateway->idle_ns);
}

static void look(void *arg)
{
	struct front_box *box = arg;
	uint64_t now = clock_now_ns();
	struct error why;

	if (is_at_work(box)) {
		box->used_ns = now;
	} else if (box->outdated ||
		   (now - box->used_ns >= box->gateway->idle_ns && !is_remembering(box))) {
		(void)error_plain(&why, ECANCELED, "the sandbox was not used");
		box_close(box, &why);
		return;
	}
	wait_idle(box, now);
}

void box_set_outdated(struct front_box *box, bool outdated)
{
	box->outdated = outdated;
}

bool box_give_back(struct gateway *gateway, const char *name, bool *ret_closed)
{
	struct front_box *box = box_find(gateway, name);

	if (box == NULL) {
		return false;
	}
	*ret_closed = !is_at_work(box);
	box->outdated = true;
	if (*ret_closed) {
		box_drop(gateway, name);
	}
	return true;
}

/* --- the loop --- */

static uint64_t next_deadline(const struct front_box *box)
{
	uint64_t next = UINT64_MAX;

	for (const struct box_session *s = box->sessions; s != NULL; s = s->next) {
		uint64_t due = tool_session_deadline(s->tools);

		next = due < next ? due : next;
		due = s->patience_ns > 0 ? s->patience_ns : UINT64_MAX;
		next = due < next ? due : next;
	}
	return next;
}

void box_update(struct front_box *box)
{
	stream_update(&box->stream, next_deadline(box));
	if (box->outdated && !is_at_work(box)) {
		stream_look_next(&box->stream); /* not here: callers go on using it */
	}
}

static void after_event(struct front_box *box)
{
	_cleanup_free_ char *name = NULL;

	box_update(box);
	if (box->waiting != NULL) {
		name = xstrdup(box->name);
		start_waiting(box->gateway, name);
	}
}

static void pump(void *arg, short revents)
{
	struct front_box *box = arg;
	struct error why;

	box->used_ns = clock_now_ns();
	if (link_pump(box->stream.link, revents, &why) < 0) {
		log_with(LOG_LEVEL_INFO, LOG_FIELDS({"sandbox", box->name}), "sandbox %s: %s",
			box->name, why.text);
		box_close(box, &why);
		return;
	}
	after_event(box);
}

static void on_due(void *arg)
{
	struct front_box *box = arg;
	uint64_t now = clock_now_ns();

	for (struct box_session *s = box->sessions; s != NULL; s = s->next) {
		tool_session_tick(s->tools, now);
	}
	after_event(box);
}

static const struct stream_ops stream_ops = {
	.pump = pump, .due = on_due, .silent = on_silent, .look = look};

struct front_box *box_new(struct gateway *gateway, const struct grant *grant, int adopt_fd)
{
	static uint64_t serial;
	struct front_box *box = xcalloc(1, sizeof(*box));

	serial++;
	*box = (struct front_box){
		.next = gateway->boxes,
		.slot = &gateway->boxes,
		.gateway = gateway,
		.name = xstrdup(grant->sandbox),
		.backend = xstrdup(grant->backend != NULL ? grant->backend : "unknown"),
		.serial = serial,
		.used_ns = clock_now_ns(),
		.outdated = grant->notice != NULL,
	};
	if (box->next != NULL) {
		box->next->slot = &box->next;
	}
	gateway->boxes = box;
	stream_open(&box->stream, gateway->base,
		link_new(adopt_fd, grant->has_token ? grant->token : NULL, grant->once, &link_ops,
			box),
		&stream_ops, box);
	wait_idle(box, box->used_ns);
	return box;
}

void box_set_denials(struct front_box *box, struct denial_fds *fds, const struct sandbox_spec *spec)
{
	box->denials = denials_free(box->denials);
	box->denials = denials_new(fds, spec);
}

void gateway_boxes_update(struct gateway *gateway)
{
	for (struct front_box *box = gateway->boxes; box != NULL; box = box->next) {
		box_update(box);
	}
}

struct gateway *box_gateway(const struct front_box *box)
{
	return box->gateway;
}
