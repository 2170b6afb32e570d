/* SPDX-License-Identifier: MIT */
/* One end of the socket between broker and front, on an event loop: packets out, packets in. */
#ifndef BUS_CHANNEL_H
#define BUS_CHANNEL_H

#include <event2/event.h>
#include <jansson.h>

#include "bus/bus.h"

struct bus_channel;

struct bus_packet {
	struct bus_message message; /* views, valid during the call */
	int fds[BUS_FDS_MAX]; /* closed after the call unless they were taken (TAKE_FD) */
	size_t fd_count;
};

struct bus_channel_ops {
	void (*packet)(void *arg, struct bus_packet *packet);
	/* The peer is gone, or broke the rules: no more comes. The channel may be freed. */
	void (*closed)(void *arg, const struct error *why);
};

/* adopt_fd: one end of a SOCK_SEQPACKET pair, made non-blocking here. ops are borrowed. */
struct bus_channel *bus_channel_new(
	struct event_base *base, int adopt_fd, const struct bus_channel_ops *ops, void *arg);
struct bus_channel *bus_channel_free(struct bus_channel *channel); /* NULL ok; NULL */

/*
 * Send in order, without waiting; what the socket does not take now is queued. fds are duplicated
 * where they have to wait: they stay the caller's. -E2BIG and -EINVAL as bus_encode(); -ENOBUFS: the
 * peer has not read for too long, the channel is broken. On a broken channel: -EPIPE.
 */
int bus_channel_send(struct bus_channel *channel, const struct bus_message *message, const int *fds,
	size_t fd_count, struct error *err);

/* The same for whoever has no loop: waits until the packet is taken. */
int bus_send(int fd, const struct bus_message *message, const int *fds, size_t fd_count,
	struct error *err);

/* Put JSON into a message that is then sent: as its field, or when it is long in a memfd, which
 * *ret_fd owns. text must live until the message was sent. */
int bus_attach_json(struct bus_message *message, const char *text, int *ret_fd, struct error *err);
/* The JSON of a packet, from its field or its memfd. NULL with err set: there is none, or it is none. */
json_t *bus_packet_json(struct bus_packet *packet, struct error *err);

#endif
