/* SPDX-License-Identifier: MIT */
/*
 * A live sandbox, driven through the library in this process, and what is measured beside it. For
 * programs that end at the first thing that goes wrong.
 */
#ifndef BENCH_LIVE_H
#define BENCH_LIVE_H

#include <stdint.h>
#include <sys/types.h>

#include "backend/backend.h"
#include "policy/decide.h"
#include "tools/tool.h"

struct live {
	char *scratch; /* a directory, removed at exit; its workspace is ws/ */
	struct config *config;
	struct decision *decision;
	struct backend_sandbox sandbox;
	const struct backend_ops *backend;
	struct link *link;
	struct tool_session *session;
};

_Noreturn void live_die(const char *what, const char *why);

/* A scratch directory with an empty workspace in it. */
void live_init(struct live *live);
/* A file in it; returns the path. */
char *live_write(const struct live *live, const char *name, const char *text, size_t len);
/* The sandbox that this configuration asks for. */
void live_start(struct live *live, const char *init_path, const char *config);
void live_open(struct live *live, bool no_sync);
void live_finish(struct live *live);

/* One call, from JSON to JSON: nanoseconds. */
uint64_t live_call(struct live *live, const char *tool, const json_t *args);
/* Start one; *left is counted down at its end. live_turn() gets all of them on. */
void live_begin(struct live *live, const char *tool, const json_t *args, uint32_t *left);
void live_turn(struct live *live);

/* posix_spawn(3) of true, and waiting for it: nanoseconds; and at most callers at once, count in all:
 * so many per second. */
uint64_t live_time_spawn(void);
double live_rate_of_spawns(uint32_t callers, uint32_t count);

/* Sorts; microseconds. */
double live_percentile(uint64_t *values, uint32_t count, unsigned percent);
/* name, p50, p90, p99 and the ratio to *base_us, which the first row sets (0 before). */
void live_print_row(const char *name, uint64_t *values, uint32_t count, double *base_us);

#endif
