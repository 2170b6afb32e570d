/* SPDX-License-Identifier: MIT */
/* A live sandbox, driven through the library in this process, and what is measured beside it. */
#include "live.h"

#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "sandbox/resolve.h"

static char scratch[] = "/tmp/creel-bench-XXXXXX";

void live_die(const char *what, const char *why)
{
	(void)fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, why);
	exit(EXIT_FAILURE);
}

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

void live_init(struct live *live)
{
	char *workspace;

	*live = (struct live){.scratch = scratch, .sandbox.stream_fd = -1};
	if (mkdtemp(scratch) == NULL) {
		live_die(scratch, strerror(errno));
	}
	(void)atexit(remove_scratch);
	workspace = xasprintf("%s/ws", scratch);
	if (mkdir(workspace, 0777) < 0 || chmod(workspace, 0777) < 0 || chmod(scratch, 0755) < 0) {
		live_die(workspace, strerror(errno));
	}
	free(workspace);
}

char *live_write(const struct live *live, const char *name, const char *text, size_t len)
{
	char *path = xasprintf("%s/%s", live->scratch, name);
	FILE *file = fopen(path, "we");

	if (file == NULL || fwrite(text, 1, len, file) != len || fclose(file) != 0) {
		live_die(path, strerror(errno));
	}
	return path;
}

void live_start(struct live *live, const char *init_path, const char *config)
{
	struct config_request request = {0};
	struct decide_request wanted = {0};
	struct backend_start_opts opts = {.init_path = init_path};
	const char *reason = NULL;
	struct error err;

	request.path = live_write(live, "creel.json", config, strlen(config));
	wanted.workspace = xasprintf("%s/ws", live->scratch);
	if (config_env_from_process(&request.env, &err) < 0 ||
		config_load(&request, &live->config, &err) < 0 ||
		decide(live->config, &wanted, &live->decision, &err) < 0 ||
		sandbox_resolve(live->decision, RESOLVE_CREATE, &reason, &err) < 0) {
		live_die("cannot prepare", err.text);
	}
	live->backend = backend_by_kind(live->decision->spec.backend);
	if (live->backend->start(&live->decision->spec, &opts, &live->sandbox, &err) < 0) {
		live_die("cannot start", err.text);
	}
	live->link = link_new(live->sandbox.stream_fd,
		live->sandbox.has_token ? live->sandbox.token : NULL, true, NULL, NULL);
	if (link_wait_ready(live->link, 10000, &err) < 0) {
		live_die("not ready", err.text);
	}
}

void live_open(struct live *live, bool no_sync)
{
	live->session = tool_session_free(live->session);
	live->session = tool_session_new(&(struct tool_session_opts){
		.link = live->link,
		.decision = live->decision,
		.backend_name = live->backend->name,
		.container = live->decision->spec.name,
		.may_background = true,
		.no_sync = no_sync,
	});
}

void live_finish(struct live *live)
{
	struct error ignored;

	live->session = tool_session_free(live->session);
	live->link = link_free(live->link);
	(void)live->backend->finish(&live->sandbox, &ignored);
	live->decision = decision_free(live->decision);
	live->config = config_free(live->config);
}

/* --- calls --- */

void live_turn(struct live *live)
{
	struct pollfd p = {.fd = link_fd(live->link), .events = link_events(live->link)};
	struct error err;

	(void)poll(&p, 1, clock_left_ms(tool_session_deadline(live->session)));
	if (link_pump(live->link, p.revents, &err) < 0) {
		live_die("link", err.text);
	}
	tool_session_tick(live->session, clock_now_ns());
}

static void on_done(void *arg, struct tool_result *result)
{
	uint32_t *left = arg;

	if (result->failure.message != NULL) {
		live_die("a call failed", result->failure.message);
	}
	tool_result_finish(result);
	(*left)--;
}

void live_begin(struct live *live, const char *tool, const json_t *args, uint32_t *left)
{
	(void)tool_call_start(
		live->session, tool, args, &(struct tool_call_opts){.done = on_done, .arg = left});
}

uint64_t live_call(struct live *live, const char *tool, const json_t *args)
{
	uint64_t before = clock_now_ns();
	uint32_t left = 1;

	live_begin(live, tool, args, &left);
	while (left > 0) {
		live_turn(live);
	}
	return clock_now_ns() - before;
}

/* --- processes without a sandbox --- */

static pid_t spawn_true(void)
{
	char *const argv[] = {(char[]){"true"}, NULL};
	char *const env[] = {(char[]){"PATH=/usr/bin:/bin"}, NULL};
	pid_t pid;

	if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv, env) != 0) {
		live_die("posix_spawn", strerror(errno));
	}
	return pid;
}

uint64_t live_time_spawn(void)
{
	uint64_t before = clock_now_ns();

	if (waitpid(spawn_true(), NULL, 0) < 0) {
		live_die("waitpid", strerror(errno));
	}
	return clock_now_ns() - before;
}

double live_rate_of_spawns(uint32_t callers, uint32_t count)
{
	uint64_t before = clock_now_ns();
	uint32_t left = 0, begun = 0;

	while (begun < count || left > 0) {
		while (begun < count && left < callers) {
			(void)spawn_true();
			left++;
			begun++;
		}
		if (wait(NULL) > 0) {
			left--;
		}
	}
	return count * 1e9 / (double)(clock_now_ns() - before);
}

/* --- figures --- */

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

double live_percentile(uint64_t *values, uint32_t count, unsigned percent)
{
	qsort(values, count, sizeof(*values), by_value);
	return (double)values[(uint64_t)(count - 1) * percent / 100] / 1000.0;
}

void live_print_row(const char *name, uint64_t *values, uint32_t count, double *base_us)
{
	double p50 = live_percentile(values, count, 50);

	if (*base_us <= 0) {
		*base_us = p50;
	}
	(void)printf("%-34s %8.0f %8.0f %8.0f   x%.2f\n", name, p50,
		live_percentile(values, count, 90), live_percentile(values, count, 99),
		p50 / *base_us);
}
