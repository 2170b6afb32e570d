/* SPDX-License-Identifier: MIT */
/* What box.c and box-session.c share: a sandbox whose stream is here. */
#ifndef GATEWAY_BOX_INTERNAL_H
#define GATEWAY_BOX_INTERNAL_H

#include "gateway/internal.h"
#include "gateway/stream.h"

struct front_box {
	struct front_box *next, **slot;
	struct gateway *gateway;
	char *name, *backend;
	struct stream stream; /* looks whether it is used at all */
	bool ready; /* hello came, and what was left there is known */
	uint64_t serial, used_ns;
	unsigned users; /* beside the tools */
	bool outdated;
	struct box_session *sessions;
	struct gateway_call *waiting;
	struct denials *denials; /* NULL: its sandbox does not tell */
	struct found *found; /* left there by an earlier front, of sessions not seen yet */
};

/* A process that link_list() told of. */
struct found {
	struct found *next;
	char *session, *tag;
	struct wire_process process; /* without name; tag as above */
};

/* --- box-session.c --- */

/* Its background processes are killed, its calls end. Out of the sandbox's list already. */
void box_session_free(struct box_session *session);

/* Left there by an earlier front: kept for the session that it is of. */
void box_add_found(struct front_box *box, const struct wire_process *process);
/* All are known: those that are of no session are ended. */
void box_end_orphans(struct front_box *box);
void box_found_free(struct found *f); /* out of the list already */

#endif
