/* SPDX-License-Identifier: MIT */
/* The login shell's environment, asked for once: it costs several milliseconds each time. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/own.h"
#include "base/strv.h"
#include "init/internal.h"

/* Profiles may print: what counts comes after this line. */
#define MARKER "\ncreel-login-environment\n"
#define MINIMAL_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum { OUTPUT_MAX = 64 * 1024, TIMEOUT_MS = 5000 };

bool login_is_ready(const struct init *init, const struct wire_spawn *request)
{
	return init->login.state == LOGIN_READY && init->login.uid == request->uid &&
	       init->login.gid == request->gid;
}

/* What the shell says of itself is not the environment of another process. */
static bool is_wanted(const char *entry)
{
	static const char *const drop[] = {"PWD=", "OLDPWD=", "SHLVL=", "_="};
	const char *equals = strchr(entry, '=');

	if (equals == NULL || equals == entry) {
		return false;
	}
	for (size_t i = 0; i < ARRAY_SIZE(drop); i++) {
		if (strncmp(entry, drop[i], strlen(drop[i])) == 0) {
			return false;
		}
	}
	return true;
}

/* The entries end with NUL each, or with a newline where env has no -0. */
static void parse(struct login *login, char *text, size_t len)
{
	char separator = memchr(text, '\0', len) != NULL ? '\0' : '\n';
	size_t count = 0, cap = 2;
	char *end = text + len;

	for (size_t i = 0; i < len; i++) {
		cap += text[i] == separator;
	}
	login->env = xcalloc(cap, sizeof(*login->env));
	while (text < end) {
		char *stop = memchr(text, separator, (size_t)(end - text));

		if (stop == NULL) {
			break; /* cut at the limit: half an entry is none */
		}
		*stop = '\0';
		if (is_wanted(text)) {
			login->env[count++] = text;
		}
		text = stop + 1;
	}
	if (count == 0) {
		login->env[0] = MINIMAL_PATH;
	}
}

static void login_clear(struct login *login)
{
	free(login->text);
	free(login->env);
	login->text = NULL;
	login->env = NULL;
}

/* Its output is complete, or given up: whoever waited starts now. */
static void finish(struct init *init)
{
	struct login *login = &init->login;
	size_t marker = strlen(MARKER);
	char *text, *at, *last = NULL;
	size_t len = login->output.len;

	timer_cancel(&login->timeout);
	if (login->watch.fd >= 0) {
		watch_stop(&init->loop, &login->watch);
		(void)close(login->watch.fd);
		login->watch.fd = FD_NONE;
	}
	/* Whatever a profile left running has no business here. */
	if (login->pid > 0) {
		(void)tree_signal(&init->tree, login->serial, login->pid, SIGKILL);
	}
	text = buf_take(&login->output);
	for (at = text; (at = memmem(at, len - (size_t)(at - text), MARKER, marker)) != NULL;
		at++) {
		last = at + marker;
	}
	login_clear(login);
	login->text = text;
	if (last != NULL) {
		parse(login, last, len - (size_t)(last - text));
	} else {
		parse(login, text, 0);
	}
	login->state = LOGIN_READY;
	process_start_pending(init);
}

static void on_output(struct watch *watch, uint32_t events)
{
	struct login *login = container_of(watch, struct login, watch);
	struct init *init = container_of(login, struct init, login);
	char chunk[4096];
	ssize_t n = read(watch->fd, chunk, sizeof(chunk));

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (n > 0) {
		buf_add(&login->output, chunk, (size_t)n);
	}
	if (n <= 0 || login->output.overflow) {
		finish(init);
	}
}

static void on_timeout(struct timer *timer)
{
	struct login *login = container_of(timer, struct login, timeout);

	/* Half an environment would be a surprise: none, so the minimal one. */
	buf_clear(&login->output);
	finish(container_of(login, struct init, login));
}

bool login_reaped(struct init *init, pid_t pid)
{
	if (pid != init->login.pid) {
		return false;
	}
	init->login.pid = 0;
	return true;
}

static pid_t run_shell(struct init *init, uint32_t uid, uint32_t gid, int in_fd, int out_fd)
{
	static const char *const argv[] = {"/bin/sh", "-lc",
		"echo; echo creel-login-environment; env -0 2>/dev/null || env", NULL};
	struct wire_spawn request = {.uid = uid, .gid = gid, .argv = argv};
	struct spawn_plan plan = {
		.request = &request,
		.env = init->environ,
		.in_fd = in_fd,
		.out_fd = out_fd,
		.err_fd = in_fd,
		.files = init->file_limit,
	};
	enum wire_fail_stage stage;

	tree_mark(&init->tree, init->login.serial, &plan);
	return spawn_run(&plan, &stage);
}

void login_start(struct init *init, const struct wire_spawn *request)
{
	struct login *login = &init->login;
	int fds[2];
	_cleanup_close_ int write_end = FD_NONE;

	if (login->state == LOGIN_RUNNING) {
		return;
	}
	login->state = LOGIN_RUNNING;
	login->uid = request->uid;
	login->gid = request->gid;
	login->serial = ++init->serial;
	login->pid = 0;
	login->watch = (struct watch){.fd = FD_NONE, .ready = on_output};
	buf_init(&login->output, OUTPUT_MAX);
	if (pipe2(fds, O_CLOEXEC) == 0) {
		write_end = fds[1];
		login->watch.fd = fds[0];
		(void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
		login->pid = run_shell(init, login->uid, login->gid, init->null_fd, write_end);
		init->childless = false;
	}
	if (login->pid <= 0 || watch_set(&init->loop, &login->watch, EPOLLIN) < 0) {
		login->pid = login->pid > 0 ? login->pid : 0;
		finish(init);
		return;
	}
	timer_set(&init->loop, &login->timeout, TIMEOUT_MS, on_timeout);
}

static bool has_name(const char *const *env, const char *entry)
{
	size_t len = strcspn(entry, "=") + 1;

	for (size_t i = 0; env[i] != NULL; i++) {
		if (strncmp(env[i], entry, len) == 0) {
			return true;
		}
	}
	return false;
}

const char *const *login_merge(const struct init *init, struct arena *arena, const char *const *env)
{
	struct strv merged = {0};

	for (size_t i = 0; init->login.env[i] != NULL; i++) {
		if (!has_name(env, init->login.env[i])) {
			strv_add_ref(&merged, arena, init->login.env[i]);
		}
	}
	for (size_t i = 0; env[i] != NULL; i++) {
		strv_add_ref(&merged, arena, env[i]);
	}
	return merged.items;
}
