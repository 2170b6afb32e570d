/* SPDX-License-Identifier: MIT */
/*
 * creel-init's side of the protocol towards a link, for connections to one place outside of any sandbox:
 * the front, which may open none itself, gets a browser's DevTools through it, and nothing else. Whatever
 * port is asked for, that place is where it leads.
 */
#ifndef BROKER_DOOR_H
#define BROKER_DOOR_H

#include <sys/socket.h>

struct door {
	const struct sockaddr *address; /* borrowed; NULL: the pipe */
	socklen_t address_size;
	int pipe_fd; /* a stream socket, taken by the first connection; with its end all ends */
};

/* Until the peer has gone, broke the rules or asked for the end, or lease_fd is readable. adopt_fd: a
 * SOCK_STREAM socket whose other end has the link. */
void door_serve(int adopt_fd, int lease_fd, const struct door *door);

#endif
