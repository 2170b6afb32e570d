/* SPDX-License-Identifier: MIT */
/*
 * creel-probe: the attacker's program. "run" tries everything and prints a line per attack: name, tab,
 * outcome, tab, reason. The other words are what attacks need a second program for.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "selftest/probe.h"

enum {
	/* The slowest probe takes a fraction of this; a machine under load may take longer. */
	PROBE_TIMEOUT_S = 20,
	/* Processes of the probe before may still be dying. */
	FORK_TRIES = 500,
	FORK_STEP_NS = 10000000,
	STREAM_FD = 3,
	REQUEST_MAX = 4096,
};

/* --- what the host set up --- */

static void set_canary(struct probe_host *host, const char *reversed)
{
	size_t len = strlen(reversed);

	/* Backwards on the command line, so that looking for it in /proc does not find ourselves. */
	if (len < sizeof(host->canary)) {
		for (size_t i = 0; i < len; i++) {
			host->canary[i] = reversed[len - 1 - i];
		}
		host->canary[len] = '\0';
	}
}

static void set_number(struct probe_host *host, const char *key, const char *value)
{
	const struct {
		const char *key;
		int *place;
	} numbers[] = {
		{"tcp", &host->tcp_port},
		{"udp", &host->udp_port},
		{"sibling-port", &host->sibling_port},
		{"pids", &host->pids_limit},
		{"memory", &host->memory_mib},
		{"victim", &host->victim},
	};

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (strcmp(numbers[i].key, key) == 0) {
			*numbers[i].place = (int)strtol(value, NULL, 10);
		}
	}
}

static void set_value(struct probe_host *host, char *item)
{
	char *value = strchr(item, '=');

	if (value == NULL) {
		return;
	}
	*value++ = '\0';
	if (strcmp(item, "outside") == 0) {
		host->outside = value;
	} else if (strcmp(item, "abstract") == 0) {
		host->abstract = value;
	} else if (strcmp(item, "sibling-abstract") == 0) {
		host->sibling_abstract = value;
	} else if (strcmp(item, "path-socket") == 0) {
		host->path_socket = value;
	} else if (strcmp(item, "node") == 0) {
		host->node = value;
	} else if (strcmp(item, "canary") == 0) {
		set_canary(host, value);
	} else if (strcmp(item, "engine") == 0) {
		host->engine = true;
	} else {
		set_number(host, item, value);
	}
}

/* --- what probes use --- */

_printf_(2, 0) static void explain(const struct probe_call *call, const char *fmt, va_list args)
{
	(void)vsnprintf(call->why, PROBE_WHY_MAX, fmt, args);
	for (char *c = call->why; *c != '\0'; c++) {
		*c = *c == '\n' || *c == '\t' ? ' ' : *c;
	}
}

enum outcome probe_held(const struct probe_call *call, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	explain(call, fmt, args);
	va_end(args);
	return OUTCOME_HELD;
}

enum outcome probe_fell(const struct probe_call *call, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	explain(call, fmt, args);
	va_end(args);
	return OUTCOME_FELL;
}

enum outcome probe_na(const struct probe_call *call, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	explain(call, fmt, args);
	va_end(args);
	return OUTCOME_NA;
}

enum outcome probe_refused(const struct probe_call *call, long result, const char *what)
{
	int num = errno;

	return result < 0 ? probe_held(call, "%s: %s", what, strerror(num))
			  : probe_fell(call, "%s works", what);
}

const char *probe_decoy(const struct probe_call *call)
{
	static char path[512];

	(void)snprintf(path, sizeof(path), "%s/%s", call->host->outside, call->id);
	return path;
}

int probe_holds_canary(const struct probe_call *call, const char *path)
{
	char text[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));

	if (fd >= 0) {
		(void)close(fd);
	}
	if (n < 0 || call->host->canary[0] == '\0') {
		return -1;
	}
	return memmem(text, (size_t)n, call->host->canary, strlen(call->host->canary)) != NULL;
}

int probe_scribble(int fd)
{
	static const char text[] = "changed from inside\n";

	return pwrite(fd, text, sizeof(text) - 1, 0) < 0 ? -1 : 0;
}

/* --- running them --- */

struct result {
	enum outcome outcome;
	char why[PROBE_WHY_MAX];
};

static const struct {
	const struct probe *list;
	const size_t *count;
} areas[] = {
	{probes_files, &probes_files_count}, {probes_read_only, &probes_read_only_count},
	{probes_processes, &probes_processes_count}, {probes_kernel, &probes_kernel_count},
	{probes_network, &probes_network_count},
	{probes_resources, &probes_resources_count}, /* last: they leave a mess */
};

static pid_t fork_patiently(void)
{
	const struct timespec step = {.tv_nsec = FORK_STEP_NS};
	pid_t pid = fork();

	for (int i = 0; pid < 0 && i < FORK_TRIES; i++) {
		(void)nanosleep(&step, NULL);
		pid = fork();
	}
	return pid;
}

/* false: it did not end in time. */
static bool await_child(pid_t pid, const sigset_t *signals, int *ret_status)
{
	const struct timespec limit = {.tv_sec = PROBE_TIMEOUT_S};

	for (;;) {
		pid_t ended = waitpid(pid, ret_status, WNOHANG);

		if (ended == pid) {
			return true;
		}
		if (ended < 0 || (sigtimedwait(signals, NULL, &limit) < 0 && errno == EAGAIN)) {
			return false;
		}
	}
}

static void run_one(const struct probe_host *host, const struct probe *probe, struct result *shared,
	const sigset_t *signals)
{
	const struct probe_call call = {.host = host, .id = probe->id, .why = shared->why};
	int status = 0;
	bool ended;
	pid_t pid;

	*shared = (struct result){.outcome = OUTCOME_BROKEN};
	pid = fork_patiently();
	if (pid == 0) {
		(void)setpgid(0, 0);
		(void)sigprocmask(SIG_UNBLOCK, signals, NULL);
		shared->outcome = probe->run(&call);
		_exit(0);
	}
	if (pid < 0) {
		(void)probe_na(&call, "no process for it: %s", strerror(errno));
		return;
	}
	ended = await_child(pid, signals, &status);
	(void)kill(-pid, SIGKILL);
	(void)kill(pid, SIGKILL);
	if (!ended) {
		(void)waitpid(pid, &status, 0);
		shared->outcome = OUTCOME_BROKEN;
		(void)probe_na(&call, "it did not end within %d s", PROBE_TIMEOUT_S);
	} else if (WIFSIGNALED(status)) {
		shared->outcome = OUTCOME_BROKEN;
		(void)probe_na(&call, "ended by signal %d", WTERMSIG(status));
	}
}

static void report(int fd, const char *id, const struct result *result)
{
	char line[PROBE_WHY_MAX + PROBE_NAME_MAX + 32];
	int len = snprintf(
		line, sizeof(line), "%s\t%s\t%s\n", id, outcome_name(result->outcome), result->why);

	if (write(fd, line, (size_t)len) != len) {
		_exit(1);
	}
}

static int run_all(const struct probe_host *host, const char *only, int fd)
{
	struct result *shared = mmap(
		NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sigset_t signals;

	if (shared == MAP_FAILED) {
		return 1;
	}
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	for (size_t a = 0; a < ARRAY_SIZE(areas); a++) {
		for (size_t i = 0; i < *areas[a].count; i++) {
			const struct probe *probe = &areas[a].list[i];

			if (attack_is_listed(only, probe->id)) {
				run_one(host, probe, shared, &signals);
				report(fd, probe->id, shared);
			}
		}
	}
	return 0;
}

/* --- the other words --- */

/* What a set-user-id program of this code would have gained. */
static int say_ids(void)
{
	char text[4096];
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	const char *caps;

	text[n > 0 ? n : 0] = '\0';
	caps = strstr(text, "CapEff:\t");
	(void)printf("%d %d %.16s\n", geteuid() == getuid(), getegid() == getgid(),
		caps != NULL ? caps + 8 : "?");
	return fflush(stdout) != 0;
}

static int open_listener(int family, const struct sockaddr *address, socklen_t len)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && bind(fd, address, len) == 0 && listen(fd, 16) == 0 ? fd : -1;
}

static int listen_abstract(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = strlen(name);

	if (len >= sizeof(address.sun_path)) {
		return -1;
	}
	memcpy(address.sun_path + 1, name, len);
	return open_listener(AF_UNIX, (const struct sockaddr *)&address,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len));
}

static int listen_port(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	return open_listener(AF_INET, (const struct sockaddr *)&address, sizeof(address));
}

/* Print who came: the first line that a visitor sends. */
static void receive_visitor(int listener)
{
	char name[PROBE_NAME_MAX];
	int fd = accept(listener, NULL, NULL);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n = fd >= 0 && poll(&p, 1, 1000) == 1 ? read(fd, name, sizeof(name) - 1) : 0;

	name[n > 0 ? n : 0] = '\0';
	(void)printf("visit %s\n", name);
	(void)fflush(stdout);
	(void)close(fd);
}

/* The neighbour: it listens where others must not reach it. */
static int be_sibling(const struct probe_host *host)
{
	struct pollfd listeners[2] = {
		{.fd = listen_abstract(host->sibling_abstract), .events = POLLIN},
		{.fd = listen_port(host->sibling_port), .events = POLLIN},
	};

	(void)prctl(PR_SET_NAME, "creel-sibling");
	(void)printf("ready %d %d\n", listeners[0].fd >= 0, listeners[1].fd >= 0);
	(void)fflush(stdout);
	while (poll(listeners, 2, -1) > 0) {
		for (size_t i = 0; i < 2; i++) {
			if (listeners[i].revents != 0) {
				receive_visitor(listeners[i].fd);
			}
		}
	}
	return 0;
}

/* What confines this process, to be compared with what confines another. */
static int say_posture(void)
{
	static const char *const lines[] = {"CapEff:", "CapBnd:", "NoNewPrivs:", "Seccomp:"};
	static const char *const spaces[] = {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"};
	char text[8192];
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		const char *line = strstr(text, lines[i]);

		(void)printf("%.*s ", line != NULL ? (int)strcspn(line, "\n") : 0,
			line != NULL ? line : "");
	}
	for (size_t i = 0; i < ARRAY_SIZE(spaces); i++) {
		char path[32];

		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", spaces[i]);
		n = readlink(path, text, sizeof(text) - 1);
		(void)printf("%.*s ", n > 0 ? (int)n : 0, text);
	}
	(void)printf("%s\n", getcwd(text, sizeof(text)) != NULL ? text : "?");
	return fflush(stdout) != 0;
}

/* Much output without a line end. */
static int flood(void)
{
	static char block[1 << 16];

	memset(block, '\x1b', sizeof(block));
	for (int i = 0; i < 4096; i++) {
		if (write(STDOUT_FILENO, block, sizeof(block)) < 0) {
			return 1;
		}
	}
	return 0;
}

/* In creel-init's place: what to do comes over the stream, and the answer goes there. */
static int serve_direct(struct probe_host *host)
{
	static char request[REQUEST_MAX];
	ssize_t n = recv(STREAM_FD, request, sizeof(request) - 1, 0);
	const char *only = NULL;
	char *save = NULL;

	request[n > 0 ? n : 0] = '\0';
	host->direct = true;
	for (char *item = strtok_r(request, "\n", &save); item != NULL;
		item = strtok_r(NULL, "\n", &save)) {
		if (strncmp(item, "only=", 5) == 0) {
			only = item + 5;
		} else {
			set_value(host, item);
		}
	}
	return run_all(host, only, STREAM_FD);
}

int main(int argc, char **argv)
{
	struct probe_host host = {.outside = "/nonexistent",
		.abstract = "none",
		.sibling_abstract = "none",
		.path_socket = "/nonexistent",
		.node = ""};
	const char *word = argc > 1 ? argv[1] : "";
	const char *only = NULL;

	if (strncmp(word, "--", 2) == 0) {
		return serve_direct(&host);
	}
	for (int i = 2; i < argc; i++) {
		if (strncmp(argv[i], "only=", 5) == 0) {
			only = argv[i] + 5;
		} else {
			set_value(&host, argv[i]);
		}
	}
	if (strcmp(word, "run") == 0) {
		return run_all(&host, only, STDOUT_FILENO);
	}
	if (strcmp(word, "sibling") == 0) {
		return be_sibling(&host);
	}
	if (strcmp(word, "ids") == 0) {
		return say_ids();
	}
	if (strcmp(word, "posture") == 0) {
		return say_posture();
	}
	if (strcmp(word, "flood") == 0) {
		return flood();
	}
	(void)fputs("creel-probe is for 'creel selftest'\n", stderr);
	return 2;
}
