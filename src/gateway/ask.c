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

/* One that cannot even be sent has ended ask by then. */
static void send_question(
	struct gateway_ask *ask, struct bus_message *message, int fd, question_fn done)
{
	struct question *question = question_ask(ask->gateway, message, fd, done, ask);

	if (question != NULL) {
		ask->question = question;
	}
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
	send_question(ask, &message, fd, on_answer);
}

/* The counters are here, what there is now the broker knows; that it answers lets the caller in. */
static void on_metrics(void *arg, struct bus_packet *packet, const struct gateway_failure *failure)
{
	struct gateway_ask *ask = arg;
	_cleanup_buf_ struct buf text = {0};
	struct error ignored;
	json_t *told, *result;

	if (failure != NULL) {
		answer(ask, NULL, failure);
		return;
	}
	told = bus_packet_json(packet, &ignored);
	gateway_measure(ask->gateway, told);
	json_decref(told);
	metrics_render(ask->gateway->metrics, &text);
	result = json_pack("{s:s}", "text", text.data != NULL ? text.data : "");
	answer(ask, result, NULL);
	json_decref(result);
}

static void ask_metrics(struct gateway_ask *ask, const struct gateway_caller *caller)
{
	struct bus_message message = {.kind = BUS_ASK};
	int fd;

	question_caller(&message, caller, &fd);
	bus_set(&message, BUS_OP, "metrics");
	bus_set(&message, BUS_JSON, "{}");
	send_question(ask, &message, fd, on_metrics);
}

struct gateway_ask *gateway_ask(struct gateway *gateway, const struct gateway_caller *caller,
	const char *op, json_t *args, gateway_answer_fn done, void *arg)
{
	struct gateway_ask *ask = xcalloc(1, sizeof(*ask));
	json_t *given = args != NULL ? args : json_object();
	bool ended = false;

	*ask = (struct gateway_ask){.gateway = gateway, .done = done, .arg = arg, .ended = &ended};
	if (strcmp(op, "metrics") == 0) {
		ask_metrics(ask, caller);
	} else {
		ask_broker(ask, caller, op, given);
	}
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
