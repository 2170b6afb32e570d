/* SPDX-License-Identifier: MIT */
#include "backend/docker/network.h"

#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 300 };

static bool is_browser_network(const char *name)
{
	static const char suffix[] = "-sandbox-browser";
	size_t len = name != NULL ? strlen(name) : 0;

	return len > sizeof(suffix) - 1 && len < 128 &&
	       strcmp(name + len - (sizeof(suffix) - 1), suffix) == 0 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
		       len;
}

static int exists(struct engine *engine, const char *name, bool *ret, struct error *err)
{
	char path[PATH_SIZE];
	const struct engine_call call = {
		.method = "GET",
		.path = path,
		.timeout_ms = ENGINE_LOOK_MS,
		.doing = "look at the network of browsers",
	};
	struct engine_answer answer = {0};
	int r;

	(void)snprintf(path, sizeof(path), "/networks/%s", name);
	r = engine_call(engine, &call, &answer, err);
	if (r == 0) {
		*ret = answer.status == 200;
		r = answer.status == 200 || answer.status == 404
			    ? 0
			    : engine_refused(&call, &answer, err);
		engine_answer_finish(&answer);
	}
	return r;
}

/* apart: its containers cannot reach each other. */
static int make(struct engine *engine, const char *name, bool apart, struct error *err)
{
	json_t *body = json_pack("{s:s, s:s, s:b, s:{s:s}}", "Name", name, "Driver", "bridge",
		"CheckDuplicate", 1, "Labels", "creel.network", "browser");
	const struct engine_call call = {
		.method = "POST",
		.path = "/networks/create",
		.body = body,
		.timeout_ms = ENGINE_WORK_MS,
		.doing = "make the network of browsers",
	};
	struct engine_answer answer = {0};
	int r;

	if (apart) {
		(void)json_object_set_new(body, "Options",
			json_pack("{s:s}", "com.docker.network.bridge.enable_icc", "false"));
	}
	r = engine_call(engine, &call, &answer, err);
	json_decref(body);
	if (r < 0) {
		return r;
	}
	/* 409: somebody else was faster. */
	r = answer.status == 201 || answer.status == 200 || answer.status == 409
		    ? 0
		    : engine_refused(&call, &answer, err);
	engine_answer_finish(&answer);
	return r;
}

static const char *name_in(const json_t *body)
{
	return json_string_value(
		json_object_get(json_object_get(body, "HostConfig"), "NetworkMode"));
}

bool network_is_own(const json_t *body)
{
	return is_browser_network(name_in(body));
}

int network_ensure(struct engine *engine, const json_t *body, struct error *err)
{
	const char *name = name_in(body);
	struct error ignored;
	bool there = false;
	int r;

	if (!is_browser_network(name)) {
		return 0;
	}
	r = exists(engine, name, &there, err);
	if (r < 0 || there) {
		return r;
	}
	/* Podman has no such option. */
	r = make(engine, name, true, &ignored);
	return r < 0 ? make(engine, name, false, err) : 0;
}

void network_prune(struct engine *engine)
{
	/* {"label":["creel.network=browser"]}; those that a container runs in are left by the engine. */
	const struct engine_call call = {
		.method = "POST",
		.path = "/networks/prune?filters="
			"%7B%22label%22%3A%5B%22creel.network%3Dbrowser%22%5D%7D",
		.timeout_ms = ENGINE_LOOK_MS,
		.doing = "remove the network of browsers",
	};
	struct engine_answer answer = {0};
	struct error ignored;

	if (engine_call(engine, &call, &answer, &ignored) == 0) {
		engine_answer_finish(&answer);
	}
}
