/* SPDX-License-Identifier: MIT */
/*
 * Containers that last. A container under its own name is complete: one with a setup command is made
 * under another name and renamed when that has succeeded, so that being killed at any moment leaves
 * nothing that the next caller would take for a sandbox (contract D13).
 */
#include <errno.h>
#include <string.h>

#include "backend/docker/counters.h"
#include "backend/docker/create.h"
#include "backend/docker/owned.h"
#include "backend/native/native.h"
#include "base/own.h"
#include "base/path.h"
#include "broker/lifecycle-internal.h"
#include "broker/lifecycle-list.h"

#define HALF_SUFFIX ".new"
#define INSTANCE_LABEL "creel.instance"

/* --- the engine --- */

/* One client is kept, for one engine; there hardly ever is a second. request is stolen. */
static int tell(struct lifecycle *l, const char *socket, json_t *request, struct error *err)
{
	int r = 0;

	if (l->client.pid > 0 && (l->listing || strcmp(l->client_socket, socket) != 0)) {
		(void)docker_client_stop(&l->client);
	}
	l->listing = false;
	if (l->client.pid <= 0) {
		l->client_socket = arena_strdup(&l->arena, socket);
		r = docker_client_start(&l->client, FD_NONE, err);
	}
	if (r < 0) {
		json_decref(request);
		return r;
	}
	(void)json_object_set_new(request, "socket", json_string(socket));
	return docker_client_send(&l->client, request, err);
}

static int hear(struct lifecycle *l, json_t **ret, struct error *err)
{
	return docker_client_receive(&l->client, DOCKER_WORK_S, ret, err);
}

static int ask(
	struct lifecycle *l, const char *socket, json_t *request, json_t **ret, struct error *err)
{
	int r = tell(l, socket, request, err);

	return r < 0 ? r : hear(l, ret, err);
}

static int order(struct lifecycle *l, const char *socket, json_t *request, struct error *err)
{
	json_t *reply = NULL;
	int r = ask(l, socket, request, &reply, err);

	json_decref(reply);
	return r;
}

/* *ret: what the engine says of it, a new reference; NULL: there is none. */
static int inspect(
	struct lifecycle *l, const char *socket, const char *ref, json_t **ret, struct error *err)
{
	json_t *reply;
	int r = ask(l, socket, json_pack("{s:s,s:s}", "op", "inspect", "ref", ref), &reply, err);

	if (r < 0) {
		return r;
	}
	*ret = json_incref(json_object_get(reply, "container"));
	if (json_is_null(*ret)) {
		*ret = NULL;
	}
	json_decref(reply);
	return 0;
}

int life_docker_list_begin(struct lifecycle *lifecycle, const char *socket, struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	int r = tell(lifecycle, socket,
		json_pack("{s:s,s:s}", "op", "list", "label",
			arena_printf(&arena, INSTANCE_LABEL "=%s", lifecycle->instance)),
		err);

	lifecycle->listing = r == 0;
	return r;
}

int life_docker_list(
	struct lifecycle *lifecycle, const char *socket, json_t **ret, struct error *err)
{
	json_t *reply;
	int r = 0;

	if (!lifecycle->listing || strcmp(lifecycle->client_socket, socket) != 0) {
		r = life_docker_list_begin(lifecycle, socket, err);
	}
	lifecycle->listing = false;
	r = r < 0 ? r : hear(lifecycle, &reply, err);
	if (r < 0) {
		return r;
	}
	*ret = json_incref(json_object_get(reply, "containers"));
	json_decref(reply);
	return 0;
}

int life_docker_remove_id(
	struct lifecycle *lifecycle, const char *socket, const char *id, struct error *err)
{
	return order(lifecycle, socket, json_pack("{s:s,s:s}", "op", "remove", "ref", id), err);
}

bool life_docker_is_half(const char *name)
{
	size_t len = strlen(name), suffix = strlen(HALF_SUFFIX);

	return len > suffix && strcmp(name + len - suffix, HALF_SUFFIX) == 0;
}

/* --- what is there --- */

static const char *label_of(const json_t *inspected, const char *name)
{
	return json_string_value(json_object_get(
		json_object_get(json_object_get(inspected, "Config"), "Labels"), name));
}

/* A container that others made, by hand or with another state directory, is never used (D16). */
static int check_owner(
	const struct lifecycle *l, const json_t *inspected, const char *name, struct error *err)
{
	const char *instance = label_of(inspected, INSTANCE_LABEL);

	if (instance != NULL && strcmp(instance, l->instance) == 0) {
		return 0;
	}
	return error_plain(err, EEXIST,
		"the name '%s' is taken by a container that %s; it is not touched: remove or rename it, "
		"or set another docker.containerPrefix",
		name,
		instance != NULL ? "belongs to another instance of Creel (another state directory)"
				 : "Creel did not make");
}

static bool is_declared(const struct strv *env, const char *entry)
{
	size_t len = strcspn(entry, "=");

	for (size_t i = 0; i < env->count; i++) {
		if (strncmp(env->items[i], entry, len + 1) == 0) {
			return true;
		}
	}
	return false;
}

/* The image's own. What docker.env declares is the configuration's to say, and no secret has to lie on
 * the disk once more. */
static json_t *image_env(const json_t *env, const struct strv *declared)
{
	json_t *list = json_array();
	const json_t *item;
	size_t i;

	json_array_foreach(env, i, item)
	{
		const char *text = json_string_value(item);

		if (text != NULL && text[0] != '=' && strchr(text, '=') != NULL &&
			!is_declared(declared, text)) {
			(void)json_array_append_new(list, json_string(text));
		}
	}
	return list;
}

/* What the home would say, from the container itself. */
static json_t *meta_from(const struct acquiring *a, const json_t *inspected)
{
	_cleanup_arena_ struct arena arena = {0};
	json_t *meta = life_new_meta(a);
	const char *hash = label_of(inspected,
		arena_printf(&arena, "%sconfigHash",
			a->spec->label_prefix != NULL ? a->spec->label_prefix : "creel."));
	json_t *env = json_object_get(json_object_get(inspected, "Config"), "Env");

	(void)json_object_set_new(meta, "configHash", json_string(hash != NULL ? hash : ""));
	(void)json_object_set(meta, "id", json_object_get(inspected, "Id"));
	(void)json_object_set_new(meta, "env", image_env(env, &a->spec->env));
	return meta;
}

static const char *half_name(struct acquiring *a)
{
	return arena_printf(&a->arena, "%s" HALF_SUFFIX, a->spec->name);
}

static int docker_look(struct acquiring *a, enum life_state *ret, struct error *err)
{
	json_t *inspected;
	bool running;
	const char *name = a->half ? half_name(a) : a->spec->name;
	int r = inspect(a->lifecycle, a->spec->docker_socket, name, &inspected, err);

	if (r < 0) {
		return r;
	}
	if (inspected == NULL) {
		*ret = LIFE_ABSENT;
		return 0;
	}
	r = check_owner(a->lifecycle, inspected, name, err);
	if (r == 0) {
		running = json_is_true(
			json_object_get(json_object_get(inspected, "State"), "Running"));
		json_decref(a->meta);
		a->meta = meta_from(a, inspected);
		*ret = running ? LIFE_RUNNING : LIFE_STOPPED;
	}
	json_decref(inspected);
	return r;
}

/* --- make --- */

static int remove_named(
	struct lifecycle *l, const char *socket, const char *name, struct error *err)
{
	json_t *inspected;
	const char *id;
	int r = inspect(l, socket, name, &inspected, err);

	if (r < 0 || inspected == NULL) {
		return r;
	}
	r = check_owner(l, inspected, name, err);
	id = json_string_value(json_object_get(inspected, "Id"));
	/* By its id: the name may be another's by then. */
	if (r == 0 && id != NULL) {
		r = life_docker_remove_id(l, socket, id, err);
	}
	json_decref(inspected);
	return r;
}

static const char *owned_dir(struct arena *arena, const struct sandbox_home *home)
{
	return path_join(arena, home->dir, "owned");
}

static int create(struct acquiring *a, const char *name, json_t **ret, struct error *err)
{
	struct sandbox_spec spec;
	const struct create_opts opts = {
		.init_path = native_find_init(NULL, &a->arena, err),
		.run_dir = a->home.run_dir,
		.now_ms = (uint64_t)lifecycle_now_ms(),
		.agent = a->decision->agent_id,
		.kind = sandbox_kind_name(a->opts->kind),
	};
	json_t *body = NULL;
	int r = opts.init_path == NULL ? -err->num
				       : owned_mount(a->spec, owned_dir(&a->arena, &a->home),
						 &a->arena, &spec, err);

	if (r == 0) {
		r = docker_create_body(&spec, &opts, &body, err);
	}
	if (r < 0) {
		return r;
	}
	return ask(a->lifecycle, a->spec->docker_socket,
		json_pack("{s:s,s:s,s:o,s:s,s:b}", "op", "create", "name", name, "body", body,
			"setupScript", docker_setup_script(a->spec->image), "swap",
			a->spec->memory_swap != 0 ? 1 : 0),
		ret, err);
}

static int docker_make(struct acquiring *a, struct error *err)
{
	const char *name;
	json_t *made = NULL;
	int r;

	a->half = a->spec->setup_command != NULL;
	name = a->half ? half_name(a) : a->spec->name;
	r = create(a, name, &made, err);
	if (r == -EEXIST) {
		/* Half made by somebody who was killed; or made behind our back. */
		r = remove_named(a->lifecycle, a->spec->docker_socket, name, err);
		r = r < 0 ? r : create(a, name, &made, err);
	}
	if (r < 0) {
		return r;
	}
	a->meta = life_new_meta(a);
	(void)json_object_set(a->meta, "id", json_object_get(made, "id"));
	(void)json_object_set_new(
		a->meta, "env", image_env(json_object_get(made, "env"), &a->spec->env));
	json_decref(made);
	return 0;
}

static const char *id_of(const struct acquiring *a)
{
	const char *id = json_string_value(json_object_get(a->meta, "id"));

	return id != NULL ? id : a->spec->name;
}

/* After a reboot its workspace has to be mounted again, where the container looks for it. */
static int docker_restart(struct acquiring *a, struct error *err)
{
	struct sandbox_spec ignored;
	int r = owned_mount(a->spec, owned_dir(&a->arena, &a->home), &a->arena, &ignored, err);

	return r < 0 ? r
		     : order(a->lifecycle, a->spec->docker_socket,
			       json_pack("{s:s,s:s}", "op", "start", "ref", id_of(a)), err);
}

static int docker_settle(struct acquiring *a, struct error *err)
{
	int r;

	if (!a->half) {
		return 0;
	}
	r = order(a->lifecycle, a->spec->docker_socket,
		json_pack("{s:s,s:s,s:s}", "op", "rename", "ref", id_of(a), "name", a->spec->name),
		err);
	a->half = r < 0;
	return r;
}

static int docker_remove(struct lifecycle *lifecycle, const struct sandbox_home *home,
	const char *name, const char *docker_socket, struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	int r;

	r = remove_named(lifecycle, docker_socket, name, err);
	if (r == 0) {
		r = remove_named(lifecycle, docker_socket,
			arena_printf(&arena, "%s" HALF_SUFFIX, name), err);
	}
	if (r == 0) {
		owned_unmount(owned_dir(&arena, home));
	}
	return r;
}

int lifecycle_inspect(struct lifecycle *lifecycle, const struct decision *decision, json_t **ret,
	struct error *err)
{
	return inspect(lifecycle, decision->spec.docker_socket, decision->spec.name, ret, err);
}

/* A container whose counters cannot be read does its work as well. */
static bool docker_denials(struct acquiring *a, struct denial_fds *ret)
{
	struct error ignored;
	json_t *inspected;
	bool ok;

	if (inspect(a->lifecycle, a->spec->docker_socket, id_of(a), &inspected, &ignored) < 0 ||
		inspected == NULL) {
		return false;
	}
	ok = docker_counters_open(json_string_value(json_object_get(inspected, "Id")),
		json_integer_value(json_object_get(json_object_get(inspected, "State"), "Pid")),
		ret);
	json_decref(inspected);
	return ok;
}

const struct life_ops life_docker = {
	.open_to_all = true,
	.look = docker_look,
	.make = docker_make,
	.restart = docker_restart,
	.settle = docker_settle,
	.denials = docker_denials,
	.remove = docker_remove,
};
