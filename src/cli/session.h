/* SPDX-License-Identifier: MIT */
/* One command in a sandbox with the standard descriptors and signals of this process. */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include "base/error.h"
#include "wire/link.h"

enum session_end {
	SESSION_EXITED, /* exited is filled */
	SESSION_FAILED, /* it never ran: failed_stage and failed_num; err has the sentence */
	SESSION_LOST, /* the sandbox is gone, or did not end when it was told to; err */
	SESSION_OUTPUT, /* our own output broke (a full disk, not a closed pipe); err */
};

struct session_result {
	enum session_end end;
	struct wire_exited exited;
	enum wire_fail_stage failed_stage;
	int failed_num; /* positive errno */
	int signal; /* of this process, that made us end the command by force; 0 */
	bool timed_out; /* spawn->timeout_ms passed */
	bool broken_pipe; /* the reader of an output went away and the command did not mind */
};

/*
 * Spawn over a ready link and serve until the command ended and all of its output is written:
 * stdin as far as the command takes it, output with the readers' pace, INT, QUIT, USR1, USR2, TERM
 * and HUP passed on (the last two end the tree: KILL after 3 s), TSTP and CONT, window size changes. With
 * WIRE_SPAWN_PTY and a terminal on stdin that terminal is raw meanwhile.
 *
 * Always leaves a result; err is filled unless it is SESSION_EXITED. Meant for a process that exits
 * afterwards: SIGPIPE stays ignored and the signals named above stay blocked.
 */
void session_run(struct link *link, const struct wire_spawn *spawn, struct session_result *ret,
	struct error *err);

/* The exit status that a shell would give (contract section 3). */
int session_status(const struct session_result *result);

#endif
