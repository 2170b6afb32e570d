/* SPDX-License-Identifier: MIT */
/* What the gateway counts, and its text for Prometheus (exposition format 0.0.4). Pure: no I/O, no clock. */
#ifndef GATEWAY_METRICS_H
#define GATEWAY_METRICS_H

#include <stdint.h>

#include "base/buf.h"

enum metric {
	METRIC_CALLS, /* counter; tool, outcome ("ok" or a TOOL_FAIL_* text) */
	METRIC_CALL_SECONDS, /* histogram; tool */
	METRIC_ACQUIRE_SECONDS, /* histogram; backend: how long a session waited for its sandbox */
	METRIC_DENIALS, /* counter; layer, rule */
	METRIC_ELEVATIONS, /* counter; outcome */
	METRIC_BYTES, /* counter; direction, as the sandboxes see it ("in", "out") */
	METRIC_RELOADS, /* counter; outcome */
	METRIC_RESTARTS, /* counter; process ("front") */
	METRIC_AUDIT_FAILURES, /* counter */
	METRIC_SANDBOXES, /* gauge; backend, state */
	METRIC_SESSIONS, /* gauge */
	METRIC_SANDBOXES_HELD, /* gauge: whose stream the front has */
	METRIC_QUEUE_DEPTH, /* gauge; queue ("calls", "acquires", "approvals", "asks") */
	METRIC_PROCESSES, /* gauge: processes that run, in the background too */
	METRIC_START_TIME, /* gauge: seconds since the epoch */
	METRIC_COUNT_
};

struct metrics;
struct metrics *metrics_new(void);
struct metrics *metrics_free(struct metrics *metrics); /* takes NULL, returns NULL */

/*
 * Label values stand in the order of the comments above; NULL where a metric has fewer. They may come from
 * anywhere: a value over 120 bytes is cut, and once a metric has LIMIT_METRIC_SERIES combinations new ones
 * are counted as "other", so that no caller can make it grow.
 */
void metrics_add(struct metrics *metrics, enum metric metric, const char *label, const char *label2,
	uint64_t amount);
void metrics_set(struct metrics *metrics, enum metric metric, const char *label, const char *label2,
	int64_t value);
/* Every series of a gauge becomes 0, before all that there is now is set. */
void metrics_reset(struct metrics *metrics, enum metric metric);
void metrics_observe(
	struct metrics *metrics, enum metric metric, const char *label, uint64_t duration_us);

/* A finished call: METRIC_CALLS and METRIC_CALL_SECONDS. */
void metrics_call(
	struct metrics *metrics, const char *tool, const char *outcome, uint64_t duration_us);

void metrics_render(const struct metrics *metrics, struct buf *out);

#endif
