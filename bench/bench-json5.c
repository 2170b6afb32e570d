/* SPDX-License-Identifier: MIT */
/* How fast a configuration text becomes jansson values, beside jansson's own reader. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/own.h"
#include "config/json5.h"

enum { ROUNDS = 7, ENTRIES = 6000 };

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

/* Agents as people write them: short keys, short texts, a few numbers, some nesting. strict: JSON. */
static void make_text(struct buf *out, bool strict)
{
	const char *q = strict ? "\"" : "";

	buf_addf(out, "{%sagents%s: {%slist%s: [\n", q, q, q, q);
	for (int i = 0; i < ENTRIES; i++) {
		if (!strict) {
			buf_add_str(out, "    // one of many\n");
		}
		buf_addf(out,
			"    {%sid%s: \"agent-%d\", %sworkspace%s: \"/home/user/work/%d\", %ssandbox%s: {\n"
			"      %smode%s: \"non-main\", %sscope%s: \"session\", %sdocker%s: {\n"
			"        %simage%s: \"creel-sandbox:bookworm-slim\", %spidsLimit%s: %d,\n"
			"        %scpus%s: 1.5, %sreadOnlyRoot%s: true, %sbinds%s: [\"/srv/a:/a:ro\", "
			"\"/srv/b:/b:ro\"],\n"
			"        %senv%s: {%sLANG%s: \"C.UTF-8\", %sGREETING%s: \"gr\xc3\xbc\xc3\x9f dich\"}\n"
			"      }}}%s\n",
			q, q, i, q, q, i, q, q, q, q, q, q, q, q, q, q, q, q, i, q, q, q, q, q, q,
			q, q, q, q, q, q, i + 1 < ENTRIES ? "," : "");
	}
	buf_add_str(out, "  ]}}\n");
}

static void report(const char *name, size_t bytes, uint64_t ns)
{
	(void)printf("%-28s %6.1f MB/s  (%zu bytes, %.2f ms)\n", name,
		(double)bytes * 1e3 / (double)ns, bytes, (double)ns / 1e6);
}

static void bench_tree(const struct buf *text, bool values)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < ROUNDS; i++) {
		struct arena arena = {0};
		struct json5_result result;
		uint64_t start = now_ns();

		if (json5_parse(&arena, text->data, text->len, 0, NULL, &result) < 0) {
			(void)fprintf(stderr, "bench-json5: %s\n", result.first->message);
			exit(1);
		}
		if (values) {
			(void)doc_to_json(&arena, result.root);
		}
		arena_finish(&arena);
		start = now_ns() - start;
		best = start < best ? start : best;
	}
	report(values ? "json5 to json_t" : "json5 to tree", text->len, best);
}

static void bench_jansson(const struct buf *text)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t start = now_ns();
		json_t *value = json_loadb(text->data, text->len, JSON_REJECT_DUPLICATES, NULL);

		if (value == NULL) {
			(void)fprintf(stderr, "bench-json5: jansson refuses the text\n");
			exit(1);
		}
		json_decref(value);
		start = now_ns() - start;
		best = start < best ? start : best;
	}
	report("jansson's json_loadb", text->len, best);
}

int main(void)
{
	_cleanup_buf_ struct buf relaxed = {0};
	_cleanup_buf_ struct buf strict = {0};

	make_text(&relaxed, false);
	make_text(&strict, true);
	bench_tree(&relaxed, false);
	bench_tree(&relaxed, true);
	bench_tree(&strict, true);
	bench_jansson(&strict);
	return 0;
}
