/* SPDX-License-Identifier: MIT */
/*
 * What a tool call costs by POST /tools/invoke on a kept-alive connection to a real gateway, against
 * the same call through the library in this process, and posix_spawn(3) of true, taken in turns. And
 * what the gateway's two processes hold when nothing happens.
 *
 *	bench-http CREEL-INIT CREEL-GATEWAY [ROUNDS [SANDBOX]]
 *
 * SANDBOX is the sandbox block of the configuration, to measure another backend.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/own.h"
#include "http-client.h"
#include "live.h"

#define TOKEN "bench"

enum {
	WARM_UP = 50,
	CALLERS = 64,
	BURST = 2048,
	FILE_SIZE = 4096,
	CROWD = 1000,
	START_MS = 10000,
	RETRY_US = 100,
};

struct bench {
	struct live live;
	const char *program; /* creel-gateway */
	char *home, *workspace;
	struct sockaddr_in address;
	pid_t gateway;
	uint64_t start_ns; /* to the first answer */
	struct http_client client;
	uint32_t rounds;
	double base_us;
};

/* --- the gateway --- */

/* A port that was free a moment ago. */
static void choose_port(struct bench *b)
{
	socklen_t len = sizeof(b->address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	b->address = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (bind(fd, (struct sockaddr *)&b->address, len) < 0 ||
		getsockname(fd, (struct sockaddr *)&b->address, &len) < 0) {
		live_die("bind", strerror(errno));
	}
	(void)close(fd);
}

static char *config_text(const struct bench *b, const char *sandbox)
{
	return xasprintf("{agents:{defaults:{workspace:'%s',sandbox:%s}},"
			 "gateway:{listen:'127.0.0.1:%d',tokens:[{name:'bench',token:'" TOKEN
			 "',admin:true}]}}",
		b->workspace, sandbox, ntohs(b->address.sin_port));
}

static void write_home(struct bench *b, const char *config)
{
	char *state = xasprintf("%s/.creel", b->home);

	if (mkdir(b->home, 0700) < 0 || mkdir(state, 0700) < 0) {
		live_die(state, strerror(errno));
	}
	free(state);
	free(live_write(&b->live, "home/.creel/creel.json", config, strlen(config)));
}

static void exec_gateway(const struct bench *b)
{
	char *log = xasprintf("%s/gateway.log", b->live.scratch);
	char *env = xasprintf("HOME=%s", b->home);
	char *const argv[] = {(char *)(uintptr_t)b->program, NULL};
	char *const envp[] = {env, (char[]){"PATH=/usr/bin:/bin"}, NULL};
	int fd = open(log, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	(void)dup2(fd, STDERR_FILENO);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)execve(b->program, argv, envp);
	live_die(b->program, strerror(errno));
}

static void start_gateway(struct bench *b)
{
	const struct timespec retry = {.tv_nsec = RETRY_US * 1000L};
	char *request = http_client_request("/healthz", TOKEN, NULL);
	uint64_t before = clock_now_ns();

	b->gateway = fork();
	if (b->gateway == 0) {
		exec_gateway(b);
	}
	do {
		(void)nanosleep(&retry, NULL);
		b->client.fd = http_client_dial(&b->address);
	} while (b->client.fd < 0 && clock_now_ns() - before < START_MS * NS_PER_MS);
	if (b->client.fd < 0) {
		live_die(b->program, "does not listen");
	}
	http_client_ask(&b->client, request);
	b->start_ns = clock_now_ns() - before;
	free(request);
}

static void stop_gateway(struct bench *b)
{
	/* Sandboxes outlive their gateway; this one is nobody's. */
	char *request = http_client_request("/v1/sandboxes/recreate", TOKEN, "{\"all\":true}");

	http_client_ask(&b->client, request);
	free(request);
	http_client_close(&b->client);
	(void)kill(b->gateway, SIGTERM);
	(void)waitpid(b->gateway, NULL, 0);
}

/* --- latency --- */

static char *invoke_request(const char *tool, const json_t *args, const char *session)
{
	json_t *json =
		json_pack("{s:s, s:O, s:s}", "tool", tool, "args", args, "sessionKey", session);
	char *body = json_dumps(json, JSON_COMPACT);
	char *request = http_client_request("/tools/invoke", TOKEN, body);

	json_decref(json);
	free(body);
	return request;
}

static uint64_t time_ask(struct bench *b, const char *request)
{
	uint64_t before = clock_now_ns();

	http_client_ask(&b->client, request);
	return clock_now_ns() - before;
}

static void bench_tool(struct bench *b, const char *name, const char *tool, json_t *args)
{
	uint64_t *library = xcalloc(b->rounds, sizeof(*library));
	uint64_t *http = xcalloc(b->rounds, sizeof(*http));
	char *request = invoke_request(tool, args, "main");
	double base_us = 0;

	for (uint32_t i = 0; i < WARM_UP; i++) {
		(void)live_call(&b->live, tool, args);
		(void)time_ask(b, request);
	}
	for (uint32_t i = 0; i < b->rounds; i++) {
		library[i] = live_call(&b->live, tool, args);
		http[i] = time_ask(b, request);
	}
	(void)printf("%s\n", name);
	live_print_row("  through the library", library, b->rounds, &base_us);
	live_print_row("  POST /tools/invoke", http, b->rounds, &base_us);
	json_decref(args);
	free(request);
	free(library);
	free(http);
}

static void bench_health(struct bench *b)
{
	uint64_t *times = xcalloc(b->rounds, sizeof(*times));
	char *request = http_client_request("/healthz", TOKEN, NULL);
	double base_us = 0;

	for (uint32_t i = 0; i < b->rounds; i++) {
		times[i] = time_ask(b, request);
	}
	live_print_row("GET /healthz", times, b->rounds, &base_us);
	free(request);
	free(times);
}

/* --- many at once --- */

static double rate_of_calls(struct bench *b, const char *request)
{
	struct http_client clients[CALLERS];
	struct pollfd fds[CALLERS];
	uint32_t begun = 0, done = 0;
	uint64_t before;

	for (uint32_t i = 0; i < CALLERS; i++) {
		http_client_open(&clients[i], &b->address);
		fds[i] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
	}
	before = clock_now_ns();
	for (; begun < CALLERS; begun++) {
		http_client_send(&clients[begun], request);
	}
	while (done < BURST) {
		(void)poll(fds, CALLERS, -1);
		for (uint32_t i = 0; i < CALLERS; i++) {
			if (fds[i].revents == 0 || !http_client_receive(&clients[i])) {
				continue;
			}
			done++;
			buf_clear(&clients[i].in);
			if (begun < BURST) {
				begun++;
				http_client_send(&clients[i], request);
			}
		}
	}
	before = clock_now_ns() - before;
	for (uint32_t i = 0; i < CALLERS; i++) {
		http_client_close(&clients[i]);
	}
	return BURST * 1e9 / (double)before;
}

static void bench_burst(struct bench *b)
{
	json_t *args = json_pack("{s:s}", "command", "true");
	char *request = invoke_request("exec", args, "main");
	double spawns = live_rate_of_spawns(CALLERS, BURST), calls = rate_of_calls(b, request);

	(void)printf("%d connections with exec true: %.0f/s, posix_spawn: %.0f/s, %.0f %%\n",
		CALLERS, calls, spawns, calls * 100 / spawns);
	json_decref(args);
	free(request);
}

/* --- memory --- */

static long resident_kib(pid_t pid)
{
	char *path = xasprintf("/proc/%d/status", pid), line[256];
	FILE *file = fopen(path, "re");
	long kib = 0;

	free(path);
	if (file == NULL) {
		return 0;
	}
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, "VmRSS:", 6) == 0) {
			kib = strtol(line + 6, NULL, 10);
		}
	}
	(void)fclose(file);
	return kib;
}

/* The broker's child of this name. */
static pid_t find_front(pid_t broker)
{
	char *path = xasprintf("/proc/%d/task/%d/children", broker, broker), text[4096] = "";
	FILE *file = fopen(path, "re");
	pid_t found = 0;
	char *at = text;

	if (file == NULL || fgets(text, sizeof(text), file) == NULL) {
		live_die(path, "the gateway has no children");
	}
	(void)fclose(file);
	free(path);
	while (found == 0 && *at != '\0') {
		pid_t pid = (pid_t)strtol(at, &at, 10);
		char comm[32] = "";

		path = xasprintf("/proc/%d/comm", pid);
		file = fopen(path, "re");
		if (file != NULL && fgets(comm, sizeof(comm), file) != NULL &&
			strcmp(comm, "creel-front\n") == 0) {
			found = pid;
		}
		if (file != NULL) {
			(void)fclose(file);
		}
		free(path);
		at += strspn(at, " ");
	}
	return found;
}

static void print_memory(const struct bench *b, const char *when)
{
	long broker = resident_kib(b->gateway), front = resident_kib(find_front(b->gateway));

	(void)printf("%-34s broker %.1f MiB, front %.1f MiB, together %.1f MiB\n", when,
		(double)broker / 1024, (double)front / 1024, (double)(broker + front) / 1024);
}

static void bench_crowd(struct bench *b)
{
	struct http_client *crowd = xcalloc(CROWD, sizeof(*crowd));
	json_t *args = json_pack("{s:s}", "path", "read.txt");

	for (uint32_t i = 0; i < CROWD; i++) {
		char session[32];
		char *request;

		(void)snprintf(session, sizeof(session), "crowd-%u", i);
		request = invoke_request("read", args, session);
		http_client_open(&crowd[i], &b->address);
		http_client_ask(&crowd[i], request);
		free(request);
	}
	print_memory(b, "1000 connections, 1000 sessions");
	for (uint32_t i = 0; i < CROWD; i++) {
		http_client_close(&crowd[i]);
	}
	json_decref(args);
	free(crowd);
}

/* --- all of it --- */

static void raise_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	struct bench b = {.rounds = 1000};
	_cleanup_free_ char *page = xmalloc(FILE_SIZE);
	char *config;

	if (argc < 3 || (argc > 3 && num_parse_u32(argv[3], 10, 1000000, &b.rounds) < 0)) {
		(void)fprintf(
			stderr, "usage: bench-http CREEL-INIT CREEL-GATEWAY [ROUNDS [SANDBOX]]\n");
		return 2;
	}
	raise_files();
	memset(page, 'x', FILE_SIZE);
	live_init(&b.live);
	b.program = argv[2];
	b.home = xasprintf("%s/home", b.live.scratch);
	b.workspace = xasprintf("%s/ws", b.live.scratch);
	free(live_write(&b.live, "ws/read.txt", page, FILE_SIZE));
	choose_port(&b);
	config = config_text(&b, argc > 4 ? argv[4]
					  : "{mode:'all',scope:'shared',workspaceAccess:'rw',"
					    "backend:'native'}");
	write_home(&b, config);
	live_start(&b.live, argv[1], config);
	live_open(&b.live, true);
	start_gateway(&b);
	(void)printf("from exec to the first answer: %.1f ms\n", (double)b.start_ns / 1e6);
	print_memory(&b, "idle, before any call");
	(void)printf("%-34s %8s %8s %8s   (microseconds)\n", "", "p50", "p90", "p99");
	bench_health(&b);
	bench_tool(&b, "exec true", "exec", json_pack("{s:s}", "command", "true"));
	bench_tool(&b, "read of 4 KiB", "read", json_pack("{s:s}", "path", "read.txt"));
	bench_burst(&b);
	bench_crowd(&b);
	stop_gateway(&b);
	live_finish(&b.live);
	free(config);
	return 0;
}
