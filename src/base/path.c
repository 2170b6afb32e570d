/* SPDX-License-Identifier: MIT */
/* Path text. */
#include "base/path.h"

#include <assert.h>
#include <string.h>

bool path_is_absolute(const char *path)
{
	return path[0] == '/';
}

char *path_normalize(struct arena *a, const char *path)
{
	/* The result never grows: each part moves left or disappears. */
	char *out = arena_alloc(a, strlen(path) + 2);
	size_t len = 0;

	assert(path_is_absolute(path));
	while (*path != '\0') {
		size_t part;

		path += strspn(path, "/");
		part = strcspn(path, "/");
		if (part == 2 && memcmp(path, "..", 2) == 0) {
			while (len > 0 && out[--len] != '/') {
			}
		} else if (part > 0 && !(part == 1 && *path == '.')) {
			out[len++] = '/';
			memcpy(out + len, path, part);
			len += part;
		}
		path += part;
	}
	if (len == 0) {
		out[len++] = '/';
	}
	out[len] = '\0';
	return out;
}

bool path_is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	if (strcmp(dir, "/") == 0) {
		return path_is_absolute(path);
	}
	return strncmp(path, dir, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

char *path_join(struct arena *a, const char *dir, const char *name)
{
	size_t len = strlen(dir);
	size_t name_len = strlen(name);
	char *joined, *end;

	if (path_is_absolute(name)) {
		return arena_strdup(a, name);
	}
	/* By hand: what is done a hundred times per command is not for printf(3). */
	joined = arena_alloc(a, len + name_len + 2);
	end = mempcpy(joined, dir, len);
	if (len == 0 || dir[len - 1] != '/') {
		*end++ = '/';
	}
	(void)memcpy(end, name, name_len + 1);
	return joined;
}

const char *path_basename(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

char *path_expand_home(struct arena *a, const char *path, const char *home)
{
	if (strcmp(path, "~") == 0) {
		return arena_strdup(a, home);
	}
	if (strncmp(path, "~/", 2) == 0) {
		return path_join(a, home, path + 2);
	}
	return arena_strdup(a, path);
}
