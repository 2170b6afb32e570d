/* SPDX-License-Identifier: MIT */
/* A browser outside of any sandbox, for the front: connected to, or started, by a worker. */
#ifndef BROKER_CONTROL_H
#define BROKER_CONTROL_H

#include "broker/worker.h"
#include "browser/control.h"

/* What broker and front call it: the same place, the same name. */
const char *control_name(struct arena *arena, const struct control *control);

/* In the worker: answers with the stream of a link that leads there alone (broker/door.h), and stays until
 * that or the lease ends. What it started ends then, too. extras: of the grant, taken over. */
void control_serve(struct worker_side *side, const struct decision *decision,
	const struct control *control, json_t *extras);

#endif
