/* SPDX-License-Identifier: MIT */
/* Where a command line's commands and tools run: a lasting sandbox, one for once, or the host. */
#ifndef CLI_PLACE_H
#define CLI_PLACE_H

#include "broker/lifecycle.h"
#include "wire/link.h"

struct place {
	const struct backend_ops *backend; /* for once; NULL: lasting */
	struct backend_sandbox sandbox;
	struct lifecycle *lifecycle;
	struct lifecycle_acquired acquired;
	struct link *link; /* NULL: nothing is open */
	char *const *image_env; /* NULL: none */
	struct denials
		*denials; /* what the sandbox refuses; NULL: not asked for, or it cannot tell */
	bool lasting; /* it goes on when the link ends */
};
#define PLACE_NONE                                                                \
	{                                                                         \
		.sandbox.stream_fd = FD_NONE, .acquired = LIFECYCLE_ACQUIRED_NONE \
	}

struct place_opts {
	bool once; /* a sandbox of its own, gone afterwards, also where lasting ones are the rule */
	bool ready; /* wait for HELLO in any case */
	bool denials; /* be able to tell what the sandbox refuses */
	bool quiet; /* nothing for a person on stderr */
	bool browser; /* the sandbox of a browser, which goes on when the caller is gone */
};

/*
 * The place that a resolved decision names, with a link in it: ready, unless the stream was inherited,
 * where the first request may go out before HELLO came. Containers last, others are for once;
 * docker.setupCommand has run. 0 or a negative errno with the reason.
 */
int place_open(struct place *place, struct decision *decision, const struct place_opts *opts,
	struct error *err);
/* A negative errno: something of a sandbox for once is left. Safe to repeat. */
int place_close(struct place *place, struct error *err);

/* The environment of a command in that sandbox; memory from the decision. */
void place_env(const struct place *place, struct decision *decision, bool tty, struct strv *ret);

#endif
