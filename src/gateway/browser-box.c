/* SPDX-License-Identifier: MIT */
/* The sandboxes of browsers on the event loop. As box.c, which they are not among: no session of tools
 * lives in one, and many sessions may share it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/own.h"
#include "gateway/browser.h"
#include "gateway/internal.h"
#include "gateway/stream.h"

struct browser_box {
	struct browser_box *next, **slot;
	struct gateway *gateway;
	char *name;
	struct held_grant *held;
	struct stream stream; /* looks whether anybody uses it */
	struct browser *browser; /* NULL: no hello yet */
	char **env; /* of its processes; the strings are the grant's */
	struct event *discard;
	uint64_t used_ns;
	bool discarded;
	struct browser_place *places; /* who waits for hello, and who is there */
	bool ready_now; /* within a pump: who waits hears of it behind it */
};

static struct browser_box *box_named(const struct gateway *gateway, const char *name)
{
	struct browser_box *box = gateway->browsers;

	while (box != NULL && strcmp(box->name, name) != 0) {
		box = box->next;
	}
	return box;
}

/* --- the loop --- */

static void update(struct browser_box *box)
{
	uint64_t due = box->browser != NULL ? browser_deadline(box->browser) : UINT64_MAX;

	stream_update(&box->stream, due);
}

void gateway_browser_flush(struct gateway *gateway)
{
	for (struct browser_box *box = gateway->browsers; box != NULL; box = box->next) {
		update(box);
	}
}

static void tell_lost(struct browser_box *box, const struct error *why)
{
	while (box->places != NULL) {
		struct browser_place *place = box->places;

		box->places = place->next;
		place->box = NULL;
		place->lost(place->arg, &(struct gateway_failure){.type = TOOL_FAIL_UNAVAILABLE,
						.message = why->text});
	}
}

static void close_box(struct browser_box *box, const struct error *why)
{
	struct gateway *gateway = box->gateway;
	struct bus_message release = {.kind = BUS_RELEASE};
	struct error ignored;

	*box->slot = box->next;
	if (box->next != NULL) {
		box->next->slot = box->slot;
	}
	tell_lost(box, why);
	box->browser = browser_free(box->browser);
	event_free(box->discard);
	stream_close(&box->stream);
	release.flags = box->discarded ? BUS_REMOVE : 0;
	bus_set(&release, BUS_NAME, box->name);
	(void)bus_channel_send(gateway->bus, &release, NULL, 0, &ignored);
	held_grant_put(box->held);
	free(box->env);
	free(box->name);
	free(box);
}

static void tell_ready(struct gateway *gateway, const char *name)
{
	struct browser_box *box;
	struct browser_place *place;

	/* From the start each time: any of them may bring the box to its end. */
	do {
		box = box_named(gateway, name);
		place = box != NULL ? box->places : NULL;
		while (place != NULL && place->told) {
			place = place->next;
		}
		if (place != NULL) {
			place->told = true;
			place->ready(place->arg, box->browser, &box->held->grant->decision);
		}
	} while (place != NULL);
	if (box != NULL) {
		update(box);
	}
}

static void pump(void *arg, short revents)
{
	struct browser_box *box = arg;
	struct gateway *gateway = box->gateway;
	struct error why;

	if (link_pump(box->stream.link, revents, &why) < 0) {
		log_with(LOG_LEVEL_INFO, LOG_FIELDS({"sandbox", box->name}), "browser %s: %s",
			box->name, why.text);
		close_box(box, &why);
		gateway_boxes_update(gateway);
		return;
	}
	update(box);
	if (TAKE(box->ready_now, false)) {
		_cleanup_free_ char *name = xstrdup(box->name);

		tell_ready(gateway, name);
	}
	/* What came may have ended calls, or set times, of sessions in other sandboxes. */
	gateway_boxes_update(gateway);
}

static void on_due(void *arg)
{
	struct browser_box *box = arg;
	struct gateway *gateway = box->gateway;
	_cleanup_free_ char *name = xstrdup(box->name);

	browser_tick(box->browser, clock_now_ns());
	box = box_named(gateway, name);
	if (box != NULL) {
		update(box);
	}
	gateway_boxes_update(gateway);
}

static void on_silent(void *arg)
{
	struct error why;

	(void)error_plain(
		&why, ETIMEDOUT, "creel-init did not say hello within %d s", STREAM_HELLO_S);
	close_box(arg, &why);
}

static bool is_used(const struct browser_box *box)
{
	return box->places != NULL || box->browser == NULL;
}

/* Nobody drives it, nobody watches: it goes on by itself. */
static void look(void *arg)
{
	struct browser_box *box = arg;
	uint64_t idle_ns = box->gateway->idle_ns, now = clock_now_ns();
	struct error why;

	box->used_ns = is_used(box) ? now : box->used_ns;
	if (now - box->used_ns >= idle_ns) {
		(void)error_plain(&why, ECANCELED, "the browser was not used");
		close_box(box, &why);
		return;
	}
	stream_look_after(&box->stream, box->used_ns + idle_ns - now);
}

static const struct stream_ops stream_ops = {
	.pump = pump, .due = on_due, .silent = on_silent, .look = look};

/* The image's variables, then what the configuration declares. */
static char **collect_env(const struct grant *grant)
{
	const struct strv *declared = &grant->decision.spec.env;
	char **env = xcalloc(grant->image_env.count + declared->count + 1, sizeof(*env));
	size_t n = 0;

	for (size_t i = 0; i < grant->image_env.count; i++) {
		env[n++] = (char *)(uintptr_t)grant->image_env.items[i];
	}
	for (size_t i = 0; i < declared->count; i++) {
		env[n++] = (char *)(uintptr_t)declared->items[i];
	}
	return env;
}

static const char *password_of(const struct grant *grant, size_t i)
{
	return i < grant->passwords.count ? grant->passwords.items[i] : NULL;
}

static struct browser *outside_new(const struct browser_box *box, const json_t *control)
{
	return browser_new(&(struct browser_opts){
		.link = box->stream.link,
		.settings = &box->held->grant->decision.browser,
		.port = 1, /* whatever it is, the broker's door leads to one place */
		.host = json_string_value(json_object_get(control, "host")),
		.path = json_string_value(json_object_get(control, "path")),
		.timeout_ms = (int)json_integer_value(json_object_get(control, "timeoutMs")),
		.pipe = json_is_true(json_object_get(control, "pipe")),
	});
}

static void on_hello(void *arg, const struct wire_hello *hello)
{
	struct browser_box *box = arg;
	const struct decision *d = &box->held->grant->decision;

	(void)hello;
	stream_greeted(&box->stream);
	box->ready_now = true;
	if (box->held->grant->control != NULL) {
		box->browser = outside_new(box, box->held->grant->control);
		return;
	}
	box->env = collect_env(box->held->grant);
	box->browser = browser_new(&(struct browser_opts){
		.link = box->stream.link,
		.settings = &d->browser,
		.port = browser_debug_port(&d->browser),
		.env = (const char *const *)box->env,
		.env_prefix = d->config->brand->env_prefix,
		.passwords = {password_of(box->held->grant, 0), password_of(box->held->grant, 1)},
	});
}

static const struct link_ops link_ops = {.ready = on_hello};

static void on_discarded(evutil_socket_t fd, short events, void *arg);

static struct browser_box *box_open(struct gateway *gateway, struct held_grant *held, int adopt_fd)
{
	const struct grant *grant = held->grant;
	struct browser_box *box = xcalloc(1, sizeof(*box));

	held->uses++;
	*box = (struct browser_box){
		.next = gateway->browsers,
		.slot = &gateway->browsers,
		.gateway = gateway,
		.name = xstrdup(grant->sandbox),
		.held = held,
		.used_ns = clock_now_ns(),
	};
	if (box->next != NULL) {
		box->next->slot = &box->next;
	}
	gateway->browsers = box;
	box->discard = evtimer_new(gateway->base, on_discarded, box);
	stream_open(&box->stream, gateway->base,
		link_new(adopt_fd, grant->has_token ? grant->token : NULL, grant->once, &link_ops,
			box),
		&stream_ops, box);
	stream_look_after(&box->stream, gateway->idle_ns);
	return box;
}

void browser_box_drop(struct gateway *gateway, const char *name)
{
	struct browser_box *box = box_named(gateway, name);
	struct error why;

	if (box != NULL) {
		(void)error_plain(&why, ECANCELED, "the browser's sandbox was taken down");
		close_box(box, &why);
	}
}

bool browser_box_give_back(struct gateway *gateway, const char *name, bool *ret_closed)
{
	const struct browser_box *box = box_named(gateway, name);

	if (box == NULL) {
		return false;
	}
	*ret_closed = !is_used(box);
	if (*ret_closed) {
		browser_box_drop(gateway, name);
	}
	return true;
}

void browser_boxes_free(struct gateway *gateway)
{
	while (gateway->browsers != NULL) {
		browser_box_drop(gateway, gateway->browsers->name);
	}
}

/* --- places --- */

/* From the loop: whoever says so may be in the middle of the browser's own callback. */
static void on_discarded(evutil_socket_t fd, short events, void *arg)
{
	struct browser_box *box = arg;
	struct gateway *gateway = box->gateway;
	struct error why;

	(void)fd;
	(void)events;
	(void)error_plain(&why, ECANCELED,
		box->held->grant->control != NULL
			? "it was given up"
			: "the browser could not be reached, and was removed");
	close_box(box, &why);
	gateway_boxes_update(gateway);
}

void browser_place_discard(struct browser_place *place)
{
	struct browser_box *box = place->box;

	if (box != NULL && !box->discarded) {
		box->discarded = true;
		event_active(box->discard, EV_TIMEOUT, 0);
	}
}

void browser_place_leave(struct browser_place *place)
{
	struct browser_place **at;

	if (place->question != NULL) {
		question_forget(place->question);
		place->question = NULL;
	}
	if (place->box == NULL) {
		return;
	}
	for (at = &place->box->places; *at != place; at = &(*at)->next) {
	}
	*at = place->next;
	place->box->used_ns = clock_now_ns();
	place->box = NULL;
}

static void fail_place(struct browser_place *place, const char *type, const char *text)
{
	place->lost(place->arg, &(struct gateway_failure){.type = type, .message = text});
}

static void join(struct browser_place *place, struct browser_box *box)
{
	place->box = box;
	place->next = box->places;
	place->told = box->browser != NULL;
	box->places = place;
	if (place->told) {
		place->ready(place->arg, box->browser, &box->held->grant->decision);
	}
}

static bool is_allowed(const struct grant *grant)
{
	const struct tool_verdict *verdict = grant_verdict(grant, "browser");

	return verdict != NULL && verdict->allowed;
}

static void on_grant(void *arg, struct bus_packet *packet, const struct gateway_failure *failure)
{
	struct browser_place *place = arg;
	struct gateway *gateway = place->gateway;
	struct grant *grant = NULL;
	struct held_grant *held;
	struct browser_box *box;
	struct error err;
	json_t *json;

	place->question = NULL;
	if (failure != NULL) {
		place->lost(place->arg, failure);
		return;
	}
	json = bus_packet_json(packet, &err);
	if (json == NULL || grant_decode(json, &grant, &err) < 0) {
		fail_place(place, GATEWAY_FAIL_INTERNAL, err.text);
		return;
	}
	if (grant->sandbox == NULL || !is_allowed(grant)) {
		fail_place(place, TOOL_FAIL_DENIED,
			"the browser is not allowed here (tools.sandbox.tools, "
			"sandbox.browser.enabled)");
		(void)grant_free(grant);
		return;
	}
	held = held_grant_new(grant);
	box = box_named(gateway, grant->sandbox);
	if (packet->fd_count > 0 && packet->fds[0] >= 0) {
		browser_box_drop(gateway, grant->sandbox);
		box = box_open(gateway, held, TAKE_FD(packet->fds[0]));
	}
	held_grant_put(held);
	if (box == NULL) {
		fail_place(place, TOOL_FAIL_UNAVAILABLE, "the browser's sandbox ended; try again");
		return;
	}
	join(place, box);
}

void browser_place_enter(struct browser_place *place, const struct gateway_caller *caller,
	const char *agent, const char *session, const char *control)
{
	struct bus_message message = {.kind = BUS_ACQUIRE, .flags = BUS_START | BUS_BROWSER};
	struct question *question;
	int fd;

	question_caller(&message, caller, &fd);
	bus_set(&message, BUS_AGENT, agent);
	bus_set(&message, BUS_SESSION, session);
	bus_set(&message, BUS_TOOL, "browser");
	bus_set(&message, BUS_CONTROL, control);
	/* NULL: it has failed already, and the place may be gone. */
	question = question_ask(place->gateway, &message, fd, on_grant, place);
	if (question != NULL) {
		place->question = question;
	}
}
