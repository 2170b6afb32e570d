/* SPDX-License-Identifier: MIT */
/* Shared by the files that build a plan. */
#ifndef NATIVE_PLAN_INTERNAL_H
#define NATIVE_PLAN_INTERNAL_H

#include "backend/native/plan.h"

/* The new step stays valid until the next call. */
struct plan_step *plan_add(struct plan *plan, enum step_kind kind, const char *target);
int plan_add_source(struct plan *plan, const struct plan_source *source);
const char *plan_relative(const char *path);

/* plan-files.c: the generated /etc. */
void plan_add_etc(
	struct plan *plan, const struct sandbox_spec *spec, const struct native_facts *facts);
/* plan-files.c: spec->tmpfs. -EINVAL with the entry in err. */
int plan_add_tmpfs(struct plan *plan, const struct sandbox_spec *spec,
	const struct native_facts *facts, struct error *err);
/* "nofile" and kin to RLIMIT_*, or -EINVAL. */
int plan_rlimit_by_name(const char *name);

#endif
