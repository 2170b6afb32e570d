/* SPDX-License-Identifier: MIT */
/* The interpreter of a plan: runs in the new namespaces, between clone and exec. */
#ifndef NATIVE_APPLY_H
#define NATIVE_APPLY_H

#include "backend/native/network.h"
#include "backend/native/plan.h"

/* What the child works with; it lives on the child's stack. Descriptors are all close-on-exec. */
struct apply_context {
	const struct plan *plan;
	int *slots; /* plan->source_count descriptors of detached trees; FD_NONE: STEP_OPEN fills it */
	int stream_fd; /* becomes descriptor 3; FD_NONE with a run directory */
	struct network network; /* apply_begin()'s */
};

/* What needs no plan: the other namespaces, and a helper for the one that takes longest. */
int apply_begin(struct apply_context *context, struct error *err);

/* Carries the plan out up to exec. Returns only on failure, with err filled. Allocates nothing and
 * writes to the context alone. */
int apply_plan(struct apply_context *context, struct error *err);

/* Open source index of the plan as a detached mount (open_tree), resolving its path without
 * symlinks. Also used by the parent when it is privileged. A descriptor or negative errno. */
int apply_open_source(const struct plan_source *source, struct error *err);

#endif
