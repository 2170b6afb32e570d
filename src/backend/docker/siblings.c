/* SPDX-License-Identifier: MIT */
#include "backend/docker/siblings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/docker/container.h"
#include "backend/docker/create.h"
#include "backend/docker/hostpath.h"
#include "base/buf.h"
#include "base/own.h"
#include "base/path.h"

enum {
	/* A container with LIMIT_BINDS mounts, each line with two paths. */
	MOUNTINFO_MAX = 4 * 1024 * 1024,
	INIT_MAX = 16 * 1024 * 1024,
};

/* *ret NULL: in no container, or in one that this engine does not know: its own host, another engine. */
static int inspect_self(struct engine *engine, json_t **ret, struct error *err)
{
	_cleanup_buf_ struct buf mountinfo = {0};
	char id[HOSTPATH_ID_SIZE];
	int r;

	buf_init(&mountinfo, MOUNTINFO_MAX);
	r = hostpath_read_mountinfo(&mountinfo, err);
	if (r < 0) {
		return r;
	}
	*ret = NULL;
	if (mountinfo.data == NULL || !hostpath_own_id(mountinfo.data, id)) {
		return 0;
	}
	return container_inspect(engine, id, ret, err);
}

static const char *source_of(const json_t *body, const char *target)
{
	const json_t *mounts = json_object_get(json_object_get(body, "HostConfig"), "Mounts");
	const json_t *item;
	size_t i;

	json_array_foreach(mounts, i, item)
	{
		const char *at = json_string_value(json_object_get(item, "Target"));

		if (at != NULL && strcmp(at, target) == 0) {
			return json_string_value(json_object_get(item, "Source"));
		}
	}
	return NULL;
}

static int copy_file(const char *from, const char *to, struct error *err)
{
	_cleanup_close_ int in = open(from, O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int out = FD_NONE;
	struct stat st;
	ssize_t n;

	if (in < 0 || fstat(in, &st) < 0 || st.st_size > INIT_MAX) {
		return error_set(err, errno, "cannot read '%s'", from);
	}
	(void)unlink(to); /* not into a file that a sandbox executes */
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0555);
	if (out < 0) {
		return error_set(err, errno, "cannot make '%s'", to);
	}
	while (st.st_size > 0) {
		n = sendfile(out, in, NULL, (size_t)st.st_size);
		if (n <= 0) {
			return error_set(
				err, n < 0 ? errno : EIO, "cannot copy creel-init to '%s'", to);
		}
		st.st_size -= n;
	}
	/* Whatever the umask left. */
	return fchmod(out, 0555) < 0 ? error_set(err, errno, "cannot set the mode of '%s'", to) : 0;
}

/* Our image has creel-init, the host has not. The copy goes with the sandbox's directory. */
static int share_init(struct arena *arena, const struct hostpath_map *map, const json_t *body,
	const char **ret, struct error *err)
{
	const char *init = source_of(body, DOCKER_INIT_TARGET);
	const char *run_dir = source_of(body, DOCKER_RUN_TARGET);

	*ret = NULL;
	if (init == NULL || run_dir == NULL || hostpath_find(arena, map, init) != NULL) {
		return 0;
	}
	*ret = path_normalize(arena, path_join(arena, run_dir, "../init"));
	return copy_file(init, *ret, err);
}

int siblings_request(struct engine *engine, const json_t *body, json_t **ret, struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	struct hostpath_map map;
	json_t *self, *copy = json_deep_copy(body);
	const char *init_copy;
	int r = inspect_self(engine, &self, err);

	if (r == 0 && self != NULL) {
		r = hostpath_map_from(&arena, self, &map, err);
		r = r < 0 ? r : share_init(&arena, &map, body, &init_copy, err);
		r = r < 0 ? r : hostpath_translate(&arena, &map, init_copy, copy, err);
		json_decref(self);
	}
	if (r < 0) {
		json_decref(copy);
		return r;
	}
	*ret = copy;
	return 0;
}
