/* SPDX-License-Identifier: MIT */
/* A real creel-init at the other end of a link. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those four before it. */
#include <cmocka.h>

#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/own.h"

enum { INIT_FD = 9, PATIENCE_S = 20 };

const char *rig_init_path(void)
{
	const char *path = getenv("CREEL_INIT");

	assert_non_null(path);
	return path;
}

static void on_ready(void *arg, const struct wire_hello *hello)
{
	struct rig *rig = arg;

	rig->hello = *hello;
}

static void on_process(void *arg, const struct wire_process *process)
{
	struct rig *rig = arg;

	if (rig->listed_count < sizeof(rig->listed) / sizeof(rig->listed[0])) {
		rig->listed[rig->listed_count] = *process;
		rig->listed[rig->listed_count].name = (struct wire_bytes){0};
	}
	rig->listed_count++;
}

static void on_list_end(void *arg, uint32_t count)
{
	struct rig *rig = arg;

	assert_int_equal(count, rig->listed_count);
	rig->list_ended = true;
}

static void on_pong(void *arg, uint64_t value)
{
	struct rig *rig = arg;

	rig->pong = value;
}

const struct link_ops rig_ops = {
	.ready = on_ready, .process = on_process, .list_end = on_list_end, .pong = on_pong};

static void on_spawned(void *arg, uint32_t pid)
{
	struct run *run = arg;

	assert_false(run->spawned);
	run->spawned = true;
	run->pid = pid;
}

static void on_output(
	void *arg, enum wire_channel channel, uint64_t offset, const uint8_t *data, size_t len)
{
	struct run *run = arg;

	assert_false(run->exited && !run->attached);
	if (channel == WIRE_STDOUT) {
		assert_true(offset >= run->out_next);
		run->out_lost += offset - run->out_next;
		run->out_next = offset + len;
	}
	buf_add(channel == WIRE_STDOUT ? &run->out : &run->err, data, len);
	if (!run->hold) {
		link_consumed(run->rig->link, run->stream, channel, len);
	}
}

static void on_stdin_room(void *arg, size_t bytes)
{
	struct run *run = arg;

	run->stdin_room = bytes;
}

static void on_exited(void *arg, const struct wire_exited *exited)
{
	struct run *run = arg;

	assert_false(run->exited);
	run->exited = true;
	run->end = *exited;
}

static void on_failed(void *arg, const struct wire_failed *failed)
{
	struct run *run = arg;

	run->failed = true;
	run->exited = true;
	run->fail_stage = failed->stage;
	run->fail_errno = failed->errnum;
	memcpy(run->fail_text, failed->text.data, failed->text.len);
	run->fail_text[failed->text.len] = '\0';
}

static void on_lost(void *arg, const struct error *why)
{
	struct run *run = arg;

	assert_true(why->num > 0);
	run->lost = true;
}

static void on_attached(void *arg, const struct wire_process *process)
{
	struct run *run = arg;

	run->attached = true;
	run->process = *process;
	run->process.name = (struct wire_bytes){0};
}

static void on_fetched(void *arg, const struct wire_process *process)
{
	struct run *run = arg;

	run->fetched = true;
	run->process = *process;
	run->process.name = (struct wire_bytes){0};
}

const struct link_process_ops run_ops = {
	.spawned = on_spawned,
	.output = on_output,
	.stdin_room = on_stdin_room,
	.exited = on_exited,
	.failed = on_failed,
	.lost = on_lost,
	.attached = on_attached,
	.fetched = on_fetched,
};

_Noreturn static void exec_init(int fd)
{
	char number[16];

	(void)snprintf(number, sizeof(number), "%d", INIT_FD);
	if (dup2(fd, INIT_FD) != INIT_FD) {
		_exit(126);
	}
	(void)execl(rig_init_path(), "creel-init", "--fd", number, (char *)NULL);
	_exit(127);
}

/* New namespaces, then the child that is PID 1 in them; this process waits for it. */
_Noreturn static void exec_in_namespaces(int fd)
{
	int flags = CLONE_NEWPID | CLONE_NEWNS;
	int status;
	pid_t pid;

	if (geteuid() != 0) {
		flags |= CLONE_NEWUSER;
	}
	if (unshare(flags) < 0) {
		_exit(125);
	}
	pid = fork();
	if (pid == 0) {
		if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
			mount("proc", "/proc", "proc", 0, NULL) < 0) {
			_exit(125);
		}
		exec_init(fd);
	}
	(void)close(fd);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
	}
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 124);
}

struct rig *rig_start(bool namespaces)
{
	struct rig *rig = xcalloc(1, sizeof(*rig));
	struct error err;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	rig->pid = fork();
	assert_true(rig->pid >= 0);
	if (rig->pid == 0) {
		/* Held here, it would keep the end of the stream from being seen. */
		(void)close(fds[0]);
		if (namespaces) {
			exec_in_namespaces(fds[1]);
		}
		exec_init(fds[1]);
	}
	(void)close(fds[1]);
	rig->link = link_new(fds[0], NULL, false, &rig_ops, rig);
	if (link_wait_ready(rig->link, PATIENCE_S * 1000, &err) < 0) {
		int status = rig_finish(rig);

		if (namespaces && WIFEXITED(status) && WEXITSTATUS(status) == 125) {
			return NULL;
		}
		fail_msg("creel-init did not start: %s (status %x)", err.text, (unsigned)status);
	}
	return rig;
}

static void free_runs(struct rig *rig)
{
	while (rig->runs != NULL) {
		struct run *run = rig->runs;

		rig->runs = run->next;
		buf_finish(&run->out);
		buf_finish(&run->err);
		free(run);
	}
}

/* A creel-init that does not end is the fault that this shows, and does not hang the tests. */
static int wait_for(pid_t pid)
{
	uint64_t deadline = clock_after_ns(PATIENCE_S * NS_PER_S);
	int status = 0;
	pid_t r;

	while ((r = waitpid(pid, &status, WNOHANG)) == 0) {
		if (clock_now_ns() > deadline) {
			(void)kill(pid, SIGKILL);
		}
		(void)usleep(1000);
	}
	return r == pid ? status : -1;
}

int rig_finish(struct rig *rig)
{
	int status;

	rig->link = link_free(rig->link);
	status = wait_for(rig->pid);
	free_runs(rig);
	free(rig);
	return status;
}

int rig_stop(struct rig *rig)
{
	int status = rig_finish(rig);

	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static bool pump_once(struct rig *rig, int timeout_ms)
{
	struct pollfd p = {.fd = link_fd(rig->link), .events = link_events(rig->link)};

	(void)poll(&p, 1, timeout_ms);
	if (link_pump(rig->link, POLLIN | POLLOUT, &rig->why) < 0) {
		rig->dead = true;
	}
	return !rig->dead;
}

void rig_until(struct rig *rig, const bool *flag)
{
	uint64_t deadline = clock_after_ns(PATIENCE_S * NS_PER_S);

	while (!*flag) {
		if (!pump_once(rig, 100) && flag != &rig->dead && !*flag) {
			fail_msg("the link died: %s", rig->why.text);
		}
		if (clock_now_ns() > deadline) {
			fail_msg("nothing happened for %d s", PATIENCE_S);
		}
	}
}

void rig_turn(struct rig *rig)
{
	if (!pump_once(rig, 5)) {
		fail_msg("the link died: %s", rig->why.text);
	}
}

void rig_pump_ms(struct rig *rig, int ms)
{
	uint64_t deadline = clock_after_ns((uint64_t)ms * NS_PER_MS);

	while (clock_now_ns() < deadline) {
		rig_turn(rig);
	}
}

struct run *run_new(struct rig *rig)
{
	struct run *run = xcalloc(1, sizeof(*run));

	run->rig = rig;
	run->next = rig->runs;
	rig->runs = run;
	return run;
}

void run_spawn(struct run *run, struct rig *rig, const struct wire_spawn *spawn)
{
	struct error err;

	if (link_spawn(rig->link, spawn, &run_ops, run, &run->stream, &err) < 0) {
		fail_msg("%s", err.text);
	}
}

void run_argv(struct run *run, struct rig *rig, const char *const *argv, uint32_t flags)
{
	static const char *const env[] = {"PATH=/usr/bin:/bin", "LC_ALL=C", NULL};
	struct wire_spawn spawn = {
		.flags = flags,
		.uid = WIRE_NO_ID,
		.gid = WIRE_NO_ID,
		.rows = 24,
		.columns = 80,
		.cwd = "/",
		.argv = argv,
		.env = env,
	};

	run_spawn(run, rig, &spawn);
}

void run_sh(struct run *run, struct rig *rig, const char *line, uint32_t flags)
{
	const char *const argv[] = {"sh", "-c", line, NULL};

	run_argv(run, rig, argv, flags);
}

int run_to_end(struct run *run, struct rig *rig, const char *line, uint32_t flags)
{
	run_sh(run, rig, line, flags);
	rig_until(rig, &run->exited);
	assert_false(run->failed);
	return run->end.signal > 0 ? -run->end.signal : run->end.code;
}

void run_forget(struct run *run)
{
	link_forget(run->rig->link, run->stream);
}
