/* SPDX-License-Identifier: MIT */
#include "cli/browser-run.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/own.h"
#include "broker/lifecycle-list.h"
#include "browser/control.h"
#include "sandbox/resolve.h"

static int decide_browser_place(struct browser_run *run, struct error *err)
{
	const struct decision *session = run->session;
	const struct decide_request request = {
		.agent = session->agent_id,
		.session = session->session_key,
		.workspace = session->workspace_given ? session->spec.agent_workspace_dir : NULL,
		.browser = true,
	};
	const char *reason;
	int r = decide(session->config, &request, &run->decision, err);

	return r < 0 ? r : sandbox_resolve(run->decision, RESOLVE_CREATE, &reason, err);
}

/* The image's variables, then what the configuration declares. */
static void collect_env(struct browser_run *run)
{
	struct arena *arena = &run->decision->arena;

	for (char *const *at = run->place.image_env; at != NULL && *at != NULL; at++) {
		strv_add_ref(&run->env, arena, *at);
	}
	for (size_t i = 0; i < run->decision->spec.env.count; i++) {
		strv_add_ref(&run->env, arena, run->decision->spec.env.items[i]);
	}
}

static const char *password_of(const struct browser_run *run, size_t i)
{
	const char *text = run->place.acquired.passwords.text[i];

	return *text != '\0' ? text : NULL;
}

/* Names are looked up, and connections made, by a gateway's broker alone. */
static void refuse_outside(
	struct browser_run *run, const char *target, tool_browser_opened_fn opened, void *context)
{
	struct control control;
	struct error err;
	int r = control_check(run->session, target, &control, &err);

	if (r == 0) {
		(void)error_plain(&err, EOPNOTSUPP,
			"browsers outside of the sandbox are reached through a gateway (creel gateway "
			"run)");
	}
	opened(context, NULL,
		r == -EACCES   ? TOOL_FAIL_DENIED
		: r == -EINVAL ? TOOL_FAIL_ARGUMENTS
			       : TOOL_FAIL_UNAVAILABLE,
		err.text);
}

static void on_open(void *arg, const char *control, tool_browser_opened_fn opened, void *context)
{
	struct browser_run *run = arg;
	struct tool_browser_place place;
	struct error err;
	int r;

	if (control != NULL) {
		refuse_outside(run, control, opened, context);
		return;
	}
	r = decide_browser_place(run, &err);

	r = r < 0 ? r
		  : place_open(&run->place, run->decision,
			    &(struct place_opts){
				    .ready = true, .quiet = run->quiet, .browser = true},
			    &err);
	if (r < 0) {
		(void)error_prefix(&err, "the browser's sandbox cannot be started");
		run->decision = decision_free(run->decision);
		opened(context, NULL, TOOL_FAIL_UNAVAILABLE, err.text);
		return;
	}
	collect_env(run);
	run->browser = browser_new(&(struct browser_opts){
		.link = run->place.link,
		.settings = &run->decision->browser,
		.port = browser_debug_port(&run->decision->browser),
		.env = run->env.items,
		.env_prefix = run->decision->config->brand->env_prefix,
		.passwords = {password_of(run, 0), password_of(run, 1)},
	});
	place = (struct tool_browser_place){.browser = run->browser, .decision = run->decision};
	opened(context, &place, NULL, NULL);
}

static void on_discard(void *arg, const char *control)
{
	(void)control;
	((struct browser_run *)arg)->discard = true;
}

void browser_run_init(struct browser_run *run, struct decision *session, bool quiet)
{
	*run = (struct browser_run){.session = session, .place = PLACE_NONE, .quiet = quiet};
	run->source =
		(struct tool_browser_source){.arg = run, .open = on_open, .discard = on_discard};
}

uint64_t browser_run_deadline(const struct browser_run *run)
{
	return run->browser != NULL ? browser_deadline(run->browser) : UINT64_MAX;
}

void browser_run_tick(struct browser_run *run, uint64_t now_ns)
{
	if (run->browser != NULL) {
		browser_tick(run->browser, now_ns);
	}
}

struct link *browser_run_link(const struct browser_run *run)
{
	return run->place.link;
}

/* One that lasts would be found again by the next caller, who could not reach its browser either. */
static void remove_it(const struct decision *d)
{
	const struct registry_row row = {
		.name = d->spec.name,
		.kind = sandbox_kind_name(KIND_BROWSER),
		.backend = backend_kind_name(d->spec.backend),
		.socket = d->spec.docker_socket,
	};
	struct lifecycle *lifecycle;
	struct error ignored;

	if (lifecycle_open(d->config, &lifecycle, &ignored) == 0) {
		(void)lifecycle_remove(lifecycle, &row, true, &ignored);
		(void)lifecycle_close(lifecycle);
	}
}

void browser_run_finish(struct browser_run *run)
{
	bool remove = run->discard && run->place.lasting;
	struct error ignored;

	run->browser = browser_free(run->browser);
	(void)place_close(&run->place, &ignored);
	if (remove) {
		remove_it(run->decision);
	}
	run->decision = decision_free(run->decision);
}
