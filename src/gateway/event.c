/* SPDX-License-Identifier: MIT */
/* What happened, for those who watch: kept for a while, given out once to each. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "gateway/internal.h"
#include "policy/tools.h"

struct kept_event {
	char *kind;
	json_t *event;
};

struct gateway_watch {
	struct gateway_watch *next, **slot;
	struct gateway *gateway;
	json_t *auth;
	gateway_event_fn fn;
	void *arg;
};

void events_init(struct gateway *gateway)
{
	gateway->events.next_id = 1;
}

static bool list_admits(const json_t *list, const char *text)
{
	bool admits = json_array_size(list) == 0;

	for (size_t i = 0; !admits && i < json_array_size(list); i++) {
		admits = tool_glob_match(json_string_value(json_array_get(list, i)), text);
	}
	return admits;
}

/* An administrator sees all; others what names an agent and a session of theirs. */
static bool may_see(const json_t *auth, const json_t *event)
{
	const char *agent = json_string_value(json_object_get(event, "agentId"));
	const char *session = json_string_value(json_object_get(event, "sessionKey"));

	if (json_is_true(json_object_get(auth, "admin"))) {
		return true;
	}
	return agent != NULL && session != NULL &&
	       list_admits(json_object_get(auth, "agents"), agent) &&
	       list_admits(json_object_get(auth, "sessions"), session);
}

void events_add(struct gateway *gateway, const char *kind, json_t *event)
{
	uint64_t id = gateway->events.next_id++;
	struct kept_event *slot;
	struct gateway_watch *next;

	if (gateway->events.ring == NULL) {
		gateway->events.ring = xcalloc(GATEWAY_EVENTS_KEPT, sizeof(struct kept_event));
	}
	slot = &gateway->events.ring[id % GATEWAY_EVENTS_KEPT];
	free(slot->kind);
	json_decref(slot->event);
	*slot = (struct kept_event){.kind = xstrdup(kind), .event = event};
	for (struct gateway_watch *w = gateway->events.watches; w != NULL; w = next) {
		next = w->next;
		if (may_see(w->auth, event)) {
			w->fn(w->arg, id, kind, event);
		}
	}
}

void events_finish(struct gateway *gateway)
{
	for (size_t i = 0; gateway->events.ring != NULL && i < GATEWAY_EVENTS_KEPT; i++) {
		free(gateway->events.ring[i].kind);
		json_decref(gateway->events.ring[i].event);
	}
	free(gateway->events.ring);
	gateway->events.ring = NULL;
}

static void give_kept(struct gateway_watch *watch, uint64_t after)
{
	const struct gateway *gateway = watch->gateway;
	uint64_t end = gateway->events.next_id;
	uint64_t first = end > GATEWAY_EVENTS_KEPT ? end - GATEWAY_EVENTS_KEPT : 1;

	if (after == UINT64_MAX || gateway->events.ring == NULL) {
		return;
	}
	first = after + 1 > first ? after + 1 : first;
	for (uint64_t id = first; id < end; id++) {
		const struct kept_event *e = &gateway->events.ring[id % GATEWAY_EVENTS_KEPT];

		if (e->kind != NULL && may_see(watch->auth, e->event)) {
			watch->fn(watch->arg, id, e->kind, e->event);
		}
	}
}

struct gateway_watch *gateway_watch(
	struct gateway *gateway, const json_t *auth, uint64_t after, gateway_event_fn fn, void *arg)
{
	struct gateway_watch *watch = xcalloc(1, sizeof(*watch));

	*watch = (struct gateway_watch){
		.next = gateway->events.watches,
		.slot = &gateway->events.watches,
		.gateway = gateway,
		.auth = json_incref((json_t *)(uintptr_t)auth),
		.fn = fn,
		.arg = arg,
	};
	if (watch->next != NULL) {
		watch->next->slot = &watch->next;
	}
	gateway->events.watches = watch;
	give_kept(watch, after);
	return watch;
}

struct gateway_watch *gateway_unwatch(struct gateway_watch *watch)
{
	if (watch != NULL) {
		*watch->slot = watch->next;
		if (watch->next != NULL) {
			watch->next->slot = watch->slot;
		}
		json_decref(watch->auth);
		free(watch);
	}
	return NULL;
}
