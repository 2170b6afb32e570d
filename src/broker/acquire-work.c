/* SPDX-License-Identifier: MIT */
#include "broker/acquire-work.h"

#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "backend/backend.h"
#include "base/own.h"
#include "sandbox/resolve.h"
#include "sandbox/workspace.h"
#include "tools/tool.h"

static json_t *strings(char *const *list)
{
	json_t *array = json_array();

	for (; list != NULL && *list != NULL; list++) {
		json_t *text = json_string(*list);

		if (text != NULL) {
			(void)json_array_append_new(array, text);
		}
	}
	return array;
}

/* What a sandbox was made from. Of one that is not what the configuration asks for: nothing that a
 * decision could be equal to. */
static const char *hash_of(const struct decision *d, bool stale)
{
	if (stale) {
		return "";
	}
	return d->spec.config_hash != NULL ? d->spec.config_hash : d->spec.agent_workspace_dir;
}

/* token NULL: the stream was inherited, and the sandbox ends with it. */
static json_t *extras_of(const struct decision *d, const char *backend, char *const *env,
	const uint8_t *token, const char *notice)
{
	char hex[2 * WIRE_TOKEN_SIZE + 1];
	json_t *top = json_pack("{s:s,s:o,s:b,s:s?}", "backend", backend, "imageEnv", strings(env),
		"once", token == NULL, "notice", notice);

	if (token != NULL) {
		(void)sodium_bin2hex(hex, sizeof(hex), token, WIRE_TOKEN_SIZE);
		(void)json_object_set_new(top, "token", json_string(hex));
	}
	return json_pack("{s:o,s:s,s:{s:i,s:s?}}", "top", top, "hash", hash_of(d, notice != NULL),
		"spec", "backend", (int)d->spec.backend, "workspace", d->spec.workspace_dir);
}

static json_t *lasting_extras(
	const struct decision *d, enum sandbox_kind kind, const struct lifecycle_acquired *got)
{
	json_t *extras = extras_of(d, got->backend, got->env, got->token, got->notice);

	(void)json_object_set_new(extras, "created", json_boolean(got->created));
	if (kind == KIND_BROWSER) {
		(void)json_object_set_new(extras, "row",
			json_pack("{s:s, s:s?}", "backend", got->backend, "socket",
				d->spec.backend == BACKEND_DOCKER ? d->spec.docker_socket : NULL));
		(void)json_object_set_new(json_object_get(extras, "top"), "passwords",
			json_pack("[s, s]", got->passwords.text[0], got->passwords.text[1]));
	}
	return extras;
}

/* The plain host: ends with its stream. Its keeper is this worker. */
static void start_host(struct worker_side *side, const struct decision *d)
{
	const struct backend_ops *host = backend_by_kind(BACKEND_HOST);
	struct backend_start_opts opts = {0};
	struct backend_sandbox started = {.stream_fd = FD_NONE};
	_cleanup_arena_ struct arena arena = {0};
	struct error err;

	if (workspace_prepare(&arena, d->spec.agent_workspace_dir,
		    d->workspace_given ? WORKSPACE_GIVEN : WORKSPACE_AGENT, true, &err) < 0 ||
		host->start(&d->spec, &opts, &started, &err) < 0) {
		worker_fail(side, TOOL_FAIL_UNAVAILABLE, &err);
		return;
	}
	worker_answer(
		side, extras_of(d, host->name, started.env, NULL, NULL), &started.stream_fd, 1);
	(void)close(TAKE_FD(started.stream_fd));
	worker_wait(side);
	(void)host->finish(&started, &err);
}

static void acquire_lasting(struct worker_side *side, struct decision *d, enum sandbox_kind kind)
{
	struct lifecycle_acquired got = LIFECYCLE_ACQUIRED_NONE;
	struct lifecycle_opts opts = {
		.kind = kind, .no_prune = true, .denials = kind == KIND_SANDBOX};
	struct lifecycle *lifecycle;
	int fds[2 + DENIAL_FDS];
	size_t count = 2;
	struct error err;
	int r = lifecycle_open(d->config, &lifecycle, &err);

	if (r == 0) {
		r = lifecycle_acquire(lifecycle, d, &opts, &got, &err);
	}
	if (r < 0) {
		worker_fail(side, TOOL_FAIL_UNAVAILABLE, &err);
		return;
	}
	fds[0] = got.stream_fd;
	fds[1] = got.lock_fd;
	if (got.has_denials && denial_fds_pack(&got.denials, fds + count) == 0) {
		count += DENIAL_FDS;
	}
	worker_answer(side, lasting_extras(d, kind, &got), fds, count);
	lifecycle_acquired_finish(&got);
	(void)lifecycle_close(lifecycle);
}

/* Its backend is known, and what it is made from. */
static int resolve(struct decision *d, struct error *err)
{
	const char *reason = NULL;

	if (!d->sandboxed) {
		d->spec.backend = BACKEND_HOST;
		return 0;
	}
	return sandbox_resolve(d, RESOLVE_CREATE, &reason, err);
}

void acquire_work_start(struct worker_side *side, void *arg)
{
	struct acquire_job *job = arg;
	struct error err;

	if (job->control != NULL) {
		control_serve(side, job->decision, job->control,
			extras_of(job->decision, "control", NULL, NULL, NULL));
	} else if (resolve(job->decision, &err) < 0) {
		worker_fail(side, TOOL_FAIL_UNAVAILABLE, &err);
	} else if (job->decision->spec.backend == BACKEND_HOST) {
		start_host(side, job->decision);
	} else {
		acquire_lasting(side, job->decision, job->kind);
	}
}

void acquire_work_look(struct worker_side *side, void *arg)
{
	struct acquire_job *job = arg;
	struct decision *d = job->decision;
	_cleanup_free_ char *notice = NULL;
	struct error err;

	if (resolve(d, &err) < 0) {
		worker_fail(side, TOOL_FAIL_UNAVAILABLE, &err);
		return;
	}
	notice = d->spec.backend == BACKEND_HOST ? NULL : lifecycle_stale_notice(d);
	worker_answer(side, json_pack("{s:s,s:s?}", "hash", hash_of(d, false), "notice", notice),
		NULL, 0);
}
