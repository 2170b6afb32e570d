/* SPDX-License-Identifier: MIT */
/*
 * Socket activation: our end of the front's control socket is given to creel-image when it becomes
 * readable, and with it what made it so. A gateway whose agents read no large images has no such process.
 */
#include "broker/images.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/own.h"
#include "image/client.h"

struct images {
	int fd; /* creel-image's end; kept for the next one */
	pid_t pid; /* 0: none runs */
	struct event *asked;
};

/* Its descriptor goes with it, so whoever asked hears that nobody answers. */
static void refuse(const struct images *images)
{
	char byte;

	(void)recv(images->fd, &byte, sizeof(byte), MSG_DONTWAIT);
}

static void on_asked(evutil_socket_t fd, short events, void *arg)
{
	struct images *images = arg;
	struct error err;

	(void)fd;
	(void)events;
	if (image_service_adopt(images->fd, &images->pid, &err) < 0) {
		log_error("images stay large: %s", err.text);
		refuse(images);
		(void)event_add(images->asked, NULL);
	}
}

int images_new(struct event_base *base, struct images **ret, int *ret_front_fd, struct error *err)
{
	struct images *images;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		return error_set(err, errno, "cannot make a socket for images");
	}
	images = xcalloc(1, sizeof(*images));
	images->fd = pair[0];
	/* Not persistent: while creel-image runs the socket is its. */
	images->asked = event_new(base, images->fd, EV_READ, on_asked, images);
	(void)event_add(images->asked, NULL);
	*ret = images;
	*ret_front_fd = pair[1];
	return 0;
}

struct images *images_free(struct images *images)
{
	if (images == NULL) {
		return NULL;
	}
	if (images->pid > 0) {
		(void)kill(images->pid, SIGKILL);
	}
	event_free(images->asked);
	cleanup_closep(&images->fd);
	free(images);
	return NULL;
}

void images_reaped(struct images *images, int pid)
{
	if (images != NULL && images->pid == pid) {
		images->pid = 0;
		(void)event_add(images->asked, NULL);
	}
}
