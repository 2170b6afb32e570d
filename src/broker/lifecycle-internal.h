/* SPDX-License-Identifier: MIT */
/* What lifecycle.c and the backends' parts of it share. */
#ifndef BROKER_LIFECYCLE_INTERNAL_H
#define BROKER_LIFECYCLE_INTERNAL_H

#include <string.h>

#include "backend/docker/client.h"
#include "broker/home.h"
#include "broker/lifecycle.h"
#include "sandbox/registry.h"

struct lifecycle {
	const struct config *config;
	struct arena arena;
	const char *instance;
	const char *base; /* of the homes */
	struct docker_client client; /* started when an engine is needed */
	const char *client_socket; /* whose engine it speaks to */
	bool listing; /* it was asked for a list that nobody has taken yet */
	struct registry *registry; /* opened when it is needed */
	bool registry_failed;
};

/* One acquisition at work. */
struct acquiring {
	struct lifecycle *lifecycle;
	struct decision *decision;
	const struct sandbox_spec *spec;
	const struct lifecycle_opts *opts;
	struct arena arena;
	struct sandbox_home home;
	json_t *meta; /* what the home says is there; NULL: nothing complete */
	int listen_fd;
	uint8_t token[WIRE_TOKEN_SIZE];
	struct wire_hello hello;
	bool half; /* made under another name, until it is complete */
	struct lifecycle_acquired *ret;
};

enum life_state { LIFE_ABSENT, LIFE_STOPPED, LIFE_RUNNING };

/* What a backend does for a lasting sandbox whose home is locked. */
struct life_ops {
	bool open_to_all; /* as sandbox_home_prepare() */
	/* What is there under its name. For LIFE_STOPPED and LIFE_RUNNING a->meta is what it was made
	 * from afterwards, also when the home had lost it; NULL: never completed. */
	int (*look)(struct acquiring *a, enum life_state *ret, struct error *err);
	/* Make and start it; a->meta is set. Its run directory is ready. */
	int (*make)(struct acquiring *a, struct error *err);
	int (*restart)(struct acquiring *a, struct error *err); /* NULL: cannot be */
	/* It is complete: from now on it may be found. */
	int (*settle)(struct acquiring *a, struct error *err);
	/* Where a running one tells what it refuses; false: nowhere. */
	bool (*denials)(struct acquiring *a, struct denial_fds *ret);
	/* Gone afterwards; nothing there: 0. */
	int (*remove)(struct lifecycle *lifecycle, const struct sandbox_home *home,
		const char *name, const char *docker_socket, struct error *err);
};
extern const struct life_ops life_docker, life_native;
const struct life_ops *life_ops_of(const char *backend); /* NULL: unknown */

/* NULL: it is not to be had; sandboxes work without. */
struct registry *life_registry(struct lifecycle *lifecycle);
void life_forget(struct lifecycle *lifecycle, const char *name);
/* The registry's row for a meta.json, with the time of making as that of the last use. false: something
 * that a row cannot do without is missing. */
bool life_row(const json_t *meta, struct arena *arena, struct registry_row *ret);

/* Every container of this instance, as the engine lists them, but for what nobody here asks about
 * (docker/container.h); a new reference. begin: the engine is asked, the answer is wanted later. */
int life_docker_list_begin(struct lifecycle *lifecycle, const char *socket, struct error *err);
int life_docker_list(
	struct lifecycle *lifecycle, const char *socket, json_t **ret, struct error *err);
/* Is this the name of one that is not complete? */
bool life_docker_is_half(const char *name);
int life_docker_remove_id(
	struct lifecycle *lifecycle, const char *socket, const char *id, struct error *err);
bool life_native_is_alive(const struct sandbox_home *home);

static inline const char *life_text(struct arena *arena, const char *text)
{
	return text != NULL ? arena_strdup(arena, text) : NULL;
}

/* A meta.json for a sandbox that is made now. */
json_t *life_new_meta(const struct acquiring *a);

#endif
