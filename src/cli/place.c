/* SPDX-License-Identifier: MIT */
#include "cli/place.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "backend/setup.h"
#include "base/buf.h"
#include "base/own.h"

enum { HELLO_TIMEOUT_MS = 10000 };

/* Whoever waits at a terminal sees what is going on. */
static void show_setup(void *arg, const uint8_t *data, size_t len)
{
	(void)arg;
	(void)!write(STDERR_FILENO, data, len);
}

static void say_waiting(void *arg, const char *name)
{
	_cleanup_buf_ struct buf out = {0};

	(void)arg;
	buf_addf(&out,
		"creel: waiting for the sandbox '%s', which another command is using; with 'creel gateway "
		"run' they share it\n",
		name);
	(void)!write(STDERR_FILENO, out.data, out.len);
}

static void say_notice(const char *notice)
{
	_cleanup_buf_ struct buf out = {0};

	buf_addf(&out, "creel: %s\n", notice);
	(void)!write(STDERR_FILENO, out.data, out.len);
}

static setup_output_fn *setup_output(const struct place_opts *opts)
{
	return !opts->quiet && isatty(STDERR_FILENO) ? show_setup : NULL;
}

static int open_lasting(struct place *place, struct decision *decision,
	const struct place_opts *opts, struct error *err)
{
	const struct lifecycle_opts life = {
		.kind = opts->browser ? KIND_BROWSER : KIND_SANDBOX,
		.waiting = opts->quiet ? NULL : say_waiting,
		.setup_output = setup_output(opts),
		.denials = opts->denials,
	};
	int r = lifecycle_open(decision->config, &place->lifecycle, err);

	r = r < 0 ? r : lifecycle_acquire(place->lifecycle, decision, &life, &place->acquired, err);
	if (r < 0) {
		return r;
	}
	if (place->acquired.notice != NULL && !opts->quiet) {
		say_notice(place->acquired.notice);
	}
	place->lasting = true;
	if (place->acquired.has_denials) {
		place->denials = denials_new(&place->acquired.denials, &decision->spec);
	}
	place->image_env = place->acquired.env;
	place->link = link_new(
		TAKE_FD(place->acquired.stream_fd), place->acquired.token, false, NULL, NULL);
	/* A command that outlived its caller would be nobody's. */
	if (!opts->browser) {
		link_tie(place->link);
	}
	return link_wait_ready(place->link, HELLO_TIMEOUT_MS, err);
}

static int open_once(struct place *place, const struct sandbox_spec *spec,
	const struct place_opts *opts, struct error *err)
{
	const struct backend_start_opts start = {.denials = opts->denials};
	struct backend_sandbox *sandbox = &place->sandbox;
	int r;

	place->backend = backend_by_kind(spec->backend);
	if (place->backend == NULL) {
		return error_plain(err, ENOSYS,
			"this build has no backend '%s'; set agents.defaults.sandbox.backend to native",
			backend_kind_name(spec->backend));
	}
	r = place->backend->start(spec, &start, sandbox, err);
	if (r < 0) {
		return r;
	}
	place->image_env = sandbox->env;
	if (sandbox->has_denials) {
		place->denials = denials_new(&sandbox->denials, spec);
	}
	place->link = link_new(
		sandbox->stream_fd, sandbox->has_token ? sandbox->token : NULL, true, NULL, NULL);
	/* A sandbox that dialled has to prove who it is before it is told anything, and setup_run() asks
	 * for a ready link. Otherwise the command is the first thing that is sent. */
	if (!opts->ready && !sandbox->has_token &&
		(spec->backend == BACKEND_HOST || spec->setup_command == NULL)) {
		return 0;
	}
	r = link_wait_ready(place->link, HELLO_TIMEOUT_MS, err);
	return r < 0 || spec->backend == BACKEND_HOST
		       ? r
		       : setup_run(place->link, spec, setup_output(opts), NULL, err);
}

int place_open(struct place *place, struct decision *decision, const struct place_opts *opts,
	struct error *err)
{
	const struct sandbox_spec *spec = &decision->spec;
	bool lasting = spec->backend == BACKEND_DOCKER && !opts->once;
	struct error ignored;
	int r = lasting ? open_lasting(place, decision, opts, err)
			: open_once(place, spec, opts, err);

	if (r < 0) {
		if (place->link != NULL && !link_is_ready(place->link)) {
			(void)error_prefix(err, "the sandbox did not start");
		}
		(void)place_close(place, &ignored);
	}
	return r;
}

int place_close(struct place *place, struct error *err)
{
	int r = 0;

	if (place->link != NULL) {
		place->link = link_free(place->link);
		if (place->backend != NULL) {
			r = place->backend->finish(&place->sandbox, err);
		}
	}
	place->denials = denials_free(place->denials);
	lifecycle_acquired_finish(&place->acquired);
	place->lifecycle = lifecycle_close(place->lifecycle);
	place->image_env = NULL;
	return r;
}

static bool has_name(const struct strv *env, const char *name, size_t len)
{
	for (size_t i = 0; i < env->count; i++) {
		if (strncmp(env->items[i], name, len) == 0 && env->items[i][len] == '=') {
			return true;
		}
	}
	return false;
}

/* The image's variables, which sandboxes without an image have not, and what a login would set, unless
 * the configuration sets it. Nothing of the host's (contract D22). */
void place_env(const struct place *place, struct decision *decision, bool tty, struct strv *ret)
{
	char *const *image = place->image_env;
	const char *defaults[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		arena_printf(&decision->arena, "HOME=%s", decision->spec.workdir),
		"TERM=xterm",
	};
	const struct strv *declared = &decision->spec.env;

	for (; image != NULL && *image != NULL; image++) {
		if (!has_name(declared, *image, strcspn(*image, "="))) {
			strv_add(ret, &decision->arena, *image);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(defaults) - (tty ? 0 : 1); i++) {
		size_t len = strcspn(defaults[i], "=");

		if (!has_name(declared, defaults[i], len) && !has_name(ret, defaults[i], len)) {
			strv_add_ref(ret, &decision->arena, defaults[i]);
		}
	}
	for (size_t i = 0; i < declared->count; i++) {
		strv_add_ref(ret, &decision->arena, declared->items[i]);
	}
}
