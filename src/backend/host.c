/* SPDX-License-Identifier: MIT */
/*
 * The plain host: creel-init as a child of the caller, with everything the caller may do. No
 * isolation at all; chosen by mode off, by non-main for main sessions and by elevated calls alone.
 */
#include "backend/host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "backend/native/native.h"
#include "base/own.h"
#include "os/sys.h"

extern char **environ;

/* Between fork and exec. The error goes through the pipe; exec closes it. */
__attribute__((noreturn)) static void run_init(const char *init_path, int stream_fd, int report_fd)
{
	static const char *const argv[] = {"creel-init", "--fd", "3", NULL};
	struct error err = {0};
	sigset_t none;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	/* Out of the terminal's foreground group: Ctrl-C is the caller's to handle. */
	(void)setsid();
	if (null >= 0 && dup2(null, 0) >= 0 && dup2(null, 1) >= 0 && dup3(stream_fd, 3, 0) >= 0 &&
		sys_close_range(4, ~0U, CLOSE_RANGE_CLOEXEC) == 0) {
		(void)execve(init_path, (char *const *)(uintptr_t)argv, environ);
	}
	(void)error_set(&err, errno, "cannot start creel-init on the host");
	(void)!write(report_fd, &err, sizeof(err));
	_exit(127);
}

/* Descriptors of ours must not sit where the child puts its own. */
static int out_of_the_way(int fd)
{
	int moved;

	if (fd > 3 || fd < 0) {
		return fd;
	}
	moved = fcntl(fd, F_DUPFD_CLOEXEC, 4);
	(void)close(fd);
	return moved;
}

static int await_report(int fd, struct error *err)
{
	struct error child;
	ssize_t n;

	do {
		n = read(fd, &child, sizeof(child));
	} while (n < 0 && errno == EINTR);
	if (n == 0) {
		return 0;
	}
	if (n != (ssize_t)sizeof(child) || child.num <= 0) {
		return error_plain(err, EIO, "cannot start creel-init on the host");
	}
	*err = child;
	return -err->num;
}

static int host_start(const struct sandbox_spec *spec, const struct backend_start_opts *opts,
	struct backend_sandbox *ret, struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	const char *init_path = native_find_init(opts->init_path, &arena, err);
	_cleanup_close_ int ours = FD_NONE;
	_cleanup_close_ int theirs = FD_NONE;
	_cleanup_close_ int report_read = FD_NONE;
	_cleanup_close_ int report_write = FD_NONE;
	int pair[2];
	int pipe_fds[2];
	pid_t pid;
	int r;

	(void)spec;
	if (init_path == NULL) {
		return -err->num;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		return error_set(err, errno, "cannot start creel-init on the host: socketpair");
	}
	ours = out_of_the_way(pair[0]);
	theirs = out_of_the_way(pair[1]);
	if (pipe2(pipe_fds, O_CLOEXEC) < 0) {
		return error_set(err, errno, "cannot start creel-init on the host: pipe");
	}
	report_read = out_of_the_way(pipe_fds[0]);
	report_write = out_of_the_way(pipe_fds[1]);
	pid = fork();
	if (pid < 0) {
		return error_set(err, errno, "cannot start creel-init on the host: fork");
	}
	if (pid == 0) {
		run_init(init_path, theirs, report_write);
	}
	(void)close(TAKE_FD(report_write));
	r = await_report(report_read, err);
	if (r < 0) {
		(void)waitpid(pid, NULL, 0);
		return r;
	}
	*ret = (struct backend_sandbox){.stream_fd = TAKE_FD(ours), .keeper = pid};
	return 0;
}

/* creel-init ends its processes when the stream ends; there is no namespace whose end would. */
static int host_finish(struct backend_sandbox *sandbox, struct error *err)
{
	pid_t pid = sandbox->keeper;
	int r;

	if (pid <= 0) {
		return 0;
	}
	do {
		r = waitpid(pid, NULL, 0);
	} while (r < 0 && errno == EINTR);
	sandbox->keeper = 0;
	return r < 0 ? error_set(err, errno, "waiting for creel-init") : 0;
}

const struct backend_ops host_backend = {
	.name = "host",
	.start = host_start,
	.finish = host_finish,
};
