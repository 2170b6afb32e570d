/* SPDX-License-Identifier: MIT */
/*
 * What would block the broker's loop runs in a forked child: it has the configuration as it was, its
 * own descriptors alone, and answers once. Afterwards it may stay for as long as its answer is of use.
 */
#ifndef BROKER_WORKER_H
#define BROKER_WORKER_H

#include <event2/event.h>
#include <jansson.h>

#include "bus/bus.h"

/* In the child. */
struct worker_side;

/* The answer: JSON (taken over) and descriptors, which stay the caller's. */
void worker_answer(struct worker_side *side, json_t *json, const int *fds, size_t fd_count);
void worker_fail(struct worker_side *side, const char *type, const struct error *err);
/* Becomes readable, at its end, when the broker lets go of this worker or is dead. */
int worker_lease_fd(const struct worker_side *side);
/* Wait for that. */
void worker_wait(struct worker_side *side);

typedef void (*worker_fn)(struct worker_side *side, void *arg);

/* In the broker. */
struct worker;

struct worker_reply {
	json_t *json; /* NULL: it failed; borrowed */
	int fds[BUS_FDS_MAX]; /* closed after the call unless taken (TAKE_FD) */
	size_t fd_count;
	const char *failure_type; /* when it failed */
	struct error failure;
};

enum worker_keep {
	WORKER_DONE, /* its answer was all */
	WORKER_KEEP, /* it lives until worker_release() */
	WORKER_UNTIL_ITS_END, /* it lives as long as it likes; the pointer is not to be used again */
};

/* Comes exactly once, unless worker_release() comes first. *keep is WORKER_DONE at first. */
typedef void (*worker_done_fn)(
	void *arg, struct worker *worker, struct worker_reply *reply, enum worker_keep *keep);

/* run is called in the child with run_arg, which is not touched in the broker. */
struct worker_job {
	worker_fn run;
	void *run_arg;
	worker_done_fn done;
	void *done_arg;
	struct worker **ret; /* for worker_release() before done; NULL: it is not wanted */
};
int worker_start(struct event_base *base, const struct worker_job *job, struct error *err);
/* Let go of one that was kept, or that has not answered yet (done does not come then). */
void worker_release(struct worker *worker);
/* How many there are, kept ones too. */
size_t worker_count(void);

#endif
