/* SPDX-License-Identifier: MIT */
/*
 * The attack suite: everything in attacks[] is tried, in every way that this host can start a sandbox,
 * and it is said of each what came of it.
 */
#ifndef SELFTEST_SELFTEST_H
#define SELFTEST_SELFTEST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "policy/spec.h"
#include "selftest/attack.h"
#include "selftest/probe.h"

struct selftest_result {
	enum outcome outcome;
	char why[PROBE_WHY_MAX];
};

/* One way to start a sandbox, and what happened in it. */
struct selftest_column {
	char name[24]; /* "native", "native, root", "native, user", "docker runsc" */
	enum backend_kind backend;
	bool as_user; /* started by nobody instead of root */
	bool inside_root; /* uid 0 inside */
	bool decisions; /* not a sandbox: the configurations */
	char runtime[64]; /* docker.runtime; "" */
	bool ran;
	char problem[600]; /* why it did not run */
	struct selftest_result results[]; /* attack_count */
};

struct selftest_opts {
	const char *backend; /* "native" or "docker" alone; NULL: all that are there */
	const char *only; /* names of attacks with commas between them; NULL: all */
	const char *docker_socket; /* NULL: as sandboxes find it */
};

/* One run; free with selftest_free(), which takes NULL. */
struct selftest {
	struct selftest_column **columns;
	size_t column_count;
};

/* -errno with err set when not even the preparations succeed: creel-probe is missing, no memory. */
int selftest_run(const struct selftest_opts *opts, struct selftest **ret, struct error *err);
struct selftest *selftest_free(struct selftest *selftest);

/* How many results of this kind there are in all columns that ran. */
size_t selftest_count(const struct selftest *selftest, enum outcome outcome);

/* An attack's line across the columns: what one that fell anywhere is called. */
enum outcome selftest_worst(const struct selftest *selftest, size_t attack);

#endif
