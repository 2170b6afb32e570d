/* SPDX-License-Identifier: MIT */
/* Shared by the files that carry out a plan. */
#ifndef NATIVE_APPLY_INTERNAL_H
#define NATIVE_APPLY_INTERNAL_H

#include <errno.h>

#include "backend/native/apply.h"

struct apply {
	struct apply_context *context;
	const struct plan *plan;
	int root_fd; /* of the new root, O_PATH; FD_NONE before STEP_ROOT */
	int landlock_abi;
	struct error *err;
};

/* "cannot start the sandbox: WHAT '/TARGET' (KEY): ..." from a negative errno, which it returns. */
int apply_fail(struct apply *a, const struct plan_step *step, int r, const char *what);

/* Become who the map says. Nothing is left to do where the map holds the ids that one has. */
int apply_take_ids(const struct plan *plan, struct error *err);

static inline int apply_no(int result)
{
	return result < 0 ? -errno : 0;
}

#endif
