/* SPDX-License-Identifier: MIT */
/*
 * creel-init's side of the protocol towards a peer that has a link of its own, for one process on
 * another link: so that somebody runs one command in a sandbox, or on the host, who may not have the
 * whole stream. No waiting here: as with a link, the owner's loop waits and pumps.
 *
 * The peer is hostile: a malformed frame, a second SPAWN, anything but a process's frames end the relay.
 */
#ifndef WIRE_RELAY_H
#define WIRE_RELAY_H

#include "wire/link.h"

struct relay;

struct relay_ops {
	/* May this run? payload is the frame as it came, spawn the same decoded; what it points to may be
	 * replaced by what lives until the call is over. -EPERM and others: FAILED is sent with err. */
	int (*spawn)(
		void *arg, struct wire_bytes payload, struct wire_spawn *spawn, struct error *err);
	/* The peer's socket is full: wait for relay_events(). May be NULL. */
	void (*blocked)(void *arg);
	/* It ended, or never ran: told once. exited NULL: it never ran, or the link died. May be NULL. */
	void (*ended)(void *arg, const struct wire_exited *exited);
};

/* adopt_fd: a SOCK_STREAM socket, made non-blocking here. link: borrowed, must outlive the relay and be
 * ready or greeted when SPAWN comes. */
struct relay *relay_new(int adopt_fd, struct link *link, const struct relay_ops *ops, void *arg);
/* The process, if it runs, is killed with its tree. NULL ok; NULL. */
struct relay *relay_free(struct relay *relay);

int relay_fd(const struct relay *relay);
short relay_events(const struct relay *relay);
/* What the peer sent before its descriptor came here. As relay_pump(). */
int relay_feed(struct relay *relay, const void *data, size_t len, struct error *err);
/* 0, or why the peer's end is over: -EPIPE it is gone, -EPROTO it broke the rules. */
int relay_pump(struct relay *relay, short revents, struct error *err);
/* All is said: the process has ended and the peer has everything. */
bool relay_is_over(const struct relay *relay);

#endif
