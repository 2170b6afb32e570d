/* SPDX-License-Identifier: MIT */
/* What the front gives up before it reads the first byte that somebody else chose. */
#ifndef GATEWAY_CONFINE_H
#define GATEWAY_CONFINE_H

#include "base/error.h"

/*
 * From here on, for good: no new privileges, no capability, no core dump and no tracer; no path can be
 * opened (Landlock without a single rule, where the kernel has it), and only the system calls of a
 * program that serves the descriptors it has: no open, no socket, no connect, no exec, no fork, no kill.
 * Descriptors, memory, clocks and the event loop stay. A call that is not listed fails with EPERM.
 *
 * -ENOSYS and others: this kernel cannot do it, and the front must not run.
 */
int front_confine(struct error *err);

#endif
