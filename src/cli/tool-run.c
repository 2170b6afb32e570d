/* SPDX-License-Identifier: MIT */
/* The loop that drives a tool session from the command line. */
#include "cli/tool-run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "backend/setup.h"
#include "base/clock.h"
#include "base/own.h"
#include "image/client.h"
#include "sandbox/resolve.h"

enum { HELLO_TIMEOUT_MS = 10000 };

static int choose_backend(struct tool_run *run, bool *ret_refused, struct error *err)
{
	struct decision *decision = run->decision;
	const char *reason = NULL;
	int r;

	if (!decision->sandboxed) {
		decision->spec.backend = BACKEND_HOST;
	} else {
		/* One session, many calls: elevated commands leave through the host's link one by one,
		 * the sandbox is there for all others, even where elevated is the default. */
		decision->elevated.granted = false;
		r = sandbox_resolve(decision, RESOLVE_CREATE, &reason, err);
		if (r < 0) {
			*ret_refused = true;
			return r;
		}
	}
	run->backend = backend_by_kind(decision->spec.backend);
	if (run->backend == NULL) {
		return error_plain(err, ENOSYS,
			"this build has no backend '%s'; set agents.defaults.sandbox.backend to native",
			backend_kind_name(decision->spec.backend));
	}
	return 0;
}

static int image_service(void *arg, struct error *err)
{
	struct tool_run *run = arg;

	if (run->image_service_pid == 0) {
		int r = image_service_start(&run->image_service_fd, &run->image_service_pid, err);

		if (r < 0) {
			return r;
		}
	}
	return run->image_service_fd;
}

static void image_watch(void *arg, int fd, short events)
{
	struct tool_run *run = arg;

	run->image_fd = events != 0 ? fd : FD_NONE;
	run->image_events = events;
}

static void end_image_service(struct tool_run *run)
{
	if (run->image_service_pid > 0) {
		cleanup_closep(&run->image_service_fd);
		run->image_service_fd = FD_NONE;
		/* It may be at work on an image that nobody waits for any more. */
		(void)kill(run->image_service_pid, SIGKILL);
		(void)waitpid(run->image_service_pid, NULL, 0);
		run->image_service_pid = 0;
	}
}

static struct tool_run empty_run(struct decision *decision)
{
	return (struct tool_run){
		.decision = decision,
		.sandbox.stream_fd = FD_NONE,
		.host.stream_fd = FD_NONE,
		.image_service_fd = FD_NONE,
		.image_fd = FD_NONE,
	};
}

static void open_session(struct tool_run *run, bool may_background)
{
	struct tool_session_opts opts = {
		.link = run->link,
		.host_link = run->host_link,
		.decision = run->decision,
		.backend_name = run->backend != NULL ? run->backend->name : NULL,
		.container = run->decision->sandboxed ? run->decision->spec.name : NULL,
		.may_background = may_background,
		.images = &run->images,
	};

	run->images = (struct tool_images){image_service, image_watch, run};
	run->session = tool_session_new(&opts);
}

static int start_one(const struct backend_ops *backend, const struct sandbox_spec *spec,
	struct backend_sandbox *ret, struct link **ret_link, struct error *err)
{
	struct backend_start_opts opts = {.once = true};
	struct error ignored;
	int r = backend->start(spec, &opts, ret, err);

	if (r < 0) {
		return r;
	}
	*ret_link = link_new(ret->stream_fd, ret->has_token ? ret->token : NULL, true, NULL, NULL);
	r = link_wait_ready(*ret_link, HELLO_TIMEOUT_MS, err);
	if (r < 0) {
		(void)error_prefix(err, "the sandbox did not start");
	} else if (spec->backend != BACKEND_HOST) {
		r = setup_run(*ret_link, spec, NULL, NULL, err);
	}
	if (r < 0) {
		*ret_link = link_free(*ret_link);
		(void)backend->finish(ret, &ignored);
	}
	return r;
}

static int start_host(struct tool_run *run, struct error *err)
{
	struct sandbox_spec spec = run->decision->spec;

	spec.backend = BACKEND_HOST;
	run->host_backend = backend_by_kind(BACKEND_HOST);
	if (run->host_backend == NULL) {
		return error_plain(err, ENOSYS, "this build has no backend 'host'");
	}
	return start_one(run->host_backend, &spec, &run->host, &run->host_link, err);
}

int tool_run_start(struct tool_run *run, struct decision *decision,
	const struct tool_run_opts *opts, bool *ret_refused, struct error *err)
{
	int r;

	*run = empty_run(decision);
	*ret_refused = false;
	r = choose_backend(run, ret_refused, err);
	if (r == 0) {
		r = start_one(run->backend, &decision->spec, &run->sandbox, &run->link, err);
	}
	if (r == 0 && opts->with_host) {
		r = start_host(run, err);
	}
	if (r < 0) {
		tool_run_finish(run);
		return r;
	}
	open_session(run, opts->may_background);
	return 0;
}

void tool_run_start_idle(struct tool_run *run, struct decision *decision)
{
	*run = empty_run(decision);
	open_session(run, false);
}

static void pump(struct tool_run *run, struct link *link, short revents)
{
	struct error err;

	if (link != NULL && revents != 0 && link_pump(link, revents, &err) < 0) {
		tool_session_lost(run->session, &err);
	}
}

bool tool_run_turn(struct tool_run *run, int extra_fd)
{
	struct pollfd fds[4] = {
		{.fd = run->link != NULL ? link_fd(run->link) : -1},
		{.fd = run->host_link != NULL ? link_fd(run->host_link) : -1},
		{.fd = extra_fd >= 0 ? extra_fd : -1, .events = POLLIN},
		{.fd = run->image_fd, .events = run->image_events},
	};

	if (run->link != NULL) {
		fds[0].events = link_events(run->link);
	}
	if (run->host_link != NULL) {
		fds[1].events = link_events(run->host_link);
	}
	(void)poll(fds, 4, clock_left_ms(tool_session_deadline(run->session)));
	pump(run, run->link, fds[0].revents);
	pump(run, run->host_link, fds[1].revents);
	if (fds[3].revents != 0) {
		tool_session_image_event(run->session);
	}
	tool_session_tick(run->session, clock_now_ns());
	return fds[2].revents != 0;
}

void tool_run_finish(struct tool_run *run)
{
	struct error ignored;

	run->session = tool_session_free(run->session);
	end_image_service(run);
	if (run->host_link != NULL) {
		run->host_link = link_free(run->host_link);
		(void)run->host_backend->finish(&run->host, &ignored);
	}
	if (run->link != NULL) {
		run->link = link_free(run->link);
		(void)run->backend->finish(&run->sandbox, &ignored);
	}
}
