/* SPDX-License-Identifier: MIT */
/* The network of browsers' containers: made when the first of them needs it, gone with the last. */
#ifndef DOCKER_NETWORK_H
#define DOCKER_NETWORK_H

#include <stdbool.h>

#include "backend/docker/engine.h"

/*
 * body: of POST /containers/create. If its network is a brand's own for browsers
 * (<brand>-sandbox-browser), make it unless it is there: a bridge whose containers cannot reach each
 * other. Any other network is its operator's to make.
 */
int network_ensure(struct engine *engine, const json_t *body, struct error *err);

/* Whether body asks for such a network. */
bool network_is_own(const json_t *body);

/*
 * Remove those that no container runs in. One that stands still does not hold it back: a container that
 * cannot be started is made anew. What goes wrong is the next removal's to mend.
 */
void network_prune(struct engine *engine);

#endif
