/* SPDX-License-Identifier: MIT */
/* Which lasting sandboxes there are, and taking them away. */
#ifndef BROKER_LIFECYCLE_LIST_H
#define BROKER_LIFECYCLE_LIST_H

#include <jansson.h>

#include "broker/lifecycle.h"
#include "sandbox/registry.h"

enum sandbox_status {
	STATUS_STOPPED, /* the engine was restarted: started again when it is needed */
	STATUS_RUNNING,
	STATUS_UNKNOWN, /* its engine does not answer */
};
const char *sandbox_status_name(enum sandbox_status status);

struct lifecycle_sandbox {
	struct registry_row row;
	enum sandbox_status status;
	bool seen; /* an engine or a home has it: not the registry alone */
	bool in_use; /* somebody holds its stream */
	bool image_matches; /* row.image is what its agent's configuration names today */
	int64_t idle_hours, max_age_days; /* the limits of its own agent; 0: none */
};

struct lifecycle_list {
	struct arena arena;
	struct lifecycle_sandbox *items;
	size_t count;
	const char *warning; /* why some are unknown, or the registry is not to be had; NULL */
	struct strv engines; /* sockets where one answered */
	struct strv workspace_roots; /* of all agents */
};
void lifecycle_list_finish(struct lifecycle_list *list);

/*
 * All of this instance, of every backend, oldest first; the registry agrees afterwards. What the engines
 * and homes say counts; without an answer of an engine its sandboxes are listed as unknown. Finish it.
 */
void lifecycle_list(struct lifecycle *lifecycle, struct lifecycle_list *ret);

/*
 * Take one away, whatever runs in it; its workspace stays. unless_used: -EBUSY when somebody holds its
 * stream. Gone already: 0.
 */
int lifecycle_remove(struct lifecycle *lifecycle, const struct registry_row *row, bool unless_used,
	struct error *err);

struct lifecycle_pruned {
	size_t removed, failed; /* sandboxes over a limit of their agent's, nobody in them */
	size_t swept; /* left-overs that nobody owns: half made containers, those for once, homes */
};
/* Over the limits, at the time now_ms (CLOCK_REALTIME): idle longer than idle_hours or older than
 * max_age_days. */
bool lifecycle_is_due(const struct lifecycle_sandbox *sandbox, int64_t now_ms);
/* told(): of each sandbox that went, or did not (failure); NULL. */
void lifecycle_prune(struct lifecycle *lifecycle, struct lifecycle_list *list,
	void (*told)(
		void *arg, const struct lifecycle_sandbox *sandbox, const struct error *failure),
	void *arg, struct lifecycle_pruned *ret);
/* The same without words, at most every five minutes; for whoever acquires. */
void lifecycle_prune_sometimes(struct lifecycle *lifecycle);

/* What `creel sandbox list --json` prints of one; a new reference. */
json_t *lifecycle_sandbox_json(const struct lifecycle_sandbox *sandbox);

/* A workspace below some agent's workspaceRoot that no sandbox of the list uses. */
struct lifecycle_workspace {
	const char *path;
	int64_t changed_ms; /* of the directory itself */
};
struct lifecycle_workspaces {
	struct lifecycle_workspace *items;
	size_t count;
};
/* Memory from the list. */
void lifecycle_workspaces(struct lifecycle_list *list, struct lifecycle_workspaces *ret);
/* With all that is in it. -EBUSY: something of it could not be removed. */
int lifecycle_workspace_remove(const struct lifecycle_workspace *workspace, struct error *err);

/* CLOCK_REALTIME in milliseconds. */
int64_t lifecycle_now_ms(void);

#endif
