/* SPDX-License-Identifier: MIT */
/* What a sandbox really is, compared with what was decided. */
#ifndef CLI_PROBE_H
#define CLI_PROBE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "policy/decide.h"

struct probe {
	json_t *checks; /* [{"check","from","decided","found","same"}] */
	size_t different;
};

/*
 * Start the sandbox of a resolved decision (the lasting container; a native one for once) and look: from
 * inside, as a command there sees it, and for containers at what the engine says. -errno: it could not be
 * started or looked at. Finish ret when it is 0.
 */
int probe_run(struct decision *decision, struct probe *ret, struct error *err);
void probe_finish(struct probe *probe);

/* One comparison; texts are copied. */
void probe_add(struct probe *probe, const char *check, const char *from, const char *decided,
	const char *found, bool same);

/* The sections that `creel-init --look` prints; text ends in a byte 0. */
struct probe_look {
	const char *data;
	size_t len;
};
const char *probe_section(const struct probe_look *look, const char *name); /* "" when missing */
/* env: what the process was given. */
void probe_inside(struct probe *probe, const struct sandbox_spec *spec,
	const struct probe_look *look, const struct strv *env);
/*
 * The control groups of a sandbox's first process. root, lines: as cgroup_find() takes them; missing: layers that
 * it may do without, and does. For probe_groups_of() pid is that process, as this one sees it.
 */
void probe_groups(struct probe *probe, const struct sandbox_spec *spec, const bool *missing,
	const char *root, const char *lines);
void probe_groups_of(
	struct probe *probe, const struct sandbox_spec *spec, const bool *missing, int64_t pid);
int64_t probe_child_of(int64_t keeper); /* 0: it has none, or it cannot be seen */
void probe_engine(struct probe *probe, const struct sandbox_spec *spec, const json_t *inspected);

#endif
