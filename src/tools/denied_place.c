/* SPDX-License-Identifier: MIT */
/* From a path in the sandbox to the mount that it is on, and the key that this comes from. */
#include "tools/denied_place.h"

#include <string.h>

#include "base/macro.h"
#include "base/path.h"

#define KEY(name) "agents.defaults.sandbox." name

/* What a path is on, as far as a decision says. */
struct place {
	const char *target;
	const struct spec_mount *mount; /* NULL: no mount of the decision's */
	const char *tmpfs; /* its entry; NULL: none */
};

static void consider(struct place *best, const char *path, const struct place *next)
{
	if (next->target != NULL && path_is_below(path, next->target) &&
		strlen(next->target) >= strlen(best->target)) {
		*best = *next;
	}
}

static struct place place_of(const struct sandbox_spec *spec, const char *path, struct arena *arena)
{
	/* Both backends have it, whatever is configured. */
	static const char *const memory[] = {"/dev/shm"};
	struct place best = {.target = "/"};

	for (size_t i = 0; i < ARRAY_SIZE(memory); i++) {
		consider(&best, path, &(struct place){.target = memory[i], .tmpfs = memory[i]});
	}
	for (size_t i = 0; i < spec->tmpfs.count; i++) {
		const char *entry = spec->tmpfs.items[i];

		consider(&best, path,
			&(struct place){.target = arena_strndup(arena, entry, strcspn(entry, ":")),
				.tmpfs = entry});
	}
	for (size_t i = 0; i < spec->mount_count; i++) {
		const struct spec_mount *m = &spec->mounts[i];

		consider(&best, path, &(struct place){.target = m->target, .mount = m});
	}
	return best;
}

static const char *key_or(const char *key, const char *fallback)
{
	return key != NULL && strcmp(key, "default") != 0 ? key : fallback;
}

/* What the kernel shows of itself, and what carries the sandbox: no key opens it. */
static bool is_ours(const char *path, struct denial *ret)
{
	static const struct {
		const char *dir, *rule;
	} table[] = {
		{"/proc", "what the kernel shows of itself is read-only"},
		{"/sys", "what the kernel shows of itself is read-only"},
		{"/run/creel", "what carries the sandbox is read-only"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (path_is_below(path, table[i].dir)) {
			ret->rule = table[i].rule;
			return true;
		}
	}
	return false;
}

static bool is_root(const struct sandbox_spec *spec, struct denial *ret)
{
	if (spec->backend == BACKEND_DOCKER) {
		ret->rule = "docker.readOnlyRoot: true";
		ret->fix[0] = KEY("docker.readOnlyRoot");
		ret->fix[1] = KEY("docker.tmpfs");
		return spec->read_only_root;
	}
	ret->rule = "the root of native sandboxes is read-only";
	ret->fix[0] = KEY("docker.tmpfs");
	ret->fix[1] = KEY("docker.binds");
	return true;
}

bool denied_place_read_only(
	const struct sandbox_spec *spec, const char *path, struct arena *arena, struct denial *ret)
{
	struct place place = place_of(spec, path, arena);

	*ret = (struct denial){.layer = "mount"};
	ret->what = arena_printf(arena, "writing to %s", path);
	if (is_ours(path, ret)) {
		return true;
	}
	if (place.mount == NULL) {
		return place.tmpfs == NULL && is_root(spec, ret);
	}
	if (place.mount->kind == MOUNT_BIND) {
		ret->rule = arena_printf(arena, "docker.binds: %s is read-only", place.target);
		ret->fix[0] = key_or(place.mount->key, KEY("docker.binds"));
	} else {
		ret->rule = "workspaceAccess: ro";
		ret->fix[0] = key_or(place.mount->key, KEY("workspaceAccess"));
	}
	return place.mount->read_only;
}

bool denied_place_full(
	const struct sandbox_spec *spec, const char *path, struct arena *arena, struct denial *ret)
{
	struct place place = place_of(spec, path, arena);

	*ret = (struct denial){
		.layer = "mount",
		.what = arena_printf(arena, "more data in %s", place.target),
		.rule = arena_printf(arena, "docker.tmpfs: %s",
			place.tmpfs != NULL ? place.tmpfs : place.target),
		.fix = {KEY("docker.tmpfs")},
	};
	/* The root of a native sandbox is a tmpfs itself, and read-only where it is not one of these. */
	return place.tmpfs != NULL;
}

void denied_place_somewhere(struct denial *ret)
{
	*ret = (struct denial){
		.layer = "mount",
		.what = "writing to a read-only place",
		.rule = "read-only file system",
		.fix = {KEY("workspaceAccess"), KEY("docker.binds"), NULL},
	};
}
