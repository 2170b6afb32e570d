/* SPDX-License-Identifier: MIT */
/*
 * What whole tool calls cost in a live native sandbox, from JSON arguments to the JSON result,
 * against posix_spawn(3) of true taken in turns with them.
 *
 *	bench-tools CREEL-INIT [ROUNDS [CONFIG]]
 *
 * CONFIG is the text of one that asks for another sandbox: a container.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/own.h"
#include "live.h"

enum { WARM_UP = 20, CALLERS = 64, BURST = 1024, FILE_SIZE = 4096 };

struct bench {
	struct live live;
	uint32_t rounds;
	double base_us; /* p50 of posix_spawn */
};

static void print_row(struct bench *b, const char *name, uint64_t *values)
{
	live_print_row(name, values, b->rounds, &b->base_us);
}

static void bench_exec(struct bench *b)
{
	uint64_t *calls = xcalloc(b->rounds, sizeof(*calls));
	uint64_t *spawns = xcalloc(b->rounds, sizeof(*spawns));
	json_t *args = json_pack("{s:s}", "command", "true");

	for (uint32_t i = 0; i < WARM_UP; i++) {
		(void)live_call(&b->live, "exec", args);
		(void)live_time_spawn();
	}
	for (uint32_t i = 0; i < b->rounds; i++) {
		spawns[i] = live_time_spawn();
		calls[i] = live_call(&b->live, "exec", args);
	}
	print_row(b, "posix_spawn of true", spawns);
	print_row(b, "exec true", calls);
	json_decref(args);
	free(calls);
	free(spawns);
}

/* Two argument objects in turns, so that edits and patches find what they look for. */
static void bench_pair(
	struct bench *b, const char *name, const char *tool, json_t *one, json_t *two)
{
	uint64_t *calls = xcalloc(b->rounds, sizeof(*calls));

	for (uint32_t i = 0; i < WARM_UP; i++) {
		(void)live_call(&b->live, tool, i % 2 == 0 ? one : two);
	}
	for (uint32_t i = 0; i < b->rounds; i++) {
		calls[i] = live_call(&b->live, tool, i % 2 == 0 ? one : two);
	}
	print_row(b, name, calls);
	json_decref(one);
	json_decref(two);
	free(calls);
}

static json_t *edit_args(const char *from, const char *to)
{
	return json_pack("{s:s, s:s, s:s}", "path", "edit.txt", "oldText", from, "newText", to);
}

static json_t *patch_args(const char *from, const char *to)
{
	char *text =
		xasprintf("*** Begin Patch\n*** Update File: patch.txt\n@@\n-%s 10\n+%s 10\n@@\n"
			  "-%s 50\n+%s 50\n@@\n-%s 90\n+%s 90\n*** End Patch\n",
			from, to, from, to, from, to);
	json_t *args = json_pack("{s:s}", "input", text);

	free(text);
	return args;
}

static void bench_files(struct bench *b)
{
	_cleanup_buf_ struct buf page = {0}, lines = {0};
	json_t *args;

	for (int i = 0; i < FILE_SIZE / 64; i++) {
		buf_addf(&page, "%063d\n", i);
	}
	for (int i = 0; i < 100; i++) {
		buf_addf(&lines, "line %d\n", i);
	}
	free(live_write(&b->live, "ws/read.txt", page.data, page.len));
	free(live_write(&b->live, "ws/edit.txt", "one\ntwo\nthree\n", 14));
	free(live_write(&b->live, "ws/patch.txt", lines.data, lines.len));
	args = json_pack("{s:s}", "path", "read.txt");
	bench_pair(b, "read of 4 KiB", "read", json_incref(args), args);
	args = json_pack("{s:s, s:s}", "path", "write.txt", "content", page.data);
	bench_pair(b, "write of 4 KiB", "write", json_incref(args), args);
	bench_pair(b, "edit", "edit", edit_args("two", "TWO"), edit_args("TWO", "two"));
	bench_pair(b, "apply_patch of three hunks", "apply_patch", patch_args("line", "LINE"),
		patch_args("LINE", "line"));
}

static void bench_synced(struct bench *b)
{
	json_t *args = json_pack("{s:s, s:s}", "path", "write.txt", "content", "text\n");

	bench_pair(b, "write, with fsync", "write", json_incref(args), args);
	bench_pair(b, "edit, with fsync", "edit", edit_args("two", "TWO"), edit_args("TWO", "two"));
}

/* CALLERS at work at any time, BURST in all: calls per second. */
static double rate_of_calls(struct bench *b)
{
	json_t *args = json_pack("{s:s}", "command", "true");
	uint64_t before = clock_now_ns();
	uint32_t left = 0, begun = 0;

	while (begun < BURST || left > 0) {
		while (begun < BURST && left < CALLERS) {
			left++;
			begun++;
			live_begin(&b->live, "exec", args, &left);
		}
		live_turn(&b->live);
	}
	json_decref(args);
	return BURST * 1e9 / (double)(clock_now_ns() - before);
}

static void bench_burst(struct bench *b)
{
	double spawns = live_rate_of_spawns(CALLERS, BURST), calls = rate_of_calls(b);

	(void)printf("%d callers of exec true: %.0f/s, posix_spawn: %.0f/s, %.0f %%\n", CALLERS,
		calls, spawns, calls * 100 / spawns);
}

int main(int argc, char **argv)
{
	static const char config[] =
		"{agents:{defaults:{sandbox:{mode:'all',workspaceAccess:'rw',backend:'native'}}}}";
	struct bench b = {.rounds = 1000};

	if (argc < 2 || (argc > 2 && num_parse_u32(argv[2], 10, 1000000, &b.rounds) < 0)) {
		(void)fprintf(stderr, "usage: bench-tools CREEL-INIT [ROUNDS [CONFIG]]\n");
		return 2;
	}
	live_init(&b.live);
	live_start(&b.live, argv[1], argc > 3 ? argv[3] : config);
	live_open(&b.live, true);
	(void)printf("%-34s %8s %8s %8s   (microseconds)\n", "", "p50", "p90", "p99");
	bench_exec(&b);
	bench_files(&b);
	bench_burst(&b);
	live_open(&b.live, false);
	bench_synced(&b);
	live_finish(&b.live);
	return 0;
}
