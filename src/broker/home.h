/* SPDX-License-Identifier: MIT */
/*
 * The directory of one lasting sandbox, <base>/<name>, 0700:
 *   lock       flock(2): whoever holds it owns the sandbox's stream
 *   token      what creel-init remembers; never inside the sandbox after its first call
 *   meta.json  what the sandbox is; there only once it is complete
 *   init       docker, when Creel is in a container itself: a copy of creel-init that the host has
 *   owned/     docker: workspaces as docker.user sees them (backend/docker/owned.h)
 *   keeper     native: locked by the keeper as long as the sandbox lives, with its pid
 *   run/       mounted read-only at /run/creel: the socket, creel-init, the token until the first call
 */
#ifndef BROKER_HOME_H
#define BROKER_HOME_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"
#include "wire/frame.h"

struct sandbox_home {
	const char *dir, *run_dir; /* arena memory */
	int lock_fd;
};

struct home_wait {
	bool never; /* -EBUSY at once */
	void (*waiting)(void *arg, const char *name); /* after a second; NULL */
	void *arg;
};

/* Make base/name when create is set, and lock it. -ENOENT: not there. */
int sandbox_home_lock(struct arena *arena, const char *base, const char *name, bool create,
	const struct home_wait *wait, struct sandbox_home *ret, struct error *err);
/* Does anybody hold the lock? *ret_used_ms: when it was last taken or given back, CLOCK_REALTIME; 0:
 * there is none. */
bool sandbox_home_in_use(const struct sandbox_home *home, int64_t *ret_used_ms);
/* It is used now; the lock's descriptor. The time before, as above. */
int64_t sandbox_home_touch(int lock_fd);
/* Take it away, with the lock held. */
void sandbox_home_remove(const struct sandbox_home *home);

/* meta.json as an object, a new reference; NULL: none, or none that can be read. */
json_t *sandbox_home_meta(const struct sandbox_home *home);
int sandbox_home_put_meta(const struct sandbox_home *home, const json_t *meta, struct error *err);
void sandbox_home_drop_meta(const struct sandbox_home *home);

/* The token of the sandbox that is there. -ENOENT and others: unknown, nobody can prove to be it. */
int sandbox_home_token(const struct sandbox_home *home, uint8_t ret[WIRE_TOKEN_SIZE]);

/* The passwords of a browser's VNC server: one that may act, one that may only watch. Made when there
 * are none, kept beside the token, so that whoever comes next can let somebody look on. */
enum { HOME_PASSWORD_LEN = 8 }; /* VNC takes no more */
struct home_passwords {
	char text[2][HOME_PASSWORD_LEN + 1];
};
int sandbox_home_passwords(
	const struct sandbox_home *home, struct home_passwords *ret, struct error *err);

/* A run directory for a sandbox that is about to start: fresh token, listening socket. open_to_all:
 * nobody can say as which uid its processes show on the host. */
int sandbox_home_prepare(const struct sandbox_home *home, bool open_to_all,
	uint8_t ret_token[WIRE_TOKEN_SIZE], int *ret_listen_fd, struct error *err);
/* A socket for one that runs, which dials as soon as it is there. uid: may connect besides us;
 * WIRE_NO_ID: anybody who gets there. The listening descriptor. */
int sandbox_home_listen(const struct sandbox_home *home, uint32_t uid, struct error *err);

/*
 * Wait for a caller who proves to be the sandbox: -ETIMEDOUT after timeout_ms. Its stream, HELLO still
 * unread in it and its fields in *ret. Others are turned away.
 */
int sandbox_home_await(int listen_fd, const uint8_t token[WIRE_TOKEN_SIZE], int timeout_ms,
	struct wire_hello *ret, struct error *err);
/* Nobody may dial, and commands must not find the token. */
void sandbox_home_seal(const struct sandbox_home *home);

#endif
