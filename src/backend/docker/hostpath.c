/* SPDX-License-Identifier: MIT */
#include "backend/docker/hostpath.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "backend/docker/create.h"
#include "base/limits.h"
#include "base/macro.h"
#include "base/own.h"
#include "base/path.h"
#include "sandbox/binds.h"

enum { ID_LEN = HOSTPATH_ID_SIZE - 1 };

/* --- who we are --- */

/* "/var/lib/docker/containers/<id>/hostname", ".../overlay-containers/<id>/userdata/hostname" */
static const char *find_id(const char *root, size_t len)
{
	for (size_t at = 0; at + ID_LEN + 2 <= len; at++) {
		if (root[at] == '/' && root[at + 1 + ID_LEN] == '/' &&
			strspn(root + at + 1, "0123456789abcdef") == ID_LEN) {
			return root + at + 1;
		}
	}
	return NULL;
}

/* The next field of a line; NULL behind the last. */
static const char *next_field(const char **at, size_t *ret_len)
{
	const char *field = *at;

	*ret_len = strcspn(field, " \n");
	if (*ret_len == 0) {
		return NULL;
	}
	*at = field + *ret_len + (field[*ret_len] == ' ');
	return field;
}

static bool is_file_of_engine(const char *point, size_t len)
{
	static const char *const files[] = {"/etc/hostname", "/etc/hosts", "/etc/resolv.conf"};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		if (strlen(files[i]) == len && strncmp(files[i], point, len) == 0) {
			return true;
		}
	}
	return false;
}

/* proc(5): mount id, parent, major:minor, root, mount point, ... */
static const char *id_of_line(const char *line)
{
	enum { ROOT = 3, POINT = 4 };
	const char *fields[POINT + 1];
	size_t lens[POINT + 1];

	for (int i = 0; i <= POINT; i++) {
		fields[i] = next_field(&line, &lens[i]);
		if (fields[i] == NULL) {
			return NULL;
		}
	}
	return is_file_of_engine(fields[POINT], lens[POINT]) ? find_id(fields[ROOT], lens[ROOT])
							     : NULL;
}

bool hostpath_own_id(const char *mountinfo, char ret[HOSTPATH_ID_SIZE])
{
	for (const char *line = mountinfo; *line != '\0';) {
		const char *id = id_of_line(line);

		if (id != NULL) {
			(void)memcpy(ret, id, ID_LEN);
			ret[ID_LEN] = '\0';
			return true;
		}
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	return false;
}

/* --- what is where --- */

static void add_mount(
	struct arena *arena, struct hostpath_map *map, const char *inside, const char *outside)
{
	if (inside == NULL || !path_is_absolute(inside)) {
		return;
	}
	map->mounts[map->count++] = (struct hostpath_mount){
		.inside = path_normalize(arena, inside),
		.outside = outside != NULL && path_is_absolute(outside)
				   ? path_normalize(arena, outside)
				   : NULL,
	};
}

int hostpath_map_from(
	struct arena *arena, const json_t *inspected, struct hostpath_map *ret, struct error *err)
{
	json_t *mounts = json_object_get(inspected, "Mounts");
	json_t *tmpfs = json_object_get(json_object_get(inspected, "HostConfig"), "Tmpfs");
	size_t count = json_array_size(mounts) + json_object_size(tmpfs), i;
	const char *target;
	json_t *item;

	if (!json_is_object(inspected) || count > LIMIT_BINDS) {
		return error_plain(err, EPROTO,
			"the container engine did not say what is mounted in the gateway's container");
	}
	*ret = (struct hostpath_map){
		.mounts = arena_alloc(arena, (count + 1) * sizeof(*ret->mounts))};
	json_array_foreach(mounts, i, item)
	{
		const char *type = json_string_value(json_object_get(item, "Type"));
		bool shared = type == NULL || strcmp(type, "tmpfs") != 0;

		add_mount(arena, ret, json_string_value(json_object_get(item, "Destination")),
			shared ? json_string_value(json_object_get(item, "Source")) : NULL);
	}
	json_object_foreach(tmpfs, target, item)
	{
		add_mount(arena, ret, target, NULL);
	}
	return 0;
}

const char *hostpath_find(struct arena *arena, const struct hostpath_map *map, const char *path)
{
	const struct hostpath_mount *found = NULL;
	const char *rest;

	for (size_t i = 0; i < map->count; i++) {
		const struct hostpath_mount *mount = &map->mounts[i];

		if (path_is_below(path, mount->inside) &&
			(found == NULL || strlen(mount->inside) > strlen(found->inside))) {
			found = mount;
		}
	}
	if (found == NULL || found->outside == NULL) {
		return NULL;
	}
	rest = path + (strcmp(found->inside, "/") == 0 ? 0 : strlen(found->inside));
	return path_normalize(arena, arena_printf(arena, "%s/%s", found->outside, rest));
}

/* --- the request --- */

struct translation {
	struct arena *arena;
	const struct hostpath_map *map;
	const char *init_copy, *workdir;
	const char *dangerous; /* sources that the configuration lets through, by line; NULL */
	struct strv blocked;
};

static bool is_let_through(const struct translation *t, const char *source)
{
	size_t len = strlen(source);

	for (const char *line = t->dangerous; line != NULL && *line != '\0';) {
		size_t n = strcspn(line, "\n");

		if (n == len && strncmp(line, source, n) == 0) {
			return true;
		}
		line += n + (line[n] == '\n');
	}
	return false;
}

/* What Creel mounts by itself, below paths that binds may not have. */
static bool is_own_target(const struct translation *t, const char *target)
{
	return path_is_below(target, DOCKER_RUN_TARGET) || path_is_below(target, "/agent") ||
	       (t->workdir != NULL && path_is_below(target, t->workdir));
}

static int check_outside(const struct translation *t, const char *source, const char *outside,
	const char *target, struct error *err)
{
	const char *blocked;
	bool contains;

	if (is_let_through(t, source)) {
		return 0;
	}
	blocked = is_own_target(t, target)
			  ? (strcmp(outside, "/") == 0 ? outside : NULL)
			  : bind_blocked(t->arena, outside, &t->blocked, NULL, &contains);
	if (blocked != NULL) {
		return error_plain(err, EPERM,
			"'%s' of the gateway's container is '%s' on the host, where '%s' may not be "
			"bound into a sandbox",
			source, outside, blocked);
	}
	return 0;
}

static int translate(const struct translation *t, const char *source, const char *target,
	const char **ret, struct error *err)
{
	const char *inside = source, *outside;

	if (strcmp(target, DOCKER_INIT_TARGET) == 0 && t->init_copy != NULL) {
		inside = t->init_copy;
	}
	outside = hostpath_find(t->arena, t->map, path_normalize(t->arena, inside));
	if (outside == NULL) {
		return error_plain(err, ENOENT,
			"'%s' is only in the gateway's own container, and sandboxes are made by the "
			"engine of the host: mount a directory of the host there (docker run --volume)",
			inside);
	}
	*ret = outside;
	return check_outside(t, source, outside, target, err);
}

static int translate_mounts(const struct translation *t, json_t *mounts, struct error *err)
{
	json_t *item;
	size_t i;

	json_array_foreach(mounts, i, item)
	{
		const char *source = json_string_value(json_object_get(item, "Source"));
		const char *target = json_string_value(json_object_get(item, "Target"));
		const char *outside;
		int r;

		if (source == NULL || target == NULL) {
			continue;
		}
		r = translate(t, source, target, &outside, err);
		if (r < 0) {
			return r;
		}
		json_object_set_new(item, "Source", json_string(outside));
	}
	return 0;
}

/* "source:target:mode" */
static int translate_binds(const struct translation *t, json_t *binds, struct error *err)
{
	json_t *item;
	size_t i;

	json_array_foreach(binds, i, item)
	{
		const char *bind = json_string_value(item);
		const char *rest = bind != NULL ? strchr(bind, ':') : NULL;
		const char *target, *outside;
		int r;

		if (rest == NULL) {
			continue;
		}
		target = arena_strndup(t->arena, rest + 1, strcspn(rest + 1, ":"));
		r = translate(t, arena_strndup(t->arena, bind, (size_t)(rest - bind)), target,
			&outside, err);
		if (r < 0) {
			return r;
		}
		json_array_set_new(
			binds, i, json_string(arena_printf(t->arena, "%s%s", outside, rest)));
	}
	return 0;
}

int hostpath_translate(struct arena *arena, const struct hostpath_map *map, const char *init_copy,
	json_t *body, struct error *err)
{
	static const struct strv no_homes;
	json_t *host = json_object_get(body, "HostConfig");
	struct translation t = {
		.arena = arena,
		.map = map,
		.init_copy = init_copy,
		.workdir = json_string_value(json_object_get(body, "WorkingDir")),
		.dangerous = json_string_value(
			json_object_get(json_object_get(body, "Labels"), "creel.dangerousBinds")),
	};
	int r;

	/* Whose homes are on the host is not known here; the usual places are. */
	bind_blocked_list(arena, &no_homes, "/var/lib/creel", &t.blocked);
	r = translate_mounts(&t, json_object_get(host, "Mounts"), err);
	return r < 0 ? r : translate_binds(&t, json_object_get(host, "Binds"), err);
}

int hostpath_read_mountinfo(struct buf *ret, struct error *err)
{
	enum { READ_CHUNK = 64 * 1024 };
	_cleanup_close_ int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);

	for (;;) {
		char *room = buf_reserve(ret, READ_CHUNK);
		ssize_t n = fd >= 0 && room != NULL ? read(fd, room, READ_CHUNK) : -1;

		if (n < 0) {
			return error_set(err, errno, "cannot read /proc/self/mountinfo");
		}
		if (n == 0) {
			return 0;
		}
		buf_commit(ret, (size_t)n);
	}
}
