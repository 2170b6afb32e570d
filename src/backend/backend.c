/* SPDX-License-Identifier: MIT */
/* The table of backends. */
#include "backend/backend.h"

#include "backend/docker/docker.h"
#include "backend/host.h"
#include "backend/native/native.h"

const struct backend_ops *backend_by_kind(enum backend_kind kind)
{
	static const struct backend_ops *const backends[BACKEND_COUNT_] = {
		[BACKEND_DOCKER] = &docker_backend,
		[BACKEND_NATIVE] = &native_backend,
		[BACKEND_HOST] = &host_backend,
	};

	return (unsigned)kind < BACKEND_COUNT_ ? backends[kind] : NULL;
}
