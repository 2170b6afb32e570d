/* SPDX-License-Identifier: MIT */
/*
 * When Creel itself runs in a container and the sandboxes are its siblings, made by the same engine: the
 * engine looks for the source of a mount on the host, where a path of ours may be another one. What
 * the engine mounted into our own container says which.
 */
#ifndef DOCKER_HOSTPATH_H
#define DOCKER_HOSTPATH_H

#include <jansson.h>
#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

enum { HOSTPATH_ID_SIZE = 65 };

/* What stands at a place in our container. */
struct hostpath_mount {
	const char *inside; /* normalised */
	const char *outside; /* on the host; NULL: nowhere (a tmpfs) */
};

/* Arena memory. Without mounts nothing of ours is on the host. */
struct hostpath_map {
	struct hostpath_mount *mounts;
	size_t count;
};

/* All of /proc/self/mountinfo; at most ret->max bytes. */
int hostpath_read_mountinfo(struct buf *ret, struct error *err);
/*
 * The id of the container that a process is in, from its /proc/PID/mountinfo: Docker and Podman mount
 * hostname, hosts and resolv.conf from a directory with that name. False: none, or none that shows.
 */
bool hostpath_own_id(const char *mountinfo, char ret[HOSTPATH_ID_SIZE]);

/* From what the engine says of our container. -EPROTO: not what engines say. */
int hostpath_map_from(
	struct arena *arena, const json_t *inspected, struct hostpath_map *ret, struct error *err);

/* Where path, absolute and normalised, is on the host; NULL: only in here. The innermost mount counts. */
const char *hostpath_find(struct arena *arena, const struct hostpath_map *map, const char *path);

/*
 * Every source in the request for a container (create.h), changed in place. init_copy: where creel-init
 * was copied to, which itself belongs to our image and not to the host; NULL: it was not.
 * -ENOENT: a source is not on the host. -EPERM: on the host it is a path that may not be bound, which
 * its name in here did not show.
 */
int hostpath_translate(struct arena *arena, const struct hostpath_map *map, const char *init_copy,
	json_t *body, struct error *err);

#endif
