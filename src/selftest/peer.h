/* SPDX-License-Identifier: MIT */
/* One sandbox and what runs in it, for a caller that waits. */
#ifndef SELFTEST_PEER_H
#define SELFTEST_PEER_H

#include "backend/backend.h"
#include "base/buf.h"

/* One process in it. */
struct peer_run {
	const char *cwd; /* NULL: the workspace */
	struct buf out; /* what it printed, at most PEER_OUTPUT_MAX; free with peer_run_finish() */
	uint64_t out_bytes; /* how much came in all */
	bool greedy; /* false: what was received is never acknowledged */
	bool over;
	struct wire_exited exited;
	char failed[400]; /* why it never ran, or how the sandbox was lost; "" */
	struct peer *peer;
	uint32_t stream;
};

struct peer {
	const struct backend_ops *backend;
	struct backend_sandbox sandbox;
	struct link *link;
	bool started;
};

enum { PEER_OUTPUT_MAX = 256 * 1024 };

/* Start a sandbox and wait for it to say hello. On failure nothing is left. */
int peer_start(struct peer *peer, const struct sandbox_spec *spec, struct error *err);
/* End it with everything in it; safe to repeat. */
int peer_finish(struct peer *peer, struct error *err);

/* Start argv in the workspace with extra flags (enum wire_spawn_flag). run must stay until
 * peer_run_finish(). */
int peer_spawn(struct peer *peer, struct peer_run *run, const char *const *argv, uint32_t flags,
	struct error *err);
void peer_run_finish(struct peer_run *run);

/* Wait until it is over. -ETIMEDOUT, or why the sandbox is dead. */
int peer_wait(struct peer_run *run, int timeout_ms, struct error *err);
/* Wait until it has printed word. The same. */
int peer_wait_word(struct peer_run *run, const char *word, int timeout_ms, struct error *err);
/* Take what is there and do not wait longer than that. */
void peer_serve(struct peer *peer, int timeout_ms);

#endif
