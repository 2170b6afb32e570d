/* SPDX-License-Identifier: MIT */
/*
 * What a command costs in a live creel-init, against posix_spawn(3) of the same command, and how
 * fast output comes through, against cat | cat. Taken in turns, so that both see the same machine.
 *
 *	bench-spawn CREEL-INIT [ROUNDS [MIB]]
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"
#include "base/mem.h"
#include "base/num.h"
#include "wire/link.h"

enum { INIT_FD = 9, WARM_UP = 20 };

struct job {
	struct link *link;
	uint32_t stream;
	bool done;
	uint64_t bytes;
};

static const char *const environment[] = {"PATH=/usr/bin:/bin", NULL};

_Noreturn static void die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static struct link *start(const char *path, pid_t *ret_pid)
{
	struct error err;
	struct link *link;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
		die("socketpair");
	}
	*ret_pid = fork();
	if (*ret_pid == 0) {
		(void)dup2(fds[1], INIT_FD);
		(void)execl(path, "creel-init", "--fd", "9", (char *)NULL);
		die(path);
	}
	(void)close(fds[1]);
	link = link_new(fds[0], NULL, false, NULL, NULL);
	if (link_wait_ready(link, 5000, &err) < 0) {
		(void)fprintf(stderr, "%s\n", err.text);
		exit(EXIT_FAILURE);
	}
	return link;
}

static void on_output(
	void *arg, enum wire_channel channel, uint64_t offset, const uint8_t *data, size_t len)
{
	struct job *job = arg;

	(void)offset;
	(void)data;
	job->bytes += len;
	link_consumed(job->link, job->stream, channel, len);
}

static void on_exited(void *arg, const struct wire_exited *exited)
{
	struct job *job = arg;

	(void)exited;
	job->done = true;
}

static void on_failed(void *arg, const struct wire_failed *failed)
{
	(void)arg;
	(void)fprintf(stderr, "%.*s\n", (int)failed->text.len, (const char *)failed->text.data);
	exit(EXIT_FAILURE);
}

static uint64_t run_job(struct link *link, const char *const *argv, uint64_t *ret_ns)
{
	static const struct link_process_ops ops = {
		.output = on_output, .exited = on_exited, .failed = on_failed};
	const struct wire_spawn spawn = {
		.uid = WIRE_NO_ID, .gid = WIRE_NO_ID, .argv = argv, .env = environment};
	struct job job = {.link = link};
	uint64_t before = clock_now_ns();
	struct error err;

	if (link_spawn(link, &spawn, &ops, &job, &job.stream, &err) < 0) {
		die(err.text);
	}
	while (!job.done) {
		struct pollfd p = {.fd = link_fd(link), .events = link_events(link)};

		(void)poll(&p, 1, -1);
		if (link_pump(link, p.revents, &err) < 0) {
			(void)fprintf(stderr, "%s\n", err.text);
			exit(EXIT_FAILURE);
		}
	}
	*ret_ns = clock_now_ns() - before;
	link_forget(link, job.stream);
	return job.bytes;
}

static uint64_t run_posix_spawn(void)
{
	char *const argv[] = {(char[]){"true"}, NULL};
	char *const env[] = {(char[]){"PATH=/usr/bin:/bin"}, NULL};
	uint64_t before = clock_now_ns();
	pid_t pid;

	if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv, env) != 0 ||
		waitpid(pid, NULL, 0) != pid) {
		die("posix_spawn");
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

static void print_row(const char *name, uint64_t *values, uint32_t count, double base)
{
	qsort(values, count, sizeof(*values), by_value);
	(void)printf("%-28s %8.0f %8.0f %8.0f", name, percentile(values, count, 50),
		percentile(values, count, 90), percentile(values, count, 99));
	(void)printf("   x%.2f\n", percentile(values, count, 50) / base);
}

static void bench_latency(struct link *link, uint32_t rounds)
{
	static const char *const argv[] = {"/bin/true", NULL};
	uint64_t *spawn = xcalloc(rounds, sizeof(*spawn));
	uint64_t *live = xcalloc(rounds, sizeof(*live));
	double base;

	for (uint32_t i = 0; i < rounds + WARM_UP; i++) {
		uint32_t at = i < WARM_UP ? 0 : i - WARM_UP;

		spawn[at] = run_posix_spawn();
		(void)run_job(link, argv, &live[at]);
	}
	qsort(spawn, rounds, sizeof(*spawn), by_value);
	base = percentile(spawn, rounds, 50);
	(void)printf("%-28s %8s %8s %8s\n", "microseconds", "p50", "p90", "p99");
	print_row("posix_spawn /bin/true", spawn, rounds, base);
	print_row("live creel-init /bin/true", live, rounds, base);
	free(spawn);
	free(live);
}

static double rate(uint64_t bytes, uint64_t ns)
{
	return (double)bytes / 1048576.0 / ((double)ns / 1e9);
}

static double bench_pipe(const char *line, uint64_t bytes)
{
	char command[200];
	const char *const argv[] = {"sh", "-c", command, NULL};
	uint64_t before = clock_now_ns();
	pid_t pid;

	(void)snprintf(command, sizeof(command), "%s", line);
	if (posix_spawn(&pid, "/bin/sh", NULL, NULL, (char *const *)(uintptr_t)argv,
		    (char *const *)(uintptr_t)environment) != 0 ||
		waitpid(pid, NULL, 0) != pid) {
		die("posix_spawn");
	}
	return rate(bytes, clock_now_ns() - before);
}

static void bench_rate(struct link *link, uint32_t mib)
{
	char path[] = "/tmp/bench-spawn-XXXXXX";
	int fd = mkstemp(path);
	const char *const argv[] = {"cat", path, NULL};
	char line[100];
	uint64_t bytes = (uint64_t)mib << 20;
	double pipes = 0, stream = 0;

	if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0) {
		die(path);
	}
	(void)snprintf(line, sizeof(line), "cat %s | cat >/dev/null", path);
	for (int i = 0; i < 3; i++) {
		uint64_t ns;
		double got = bench_pipe(line, bytes);

		pipes = got > pipes ? got : pipes;
		if (run_job(link, argv, &ns) != bytes) {
			die("bytes are missing");
		}
		got = rate(bytes, ns);
		stream = got > stream ? got : stream;
	}
	(void)printf("\n%u MiB, best of 3: cat | cat %.0f MiB/s, creel-init %.0f MiB/s, x%.2f\n",
		mib, pipes, stream, stream / pipes);
	(void)unlink(path);
	(void)close(fd);
}

static void print_memory(pid_t pid)
{
	char path[64], text[4096];
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	f = fopen(path, "re");
	if (f == NULL) {
		(void)printf("memory: cannot read %s (%s)\n", path, strerror(errno));
		return;
	}
	while (fgets(text, sizeof(text), f) != NULL) {
		if (strncmp(text, "Rss:", 4) == 0 || strncmp(text, "Pss:", 4) == 0 ||
			strncmp(text, "Private_Dirty:", 14) == 0) {
			(void)fputs(text, stdout);
		}
	}
	(void)fclose(f);
}

int main(int argc, char **argv)
{
	uint32_t rounds = 1000, mib = 1024;
	struct link *link;
	pid_t pid;

	if (argc < 2 || (argc > 2 && num_parse_u32(argv[2], 1, 1000000, &rounds) < 0) ||
		(argc > 3 && num_parse_u32(argv[3], 1, 16384, &mib) < 0)) {
		(void)fprintf(stderr, "usage: bench-spawn CREEL-INIT [ROUNDS [MIB]]\n");
		return 2;
	}
	link = start(argv[1], &pid);
	(void)printf("idle creel-init:\n");
	print_memory(pid);
	(void)printf("\n");
	bench_latency(link, rounds);
	bench_rate(link, mib);
	(void)printf("\ncreel-init after all that:\n");
	print_memory(pid);
	link = link_free(link);
	(void)waitpid(pid, NULL, 0);
	return EXIT_SUCCESS;
}
