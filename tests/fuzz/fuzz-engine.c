/* SPDX-License-Identifier: MIT */
/*
 * What a container engine may answer. Each line of the input is one answer: a byte for the status, then the
 * body; when they are used up the connection breaks. engine_call() is put aside, for HTTP is libcurl's, and
 * so is what tells engines apart.
 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "backend/docker/container.h"
#include "base/macro.h"

static const uint8_t *rest;
static size_t left;

static bool podman;

int __wrap_engine_call(struct engine *engine, const struct engine_call *call,
	struct engine_answer *ret, struct error *err);
bool __wrap_engine_is_podman(const struct engine *engine);

bool __wrap_engine_is_podman(const struct engine *engine)
{
	(void)engine;
	return podman;
}

int __wrap_engine_call(struct engine *engine, const struct engine_call *call,
	struct engine_answer *ret, struct error *err)
{
	static const long statuses[] = {200, 201, 204, 304, 400, 404, 409, 500};
	const uint8_t *end;
	size_t len;

	(void)engine;
	(void)call;
	*ret = (struct engine_answer){0};
	if (left == 0) {
		return error_plain(err, ECONNRESET, "the engine is gone");
	}
	end = memchr(rest, '\n', left);
	len = end != NULL ? (size_t)(end - rest) : left;
	ret->status = statuses[rest[0] % ARRAY_SIZE(statuses)];
	/* As engine.c reads a body: whatever is no JSON is none. */
	ret->body = len > 1 ? json_loadb((const char *)rest + 1, len - 1, 0, NULL) : NULL;
	if (ret->status >= 300) {
		(void)memcpy(
			ret->message, rest, len < ENGINE_MESSAGE_MAX ? len : ENGINE_MESSAGE_MAX);
		for (char *c = ret->message; *c != '\0'; c++) {
			*c = *c < ' ' || *c > '~' ? '?' : *c;
		}
	}
	rest += len + (end != NULL ? 1 : 0);
	left -= len + (end != NULL ? 1 : 0);
	return 0;
}

static void try_run(bool own_name)
{
	char ref[CONTAINER_REF_SIZE];
	struct container_request request = {
		.name = "creel-sbx-x",
		.body = json_pack("{s:s,s:{s:i,s:b,s:[s]}}", "Image", "image", "HostConfig",
			"PidsLimit", 512, "ReadonlyRootfs", 1, "CapDrop", "ALL"),
		.setup_script = "scripts/sandbox-setup.sh",
		.own_name = own_name,
		.swap_asked_for = own_name,
	};
	json_t *env = NULL;
	struct error err;

	if (container_run(NULL, &request, ref, &env, &err) == 0) {
		assert(ref[0] != '\0' && json_is_array(env));
		json_decref(env);
	}
	assert(strnlen(ref, sizeof(ref)) < sizeof(ref));
	json_decref((json_t *)(uintptr_t)request.body);
}

static void try_rest(unsigned which)
{
	struct container_state state;
	json_t *object = NULL;
	struct error err;

	switch (which % 5) {
	case 0:
		if (container_look(NULL, "id", &state, &err) == 0) {
			assert(strnlen(state.message, sizeof(state.message)) <
				sizeof(state.message));
		}
		return;
	case 1:
		if (container_inspect(NULL, "id", &object, &err) == 0) {
			json_decref(object);
		}
		return;
	case 2:
		if (container_list(NULL, "a=b", &object, &err) == 0) {
			assert(json_is_array(object));
			json_decref(object);
		}
		return;
	case 3:
		(void)container_start(NULL, "id", &err);
		return;
	default:
		(void)container_rename(NULL, "id", "name", &err);
		return;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0) {
		return 0;
	}
	podman = (data[0] & 2) != 0;
	rest = data + 1;
	left = size - 1;
	if (data[0] < 128) {
		try_run(data[0] % 2 == 0);
	} else {
		try_rest(data[0]);
	}
	return 0;
}
