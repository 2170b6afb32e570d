/* SPDX-License-Identifier: MIT */
/* What the kernel counts about a container: where its engine runs on this very host. */
#ifndef DOCKER_COUNTERS_H
#define DOCKER_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/denials.h"

/*
 * pid is what the engine says, and worth as much as the engine's host is ours: it is believed when this process
 * is in control groups that bear the container's id. false: nothing can be read.
 */
bool docker_is_process_of(const char *id, int64_t pid);
bool docker_counters_open(const char *id, int64_t pid, struct denial_fds *ret);

#endif
