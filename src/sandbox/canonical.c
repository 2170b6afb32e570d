/* SPDX-License-Identifier: MIT */
/* Where a path really leads, also where it leads to nothing yet. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "sandbox/binds.h"

/* The kernel's own limit for links in one lookup (path_resolution(7)). */
enum { LINKS_MAX = 40 };

struct walk {
	struct arena *arena;
	char *rest; /* what is still to be walked */
	const char *done; /* canonical so far */
	int links;
	bool missing;
};

/* Put a link's target in front of the rest. */
static void follow(struct walk *w, const char *target)
{
	if (path_is_absolute(target)) {
		w->done = "/";
	}
	w->rest = arena_printf(w->arena, "%s/%s", target, w->rest);
}

static int read_link(const char *path, char target[PATH_MAX])
{
	ssize_t len = readlink(path, target, PATH_MAX - 1);

	if (len < 0) {
		return -errno;
	}
	target[len] = '\0';
	return 0;
}

/* One component: gone into, followed, or found missing. */
static int step(struct walk *w, const char *name)
{
	char target[PATH_MAX];
	char *next = path_normalize(w->arena, path_join(w->arena, w->done, name));
	int r;

	if (w->missing || strcmp(name, "..") == 0 || strcmp(name, ".") == 0) {
		w->done = next;
		return 0;
	}
	r = read_link(next, target);
	if (r == 0 && ++w->links <= LINKS_MAX) {
		follow(w, target);
		return 0;
	}
	w->done = next;
	if (r == -EINVAL) {
		return 0;
	}
	if (r == 0 || r == -ENOENT || r == -ENOTDIR || r == -ELOOP) {
		w->missing = true;
		return 0;
	}
	return r;
}

int bind_canonical(
	struct arena *a, const char *path, char **ret, bool *ret_missing, struct error *err)
{
	struct walk w = {.arena = a, .rest = arena_strdup(a, path), .done = "/"};
	struct stat st;

	for (;;) {
		char *name = w.rest + strspn(w.rest, "/");
		size_t len = strcspn(name, "/");
		int r;

		if (len == 0) {
			break;
		}
		w.rest = name[len] == '/' ? name + len + 1 : name + len;
		r = step(&w, arena_strndup(a, name, len));
		if (r < 0) {
			return error_set(err, -r, "cannot look at '%s'", w.done);
		}
	}
	*ret = arena_strdup(a, w.done);
	/* A file in the middle shows only here: "file.txt/x". */
	*ret_missing = w.missing || lstat(*ret, &st) < 0;
	return 0;
}
