/* SPDX-License-Identifier: MIT */
/* creel-init: start, loop, end. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/num.h"
#include "base/own.h"
#include "init/file.h"
#include "init/internal.h"

enum {
	SHUTDOWN_DEFAULT_MS = 3000,
	/* How long the end waits for killed processes that are not in a pid namespace of ours. */
	LAST_WAIT_MS = 2000,
	LAST_STEP_MS = 10,
};

struct options {
	int fd;
	const char *dir;
	bool once;
	bool plain_signals; /* the starter set all actions back */
	bool join; /* what made our root is a child of ours, and may not be done */
};

extern char **environ;

/*
 * Everything is blocked and read from a descriptor, so that no handler ever runs. Actions go back to
 * the default: an ignored signal would be inherited by every process, signal(7). Faults of our own
 * stay deadly.
 */
static int open_signals(sigset_t *set, bool plain)
{
	static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS};
	/* The kernel's struct sigaction, sigaction(2): SIG_DFL, no flags, no mask. Past the library,
	 * which hides the signals of its threads: glibc's posix_spawn(3) leaves those ignored. */
	static const uint64_t normal[4];

	for (int signo = 1; !plain && signo < _NSIG; signo++) {
		(void)syscall(SYS_rt_sigaction, signo, normal, NULL, sizeof(uint64_t));
	}
	(void)sigfillset(set);
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		(void)sigdelset(set, faults[i]);
	}
	if (sigprocmask(SIG_SETMASK, set, NULL) < 0) {
		return -errno;
	}
	return 0;
}

/* Whatever is opened later must not land on 0 to 2, which processes get. */
static int open_standard(int *ret_null)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (fd < 0) {
			return -errno;
		}
	} while (fd <= 2);
	*ret_null = fd;
	return 0;
}

static void close_others(int keep)
{
	if (keep > 3) {
		(void)syscall(SYS_close_range, 3, (unsigned)keep - 1, 0);
	}
	(void)syscall(SYS_close_range, keep >= 3 ? (unsigned)keep + 1 : 3, ~0U, 0);
	if (keep >= 0) {
		(void)fcntl(keep, F_SETFD, FD_CLOEXEC);
	}
}

static int parse_options(int argc, char **argv, struct options *ret, struct error *err)
{
	struct options o = {.fd = FD_NONE};

	for (int i = 1; i < argc; i++) {
		uint32_t fd;

		if (strcmp(argv[i], "--once") == 0) {
			o.once = true;
		} else if (strcmp(argv[i], "--plain-signals") == 0) {
			o.plain_signals = true;
		} else if (strcmp(argv[i], "--join") == 0) {
			o.join = true;
		} else if (strcmp(argv[i], "--fd") == 0 && i + 1 < argc) {
			if (num_parse_u32(argv[++i], 3, 1 << 20, &fd) < 0) {
				return error_plain(err, EINVAL,
					"--fd needs a number above 2, not '%s'", argv[i]);
			}
			o.fd = (int)fd;
		} else if (strcmp(argv[i], "--dir") == 0 && i + 1 < argc) {
			o.dir = argv[++i];
		} else {
			return error_plain(err, EINVAL,
				"unknown option '%s'; usage: creel-init [--fd N | --dir DIR] "
				"[--once] [--plain-signals] [--join]",
				argv[i]);
		}
	}
	if (o.fd >= 0 && o.dir != NULL) {
		return error_plain(err, EINVAL, "--fd and --dir exclude each other");
	}
	if (o.fd < 0 && o.dir == NULL) {
		o.dir = "/run/creel";
	}
	*ret = o;
	return 0;
}

/* Each process has up to three descriptors here, each process gets the limit that was found. */
static void raise_file_limit(struct init *init)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &init->file_limit) == 0) {
		limit = init->file_limit;
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void on_shutdown_timer(struct timer *timer)
{
	init_quit(container_of(timer, struct init, shutdown));
}

void init_quit(struct init *init)
{
	init->quit = true;
}

void init_shutdown(struct init *init, uint32_t grace_ms)
{
	if (init->shutting) {
		return;
	}
	init->shutting = true;
	(void)tree_signal(&init->tree, TREE_ALL, 0, SIGTERM);
	timer_set(&init->loop, &init->shutdown, grace_ms, on_shutdown_timer);
	process_reap(init);
}

/*
 * Senders outside of the pid namespace, such as an engine that stops its container, show as 0: a
 * process of the sandbox must not take the sandbox down.
 */
static bool may_stop_us(const struct signalfd_siginfo *info)
{
	return (info->ssi_signo == SIGTERM || info->ssi_signo == SIGINT) &&
	       (getpid() != 1 || info->ssi_pid == 0);
}

static void on_signals(struct watch *watch, uint32_t events)
{
	struct init *init = container_of(watch, struct init, signals);
	struct signalfd_siginfo info;

	(void)events;
	/* One at a time: what is left shows in the next turn. */
	if (read(watch->fd, &info, sizeof(info)) != (ssize_t)sizeof(info)) {
		return;
	}
	/* The others, SIGPIPE of a closed stdin among them, are read to be forgotten. */
	if (info.ssi_signo == SIGCHLD) {
		process_reap(init);
	} else if (may_stop_us(&info)) {
		init_shutdown(init, SHUTDOWN_DEFAULT_MS);
	}
}

static int init_setup(struct init *init, const sigset_t *set, struct error *err)
{
	int r = loop_init(&init->loop);

	if (r < 0) {
		return error_set(err, -r, "cannot make an epoll descriptor");
	}
	init->signals = (struct watch){
		.fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK), .ready = on_signals};
	if (init->signals.fd < 0) {
		return error_set(err, errno, "cannot make a signal descriptor");
	}
	r = watch_set(&init->loop, &init->signals, EPOLLIN);
	if (r < 0) {
		return error_set(err, -r, "cannot wait for signals");
	}
	/* Orphans come to PID 1 by themselves, prctl(2). */
	if (getpid() != 1 && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) {
		return error_set(err, errno, "cannot become the reaper of orphans");
	}
	if (getrandom(&init->instance, sizeof(init->instance), 0) != sizeof(init->instance)) {
		return error_set(err, errno, "cannot get random bytes");
	}
	raise_file_limit(init);
	tree_init(&init->tree);
	return 0;
}

/* PID 1 takes its namespace along, pid_namespaces(7); elsewhere nothing may stay behind. */
static void kill_everything(struct init *init)
{
	if (getpid() == 1) {
		return;
	}
	for (int waited = 0; waited < LAST_WAIT_MS; waited += LAST_STEP_MS) {
		pid_t pid;

		(void)tree_signal(&init->tree, TREE_ALL, 0, SIGKILL);
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
		}
		if (pid < 0 && errno == ECHILD) {
			return;
		}
		(void)usleep(LAST_STEP_MS * 1000);
	}
}

/*
 * Until then the host's root may still be there, and a process that nothing confines: nothing is read
 * from the stream, and so nothing begun. If it failed, whoever started us was told why.
 */
static int join_builder(struct error *err)
{
	int status;

	if (waitpid(-1, &status, 0) < 0) {
		return error_set(err, errno, "nobody to wait for");
	}
	return status == 0 ? 0 : error_plain(err, EIO, "what should make the root failed");
}

static int run(struct init *init, const struct options *o, const sigset_t *set, struct error *err)
{
	int r = init_setup(init, set, err);

	if (r == 0 && o->join) {
		r = join_builder(err);
	}
	if (r == 0) {
		r = conn_start(init, o->fd, o->dir, o->once, err);
	}
	while (r == 0 && !init->quit) {
		r = loop_turn(&init->loop);
		if (r < 0) {
			return error_set(err, -r, "cannot wait for events");
		}
		conn_flush(init);
		if (init->leaving && conn_is_idle(init)) {
			if (getpid() == 1) {
				_exit(EXIT_SUCCESS); /* the kernel ends and frees everything */
			}
			init->quit = true;
		}
	}
	conn_finish(init);
	file_finish(init);
	return r;
}

int main(int argc, char **argv)
{
	static struct init init = {.next_stream = 1};
	struct options options = {.fd = FD_NONE};
	struct error err;
	sigset_t set;
	int r;

	if (argc == 2 && strcmp(argv[1], "--look") == 0) {
		return look_print();
	}
	/* Before anything else: another process of the sandbox must not read the token from here. */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	/* Out of the caller's session: its terminal is nobody's here (/dev/tty leads nowhere), and its
	 * keyboard's signals are the caller's to pass on. In a container we lead one already. */
	(void)setsid();
	r = parse_options(argc, argv, &options, &err);
	if (r == 0) {
		r = open_signals(&set, options.plain_signals);
		if (r < 0) {
			(void)error_set(&err, -r, "cannot block signals");
		}
	}
	if (r == 0) {
		close_others(options.fd);
		r = open_standard(&init.null_fd);
		if (r < 0) {
			(void)error_set(&err, -r, "cannot open '/dev/null'");
		}
	}
	if (r == 0) {
		init.environ = (const char *const *)environ;
		r = run(&init, &options, &set, &err);
		kill_everything(&init);
	}
	if (r < 0) {
		(void)dprintf(STDERR_FILENO, "creel-init: %s\n", err.text);
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
