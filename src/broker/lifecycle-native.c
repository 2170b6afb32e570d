/* SPDX-License-Identifier: MIT */
/*
 * Native sandboxes that last. The keeper holds a lock on a file of the home for as long as the sandbox
 * lives; so nobody has to trust a pid on disk: while the lock is held, the pid in the file is its.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>

#include "backend/native/native.h"
#include "base/clock.h"
#include "base/num.h"
#include "base/own.h"
#include "base/path.h"
#include "broker/lifecycle-internal.h"
#include "os/sys.h"

enum { END_TIMEOUT_MS = 10000, END_STEP_MS = 2 };

static int open_keeper(const struct sandbox_home *home, int flags)
{
	_cleanup_close_ int dir_fd = open(home->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return dir_fd < 0 ? -1
			  : openat(dir_fd, "keeper", flags | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600);
}

bool life_native_is_alive(const struct sandbox_home *home)
{
	_cleanup_close_ int fd = open_keeper(home, 0);

	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0;
}

static int native_look(struct acquiring *a, enum life_state *ret, struct error *err)
{
	(void)err;
	*ret = life_native_is_alive(&a->home) ? LIFE_RUNNING : LIFE_ABSENT;
	return 0;
}

static int native_make(struct acquiring *a, struct error *err)
{
	_cleanup_close_ int fd = open_keeper(&a->home, O_CREAT | O_TRUNC);
	struct backend_sandbox sandbox;
	json_t *missing;
	int r;

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0) {
		return error_set(err, errno, "cannot lock '%s/keeper'", a->home.dir);
	}
	r = native_start_lasting(a->spec, a->home.run_dir, fd, &sandbox, err);
	if (r < 0) {
		return r;
	}
	a->meta = life_new_meta(a);
	missing = json_array();
	for (size_t i = 0; i < LAYER_COUNT_; i++) {
		(void)json_array_append_new(missing, json_boolean(sandbox.missing[i]));
	}
	(void)json_object_set_new(a->meta, "missing", missing);
	(void)json_object_set_new(a->meta, "hostUid", json_integer(sandbox.host_uid));
	return 0;
}

static int native_settle(struct acquiring *a, struct error *err)
{
	(void)a;
	(void)err;
	return 0;
}

/* The pid that a living keeper wrote, 0: it is just about to. */
static pid_t keeper_pid(int fd)
{
	char text[24];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	uint32_t pid;

	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return num_parse_u32(text, 2, INT32_MAX, &pid) == 0 ? (pid_t)pid : 0;
}

static int native_remove(struct lifecycle *lifecycle, const struct sandbox_home *home,
	const char *name, const char *docker_socket, struct error *err)
{
	_cleanup_close_ int fd = open_keeper(home, 0);
	const struct timespec step = {.tv_nsec = END_STEP_MS * (long)NS_PER_MS};
	uint64_t deadline_ns = clock_after_ns(END_TIMEOUT_MS * NS_PER_MS);

	(void)lifecycle;
	(void)docker_socket;
	while (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0) {
		pid_t pid = keeper_pid(fd);

		if (clock_left_ms(deadline_ns) == 0) {
			return error_plain(err, ETIMEDOUT,
				"the keeper of the sandbox '%s' (pid %d) did not end within %d s",
				name, pid, END_TIMEOUT_MS / 1000);
		}
		/* Locked after it was read: it still was the keeper's then. */
		if (pid > 0 && kill(pid, SIGTERM) == 0) {
			/* If it is a child of ours, it is not to stay as a zombie. */
			(void)waitpid(pid, NULL, WNOHANG);
		}
		(void)nanosleep(&step, NULL);
	}
	return 0;
}

const struct life_ops life_native = {
	.look = native_look,
	.make = native_make,
	.settle = native_settle,
	.remove = native_remove,
};
