/* SPDX-License-Identifier: MIT */
/* A network namespace that comes up beside the mounts. */
#ifndef NATIVE_NETWORK_H
#define NATIVE_NETWORK_H

#include <sys/types.h>

#include "base/error.h"

/* One that is being made. Zeroed before network_begin(). */
struct network {
	pid_t helper;
};

/* Start making a network namespace whose only interface, loopback, is up. In a child that has not
 * executed yet only: at most one at a time. */
int network_begin(struct network *network, struct error *err);
/* Wait for it and enter it. */
int network_join(struct network *network, struct error *err);

#endif
