/* SPDX-License-Identifier: MIT */
/* The docker backend: containers of an engine that speaks Docker's API. */
#ifndef DOCKER_DOCKER_H
#define DOCKER_DOCKER_H

#include "backend/backend.h"

extern const struct backend_ops docker_backend;

#endif
