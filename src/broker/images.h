/* SPDX-License-Identifier: MIT */
/* creel-image for the front, which cannot start it: there as soon as the first image is asked for. */
#ifndef BROKER_IMAGES_H
#define BROKER_IMAGES_H

#include <event2/event.h>

#include "base/error.h"

struct images;

/* *ret_front_fd: the control socket of image/client.h, for the front; the caller's. */
int images_new(struct event_base *base, struct images **ret, int *ret_front_fd, struct error *err);
/* Ends creel-image too, if it runs; NULL ok. */
struct images *images_free(struct images *images);
/* A child ended; anybody's. */
void images_reaped(struct images *images, int pid);

#endif
