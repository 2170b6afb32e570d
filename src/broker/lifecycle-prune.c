/* SPDX-License-Identifier: MIT */
/* Taking sandboxes away: on request, when they are idle or old, and what nobody owns. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/own.h"
#include "base/path.h"
#include "broker/lifecycle-internal.h"
#include "broker/lifecycle-list.h"
#include "sandbox/copy.h"

enum {
	PRUNE_EVERY_MS = 5 * 60 * 1000,
	/* Whoever held a sandbox that was taken away sees its stream end and lets go. */
	LET_GO_MS = 10000,
	LET_GO_STEP_MS = 10,
	/* Whoever lists sandboxes tries their locks, and has them for a moment. */
	GLANCE_MS = 50,
	SLUG_HASH_LENGTH = 8,
};

#define MS_PER_HOUR (INT64_C(3600) * 1000)
#define MS_PER_DAY (24 * MS_PER_HOUR)

/* --- one --- */

static int lock_home(struct lifecycle *l, struct arena *arena, const char *name,
	struct sandbox_home *ret, struct error *err)
{
	const struct home_wait wait = {.never = true};

	return sandbox_home_lock(arena, l->base, name, true, &wait, ret, err);
}

static int remove_in(struct lifecycle *l, const struct registry_row *row,
	const struct sandbox_home *home, struct error *err)
{
	const struct life_ops *ops = life_ops_of(row->backend);

	if (ops == NULL) {
		return error_plain(err, EINVAL, "no backend '%s' for the sandbox '%s'",
			row->backend, row->name);
	}
	return ops->remove(l, home, row->name, row->socket, err);
}

static int lock_unless_used(struct lifecycle *l, struct arena *arena, const char *name,
	struct sandbox_home *ret, struct error *err)
{
	const struct timespec step = {.tv_nsec = (long)NS_PER_MS};
	uint64_t deadline_ns = clock_after_ns(GLANCE_MS * NS_PER_MS);
	int r;

	while ((r = lock_home(l, arena, name, ret, err)) == -EBUSY &&
		clock_left_ms(deadline_ns) > 0) {
		(void)nanosleep(&step, NULL);
	}
	return r;
}

int lifecycle_remove(struct lifecycle *lifecycle, const struct registry_row *row, bool unless_used,
	struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	const struct timespec step = {.tv_nsec = LET_GO_STEP_MS * (long)NS_PER_MS};
	uint64_t deadline_ns = clock_after_ns(LET_GO_MS * NS_PER_MS);
	struct sandbox_home home;
	int r = unless_used ? lock_unless_used(lifecycle, &arena, row->name, &home, err)
			    : lock_home(lifecycle, &arena, row->name, &home, err);

	if (r == -EBUSY && !unless_used) {
		/* What runs in there ends, and with it whoever waits for it. */
		home = (struct sandbox_home){.dir = path_join(&arena, lifecycle->base, row->name)};
		r = remove_in(lifecycle, row, &home, err);
		while (r == 0 || (r == -EBUSY && clock_left_ms(deadline_ns) > 0)) {
			r = lock_home(lifecycle, &arena, row->name, &home, err);
			if (r == 0) {
				break;
			}
			(void)nanosleep(&step, NULL);
		}
	}
	if (r < 0) {
		return r;
	}
	r = remove_in(lifecycle, row, &home, err);
	if (r == 0) {
		sandbox_home_remove(&home);
		life_forget(lifecycle, row->name);
	}
	(void)close(home.lock_fd);
	return r;
}

bool lifecycle_is_due(const struct lifecycle_sandbox *sandbox, int64_t now_ms)
{
	return (sandbox->idle_hours > 0 &&
		       now_ms - sandbox->row.last_used_ms > sandbox->idle_hours * MS_PER_HOUR) ||
	       (sandbox->max_age_days > 0 &&
		       now_ms - sandbox->row.created_ms > sandbox->max_age_days * MS_PER_DAY);
}

/* --- what nobody owns --- */

/* The home of a container for once, from what is mounted at /run/creel; NULL: it has none. */
static const char *once_home(const json_t *container, struct arena *arena)
{
	const json_t *mounts = json_object_get(container, "Mounts"), *mount;
	size_t i;

	json_array_foreach(mounts, i, mount)
	{
		const char *target = json_string_value(json_object_get(mount, "Destination"));
		const char *source = json_string_value(json_object_get(mount, "Source"));
		const char *slash = source != NULL ? strrchr(source, '/') : NULL;

		if (target != NULL && strcmp(target, "/run/creel") == 0 && slash != NULL) {
			return arena_strndup(arena, source, (size_t)(slash - source));
		}
	}
	return NULL;
}

/* Its keeper holds a lock on the directory as long as it lives. */
static bool is_once_owned(const json_t *container)
{
	_cleanup_arena_ struct arena arena = {0};
	const char *dir = once_home(container, &arena);
	_cleanup_close_ int fd =
		dir != NULL ? open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : FD_NONE;

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0;
}

/* Half made: somebody may be at it. */
static bool is_half_owned(struct lifecycle *l, const char *name)
{
	_cleanup_arena_ struct arena arena = {0};
	struct sandbox_home home = {.dir = path_join(&arena, l->base, name)};
	int64_t ignored;

	home.dir = arena_strndup(&arena, home.dir, strlen(home.dir) - strlen(".new"));
	return sandbox_home_in_use(&home, &ignored);
}

static bool is_left_over(struct lifecycle *l, const json_t *container)
{
	const json_t *labels = json_object_get(container, "Labels");
	const char *name =
		json_string_value(json_array_get(json_object_get(container, "Names"), 0));

	if (json_object_get(labels, "creel.once") != NULL) {
		return !is_once_owned(container);
	}
	return name != NULL && life_docker_is_half(name) &&
	       !is_half_owned(l, name + (name[0] == '/' ? 1 : 0));
}

static size_t sweep_engine(struct lifecycle *l, const char *socket)
{
	json_t *containers = NULL;
	const json_t *container;
	struct error ignored;
	size_t i, swept = 0;

	if (life_docker_list(l, socket, &containers, &ignored) < 0) {
		return 0;
	}
	json_array_foreach(containers, i, container)
	{
		const char *id = json_string_value(json_object_get(container, "Id"));

		if (id != NULL && is_left_over(l, container) &&
			life_docker_remove_id(l, socket, id, &ignored) == 0) {
			swept++;
		}
	}
	json_decref(containers);
	return swept;
}

static bool is_listed(const struct lifecycle_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->items[i].row.name, name) == 0) {
			return true;
		}
	}
	return false;
}

/* Homes of sandboxes that are gone: of a native one whose host was restarted, say. */
static size_t sweep_homes(struct lifecycle *l, const struct lifecycle_list *list)
{
	DIR *names = opendir(l->base);
	const struct dirent *entry;
	size_t swept = 0;

	while (names != NULL && (entry = readdir(names)) != NULL) {
		_cleanup_arena_ struct arena arena = {0};
		struct sandbox_home home;
		struct error ignored;

		if (entry->d_name[0] == '.' || entry->d_type == DT_REG ||
			is_listed(list, entry->d_name) ||
			lock_home(l, &arena, entry->d_name, &home, &ignored) < 0) {
			continue;
		}
		if (!life_native_is_alive(&home)) {
			sandbox_home_remove(&home);
			swept++;
		}
		(void)close(home.lock_fd);
	}
	if (names != NULL) {
		(void)closedir(names);
	}
	return swept;
}

/* --- prune --- */

void lifecycle_prune(struct lifecycle *lifecycle, struct lifecycle_list *list,
	void (*told)(
		void *arg, const struct lifecycle_sandbox *sandbox, const struct error *failure),
	void *arg, struct lifecycle_pruned *ret)
{
	int64_t now_ms = lifecycle_now_ms();

	*ret = (struct lifecycle_pruned){0};
	for (size_t i = 0; i < list->count; i++) {
		const struct lifecycle_sandbox *sandbox = &list->items[i];
		struct error err;
		int r;

		if (sandbox->in_use || !lifecycle_is_due(sandbox, now_ms)) {
			continue;
		}
		r = lifecycle_remove(lifecycle, &sandbox->row, true, &err);
		if (r == -EBUSY) {
			continue;
		}
		ret->removed += r == 0 ? 1 : 0;
		ret->failed += r < 0 ? 1 : 0;
		if (told != NULL) {
			told(arg, sandbox, r < 0 ? &err : NULL);
		}
	}
	for (size_t i = 0; i < list->engines.count; i++) {
		ret->swept += sweep_engine(lifecycle, list->engines.items[i]);
	}
	/* Without every engine's answer nobody knows whose homes are still needed. */
	if (list->warning == NULL) {
		ret->swept += sweep_homes(lifecycle, list);
	}
}

void lifecycle_prune_sometimes(struct lifecycle *lifecycle)
{
	_cleanup_arena_ struct arena arena = {0};
	const char *state = lifecycle->config->state_dir;
	const char *path = path_join(&arena, state, "sandbox/pruned");
	struct lifecycle_pruned pruned;
	struct lifecycle_list list;
	struct stat st;
	int fd;

	if (stat(path, &st) == 0 &&
		lifecycle_now_ms() - (int64_t)st.st_mtim.tv_sec * 1000 < PRUNE_EVERY_MS) {
		return;
	}
	(void)mkdir(state, 0700);
	(void)mkdir(path_join(&arena, state, "sandbox"), 0700);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || futimens(fd, NULL) < 0) {
		cleanup_closep(&fd);
		return;
	}
	(void)close(fd);
	lifecycle_list(lifecycle, &list);
	lifecycle_prune(lifecycle, &list, NULL, NULL, &pruned);
	lifecycle_list_finish(&list);
}

/* --- workspaces --- */

/* Only names that we give: a slug ends in a dash and eight digits of a hash. */
static bool is_slug(const char *name)
{
	size_t len = strlen(name);
	const char *tail = name + len - SLUG_HASH_LENGTH;

	return len > SLUG_HASH_LENGTH + 1 && tail[-1] == '-' &&
	       strspn(tail, "0123456789abcdef") == SLUG_HASH_LENGTH;
}

static bool is_workspace_used(const struct lifecycle_list *list, const char *path)
{
	for (size_t i = 0; i < list->count; i++) {
		const char *used = list->items[i].row.workspace;

		if (used != NULL && strcmp(used, path) == 0) {
			return true;
		}
	}
	return false;
}

static void add_workspaces(struct lifecycle_list *list, const char *root, size_t *room,
	struct lifecycle_workspaces *ret)
{
	struct arena *a = &list->arena;
	DIR *names = opendir(root);
	const struct dirent *entry;
	struct stat st;

	while (names != NULL && (entry = readdir(names)) != NULL) {
		const char *path = path_join(a, root, entry->d_name);

		if (!is_slug(entry->d_name) || is_workspace_used(list, path) ||
			fstatat(dirfd(names), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			!S_ISDIR(st.st_mode)) {
			continue;
		}
		if (ret->count == *room) {
			struct lifecycle_workspace *more;

			*room = *room > 0 ? *room * 2 : 16;
			more = arena_calloc(a, *room, sizeof(*more));
			if (ret->count > 0) {
				(void)memcpy(more, ret->items, ret->count * sizeof(*more));
			}
			ret->items = more;
		}
		ret->items[ret->count++] = (struct lifecycle_workspace){
			.path = path, .changed_ms = (int64_t)st.st_mtim.tv_sec * 1000};
	}
	if (names != NULL) {
		(void)closedir(names);
	}
}

void lifecycle_workspaces(struct lifecycle_list *list, struct lifecycle_workspaces *ret)
{
	size_t room = 0;

	*ret = (struct lifecycle_workspaces){0};
	for (size_t i = 0; i < list->workspace_roots.count; i++) {
		add_workspaces(list, list->workspace_roots.items[i], &room, ret);
	}
}

int lifecycle_workspace_remove(const struct lifecycle_workspace *workspace, struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	const char *slash = strrchr(workspace->path, '/');
	const char *root =
		arena_strndup(&arena, workspace->path, (size_t)(slash - workspace->path));
	_cleanup_close_ int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		return error_set(err, errno, "cannot open '%s'", root);
	}
	copy_remove(fd, slash + 1);
	return faccessat(fd, slash + 1, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT
		       ? 0
		       : error_plain(err, EBUSY,
				 "something in the workspace '%s' could not be removed",
				 workspace->path);
}
