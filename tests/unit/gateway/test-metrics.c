/* SPDX-License-Identifier: MIT */
/* Counters, gauges and histograms, and their text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "gateway/metrics.h"

static void expect_line(const struct metrics *metrics, const char *line)
{
	_cleanup_buf_ struct buf out = {0};
	const char *at;

	metrics_render(metrics, &out);
	at = strstr(out.data, line);
	if (at == NULL) {
		fail_msg("no line '%s' in:\n%s", line, out.data);
	}
	assert_true(at[-1] == '\n');
	assert_true(at[strlen(line)] == '\n');
}

static void calls_are_counted_and_timed(void **state)
{
	struct metrics *metrics = metrics_new();

	(void)state;
	metrics_call(metrics, "exec", "ok", 900);
	metrics_call(metrics, "exec", "ok", 2500);
	metrics_call(metrics, "exec", "timeout", 200000000);
	expect_line(metrics, "# TYPE creel_calls_total counter");
	expect_line(metrics, "creel_calls_total{tool=\"exec\",outcome=\"ok\"} 2");
	expect_line(metrics, "creel_calls_total{tool=\"exec\",outcome=\"timeout\"} 1");
	expect_line(metrics, "creel_call_duration_seconds_bucket{tool=\"exec\",le=\"0.0005\"} 0");
	expect_line(metrics, "creel_call_duration_seconds_bucket{tool=\"exec\",le=\"0.001\"} 1");
	expect_line(metrics, "creel_call_duration_seconds_bucket{tool=\"exec\",le=\"0.0025\"} 2");
	expect_line(metrics, "creel_call_duration_seconds_bucket{tool=\"exec\",le=\"120\"} 2");
	expect_line(metrics, "creel_call_duration_seconds_bucket{tool=\"exec\",le=\"+Inf\"} 3");
	expect_line(metrics, "creel_call_duration_seconds_sum{tool=\"exec\"} 200.0034");
	expect_line(metrics, "creel_call_duration_seconds_count{tool=\"exec\"} 3");
	(void)metrics_free(metrics);
}

static void gauges_go_down(void **state)
{
	struct metrics *metrics = metrics_new();

	(void)state;
	metrics_set(metrics, METRIC_SESSIONS, NULL, NULL, 7);
	metrics_set(metrics, METRIC_SANDBOXES, "docker", "running", 3);
	expect_line(metrics, "creel_sessions 7");
	metrics_set(metrics, METRIC_SESSIONS, NULL, NULL, 2);
	metrics_reset(metrics, METRIC_SANDBOXES);
	expect_line(metrics, "creel_sessions 2");
	expect_line(metrics, "creel_sandboxes{backend=\"docker\",state=\"running\"} 0");
	(void)metrics_free(metrics);
}

/* Labels come from rules and callers: they must not add lines or series of their own. */
static void labels_are_escaped(void **state)
{
	struct metrics *metrics = metrics_new();
	char longest[400];

	(void)state;
	(void)memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	metrics_add(metrics, METRIC_DENIALS, "sandbox", "a\"b\\c\nd\re", 1);
	metrics_add(metrics, METRIC_DENIALS, longest, longest, 1);
	metrics_add(metrics, METRIC_DENIALS, longest, longest, 1);
	expect_line(metrics, "creel_denials_total{layer=\"sandbox\",rule=\"a\\\"b\\\\c\\nd?e\"} 1");
	longest[120] = '\0';
	{
		_cleanup_buf_ struct buf line = {0};

		buf_addf(
			&line, "creel_denials_total{layer=\"%s\",rule=\"%s\"} 2", longest, longest);
		expect_line(metrics, line.data);
	}
	(void)metrics_free(metrics);
}

static void series_are_bounded(void **state)
{
	struct metrics *metrics = metrics_new();
	char label[32];

	(void)state;
	for (int i = 0; i < LIMIT_METRIC_SERIES + 100; i++) {
		(void)snprintf(label, sizeof(label), "rule-%d", i);
		metrics_add(metrics, METRIC_DENIALS, "sandbox", label, 1);
	}
	expect_line(metrics, "creel_denials_total{layer=\"other\",rule=\"other\"} 100");
	expect_line(metrics, "creel_denials_total{layer=\"sandbox\",rule=\"rule-0\"} 1");
	(void)metrics_free(metrics);
}

static void an_empty_one_is_valid(void **state)
{
	struct metrics *metrics = metrics_new();
	_cleanup_buf_ struct buf out = {0};

	(void)state;
	metrics_render(metrics, &out);
	assert_non_null(strstr(out.data, "# HELP creel_calls_total "));
	assert_int_equal(out.data[out.len - 1], '\n');
	(void)metrics_free(metrics);
	assert_null(metrics_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_are_counted_and_timed),
		cmocka_unit_test(gauges_go_down),
		cmocka_unit_test(labels_are_escaped),
		cmocka_unit_test(series_are_bounded),
		cmocka_unit_test(an_empty_one_is_valid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
