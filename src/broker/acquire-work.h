/* SPDX-License-Identifier: MIT */
/* What acquire.c leaves to forked workers, for it looks at the host, or waits. */
#ifndef BROKER_ACQUIRE_WORK_H
#define BROKER_ACQUIRE_WORK_H

#include "broker/control.h"
#include "broker/lifecycle.h"
#include "broker/worker.h"

/* arg of both. */
struct acquire_job {
	struct decision *decision;
	enum sandbox_kind kind;
	const struct control *control; /* a browser outside of any sandbox instead; NULL */
};

/*
 * Find or make the sandbox: its stream, then, for one that lasts, its lock and where it tells of denials.
 * Without a lock the worker is its keeper, until it is released. The answer: "top" and "spec" for the
 * grant, "hash", what it was made from.
 */
void acquire_work_start(struct worker_side *side, void *arg);

/* What it would be made from today: "hash", and "notice" for who is given an older one. */
void acquire_work_look(struct worker_side *side, void *arg);

#endif
