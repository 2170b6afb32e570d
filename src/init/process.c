/* SPDX-License-Identifier: MIT */
/* The table of processes, and the life of one: started, ended, told, forgotten. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/own.h"
#include "init/internal.h"

enum {
	/* Output that someone else still holds open is waited for until it is quiet this long, and
	 * no longer than the second: a background server must not keep its starter's caller. */
	QUIET_MS = 100,
	PATIENCE_MS = 1000,
	GRACE_DEFAULT_MS = 3000,
	/* After KILL the tree is looked at again: one in uninterruptible sleep takes its time. */
	KILL_AGAIN_MS = 100,
	KILL_MAX = 20,
};

static struct process **stream_slot(struct init *init, uint32_t stream)
{
	struct process **at = &init->by_stream[stream % INIT_BUCKETS];

	while (*at != NULL && (*at)->stream != stream) {
		at = &(*at)->next_stream;
	}
	return at;
}

static struct process **pid_slot(struct init *init, pid_t pid)
{
	struct process **at = &init->by_pid[(unsigned)pid % INIT_BUCKETS];

	while (*at != NULL && (*at)->pid != pid) {
		at = &(*at)->next_pid;
	}
	return at;
}

struct process *process_find(const struct init *init, uint32_t stream)
{
	struct process *p = init->by_stream[stream % INIT_BUCKETS];

	while (p != NULL && p->stream != stream) {
		p = p->next_stream;
	}
	return p;
}

void process_each(struct init *init, void (*fn)(struct process *p))
{
	for (size_t i = 0; i < INIT_BUCKETS; i++) {
		struct process *next;

		for (struct process *p = init->by_stream[i]; p != NULL; p = next) {
			next = p->next_stream; /* fn may free p */
			fn(p);
		}
	}
}

bool process_any_runs(const struct init *init)
{
	for (size_t i = 0; i < INIT_BUCKETS; i++) {
		for (const struct process *p = init->by_stream[i]; p != NULL; p = p->next_stream) {
			if (!p->finished) {
				return true;
			}
		}
	}
	return false;
}

static void forget_pid(struct process *p)
{
	if (p->pid > 0) {
		*pid_slot(p->init, p->pid) = p->next_pid;
		p->pid = 0;
	}
}

static struct process *process_new(struct init *init, uint32_t stream, const struct wire_spawn *r)
{
	struct process **at = stream_slot(init, stream);
	struct process *p = xcalloc(1, sizeof(*p));
	size_t ring = r->ring_bytes > 0 ? r->ring_bytes : LIMIT_RING_DEFAULT;

	*p = (struct process){
		.init = init,
		.stream = stream,
		.serial = ++init->serial,
		.terminal = (r->flags & WIRE_SPAWN_PTY) != 0,
		.known = true,
		.followed = r->credit > 0,
		.last = (r->flags & WIRE_SPAWN_LAST) != 0,
		.grace_ms = r->grace_ms > 0 ? r->grace_ms : GRACE_DEFAULT_MS,
		.input = {.watch.fd = FD_NONE, .credit = WIRE_STDIN_WINDOW, .last = '\n'},
		.name = xstrndup(r->argv[0], WIRE_MAX_NAME),
		.tag = r->tag != NULL ? xstrdup(r->tag) : NULL,
	};
	for (int i = 0; i < 2; i++) {
		p->channels[i] = (struct channel){
			.watch.fd = FD_NONE,
			.process = p,
			.id = i == 0 ? WIRE_STDOUT : WIRE_STDERR,
			.credit = r->credit,
		};
		ring_init(&p->channels[i].ring, ring);
	}
	*at = p;
	init->process_count++;
	return p;
}

static void process_free(struct process *p)
{
	struct init *init = p->init;

	forget_pid(p);
	*stream_slot(init, p->stream) = p->next_stream;
	init->process_count--;
	timer_cancel(&p->timeout);
	timer_cancel(&p->kill);
	timer_cancel(&p->quiet);
	timer_cancel(&p->patience);
	for (int i = 0; i < 2; i++) {
		conn_release(init, &p->channels[i]);
		conn_unqueue(&p->channels[i]);
		channel_close(&p->channels[i]);
		ring_finish(&p->channels[i].ring);
	}
	input_close(p);
	buf_finish(&p->request);
	free(p->name);
	free(p->tag);
	free(p);
}

static void send_failed(
	struct init *init, uint32_t stream, enum wire_fail_stage stage, int num, const char *text)
{
	struct wire_failed failed = {
		.stage = (uint32_t)stage,
		.errnum = (uint32_t)num,
		.text = {(const uint8_t *)text, strlen(text)},
	};

	if (conn_is_up(init)) {
		frame_add_failed(conn_out(init), stream, &failed);
	}
}

/* What could not be done, in words; the caller adds the shell's where it wants them. */
static void tell_failure(
	struct process *p, const struct wire_spawn *request, enum wire_fail_stage stage, int num)
{
	struct error why;

	if (stage == WIRE_FAIL_EXEC) {
		(void)error_set(&why, num, "cannot run '%s'", p->name);
	} else if (stage == WIRE_FAIL_CWD) {
		(void)error_set(&why, num, "cannot enter the working directory '%s'", request->cwd);
	} else {
		(void)error_set(&why, num, "cannot start '%s'", p->name);
	}
	if (p->known) {
		send_failed(p->init, p->stream, stage, num, why.text);
	}
}

/* The ends that the child gets, and those that stay here. */
struct streams {
	int child[3], here[3];
};

static void streams_finish(const struct streams *s)
{
	for (int i = 0; i < 3; i++) {
		cleanup_closep(&s->child[i]);
		cleanup_closep(&s->here[i]);
	}
}

static int open_pipe(struct streams *s, int number)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0) {
		return -errno;
	}
	s->child[number] = fds[number == 0 ? 0 : 1];
	s->here[number] = fds[number == 0 ? 1 : 0];
	return 0;
}

static int copy_fd(int fd, int *ret)
{
	*ret = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return *ret >= 0 ? 0 : -errno;
}

static int open_terminal(const struct wire_spawn *request, struct streams *s)
{
	int r = pty_open(request->rows, request->columns, request->uid, &s->here[1], &s->child[0]);

	/* The same terminal for all three; a second descriptor of the master, since a loop watches
	 * each for one thing. */
	if (r == 0) {
		r = copy_fd(s->here[1], &s->here[0]);
	}
	if (r == 0) {
		r = copy_fd(s->child[0], &s->child[1]);
	}
	if (r == 0) {
		r = copy_fd(s->child[0], &s->child[2]);
	}
	return r;
}

static int open_streams(struct init *init, const struct wire_spawn *request, struct streams *s)
{
	int r;

	if ((request->flags & WIRE_SPAWN_PTY) != 0) {
		return open_terminal(request, s);
	}
	if ((request->flags & WIRE_SPAWN_STDIN) != 0) {
		r = open_pipe(s, 0);
	} else {
		r = copy_fd(init->null_fd, &s->child[0]);
	}
	if (r == 0) {
		r = open_pipe(s, 1);
	}
	if (r == 0 && (request->flags & WIRE_SPAWN_MERGE) != 0) {
		r = copy_fd(s->child[1], &s->child[2]);
	} else if (r == 0) {
		r = open_pipe(s, 2);
	}
	return r;
}

static uint64_t wall_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void on_timeout(struct timer *timer)
{
	struct process *p = container_of(timer, struct process, timeout);

	p->exited.timed_out = true;
	process_end(p, SIGTERM);
}

static void started(
	struct process *p, const struct wire_spawn *request, pid_t pid, struct streams *s)
{
	struct init *init = p->init;
	struct process **at;

	init->childless = false;
	p->pid = pid;
	p->shown_pid = (uint32_t)pid;
	p->started_ms = wall_ms();
	at = pid_slot(init, pid);
	p->next_pid = *at;
	*at = p;
	for (int i = 1; i < 3; i++) {
		if (s->here[i] >= 0) {
			channel_open(&p->channels[i - 1], TAKE_FD(s->here[i]));
		}
	}
	if (p->known && conn_is_up(init)) {
		frame_add_u32(conn_out(init), FRAME_SPAWNED, p->stream, p->shown_pid);
	}
	if (s->here[0] >= 0) {
		input_open(&p->input, p, TAKE_FD(s->here[0]));
	}
	if (request->timeout_ms > 0) {
		timer_set(&init->loop, &p->timeout, request->timeout_ms, on_timeout);
	}
}

void process_start(struct process *p, const struct wire_spawn *request)
{
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_(streams_finish) struct streams s = {
		.child = {FD_NONE, FD_NONE, FD_NONE}, .here = {FD_NONE, FD_NONE, FD_NONE}};
	struct init *init = p->init;
	struct spawn_plan plan = {
		.request = request,
		.env = request->env,
		.terminal = p->terminal,
		.files = init->file_limit,
	};
	enum wire_fail_stage stage = WIRE_FAIL_RESOURCES;
	pid_t pid = open_streams(init, request, &s);

	if (pid == 0) {
		plan.in_fd = s.child[0];
		plan.out_fd = s.child[1];
		plan.err_fd = s.child[2];
		if ((request->flags & WIRE_SPAWN_LOGIN_ENV) != 0) {
			plan.env = login_merge(init, &arena, request->env);
		}
		tree_mark(&init->tree, p->serial, &plan);
		pid = spawn_run(&plan, &stage);
	}
	if (pid < 0) {
		tell_failure(p, request, stage, -pid);
		process_free(p);
		return;
	}
	started(p, request, pid, &s);
}

void process_start_pending(struct init *init)
{
	for (size_t i = 0; i < INIT_BUCKETS; i++) {
		struct process *next;

		for (struct process *p = init->by_stream[i]; p != NULL; p = next) {
			_cleanup_arena_ struct arena arena = {0};
			_cleanup_buf_ struct buf payload = {0};
			struct wire_spawn request;
			struct error err;

			next = p->next_stream;
			if (p->request.len == 0) {
				continue;
			}
			payload = p->request;
			p->request = (struct buf){0};
			/* It was decoded once already, so it decodes again. */
			(void)frame_get_spawn(
				(struct wire_bytes){(uint8_t *)payload.data, payload.len}, &arena,
				&request, &err);
			process_start(p, &request);
		}
	}
}

/* The marks of a tree are limits: whoever sets those two would lose track of it. */
static bool wants_marks(const struct wire_spawn *request)
{
	for (size_t i = 0; i < request->rlimit_count; i++) {
		if (request->rlimits[i].resource == TREE_MARK_LOCKS ||
			request->rlimits[i].resource == TREE_MARK_RTTIME) {
			return true;
		}
	}
	return false;
}

void process_spawn(struct init *init, uint32_t stream, struct wire_bytes payload,
	const struct wire_spawn *request)
{
	struct process *p;

	if (process_find(init, stream) != NULL) {
		send_failed(init, stream, WIRE_FAIL_REQUEST, EEXIST, "this stream is in use");
		return;
	}
	if (init->shutting) {
		send_failed(init, stream, WIRE_FAIL_REQUEST, ESHUTDOWN, "the sandbox is ending");
		return;
	}
	if (wants_marks(request)) {
		send_failed(init, stream, WIRE_FAIL_REQUEST, EINVAL,
			"the limits locks and rttime cannot be set: they mark process trees");
		return;
	}
	if (init->process_count >= LIMIT_PROCESSES) {
		send_failed(init, stream, WIRE_FAIL_RESOURCES, EAGAIN,
			"too many processes are remembered; forget some that ended");
		return;
	}
	if (stream >= init->next_stream) {
		init->next_stream = stream + 1;
	}
	p = process_new(init, stream, request);
	if ((request->flags & WIRE_SPAWN_LOGIN_ENV) != 0 && !login_is_ready(init, request)) {
		buf_add(&p->request, payload.data, payload.len);
		login_start(init, request);
		return;
	}
	process_start(p, request);
}

static void on_kill(struct timer *timer)
{
	struct process *p = container_of(timer, struct process, kill);

	p->kills++;
	(void)tree_signal(&p->init->tree, p->serial, p->pid, SIGKILL);
	if (p->kills < KILL_MAX) {
		timer_set(&p->init->loop, &p->kill, KILL_AGAIN_MS, on_kill);
	}
	process_check(p);
}

void process_end(struct process *p, int signo)
{
	if (!p->ending) {
		p->ending = true;
		(void)tree_signal(&p->init->tree, p->serial, p->pid, signo);
		timer_set(&p->init->loop, &p->kill, signo == SIGKILL ? 0 : p->grace_ms, on_kill);
	} else if (signo == SIGKILL) {
		timer_set(&p->init->loop, &p->kill, 0, on_kill);
	}
	process_check(p);
}

/* A signal before the login environment came: what would end the process ends the wait. */
static void signal_pending(struct process *p, int signo)
{
	if (signo == SIGKILL || signo == SIGTERM || signo == SIGINT || signo == SIGHUP) {
		send_failed(p->init, p->stream, WIRE_FAIL_REQUEST, EINTR,
			"it was ended before it started");
		process_free(p);
	}
}

void process_signal(struct process *p, int signo, enum wire_signal_scope scope)
{
	if (p->request.len > 0) {
		signal_pending(p, signo);
	} else if (scope == WIRE_SIGNAL_END) {
		process_end(p, signo);
	} else if (scope == WIRE_SIGNAL_GROUP && p->pid > 0) {
		(void)kill(-p->pid, signo);
	} else {
		/* Once the leader was reaped its number is not ours: what is left of the tree. */
		(void)tree_signal(&p->init->tree, p->serial, p->pid, signo);
	}
}

void process_forget(struct process *p)
{
	/* What a process that ended left running in the background stays, as in any shell. */
	if (p->pid > 0 || p->ending) {
		(void)tree_signal(&p->init->tree, p->serial, p->pid, SIGKILL);
	}
	process_free(p);
}

static void on_quiet(struct timer *timer)
{
	struct process *p = container_of(timer, struct process, quiet);

	p->overdue = true;
	process_check(p);
}

static void on_patience(struct timer *timer)
{
	struct process *p = container_of(timer, struct process, patience);

	p->overdue = true;
	process_check(p);
}

/* Is the process over, with all of its output here? */
static bool is_over(struct process *p)
{
	struct loop *loop = &p->init->loop;
	const struct channel *c = p->channels;

	if (!p->reaped || !channel_is_done(&c[0]) || !channel_is_done(&c[1])) {
		return false;
	}
	if (p->ending && p->kills < KILL_MAX && !p->init->childless &&
		tree_count(&p->init->tree, p->serial) > 0) {
		return false;
	}
	if ((c[0].watch.fd < 0 && c[1].watch.fd < 0) || p->overdue) {
		return true;
	}
	timer_set(loop, &p->quiet, QUIET_MS, on_quiet);
	if (p->patience.deadline_ns == 0) {
		timer_set(loop, &p->patience, PATIENCE_MS, on_patience);
	}
	return false;
}

static void report(struct process *p)
{
	struct init *init = p->init;

	if (p->reported || !p->known || !conn_is_up(init)) {
		return;
	}
	if (p->followed && (p->channels[0].sent < p->exited.out_bytes ||
				   p->channels[1].sent < p->exited.err_bytes)) {
		return;
	}
	frame_add_exited(conn_out(init), p->stream, &p->exited);
	init->leaving = init->leaving || p->last;
	p->reported = true;
	p->followed = false;
	channel_resume(&p->channels[0]);
	channel_resume(&p->channels[1]);
}

static void report_fetched(struct process *p)
{
	struct wire_process now;

	if (p->fetching && !channel_may_send(&p->channels[0]) &&
		!channel_may_send(&p->channels[1])) {
		p->fetching = false;
		process_describe(p, &now);
		frame_add_process(conn_out(p->init), FRAME_FETCHED, p->stream, &now);
	}
}

void process_check(struct process *p)
{
	if (!p->finished && is_over(p)) {
		p->finished = true;
		p->exited.out_bytes = p->channels[0].ring.end;
		p->exited.err_bytes = p->channels[1].ring.end;
		timer_cancel(&p->timeout);
		timer_cancel(&p->kill);
		timer_cancel(&p->quiet);
		timer_cancel(&p->patience);
		input_close(p);
	}
	if (p->finished) {
		report(p);
	}
	report_fetched(p);
}

static void set_complete(struct channel *c)
{
	int waiting = 0;

	/* Whatever the process wrote before it ended is in the pipe by now. A terminal passes it on in
	 * its own time: there it is the quiet after it that counts, if others keep it open. */
	if (!c->process->terminal && c->watch.fd >= 0 &&
		ioctl(c->watch.fd, FIONREAD, &waiting) == 0) {
		c->complete_at = c->ring.end + (unsigned)waiting;
	}
}

static void reaped(struct process *p, int status, const struct rusage *usage)
{
	forget_pid(p);
	p->reaped = true;
	p->exited.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	p->exited.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	p->exited.cpu_us = (uint64_t)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000 +
			   (uint64_t)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec);
	p->exited.max_rss_kib = (uint64_t)usage->ru_maxrss;
	timer_cancel(&p->timeout);
	set_complete(&p->channels[0]);
	set_complete(&p->channels[1]);
	process_check(p);
}

static void check_ending(struct process *p)
{
	if (p->ending && !p->finished) {
		process_check(p);
	}
}

void process_reap(struct init *init)
{
	struct rusage usage;
	int status;
	pid_t pid;

	while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
		struct process *p = *pid_slot(init, pid);

		if (p != NULL) {
			reaped(p, status, &usage);
		} else {
			(void)login_reaped(init, pid);
		}
	}
	init->childless = pid < 0 && errno == ECHILD;
	process_each(init, check_ending);
	if (init->shutting && init->childless) {
		init->quit = true;
	}
}

void process_describe(const struct process *p, struct wire_process *ret)
{
	*ret = (struct wire_process){
		.stream = p->stream,
		.pid = p->shown_pid,
		.running = !p->finished,
		.out_first = p->channels[0].ring.first,
		.out_end = p->channels[0].ring.end,
		.err_first = p->channels[1].ring.first,
		.err_end = p->channels[1].ring.end,
		.started_ms = p->started_ms,
		.name = {(const uint8_t *)p->name, strlen(p->name)},
		.tag = {(const uint8_t *)p->tag, p->tag != NULL ? strlen(p->tag) : 0},
	};
	if (p->finished) {
		ret->exited = p->exited;
	}
}
