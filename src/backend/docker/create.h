/* SPDX-License-Identifier: MIT */
/* From a container spec to what an engine is asked for. */
#ifndef DOCKER_CREATE_H
#define DOCKER_CREATE_H

#include <jansson.h>

#include "base/error.h"
#include "policy/spec.h"

/* Where every sandbox has them. */
#define DOCKER_RUN_TARGET "/run/creel"
#define DOCKER_INIT_TARGET "/run/creel/init"

struct create_opts {
	const char *init_path; /* creel-init */
	const char *run_dir; /* its directory */
	const char *agent, *kind; /* for labels; NULL: none */
	bool once; /* the container removes itself when its stream ends */
	uint64_t now_ms; /* of the wall clock, for a label */
};

/*
 * The body of POST /containers/create for a resolved spec. Every key of the spec is in it, or the
 * call fails with the key in err. Reads the seccomp profile that the spec names, nothing else. The
 * caller owns *ret.
 */
int docker_create_body(const struct sandbox_spec *spec, const struct create_opts *opts,
	json_t **ret, struct error *err);

/* What makes an image of this name, in words. */
const char *docker_setup_script(const char *image);

#endif
