/* SPDX-License-Identifier: MIT */
#include "broker/control.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/macro.h"
#include "base/mem.h"
#include "base/own.h"
#include "base/path.h"
#include "broker/door.h"
#include "os/sys.h"
#include "tools/tool.h"

enum {
	/* Chromium's --remote-debugging-pipe: it reads from 3 and writes to 4. */
	BROWSER_READS = 3,
	BROWSER_WRITES = 4,
	ENDING_MS = 3000, /* contract D10: asked first, then killed */
	ENDING_STEP_MS = 10,
	NAME_DIGITS = 12,
};

const char *control_name(struct arena *arena, const struct control *control)
{
	char hash[HASH_HEX_SIZE];
	const char *text;

	if (control->start) {
		return "browser-host";
	}
	text = arena_printf(arena, "%s %u %s", control->host, control->port, control->path);
	hash_sha256_hex(text, strlen(text), hash);
	return arena_printf(arena, "browser-at-%.*s", NAME_DIGITS, hash);
}

/* --- one that is started --- */

static const json_t *host_key(const struct decision *d, const char *name)
{
	return json_object_get(json_object_get(d->config->root, "browser"), name);
}

static const char *in_path(struct arena *arena, const char *name)
{
	const char *at = getenv("PATH");

	for (at = at != NULL ? at : "/usr/bin:/bin"; *at != '\0';) {
		size_t len = strcspn(at, ":");
		const char *path = arena_printf(arena, "%.*s/%s", (int)len, at, name);

		if (*path == '/' && access(path, X_OK) == 0) {
			return path;
		}
		at += len + (at[len] == ':' ? 1 : 0);
	}
	return NULL;
}

static int find_program(
	struct arena *arena, const struct decision *d, const char **ret, struct error *err)
{
	static const char *const names[] = {"chromium", "chromium-browser", "google-chrome-stable",
		"google-chrome", "chrome", "brave-browser", "microsoft-edge"};
	const char *configured = json_string_value(host_key(d, "executablePath"));

	if (configured != NULL && *configured != '\0') {
		if (!path_is_absolute(configured) || access(configured, X_OK) < 0) {
			return error_plain(err, ENOENT, "browser.executablePath '%s' cannot be run",
				configured);
		}
		*ret = configured;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		*ret = in_path(arena, names[i]);
		if (*ret != NULL) {
			return 0;
		}
	}
	return error_plain(err, ENOENT,
		"there is no Chromium on this host: install one, or name it (browser.executablePath) "
		"or one that runs (browser.cdpUrl)");
}

static int make_profile(
	struct arena *arena, const struct decision *d, const char **ret, struct error *err)
{
	const char *base = path_join(arena, d->config->state_dir, "browser");

	*ret = path_join(arena, base, "host");
	if ((mkdir(base, 0700) < 0 && errno != EEXIST) ||
		(mkdir(*ret, 0700) < 0 && errno != EEXIST)) {
		return error_set(err, errno, "cannot make the browser's profile '%s'", *ret);
	}
	return 0;
}

static bool has_display(void)
{
	return getenv("DISPLAY") != NULL || getenv("WAYLAND_DISPLAY") != NULL;
}

static int make_arguments(
	struct arena *arena, const struct decision *d, struct strv *ret, struct error *err)
{
	const json_t *extra = host_key(d, "extraArgs"), *item;
	bool no_sandbox = json_is_true(host_key(d, "noSandbox"));
	const char *program, *profile;
	size_t i;
	int r = find_program(arena, d, &program, err);

	if (r < 0) {
		return r;
	}
	if (geteuid() == 0 && !no_sandbox) {
		return error_plain(err, EPERM,
			"Chromium's own sandbox does not work for root: run the gateway as an ordinary "
			"user, name a browser that runs (browser.cdpUrl), or do without "
			"(browser.noSandbox)");
	}
	r = make_profile(arena, d, &profile, err);
	if (r < 0) {
		return r;
	}
	strv_add_ref(ret, arena, program);
	strv_add_ref(ret, arena, "--remote-debugging-pipe");
	strv_add_ref(ret, arena, arena_printf(arena, "--user-data-dir=%s", profile));
	strv_add_ref(ret, arena, "--no-first-run");
	strv_add_ref(ret, arena, "--no-default-browser-check");
	if (json_is_true(host_key(d, "headless")) || !has_display()) {
		strv_add_ref(ret, arena, "--headless=new");
	}
	if (no_sandbox) {
		strv_add_ref(ret, arena, "--no-sandbox");
	}
	json_array_foreach(extra, i, item)
	{
		if (json_is_string(item)) {
			strv_add_ref(ret, arena, json_string_value(item));
		}
	}
	strv_add_ref(ret, arena, "about:blank");
	return 0;
}

/* What a program on somebody's desktop needs; nothing of ours, where secrets may be. */
static void keep_environment(struct arena *arena, struct strv *ret)
{
	static const char *const names[] = {"HOME", "PATH", "USER", "LOGNAME", "LANG", "DISPLAY",
		"XAUTHORITY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR", "XDG_SESSION_TYPE",
		"DBUS_SESSION_BUS_ADDRESS", "TMPDIR"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *value = getenv(names[i]);

		if (value != NULL) {
			strv_add_ref(ret, arena, arena_printf(arena, "%s=%s", names[i], value));
		}
	}
}

/* In the child; no way back. */
__attribute__((noreturn)) static void become_browser(
	const struct strv *argv, const struct strv *env, int pipe_fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	/* Out of the way of the numbers below. */
	int pipe = fcntl(pipe_fd, F_DUPFD_CLOEXEC, BROWSER_WRITES + 1);

	(void)setpgid(0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (null >= 0 && pipe >= 0 && dup2(null, 0) >= 0 && dup2(null, 1) >= 0 &&
		dup2(null, 2) >= 0 && dup2(pipe, BROWSER_READS) >= 0 &&
		dup2(pipe, BROWSER_WRITES) >= 0) {
		(void)sys_close_range(BROWSER_WRITES + 1, ~0U, 0);
		(void)execve(argv->items[0], (char *const *)(uintptr_t)argv->items,
			(char *const *)(uintptr_t)env->items);
	}
	_exit(127);
}

/* Its pid; *ret_fd: our end of its pipe. */
static pid_t start_browser(const struct decision *d, int *ret_fd, struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	struct strv argv = {0}, env = {0};
	int pair[2];
	pid_t pid;
	int r = make_arguments(&arena, d, &argv, err);

	if (r < 0 || argv.count == 0) {
		return r;
	}
	keep_environment(&arena, &env);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		return error_set(err, errno, "cannot make the browser's pipe");
	}
	pid = fork();
	if (pid == 0) {
		become_browser(&argv, &env, pair[1]);
	}
	(void)close(pair[1]);
	if (pid < 0) {
		r = error_set(err, errno, "cannot start the browser");
		(void)close(pair[0]);
		return r;
	}
	*ret_fd = pair[0];
	return pid;
}

/* It leaves when its pipe ends; its children may be slower. */
static void end_browser(pid_t pid)
{
	const struct timespec step = {.tv_nsec = ENDING_STEP_MS * (long)NS_PER_MS};
	uint64_t deadline_ns = clock_after_ns(ENDING_MS * NS_PER_MS);

	(void)kill(-pid, SIGTERM);
	while (waitpid(pid, NULL, WNOHANG) == 0 && clock_left_ms(deadline_ns) > 0) {
		(void)nanosleep(&step, NULL);
	}
	(void)kill(-pid, SIGKILL);
}

/* --- one that runs --- */

/* The first address of its name that is not where nobody may go. */
static int resolve(const struct control *control, struct sockaddr_storage *ret, socklen_t *ret_size,
	struct error *err)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *list = NULL;
	char port[8];
	int r;

	(void)snprintf(port, sizeof(port), "%u", control->port);
	r = getaddrinfo(control->host, port, &hints, &list);
	if (r != 0) {
		return error_plain(err, EHOSTUNREACH, "the host '%s' of the browser is unknown: %s",
			control->host, gai_strerror(r));
	}
	r = -EACCES;
	for (const struct addrinfo *at = list; at != NULL && r < 0; at = at->ai_next) {
		if (control_may_reach(at->ai_addr)) {
			(void)memcpy(ret, at->ai_addr, at->ai_addrlen);
			*ret_size = at->ai_addrlen;
			r = 0;
		}
	}
	freeaddrinfo(list);
	return r < 0 ? error_plain(err, EACCES,
			       "'%s' leads to where machines of a cloud get their credentials",
			       control->host)
		     : 0;
}

/* --- both --- */

static json_t *describe(const struct control *control)
{
	char authority[CONTROL_HOST_SIZE + 16] = "";

	if (!control->start) {
		control_authority(control, authority, sizeof(authority));
	}
	return json_pack("{s:b, s:s, s:s, s:i}", "pipe", control->start, "host", authority, "path",
		control->path, "timeoutMs", control->start ? 0 : control->timeout_ms);
}

void control_serve(struct worker_side *side, const struct decision *d,
	const struct control *control, json_t *extras)
{
	struct door door = {.pipe_fd = FD_NONE};
	struct sockaddr_storage address;
	struct error err;
	pid_t pid = 0;
	int pair[2] = {FD_NONE, FD_NONE}, r;

	if (control->start) {
		pid = start_browser(d, &door.pipe_fd, &err);
		r = pid < 0 ? (int)pid : 0;
	} else {
		door.address = (const struct sockaddr *)&address;
		r = resolve(control, &address, &door.address_size, &err);
	}
	if (r == 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		r = error_set(&err, errno, "cannot make a door");
	}
	if (r < 0) {
		json_decref(extras);
		worker_fail(side, r == -EACCES ? TOOL_FAIL_DENIED : TOOL_FAIL_UNAVAILABLE, &err);
		return;
	}
	(void)json_object_set_new(json_object_get(extras, "top"), "control", describe(control));
	worker_answer(side, extras, &pair[1], 1);
	(void)close(pair[1]);
	door_serve(pair[0], worker_lease_fd(side), &door);
	cleanup_closep(&door.pipe_fd);
	if (pid > 0) {
		end_browser(pid);
	}
}
