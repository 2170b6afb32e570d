/* SPDX-License-Identifier: MIT */
/* What most commands begin with: the configuration and the decision. */
#ifndef CLI_PREPARE_H
#define CLI_PREPARE_H

#include "backend/backend.h"
#include "cli/fail.h"
#include "policy/decide.h"

/* These report what went wrong and return the exit status then; 0 when all is well. */

/* The configuration that the common options name, or the one that is found. Invalid ones come too
 * only when allow_invalid. Free with config_free(). */
int prepare_config(const struct cmd_call *call, bool allow_invalid, struct config **ret);

/* The decision for a request. Free with decision_free(), before the configuration. */
int prepare_decision(const struct cmd_call *call, const struct config *config,
	const struct decide_request *request, struct decision **ret);

/* path made absolute and free of links, on the heap. It must be a directory. */
int prepare_directory(const struct cmd_call *call, const char *path, char **ret);

#define _cleanup_config_ _cleanup_(prepare_config_freep)
#define _cleanup_decision_ _cleanup_(prepare_decision_freep)
static inline void prepare_config_freep(struct config **config)
{
	*config = config_free(*config);
}
static inline void prepare_decision_freep(struct decision **decision)
{
	*decision = decision_free(*decision);
}

#endif
