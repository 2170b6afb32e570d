/* SPDX-License-Identifier: MIT */
/* Private to the front's middle: one tool call from its start to its end. */
#ifndef GATEWAY_CALL_H
#define GATEWAY_CALL_H

#include "gateway/internal.h"

struct gateway_call {
	struct gateway *gateway;
	struct caller_copy copy;
	char *agent, *session, *tool, *key;
	json_t *args;
	tool_progress_fn progress;
	tool_done_fn done;
	void *arg;
	uint64_t started_ns;
	uint64_t acquire_ns; /* since when a sandbox is waited for; 0: it is not */
	struct question *acquisition; /* the grant is awaited */
	struct held_grant *held;
	struct front_box *waits_for; /* its hello; next_waiter is of that box */
	struct gateway_call *next_waiter;
	struct tool_call *running;
	struct question *elevation; /* the broker is asked whether it may leave the sandbox */
	struct tool_call *asking;
	uint64_t bytes_out;
	bool asked_host; /* the broker decided on leaving the sandbox, and counted it */
	bool *ended, *outer_ended; /* set when it is freed */
};

#endif
