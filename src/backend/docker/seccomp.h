/* SPDX-License-Identifier: MIT */
/*
 * The seccomp profile of a container for which docker.seccompProfile names none. It is made from the
 * table of the native filter when Creel is built (scripts/gen-docker-seccomp.c says what differs).
 */
#ifndef DOCKER_SECCOMP_H
#define DOCKER_SECCOMP_H

#include <stdbool.h>

#include "policy/spec.h"

/* "seccomp={...}", as engines want it in SecurityOpt. The caller frees it. */
char *docker_seccomp_option(const struct sandbox_spec *spec);

#endif
