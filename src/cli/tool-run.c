/* SPDX-License-Identifier: MIT */
/* The loop that drives a tool session from the command line. */
#include "cli/tool-run.h"

#include <errno.h>
#include <poll.h>

#include "base/clock.h"
#include "base/own.h"
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

static void open_session(struct tool_run *run, bool may_background)
{
	struct tool_session_opts opts = {
		.link = run->link,
		.decision = run->decision,
		.backend_name = run->backend != NULL ? run->backend->name : NULL,
		.container = run->decision->sandboxed ? run->decision->spec.name : NULL,
		.may_background = may_background,
	};

	run->session = tool_session_new(&opts);
}

int tool_run_start(struct tool_run *run, struct decision *decision, bool may_background,
	bool *ret_refused, struct error *err)
{
	struct backend_start_opts opts = {.once = true};
	int r;

	*run = (struct tool_run){.decision = decision, .sandbox.stream_fd = FD_NONE};
	*ret_refused = false;
	r = choose_backend(run, ret_refused, err);
	if (r < 0) {
		return r;
	}
	r = run->backend->start(&decision->spec, &opts, &run->sandbox, err);
	if (r < 0) {
		return r;
	}
	run->started = true;
	run->link = link_new(run->sandbox.stream_fd,
		run->sandbox.has_token ? run->sandbox.token : NULL, true, NULL, NULL);
	r = link_wait_ready(run->link, HELLO_TIMEOUT_MS, err);
	if (r < 0) {
		(void)error_prefix(err, "the sandbox did not start");
		tool_run_finish(run);
		return r;
	}
	open_session(run, may_background);
	return 0;
}

void tool_run_start_idle(struct tool_run *run, struct decision *decision)
{
	*run = (struct tool_run){.decision = decision, .sandbox.stream_fd = FD_NONE};
	open_session(run, false);
}

bool tool_run_turn(struct tool_run *run, int extra_fd)
{
	struct pollfd fds[2] = {
		{.fd = run->link != NULL ? link_fd(run->link) : -1},
		{.fd = extra_fd >= 0 ? extra_fd : -1, .events = POLLIN},
	};
	struct error err;

	if (run->link != NULL) {
		fds[0].events = link_events(run->link);
	}
	(void)poll(fds, 2, clock_left_ms(tool_session_deadline(run->session)));
	if (run->link != NULL && fds[0].revents != 0 &&
		link_pump(run->link, fds[0].revents, &err) < 0) {
		tool_session_lost(run->session, &err);
	}
	tool_session_tick(run->session, clock_now_ns());
	return fds[1].revents != 0;
}

void tool_run_finish(struct tool_run *run)
{
	struct error ignored;

	run->session = tool_session_free(run->session);
	run->link = link_free(run->link);
	if (run->started) {
		(void)run->backend->finish(&run->sandbox, &ignored);
		run->started = false;
	}
}
