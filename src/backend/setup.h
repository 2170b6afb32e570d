/* SPDX-License-Identifier: MIT */
/* docker.setupCommand: run once in a new sandbox, before anything else. */
#ifndef BACKEND_SETUP_H
#define BACKEND_SETUP_H

#include "policy/spec.h"
#include "wire/link.h"

/* Gets the command's output, both streams in order, while it runs. */
typedef void setup_output_fn(void *arg, const uint8_t *data, size_t len);

/*
 * Run spec->setup_command through `sh -lc` over a ready link, in the workdir, as the sandbox's user,
 * 10 minutes at most. 0 also when there is none. On failure err carries the end of its output, and
 * the sandbox must not be used (contract D13): the caller takes it down. show may be NULL.
 */
int setup_run(struct link *link, const struct sandbox_spec *spec, setup_output_fn *show, void *arg,
	struct error *err);

#endif
