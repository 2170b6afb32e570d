/* SPDX-License-Identifier: MIT */
/* Jobs for creel-image. */
#include "image/client.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/image_type.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/own.h"
#include "os/libexec.h"

enum { READ_CHUNK = 64 * 1024 };

struct image_job {
	int fd;
	struct image_bounds bounds;
	struct buf head, source, reply;
	size_t sent; /* of head and source together */
};

int image_service_adopt(int theirs, pid_t *ret_pid, struct error *err)
{
	return libexec_start("creel-image", "image", &theirs, 1, ret_pid, err);
}

int image_service_start(int *ret_fd, pid_t *ret_pid, struct error *err)
{
	_cleanup_close_ int ours = FD_NONE;
	_cleanup_close_ int theirs = FD_NONE;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		return error_set(err, errno, "cannot make a socket for creel-image");
	}
	ours = pair[0];
	theirs = pair[1];
	r = image_service_adopt(theirs, ret_pid, err);
	if (r == 0) {
		*ret_fd = TAKE_FD(ours);
	}
	return r;
}

static int send_socket(int service_fd, int fd, struct error *err)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.head = {.cmsg_level = SOL_SOCKET,
			     .cmsg_type = SCM_RIGHTS,
			     .cmsg_len = CMSG_LEN(sizeof(int))}};
	struct iovec data = {(void *)(uintptr_t) "", 1};
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};

	(void)memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	if (sendmsg(service_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
		return 0;
	}
	if (errno == EAGAIN || errno == ETOOMANYREFS) {
		return error_plain(err, EBUSY,
			"too many images are being made smaller at once; try again in a moment");
	}
	return error_set(err, ECONNREFUSED, "creel-image has ended");
}

int image_job_new(int service_fd, struct buf *source, const struct image_bounds *bounds,
	struct image_job **ret, struct error *err)
{
	_cleanup_close_ int ours = FD_NONE;
	_cleanup_close_ int theirs = FD_NONE;
	struct image_job *job;
	int pair[2], r;

	assert(source->len > 0 && source->len <= LIMIT_READ_IMAGE_SOURCE);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		return error_set(err, errno, "cannot make a socket for an image");
	}
	ours = pair[0];
	theirs = pair[1];
	r = send_socket(service_fd, theirs, err);
	if (r < 0) {
		return r;
	}
	job = xcalloc(1, sizeof(*job));
	job->fd = TAKE_FD(ours);
	job->bounds = *bounds;
	job->source = *source;
	*source = (struct buf){0};
	image_request_add(&job->head,
		&(struct image_request){.bounds = *bounds, .len = (uint32_t)job->source.len});
	*ret = job;
	return 0;
}

struct image_job *image_job_free(struct image_job *job)
{
	if (job == NULL) {
		return NULL;
	}
	cleanup_closep(&job->fd);
	buf_finish(&job->head);
	buf_finish(&job->source);
	buf_finish(&job->reply);
	free(job);
	return NULL;
}

int image_job_fd(const struct image_job *job)
{
	return job->fd;
}

static bool is_sent(const struct image_job *job)
{
	return job->sent == job->head.len + job->source.len;
}

short image_job_events(const struct image_job *job)
{
	return is_sent(job) ? POLLIN : POLLIN | POLLOUT;
}

/* 0: as much as goes. A worker that answers early reads no more: its answer says why. */
static void send_more(struct image_job *job)
{
	while (!is_sent(job)) {
		bool in_head = job->sent < job->head.len;
		const struct buf *from = in_head ? &job->head : &job->source;
		size_t at = in_head ? job->sent : job->sent - job->head.len;
		ssize_t n =
			send(job->fd, from->data + at, from->len - at, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			return;
		}
		if (n < 0) {
			job->sent = job->head.len + job->source.len;
			break;
		}
		job->sent += (size_t)n;
	}
	buf_finish(&job->source); /* the worker has it */
	job->sent = job->head.len;
}

/* 1: the reply is whole. 0: not yet. */
static int read_reply(struct image_job *job, struct image_reply *ret, struct error *err)
{
	int r;

	for (;;) {
		char *room;
		ssize_t n;

		if (job->reply.len >= IMAGE_REPLY_SIZE) {
			r = image_reply_get(
				(const uint8_t *)job->reply.data, &job->bounds, ret, err);
			if (r < 0 || job->reply.len >= IMAGE_REPLY_SIZE + ret->len) {
				return r < 0 ? r : 1;
			}
		}
		room = buf_reserve(&job->reply, READ_CHUNK);
		n = recv(job->fd, room, READ_CHUNK, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0 && errno == EAGAIN) {
			return 0;
		}
		if (n <= 0) {
			return error_plain(err, EIO,
				"the image takes more memory or time than there is for one, or is made "
				"to break decoders");
		}
		buf_commit(&job->reply, (size_t)n);
	}
}

int image_job_pump(struct image_job *job, struct image_shrunk *ret, struct error *err)
{
	struct image_reply reply;
	const char *body, *mime;
	int r;

	send_more(job);
	r = read_reply(job, &reply, err);
	if (r <= 0) {
		return r;
	}
	body = job->reply.data + IMAGE_REPLY_SIZE;
	if (reply.errnum != 0) {
		_cleanup_buf_ struct buf text = {0};

		buf_add_printable(&text, body, reply.len, IMAGE_TEXT_MAX);
		return error_plain(
			err, EBADMSG, "%s", text.data != NULL ? text.data : "not an image");
	}
	mime = image_type_mime((const uint8_t *)body, reply.len);
	if (mime == NULL || strcmp(mime, reply.mime) != 0) {
		return error_plain(err, EPROTO, "creel-image gave no answer that can be used");
	}
	*ret = (struct image_shrunk){
		.mime = reply.mime,
		.width = reply.width,
		.height = reply.height,
		.source_width = reply.source_width,
		.source_height = reply.source_height,
		.animated = reply.animated,
	};
	buf_add(&ret->data, body, reply.len);
	return 1;
}
