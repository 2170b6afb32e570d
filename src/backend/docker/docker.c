/* SPDX-License-Identifier: MIT */
/*
 * The docker backend as the rest of the program sees it. The engine is spoken to by creel-docker, a
 * child that also is the sandbox's keeper: it removes the container when its socket ends, be it
 * because this process was killed. If both are killed, creel-init ends with its stream, and the
 * engine removes a container for once that has ended.
 */
#include "backend/docker/docker.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "backend/docker/create.h"
#include "backend/docker/home.h"
#include "backend/docker/message.h"
#include "backend/native/native.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/own.h"
#include "os/libexec.h"

enum {
	/* Where creel-docker finds them. */
	CONTROL_FD = 3,
	LOCK_FD = 4,
	/* create and start may take two minutes each before the client itself gives up. */
	RUN_TIMEOUT_S = 300,
	LOOK_TIMEOUT_S = 20,
	/* creel-init dials within milliseconds; a machine under load takes longer. */
	DIAL_TIMEOUT_MS = 30000,
	DIAL_STEP_MS = 500,
};

/* --- the client --- */

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

static int start_client(int lock_fd, pid_t *ret_pid, int *ret_control_fd, struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	const char *path;
	_cleanup_close_ int ours = FD_NONE;
	_cleanup_close_ int theirs = FD_NONE;
	_cleanup_close_ int lock = FD_NONE;
	int pair[2];
	int r = libexec_find(&arena, "creel-docker", "backend", &path, err);

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
	lock = fcntl(lock_fd, F_DUPFD_CLOEXEC, LOCK_FD + 1);
	if (theirs < 0 || lock < 0) {
		return error_set(err, errno, "cannot make a socket for creel-docker");
	}
	r = spawn_client(path, theirs, lock, ret_pid, err);
	if (r == 0) {
		*ret_control_fd = TAKE_FD(ours);
	}
	return r;
}

static int ask(int control_fd, json_t *request, uint32_t timeout_s, json_t **ret, struct error *err)
{
	json_t *reply = NULL;
	int r = message_send(control_fd, request, err);

	json_decref(request);
	if (r == 0) {
		r = message_receive(control_fd, clock_after_ns(timeout_s * NS_PER_S), &reply, err);
	}
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

/* --- start --- */

struct starting {
	const struct sandbox_spec *spec;
	const char *init_path;
	struct home home;
	uint8_t token[WIRE_TOKEN_SIZE];
	int listen_fd, control_fd;
	pid_t client;
	char **env;
};

static uint64_t wall_clock_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / NS_PER_MS;
}

/* What has no name or no value is no variable. */
static char **take_env(const json_t *list)
{
	char **env = xcalloc(json_array_size(list) + 1, sizeof(*env));
	const json_t *item;
	size_t i, count = 0;

	json_array_foreach(list, i, item)
	{
		const char *text = json_string_value(item);

		if (text != NULL && strchr(text, '=') != NULL && text[0] != '=') {
			env[count++] = xstrdup(text);
		}
	}
	return env;
}

static void free_env(char **env)
{
	for (size_t i = 0; env != NULL && env[i] != NULL; i++) {
		free(env[i]);
	}
	free(env);
}

/* Calls that come together each have a container of their own. */
static int random_suffix(uint32_t *ret, struct error *err)
{
	return getrandom(ret, sizeof(*ret), 0) == (ssize_t)sizeof(*ret)
		       ? 0
		       : error_set(err, errno, "cannot get random bytes");
}

static int run_container(struct starting *s, struct arena *arena, struct error *err)
{
	const struct create_opts opts = {
		.init_path = s->init_path,
		.run_dir = s->home.run_dir,
		.once = true,
		.now_ms = wall_clock_ms(),
	};
	json_t *body, *reply;
	uint32_t suffix;
	int r = random_suffix(&suffix, err);

	if (r == 0) {
		r = docker_create_body(s->spec, &opts, &body, err);
	}
	if (r < 0) {
		return r;
	}
	r = ask(s->control_fd,
		json_pack("{s:s,s:s,s:s,s:s,s:o,s:s,s:b,s:b}", "op", "run", "socket",
			s->spec->docker_socket, "home", s->home.dir, "name",
			arena_printf(arena, "%s-%08x", s->spec->name, suffix), "body", body,
			"setupScript", docker_setup_script(s->spec->image), "once", 1, "swap",
			s->spec->memory_swap != 0 ? 1 : 0),
		RUN_TIMEOUT_S, &reply, err);
	if (r == 0) {
		s->env = take_env(json_object_get(reply, "env"));
		json_decref(reply);
	}
	return r;
}

/* 0: the container is as it should be, only slow. */
static int look(const struct starting *s, struct error *err)
{
	json_t *reply;
	int r = ask(s->control_fd, json_pack("{s:s}", "op", "look"), LOOK_TIMEOUT_S, &reply, err);

	if (r < 0) {
		return r;
	}
	if (!json_is_true(json_object_get(reply, "running"))) {
		const char *message = json_string_value(json_object_get(reply, "message"));

		r = error_plain(err, EIO,
			"the container of image '%s' ended before it dialled home%s%s; is the image "
			"for another processor?",
			s->spec->image, message != NULL && message[0] != '\0' ? ": " : "",
			message != NULL ? message : "");
	}
	json_decref(reply);
	return r;
}

/* Wait for creel-init to dial home. The stream. */
static int await_dial(const struct starting *s, struct error *err)
{
	uint64_t deadline_ns = clock_after_ns(DIAL_TIMEOUT_MS * NS_PER_MS);
	int fd, n, r;

	do {
		struct pollfd p = {.fd = s->listen_fd, .events = POLLIN};

		n = poll(&p, 1, DIAL_STEP_MS);
		r = n == 0 ? look(s, err) : 0;
		if (r < 0) {
			return r;
		}
	} while (n <= 0 && clock_left_ms(deadline_ns) > 0);
	if (n <= 0) {
		return error_plain(err, ETIMEDOUT,
			"the sandbox did not dial home within %d s: does the container engine run "
			"on this host, with the same file system?",
			DIAL_TIMEOUT_MS / 1000);
	}
	fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	return fd >= 0 ? fd : error_set(err, errno, "cannot take the sandbox's connection");
}

static int start_in_home(struct starting *s, struct arena *arena, struct error *err)
{
	struct error ignored;
	int fd = FD_NONE, r = run_container(s, arena, err);

	if (r == 0) {
		fd = await_dial(s, err);
		r = fd < 0 ? fd : home_seal(&s->home, err);
	}
	if (r < 0) {
		struct backend_sandbox failed = {
			.keeper = s->client, .control_fd = s->control_fd, .env = s->env};

		if (fd >= 0) {
			(void)close(fd);
		}
		(void)docker_backend.finish(&failed, &ignored);
		return r;
	}
	return fd;
}

static int docker_start(const struct sandbox_spec *spec, const struct backend_start_opts *opts,
	struct backend_sandbox *ret, struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	struct starting s = {
		.spec = spec,
		.init_path = native_find_init(opts->init_path, &arena, err),
	};
	_cleanup_close_ int listen_fd = FD_NONE;
	_cleanup_close_ int lock_fd = FD_NONE;
	int fd, r;

	if (s.init_path == NULL) {
		return -err->num;
	}
	if (!opts->once || spec->docker_socket == NULL) {
		return error_plain(err, ENOTSUP, "containers that last are not supported yet");
	}
	r = home_make(&arena, &s.home, s.token, &s.listen_fd, err);
	if (r < 0) {
		return r;
	}
	listen_fd = s.listen_fd;
	lock_fd = s.home.lock_fd;
	r = start_client(lock_fd, &s.client, &s.control_fd, err);
	fd = r < 0 ? r : start_in_home(&s, &arena, err);
	if (fd < 0) {
		home_remove(s.home.dir);
		return fd;
	}
	*ret = (struct backend_sandbox){
		.stream_fd = fd,
		.kept = true,
		.keeper = s.client,
		.control_fd = s.control_fd,
		.has_token = true,
		.env = s.env,
	};
	(void)memcpy(ret->token, s.token, sizeof(ret->token));
	return 0;
}

static int docker_finish(struct backend_sandbox *sandbox, struct error *err)
{
	pid_t pid = sandbox->keeper;
	int status, r;

	if (pid <= 0) {
		return 0;
	}
	free_env(TAKE_PTR(sandbox->env));
	(void)close(TAKE_FD(sandbox->control_fd));
	do {
		r = waitpid(pid, &status, 0);
	} while (r < 0 && errno == EINTR);
	sandbox->keeper = 0;
	if (r < 0) {
		return error_set(err, errno, "waiting for the end of the sandbox");
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		return error_plain(err, EIO,
			"the container engine did not remove the sandbox; it will, as soon as it "
			"is there again");
	}
	return 0;
}

const struct backend_ops docker_backend = {
	.name = "docker",
	.start = docker_start,
	.finish = docker_finish,
};
