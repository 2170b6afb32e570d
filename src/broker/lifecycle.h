/* SPDX-License-Identifier: MIT */
/*
 * The life of lasting sandboxes: one per scope, made when it is first needed, found again by whoever
 * comes next, made anew when its configuration changed, removed on request or when idle.
 *
 * Everything about one sandbox happens under the lock of its directory (broker/home.h), which whoever
 * holds its stream holds too: two callers of one session get one sandbox, one after the other. All
 * functions block; a program with a loop of its own calls them in a forked child.
 */
#ifndef BROKER_LIFECYCLE_H
#define BROKER_LIFECYCLE_H

#include <jansson.h>

#include "backend/backend.h"
#include "backend/setup.h"
#include "broker/home.h"
#include "policy/decide.h"

enum sandbox_kind { KIND_SANDBOX, KIND_BROWSER, KIND_COUNT_ };
const char *sandbox_kind_name(enum sandbox_kind kind); /* "sandbox", "browser" */

struct lifecycle;

/* Makes the instance's run directory (/run/creel-INSTANCE for root, below $XDG_RUNTIME_DIR or the state
 * directory for others). The config must outlive it. */
int lifecycle_open(const struct config *config, struct lifecycle **ret, struct error *err);
struct lifecycle *lifecycle_close(struct lifecycle *lifecycle); /* takes NULL, returns NULL */

struct lifecycle_opts {
	enum sandbox_kind kind;
	bool try_lock; /* -EBUSY when somebody else works in the sandbox, instead of waiting */
	bool denials; /* say where it tells what it refuses; of a container that takes a question */
	bool no_prune; /* somebody else sees to it that idle sandboxes go */
	/* Called once when the lock was waited for a second; NULL: nobody cares. */
	void (*waiting)(void *arg, const char *name);
	setup_output_fn *setup_output; /* what docker.setupCommand prints; NULL */
	void *arg; /* of both */
};

/* A sandbox to work in. */
struct lifecycle_acquired {
	int stream_fd; /* connected, HELLO unread but its token checked */
	int lock_fd; /* the sandbox is the holder's until every copy of this is closed */
	uint8_t token[WIRE_TOKEN_SIZE]; /* for link_new() */
	bool created; /* by this call */
	bool stale; /* its configuration is not today's, but processes run in it (contract D12) */
	char *notice; /* for the results of calls, when stale; NULL */
	char **env; /* the image's variables, those of docker.env not among them; NULL: none */
	const char *backend; /* "docker" */
	char *name;
	bool missing[LAYER_COUNT_]; /* as in struct backend_sandbox */
	struct home_passwords passwords; /* of KIND_BROWSER */
	bool has_denials;
	struct denial_fds denials; /* with has_denials; closed with the rest unless taken */
};
/* Closes both descriptors unless they were taken (FD_NONE), frees the rest. A zeroed one is not valid:
 * start from LIFECYCLE_ACQUIRED_NONE. */
void lifecycle_acquired_finish(struct lifecycle_acquired *acquired);
#define LIFECYCLE_ACQUIRED_NONE                           \
	{                                                 \
		.stream_fd = FD_NONE, .lock_fd = FD_NONE, \
	}

/*
 * The sandbox of a resolved decision (RESOLVE_CREATE), docker or native: found, started again, made anew or
 * made, set up, connected. -EBUSY: see try_lock; -EEXIST: its name is taken by a container that is not
 * this instance's (contract D16); otherwise as the backend says, and nothing half made is left behind.
 * After docker.setupCommand failed the sandbox is gone and err carries the end of its output (D13).
 */
int lifecycle_acquire(struct lifecycle *lifecycle, struct decision *decision,
	const struct lifecycle_opts *opts, struct lifecycle_acquired *ret, struct error *err);

/* What callers are told of a sandbox that is not today's, but in which processes run; heap memory. */
char *lifecycle_stale_notice(const struct decision *decision);

/* Docker: what the engine says of the container of a resolved decision, a new reference; NULL: there is
 * none. */
int lifecycle_inspect(struct lifecycle *lifecycle, const struct decision *decision, json_t **ret,
	struct error *err);

#endif
