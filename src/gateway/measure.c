/* SPDX-License-Identifier: MIT */
/* Figures that are looked at when somebody asks: gauges, and what the broker counted. */
#include <string.h>

#include "base/macro.h"
#include "gateway/internal.h"

static int64_t number(const json_t *told, const char *key)
{
	return json_integer_value(json_object_get(told, key));
}

/* tally_json()'s rows of one name. */
static void take_rows(
	struct metrics *metrics, enum metric metric, const json_t *rows, const char *name)
{
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const char *of = json_string_value(json_array_get(row, 0));

		if (of != NULL && strcmp(of, name) == 0) {
			metrics_set(metrics, metric, json_string_value(json_array_get(row, 1)),
				json_string_value(json_array_get(row, 2)),
				json_integer_value(json_array_get(row, 3)));
		}
	}
}

static void take_counts(struct metrics *metrics, const json_t *counts)
{
	static const struct {
		const char *name;
		enum metric metric;
	} names[] = {
		{"denials", METRIC_DENIALS},
		{"elevations", METRIC_ELEVATIONS},
		{"reloads", METRIC_RELOADS},
		{"auditFailures", METRIC_AUDIT_FAILURES},
	};

	/* One without labels has a value from the start. */
	metrics_set(metrics, METRIC_AUDIT_FAILURES, NULL, NULL, 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		take_rows(metrics, names[i].metric, counts, names[i].name);
	}
}

static void set_queue(struct metrics *metrics, const char *queue, int64_t depth)
{
	metrics_set(metrics, METRIC_QUEUE_DEPTH, queue, NULL, depth);
}

void gateway_measure(struct gateway *gateway, const json_t *told)
{
	struct metrics *m = gateway->metrics;
	uint64_t in = gateway->bytes_in, out = gateway->bytes_out;
	size_t processes = boxes_measure(gateway, &in, &out);

	metrics_set(m, METRIC_PROCESSES, NULL, NULL, (int64_t)processes);
	metrics_set(m, METRIC_BYTES, "in", NULL, (int64_t)in);
	metrics_set(m, METRIC_BYTES, "out", NULL, (int64_t)out);
	metrics_set(m, METRIC_SESSIONS, NULL, NULL, number(told, "sessions"));
	metrics_set(m, METRIC_SANDBOXES_HELD, NULL, NULL, number(told, "held"));
	metrics_set(m, METRIC_START_TIME, NULL, NULL, number(told, "startedMs") / 1000);
	metrics_set(m, METRIC_RESTARTS, "front", NULL, number(told, "restarts"));
	set_queue(m, "calls", (int64_t)gateway->calls);
	set_queue(m, "asks", (int64_t)questions_count(gateway));
	set_queue(m, "acquires", number(told, "acquires"));
	set_queue(m, "approvals", number(told, "approvals"));
	/* What is not there any more has to be 0, not gone. */
	metrics_reset(m, METRIC_SANDBOXES);
	take_rows(m, METRIC_SANDBOXES, json_object_get(told, "sandboxes"), "sandboxes");
	take_counts(m, json_object_get(told, "counts"));
}
