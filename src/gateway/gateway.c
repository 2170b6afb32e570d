/* SPDX-License-Identifier: MIT */
/* The front's middle as a whole: its end of the bus. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/log_form.h"
#include "base/macro.h"
#include "base/mem.h"
#include "base/own.h"
#include "gateway/internal.h"

static void on_settings(struct gateway *gateway, struct bus_packet *packet)
{
	struct error err;
	json_t *settings = bus_packet_json(packet, &err);
	bool first = gateway->settings == NULL;

	if (settings == NULL) {
		log_error("%s", err.text);
		return;
	}
	json_decref(gateway->settings);
	gateway->settings = settings;
	(void)log_form_set(json_string_value(json_object_get(settings, "log")));
	gateway->idle_ns =
		(uint64_t)json_integer_value(json_object_get(settings, "idleSeconds")) * NS_PER_S;
	if (first && gateway->settled != NULL) {
		gateway->settled(gateway->arg);
	}
}

static void on_event(struct gateway *gateway, struct bus_packet *packet)
{
	_cleanup_free_ char *name = bus_take(&packet->message, BUS_NAME);
	struct error err;
	json_t *event = bus_packet_json(packet, &err);
	const char *key = json_string_value(json_object_get(event, "sessionKey"));

	if (name == NULL || event == NULL) {
		json_decref(event);
		return;
	}
	if (strcmp(name, "session.ended") == 0 && key != NULL) {
		box_end_session(gateway, key);
	}
	events_add(gateway, name, event);
}

static void on_forget(struct gateway *gateway, const struct bus_packet *packet)
{
	_cleanup_free_ char *session = bus_take(&packet->message, BUS_SESSION);

	grants_forget(gateway->grants, session);
}

static void say_busy(struct gateway *gateway, const char *name)
{
	struct bus_message busy = {.kind = BUS_BUSY};
	struct error ignored;

	bus_set(&busy, BUS_NAME, name);
	(void)bus_channel_send(gateway->bus, &busy, NULL, 0, &ignored);
}

/* One that is not here any more was given back: the broker hears that before it could hear more. */
static void on_drop(struct gateway *gateway, const struct bus_packet *packet)
{
	_cleanup_free_ char *name = bus_take(&packet->message, BUS_NAME);
	bool closed = true;

	if (name == NULL) {
		return;
	}
	if ((packet->message.flags & BUS_IF_IDLE) == 0) {
		box_drop(gateway, name);
		browser_box_drop(gateway, name);
	} else if ((box_give_back(gateway, name, &closed) ||
			   browser_box_give_back(gateway, name, &closed)) &&
		   !closed) {
		say_busy(gateway, name);
	}
}

static void on_packet(void *arg, struct bus_packet *packet)
{
	struct gateway *gateway = arg;
	struct bus_message pong = {.kind = BUS_PONG, .id = packet->message.id};
	struct error ignored;

	switch (packet->message.kind) {
	case BUS_REPLY:
	case BUS_FAILURE:
		question_answered(gateway, packet);
		break;
	case BUS_SETTINGS:
		on_settings(gateway, packet);
		break;
	case BUS_EVENT:
		on_event(gateway, packet);
		break;
	case BUS_FORGET:
		on_forget(gateway, packet);
		break;
	case BUS_DROP:
		on_drop(gateway, packet);
		break;
	case BUS_PING:
		(void)bus_channel_send(gateway->bus, &pong, NULL, 0, &ignored);
		break;
	case BUS_STOP:
		gateway->stopping = true;
		gateway->stop(gateway->arg);
		break;
	case BUS_ACQUIRE:
	case BUS_ELEVATE:
	case BUS_ASK:
	case BUS_CANCEL:
	case BUS_RELEASE:
	case BUS_AUDIT:
	case BUS_PONG:
	case BUS_READY:
	case BUS_BUSY:
		log_error("the broker sent what only the front sends");
		break;
	}
}

/* Without its broker there is nothing it could do; the next broker starts another. */
static void on_closed(void *arg, const struct error *why)
{
	(void)arg;
	if (why->num != EPIPE) {
		log_error("%s", why->text);
	}
	_exit(EXIT_FAILURE);
}

static const struct bus_channel_ops channel_ops = {.packet = on_packet, .closed = on_closed};

struct gateway *gateway_new(struct event_base *base, int bus_fd)
{
	struct gateway *gateway = xcalloc(1, sizeof(*gateway));

	gateway->base = base;
	gateway->images_fd = FD_NONE;
	gateway->grants = grants_new();
	gateway->metrics = metrics_new();
	gateway->bus = bus_channel_new(base, bus_fd, &channel_ops, gateway);
	events_init(gateway);
	return gateway;
}

struct gateway *gateway_free(struct gateway *gateway)
{
	boxes_free(gateway);
	browser_boxes_free(gateway);
	gateway->grants = grants_free(gateway->grants);
	events_finish(gateway);
	gateway->bus = bus_channel_free(gateway->bus);
	json_decref(gateway->settings);
	gateway->metrics = metrics_free(gateway->metrics);
	free(gateway);
	return NULL;
}

void gateway_ready(struct gateway *gateway)
{
	struct bus_message ready = {.kind = BUS_READY};
	struct error ignored;

	(void)bus_channel_send(gateway->bus, &ready, NULL, 0, &ignored);
}

size_t gateway_calls(const struct gateway *gateway)
{
	return gateway->calls;
}

struct event_base *gateway_base(struct gateway *gateway)
{
	return gateway->base;
}

const json_t *gateway_settings(struct gateway *gateway)
{
	return gateway->settings;
}

void gateway_audit_for(struct gateway *gateway, const struct gateway_caller *caller,
	const char *agent, const char *session, const char *name, json_t *row)
{
	struct bus_message message = {.kind = BUS_AUDIT};
	_cleanup_free_ char *text = json_dumps(row, JSON_COMPACT);
	struct error err;
	int fd;

	json_decref(row);
	question_caller(&message, caller, &fd);
	bus_set(&message, BUS_AGENT, agent);
	bus_set(&message, BUS_SESSION, session);
	bus_set(&message, BUS_NAME, name);
	bus_set(&message, BUS_JSON, text);
	if (text == NULL ||
		bus_channel_send(gateway->bus, &message, &fd, fd >= 0 ? 1 : 0, &err) < 0) {
		log_warning("a row of the audit log is lost");
	}
}

void gateway_audit(struct gateway *gateway, const char *kind, json_t *event)
{
	struct gateway_caller nobody = {.local_fd = FD_NONE};

	gateway_audit_for(gateway, &nobody, NULL, NULL, kind, event);
}

const char *gateway_failure_type(const char *type)
{
	static const char *const types[] = {
		TOOL_FAIL_DENIED,
		TOOL_FAIL_ARGUMENTS,
		TOOL_FAIL_NOT_FOUND,
		TOOL_FAIL_FAILED,
		TOOL_FAIL_TIMEOUT,
		TOOL_FAIL_ABORTED,
		TOOL_FAIL_UNAVAILABLE,
		GATEWAY_FAIL_UNAUTHORIZED,
		GATEWAY_FAIL_FORBIDDEN,
		GATEWAY_FAIL_BUSY,
	};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (strcmp(types[i], type) == 0) {
			return types[i];
		}
	}
	return GATEWAY_FAIL_INTERNAL;
}
