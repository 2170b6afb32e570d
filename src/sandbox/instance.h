/* SPDX-License-Identifier: MIT */
/* Whose sandboxes they are. */
#ifndef SANDBOX_INSTANCE_H
#define SANDBOX_INSTANCE_H

#include "config/config.h"

/* Two instances of Creel on one host may have sandboxes of the same name; their state directories
 * differ, and so do these 16 hex digits. Arena memory. */
const char *sandbox_instance(struct arena *a, const struct config *config);

#endif
