/* SPDX-License-Identifier: MIT */
/* The embedded backend: namespaces made by this program itself. */
#ifndef NATIVE_NATIVE_H
#define NATIVE_NATIVE_H

#include "backend/backend.h"
#include "base/arena.h"

extern const struct backend_ops native_backend;

/*
 * Where creel-init is: configured (may be NULL), else beside this executable, beside it in the build
 * tree, or in libexecdir. Canonical, arena memory; NULL with err set when it is nowhere.
 */
const char *native_find_init(const char *configured, struct arena *arena, struct error *err);

#endif
