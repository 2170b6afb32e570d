/* SPDX-License-Identifier: MIT */
/* The native backend as the rest of the program sees it. */
#include "backend/native/native.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/native/keeper.h"
#include "backend/native/launch.h"
#include "backend/native/rundir.h"
#include "backend/native/watch.h"
#include "base/macro.h"
#include "base/own.h"
#include "base/path.h"

static const char *try_init(struct arena *arena, const char *path)
{
	char resolved[PATH_MAX];
	struct stat st;

	/* realpath(3) into a buffer of ours does not allocate; what it names may be run by anybody
	 * who can reach it, so there is nothing to race for. It asks for every part of a path, access(2) once. */
	if (access(path, X_OK) < 0 || realpath(path, resolved) == NULL || stat(resolved, &st) < 0 ||
		!S_ISREG(st.st_mode) || (st.st_mode & 0111) == 0) {
		return NULL;
	}
	return arena_strdup(arena, resolved);
}

const char *native_find_init(const char *configured, struct arena *arena, struct error *err)
{
	static const char *const beside[] = {"creel-init", "../init/creel-init",
		"../src/init/creel-init", "../libexec/creel/creel-init",
		"../../src/init/creel-init", "../../../src/init/creel-init"};
	char exe[PATH_MAX];
	const char *found;
	ssize_t n;

	if (configured != NULL) {
		found = try_init(arena, configured);
		if (found == NULL) {
			(void)error_plain(err, ENOENT,
				"creel-init is not an executable file at '%s'", configured);
		}
		return found;
	}
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (n <= 0) {
		(void)error_plain(err, ENOENT,
			"/proc is not mounted here and no sandbox can be made without it; mount it with "
			"'mount -t proc proc /proc'");
		return NULL;
	}
	exe[n] = '\0';
	*strrchr(exe, '/') = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(beside); i++) {
		found = try_init(arena, path_join(arena, exe, beside[i]));
		if (found != NULL) {
			return found;
		}
	}
	found = try_init(arena, CREEL_LIBEXECDIR "/creel-init");
	if (found == NULL) {
		(void)error_plain(err, ENOENT,
			"creel-init is neither beside this program nor in " CREEL_LIBEXECDIR
			"; install creel, or build it with make");
	}
	return found;
}

/* The sandbox's first process as a child of ours: nothing has to be cleaned up but itself. */
static int start_direct(
	const struct launch_request *request, struct backend_sandbox *ret, struct error *err)
{
	struct launched launched;
	int r = launch_sandbox(request, &launched, err);

	if (r < 0) {
		return r;
	}
	*ret = (struct backend_sandbox){.keeper = launched.pid};
	(void)memcpy(ret->missing, launched.missing, sizeof(ret->missing));
	return 0;
}

static int start_once(
	struct launch_request *request, struct backend_sandbox *ret, struct error *err)
{
	_cleanup_close_ int ours = FD_NONE;
	_cleanup_close_ int theirs = FD_NONE;
	int pair[2] = {FD_NONE, FD_NONE};
	int r = launch_make_pair(SOCK_STREAM, pair, err);

	ours = request->starter_fd = pair[0];
	theirs = request->stream_fd = pair[1];
	if (r == 0) {
		r = request->listen || launch_needs_keeper(request->spec)
			    ? keeper_start(request, ret, err)
			    : start_direct(request, ret, err);
	}
	if (r == 0) {
		ret->stream_fd = TAKE_FD(ours);
	}
	return r;
}

int native_start_lasting(const struct sandbox_spec *spec, const char *run_dir, int alive_fd,
	int ring_fd, struct backend_sandbox *ret, struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	const struct launch_request request = {
		.spec = spec,
		.init_path = native_find_init(NULL, &arena, err),
		.run_dir = run_dir,
		.alive_fd = alive_fd,
		.ring_fd = ring_fd,
		.listen = ring_fd >= 0 && watch_is_possible(),
		.stream_fd = FD_NONE,
		.starter_fd = FD_NONE,
	};

	return request.init_path == NULL ? -err->num : keeper_start(&request, ret, err);
}

static int native_start(const struct sandbox_spec *spec, const struct backend_start_opts *opts,
	struct backend_sandbox *ret, struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	struct launch_request request = {
		.spec = spec,
		.init_path = native_find_init(opts->init_path, &arena, err),
		.stream_fd = FD_NONE,
		.starter_fd = FD_NONE,
		.ring_fd = FD_NONE,
	};

	if (request.init_path == NULL) {
		return -err->num;
	}
	request.listen = opts->denials && watch_is_possible();
	return start_once(&request, ret, err);
}

static int native_finish(struct backend_sandbox *sandbox, struct error *err)
{
	pid_t pid = sandbox->keeper;
	int r;

	if (pid <= 0) {
		return 0;
	}
	/* The sandbox's PID 1, with which everything in there ends now; or the keeper, which does the
	 * same and then removes what it made. */
	(void)kill(pid, sandbox->kept ? SIGTERM : SIGKILL);
	do {
		r = waitpid(pid, NULL, 0);
	} while (r < 0 && errno == EINTR);
	sandbox->keeper = 0;
	return r < 0 ? error_set(err, errno, "waiting for the end of the sandbox") : 0;
}

const struct backend_ops native_backend = {
	.name = "native",
	.start = native_start,
	.finish = native_finish,
};
