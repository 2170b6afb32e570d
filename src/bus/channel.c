/* SPDX-License-Identifier: MIT */
/* Packets over a SOCK_SEQPACKET socket with descriptors beside them. */
#include "bus/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/own.h"
#include "base/secret.h"

enum {
	/* Packets and bytes that wait for a peer that does not read: then it is broken. */
	QUEUE_PACKETS = 16 * 1024,
	QUEUE_BYTES = 64 * 1024 * 1024,
	READS_PER_TURN = 64,
};

struct queued {
	struct queued *next;
	struct buf packet;
	int fds[BUS_FDS_MAX];
	size_t fd_count;
};

struct bus_channel {
	int fd;
	struct event *read, *write;
	const struct bus_channel_ops *ops;
	void *arg;
	struct queued *first, **last;
	size_t packets, bytes;
	bool broken;
	bool *freed; /* set when a callback frees the channel */
};

/* One for all channels: a packet is served before the next is read. */
static uint8_t in[BUS_MESSAGE_MAX];

static void queued_free(struct queued *q)
{
	for (size_t i = 0; i < q->fd_count; i++) {
		(void)close(q->fds[i]);
	}
	secret_buf_finish(&q->packet);
	free(q);
}

static void drop_queue(struct bus_channel *channel)
{
	while (channel->first != NULL) {
		struct queued *q = channel->first;

		channel->first = q->next;
		queued_free(q);
	}
	channel->last = &channel->first;
	channel->packets = channel->bytes = 0;
}

static void channel_break(struct bus_channel *channel, const struct error *why)
{
	if (channel->broken) {
		return;
	}
	channel->broken = true;
	(void)event_del(channel->read);
	(void)event_del(channel->write);
	drop_queue(channel);
	channel->ops->closed(channel->arg, why);
}

union rights {
	struct cmsghdr header;
	char space[CMSG_SPACE(BUS_FDS_MAX * sizeof(int))];
};

/* 0, or a negative errno; -EAGAIN: the socket is full. */
static int send_packet(int fd, const struct buf *packet, const int *fds, size_t fd_count, int flags)
{
	struct iovec iov = {.iov_base = packet->data, .iov_len = packet->len};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	union rights rights;
	ssize_t n;

	if (fd_count > 0) {
		(void)memset(&rights, 0, sizeof(rights));
		rights.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
			.cmsg_len = CMSG_LEN(fd_count * sizeof(int))};
		(void)memcpy(CMSG_DATA(&rights.header), fds, fd_count * sizeof(int));
		message.msg_control = &rights;
		message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
	}
	do {
		n = sendmsg(fd, &message, MSG_NOSIGNAL | flags);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

static void on_writable(evutil_socket_t fd, short events, void *arg)
{
	struct bus_channel *channel = arg;
	struct error why;

	(void)events;
	while (channel->first != NULL) {
		struct queued *q = channel->first;
		int r = send_packet(fd, &q->packet, q->fds, q->fd_count, MSG_DONTWAIT);

		if (r == -EAGAIN) {
			(void)event_add(channel->write, NULL);
			return;
		}
		if (r < 0) {
			(void)error_set(&why, -r, "cannot write to the other process");
			channel_break(channel, &why);
			return;
		}
		channel->first = q->next;
		channel->last = channel->first == NULL ? &channel->first : channel->last;
		channel->packets--;
		channel->bytes -= q->packet.len;
		queued_free(q);
	}
}

static int enqueue(struct bus_channel *channel, struct buf *packet, const int *fds, size_t fd_count,
	struct error *err)
{
	struct queued *q;

	if (channel->packets >= QUEUE_PACKETS || channel->bytes + packet->len > QUEUE_BYTES) {
		(void)error_plain(err, ENOBUFS, "the other process has not read for too long");
		channel_break(channel, err);
		return -ENOBUFS;
	}
	q = xcalloc(1, sizeof(*q));
	for (size_t i = 0; i < fd_count; i++) {
		int copy = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);

		if (copy < 0) {
			int r = error_set(err, errno, "cannot keep a descriptor to be sent");

			queued_free(q);
			return r;
		}
		q->fds[q->fd_count++] = copy;
	}
	q->packet = TAKE(*packet, (struct buf){0});
	*channel->last = q;
	channel->last = &q->next;
	channel->packets++;
	channel->bytes += q->packet.len;
	(void)event_add(channel->write, NULL);
	return 0;
}

int bus_channel_send(struct bus_channel *channel, const struct bus_message *message, const int *fds,
	size_t fd_count, struct error *err)
{
	_cleanup_(secret_buf_finish) struct buf packet = {0};
	int r;

	if (channel->broken) {
		return error_plain(err, EPIPE, "the other process is gone");
	}
	r = bus_encode(&packet, message, err);
	if (r < 0) {
		return r;
	}
	if (channel->first == NULL) {
		r = send_packet(channel->fd, &packet, fds, fd_count, MSG_DONTWAIT);
		/* Its death shows as end of file, where it is handled. */
		if (r != -EAGAIN) {
			return r < 0 ? error_set(err, -r, "cannot write to the other process") : 0;
		}
	}
	return enqueue(channel, &packet, fds, fd_count, err);
}

int bus_send(int fd, const struct bus_message *message, const int *fds, size_t fd_count,
	struct error *err)
{
	_cleanup_(secret_buf_finish) struct buf packet = {0};
	int r = bus_encode(&packet, message, err);

	if (r == 0) {
		r = send_packet(fd, &packet, fds, fd_count, 0);
		r = r < 0 ? error_set(err, -r, "cannot write to the other process") : 0;
	}
	return r;
}

/* How many descriptors came; the last of them are dropped when there was no room. */
static size_t take_rights(struct msghdr *message, int fds[BUS_FDS_MAX])
{
	size_t count = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
			count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
			count = count < BUS_FDS_MAX ? count : BUS_FDS_MAX;
			(void)memcpy(fds, CMSG_DATA(c), count * sizeof(int));
		}
	}
	return count;
}

/* 1: a packet was served, 0: there is none, or a negative errno. */
static int read_packet(struct bus_channel *channel, struct error *err)
{
	union rights rights;
	struct iovec iov = {.iov_base = in, .iov_len = sizeof(in)};
	struct msghdr message = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &rights,
		.msg_controllen = sizeof(rights)};
	struct bus_packet packet = {0};
	ssize_t n = recvmsg(channel->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int r;

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return 0;
	}
	if (n <= 0) {
		return error_plain(err, n < 0 ? errno : EPIPE, "the other process is gone");
	}
	packet.fd_count = take_rights(&message, packet.fds);
	r = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0
		    ? error_plain(err, EPROTO, "a message of the other process is too large")
		    : bus_decode((struct wire_bytes){in, (size_t)n}, &packet.message, err);
	if (r == 0) {
		channel->ops->packet(channel->arg, &packet);
	}
	explicit_bzero(in, (size_t)n);
	for (size_t i = 0; i < packet.fd_count; i++) {
		cleanup_closep(&packet.fds[i]);
	}
	return r < 0 ? r : 1;
}

static void on_readable(evutil_socket_t fd, short events, void *arg)
{
	struct bus_channel *channel = arg;
	bool freed = false;
	struct error why;
	int r = 1;

	(void)fd;
	(void)events;
	channel->freed = &freed;
	for (int i = 0; i < READS_PER_TURN && r > 0 && !freed && !channel->broken; i++) {
		r = read_packet(channel, &why);
	}
	if (freed) {
		return;
	}
	channel->freed = NULL;
	if (r < 0) {
		channel_break(channel, &why);
	}
}

struct bus_channel *bus_channel_new(
	struct event_base *base, int adopt_fd, const struct bus_channel_ops *ops, void *arg)
{
	struct bus_channel *channel = xcalloc(1, sizeof(*channel));

	channel->fd = adopt_fd;
	channel->ops = ops;
	channel->arg = arg;
	channel->last = &channel->first;
	(void)evutil_make_socket_nonblocking(adopt_fd);
	channel->read = event_new(base, adopt_fd, EV_READ | EV_PERSIST, on_readable, channel);
	channel->write = event_new(base, adopt_fd, EV_WRITE, on_writable, channel);
	if (channel->read == NULL || channel->write == NULL) {
		abort();
	}
	(void)event_add(channel->read, NULL);
	return channel;
}

struct bus_channel *bus_channel_free(struct bus_channel *channel)
{
	if (channel == NULL) {
		return NULL;
	}
	if (channel->freed != NULL) {
		*channel->freed = true;
	}
	event_free(channel->read);
	event_free(channel->write);
	drop_queue(channel);
	(void)close(channel->fd);
	free(channel);
	return NULL;
}

/* --- JSON --- */

/* Sealed, so that what the other end maps or reads cannot change below it, memfd_create(2). */
static int seal_text(const char *text, size_t len, struct error *err)
{
	_cleanup_close_ int fd = memfd_create("creel-json", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t at = 0;

	if (fd < 0) {
		return error_set(err, errno, "cannot make a memory file");
	}
	while (at < len) {
		ssize_t n = write(fd, text + at, len - at);

		if (n < 0) {
			return error_set(err, errno, "cannot write a memory file");
		}
		at += (size_t)n;
	}
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0) {
		return error_set(err, errno, "cannot seal a memory file");
	}
	return TAKE_FD(fd);
}

int bus_attach_json(struct bus_message *message, const char *text, int *ret_fd, struct error *err)
{
	size_t len = strlen(text);
	int fd;

	if (len <= BUS_JSON_MAX) {
		bus_set(message, BUS_JSON, text);
		*ret_fd = FD_NONE;
		return 0;
	}
	fd = seal_text(text, len, err);
	if (fd < 0) {
		return fd;
	}
	message->flags |= BUS_MEMFD;
	*ret_fd = fd;
	return 0;
}

static json_t *read_memfd(int fd, struct error *err)
{
	_cleanup_buf_ struct buf text = {0};
	json_error_t why;
	struct stat st;
	json_t *json;
	char *room;

	if (fstat(fd, &st) < 0 || st.st_size < 0 || st.st_size > BUS_MEMFD_MAX) {
		(void)error_plain(err, EPROTO, "a memory file of the other process is no answer");
		return NULL;
	}
	room = buf_reserve(&text, (size_t)st.st_size);
	if (pread(fd, room, (size_t)st.st_size, 0) != (ssize_t)st.st_size) {
		(void)error_plain(err, EPROTO, "cannot read a memory file of the other process");
		return NULL;
	}
	json = json_loadb(room, (size_t)st.st_size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
	if (json == NULL) {
		(void)error_plain(err, EPROTO, "the other process sent no JSON: %s", why.text);
	}
	return json;
}

json_t *bus_packet_json(struct bus_packet *packet, struct error *err)
{
	const struct wire_bytes *text = &packet->message.fields[BUS_JSON];
	json_error_t why;
	json_t *json;

	if ((packet->message.flags & BUS_MEMFD) != 0 && packet->fd_count > 0) {
		return read_memfd(packet->fds[packet->fd_count - 1], err);
	}
	if (text->data == NULL) {
		(void)error_plain(err, EPROTO, "a message of the other process has no JSON");
		return NULL;
	}
	json = json_loadb(
		(const char *)text->data, text->len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
	if (json == NULL) {
		(void)error_plain(err, EPROTO, "the other process sent no JSON: %s", why.text);
	}
	return json;
}
