/* SPDX-License-Identifier: MIT */
/*
 * POST /v1/exec with Upgrade: creel-frames. The client speaks the gateway's end of the frame protocol
 * (docs/PROTOCOL.md), and is answered as creel-init would, but for what policy says: one SPAWN, whose
 * user, limits and environment are the sandbox's.
 */
#ifndef GATEWAY_EXEC_RELAY_H
#define GATEWAY_EXEC_RELAY_H

#include "gateway/core.h"

struct exec_relay_opts {
	const struct gateway_caller *caller;
	/* The request's body: {"agent"?,"session"?,"cwd"?,"workspace"?,"spawn"?}; borrowed. spawn:
	 * the payload of a SPAWN frame in base64, to run on the host as it is, past the
	 * sandbox. */
	const json_t *body;
	int adopt_fd; /* the connection, with nothing unread or unsent of the request; taken over */
	const void *early; /* what the client sent behind its request */
	size_t early_len;
};

/* Answers over the connection: 101 and frames, or an error as JSON with its status. Ends by itself. */
void exec_relay_start(struct gateway *gateway, const struct exec_relay_opts *opts);

#endif
