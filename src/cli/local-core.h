/* SPDX-License-Identifier: MIT */
/*
 * gateway/core.h in one process, for one user and one session: what `creel mcp` stands on when no
 * gateway runs. The caller is who started the command, so nobody is asked for a token, and agent,
 * session and sender are those of the command line.
 */
#ifndef CLI_LOCAL_CORE_H
#define CLI_LOCAL_CORE_H

#include "cli/request.h"
#include "gateway/core.h"

/* decided is borrowed. The sandbox is started by the first call that policy allows. */
struct gateway *local_core_new(struct decided *decided);
/* Ends what runs, the sandbox too: every done comes. NULL ok. */
struct gateway *local_core_free(struct gateway *gateway);
/* Wait for events and do what is due; true: extra_fd can be read. */
bool local_core_turn(struct gateway *gateway, int extra_fd);

#endif
