/* SPDX-License-Identifier: MIT */
/*
 * The keeper: a small process between the starter and a sandbox that has something on the host to be
 * removed (control groups), or that outlives its starter. It is the parent of the sandbox's PID 1,
 * waits for its end or for SIGTERM, kills, reaps, removes, exits.
 */
#ifndef NATIVE_KEEPER_H
#define NATIVE_KEEPER_H

#include "backend/native/launch.h"

/* Fork a keeper that starts the sandbox. On success ret->keeper, kept, host_uid and missing are set. */
int keeper_start(
	const struct launch_request *request, struct backend_sandbox *ret, struct error *err);

#endif
