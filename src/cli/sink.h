/* SPDX-License-Identifier: MIT */
/* One output stream of a command on its way to a descriptor of ours. */
#ifndef CLI_SINK_H
#define CLI_SINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/*
 * A sink never blocks, so that signals and timeouts are served while a reader is slow, and it never
 * changes the flags of the caller's open file description: a shell or another process of a pipeline
 * shares it (an O_NONBLOCK left on a terminal breaks the shell).
 *
 * What the descriptor does not take now waits in pending, which the sender's credit bounds.
 */
enum sink_kind {
	SINK_UNKNOWN,
	SINK_DIRECT, /* regular file, /dev/null: write(2) does not wait for anybody */
	SINK_OWN, /* pipe or terminal, opened again for ourselves with O_NONBLOCK */
	SINK_SOCKET, /* MSG_DONTWAIT per call */
	SINK_POLLED, /* could not be opened again: PIPE_BUF bytes each time that poll(2) says so */
};

struct sink {
	int fd; /* the caller's */
	int own_fd; /* SINK_OWN; closed by sink_finish() */
	enum sink_kind kind;
	struct buf pending;
	size_t pending_at; /* how much of pending is written */
	size_t done; /* bytes written or thrown away since sink_take_done() */
	int error; /* positive errno once a write failed: everything later is thrown away */
};

void sink_init(struct sink *sink, int fd);
void sink_finish(struct sink *sink);

/* Take all of data: write what goes now, keep the rest. */
void sink_write(struct sink *sink, const uint8_t *data, size_t len);
/* poll(2) said that the descriptor can be written (or is broken). */
void sink_flush(struct sink *sink);

bool sink_is_pending(const struct sink *sink);
int sink_poll_fd(const struct sink *sink);
/* Bytes done since the last call. */
size_t sink_take_done(struct sink *sink);

#endif
