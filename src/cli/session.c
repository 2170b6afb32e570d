/* SPDX-License-Identifier: MIT */
#include "cli/session.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/own.h"
#include "cli/cmd.h"
#include "cli/sink.h"
#include "cli/terminal.h"

enum {
	STDIN_CHUNK = 64 * 1024,
	DEFAULT_GRACE_MS = 3000, /* contract D10 */
	/* creel-init kills after the grace time. A sandbox that still says nothing this much later is
	 * broken or hostile, and closing its stream ends it. */
	GIVE_UP_MS = 2000,
	HELLO_TIMEOUT_MS = 10000,
};

enum { WAIT_LINK, WAIT_SIGNALS, WAIT_STDIN, WAIT_OUT, WAIT_ERR, WAIT_COUNT };

struct session {
	struct link *link;
	uint32_t stream;
	const struct wire_spawn *spawn;
	struct session_result *result;
	struct error *err;
	struct sink out, err_sink;
	int signal_fd;
	bool stdin_open;
	bool over; /* exited, failed or lost */
	bool raw;
	uint64_t give_up_ns; /* then the link is closed */
	uint64_t broken_ns; /* an output lost its reader: how long we bear the command */
};

static uint64_t grace_ns(const struct session *s)
{
	uint32_t ms = s->spawn->grace_ms > 0 ? s->spawn->grace_ms : DEFAULT_GRACE_MS;

	return ms * NS_PER_MS;
}

static void give_up_after(struct session *s, uint64_t delay_ns)
{
	uint64_t at = clock_after_ns(delay_ns + GIVE_UP_MS * NS_PER_MS);

	if (at < s->give_up_ns) {
		s->give_up_ns = at;
	}
}

/* End the whole tree, whatever it thinks of it. */
static void end_tree(struct session *s, uint32_t signo)
{
	link_signal(s->link, s->stream, signo, WIRE_SIGNAL_END);
	give_up_after(s, grace_ns(s));
}

/* --- output --- */

/*
 * In a shell's pipeline the kernel sends SIGPIPE to who writes to a pipe without a reader. Here the
 * command writes to a pipe of creel-init, so the signal is sent by hand. Who ignores it would get
 * EPIPE there; here it may go on without its output for the grace time, and is ended when it still
 * writes after that.
 */
static void on_broken_sink(struct session *s, const struct sink *sink)
{
	if (sink->error == EBADF) {
		return; /* closed by our caller from the start: as if it were /dev/null */
	}
	if (sink->error == EPIPE) {
		if (s->broken_ns == UINT64_MAX) {
			s->broken_ns = clock_after_ns(grace_ns(s));
			link_signal(s->link, s->stream, SIGPIPE, WIRE_SIGNAL_GROUP);
		} else if (clock_now_ns() >= s->broken_ns && !s->result->broken_pipe) {
			s->result->broken_pipe = true;
			end_tree(s, SIGTERM);
		}
		return;
	}
	if (s->result->end != SESSION_OUTPUT) {
		s->result->end = SESSION_OUTPUT;
		(void)error_set(s->err, sink->error, "cannot write the command's output");
		end_tree(s, SIGTERM);
	}
}

static void after_write(struct session *s, struct sink *sink, enum wire_channel channel)
{
	size_t done = sink_take_done(sink);

	if (done > 0) {
		link_consumed(s->link, s->stream, channel, done);
	}
}

static void on_output(
	void *arg, enum wire_channel channel, uint64_t offset, const uint8_t *data, size_t len)
{
	struct session *s = arg;
	struct sink *sink = channel == WIRE_STDERR ? &s->err_sink : &s->out;

	(void)offset; /* the credit keeps the ring from running over: no gaps */
	sink_write(sink, data, len);
	if (sink->error != 0) {
		on_broken_sink(s, sink);
	}
	after_write(s, sink, channel);
}

static void flush_sink(struct session *s, struct sink *sink, enum wire_channel channel)
{
	sink_flush(sink);
	if (sink->error != 0) {
		on_broken_sink(s, sink);
	}
	after_write(s, sink, channel);
}

/* --- ends --- */

static void on_exited(void *arg, const struct wire_exited *exited)
{
	struct session *s = arg;

	s->over = true;
	s->result->exited = *exited;
	s->result->timed_out = exited->timed_out;
	if (s->result->end != SESSION_OUTPUT) {
		s->result->end = SESSION_EXITED;
	}
}

static void on_failed(void *arg, const struct wire_failed *failed)
{
	struct session *s = arg;
	_cleanup_buf_ struct buf text = {0};

	s->over = true;
	s->result->end = SESSION_FAILED;
	s->result->failed_stage = failed->stage;
	s->result->failed_num =
		failed->errnum > 0 && failed->errnum < 4096 ? (int)failed->errnum : EIO;
	buf_add_escaped(&text, (const char *)failed->text.data, failed->text.len, 800);
	(void)error_plain(s->err, s->result->failed_num, "%s",
		text.len > 0 ? text.data : strerror(s->result->failed_num));
}

static void on_lost(void *arg, const struct error *why)
{
	struct session *s = arg;

	if (s->over) {
		return;
	}
	s->over = true;
	if (s->result->end != SESSION_OUTPUT) {
		s->result->end = SESSION_LOST;
		*s->err = *why;
		(void)error_prefix(s->err, "the sandbox ended before the command did");
	}
}

static const struct link_process_ops process_ops = {
	.output = on_output,
	.exited = on_exited,
	.failed = on_failed,
	.lost = on_lost,
};

/* --- signals --- */

static const int passed_signals[] = {
	SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH, SIGTSTP, SIGCONT};

/* A signal that our caller ignores (nohup) stays ignored: the kernel would queue it all the same
 * once it is blocked. */
static bool is_ignored(int signo)
{
	struct sigaction action;

	return sigaction(signo, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

static int open_signals(void)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t set;

	(void)sigaction(SIGPIPE, &ignore, NULL);
	(void)sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(passed_signals); i++) {
		if (!is_ignored(passed_signals[i])) {
			(void)sigaddset(&set, passed_signals[i]);
		}
	}
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) {
		return -errno;
	}
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void send_size(struct session *s)
{
	uint16_t rows, columns;

	if ((s->spawn->flags & WIRE_SPAWN_PTY) != 0) {
		terminal_size(&rows, &columns);
		link_resize(s->link, s->stream, rows, columns);
	}
}

/*
 * Job control: stop the command, then ourselves. SIGSTOP, because the kernel drops SIGTSTP for a
 * group whose leader's parent is in another session, which is what creel-init's children are.
 */
static void suspend(struct session *s)
{
	struct error ignored;

	link_signal(s->link, s->stream, SIGSTOP, WIRE_SIGNAL_GROUP);
	(void)link_pump(s->link, POLLOUT, &ignored);
	terminal_restore();
	(void)kill(getpid(), SIGSTOP);
	if (s->raw) {
		(void)terminal_make_raw(STDIN_FILENO);
	}
	link_signal(s->link, s->stream, SIGCONT, WIRE_SIGNAL_GROUP);
	send_size(s);
}

static void on_signal(struct session *s, int signo)
{
	switch (signo) {
	case SIGWINCH:
		send_size(s);
		break;
	case SIGTSTP:
		suspend(s);
		break;
	case SIGTERM:
	case SIGHUP:
		s->result->signal = signo;
		end_tree(s, (uint32_t)signo);
		break;
	default:
		link_signal(s->link, s->stream, (uint32_t)signo, WIRE_SIGNAL_GROUP);
		break;
	}
}

static void read_signals(struct session *s)
{
	struct signalfd_siginfo info;

	while (read(s->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		on_signal(s, (int)info.ssi_signo);
	}
}

/* --- input --- */

/* Never more than the command's side has room for, so that a pipe keeps what was not asked for. */
static void read_stdin(struct session *s)
{
	static char chunk[STDIN_CHUNK]; /* one session per process; not worth zeroing each time */
	size_t room = link_stdin_room(s->link, s->stream);
	ssize_t n;

	if (room == 0) {
		return;
	}
	n = read(STDIN_FILENO, chunk, room < sizeof(chunk) ? room : sizeof(chunk));
	if (n > 0) {
		(void)link_stdin(s->link, s->stream, chunk, (size_t)n);
	} else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
		s->stdin_open = false;
		link_stdin_eof(s->link, s->stream);
	}
}

/* --- the loop --- */

static void fill_poll(const struct session *s, struct pollfd fds[WAIT_COUNT])
{
	bool wants_stdin = s->stdin_open && !s->over && link_stdin_room(s->link, s->stream) > 0;

	fds[WAIT_LINK] = (struct pollfd){.fd = link_fd(s->link), .events = link_events(s->link)};
	fds[WAIT_SIGNALS] = (struct pollfd){.fd = s->signal_fd, .events = POLLIN};
	fds[WAIT_STDIN] = (struct pollfd){.fd = wants_stdin ? STDIN_FILENO : -1, .events = POLLIN};
	fds[WAIT_OUT] = (struct pollfd){
		.fd = sink_is_pending(&s->out) ? sink_poll_fd(&s->out) : -1, .events = POLLOUT};
	fds[WAIT_ERR] = (struct pollfd){
		.fd = sink_is_pending(&s->err_sink) ? sink_poll_fd(&s->err_sink) : -1,
		.events = POLLOUT};
	if (s->over) {
		fds[WAIT_LINK].fd = -1; /* what is left is our own output */
	}
}

static void give_up(struct session *s)
{
	s->over = true;
	s->result->timed_out = s->spawn->timeout_ms > 0 && s->result->signal == 0;
	if (s->result->end != SESSION_OUTPUT) {
		s->result->end = SESSION_LOST;
		(void)error_plain(s->err, ETIMEDOUT,
			"the sandbox did not end the command when it was told to and was taken down");
	}
}

/* A reader that takes nothing must not outlive the wish to end: TERM and timeouts stop the waiting
 * for it too. */
static bool is_done(const struct session *s)
{
	if (!s->over) {
		return false;
	}
	return (!sink_is_pending(&s->out) && !sink_is_pending(&s->err_sink)) ||
	       clock_now_ns() >= s->give_up_ns;
}

static int serve_once(struct session *s)
{
	struct pollfd fds[WAIT_COUNT];
	struct error why;
	int r;

	fill_poll(s, fds);
	r = poll(fds, WAIT_COUNT, clock_left_ms(s->give_up_ns));
	if (r < 0) {
		return errno == EINTR ? 0 : -errno;
	}
	if (fds[WAIT_SIGNALS].revents != 0) {
		read_signals(s);
	}
	if (fds[WAIT_OUT].revents != 0) {
		flush_sink(s, &s->out, WIRE_STDOUT);
	}
	if (fds[WAIT_ERR].revents != 0) {
		flush_sink(s, &s->err_sink, WIRE_STDERR);
	}
	if (fds[WAIT_LINK].revents != 0) {
		(void)link_pump(s->link, fds[WAIT_LINK].revents, &why); /* death: on_lost() */
	}
	if (fds[WAIT_STDIN].revents != 0 && !s->over) {
		read_stdin(s);
	}
	if (!s->over && clock_now_ns() >= s->give_up_ns) {
		give_up(s);
	}
	return 0;
}

static int start(struct session *s)
{
	int r;

	s->signal_fd = open_signals();
	if (s->signal_fd < 0) {
		return error_set(s->err, errno, "cannot catch signals");
	}
	if ((s->spawn->flags & WIRE_SPAWN_PTY) != 0 && isatty(STDIN_FILENO)) {
		s->raw = true;
		r = terminal_make_raw(STDIN_FILENO);
		if (r < 0) {
			return error_set(s->err, -r, "cannot set the terminal to raw mode");
		}
	}
	/* The request is there when creel-init looks for it the first time. */
	link_greet(s->link);
	r = link_spawn(s->link, s->spawn, &process_ops, s, &s->stream, s->err);
	if (r < 0) {
		return r;
	}
	r = link_wait_ready(s->link, HELLO_TIMEOUT_MS, s->err);
	return r < 0 ? error_prefix(s->err, "the sandbox did not start") : 0;
}

static void run(struct session *s)
{
	int r = start(s);

	if (r < 0) {
		s->result->end = SESSION_FAILED;
		s->result->failed_stage = WIRE_FAIL_REQUEST;
		s->result->failed_num = -r;
		return;
	}
	if (s->spawn->timeout_ms > 0) {
		give_up_after(s, s->spawn->timeout_ms * NS_PER_MS + grace_ns(s));
	}
	while (!is_done(s)) {
		r = serve_once(s);
		if (r < 0) {
			s->result->end = SESSION_LOST;
			(void)error_set(s->err, -r, "cannot wait for the sandbox");
			return;
		}
	}
}

void session_run(struct link *link, const struct wire_spawn *spawn, struct session_result *ret,
	struct error *err)
{
	struct session s = {
		.link = link,
		.spawn = spawn,
		.result = ret,
		.err = err,
		.signal_fd = FD_NONE,
		.stdin_open = (spawn->flags & WIRE_SPAWN_STDIN) != 0,
		.give_up_ns = UINT64_MAX,
		.broken_ns = UINT64_MAX,
	};

	*ret = (struct session_result){.end = SESSION_LOST};
	sink_init(&s.out, STDOUT_FILENO);
	sink_init(&s.err_sink, STDERR_FILENO);
	run(&s);
	terminal_restore();
	sink_finish(&s.out);
	sink_finish(&s.err_sink);
	cleanup_closep(&s.signal_fd);
	link_forget(link, s.stream); /* s is gone after this: no callback may come */
}

static int exited_status(const struct session_result *result)
{
	if (result->timed_out) {
		return STATUS_TIMED_OUT;
	}
	if (result->broken_pipe) {
		return STATUS_SIGNAL + SIGPIPE;
	}
	if (result->exited.signal > 0) {
		/* KILL after a TERM or HUP of ours: the caller sent the first. */
		return STATUS_SIGNAL + (result->signal > 0 && result->exited.signal == SIGKILL
						       ? result->signal
						       : result->exited.signal);
	}
	return result->exited.code & 0xff;
}

static int failed_status(const struct session_result *result)
{
	if (result->failed_stage != WIRE_FAIL_EXEC) {
		return STATUS_CREEL;
	}
	return result->failed_num == ENOENT || result->failed_num == ENOTDIR
		       ? STATUS_NOT_FOUND
		       : STATUS_CANNOT_EXECUTE;
}

int session_status(const struct session_result *result)
{
	switch (result->end) {
	case SESSION_EXITED:
		return exited_status(result);
	case SESSION_FAILED:
		return failed_status(result);
	case SESSION_LOST:
		if (result->signal > 0) {
			return STATUS_SIGNAL + result->signal;
		}
		return result->timed_out ? STATUS_TIMED_OUT : STATUS_CREEL;
	case SESSION_OUTPUT:
		break;
	}
	return STATUS_CREEL;
}
