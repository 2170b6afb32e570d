/* SPDX-License-Identifier: MIT */
/* Operations: most are the broker's. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/own.h"
#include "gateway/internal.h"

struct gateway_ask {
	struct gateway *gateway;
	struct question *question;
	gateway_answer_fn done;
	void *arg;
	bool *ended;
};

static void ask_free(struct gateway_ask *ask)
{
	if (ask->ended != NULL) {
		*ask->ended = true;
	}
	free(ask);
}

static void answer(
	struct gateway_ask *ask, const json_t *result, const struct gateway_failure *failure)
{
	gateway_answer_fn done = ask->done;
	void *arg = ask->arg;

	ask_free(ask);
	done(arg, result, failure);
}

static void on_answer(void *arg, struct bus_packet *packet, const struct gateway_failure *failure)
{
	struct gateway_ask *ask = arg;
	struct gateway_failure broken = {.type = GATEWAY_FAIL_INTERNAL};
	struct error err;
	json_t *json;

	if (failure != NULL) {
		answer(ask, NULL, failure);
		return;
	}
	json = bus_packet_json(packet, &err);
	if (json == NULL) {
		broken.message = err.text;
		answer(ask, NULL, &broken);
		return;
	}
	answer(ask, json, NULL);
	json_decref(json);
}

static void ask_broker(struct gateway_ask *ask, const struct gateway_caller *caller, const char *op,
	const json_t *args)
{
	struct bus_message message = {.kind = BUS_ASK};
	_cleanup_free_ char *text = json_dumps(args, JSON_COMPACT);
	struct gateway_failure broken = {
		.type = TOOL_FAIL_ARGUMENTS, .message = "the arguments cannot be passed on"};
	int fd;

	if (text == NULL) {
		answer(ask, NULL, &broken);
		return;
	}
	question_caller(&message, caller, &fd);
	bus_set(&message, BUS_OP, op);
	bus_set(&message, BUS_JSON, text);
	ask->question = question_ask(ask->gateway, &message, fd, on_answer, ask);
}

struct gateway_ask *gateway_ask(struct gateway *gateway, const struct gateway_caller *caller,
	const char *op, json_t *args, gateway_answer_fn done, void *arg)
{
	struct gateway_ask *ask = xcalloc(1, sizeof(*ask));
	json_t *given = args != NULL ? args : json_object();
	bool ended = false;

	*ask = (struct gateway_ask){.gateway = gateway, .done = done, .arg = arg, .ended = &ended};
	ask_broker(ask, caller, op, given);
	json_decref(given);
	if (ended) {
		return NULL;
	}
	ask->ended = NULL;
	return ask;
}

void gateway_ask_forget(struct gateway_ask *ask)
{
	if (ask->question != NULL) {
		question_forget(ask->question);
	}
	ask_free(ask);
}
