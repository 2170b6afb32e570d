/* SPDX-License-Identifier: MIT */
/*
 * The interpreter of a plan: runs in the new namespaces, between clone and exec, in two processes at
 * once. The builder makes the mounts; the first process, which will be PID 1, makes the network
 * namespace, which takes as long as all mounts, and confines itself. Each does its steps of the plan in
 * the plan's order (step_is_builders()); at STEP_AWAIT_ROOT the one waits for the other, whose end
 * creel-init then awaits.
 *
 * They share memory, descriptors, root, working directory and actions of signals with each other, and
 * memory with the starter, and with it errno: only the builder may make calls that can fail without
 * ending the start.
 */
#ifndef NATIVE_APPLY_H
#define NATIVE_APPLY_H

#include "backend/native/plan.h"

/* What the two work with; it lives on the first process's stack. Descriptors are all close-on-exec. */
struct apply_context {
	const struct plan *plan; /* complete only when the builder was told to go */
	int *slots; /* plan->source_count descriptors of detached trees; FD_NONE: STEP_OPEN fills it */
	int control_fd; /* to the starter */
	bool listen; /* give the starter a listener to the filter */
	int stream_fd; /* becomes descriptor 3; FD_NONE with a run directory */
	int builder_fd; /* eventfd(2), a semaphore: the builder has news for the first process */
	int ruleset_fd; /* Landlock rules that the builder collects; FD_NONE: none yet */
	bool entered; /* the new root: the first process no longer asks the builder */
	pid_t builder;
	struct error build_err; /* the builder's reason; num 0: none */
};

/* The first process, before the builder is there: the other namespaces. Needs no plan. */
int apply_begin(struct apply_context *context, struct error *err);

/* The builder: the plan is there, the new root is entered, or it failed. */
void apply_tell_first(const struct apply_context *context);

/* The builder: its steps. When it has returned, whatever it returned, the process must end. */
int apply_build(struct apply_context *context, struct error *err);

/* The first process: its steps, up to exec. Returns only on failure, with err filled. */
int apply_confine(struct apply_context *context, struct error *err);

/* Open source index of the plan as a detached mount (open_tree), resolving its path without
 * symlinks. Also used by the parent when it is privileged. A descriptor or negative errno. */
int apply_open_source(const struct plan_source *source, struct error *err);

#endif
