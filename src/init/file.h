/* SPDX-License-Identifier: MIT */
/*
 * The file tools' requests inside creel-init. A disk can block, so PID 1 never touches it: workers,
 * forked from it and used again, carry requests out, and frames go to and from them over a socket.
 * They are as undumpable as their parent, so nothing in the sandbox reads or writes their memory.
 */
#ifndef INIT_FILE_H
#define INIT_FILE_H

#include "init/internal.h"
#include "wire/frame_file.h"

/* A frame of kind FILE_*. 0, or -EPROTO with the reason. */
int file_frame(struct init *init, const struct frame_header *header, struct wire_bytes payload,
	struct error *err);
/* The connection is gone: what only looks is ended, what writes comes to its end unheard. */
void file_detach(struct init *init);
void file_finish(struct init *init);

/* file_worker.c: the child's side. Serves requests from fd until it is closed; never returns. */
_Noreturn void file_worker_run(int fd);

#endif
