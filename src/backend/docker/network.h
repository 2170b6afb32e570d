/* SPDX-License-Identifier: MIT */
/* The network of browsers' containers, made when the first of them needs it. */
#ifndef DOCKER_NETWORK_H
#define DOCKER_NETWORK_H

#include "backend/docker/engine.h"

/*
 * body: of POST /containers/create. If its network is a brand's own for browsers
 * (<brand>-sandbox-browser), make it unless it is there: a bridge whose containers cannot reach each
 * other. Any other network is its operator's to make.
 */
int network_ensure(struct engine *engine, const json_t *body, struct error *err);

#endif
