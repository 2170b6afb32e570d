/* SPDX-License-Identifier: MIT */
/* What the commands about lasting sandboxes share: their list, a selection of it, a question. */
#ifndef CLI_SANDBOXES_H
#define CLI_SANDBOXES_H

#include "broker/lifecycle-list.h"
#include "cli/prepare.h"

/* A zeroed one is empty; finish it. */
struct sandboxes {
	struct config *config;
	struct lifecycle *lifecycle;
	struct lifecycle_list list;
};
void sandboxes_finish(struct sandboxes *sandboxes);
#define _cleanup_sandboxes_ _cleanup_(sandboxes_finish)

/* All that there are. Reports what went wrong and returns the exit status then. */
int sandboxes_read(const struct cmd_call *call, struct sandboxes *ret);

/* Keep those that the filter lets pass, in their order. */
void sandboxes_keep(struct lifecycle_list *list,
	bool (*passes)(const void *arg, const struct lifecycle_sandbox *sandbox), const void *arg);

/* Does this row belong to an agent: agent:ID, or agent:ID: and more? */
bool sandboxes_is_agents(const struct lifecycle_sandbox *sandbox, const char *agent);

/* "3 h", "2 d", of a time that long ago. */
void sandboxes_add_age(struct buf *out, int64_t ms);

/* Ask on stderr, take the answer from stdin: is it yes? Anything else, and the end of the input, is no. */
bool sandboxes_confirm(const char *question);

/*
 * For recreate and rm: say which, ask unless force, remove them. With nothing selected: the message
 * and status 0. Prints "Done: X removed, Y failed".
 */
int sandboxes_remove(
	const struct cmd_call *call, struct sandboxes *sandboxes, bool browser, bool force);

#endif
