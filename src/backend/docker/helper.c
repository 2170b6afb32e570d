/* SPDX-License-Identifier: MIT */
/*
 * creel-docker: the engine client as a program of its own, started by the docker backend with a
 * socket as descriptor 3 and the lock of the sandbox's directory as descriptor 4.
 *
 * Why not in creel itself: loading libcurl and what Debian links it with takes 3.3 ms, and creel
 * without it starts in 0.5 ms (one command line in ten has to do with an engine). A library that is
 * loaded at run time would put 20 MiB of protocols and TLS into the process that parses a model's
 * arguments. And there must be somebody who outlives creel: when creel is killed this program sees
 * its socket end, and removes the sandbox that creel cannot remove any more.
 *
 * One request, one answer (backend/docker/message.h); the end of the socket ends the sandbox if it
 * was one for once, then this program.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "backend/docker/container.h"
#include "backend/docker/home.h"
#include "backend/docker/message.h"
#include "backend/docker/network.h"
#include "base/macro.h"
#include "os/sys.h"

enum {
	CONTROL_FD = 3,
	LOCK_FD = 4, /* held, so that the sandbox's directory is not swept up */
	/* A sandbox for once has to go, even when the engine is just being restarted. */
	REMOVE_TRIES = 10,
	REMOVE_STEP_S = 1,
};

struct helper {
	struct engine *engine;
	char *socket_path, *home; /* home: removed at the end; NULL */
	char ref[CONTAINER_REF_SIZE]; /* the sandbox for once, or what may be left of one; "" */
};

static const char *text_of(const json_t *request, const char *key)
{
	const char *text = json_string_value(json_object_get(request, key));

	return text != NULL ? text : "";
}

static char *copy_of(const json_t *request, const char *key)
{
	const char *text = text_of(request, key);

	return text[0] != '\0' ? strdup(text) : NULL;
}

static int do_run(struct helper *helper, const json_t *request, json_t **ret, struct error *err)
{
	const struct container_request container = {
		.name = text_of(request, "name"),
		.body = json_object_get(request, "body"),
		.setup_script = text_of(request, "setupScript"),
		.own_name = json_is_true(json_object_get(request, "once")),
		.swap_asked_for = json_is_true(json_object_get(request, "swap")),
	};
	bool once = json_is_true(json_object_get(request, "once"));
	char ref[CONTAINER_REF_SIZE] = "";
	json_t *env = NULL;
	int r;

	if (helper->engine != NULL) {
		return error_plain(err, EALREADY, "this engine client has its sandbox");
	}
	helper->socket_path = copy_of(request, "socket");
	helper->home = copy_of(request, "home");
	r = engine_open(text_of(request, "socket"), &helper->engine, err);
	if (r == 0) {
		r = container_run(helper->engine, &container, ref, &env, err);
	}
	if (r < 0 || once) {
		(void)memcpy(helper->ref, ref, sizeof(helper->ref));
	}
	if (r < 0) {
		return r;
	}
	*ret = json_pack("{s:s,s:s,s:s,s:o}", "id", ref, "engine", engine_version(helper->engine),
		"api", engine_api(helper->engine), "env", env);
	return 0;
}

/* For sandboxes that last: each request names the engine's socket, most the container. */
static int reach(struct helper *helper, const json_t *request, struct error *err)
{
	if (helper->engine != NULL) {
		return 0;
	}
	return engine_open(text_of(request, "socket"), &helper->engine, err);
}

/* Made and started, or not there. It outlives this program. */
static int do_create(struct helper *helper, const json_t *request, json_t **ret, struct error *err)
{
	const struct container_request container = {
		.name = text_of(request, "name"),
		.body = json_object_get(request, "body"),
		.setup_script = text_of(request, "setupScript"),
		.swap_asked_for = json_is_true(json_object_get(request, "swap")),
	};
	char ref[CONTAINER_REF_SIZE] = "";
	json_t *env = NULL;
	struct error ignored;
	int r = reach(helper, request, err);

	if (r == 0) {
		r = container_run(helper->engine, &container, ref, &env, err);
	}
	if (r < 0) {
		if (ref[0] != '\0') {
			(void)container_remove(helper->engine, ref, &ignored);
		}
		return r;
	}
	*ret = json_pack("{s:s,s:o}", "id", ref, "env", env);
	return 0;
}

static int do_inspect(struct helper *helper, const json_t *request, json_t **ret, struct error *err)
{
	json_t *inspected = NULL;
	int r = reach(helper, request, err);

	if (r == 0) {
		r = container_inspect(helper->engine, text_of(request, "ref"), &inspected, err);
	}
	if (r == 0) {
		*ret = json_pack("{s:o}", "container", inspected != NULL ? inspected : json_null());
	}
	return r;
}

static int do_start(struct helper *helper, const json_t *request, json_t **ret, struct error *err)
{
	int r = reach(helper, request, err);

	if (r == 0) {
		r = container_start(helper->engine, text_of(request, "ref"), err);
	}
	if (r == 0) {
		*ret = json_object();
	}
	return r;
}

static int do_rename(struct helper *helper, const json_t *request, json_t **ret, struct error *err)
{
	int r = reach(helper, request, err);

	if (r == 0) {
		r = container_rename(
			helper->engine, text_of(request, "ref"), text_of(request, "name"), err);
	}
	if (r == 0) {
		*ret = json_object();
	}
	return r;
}

static int do_remove(struct helper *helper, const json_t *request, json_t **ret, struct error *err)
{
	int r = reach(helper, request, err);

	if (r == 0) {
		r = container_remove(helper->engine, text_of(request, "ref"), err);
		network_prune(helper->engine);
	}
	if (r == 0) {
		*ret = json_object();
	}
	return r;
}

static int do_list(struct helper *helper, const json_t *request, json_t **ret, struct error *err)
{
	json_t *list = NULL;
	int r = reach(helper, request, err);

	if (r == 0) {
		r = container_list(helper->engine, text_of(request, "label"), &list, err);
	}
	if (r == 0) {
		*ret = json_pack("{s:o}", "containers", list);
	}
	return r;
}

static int do_look(struct helper *helper, const json_t *request, json_t **ret, struct error *err)
{
	struct container_state state;
	int r;

	(void)request;
	if (helper->engine == NULL || helper->ref[0] == '\0') {
		return error_plain(err, EINVAL, "this engine client has no sandbox");
	}
	r = container_look(helper->engine, helper->ref, &state, err);
	if (r == 0) {
		*ret = json_pack("{s:b,s:b,s:i,s:s,s:s,s:I}", "exists", state.exists ? 1 : 0,
			"running", state.running ? 1 : 0, "exitCode", state.exit_code, "message",
			state.message, "id", helper->ref, "pid", (json_int_t)state.pid);
	}
	return r;
}

static const struct {
	const char *name;
	int (*run)(struct helper *helper, const json_t *request, json_t **ret, struct error *err);
} operations[] = {
	{"create", do_create},
	{"inspect", do_inspect},
	{"list", do_list},
	{"look", do_look},
	{"remove", do_remove},
	{"rename", do_rename},
	{"run", do_run},
	{"start", do_start},
};

static json_t *answer(struct helper *helper, const json_t *request)
{
	struct error err = {0};
	json_t *result = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
		if (strcmp(text_of(request, "op"), operations[i].name) != 0) {
			continue;
		}
		if (operations[i].run(helper, request, &result, &err) < 0) {
			return message_error(&err);
		}
		return result;
	}
	(void)error_plain(&err, EINVAL, "the engine client knows no such operation");
	return message_error(&err);
}

/* Until the other end is gone. */
static void serve(struct helper *helper)
{
	struct error err;
	json_t *request;
	int r;

	while (message_receive(CONTROL_FD, UINT64_MAX, &request, &err) == 0) {
		json_t *reply = answer(helper, request);

		r = message_send(CONTROL_FD, reply, &err);
		json_decref(reply);
		json_decref(request);
		if (r < 0) {
			return;
		}
	}
}

/* The engine may be away for a moment: it is asked again, by a new connection. */
static int remove_sandbox(struct helper *helper)
{
	struct error err;
	int r = container_remove(helper->engine, helper->ref, &err);

	for (int i = 1; i < REMOVE_TRIES && r < 0; i++) {
		(void)sleep(REMOVE_STEP_S);
		helper->engine = engine_close(helper->engine);
		r = engine_open(helper->socket_path, &helper->engine, &err);
		if (r == 0) {
			r = container_remove(helper->engine, helper->ref, &err);
		}
	}
	return r;
}

/* The terminal's signals are for creel; what it was started with stays with it. */
static void let_go(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; fd <= 2 && null >= 0; fd++) {
		(void)dup2(null, fd);
	}
	(void)sys_close_range(LOCK_FD + 1, ~0U, 0);
	(void)sys_close_range(CONTROL_FD, LOCK_FD, CLOSE_RANGE_CLOEXEC);
	(void)setsid();
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	/* Its memory holds the values of docker.env. */
	(void)prctl(PR_SET_DUMPABLE, 0);
}

int main(int argc, char **argv)
{
	struct helper helper = {0};
	int r = 0;

	(void)argv;
	if (argc > 1 || fcntl(CONTROL_FD, F_GETFD) < 0) {
		(void)fprintf(stderr, "creel-docker: started by creel, not by hand\n");
		return 2;
	}
	let_go();
	if (chdir("/") < 0) {
		return EXIT_FAILURE;
	}
	serve(&helper);
	if (helper.ref[0] != '\0') {
		r = remove_sandbox(&helper);
	}
	if (helper.home != NULL) {
		home_remove(helper.home);
	}
	helper.engine = engine_close(helper.engine);
	free(helper.socket_path);
	free(helper.home);
	return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
