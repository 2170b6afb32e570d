/* SPDX-License-Identifier: MIT */
/* What a decision leaves to the host: canonical binds, the workspace's owner, the backend. */
#ifndef SANDBOX_RESOLVE_H
#define SANDBOX_RESOLVE_H

#include "policy/decide.h"

enum resolve_flags {
	/* Make the sandbox's own workspace directory when it is missing, and bring bootstrap files and
	 * skills in it up to date. */
	RESOLVE_CREATE = 1,
	/* Where the backend is native the sandbox will not outlive its command: nobody will compare
	 * spec.config_hash, and it stays NULL. */
	RESOLVE_NATIVE_ONCE = 2,
};

/*
 * Complete decision->spec with what only the file system knows: every bind checked in canonical form
 * (contract section 4), user from the workspace's owner, backend auto turned into one that is there
 * (with *ret_backend_reason, arena memory). Without RESOLVE_CREATE nothing on the host changes.
 * -EINVAL and friends with entry, reason and key in err.
 */
int sandbox_resolve(struct decision *decision, unsigned flags, const char **ret_backend_reason,
	struct error *err);

#endif
