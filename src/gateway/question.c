/* SPDX-License-Identifier: MIT */
/* Questions to the broker and their answers. */
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "base/mem.h"
#include "base/own.h"
#include "gateway/internal.h"

struct question {
	struct question *next, **slot;
	struct gateway *gateway;
	uint32_t id;
	question_fn done;
	void *arg;
};

void question_caller(struct bus_message *message, const struct gateway_caller *caller, int *ret_fd)
{
	const struct sender *s = &caller->sender;

	bus_set(message, BUS_TOKEN, caller->token);
	bus_set(message, BUS_TRANSPORT, caller->transport);
	bus_set(message, BUS_MODEL, caller->model_provider);
	bus_set(message, BUS_SENDER_PROVIDER, s->provider);
	bus_set(message, BUS_SENDER_ID, s->id);
	bus_set(message, BUS_SENDER_NAME, s->name);
	bus_set(message, BUS_SENDER_USERNAME, s->username);
	bus_set(message, BUS_SENDER_TAG, s->tag);
	bus_set(message, BUS_SENDER_E164, s->e164);
	bus_set(message, BUS_SENDER_FROM, s->from);
	message->flags |= s->is_owner ? BUS_OWNER : 0;
	*ret_fd = FD_NONE;
	if (caller->token == NULL && caller->local_fd >= 0) {
		message->flags |= BUS_LOCAL;
		*ret_fd = caller->local_fd;
	}
}

static void unlink_question(struct question *q)
{
	*q->slot = q->next;
	if (q->next != NULL) {
		q->next->slot = q->slot;
	}
	free(q);
}

struct question *question_ask(
	struct gateway *gateway, struct bus_message *message, int fd, question_fn done, void *arg)
{
	struct question *q = xcalloc(1, sizeof(*q));
	struct gateway_failure failure = {.type = TOOL_FAIL_ARGUMENTS};
	struct error err;

	gateway->next_id = gateway->next_id == UINT32_MAX ? 1 : gateway->next_id + 1;
	message->id = gateway->next_id;
	*q = (struct question){
		.next = gateway->questions,
		.slot = &gateway->questions,
		.gateway = gateway,
		.id = message->id,
		.done = done,
		.arg = arg,
	};
	if (q->next != NULL) {
		q->next->slot = &q->next;
	}
	gateway->questions = q;
	if (bus_channel_send(gateway->bus, message, &fd, fd >= 0 ? 1 : 0, &err) < 0) {
		unlink_question(q);
		failure.message = err.text;
		done(arg, NULL, &failure);
		return NULL;
	}
	return q;
}

void question_forget(struct question *q)
{
	struct bus_message cancel = {.kind = BUS_CANCEL, .id = q->id};
	struct error ignored;

	(void)bus_channel_send(q->gateway->bus, &cancel, NULL, 0, &ignored);
	unlink_question(q);
}

static void answer_failure(struct question *q, const struct bus_packet *packet)
{
	_cleanup_free_ char *type = bus_take(&packet->message, BUS_TYPE);
	_cleanup_free_ char *text = bus_take(&packet->message, BUS_MESSAGE);
	_cleanup_free_ char *hint = bus_take(&packet->message, BUS_HINT);
	struct gateway_failure failure = {
		.type = type != NULL ? type : GATEWAY_FAIL_INTERNAL,
		.message = text != NULL ? text : "the broker refused",
		.hint = hint,
	};
	question_fn done = q->done;
	void *arg = q->arg;

	unlink_question(q);
	done(arg, NULL, &failure);
}

/* A stream that came for nobody: the broker takes it for ours until it hears otherwise. */
static void give_back(struct gateway *gateway, struct bus_packet *packet)
{
	struct bus_message release = {.kind = BUS_RELEASE};
	struct error ignored;
	json_t *grant;

	if (packet->message.kind != BUS_REPLY || (packet->message.flags & BUS_HELD) != 0 ||
		packet->fd_count == 0) {
		return;
	}
	grant = bus_packet_json(packet, &ignored);
	bus_set(&release, BUS_NAME, json_string_value(json_object_get(grant, "sandbox")));
	if (release.fields[BUS_NAME].data != NULL) {
		(void)bus_channel_send(gateway->bus, &release, NULL, 0, &ignored);
	}
	json_decref(grant);
}

void question_answered(struct gateway *gateway, struct bus_packet *packet)
{
	struct question *q = gateway->questions;
	question_fn done;
	void *arg;

	while (q != NULL && q->id != packet->message.id) {
		q = q->next;
	}
	if (q == NULL) {
		give_back(gateway, packet); /* forgotten meanwhile */
		return;
	}
	if (packet->message.kind == BUS_FAILURE) {
		answer_failure(q, packet);
		return;
	}
	done = q->done;
	arg = q->arg;
	unlink_question(q);
	done(arg, packet, NULL);
}

size_t questions_count(const struct gateway *gateway)
{
	size_t count = 0;

	for (const struct question *q = gateway->questions; q != NULL; q = q->next) {
		count++;
	}
	return count;
}
