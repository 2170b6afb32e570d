/* SPDX-License-Identifier: MIT */
/* Which container engine a sandbox would be made by, and whether anybody answers there. */
#ifndef SANDBOX_ENGINE_H
#define SANDBOX_ENGINE_H

#include "policy/decide.h"

/*
 * Put the path of the engine's socket into decision->spec.docker_socket: docker.socket of the
 * configuration, else <PREFIX>DOCKER_SOCKET, else DOCKER_HOST, else the first of the usual places
 * that is there, else Docker's own. -EINVAL: what is named is not a unix socket.
 */
int engine_find(struct decision *decision, struct error *err);

/* Ask the engine at a socket for a sign of life, 2 s at most. 0, or why there is none. */
int engine_knock(const char *socket_path, struct error *err);

/* Names of the runtimes that the engine has beside its default one; its memory is the arena's. An
 * engine that says nothing of them has none. */
int engine_other_runtimes(
	const char *socket_path, struct arena *arena, struct strv *ret, struct error *err);

#endif
