/* SPDX-License-Identifier: MIT */
/* Large images, one after the other: what a session holds of them at once is one. */
#ifndef TOOLS_IMAGE_TURN_H
#define TOOLS_IMAGE_TURN_H

#include "image/message.h"
#include "tools/internal.h"

/* A place in the session's queue. Zeroed: none. In the call's state, which ends it by leave. */
struct image_turn {
	struct image_turn *next;
	struct tool_call *call;
	bool queued;
	/* First in the queue now; may end the call. */
	void (*ready)(struct tool_call *call);
	/* What became of the image, NULL: nothing, and why; must end the call. */
	void (*done)(
		struct tool_call *call, const struct image_shrunk *image, const struct error *why);
};

/* Join the queue. True: it is this one's turn already, and ready is not called.
 * -EBUSY: too many wait; -ENOSYS: the session has nothing that makes images smaller. */
int image_turn_wait(
	struct image_turn *turn, struct tool_call *call, bool *ret_first, struct error *err);
bool image_turn_is_first(const struct image_turn *turn);

/* In its turn: source is taken over, done follows. A failure starts nothing. */
int image_turn_shrink(struct image_turn *turn, struct buf *source, struct error *err);

/* Gives up the place and what runs in it. */
void image_turn_leave(struct image_turn *turn);

#endif
