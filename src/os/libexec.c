/* SPDX-License-Identifier: MIT */
/* Finding and starting the programs of the libexec directory. */
#include "os/libexec.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/own.h"
#include "base/path.h"

enum { GIVEN_FD = 3 };

int libexec_find(struct arena *arena, const char *name, const char *folder, const char **ret,
	struct error *err)
{
	/* Programs, unit tests and benchmarks are at different depths of a build directory. */
	static const struct {
		const char *directory;
		bool in_folder;
	} beside[] = {
		{".", false},
		{"..", true},
		{"../src", true},
		{"../libexec/creel", false},
		{"../../src", true},
		{"../../../src", true},
	};
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash;
	const char *path;

	exe[n > 0 ? n : 0] = '\0';
	slash = strrchr(exe, '/');
	for (size_t i = 0; slash != NULL && i < ARRAY_SIZE(beside); i++) {
		*slash = '\0';
		path = path_join(arena, exe, beside[i].directory);
		path = beside[i].in_folder ? path_join(arena, path, folder) : path;
		path = path_join(arena, path, name);
		if (access(path, X_OK) == 0) {
			*ret = path;
			return 0;
		}
	}
	path = path_join(arena, CREEL_LIBEXECDIR, name);
	if (access(path, X_OK) == 0) {
		*ret = path;
		return 0;
	}
	return error_plain(err, ENOENT,
		"%s is neither beside this program nor in " CREEL_LIBEXECDIR
		"; install creel, or build it with make",
		name);
}

static int spawn_with(const char *path, const char *name, const int *fds, size_t count, pid_t *ret,
	struct error *err)
{
	const char *const argv[] = {name, NULL};
	static char *const no_env[] = {NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	int r = posix_spawn_file_actions_init(&actions);

	(void)posix_spawnattr_init(&attributes);
	(void)sigemptyset(&none);
	(void)posix_spawnattr_setsigmask(&attributes, &none);
	(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	if (r == 0) {
		for (size_t i = 0; r == 0 && i < count; i++) {
			r = posix_spawn_file_actions_adddup2(&actions, fds[i], GIVEN_FD + (int)i);
		}
		if (r == 0) {
			r = posix_spawn(ret, path, &actions, &attributes,
				(char *const *)(uintptr_t)argv, no_env);
		}
		(void)posix_spawn_file_actions_destroy(&actions);
	}
	(void)posix_spawnattr_destroy(&attributes);
	return r == 0 ? 0 : error_set(err, r, "cannot start '%s'", path);
}

int libexec_start(const char *name, const char *folder, const int *fds, size_t count,
	pid_t *ret_pid, struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	int copies[LIBEXEC_FDS_MAX];
	size_t copied = 0;
	const char *path;
	int r = libexec_find(&arena, name, folder, &path, err);

	assert(count <= LIBEXEC_FDS_MAX);
	while (r == 0 && copied < count) {
		/* Above what is given: onto itself it would stay close-on-exec, under another be lost. */
		int copy = fcntl(fds[copied], F_DUPFD_CLOEXEC, GIVEN_FD + LIBEXEC_FDS_MAX);

		if (copy < 0) {
			r = error_set(err, errno, "cannot make a socket for %s", name);
		} else {
			copies[copied++] = copy;
		}
	}
	if (r == 0) {
		r = spawn_with(path, name, copies, count, ret_pid, err);
	}
	while (copied > 0) {
		(void)close(copies[--copied]);
	}
	return r;
}
