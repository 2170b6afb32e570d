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
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/own.h"
#include "os/sys.h"

/* What the keeper says once: how the start went. */
struct report {
	struct error err; /* num 0: running */
	uint32_t host_uid;
	bool missing[LAYER_COUNT_];
};

/* Wait for the end of the sandbox, or for the order to end it. */
static void keep(struct launched *sandbox, const sigset_t *signals)
{
	bool running = true;

	while (running) {
		int signo = sigwaitinfo(signals, NULL);

		if (signo == SIGTERM) {
			(void)kill(sandbox->pid, SIGKILL);
		}
		/* SIGCHLD may have come together with others: always look. */
		running = waitpid(sandbox->pid, NULL, signo == SIGTERM ? 0 : WNOHANG) == 0;
	}
	cgroup_remove(&sandbox->cgroup);
}

/* Nothing of the starter's stays open here: not its terminal, not its files, not the stream. */
static void let_go(int alive_fd)
{
	unsigned first = 3;

	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; fd <= 2 && null >= 0; fd++) {
		(void)dup2(null, fd);
	}
	if (alive_fd >= 0 && (alive_fd == 3 || dup3(alive_fd, 3, O_CLOEXEC) == 3)) {
		first = 4;
	}
	(void)sys_close_range(first, ~0U, 0);
	/* Not before: the sandbox's first process inherits it, and has to write its /proc/self/uid_map. */
	(void)prctl(PR_SET_DUMPABLE, 0);
	/* Or the starter's file system could not be unmounted. */
	if (chdir("/") < 0) {
		return;
	}
}

__attribute__((noreturn)) static void run_keeper(
	const struct launch_request *request, int report_fd, pid_t starter)
{
	struct launched launched = {0};
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
	if (launch_sandbox(request, &launched, &report.err) == 0) {
		report.err.num = 0;
		report.host_uid = launched.host_uid;
		(void)memcpy(report.missing, launched.missing, sizeof(report.missing));
	}
	(void)send(report_fd, &report, sizeof(report), MSG_NOSIGNAL);
	if (report.err.num != 0) {
		_exit(1);
	}
	let_go(request->run_dir != NULL ? request->alive_fd : FD_NONE);
	keep(&launched, &signals);
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
	pid = fork();
	if (pid < 0) {
		return error_set(err, errno, "cannot start the sandbox: fork");
	}
	if (pid == 0) {
		run_keeper(request, theirs, starter);
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
	return 0;
}
