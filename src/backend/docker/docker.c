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

#include "backend/docker/client.h"
#include "backend/docker/counters.h"
#include "backend/docker/create.h"
#include "backend/docker/home.h"
#include "backend/native/native.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/own.h"

enum {
	/* creel-init dials within milliseconds; a machine under load takes longer. */
	DIAL_TIMEOUT_MS = 30000,
	DIAL_STEP_MS = 500,
};

/* --- start --- */

struct starting {
	const struct sandbox_spec *spec;
	const char *init_path;
	struct home home;
	uint8_t token[WIRE_TOKEN_SIZE];
	int listen_fd;
	struct docker_client client;
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
	r = docker_client_ask(&s->client,
		json_pack("{s:s,s:s,s:s,s:s,s:o,s:s,s:b,s:b}", "op", "run", "socket",
			s->spec->docker_socket, "home", s->home.dir, "name",
			arena_printf(arena, "%s-%08x", s->spec->name, suffix), "body", body,
			"setupScript", docker_setup_script(s->spec->image), "once", 1, "swap",
			s->spec->memory_swap != 0 ? 1 : 0),
		DOCKER_WORK_S, &reply, err);
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
	int r = docker_client_ask(
		&s->client, json_pack("{s:s}", "op", "look"), DOCKER_LOOK_S, &reply, err);

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
			.keeper = s->client.pid, .control_fd = s->client.control_fd, .env = s->env};

		if (fd >= 0) {
			(void)close(fd);
		}
		(void)docker_backend.finish(&failed, &ignored);
		return r;
	}
	return fd;
}

/* What the kernel counts about it, where that can be read. */
static bool open_counters(const struct docker_client *client, struct denial_fds *ret)
{
	struct error ignored;
	json_t *reply;
	bool ok;

	if (docker_client_ask(client, json_pack("{s:s}", "op", "look"), DOCKER_LOOK_S, &reply,
		    &ignored) < 0) {
		return false;
	}
	ok = docker_counters_open(json_string_value(json_object_get(reply, "id")),
		json_integer_value(json_object_get(reply, "pid")), ret);
	json_decref(reply);
	return ok;
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
	if (spec->docker_socket == NULL) {
		return error_plain(err, EINVAL, "no container engine was looked for");
	}
	r = home_make(&arena, &s.home, s.token, &s.listen_fd, err);
	if (r < 0) {
		return r;
	}
	listen_fd = s.listen_fd;
	lock_fd = s.home.lock_fd;
	r = docker_client_start(&s.client, lock_fd, err);
	fd = r < 0 ? r : start_in_home(&s, &arena, err);
	if (fd < 0) {
		home_remove(s.home.dir);
		return fd;
	}
	*ret = (struct backend_sandbox){
		.stream_fd = fd,
		.kept = true,
		.keeper = s.client.pid,
		.control_fd = s.client.control_fd,
		.has_token = true,
		.env = s.env,
	};
	(void)memcpy(ret->token, s.token, sizeof(ret->token));
	ret->has_denials = opts->denials && open_counters(&s.client, &ret->denials);
	return 0;
}

static int docker_finish(struct backend_sandbox *sandbox, struct error *err)
{
	struct docker_client client = {.pid = sandbox->keeper, .control_fd = sandbox->control_fd};

	if (sandbox->keeper <= 0) {
		return 0;
	}
	free_env(TAKE_PTR(sandbox->env));
	sandbox->keeper = 0;
	sandbox->control_fd = FD_NONE;
	if (docker_client_stop(&client) < 0) {
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
