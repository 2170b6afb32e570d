/* SPDX-License-Identifier: MIT */
/*
 * The table of lasting sandboxes, <state>/sandbox/registry.db: what names, scopes and times they have.
 * It answers fast and without an engine; the truth are containers with their labels and the homes of
 * native sandboxes, from which it is filled again whenever it is lost. So a file that is broken, or of
 * another version, is set aside and begun anew.
 */
#ifndef SANDBOX_REGISTRY_H
#define SANDBOX_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

struct registry;

struct registry_row {
	const char *name; /* of the container; the key */
	const char *kind, *backend; /* "sandbox", "browser"; "docker", "native" */
	const char *scope_key, *agent, *image, *config_hash;
	const char *socket; /* docker: of the engine that has it; NULL */
	const char *workspace; /* host path that is mounted at the workdir; NULL: unknown */
	const char *
		dangerous; /* sources that dangerouslyAllowBindSources let through, by lines; NULL */
	int64_t created_ms, last_used_ms; /* CLOCK_REALTIME */
};

struct registry_rows {
	struct registry_row *items;
	size_t count;
};

/* Opens or makes it, with its directory (0700; the file 0600). *ret_new: it was empty. */
int registry_open(const char *state_dir, struct registry **ret, bool *ret_new, struct error *err);
struct registry *registry_close(struct registry *registry); /* takes NULL, returns NULL */

/* Insert, or replace all but created_ms, and last_used_ms where it is not newer. */
int registry_put(struct registry *registry, const struct registry_row *row, struct error *err);
int registry_drop(struct registry *registry, const char *name, struct error *err);
/* All, oldest first; memory from the arena. */
int registry_all(struct registry *registry, struct arena *arena, struct registry_rows *ret,
	struct error *err);

#endif
