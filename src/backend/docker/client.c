/* SPDX-License-Identifier: MIT */
/* Starts creel-docker and asks it things. */
#include "backend/docker/client.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/docker/message.h"
#include "base/clock.h"
#include "base/macro.h"
#include "base/own.h"
#include "os/libexec.h"

int docker_client_start(struct docker_client *ret, int lock_fd, struct error *err)
{
	_cleanup_close_ int ours = FD_NONE;
	_cleanup_close_ int theirs = FD_NONE;
	int pair[2], given[2], r;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		return error_set(err, errno, "cannot make a socket for creel-docker");
	}
	ours = pair[0];
	theirs = pair[1];
	/* Without a directory to keep, anything: creel-docker wants its second descriptor to be there. */
	given[0] = theirs;
	given[1] = lock_fd >= 0 ? lock_fd : theirs;
	r = libexec_start("creel-docker", "backend", given, ARRAY_SIZE(given), &pid, err);
	if (r == 0) {
		*ret = (struct docker_client){.pid = pid, .control_fd = TAKE_FD(ours)};
	}
	return r;
}

int docker_client_send(const struct docker_client *client, json_t *request, struct error *err)
{
	int r = message_send(client->control_fd, request, err);

	json_decref(request);
	return r;
}

int docker_client_receive(
	const struct docker_client *client, uint32_t timeout_s, json_t **ret, struct error *err)
{
	json_t *reply = NULL;
	int r = message_receive(
		client->control_fd, clock_after_ns(timeout_s * NS_PER_S), &reply, err);

	if (r == 0) {
		r = message_take_error(reply, err);
	}
	if (r < 0) {
		json_decref(reply);
		return r;
	}
	*ret = reply;
	return 0;
}

int docker_client_ask(const struct docker_client *client, json_t *request, uint32_t timeout_s,
	json_t **ret, struct error *err)
{
	int r = docker_client_send(client, request, err);

	return r < 0 ? r : docker_client_receive(client, timeout_s, ret, err);
}

int docker_client_stop(struct docker_client *client)
{
	pid_t pid = TAKE(client->pid, 0);
	int status, r;

	if (pid <= 0) {
		return 0;
	}
	(void)close(TAKE_FD(client->control_fd));
	do {
		r = waitpid(pid, &status, 0);
	} while (r < 0 && errno == EINTR);
	if (r < 0) {
		return -errno;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}
