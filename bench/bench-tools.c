/* SPDX-License-Identifier: MIT */
/*
 * What whole tool calls cost in a live native sandbox, from JSON arguments to the JSON result,
 * against posix_spawn(3) of true taken in turns with them.
 *
 *	bench-tools CREEL-INIT [ROUNDS]
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/backend.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/own.h"
#include "sandbox/resolve.h"
#include "tools/tool.h"

enum { WARM_UP = 20, CALLERS = 64, BURST = 1024, FILE_SIZE = 4096 };

static char scratch[] = "/tmp/bench-tools-XXXXXX";

struct bench {
	struct config *config;
	struct decision *decision;
	struct backend_sandbox sandbox;
	const struct backend_ops *backend;
	struct link *link;
	struct tool_session *session;
	uint32_t rounds;
	double base_us; /* p50 of posix_spawn */
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	(void)st;
	(void)type;
	(void)walk;
	return remove(path);
}

static void remove_scratch(void)
{
	(void)nftw(scratch, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

_Noreturn static void die(const char *what, const char *why)
{
	(void)fprintf(stderr, "bench-tools: %s: %s\n", what, why);
	exit(EXIT_FAILURE);
}

static char *write_file(const char *name, const char *text, size_t len)
{
	char *path = xasprintf("%s/%s", scratch, name);
	FILE *file = fopen(path, "we");

	if (file == NULL || fwrite(text, 1, len, file) != len || fclose(file) != 0) {
		die(path, strerror(errno));
	}
	return path;
}

static void start(struct bench *b, const char *init_path)
{
	static const char text[] =
		"{agents:{defaults:{sandbox:{mode:'all',workspaceAccess:'rw',backend:'native'}}}}";
	struct config_request request = {0};
	struct decide_request wanted = {0};
	struct backend_start_opts opts = {.init_path = init_path};
	const char *reason = NULL;
	char *workspace;
	struct error err;

	if (mkdtemp(scratch) == NULL) {
		die(scratch, strerror(errno));
	}
	(void)atexit(remove_scratch);
	request.path = write_file("creel.json", text, strlen(text));
	workspace = xasprintf("%s/ws", scratch);
	wanted.workspace = workspace;
	if (mkdir(workspace, 0777) < 0 || chmod(workspace, 0777) < 0 ||
		config_env_from_process(&request.env, &err) < 0 ||
		config_load(&request, &b->config, &err) < 0 ||
		decide(b->config, &wanted, &b->decision, &err) < 0 ||
		sandbox_resolve(b->decision, RESOLVE_CREATE, &reason, &err) < 0) {
		die("cannot prepare", err.text);
	}
	b->backend = backend_by_kind(b->decision->spec.backend);
	if (b->backend->start(&b->decision->spec, &opts, &b->sandbox, &err) < 0) {
		die("cannot start", err.text);
	}
	b->link = link_new(b->sandbox.stream_fd, b->sandbox.has_token ? b->sandbox.token : NULL,
		true, NULL, NULL);
	if (link_wait_ready(b->link, 10000, &err) < 0) {
		die("not ready", err.text);
	}
}

static void open_session(struct bench *b, bool no_sync)
{
	b->session = tool_session_new(&(struct tool_session_opts){
		.link = b->link,
		.decision = b->decision,
		.backend_name = b->backend->name,
		.container = b->decision->spec.name,
		.may_background = true,
		.no_sync = no_sync,
	});
}

static void turn(struct bench *b)
{
	struct pollfd p = {.fd = link_fd(b->link), .events = link_events(b->link)};
	struct error err;

	(void)poll(&p, 1, clock_left_ms(tool_session_deadline(b->session)));
	if (link_pump(b->link, p.revents, &err) < 0) {
		die("link", err.text);
	}
	tool_session_tick(b->session, clock_now_ns());
}

static void on_done(void *arg, struct tool_result *result)
{
	uint32_t *left = arg;

	if (result->failure.message != NULL) {
		die("a call failed", result->failure.message);
	}
	tool_result_finish(result);
	(*left)--;
}

static void begin(struct bench *b, const char *tool, const json_t *args, uint32_t *left)
{
	(void)tool_call_start(
		b->session, tool, args, &(struct tool_call_opts){.done = on_done, .arg = left});
}

static uint64_t call(struct bench *b, const char *tool, const json_t *args)
{
	uint64_t before = clock_now_ns();
	uint32_t left = 1;

	begin(b, tool, args, &left);
	while (left > 0) {
		turn(b);
	}
	return clock_now_ns() - before;
}

static pid_t spawn_true(void)
{
	char *const argv[] = {(char[]){"true"}, NULL};
	char *const env[] = {(char[]){"PATH=/usr/bin:/bin"}, NULL};
	pid_t pid;

	if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv, env) != 0) {
		die("posix_spawn", strerror(errno));
	}
	return pid;
}

static uint64_t time_spawn(void)
{
	uint64_t before = clock_now_ns();

	if (waitpid(spawn_true(), NULL, 0) < 0) {
		die("waitpid", strerror(errno));
	}
	return clock_now_ns() - before;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static double percentile(const uint64_t *values, uint32_t count, unsigned percent)
{
	uint64_t at = (uint64_t)(count - 1) * percent / 100;

	return (double)values[at] / 1000.0;
}

static void print_row(struct bench *b, const char *name, uint64_t *values)
{
	qsort(values, b->rounds, sizeof(*values), by_value);
	if (b->base_us <= 0) {
		b->base_us = percentile(values, b->rounds, 50);
	}
	(void)printf("%-34s %8.0f %8.0f %8.0f   x%.2f\n", name, percentile(values, b->rounds, 50),
		percentile(values, b->rounds, 90), percentile(values, b->rounds, 99),
		percentile(values, b->rounds, 50) / b->base_us);
}

static void bench_exec(struct bench *b)
{
	uint64_t *calls = xcalloc(b->rounds, sizeof(*calls));
	uint64_t *spawns = xcalloc(b->rounds, sizeof(*spawns));
	json_t *args = json_pack("{s:s}", "command", "true");

	for (uint32_t i = 0; i < WARM_UP; i++) {
		(void)call(b, "exec", args);
		(void)time_spawn();
	}
	for (uint32_t i = 0; i < b->rounds; i++) {
		spawns[i] = time_spawn();
		calls[i] = call(b, "exec", args);
	}
	print_row(b, "posix_spawn of true", spawns);
	print_row(b, "exec true", calls);
	json_decref(args);
	free(calls);
	free(spawns);
}

/* Two argument objects in turns, so that edits and patches find what they look for. */
static void bench_pair(
	struct bench *b, const char *name, const char *tool, json_t *one, json_t *two)
{
	uint64_t *calls = xcalloc(b->rounds, sizeof(*calls));

	for (uint32_t i = 0; i < WARM_UP; i++) {
		(void)call(b, tool, i % 2 == 0 ? one : two);
	}
	for (uint32_t i = 0; i < b->rounds; i++) {
		calls[i] = call(b, tool, i % 2 == 0 ? one : two);
	}
	print_row(b, name, calls);
	json_decref(one);
	json_decref(two);
	free(calls);
}

static json_t *edit_args(const char *from, const char *to)
{
	return json_pack("{s:s, s:s, s:s}", "path", "edit.txt", "oldText", from, "newText", to);
}

static json_t *patch_args(const char *from, const char *to)
{
	char *text =
		xasprintf("*** Begin Patch\n*** Update File: patch.txt\n@@\n-%s 10\n+%s 10\n@@\n"
			  "-%s 50\n+%s 50\n@@\n-%s 90\n+%s 90\n*** End Patch\n",
			from, to, from, to, from, to);
	json_t *args = json_pack("{s:s}", "input", text);

	free(text);
	return args;
}

static void bench_files(struct bench *b)
{
	_cleanup_buf_ struct buf page = {0}, lines = {0};
	json_t *args;

	for (int i = 0; i < FILE_SIZE / 64; i++) {
		buf_addf(&page, "%063d\n", i);
	}
	for (int i = 0; i < 100; i++) {
		buf_addf(&lines, "line %d\n", i);
	}
	free(write_file("ws/read.txt", page.data, page.len));
	free(write_file("ws/edit.txt", "one\ntwo\nthree\n", 14));
	free(write_file("ws/patch.txt", lines.data, lines.len));
	args = json_pack("{s:s}", "path", "read.txt");
	bench_pair(b, "read of 4 KiB", "read", json_incref(args), args);
	args = json_pack("{s:s, s:s}", "path", "write.txt", "content", page.data);
	bench_pair(b, "write of 4 KiB", "write", json_incref(args), args);
	bench_pair(b, "edit", "edit", edit_args("two", "TWO"), edit_args("TWO", "two"));
	bench_pair(b, "apply_patch of three hunks", "apply_patch", patch_args("line", "LINE"),
		patch_args("LINE", "line"));
}

static void bench_synced(struct bench *b)
{
	json_t *args = json_pack("{s:s, s:s}", "path", "write.txt", "content", "text\n");

	bench_pair(b, "write, with fsync", "write", json_incref(args), args);
	bench_pair(b, "edit, with fsync", "edit", edit_args("two", "TWO"), edit_args("TWO", "two"));
}

/* CALLERS at work at any time, BURST in all: calls per second. */
static double rate_of_calls(struct bench *b)
{
	json_t *args = json_pack("{s:s}", "command", "true");
	uint64_t before = clock_now_ns();
	uint32_t left = 0, begun = 0;

	while (begun < BURST || left > 0) {
		while (begun < BURST && left < CALLERS) {
			left++;
			begun++;
			begin(b, "exec", args, &left);
		}
		turn(b);
	}
	json_decref(args);
	return BURST * 1e9 / (double)(clock_now_ns() - before);
}

static double rate_of_spawns(void)
{
	uint64_t before = clock_now_ns();
	uint32_t left = 0, begun = 0;

	while (begun < BURST || left > 0) {
		while (begun < BURST && left < CALLERS) {
			(void)spawn_true();
			left++;
			begun++;
		}
		if (wait(NULL) > 0) {
			left--;
		}
	}
	return BURST * 1e9 / (double)(clock_now_ns() - before);
}

static void bench_burst(struct bench *b)
{
	double spawns = rate_of_spawns(), calls = rate_of_calls(b);

	(void)printf("%d callers of exec true: %.0f/s, posix_spawn: %.0f/s, %.0f %%\n", CALLERS,
		calls, spawns, calls * 100 / spawns);
}

int main(int argc, char **argv)
{
	struct bench b = {.rounds = 1000, .sandbox.stream_fd = -1};
	struct error ignored;

	if (argc < 2 || (argc > 2 && num_parse_u32(argv[2], 10, 1000000, &b.rounds) < 0)) {
		(void)fprintf(stderr, "usage: bench-tools CREEL-INIT [ROUNDS]\n");
		return 2;
	}
	start(&b, argv[1]);
	open_session(&b, true);
	(void)printf("%-34s %8s %8s %8s   (microseconds)\n", "", "p50", "p90", "p99");
	bench_exec(&b);
	bench_files(&b);
	bench_burst(&b);
	b.session = tool_session_free(b.session);
	open_session(&b, false);
	bench_synced(&b);
	b.session = tool_session_free(b.session);
	b.link = link_free(b.link);
	(void)b.backend->finish(&b.sandbox, &ignored);
	b.decision = decision_free(b.decision);
	b.config = config_free(b.config);
	return 0;
}
