/* SPDX-License-Identifier: MIT */
/*
 * The keeper's life. The starter may be killed at any moment:
 *  - before the fork: nothing was made;
 *  - after it: everything is made by the keeper, who is told of the starter's death by SIGTERM
 *    (PR_SET_PDEATHSIG) and looks for it only where it can clean up: in its loop.
 * If the keeper itself is killed, the sandbox dies with it, by its own PDEATHSIG; the empty control
 * group is removed by the next start (cgroup_sweep).
 */
#include "backend/native/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "backend/native/watch.h"
#include "base/macro.h"
#include "base/own.h"
#include "os/sys.h"

/* What the keeper says once: how the start went. */
struct report {
	struct error err; /* num 0: running */
	uint32_t host_uid;
	pid_t init; /* the sandbox's PID 1, as the starter sees it */
	bool missing[LAYER_COUNT_];
	struct cgroup cgroup;
};

/* What the keeper works with when the sandbox runs. */
struct keeper {
	struct launched sandbox;
	struct watch watch;
};

/* Answer refused system calls until there is a signal. */
static void watch_until_signal(struct keeper *k, int signal_fd)
{
	struct pollfd fds[] = {{.fd = signal_fd, .events = POLLIN},
		{.fd = k->watch.listener_fd, .events = POLLIN}};

	while (k->watch.listener_fd >= 0 && fds[0].revents == 0) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0) {
			continue;
		}
		if ((fds[1].revents & POLLIN) != 0) {
			watch_answer(&k->watch);
		} else if (fds[1].revents != 0) {
			/* Nothing runs under the filter any more. */
			cleanup_closep(&k->watch.listener_fd);
			k->watch.listener_fd = FD_NONE;
		}
	}
}

/* Wait for the end of the sandbox, or for the order to end it. */
static void keep(struct keeper *k, const sigset_t *signals)
{
	/* Only to be polled: the signals stay for sigwaitinfo(2). */
	int signal_fd = k->watch.listener_fd >= 0 ? signalfd(-1, signals, SFD_CLOEXEC) : FD_NONE;
	bool running = true;

	while (running) {
		int signo;

		if (signal_fd >= 0) {
			watch_until_signal(k, signal_fd);
		}
		signo = sigwaitinfo(signals, NULL);
		if (signo == SIGTERM) {
			(void)kill(k->sandbox.pid, SIGKILL);
		}
		/* SIGCHLD may have come together with others: always look. */
		running = waitpid(k->sandbox.pid, NULL, signo == SIGTERM ? 0 : WNOHANG) == 0;
	}
	cgroup_remove(&k->sandbox.cgroup);
}

static int by_number(const void *a, const void *b)
{
	int x = *(const int *)a;
	int y = *(const int *)b;

	return (x > y) - (x < y);
}

/* All descriptors from 3 on but these; FD_NONE among them is none. */
static void close_but(int *kept, size_t count)
{
	unsigned first = 3;

	qsort(kept, count, sizeof(*kept), by_number);
	for (size_t i = 0; i < count; i++) {
		if (kept[i] < (int)first) {
			continue;
		}
		if (kept[i] > (int)first) {
			(void)sys_close_range(first, (unsigned)kept[i] - 1, 0);
		}
		first = (unsigned)kept[i] + 1;
	}
	(void)sys_close_range(first, ~0U, 0);
}

/* Nothing of the starter's stays open here: not its terminal, not its files, not the stream. */
static void let_go(const struct keeper *k, int alive_fd)
{
	int kept[] = {alive_fd, k->watch.listener_fd, k->watch.ring_fd};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; fd <= 2 && null >= 0; fd++) {
		(void)dup2(null, fd);
	}
	close_but(kept, ARRAY_SIZE(kept));
	/* Not before: the sandbox's first process inherits it, and has to write its /proc/self/uid_map. */
	(void)prctl(PR_SET_DUMPABLE, 0);
	/* Or the starter's file system could not be unmounted. */
	if (chdir("/") < 0) {
		return;
	}
}

__attribute__((noreturn)) static void run_keeper(
	const struct launch_request *request, int ring_fd, int report_fd, pid_t starter)
{
	struct keeper k = {.watch = {.listener_fd = FD_NONE, .ring_fd = ring_fd}};
	struct report report = {0};
	sigset_t signals;
	sigset_t all;

	/* Nothing but SIGKILL ends a keeper; the two it listens to stay pending until it waits. */
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGCHLD);
	(void)signal(SIGCHLD, SIG_DFL);
	(void)setsid();
	(void)prctl(PR_SET_NAME, "creel-keeper");
	if (request->run_dir == NULL) {
		(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != starter) {
			_exit(1);
		}
	}
	if (request->run_dir != NULL && request->alive_fd >= 0) {
		(void)dprintf(request->alive_fd, "%d\n", getpid());
	}
	if (launch_sandbox(request, &k.sandbox, &report.err) == 0) {
		report.err.num = 0;
		report.host_uid = k.sandbox.host_uid;
		report.init = k.watch.init = k.sandbox.pid;
		report.cgroup = k.sandbox.cgroup;
		(void)memcpy(report.missing, k.sandbox.missing, sizeof(report.missing));
		k.watch.listener_fd = k.sandbox.listener_fd;
		if (request->run_dir != NULL && request->alive_fd >= 0) {
			/* Behind our pid: for whoever finds the sandbox later. */
			(void)dprintf(request->alive_fd, "%d\n%s\n%s\n", k.sandbox.pid,
				k.sandbox.cgroup.paths[CGROUP_MEMORY],
				k.sandbox.cgroup.paths[CGROUP_PIDS]);
		}
	}
	(void)send(report_fd, &report, sizeof(report), MSG_NOSIGNAL);
	if (report.err.num != 0) {
		_exit(1);
	}
	let_go(&k, request->run_dir != NULL ? request->alive_fd : FD_NONE);
	keep(&k, &signals);
	_exit(0);
}

static int await_report(int fd, struct report *ret, struct error *err)
{
	ssize_t n;

	do {
		n = recv(fd, ret, sizeof(*ret), 0);
	} while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(*ret)) {
		return error_plain(err, EIO, "cannot start the sandbox: its keeper died");
	}
	if (ret->err.num != 0) {
		*err = ret->err;
		return -err->num;
	}
	return 0;
}

int keeper_start(
	const struct launch_request *request, struct backend_sandbox *ret, struct error *err)
{
	_cleanup_close_ int ours = FD_NONE;
	_cleanup_close_ int theirs = FD_NONE;
	_cleanup_close_ int ring_fd = FD_NONE;
	int pair[2] = {FD_NONE, FD_NONE};
	pid_t starter = getpid();
	struct report report;
	pid_t pid;
	int r = launch_make_pair(SOCK_SEQPACKET, pair, err);

	ours = pair[0];
	theirs = pair[1];
	if (r < 0) {
		return r;
	}
	if (request->listen) {
		ring_fd = request->ring_fd >= 0 ? fcntl(request->ring_fd, F_DUPFD_CLOEXEC, 4)
						: denial_ring_make();
		if (ring_fd < 0) {
			return error_plain(
				err, EMFILE, "cannot start the sandbox: out of descriptors");
		}
	}
	pid = fork();
	if (pid < 0) {
		return error_set(err, errno, "cannot start the sandbox: fork");
	}
	if (pid == 0) {
		run_keeper(request, ring_fd, theirs, starter);
	}
	(void)close(TAKE_FD(theirs));
	r = await_report(ours, &report, err);
	if (r < 0) {
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
		}
		return r;
	}
	*ret = (struct backend_sandbox){.keeper = pid, .kept = true, .host_uid = report.host_uid};
	(void)memcpy(ret->missing, report.missing, sizeof(ret->missing));
	if (request->listen) {
		denial_fds_open(report.init, report.cgroup.paths[CGROUP_MEMORY],
			report.cgroup.paths[CGROUP_PIDS], TAKE_FD(ring_fd), &ret->denials);
		ret->has_denials = true;
	}
	return 0;
}
