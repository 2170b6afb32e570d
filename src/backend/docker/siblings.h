/* SPDX-License-Identifier: MIT */
/* Creel in a container: the request for a sandbox beside it, as the engine of the host needs it. */
#ifndef DOCKER_SIBLINGS_H
#define DOCKER_SIBLINGS_H

#include "backend/docker/engine.h"

/*
 * *ret is a new reference: the body of create.h with the sources of its mounts as they are on the host
 * (hostpath.h), or body itself where this process is in no container of this engine. creel-init is
 * copied beside the sandbox's run directory if need be, as "init".
 */
int siblings_request(struct engine *engine, const json_t *body, json_t **ret, struct error *err);

#endif
