/* SPDX-License-Identifier: MIT */
/* Private to src/selftest: what the parts of one column share. */
#ifndef SELFTEST_COLUMN_H
#define SELFTEST_COLUMN_H

#include "policy/decide.h"
#include "selftest/decoy.h"
#include "selftest/peer.h"
#include "selftest/selftest.h"

struct column {
	struct selftest_column *out;
	const struct selftest_opts *opts;
	int probe_fd;
	struct decoy decoy;
	struct config *config;
	struct decision *decision, *sibling_decision;
	struct peer main, sibling;
	struct peer_run sibling_run;
};

enum { COLUMN_PIDS = 128, COLUMN_MEMORY_MIB = 256, COLUMN_RUN_TIMEOUT_MS = 120000 };

/* Is this attack wanted in this run? */
bool column_wants(const struct column *column, const char *id);

/* Write it down. What fell once stays so, whoever says otherwise. */
void column_set(struct selftest_column *out, const char *id, enum outcome outcome, const char *fmt,
	...) _printf_(4, 5);

/* The whole of one column, in a process of its own that may leave anything behind but files. */
void column_run(struct selftest_column *out, const struct selftest_opts *opts, int probe_fd);

/* The parts that the host plays. */
void around_while_running(struct column *column); /* with main and sibling up */
void around_other_starts(struct column *column); /* sandboxes of their own */

/* A configuration of this text, loaded from a file in dir; errors are the outcome that is wanted. */
int decisions_load(const char *dir, const char *text, struct config **ret, struct error *err);
void decisions_run(struct selftest_column *out, const struct selftest_opts *opts, int probe_fd);

#endif
