/* SPDX-License-Identifier: MIT */
/*
 * Connections that the gateway makes to ports inside the sandbox. They belong to the connection with the
 * gateway: when that ends they are closed, and nothing of them is remembered.
 */
#ifndef INIT_CONNECT_H
#define INIT_CONNECT_H

#include "init/internal.h"
#include "wire/frame_connect.h"

/* A frame of kind CONNECT or CONN_*. 0, or -EPROTO with the reason. */
int connect_frame(struct init *init, const struct frame_header *header, struct wire_bytes payload,
	struct error *err);
/* The gateway took what was queued for it: go on with those that waited for that. */
void connect_resume(struct init *init);
void connect_detach(struct init *init); /* close them all */

#endif
