/* SPDX-License-Identifier: MIT */
/* No sandbox: commands on the host, through the same stream. */
#ifndef BACKEND_HOST_H
#define BACKEND_HOST_H

#include "backend/backend.h"

extern const struct backend_ops host_backend;

#endif
