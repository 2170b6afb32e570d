/* SPDX-License-Identifier: MIT */
/* A link and, at the other end of its stream, a peer that the test plays. */
#ifndef TESTS_UNIT_WIRE_PEER_H
#define TESTS_UNIT_WIRE_PEER_H

#include "wire/frame.h"
#include "wire/link.h"

struct peer {
	struct link *link; /* whoever has called peer_init() makes it */
	int fd; /* the peer's end */
	struct buf said; /* by the link, not yet looked at */
	struct buf say; /* by the peer, not yet sent */
	struct error err; /* what the link found wrong last */
};

/* A fresh stream; the descriptor is for the link. */
int peer_init(struct peer *peer);
/* With its link. */
void peer_finish(struct peer *peer);
/* The peer sends what it was given to say; the link's verdict. */
int peer_pump(struct peer *peer);
/* The next frame that the link sent; its kind is 0 when there is none. payload: NULL, not wanted. */
struct frame_header peer_next_frame(struct peer *peer, struct buf *payload);

#endif
