/* SPDX-License-Identifier: MIT */
#include "backend/docker/container.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backend/docker/image.h"
#include "backend/docker/network.h"
#include "backend/docker/seccomp.h"
#include "backend/docker/siblings.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/macro.h"
#include "base/own.h"

enum {
	ID_MAX = 64,
	PATH_SIZE = 320,
	PROFILE_PATH_SIZE = 32,
	GONE_STEP_MS = 20,
	GONE_TIMEOUT_MS = 30000,
};

/* What Docker takes as a name; nothing in it means anything in a URL. */
static bool is_name(const char *name)
{
	size_t len =
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");

	return len > 1 && len <= CONTAINER_NAME_MAX && name[len] == '\0' &&
	       strchr("_.-", name[0]) == NULL;
}

static bool is_id(const char *id)
{
	size_t len = strspn(id, "0123456789abcdef");

	return len > 0 && len <= ID_MAX && id[len] == '\0';
}

/* --- create --- */

static int image_missing(const struct container_request *request, struct error *err)
{
	const char *image = json_string_value(json_object_get(request->body, "Image"));

	return error_plain(err, ENOENT,
		"the sandbox image '%.200s' is not there: build it with %s, or name another one in "
		"agents.defaults.sandbox.docker.image",
		image != NULL ? image : "?", request->setup_script);
}

/*
 * An engine that cannot keep a limit makes the container without it and says so in a warning. A key
 * that cannot be honoured is an error here. Without memorySwap, that swap is not counted is no news.
 */
static int check_warnings(
	const struct container_request *request, const json_t *warnings, struct error *err)
{
	const json_t *item;
	size_t i;

	json_array_foreach(warnings, i, item)
	{
		const char *text = json_string_value(item);
		_cleanup_buf_ struct buf clean = {0};

		if (text == NULL || (strstr(text, "discarded") == NULL &&
					    (strstr(text, "without swap") == NULL ||
						    !request->swap_asked_for))) {
			continue;
		}
		buf_add_printable(&clean, text, strlen(text), ENGINE_MESSAGE_MAX);
		return error_plain(err, ENOTSUP,
			"the container engine cannot honour a limit that is configured: %s",
			clean.data);
	}
	return 0;
}

static int take_id(const struct engine_call *call, const struct engine_answer *answer,
	char ret_id[CONTAINER_REF_SIZE], struct error *err)
{
	const char *id = json_string_value(json_object_get(answer->body, "Id"));

	if (id == NULL || !is_id(id)) {
		return error_plain(
			err, EPROTO, "cannot %s: the container engine names no id", call->doing);
	}
	(void)snprintf(ret_id, CONTAINER_REF_SIZE, "%s", id);
	return 0;
}

static int create_refused(const struct container_request *request, const struct engine_call *call,
	const struct engine_answer *answer, struct error *err)
{
	/* Docker and Podman word it differently; both say "image". */
	if (answer->status == 404 && strcasestr(answer->message, "image") != NULL) {
		return image_missing(request, err);
	}
	return engine_refused(call, answer, err);
}

static int write_profile(const char *profile, char path[PROFILE_PATH_SIZE], struct error *err)
{
	_cleanup_close_ int fd = FD_NONE;
	size_t len = strlen(profile);
	ssize_t n;
	int r;

	(void)snprintf(path, PROFILE_PATH_SIZE, "/tmp/creel-seccomp-XXXXXX");
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0) {
		r = -errno;
		path[0] = '\0';
		return error_set(err, -r,
			"cannot make the file in /tmp from which Podman reads a seccomp profile");
	}
	/* A regular file takes all of it, or is full. */
	n = write(fd, profile, len);
	if (n < 0 || (size_t)n < len) {
		r = n < 0 ? -errno : -ENOSPC;
		return error_set(
			err, -r, "cannot write the seccomp profile to '%s' for Podman", path);
	}
	return 0;
}

/* Podman takes a file's name where Docker takes the profile, and reads it while it creates the container. */
static int profile_as_file(
	const struct engine *engine, json_t *body, char path[PROFILE_PATH_SIZE], struct error *err)
{
	static const char option[] = "seccomp={";
	json_t *list = json_object_get(json_object_get(body, "HostConfig"), "SecurityOpt");

	for (size_t i = 0; engine_is_podman(engine) && i < json_array_size(list); i++) {
		const char *value = json_string_value(json_array_get(list, i));
		int r;

		if (value == NULL || strncmp(value, option, strlen(option)) != 0) {
			continue;
		}
		r = write_profile(value + strlen(option) - 1, path, err);
		if (r < 0) {
			return r;
		}
		json_array_set_new(list, i, json_sprintf("seccomp=%s", path));
		return 0;
	}
	return 0;
}

static bool has_text(const json_t *list, const char *text)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		const char *value = json_string_value(item);

		/* Podman writes no-new-privileges:true. */
		if (value != NULL && strncmp(value, text, strlen(text)) == 0) {
			return true;
		}
	}
	return false;
}

/* Docker leaves a profile out where the kernel has no AppArmor, and says nothing. */
static int check_apparmor(struct engine *engine, const json_t *body, struct error *err)
{
	const json_t *options = json_object_get(json_object_get(body, "HostConfig"), "SecurityOpt");
	const struct engine_call call = {
		.method = "GET",
		.path = "/info",
		.timeout_ms = ENGINE_LOOK_MS,
		.doing = "ask whether there is AppArmor",
	};
	struct engine_answer answer = {0};
	int r;

	if (!has_text(options, "apparmor=")) {
		return 0;
	}
	r = engine_call(engine, &call, &answer, err);
	if (r < 0) {
		return r;
	}
	if (answer.status != 200) {
		r = engine_refused(&call, &answer, err);
	} else if (!has_text(json_object_get(answer.body, "SecurityOptions"), "name=apparmor")) {
		r = error_plain(err, ENOTSUP,
			"docker.apparmorProfile is set, but the container engine's host has no AppArmor: "
			"its containers would run without the profile");
	}
	engine_answer_finish(&answer);
	return r;
}

static int create(struct engine *engine, const struct container_request *request,
	char ret_id[CONTAINER_REF_SIZE], struct error *err)
{
	char path[PATH_SIZE], profile[PROFILE_PATH_SIZE] = "";
	struct engine_call call = {
		.method = "POST",
		.path = path,
		.timeout_ms = ENGINE_WORK_MS,
		.doing = "create the container",
	};
	struct engine_answer answer = {0};
	json_t *here = NULL, *body = NULL;
	int r = network_ensure(engine, request->body, err);

	r = r < 0 ? r : siblings_request(engine, request->body, &here, err);
	r = r < 0 ? r : check_apparmor(engine, here, err);
	r = r < 0 ? r : image_pin(engine, here, &body, err);
	json_decref(here);
	r = r < 0 ? r : profile_as_file(engine, body, profile, err);
	(void)snprintf(path, sizeof(path), "/containers/create?name=%s", request->name);
	call.body = body;
	r = r < 0 ? r : engine_call(engine, &call, &answer, err);
	json_decref(body);
	if (profile[0] != '\0') {
		(void)unlink(profile);
	}
	if (r < 0) {
		return r;
	}
	r = answer.status == 201 ? take_id(&call, &answer, ret_id, err)
				 : create_refused(request, &call, &answer, err);
	if (r == 0) {
		r = check_warnings(request, json_object_get(answer.body, "Warnings"), err);
	}
	engine_answer_finish(&answer);
	return r;
}

/* --- see that it is what was asked for --- */

static bool same_number(const json_t *asked, const json_t *made, const char *key)
{
	return json_integer_value(json_object_get(asked, key)) ==
	       json_integer_value(json_object_get(made, key));
}

/*
 * An engine ignores the fields that it does not know. Those that keep the sandbox in are compared
 * with what it made of them, before anything runs.
 */
static const char *difference(
	const struct engine *engine, const json_t *body, const json_t *inspected)
{
	static const char *const numbers[] = {"PidsLimit", "Memory", "NanoCpus"};
	const json_t *asked = json_object_get(body, "HostConfig");
	const json_t *made = json_object_get(inspected, "HostConfig");

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (json_object_get(asked, numbers[i]) != NULL &&
			!same_number(asked, made, numbers[i])) {
			return numbers[i];
		}
	}
	/* Podman has one runtime for all and takes no notice. */
	if (json_object_get(asked, "Runtime") != NULL &&
		!json_equal(json_object_get(asked, "Runtime"), json_object_get(made, "Runtime"))) {
		return "Runtime";
	}
	if (json_array_size(json_object_get(asked, "DeviceRequests")) !=
		json_array_size(json_object_get(made, "DeviceRequests"))) {
		return "DeviceRequests";
	}
	if (json_is_true(json_object_get(made, "Privileged"))) {
		return "Privileged";
	}
	if (json_is_true(json_object_get(asked, "ReadonlyRootfs")) !=
		json_is_true(json_object_get(made, "ReadonlyRootfs"))) {
		return "ReadonlyRootfs";
	}
	if (json_array_size(json_object_get(asked, "CapDrop")) > 0 &&
		json_array_size(json_object_get(made, "CapDrop")) == 0) {
		return "CapDrop";
	}
	if (!has_text(json_object_get(made, "SecurityOpt"), "no-new-privileges") ||
		(has_text(json_object_get(asked, "SecurityOpt"), "seccomp=") &&
			!engine_is_podman(engine) &&
			!has_text(json_object_get(made, "SecurityOpt"), "seccomp="))) {
		return "SecurityOpt";
	}
	return NULL;
}

static int look_at(struct engine *engine, const char *id, struct engine_answer *ret,
	struct engine_call *call, char path[PATH_SIZE], struct error *err)
{
	*call = (struct engine_call){
		.method = "GET",
		.path = path,
		.timeout_ms = ENGINE_LOOK_MS,
		.doing = "look at the container",
	};
	(void)snprintf(path, PATH_SIZE, "/containers/%s/json", id);
	return engine_call(engine, call, ret, err);
}

static int verify(struct engine *engine, const struct container_request *request, const char *id,
	json_t **ret_env, struct error *err)
{
	char path[PATH_SIZE];
	struct engine_call call;
	struct engine_answer answer = {0};
	int r = look_at(engine, id, &answer, &call, path, err);

	if (r < 0) {
		return r;
	}
	if (answer.status != 200) {
		r = engine_refused(&call, &answer, err);
	} else {
		const char *field = difference(engine, request->body, answer.body);

		if (field != NULL) {
			r = error_plain(err, ENOTSUP,
				"the container engine made a container with another %s than was "
				"asked for; it is not used",
				field);
		}
	}
	if (r == 0) {
		json_t *env = json_object_get(json_object_get(answer.body, "Config"), "Env");

		*ret_env = json_is_array(env) ? json_incref(env) : json_array();
	}
	engine_answer_finish(&answer);
	return r;
}

/* --- start --- */

int container_start(struct engine *engine, const char *id, struct error *err)
{
	char path[PATH_SIZE];
	const struct engine_call call = {
		.method = "POST",
		.path = path,
		.timeout_ms = ENGINE_WORK_MS,
		.doing = "start the container",
	};
	struct engine_answer answer = {0};
	int r;

	(void)snprintf(path, sizeof(path), "/containers/%s/start", id);
	r = engine_call(engine, &call, &answer, err);
	if (r < 0) {
		return r;
	}
	/* 304: it runs already. */
	if (answer.status != 204 && answer.status != 304) {
		r = engine_refused(&call, &answer, err);
	}
	engine_answer_finish(&answer);
	return r;
}

int container_run(struct engine *engine, const struct container_request *request,
	char ret_ref[CONTAINER_REF_SIZE], json_t **ret_env, struct error *err)
{
	json_t *env = NULL;
	int r;

	ret_ref[0] = '\0';
	if (!is_name(request->name)) {
		return error_plain(err, EINVAL,
			"'%.100s' cannot be the name of a container; check docker.containerPrefix",
			request->name);
	}
	/* A name that others could have is left to them. */
	if (request->own_name) {
		(void)snprintf(ret_ref, CONTAINER_REF_SIZE, "%s", request->name);
	}
	r = create(engine, request, ret_ref, err);
	if (r == 0) {
		r = verify(engine, request, ret_ref, &env, err);
	}
	if (r == 0) {
		r = container_start(engine, ret_ref, err);
		/* Another browser was the network's last one since it was looked at. */
		if (r < 0 && network_is_own(request->body)) {
			r = network_ensure(engine, request->body, err);
			r = r < 0 ? r : container_start(engine, ret_ref, err);
		}
	}
	if (r < 0) {
		json_decref(env);
		return r;
	}
	*ret_env = env;
	return 0;
}

/* --- look, remove --- */

static int take_state(const struct engine_call *call, const struct engine_answer *answer,
	struct container_state *ret, struct error *err)
{
	const json_t *state = json_object_get(answer->body, "State");
	const char *message = json_string_value(json_object_get(state, "Error"));
	_cleanup_buf_ struct buf clean = {0};

	if (answer->status == 404) {
		return 0;
	}
	if (answer->status != 200) {
		return engine_refused(call, answer, err);
	}
	ret->exists = true;
	ret->running = json_is_true(json_object_get(state, "Running"));
	ret->exit_code = (int)json_integer_value(json_object_get(state, "ExitCode"));
	ret->pid = json_integer_value(json_object_get(state, "Pid"));
	if (message != NULL) {
		buf_add_printable(&clean, message, strlen(message), ENGINE_MESSAGE_MAX);
		(void)snprintf(ret->message, sizeof(ret->message), "%.*s", ENGINE_MESSAGE_MAX,
			clean.data != NULL ? clean.data : "");
	}
	return 0;
}

int container_look(
	struct engine *engine, const char *id, struct container_state *ret, struct error *err)
{
	char path[PATH_SIZE];
	struct engine_call call;
	struct engine_answer answer = {0};
	int r = look_at(engine, id, &answer, &call, path, err);

	if (r < 0) {
		return r;
	}
	*ret = (struct container_state){0};
	r = take_state(&call, &answer, ret, err);
	engine_answer_finish(&answer);
	return r;
}

static int wait_until_gone(struct engine *engine, const char *id, struct error *err)
{
	uint64_t deadline_ns = clock_after_ns(GONE_TIMEOUT_MS * NS_PER_MS);
	const struct timespec step = {.tv_nsec = GONE_STEP_MS * (long)NS_PER_MS};
	struct container_state state;
	int r;

	for (;;) {
		r = container_look(engine, id, &state, err);
		if (r < 0 || !state.exists) {
			return r;
		}
		if (clock_left_ms(deadline_ns) == 0) {
			return error_plain(err, ETIMEDOUT,
				"the container engine has not removed container %.12s within %d s",
				id, GONE_TIMEOUT_MS / 1000);
		}
		(void)nanosleep(&step, NULL);
	}
}

int container_remove(struct engine *engine, const char *id, struct error *err)
{
	char path[PATH_SIZE];
	const struct engine_call call = {
		.method = "DELETE",
		.path = path,
		.timeout_ms = ENGINE_WORK_MS,
		.doing = "remove the container",
	};
	struct engine_answer answer = {0};
	bool underway;
	int r;

	(void)snprintf(path, sizeof(path), "/containers/%s?force=1&v=1", id);
	r = engine_call(engine, &call, &answer, err);
	if (r < 0) {
		return r;
	}
	/* A container that removes itself when it ends is at it. */
	underway = answer.status == 409 && strstr(answer.message, "progress") != NULL;
	if (answer.status >= 400 && answer.status != 404 && !underway) {
		r = engine_refused(&call, &answer, err);
	}
	engine_answer_finish(&answer);
	return underway ? wait_until_gone(engine, id, err) : r;
}

/* --- for sandboxes that last --- */

int container_inspect(struct engine *engine, const char *ref, json_t **ret, struct error *err)
{
	char path[PATH_SIZE];
	struct engine_call call;
	struct engine_answer answer = {0};
	int r;

	if (!is_name(ref) && !is_id(ref)) {
		return error_plain(err, EINVAL, "'%.100s' is no container's name", ref);
	}
	r = look_at(engine, ref, &answer, &call, path, err);
	if (r < 0) {
		return r;
	}
	*ret = NULL;
	if (answer.status == 200 && json_is_object(answer.body)) {
		*ret = json_incref(answer.body);
	} else if (answer.status == 200) {
		r = error_plain(err, EPROTO,
			"cannot look at the container: the container engine's answer is no object");
	} else if (answer.status != 404) {
		r = engine_refused(&call, &answer, err);
	}
	engine_answer_finish(&answer);
	return r;
}

int container_rename(struct engine *engine, const char *id, const char *name, struct error *err)
{
	char path[PATH_SIZE];
	const struct engine_call call = {
		.method = "POST",
		.path = path,
		.timeout_ms = ENGINE_WORK_MS,
		.doing = "rename the container",
	};
	struct engine_answer answer = {0};
	int r;

	if (!is_name(name)) {
		return error_plain(err, EINVAL, "'%.100s' is no container's name", name);
	}
	(void)snprintf(path, sizeof(path), "/containers/%s/rename?name=%s", id, name);
	r = engine_call(engine, &call, &answer, err);
	if (r < 0) {
		return r;
	}
	if (answer.status != 204) {
		r = engine_refused(&call, &answer, err);
	}
	engine_answer_finish(&answer);
	return r;
}

/* A label's value may hold anything; what a URL does not is written as %XX. */
static void add_filter(struct buf *path, const char *label)
{
	json_t *filter = json_pack("{s:[s]}", "label", label);
	char *text = json_dumps(filter, JSON_COMPACT);

	for (const char *c = text; c != NULL && *c != '\0'; c++) {
		bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
			     (*c >= '0' && *c <= '9') || *c == '.' || *c == '-';

		buf_addf(path, plain ? "%c" : "%%%02X", (unsigned char)*c);
	}
	free(text);
	json_decref(filter);
}

/* The half of it that is needed: what two hundred containers have besides takes long to hand on. */
static json_t *summary_of(struct engine *engine, json_t *image_ids, const json_t *container)
{
	static const char *const keys[] = {"Id", "Names", "Labels", "State", "Created", "Mounts"};
	bool once = json_object_get(json_object_get(container, "Labels"), "creel.once") != NULL;
	json_t *summary = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(keys) - (once ? 0 : 1); i++) {
		json_t *value = json_object_get(container, keys[i]);

		if (value != NULL) {
			(void)json_object_set(summary, keys[i], value);
		}
	}
	(void)json_object_set_new(
		summary, "Image", json_string(image_name(engine, image_ids, container)));
	return summary;
}

static json_t *summaries_of(struct engine *engine, const json_t *containers)
{
	json_t *list = json_array(), *image_ids = json_object();
	const json_t *container;
	size_t i;

	json_array_foreach(containers, i, container)
	{
		(void)json_array_append_new(list, summary_of(engine, image_ids, container));
	}
	json_decref(image_ids);
	return list;
}

int container_list(struct engine *engine, const char *label, json_t **ret, struct error *err)
{
	_cleanup_buf_ struct buf path = {0};
	struct engine_call call = {
		.method = "GET",
		.timeout_ms = ENGINE_LOOK_MS,
		.doing = "list the containers",
	};
	struct engine_answer answer = {0};
	int r;

	buf_add_str(&path, "/containers/json?all=1&filters=");
	add_filter(&path, label);
	call.path = path.data;
	r = engine_call(engine, &call, &answer, err);
	if (r < 0) {
		return r;
	}
	if (answer.status != 200) {
		r = engine_refused(&call, &answer, err);
	} else if (!json_is_array(answer.body)) {
		r = error_plain(err, EPROTO,
			"cannot list the containers: the container engine's answer is no list");
	} else {
		*ret = summaries_of(engine, answer.body);
	}
	engine_answer_finish(&answer);
	return r;
}
