/* SPDX-License-Identifier: MIT */
/*
 * Acquires lasting sandboxes, of any backend, for tests in Python: what a gateway does, in one step.
 * life-driver CONFIG SESSION WORKSPACE ACTION [LINE]: run sh -c LINE to its end, or leave it running
 * ("leave"), or "hold" the sandbox until stdin ends. Prints one line of JSON about the sandbox first; what
 * docker.setupCommand prints goes to stderr.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "broker/lifecycle.h"
#include "sandbox/resolve.h"
#include "wire/link.h"

struct driver {
	struct link *link;
	uint32_t stream;
	bool spawned, over;
	int code;
};

static void on_spawned(void *arg, uint32_t pid)
{
	struct driver *d = arg;

	(void)pid;
	d->spawned = true;
}

static void on_output(
	void *arg, enum wire_channel channel, uint64_t offset, const uint8_t *data, size_t len)
{
	const struct driver *d = arg;

	(void)offset;
	(void)fwrite(data, 1, len, stdout);
	link_consumed(d->link, d->stream, channel, len);
}

static void on_exited(void *arg, const struct wire_exited *exited)
{
	struct driver *d = arg;

	d->over = true;
	d->code = exited->code;
}

static void on_failed(void *arg, const struct wire_failed *failed)
{
	struct driver *d = arg;

	(void)failed;
	d->over = true;
	d->code = 127;
}

static void on_lost(void *arg, const struct error *why)
{
	struct driver *d = arg;

	(void)fprintf(stderr, "lost: %s\n", why->text);
	d->over = true;
	d->code = 125;
}

static const struct link_process_ops process_ops = {
	.spawned = on_spawned,
	.output = on_output,
	.exited = on_exited,
	.failed = on_failed,
	.lost = on_lost,
};

static void show_setup(void *arg, const uint8_t *data, size_t len)
{
	(void)arg;
	(void)fwrite(data, 1, len, stderr);
}

static int complain(const struct error *err)
{
	(void)fprintf(stderr, "%s\n", err->text);
	return 125;
}

static void turn(struct driver *d)
{
	struct pollfd p = {.fd = link_fd(d->link), .events = link_events(d->link)};
	struct error ignored;

	if (poll(&p, 1, 20000) <= 0 || link_pump(d->link, p.revents, &ignored) < 0) {
		d->over = true;
	}
}

static int run(struct driver *d, const char *cwd, const char *line, bool leave)
{
	static const char *const env[] = {"PATH=/usr/bin:/bin", NULL};
	const char *const argv[] = {"/bin/sh", "-c", line, NULL};
	const struct wire_spawn spawn = {.flags = WIRE_SPAWN_MERGE,
		.uid = WIRE_NO_ID,
		.gid = WIRE_NO_ID,
		.cwd = cwd,
		.argv = argv,
		.env = env};
	struct error err;

	if (link_wait_ready(d->link, 20000, &err) < 0 ||
		link_spawn(d->link, &spawn, &process_ops, d, &d->stream, &err) < 0) {
		return complain(&err);
	}
	while (!d->over && !(leave && d->spawned)) {
		turn(d);
	}
	if (d->over) {
		link_forget(d->link, d->stream);
	}
	return leave ? 0 : d->code;
}

static int use(
	struct lifecycle_acquired *acquired, const char *cwd, const char *action, const char *line)
{
	struct driver d = {0};
	char byte;
	int status = 0;

	printf("{\"name\": \"%s\", \"backend\": \"%s\", \"created\": %s, \"stale\": %s, \"notice\": "
	       "\"%s\"}\n",
		acquired->name, acquired->backend, acquired->created ? "true" : "false",
		acquired->stale ? "true" : "false",
		acquired->notice != NULL ? acquired->notice : "");
	(void)fflush(stdout);
	d.link = link_new(TAKE_FD(acquired->stream_fd), acquired->token, false, NULL, NULL);
	if (strcmp(action, "hold") == 0) {
		while (read(STDIN_FILENO, &byte, 1) > 0) {
		}
	} else {
		status = run(&d, cwd, line, strcmp(action, "leave") == 0);
	}
	(void)fflush(stdout);
	(void)link_free(d.link);
	return status;
}

static int drive(struct config *config, char **argv)
{
	const struct decide_request request = {.session = argv[2], .workspace = argv[3]};
	const struct lifecycle_opts opts = {.setup_output = show_setup};
	struct lifecycle_acquired acquired = LIFECYCLE_ACQUIRED_NONE;
	struct lifecycle *lifecycle = NULL;
	struct decision *decision = NULL;
	const char *reason;
	struct error err;
	int status = 0;

	if (decide(config, &request, &decision, &err) < 0 ||
		sandbox_resolve(decision, RESOLVE_CREATE, &reason, &err) < 0 ||
		lifecycle_open(config, &lifecycle, &err) < 0 ||
		lifecycle_acquire(lifecycle, decision, &opts, &acquired, &err) < 0) {
		status = complain(&err);
	} else {
		status = use(&acquired, decision->spec.workdir, argv[4], argv[5]);
	}
	lifecycle_acquired_finish(&acquired);
	(void)lifecycle_close(lifecycle);
	(void)decision_free(decision);
	return status;
}

int main(int argc, char **argv)
{
	struct config_request request = {.path = argc > 1 ? argv[1] : NULL};
	struct config *config = NULL;
	struct error err;
	int status;

	if (argc < 5 || (argc < 6 && strcmp(argv[4], "hold") != 0)) {
		(void)fprintf(
			stderr, "usage: life-driver CONFIG SESSION WORKSPACE ACTION [LINE]\n");
		return 2;
	}
	if (config_env_from_process(&request.env, &err) < 0 ||
		config_load(&request, &config, &err) < 0) {
		return complain(&err);
	}
	status = drive(config, argv);
	(void)config_free(config);
	return status;
}
