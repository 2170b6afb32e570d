/* SPDX-License-Identifier: MIT */
/* An instance that is opened: its directory, what its sandboxes are, their registry. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/own.h"
#include "base/path.h"
#include "broker/lifecycle-internal.h"
#include "broker/lifecycle-list.h"
#include "sandbox/instance.h"

enum { META_VERSION = 1 };

const char *sandbox_kind_name(enum sandbox_kind kind)
{
	static const char *const names[KIND_COUNT_] = {"sandbox", "browser"};

	return (unsigned)kind < KIND_COUNT_ ? names[kind] : NULL;
}

const struct life_ops *life_ops_of(const char *backend)
{
	if (backend == NULL) {
		return NULL;
	}
	if (strcmp(backend, "docker") == 0) {
		return &life_docker;
	}
	return strcmp(backend, "native") == 0 ? &life_native : NULL;
}

/* --- open --- */

static int make_dir(const char *path, struct error *err)
{
	struct stat st;

	if (mkdir(path, 0700) < 0 && errno != EEXIST) {
		return error_set(err, errno, "cannot make the directory '%s'", path);
	}
	/* In a directory that others may write to, it has to be ours and nobody else's. */
	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
		(st.st_mode & 0077) != 0) {
		return error_plain(err, EPERM,
			"'%s' is not a directory of this user's alone; remove it", path);
	}
	return 0;
}

/* The engine must see the same directory there, so no private place. */
static int choose_base(struct lifecycle *l, struct error *err)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	const char *name = arena_printf(&l->arena, "creel-%s", l->instance);
	int r;

	if (geteuid() == 0 && access("/run", W_OK) == 0) {
		l->base = path_join(&l->arena, "/run", name);
	} else if (runtime != NULL && path_is_absolute(runtime) && access(runtime, W_OK) == 0) {
		l->base = path_join(&l->arena, runtime, name);
	} else {
		if (mkdir(l->config->state_dir, 0700) < 0 && errno != EEXIST) {
			return error_set(err, errno, "cannot make the state directory '%s'",
				l->config->state_dir);
		}
		l->base = path_join(&l->arena, l->config->state_dir, "run");
		r = make_dir(l->base, err);
		if (r < 0) {
			return r;
		}
		l->base = path_join(&l->arena, l->base, name);
	}
	return make_dir(l->base, err);
}

int lifecycle_open(const struct config *config, struct lifecycle **ret, struct error *err)
{
	struct lifecycle *l = xcalloc(1, sizeof(*l));
	int r;

	l->config = config;
	l->client.control_fd = FD_NONE;
	l->instance = sandbox_instance(&l->arena, config);
	r = choose_base(l, err);
	if (r < 0) {
		(void)lifecycle_close(l);
		return r;
	}
	*ret = l;
	return 0;
}

struct lifecycle *lifecycle_close(struct lifecycle *lifecycle)
{
	if (lifecycle != NULL) {
		(void)docker_client_stop(&lifecycle->client);
		/* With the last sandbox the instance's directory goes, too; a full one stays. */
		if (lifecycle->base != NULL) {
			(void)rmdir(lifecycle->base);
		}
		lifecycle->registry = registry_close(lifecycle->registry);
		arena_finish(&lifecycle->arena);
		free(lifecycle);
	}
	return NULL;
}

/* --- what a sandbox is --- */

json_t *life_new_meta(const struct acquiring *a)
{
	const struct sandbox_spec *spec = a->spec;
	_cleanup_arena_ struct arena arena = {0};

	return json_pack("{s:i,s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:s?,s:s,s:s,s:s?}", "version",
		META_VERSION, "name", spec->name, "kind", sandbox_kind_name(a->opts->kind),
		"backend", backend_kind_name(spec->backend), "scopeKey", spec->scope_key, "agent",
		a->decision->agent_id, "configHash", spec->config_hash, "createdAtMs",
		(json_int_t)lifecycle_now_ms(), "socket",
		spec->backend == BACKEND_DOCKER ? spec->docker_socket : NULL, "image", spec->image,
		"workspace", spec->workspace_dir, "dangerousBinds", spec_dangerous(spec, &arena));
}

static const char *meta_text(const json_t *meta, const char *key, struct arena *arena)
{
	return life_text(arena, json_string_value(json_object_get(meta, key)));
}

bool life_row(const json_t *meta, struct arena *arena, struct registry_row *ret)
{
	*ret = (struct registry_row){
		.name = meta_text(meta, "name", arena),
		.kind = meta_text(meta, "kind", arena),
		.backend = meta_text(meta, "backend", arena),
		.scope_key = meta_text(meta, "scopeKey", arena),
		.agent = meta_text(meta, "agent", arena),
		.image = meta_text(meta, "image", arena),
		.config_hash = meta_text(meta, "configHash", arena),
		.socket = meta_text(meta, "socket", arena),
		.workspace = meta_text(meta, "workspace", arena),
		.dangerous = meta_text(meta, "dangerousBinds", arena),
		.created_ms = json_integer_value(json_object_get(meta, "createdAtMs")),
	};
	ret->last_used_ms = ret->created_ms;
	return ret->name != NULL && ret->kind != NULL && ret->backend != NULL;
}

struct registry *life_registry(struct lifecycle *lifecycle)
{
	struct error ignored;
	bool is_new;

	if (lifecycle->registry == NULL && !lifecycle->registry_failed) {
		lifecycle->registry_failed = registry_open(lifecycle->config->state_dir,
						     &lifecycle->registry, &is_new, &ignored) < 0;
	}
	return lifecycle->registry;
}

void life_forget(struct lifecycle *lifecycle, const char *name)
{
	struct registry *registry = life_registry(lifecycle);
	struct error ignored;

	if (registry != NULL) {
		(void)registry_drop(registry, name, &ignored);
	}
}
