/* SPDX-License-Identifier: MIT */
/* The embedded backend: namespaces made by this program itself. */
#ifndef NATIVE_NATIVE_H
#define NATIVE_NATIVE_H

#include "backend/backend.h"
#include "base/arena.h"

extern const struct backend_ops native_backend;

/*
 * A sandbox that outlives its starter, which has made run_dir (rundir_prepare()) and waits for a call
 * at its socket. alive_fd: the keeper keeps it open, and with it a lock, and writes its pid there.
 * ring_fd: a file where refusals are told (denial_ring_format()), FD_NONE: nobody wants to know. Behind
 * the pid stand, a line each, that of the sandbox's PID 1 and its memory and pids control groups.
 * ret->keeper, a child for as long as the starter lives, ends the sandbox at SIGTERM; host_uid and
 * missing are set, stream_fd is not. On failure nothing but run_dir is left.
 */
int native_start_lasting(const struct sandbox_spec *spec, const char *run_dir, int alive_fd,
	int ring_fd, struct backend_sandbox *ret, struct error *err);

/*
 * Where creel-init is: configured (may be NULL), else beside this executable, beside it in the build
 * tree, or in libexecdir. Canonical, arena memory; NULL with err set when it is nowhere.
 */
const char *native_find_init(const char *configured, struct arena *arena, struct error *err);

#endif
