/* SPDX-License-Identifier: MIT */
/* The sandboxes in use: acquire.c brings them to life and to their end, this keeps them. */
#ifndef BROKER_ACQUIRE_TABLE_H
#define BROKER_ACQUIRE_TABLE_H

#include "broker/broker.h"

enum sandbox_state {
	SANDBOX_STARTING, /* a worker is at it */
	SANDBOX_HELD, /* the front has the stream */
	/* Held, too. The configuration changed meanwhile: a worker looks what that means for it, and the
	 * front is asked to give it back if nothing is at work in it (contract D12). */
	SANDBOX_LOOKED_AT,
	SANDBOX_ASKED_FOR,
};

struct sandbox {
	struct sandbox *next, **slot;
	struct broker *broker;
	char *name;
	enum sandbox_state state;
	bool outside; /* a browser outside of any sandbox */
	uint64_t generation; /* of the configuration it was looked at with */
	json_t *extras; /* what starting it told */
	uint64_t asked_ns; /* since when it is being started */
	char *notice; /* while LOOKED_AT and ASKED_FOR: for who is given it as it is */
	int lock_fd; /* nobody else works in it meanwhile */
	struct worker *worker; /* starting it, or its keeper */
	struct worker *looker;
	struct request *waiters;
};

/* NULL: none of that name is in use. */
struct sandbox *sandbox_find(const struct broker *broker, const char *name);
/* Into the table, STARTING, with nothing of the sandbox itself. */
struct sandbox *sandbox_new(struct broker *broker, const char *name);
/* Out of the table, with all that is held of it. Nobody may wait for it any more. */
void sandbox_free(struct sandbox *s);
/* What is held of the sandbox itself. Whoever takes its lock next finds when it was used last. */
void sandbox_let_go(struct sandbox *s);
size_t sandbox_count(const struct broker *broker); /* in the table */

/* Behind those who wait already. */
void sandbox_wait(struct sandbox *s, struct request *r);
/* Takes the first of those who wait, of whom there has to be one. */
struct request *sandbox_next_waiter(struct sandbox *s);

/* All three give each request its answer, with which it is gone. */

/* s NULL: the decision alone. reply NULL: the front has the stream; else its descriptors go along. false:
 * they did not. */
bool sandbox_answer(struct request *r, const struct sandbox *s, const struct worker_reply *reply);
/* The first brings the stream to the front. false: none did. */
bool sandbox_answer_waiters(struct sandbox *s, const struct worker_reply *reply);
void sandbox_fail_waiters(struct sandbox *s, const char *type, const char *why);

#endif
