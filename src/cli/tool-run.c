/* SPDX-License-Identifier: MIT */
/* The loop that drives a tool session from the command line. */
#include "cli/tool-run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/own.h"
#include "image/client.h"
#include "sandbox/resolve.h"

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
		r = sandbox_resolve(decision, RESOLVE_CREATE | RESOLVE_NATIVE_ONCE, &reason, err);
		if (r < 0) {
			*ret_refused = true;
			return r;
		}
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
		.place = PLACE_NONE,
		.host = PLACE_NONE,
		.browser.place = PLACE_NONE,
		.image_service_fd = FD_NONE,
		.image_fd = FD_NONE,
	};
}

static void open_session(struct tool_run *run, bool may_background)
{
	struct tool_session_opts opts = {
		.link = run->place.link,
		.host_link = run->host.link,
		.decision = run->decision,
		.backend_name = run->place.link != NULL
					? backend_kind_name(run->decision->spec.backend)
					: NULL,
		.container = run->decision->sandboxed ? run->decision->spec.name : NULL,
		.may_background = may_background,
		.denials = run->place.denials,
		.images = &run->images,
		.browsers = &run->browser.source,
	};

	browser_run_init(&run->browser, run->decision, run->quiet);
	run->images = (struct tool_images){image_service, image_watch, run};
	run->session = tool_session_new(&opts);
}

static int start_host(struct tool_run *run, struct error *err)
{
	struct decision on_host = *run->decision;

	on_host.spec.backend = BACKEND_HOST;
	return place_open(
		&run->host, &on_host, &(struct place_opts){.ready = true, .quiet = true}, err);
}

int tool_run_start(struct tool_run *run, struct decision *decision,
	const struct tool_run_opts *opts, bool *ret_refused, struct error *err)
{
	int r;

	*run = empty_run(decision);
	*ret_refused = false;
	run->quiet = opts->quiet;
	r = choose_backend(run, ret_refused, err);
	if (r == 0) {
		r = place_open(&run->place, decision,
			&(struct place_opts){.once = opts->once,
				.ready = true,
				.denials = true,
				.quiet = opts->quiet},
			err);
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
		run->lost = run->lost || link == run->place.link;
		tool_session_lost(run->session, &err);
	}
}

static void pump_browser(struct tool_run *run, struct link *link, short revents)
{
	struct error err;

	if (link != NULL && revents != 0 && link_pump(link, revents, &err) < 0) {
		tool_session_browser_lost(run->session, NULL, &err);
	}
}

bool tool_run_turn(struct tool_run *run, int extra_fd)
{
	struct link *browser = browser_run_link(&run->browser);
	uint64_t due;
	struct pollfd fds[5] = {
		{.fd = run->place.link != NULL ? link_fd(run->place.link) : -1},
		{.fd = run->host.link != NULL ? link_fd(run->host.link) : -1},
		{.fd = extra_fd >= 0 ? extra_fd : -1, .events = POLLIN},
		{.fd = run->image_fd, .events = run->image_events},
		{.fd = browser != NULL ? link_fd(browser) : -1},
	};

	if (run->place.link != NULL) {
		fds[0].events = link_events(run->place.link);
	}
	if (run->host.link != NULL) {
		fds[1].events = link_events(run->host.link);
	}
	if (browser != NULL) {
		fds[4].events = link_events(browser);
	}
	due = tool_session_deadline(run->session);
	due = browser_run_deadline(&run->browser) < due ? browser_run_deadline(&run->browser) : due;
	(void)poll(fds, 5, clock_left_ms(due));
	pump(run, run->place.link, fds[0].revents);
	pump(run, run->host.link, fds[1].revents);
	pump_browser(run, browser, fds[4].revents);
	if (fds[3].revents != 0) {
		tool_session_image_event(run->session);
	}
	browser_run_tick(&run->browser, clock_now_ns());
	tool_session_tick(run->session, clock_now_ns());
	return fds[2].revents != 0;
}

void tool_run_finish(struct tool_run *run)
{
	struct error ignored;

	run->session = tool_session_free(run->session);
	end_image_service(run);
	browser_run_finish(&run->browser);
	(void)place_close(&run->host, &ignored);
	(void)place_close(&run->place, &ignored);
}
