/* SPDX-License-Identifier: MIT */
/*
 * What a new native sandbox costs, through the library and through programs, against posix_spawn(3)
 * of the same command and against bubblewrap. Taken in turns, so that all see the same machine: once with a
 * pause before each, and once back to back, where everybody pays for what the kernel still clears away
 * of the one before (a network namespace takes it some milliseconds). Also the memory of an idle sandbox.
 *
 *	bench-native CREEL-INIT [ROUNDS [CREEL]]
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "backend/backend.h"
#include "base/clock.h"
#include "base/macro.h"
#include "base/mem.h"
#include "base/num.h"
#include "wire/link.h"

enum { WARM_UP = 10, MAX_ARGS = 16, PAUSE_MS = 10 };

static const char *const environment[] = {"PATH=/usr/bin:/bin", NULL};

struct setup {
	struct sandbox_spec spec;
	struct spec_mount workspace;
	struct backend_start_opts opts;
	char directory[64];
	struct backend_sandbox live;
	struct link *live_link;
	uint64_t
		known_ns; /* of the sandbox before: from asking for it to the exit status of true */
};

_Noreturn static void die(const char *what)
{
	(void)fprintf(stderr, "bench-native: %s\n", what);
	exit(EXIT_FAILURE);
}

static void on_exited(void *arg, const struct wire_exited *exited)
{
	if (exited->code != 0) {
		die("the command in the sandbox failed");
	}
	*(bool *)arg = true;
}

static void on_failed(void *arg, const struct wire_failed *failed)
{
	(void)arg;
	(void)fprintf(stderr, "%.*s\n", (int)failed->text.len, (const char *)failed->text.data);
	exit(EXIT_FAILURE);
}

static void run_true(struct link *link, uint32_t flags)
{
	static const char *const argv[] = {"/bin/true", NULL};
	static const struct link_process_ops ops = {.exited = on_exited, .failed = on_failed};
	const struct wire_spawn spawn = {.flags = flags,
		.uid = WIRE_NO_ID,
		.gid = WIRE_NO_ID,
		.argv = argv,
		.env = environment};
	bool done = false;
	struct error err;
	uint32_t stream;

	if (link_spawn(link, &spawn, &ops, &done, &stream, &err) < 0) {
		die(err.text);
	}
	while (!done) {
		struct pollfd p = {.fd = link_fd(link), .events = link_events(link)};

		(void)poll(&p, 1, -1);
		if (link_pump(link, p.revents, &err) < 0) {
			die(err.text);
		}
	}
}

/* In the sandbox that is there for that. */
static uint64_t live_once(struct setup *setup)
{
	uint64_t before = clock_now_ns();

	run_true(setup->live_link, 0);
	return clock_now_ns() - before;
}

/*
 * The whole life: start, true, end. The caller has the exit status before the end begins; how long
 * that took is a row of its own.
 */
static uint64_t library_once(struct setup *setup)
{
	const struct backend_ops *native = backend_by_kind(BACKEND_NATIVE);
	struct backend_sandbox sandbox;
	uint64_t before = clock_now_ns();
	struct link *link;
	struct error err;

	if (native->start(&setup->spec, &setup->opts, &sandbox, &err) < 0) {
		die(err.text);
	}
	link = link_new(sandbox.stream_fd, NULL, true, NULL, NULL);
	link_greet(link);
	run_true(link, WIRE_SPAWN_LAST);
	setup->known_ns = clock_now_ns() - before;
	(void)link_free(link);
	if (native->finish(&sandbox, &err) < 0) {
		die(err.text);
	}
	return clock_now_ns() - before;
}

/* Up to the exit status alone, of the life that was just measured. */
static uint64_t known_once(struct setup *setup)
{
	return setup->known_ns;
}

/* What programs say is nobody's here. */
static const posix_spawn_file_actions_t *quiet(void)
{
	static posix_spawn_file_actions_t actions;
	static bool ready;

	if (!ready) {
		(void)posix_spawn_file_actions_init(&actions);
		(void)posix_spawn_file_actions_addopen(
			&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
		ready = true;
	}
	return &actions;
}

/* 0: there is no such program. */
static uint64_t spawn_once(const char *const *argv)
{
	uint64_t before = clock_now_ns();
	int status;
	pid_t pid;

	if (posix_spawnp(&pid, argv[0], quiet(), NULL, (char *const *)(uintptr_t)argv,
		    (char *const *)(uintptr_t)environment) != 0 ||
		waitpid(pid, &status, 0) != pid || status != 0) {
		return 0;
	}
	return clock_now_ns() - before;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static double percentile(const uint64_t *values, uint32_t count, unsigned percent)
{
	return (double)values[(uint64_t)(count - 1) * percent / 100] / 1000.0;
}

static void print_row(const char *name, uint64_t *values, uint32_t count, double base)
{
	qsort(values, count, sizeof(*values), by_value);
	if (values[0] == 0) {
		(void)printf("%-34s  not here\n", name);
		return;
	}
	(void)printf("%-34s %8.0f %8.0f %8.0f   x%.2f\n", name, percentile(values, count, 50),
		percentile(values, count, 90), percentile(values, count, 99),
		percentile(values, count, 50) / base);
}

struct peer {
	const char *name;
	const char *argv[MAX_ARGS];
	uint64_t *took;
};

/* Two that are not programs: through the library. */
struct inside {
	const char *name;
	uint64_t (*once)(struct setup *setup);
	uint64_t *took;
};

static void print_starts(struct peer *peers, size_t peer_count, struct inside *insides,
	size_t inside_count, uint32_t rounds)
{
	double base;

	qsort(peers[0].took, rounds, sizeof(*peers[0].took), by_value);
	base = percentile(peers[0].took, rounds, 50);
	(void)printf("%-34s %8s %8s %8s\n", "microseconds", "p50", "p90", "p99");
	for (size_t p = 0; p < peer_count; p++) {
		print_row(peers[p].name, peers[p].took, rounds, base);
		free(peers[p].took);
	}
	for (size_t i = 0; i < inside_count; i++) {
		print_row(insides[i].name, insides[i].took, rounds, base);
		free(insides[i].took);
	}
}

/* Up to the exit status alone is of the life before: nothing to pause for. */
static void pause_before(unsigned pause_ms, bool starts)
{
	const struct timespec pause = {.tv_nsec = (long)pause_ms * 1000000};

	if (pause_ms > 0 && starts) {
		(void)nanosleep(&pause, NULL);
	}
}

static void bench_starts(struct setup *setup, uint32_t rounds, const char *creel, unsigned pause_ms)
{
	struct peer peers[] = {
		{.name = "posix_spawn /bin/true", .argv = {"/bin/true"}},
		{.name = "bwrap, all namespaces",
			.argv = {"bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"}},
		{.name = "bwrap, with dev, proc and tmp",
			.argv = {"bwrap", "--unshare-all", "--ro-bind", "/", "/", "--dev", "/dev",
				"--proc", "/proc", "--tmpfs", "/tmp", "true"}},
		{.name = "creel --version", .argv = {creel, "--version"}},
		{.name = "creel exec -- true",
			.argv = {creel, "exec", "--workspace", setup->directory, "--", "true"}},
	};
	struct inside insides[] = {
		{.name = "true in a live sandbox", .once = live_once},
		{.name = "new native sandbox, true, end", .once = library_once},
		{.name = "new native sandbox, true", .once = known_once},
	};

	for (size_t p = 0; p < ARRAY_SIZE(peers); p++) {
		peers[p].took = xcalloc(rounds, sizeof(*peers[p].took));
	}
	for (size_t i = 0; i < ARRAY_SIZE(insides); i++) {
		insides[i].took = xcalloc(rounds, sizeof(*insides[i].took));
	}
	for (uint32_t i = 0; i < rounds + WARM_UP; i++) {
		uint32_t at = i < WARM_UP ? 0 : i - WARM_UP;

		for (size_t p = 0; p < ARRAY_SIZE(peers); p++) {
			pause_before(pause_ms, true);
			peers[p].took[at] =
				peers[p].argv[0] != NULL ? spawn_once(peers[p].argv) : 0;
		}
		for (size_t k = 0; k < ARRAY_SIZE(insides); k++) {
			pause_before(pause_ms, insides[k].once != known_once);
			insides[k].took[at] = insides[k].once(setup);
		}
	}
	print_starts(peers, ARRAY_SIZE(peers), insides, ARRAY_SIZE(insides), rounds);
}

static void print_memory(const char *name, pid_t pid)
{
	char path[64];
	char line[256];
	unsigned long kib;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	file = fopen(path, "re");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "Rss: %lu", &kib) == 1) {
			(void)printf("%-34s %8lu KiB resident\n", name, kib);
		} else if (sscanf(line, "Pss: %lu", &kib) == 1) {
			(void)printf("%-34s %8lu KiB proportional\n", name, kib);
		}
	}
	if (file != NULL) {
		(void)fclose(file);
	}
}

static void start_live(struct setup *setup)
{
	const struct backend_ops *native = backend_by_kind(BACKEND_NATIVE);
	struct error err;

	if (native->start(&setup->spec, &setup->opts, &setup->live, &err) < 0) {
		die(err.text);
	}
	setup->live_link = link_new(setup->live.stream_fd, NULL, true, NULL, NULL);
	if (link_wait_ready(setup->live_link, 5000, &err) < 0) {
		die(err.text);
	}
	run_true(setup->live_link, 0);
}

static void end_live(struct setup *setup)
{
	struct error err;

	(void)link_free(setup->live_link);
	(void)backend_by_kind(BACKEND_NATIVE)->finish(&setup->live, &err);
}

static void make_setup(struct setup *setup, const char *init_path)
{
	static const char *tmpfs[] = {"/tmp", "/var/tmp", "/run", NULL};

	(void)snprintf(setup->directory, sizeof(setup->directory), "/tmp/bench-native.XXXXXX");
	if (mkdtemp(setup->directory) == NULL ||
		(geteuid() == 0 && chown(setup->directory, 1000, 1000) < 0)) {
		die("cannot make a workspace in /tmp");
	}
	setup->workspace = (struct spec_mount){
		.kind = MOUNT_WORKSPACE, .source = setup->directory, .target = "/workspace"};
	setup->opts = (struct backend_start_opts){.init_path = init_path};
	setup->spec = (struct sandbox_spec){
		.backend = BACKEND_NATIVE,
		.name = "bench",
		.workdir = "/workspace",
		.workspace_dir = setup->directory,
		.read_only_root = true,
		.network = "none",
		.tmpfs = {.items = tmpfs, .count = 3},
		.pids_limit = 512,
		.mounts = &setup->workspace,
		.mount_count = 1,
	};
}

int main(int argc, char **argv)
{
	struct setup setup;
	uint32_t rounds = 200;

	if (argc < 2 || (argc > 2 && num_parse_u32(argv[2], 10, 100000, &rounds) < 0)) {
		die("usage: bench-native CREEL-INIT [ROUNDS [CREEL]]");
	}
	make_setup(&setup, argv[1]);
	start_live(&setup);
	print_memory("idle sandbox", setup.live.keeper);
	(void)printf("\neach %d ms after the one before\n", PAUSE_MS);
	bench_starts(&setup, rounds, argc > 3 ? argv[3] : NULL, PAUSE_MS);
	(void)printf("\nback to back\n");
	bench_starts(&setup, rounds, argc > 3 ? argv[3] : NULL, 0);
	end_live(&setup);
	(void)rmdir(setup.directory);
	return 0;
}
