/* SPDX-License-Identifier: MIT */
/* The other end of creel-image: starting it, and one image at a time without waiting for it. */
#ifndef IMAGE_CLIENT_H
#define IMAGE_CLIENT_H

#include <sys/types.h>

#include "image/message.h"

/*
 * Start creel-image. *ret_fd is what jobs are made with, and may be handed to another process; closing
 * every copy ends the program, as does the end of this process. The child is the caller's to reap.
 */
int image_service_start(int *ret_fd, pid_t *ret_pid, struct error *err);

/* The same on a socket that is there already: theirs is the program's end, borrowed. */
int image_service_adopt(int theirs, pid_t *ret_pid, struct error *err);

/* One image on its way. Needs socketpair(2) and sendmsg(2), no path and no new process. */
struct image_job;

/* source: the file, taken over (it is empty afterwards) and at most LIMIT_READ_IMAGE_SOURCE.
 * -ECONNREFUSED: the service has ended; -EBUSY: too many wait already. */
int image_job_new(int service_fd, struct buf *source, const struct image_bounds *bounds,
	struct image_job **ret, struct error *err);
struct image_job *image_job_free(struct image_job *job); /* and its worker gives up; NULL ok */

/* What to poll for; the descriptor stays the same. */
int image_job_fd(const struct image_job *job);
short image_job_events(const struct image_job *job);

/*
 * Move on after poll(2). 0: not yet. 1: *ret is filled. A failure is final: the sentence of
 * creel-image, -EPROTO, or -EIO when the worker ended without an answer, which is what happens over its
 * limits of memory and time.
 */
int image_job_pump(struct image_job *job, struct image_shrunk *ret, struct error *err);

#endif
