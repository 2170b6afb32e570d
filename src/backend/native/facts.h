/* SPDX-License-Identifier: MIT */
/* What this host is like: the facts that a plan is made from, and those that a person asks for. */
#ifndef NATIVE_FACTS_H
#define NATIVE_FACTS_H

#include "backend/native/plan.h"

/*
 * Look at the host for one spec: who we are, what the workspace is, what the root is made of.
 * Memory is the arena's. Errors: a workspace that is missing, no directory or read-only where it is
 * to be written; an image directory that cannot be read; creel-init not found.
 */
int facts_collect(const struct sandbox_spec *spec, const char *init_path, struct arena *arena,
	struct native_facts *ret, struct error *err);

/* Why clone3(2) with a user namespace failed with errno num here: one sentence with the way out. */
void facts_explain_clone(int num, char *ret, size_t size);

/* May this process map other ids than its own and mount in its own namespace? */
bool facts_is_privileged(void);

/* Does RLIMIT_NPROC count the processes of one user namespace? (Linux 5.14) */
bool facts_nproc_per_namespace(void);

#endif
