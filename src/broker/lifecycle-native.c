/* SPDX-License-Identifier: MIT */
/*
 * Native sandboxes that last. The keeper holds a lock on a file of the home for as long as the sandbox
 * lives; so nobody has to trust a pid on disk: while the lock is held, the pid in the file is its.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>

#include "backend/native/keeper.h"
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

static int open_ring(const struct sandbox_home *home, int flags)
{
	_cleanup_close_ int dir_fd = open(home->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return dir_fd < 0 ? FD_NONE
			  : openat(dir_fd, "denials", flags | O_NOFOLLOW | O_CLOEXEC, 0600);
}

static int make_ring(const struct sandbox_home *home)
{
	int fd = open_ring(home, O_RDWR | O_CREAT);

	if (fd >= 0 && denial_ring_format(fd) < 0) {
		(void)close(fd);
		fd = FD_NONE;
	}
	return fd;
}

/* The next of the lines in text, which it is cut from; "" when there is none. */
static const char *next_line(char **text)
{
	char *line = *text;
	size_t len = strcspn(line, "\n");

	*text = line[len] == '\n' ? line + len + 1 : line + len;
	line[len] = '\0';
	return line;
}

static bool native_denials(struct acquiring *a, struct denial_fds *ret)
{
	_cleanup_close_ int fd = open_keeper(&a->home, 0);
	char text[2 * PATH_MAX + 64];
	ssize_t n = fd >= 0 ? pread(fd, text, sizeof(text) - 1, 0) : -1;
	char *rest = text;
	const char *init, *memory, *pids;
	int ring_fd;
	uint32_t pid;

	text[n > 0 ? n : 0] = '\0';
	(void)next_line(&rest); /* the keeper */
	init = next_line(&rest);
	memory = next_line(&rest);
	pids = next_line(&rest);
	if (num_parse_u32(init, 2, INT32_MAX, &pid) < 0) {
		return false;
	}
	ring_fd = open_ring(&a->home, O_RDONLY);
	denial_fds_open((pid_t)pid, memory, pids, ring_fd >= 0 ? ring_fd : FD_NONE, ret);
	/* Only while the keeper lives is the number of its child nobody else's. */
	if (!life_native_is_alive(&a->home)) {
		denial_fds_finish(ret);
		return false;
	}
	return true;
}

static int native_make(struct acquiring *a, struct error *err)
{
	_cleanup_close_ int fd = open_keeper(&a->home, O_CREAT | O_TRUNC);
	_cleanup_close_ int ring_fd = FD_NONE;
	struct backend_sandbox sandbox;
	json_t *missing;
	int r;

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0) {
		return error_set(err, errno, "cannot lock '%s/keeper'", a->home.dir);
	}
	ring_fd = make_ring(&a->home);
	r = native_start_lasting(a->spec, a->home.run_dir, fd, ring_fd, &sandbox, err);
	if (r < 0) {
		return r;
	}
	if (sandbox.has_denials) {
		denial_fds_finish(
			&sandbox.denials); /* native_denials() opens them for whoever comes */
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
	.denials = native_denials,
	.remove = native_remove,
};
