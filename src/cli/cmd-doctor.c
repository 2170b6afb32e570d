/* SPDX-License-Identifier: MIT */
/* creel doctor: what this host can isolate, what is missing, how to get it, and a real try. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/own.h"
#include "cli/prepare.h"
#include "cli/table.h"
#include "sandbox/resolve.h"

enum { TRY_TIMEOUT_MS = 10000 };

/* How starting a sandbox that runs true went. */
struct trial {
	bool ok;
	uint64_t took_ns;
	char why[1100];
};

struct report {
	struct host_fact facts[LAYER_COUNT_];
	bool without[LAYER_COUNT_]; /* the configuration lets a sandbox go without it */
	struct trial trial;
	char config_note[1100]; /* what is wrong with the configuration; "" */
};

static void trial_failed(struct trial *trial, const struct error *err)
{
	trial->ok = false;
	(void)snprintf(trial->why, sizeof(trial->why), "%s", err->text);
}

/* --- the try --- */

struct verdict {
	bool over;
	struct wire_exited exited;
	char failed[600];
};

static void on_exited(void *arg, const struct wire_exited *exited)
{
	struct verdict *verdict = arg;

	verdict->over = true;
	verdict->exited = *exited;
}

static void on_failed(void *arg, const struct wire_failed *failed)
{
	struct verdict *verdict = arg;
	_cleanup_buf_ struct buf text = {0};

	verdict->over = true;
	buf_add_escaped(&text, (const char *)failed->text.data, failed->text.len, 500);
	(void)snprintf(verdict->failed, sizeof(verdict->failed), "%s",
		text.len > 0 ? text.data : strerror((int)failed->errnum));
}

static void on_lost(void *arg, const struct error *why)
{
	struct verdict *verdict = arg;

	verdict->over = true;
	(void)snprintf(verdict->failed, sizeof(verdict->failed), "%.500s", why->text);
}

static const struct link_process_ops true_ops = {
	.exited = on_exited,
	.failed = on_failed,
	.lost = on_lost,
};

/* A sandbox that does not answer is one that does not work. */
static int wait_and_pump(struct link *link, struct error *err)
{
	struct pollfd p = {.fd = link_fd(link), .events = link_events(link)};
	int r = poll(&p, 1, TRY_TIMEOUT_MS * 2);

	if (r == 0) {
		return error_plain(err, ETIMEDOUT, "the sandbox did not answer");
	}
	if (r < 0) {
		return errno == EINTR ? 0 : error_set(err, errno, "cannot wait for the sandbox");
	}
	return link_pump(link, p.revents, err);
}

static int run_true(struct link *link, const char *workdir, struct error *err)
{
	static const char *const argv[] = {"true", NULL};
	static const char *const env[] = {"PATH=/usr/bin:/bin", NULL};
	struct wire_spawn spawn = {
		.uid = WIRE_NO_ID,
		.gid = WIRE_NO_ID,
		.timeout_ms = TRY_TIMEOUT_MS,
		.cwd = workdir,
		.argv = argv,
		.env = env,
	};
	struct verdict verdict = {0};
	uint32_t stream;
	int r = link_wait_ready(link, TRY_TIMEOUT_MS, err);

	if (r == 0) {
		r = link_spawn(link, &spawn, &true_ops, &verdict, &stream, err);
	}
	while (r == 0 && !verdict.over) {
		r = wait_and_pump(link, err);
	}
	if (verdict.failed[0] != '\0') {
		return error_plain(err, EIO, "%s", verdict.failed);
	}
	if (r == 0 && (verdict.exited.code != 0 || verdict.exited.timed_out)) {
		return error_plain(err, EIO, "'true' ended with status %d in the sandbox",
			verdict.exited.code);
	}
	return r;
}

/* Start it, run true, take it down. */
static int start_and_run(const struct sandbox_spec *spec, struct error *err)
{
	const struct backend_ops *backend = backend_by_kind(BACKEND_NATIVE);
	struct backend_start_opts opts = {0};
	struct backend_sandbox sandbox = {.stream_fd = FD_NONE};
	struct error ignored;
	struct link *link;
	int r = backend->start(spec, &opts, &sandbox, err);

	if (r < 0) {
		return r;
	}
	link = link_new(
		sandbox.stream_fd, sandbox.has_token ? sandbox.token : NULL, true, NULL, NULL);
	r = run_true(link, spec->workdir, err);
	(void)link_free(link);
	if (backend->finish(&sandbox, r == 0 ? err : &ignored) < 0 && r == 0) {
		return -EIO;
	}
	return r;
}

/*
 * The sandbox that the configuration gives, but always native, and with an empty directory of ours
 * as its workspace: doctor must not touch the user's.
 */
static int try_in(struct decision *decision, const char *dir, struct error *err)
{
	struct sandbox_spec *spec = &decision->spec;
	struct spec_mount *mounts =
		arena_calloc(&decision->arena, spec->mount_count + 1, sizeof(*mounts));
	const char *reason;
	size_t count = 0;
	int r;

	for (size_t i = 0; i < spec->mount_count; i++) {
		if (spec->mounts[i].kind == MOUNT_AGENT) {
			continue;
		}
		mounts[count] = spec->mounts[i];
		if (mounts[count].kind == MOUNT_WORKSPACE) {
			mounts[count].source = dir;
			mounts[count].read_only = false;
		}
		count++;
	}
	spec->mounts = mounts;
	spec->mount_count = count;
	spec->workspace_dir = dir;
	spec->agent_workspace_dir = dir;
	spec->access = ACCESS_RW;
	spec->backend = BACKEND_NATIVE;
	r = sandbox_resolve(decision, 0, &reason, err);
	return r < 0 ? r : start_and_run(spec, err);
}

static void try_native(struct decision *decision, struct trial *trial)
{
	char dir[] = "/tmp/creel-doctor-XXXXXX";
	uint64_t began;
	struct error err;
	int r;

	if (mkdtemp(dir) == NULL) {
		(void)error_set(
			&err, errno, "cannot make a directory in /tmp to try a sandbox with");
		trial_failed(trial, &err);
		return;
	}
	began = clock_now_ns();
	r = try_in(decision, dir, &err);
	trial->took_ns = clock_now_ns() - began;
	trial->ok = r == 0;
	if (r < 0) {
		trial_failed(trial, &err);
	}
	(void)rmdir(dir);
}

/* --- the configuration, as far as it is usable --- */

/* What is decided without any file, for the try when the user's cannot be used. */
static struct config *empty_config(const struct config_env *env)
{
	struct config *config = xcalloc(1, sizeof(*config));

	config->root = json_object();
	config->brand = brand_by_name("creel");
	config->home = arena_strdup(&config->arena, env->home);
	config->state_dir = arena_printf(&config->arena, "%s/.creel", env->home);
	return config;
}

static struct config *load(const struct cmd_call *call, struct report *report)
{
	const struct common_args *common = cmd_common(call);
	struct config_request request = {.path = common->config, .brand = common->brand};
	struct config *config = NULL;
	struct error err;

	if (config_env_from_process(&request.env, &err) < 0) {
		request.env.home = "/";
	} else if (config_load(&request, &config, &err) == 0 && config->error_count == 0) {
		return config;
	} else if (config != NULL) {
		(void)error_plain(
			&err, EINVAL, "%s is not valid; see 'creel config validate'", config->path);
	}
	(void)snprintf(report->config_note, sizeof(report->config_note), "%s", err.text);
	(void)config_free(config);
	return empty_config(&request.env);
}

static void examine(const struct cmd_call *call, struct report *report)
{
	_cleanup_config_ struct config *config = load(call, report);
	_cleanup_decision_ struct decision *decision = NULL;
	struct decide_request request = {.workspace = "/tmp"};
	struct error err;

	backend_native_probe(report->facts);
	if (decide(config, &request, &decision, &err) < 0) {
		trial_failed(&report->trial, &err);
		return;
	}
	memcpy(report->without, decision->spec.allow_missing, sizeof(report->without));
	try_native(decision, &report->trial);
}

/* --- output --- */

static json_t *report_json(const struct report *report)
{
	json_t *object = json_object(), *layers = json_array(), *trial = json_object();

	json_object_set_new(object, "ok", json_boolean(report->trial.ok));
	for (size_t i = 0; i < LAYER_COUNT_; i++) {
		const struct host_fact *fact = &report->facts[i];
		json_t *layer = json_object();

		json_object_set_new(layer, "layer", json_string(isolation_layer_name(fact->layer)));
		json_object_set_new(layer, "present", json_boolean(fact->present));
		json_object_set_new(layer, "allowedMissing", json_boolean(report->without[i]));
		json_object_set_new(layer, "detail", json_string(fact->detail));
		json_object_set_new(
			layer, "fix", fact->fix[0] != '\0' ? json_string(fact->fix) : json_null());
		json_array_append_new(layers, layer);
	}
	json_object_set_new(object, "layers", layers);
	json_object_set_new(trial, "backend", json_string("native"));
	json_object_set_new(trial, "ok", json_boolean(report->trial.ok));
	json_object_set_new(trial, "durationMs",
		report->trial.ok ? json_real((double)report->trial.took_ns / 1e6) : json_null());
	json_object_set_new(
		trial, "message", report->trial.ok ? json_null() : json_string(report->trial.why));
	json_object_set_new(object, "trial", trial);
	json_object_set_new(object, "configProblem",
		report->config_note[0] != '\0' ? json_string(report->config_note) : json_null());
	return object;
}

static void add_layers(struct buf *out, const struct report *report)
{
	buf_addf(out, "%-18s %-8s %s\n", "LAYER", "HERE", "DETAIL");
	for (size_t i = 0; i < LAYER_COUNT_; i++) {
		const struct host_fact *fact = &report->facts[i];

		buf_addf(out, "%-18s %-8s %s\n", isolation_layer_name(fact->layer),
			fact->present        ? "yes"
			: report->without[i] ? "allowed"
					     : "NO",
			fact->detail);
		if (!fact->present && fact->fix[0] != '\0') {
			buf_addf(out, "%-18s %-8s fix: %s\n", "", "", fact->fix);
		}
	}
}

static void add_verdict(struct buf *out, const struct report *report)
{
	size_t missing = 0, without = 0;

	for (size_t i = 0; i < LAYER_COUNT_; i++) {
		missing += !report->facts[i].present;
		without += !report->facts[i].present && report->without[i];
	}
	buf_add_char(out, '\n');
	if (report->config_note[0] != '\0') {
		buf_addf(out, "configuration: %s\n", report->config_note);
	}
	if (!report->trial.ok) {
		buf_addf(out, "no sandbox can start here: %s\n", report->trial.why);
		return;
	}
	buf_addf(out, "a sandbox starts here: 'true' ran in one, %.1f ms in all",
		(double)report->trial.took_ns / 1e6);
	if (missing > 0) {
		buf_addf(out,
			"; %zu of %d layers missing, %zu of them allowed by the configuration",
			missing, LAYER_COUNT_, without);
	}
	buf_add_char(out, '\n');
}

static int run(const struct cmd_call *call)
{
	_cleanup_free_ struct report *report = xcalloc(1, sizeof(*report));
	_cleanup_buf_ struct buf out = {0};
	json_t *object;
	int status;

	examine(call, report);
	if (cmd_common(call)->json) {
		object = report_json(report);
		status = print_json(call, object);
		json_decref(object);
	} else {
		add_layers(&out, report);
		add_verdict(&out, report);
		status = print_text(call, &out);
	}
	return status != STATUS_OK ? status : report->trial.ok ? STATUS_OK : STATUS_FAILED;
}

const struct cmd cmd_doctor = {
	.name = "doctor",
	.summary = "show what this host can isolate, and try it",
	.operands = "",
	.failed_status = STATUS_FAILED,
	.args_size = sizeof(struct common_args),
	.description =
		"Shows every layer that keeps a sandbox in, whether this host has it, and the command "
		"or setting that would provide it; then starts a real sandbox. Status 0 when a sandbox "
		"starts, 1 when none does.",
	.run = run,
};
