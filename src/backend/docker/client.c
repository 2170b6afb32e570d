/* SPDX-License-Identifier: MIT */
/* Starts creel-docker and asks it things. */
#include "backend/docker/client.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/docker/message.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/own.h"
#include "os/libexec.h"

enum {
	/* Where creel-docker finds them. */
	CONTROL_FD = 3,
	LOCK_FD = 4,
};

static int spawn_client(
	const char *path, int control_fd, int lock_fd, pid_t *ret, struct error *err)
{
	static const char *const argv[] = {"creel-docker", NULL};
	static char *const no_env[] = {NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	int r = posix_spawn_file_actions_init(&actions);

	(void)posix_spawnattr_init(&attributes);
	(void)sigemptyset(&none);
	(void)posix_spawnattr_setsigmask(&attributes, &none);
	(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	if (r == 0) {
		r = posix_spawn_file_actions_adddup2(&actions, control_fd, CONTROL_FD);
		if (r == 0) {
			r = posix_spawn_file_actions_adddup2(&actions, lock_fd, LOCK_FD);
		}
		if (r == 0) {
			r = posix_spawn(ret, path, &actions, &attributes,
				(char *const *)(uintptr_t)argv, no_env);
		}
		(void)posix_spawn_file_actions_destroy(&actions);
	}
	(void)posix_spawnattr_destroy(&attributes);
	return r == 0 ? 0 : error_set(err, r, "cannot start '%s'", path);
}

int docker_client_start(struct docker_client *ret, int lock_fd, struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	const char *path;
	_cleanup_close_ int ours = FD_NONE;
	_cleanup_close_ int theirs = FD_NONE;
	_cleanup_close_ int lock = FD_NONE;
	int pair[2], r;
	pid_t pid;

	r = libexec_find(&arena, "creel-docker", "backend", &path, err);
	if (r < 0) {
		return r;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		return error_set(err, errno, "cannot make a socket for creel-docker");
	}
	ours = pair[0];
	/* Not where the other one is to go: that would be overwritten first. */
	theirs = fcntl(pair[1], F_DUPFD_CLOEXEC, LOCK_FD + 1);
	(void)close(pair[1]);
	/* Without a directory to keep, anything: the descriptor has to be there. */
	lock = fcntl(lock_fd >= 0 ? lock_fd : theirs, F_DUPFD_CLOEXEC, LOCK_FD + 1);
	if (theirs < 0 || lock < 0) {
		return error_set(err, errno, "cannot make a socket for creel-docker");
	}
	r = spawn_client(path, theirs, lock, &pid, err);
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
