/* SPDX-License-Identifier: MIT */
/* Idle and old sandboxes go by themselves, also while nobody calls; so does what was left over. */
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "broker/broker.h"
#include "broker/lifecycle-list.h"
#include "tools/tool.h"

enum { EVERY_S = 5 * 60 };

struct pruner {
	struct broker *broker;
	struct event *timer;
	struct worker *worker; /* at it right now */
};

static void tell(void *arg, const struct lifecycle_sandbox *sandbox, const struct error *failure)
{
	if (failure != NULL) {
		log_with(LOG_LEVEL_WARNING, LOG_FIELDS({"sandbox", sandbox->row.name}),
			"sandbox %s: %s", sandbox->row.name, failure->text);
		return;
	}
	(void)json_array_append_new(
		arg, json_pack("{s:s,s:s?,s:s?,s:s}", "name", sandbox->row.name, "agent",
			     sandbox->row.agent, "scope", sandbox->row.scope_key, "backend",
			     sandbox->row.backend));
}

static void run(struct worker_side *side, void *arg)
{
	const struct broker *broker = arg;
	json_t *removed = json_array();
	struct lifecycle_list list = {0};
	struct lifecycle_pruned pruned;
	struct lifecycle *lifecycle;
	struct error err;

	if (lifecycle_open(broker->config, &lifecycle, &err) < 0) {
		worker_fail(side, TOOL_FAIL_UNAVAILABLE, &err);
		return;
	}
	lifecycle_list(lifecycle, &list);
	lifecycle_prune(lifecycle, &list, tell, removed, &pruned);
	worker_answer(side,
		json_pack("{s:o,s:I}", "removed", removed, "swept", (json_int_t)pruned.swept), NULL,
		0);
	lifecycle_list_finish(&list);
	(void)lifecycle_close(lifecycle);
}

static void on_done(
	void *arg, struct worker *worker, struct worker_reply *reply, enum worker_keep *keep)
{
	struct pruner *pruner = arg;
	const json_t *removed = json_object_get(reply->json, "removed"), *item;
	size_t i;

	(void)worker;
	*keep = WORKER_DONE;
	pruner->worker = NULL;
	if (reply->json == NULL) {
		log_warning("idle sandboxes were not looked for: %s", reply->failure.text);
	}
	json_array_foreach(removed, i, item)
	{
		const char *name = json_string_value(json_object_get(item, "name"));

		broker_record(pruner->broker, NULL, "prune",
			&(struct record_fields){.kind = "sandbox",
				.sandbox = name,
				.backend = json_string_value(json_object_get(item, "backend")),
				.detail = item});
		front_event(pruner->broker, "sandbox.removed", json_pack("{s:s}", "name", name));
	}
}

static void on_time(evutil_socket_t fd, short events, void *arg)
{
	struct pruner *pruner = arg;
	struct timeval every = {.tv_sec = EVERY_S};
	struct error err;

	(void)fd;
	(void)events;
	(void)event_add(pruner->timer, &every);
	if (pruner->worker != NULL || pruner->broker->stopping) {
		return;
	}
	if (worker_start(pruner->broker->base,
		    &(struct worker_job){
			    .run = run,
			    .run_arg = pruner->broker,
			    .done = on_done,
			    .done_arg = pruner,
			    .ret = &pruner->worker,
		    },
		    &err) < 0) {
		log_warning("%s", err.text);
	}
}

struct pruner *pruner_start(struct broker *broker)
{
	struct pruner *pruner = xcalloc(1, sizeof(*pruner));

	pruner->broker = broker;
	pruner->timer = evtimer_new(broker->base, on_time, pruner);
	/* At once, too: what an earlier gateway left. */
	event_active(pruner->timer, EV_TIMEOUT, 1);
	return pruner;
}

struct pruner *pruner_stop(struct pruner *pruner)
{
	if (pruner != NULL) {
		if (pruner->worker != NULL) {
			worker_release(pruner->worker);
		}
		event_free(pruner->timer);
		free(pruner);
	}
	return NULL;
}
