/* SPDX-License-Identifier: MIT */
#include "gateway/metrics.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

enum { LABEL_MAX = 120, LABELS = 2, US_PER_S = 1000000 };

/* Upper ends in microseconds: a call in a live sandbox takes one millisecond, a build minutes. */
static const uint64_t buckets_us[] = {250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000,
	250000, 500000, 1000000, 2500000, 10000000, 30000000, 120000000};
enum { BUCKETS = ARRAY_SIZE(buckets_us) };

enum metric_type { COUNTER, GAUGE, HISTOGRAM };

static const struct {
	const char *name, *help;
	enum metric_type type;
	const char *labels[LABELS];
} families[] = {
	[METRIC_CALLS] = {"creel_calls_total", "Tool calls that ended.", COUNTER,
		{"tool", "outcome"}},
	[METRIC_CALL_SECONDS] = {"creel_call_duration_seconds", "How long tool calls took.",
		HISTOGRAM, {"tool"}},
	[METRIC_ACQUIRE_SECONDS] = {"creel_acquire_duration_seconds",
		"How long a session waited for its sandbox.", HISTOGRAM, {"backend"}},
	[METRIC_DENIALS] = {"creel_denials_total", "What was refused, by the rule that did it.",
		COUNTER, {"layer", "rule"}},
	[METRIC_ELEVATIONS] = {"creel_elevations_total", "Commands asked for outside the sandbox.",
		COUNTER, {"outcome"}},
	[METRIC_BYTES] = {"creel_sandbox_bytes_total",
		"Bytes on the streams of sandboxes: into them, out of them.", COUNTER,
		{"direction"}},
	[METRIC_RELOADS] = {"creel_config_reloads_total",
		"Attempts to load a changed configuration.", COUNTER, {"outcome"}},
	[METRIC_RESTARTS] = {"creel_restarts_total", "Processes of the gateway started anew.",
		COUNTER, {"process"}},
	[METRIC_AUDIT_FAILURES] = {"creel_audit_failures_total",
		"Rows that could not be written to the audit log.", COUNTER, {NULL}},
	[METRIC_SANDBOXES] = {"creel_sandboxes", "Sandboxes that there are.", GAUGE,
		{"backend", "state"}},
	[METRIC_SESSIONS] = {"creel_sessions", "Sessions that are open.", GAUGE, {NULL}},
	[METRIC_SANDBOXES_HELD] = {"creel_sandboxes_held",
		"Sandboxes that the gateway has a stream to.", GAUGE, {NULL}},
	[METRIC_QUEUE_DEPTH] = {"creel_queue_depth", "What waits or is being worked on.", GAUGE,
		{"queue"}},
	[METRIC_PROCESSES] = {"creel_processes", "Processes of tool calls that run.", GAUGE,
		{NULL}},
	[METRIC_START_TIME] = {"creel_start_time_seconds",
		"When the gateway started, in seconds since the epoch.", GAUGE, {NULL}},
};
_Static_assert(ARRAY_SIZE(families) == METRIC_COUNT_, "every metric is described");

struct series {
	char labels[LABELS][LABEL_MAX + 1];
	int64_t value; /* of a histogram: observations */
	uint64_t sum_us;
	uint64_t buckets[BUCKETS]; /* of a histogram: each without the ones below it */
};

struct family {
	struct series *series;
	size_t count, cap;
};

struct metrics {
	struct family families[METRIC_COUNT_];
};

struct metrics *metrics_new(void)
{
	return xcalloc(1, sizeof(struct metrics));
}

struct metrics *metrics_free(struct metrics *metrics)
{
	for (size_t i = 0; metrics != NULL && i < METRIC_COUNT_; i++) {
		free(metrics->families[i].series);
	}
	free(metrics);
	return NULL;
}

/* --- series --- */

static void set_label(char ret[LABEL_MAX + 1], const char *label)
{
	size_t len = label != NULL ? strnlen(label, LABEL_MAX) : 0;

	(void)memcpy(ret, label != NULL ? label : "", len);
	ret[len] = '\0';
}

static bool is_series(const struct series *series, const char *const labels[LABELS])
{
	for (size_t i = 0; i < LABELS; i++) {
		const char *label = labels[i] != NULL ? labels[i] : "";

		if (strncmp(series->labels[i], label, LABEL_MAX) != 0) {
			return false;
		}
	}
	return true;
}

static struct series *add_series(
	struct family *family, enum metric metric, const char *const labels[LABELS])
{
	struct series *series;

	if (family->count == family->cap) {
		family->cap = family->cap > 0 ? family->cap * 2 : 4;
		family->series =
			xreallocarray(family->series, family->cap, sizeof(*family->series));
	}
	series = &family->series[family->count++];
	*series = (struct series){0};
	for (size_t i = 0; i < LABELS; i++) {
		set_label(series->labels[i], families[metric].labels[i] != NULL ? labels[i] : NULL);
	}
	return series;
}

static struct series *series_of(
	struct metrics *metrics, enum metric metric, const char *label, const char *label2)
{
	static const char *const others[LABELS] = {"other", "other"};
	const char *labels[LABELS] = {label, label2};
	const char *const *wanted = labels;
	struct family *family = &metrics->families[metric];

	for (;;) {
		for (size_t i = 0; i < family->count; i++) {
			if (is_series(&family->series[i], wanted)) {
				return &family->series[i];
			}
		}
		if (wanted == others || family->count < LIMIT_METRIC_SERIES) {
			return add_series(family, metric, wanted);
		}
		wanted = others;
	}
}

/* --- counting --- */

void metrics_add(struct metrics *metrics, enum metric metric, const char *label, const char *label2,
	uint64_t amount)
{
	series_of(metrics, metric, label, label2)->value += (int64_t)amount;
}

void metrics_set(struct metrics *metrics, enum metric metric, const char *label, const char *label2,
	int64_t value)
{
	series_of(metrics, metric, label, label2)->value = value;
}

void metrics_reset(struct metrics *metrics, enum metric metric)
{
	for (size_t i = 0; i < metrics->families[metric].count; i++) {
		metrics->families[metric].series[i].value = 0;
	}
}

void metrics_observe(
	struct metrics *metrics, enum metric metric, const char *label, uint64_t duration_us)
{
	struct series *series = series_of(metrics, metric, label, NULL);
	size_t i = 0;

	series->value++;
	series->sum_us += duration_us;
	while (i < BUCKETS && duration_us > buckets_us[i]) {
		i++;
	}
	if (i < BUCKETS) {
		series->buckets[i]++;
	}
}

void metrics_call(
	struct metrics *metrics, const char *tool, const char *outcome, uint64_t duration_us)
{
	metrics_add(metrics, METRIC_CALLS, tool, outcome, 1);
	metrics_observe(metrics, METRIC_CALL_SECONDS, tool, duration_us);
}

/* --- text --- */

/* Backslash, quote and newline are escaped; other control characters have no escape there. */
static void add_label(struct buf *out, const char *name, const char *value, char before)
{
	buf_addf(out, "%c%s=\"", before, name);
	for (const char *c = value; *c != '\0'; c++) {
		if (*c == '\\' || *c == '"') {
			buf_addf(out, "\\%c", *c);
		} else if (*c == '\n') {
			buf_add_str(out, "\\n");
		} else {
			buf_add_char(out, (unsigned char)*c < ' ' || *c == 0x7f ? '?' : *c);
		}
	}
	buf_add_char(out, '"');
}

/* {tool="exec",le="0.1"}; nothing at all for a series without labels. */
static void add_labels(
	struct buf *out, enum metric metric, const struct series *series, const char *le)
{
	char before = '{';

	for (size_t i = 0; i < LABELS && families[metric].labels[i] != NULL; i++) {
		add_label(out, families[metric].labels[i], series->labels[i], before);
		before = ',';
	}
	if (le != NULL) {
		add_label(out, "le", le, before);
		before = ',';
	}
	if (before == ',') {
		buf_add_char(out, '}');
	}
}

/* Seconds without floating point: "0.00025", "120". */
static void add_seconds(struct buf *out, uint64_t us)
{
	size_t end;

	buf_addf(out, "%llu.%06llu", (unsigned long long)(us / US_PER_S),
		(unsigned long long)(us % US_PER_S));
	for (end = out->len; out->data[end - 1] == '0'; end--) {
	}
	out->len = out->data[end - 1] == '.' ? end - 1 : end;
	out->data[out->len] = '\0';
}

static void add_histogram(struct buf *out, enum metric metric, const struct series *series)
{
	uint64_t below = 0;

	for (size_t i = 0; i <= BUCKETS; i++) {
		_cleanup_buf_ struct buf le = {0};

		if (i < BUCKETS) {
			below += series->buckets[i];
			add_seconds(&le, buckets_us[i]);
		} else {
			below = (uint64_t)series->value;
			buf_add_str(&le, "+Inf");
		}
		buf_addf(out, "%s_bucket", families[metric].name);
		add_labels(out, metric, series, le.data);
		buf_addf(out, " %llu\n", (unsigned long long)below);
	}
	buf_addf(out, "%s_sum", families[metric].name);
	add_labels(out, metric, series, NULL);
	buf_add_char(out, ' ');
	add_seconds(out, series->sum_us);
	buf_addf(out, "\n%s_count", families[metric].name);
	add_labels(out, metric, series, NULL);
	buf_addf(out, " %lld\n", (long long)series->value);
}

static void add_value(struct buf *out, enum metric metric, const struct series *series)
{
	buf_add_str(out, families[metric].name);
	add_labels(out, metric, series, NULL);
	buf_addf(out, " %lld\n", (long long)series->value);
}

void metrics_render(const struct metrics *metrics, struct buf *out)
{
	static const char *const types[] = {
		[COUNTER] = "counter", [GAUGE] = "gauge", [HISTOGRAM] = "histogram"};

	for (enum metric i = 0; i < METRIC_COUNT_; i++) {
		const struct family *family = &metrics->families[i];

		buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", families[i].name, families[i].help,
			families[i].name, types[families[i].type]);
		for (size_t j = 0; j < family->count; j++) {
			if (families[i].type == HISTOGRAM) {
				add_histogram(out, i, &family->series[j]);
			} else {
				add_value(out, i, &family->series[j]);
			}
		}
	}
}
