/* SPDX-License-Identifier: MIT */
/* Plays the other end of a link's stream, frame by frame. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer.h"

int peer_init(struct peer *peer)
{
	int fds[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
	*peer = (struct peer){.fd = fds[1]};
	return fds[0];
}

void peer_finish(struct peer *peer)
{
	peer->link = link_free(peer->link);
	(void)close(peer->fd);
	buf_finish(&peer->said);
	buf_finish(&peer->say);
}

int peer_pump(struct peer *peer)
{
	if (peer->say.len > 0) {
		assert_int_equal(
			send(peer->fd, peer->say.data, peer->say.len, MSG_NOSIGNAL), peer->say.len);
		buf_clear(&peer->say);
	}
	return link_pump(peer->link, POLLIN | POLLOUT, &peer->err);
}

struct frame_header peer_next_frame(struct peer *peer, struct buf *payload)
{
	struct frame_header header = {0};
	char chunk[65536];
	ssize_t n;

	while ((n = recv(peer->fd, chunk, sizeof(chunk), MSG_DONTWAIT)) > 0) {
		buf_add(&peer->said, chunk, (size_t)n);
	}
	if (frame_peek((const uint8_t *)peer->said.data, peer->said.len, &header, &peer->err) !=
		1) {
		return (struct frame_header){0};
	}
	if (payload != NULL) {
		buf_clear(payload);
		buf_add(payload, peer->said.data + FRAME_HEADER_SIZE, header.length);
	}
	buf_consume(&peer->said, FRAME_HEADER_SIZE + header.length);
	return header;
}
