/* SPDX-License-Identifier: MIT */
#include "broker/ask-metrics.h"

#include <string.h>

#include "broker/lifecycle-list.h"
#include "broker/tally.h"

/* [[backend, state, count]]: of the instance, whoever uses them. */
static json_t *count_sandboxes(struct broker *broker)
{
	struct tally *tally = tally_new();
	struct lifecycle_list list = {0};
	struct lifecycle *lifecycle;
	struct error ignored;
	json_t *counts;

	/* An engine that is away is no reason to have no figures: its sandboxes are "unknown". */
	if (lifecycle_open(broker->config, &lifecycle, &ignored) == 0) {
		lifecycle_list(lifecycle, &list);
		for (size_t i = 0; i < list.count; i++) {
			tally_add(tally, "sandboxes", list.items[i].row.backend,
				sandbox_status_name(list.items[i].status));
		}
		lifecycle_list_finish(&list);
		(void)lifecycle_close(lifecycle);
	}
	counts = tally_json(tally);
	(void)tally_free(tally);
	return counts;
}

/* In the child's copy of the broker's memory, without its descriptors: the sessions were read before. */
struct job {
	struct broker *broker;
	size_t sessions;
};

static void run_metrics(struct worker_side *side, void *arg)
{
	const struct job *job = arg;
	struct broker *broker = job->broker;
	json_t *front = front_status(broker);

	worker_answer(side,
		json_pack("{s:I,s:i,s:i,s:i,s:i,s:O,s:o,s:o}", "startedMs",
			(json_int_t)broker->started_wall_ms, "sessions", (int)job->sessions,
			"approvals", (int)broker->approval_count, "acquires",
			(int)acquire_waiting(broker), "held", (int)acquire_count(broker),
			"restarts", json_object_get(front, "restarts"), "sandboxes",
			count_sandboxes(broker), "counts", tally_json(broker->tally)),
		NULL, 0);
	json_decref(front);
}

void op_metrics(struct request *request, json_t *args)
{
	json_t *sessions = sessions_list(request->broker->sessions, NULL);
	struct job job = {.broker = request->broker, .sessions = json_array_size(sessions)};

	(void)args;
	json_decref(sessions);
	request_work(request, run_metrics, &job, request_pass);
}
