/* SPDX-License-Identifier: MIT */
/* From a decision to a spec that a backend can start: what only this host knows. */
#include "sandbox/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "sandbox/binds.h"
#include "sandbox/content.h"
#include "sandbox/engine.h"
#include "sandbox/hash.h"
#include "sandbox/instance.h"
#include "sandbox/workspace.h"

/* With backend auto an engine is used when one answers; a decision, not something to fall back from. */
static const char *choose_auto(struct decision *d)
{
	struct sandbox_spec *spec = &d->spec;
	struct error why;
	int r = engine_find(d, &why);

	if (r == 0) {
		r = engine_knock(spec->docker_socket, &why);
	}
	if (r == 0) {
		spec->backend = BACKEND_DOCKER;
		return arena_printf(&d->arena, "auto: the container engine at '%s' answers",
			spec->docker_socket);
	}
	spec->backend = BACKEND_NATIVE;
	return arena_printf(&d->arena,
		"auto: %s; so the sandbox is built from the kernel's own namespaces", why.text);
}

static int choose_backend(struct decision *d, const char **ret_reason, struct error *err)
{
	struct sandbox_spec *spec = &d->spec;

	if (!d->sandboxed) {
		spec->backend = BACKEND_HOST;
		*ret_reason =
			arena_printf(&d->arena, "the sandbox is off for this session (mode %s%s)",
				sandbox_mode_name(d->mode),
				d->mode == MODE_NON_MAIN ? ", main session" : "");
		return 0;
	}
	if (d->elevated.granted) {
		spec->backend = BACKEND_HOST;
		*ret_reason = "this call is elevated: it leaves the sandbox";
		return 0;
	}
	if (spec->backend == BACKEND_AUTO) {
		*ret_reason = choose_auto(d);
		return 0;
	}
	*ret_reason = arena_printf(
		&d->arena, "configured by %s", decision_provenance(d, "sandbox.backend"));
	return spec->backend == BACKEND_DOCKER ? engine_find(d, err) : 0;
}

static int derive_user(struct decision *d, struct error *err)
{
	struct sandbox_spec *spec = &d->spec;
	struct stat st;

	if (spec->user != NULL) {
		return 0;
	}
	if (stat(spec->workspace_dir, &st) == 0) {
		spec->user = arena_printf(&d->arena, "%u:%u", st.st_uid, st.st_gid);
		return 0;
	}
	if (errno != ENOENT) {
		return error_set(
			err, errno, "cannot look at the workspace '%s'", spec->workspace_dir);
	}
	/* Not there yet: it will belong to whoever makes it, which is us. */
	spec->user = arena_printf(&d->arena, "%u:%u", geteuid(), getegid());
	return 0;
}

static int refuse_problem(const struct decision *d, struct error *err)
{
	if (d->problem == NULL) {
		return 0;
	}
	return error_plain(err, EINVAL, "%s (%s)", d->problem, d->problem_key);
}

static int prepare_workspaces(struct decision *d, unsigned flags, struct error *err)
{
	const struct sandbox_spec *spec = &d->spec;
	bool create = (flags & RESOLVE_CREATE) != 0;
	int r = bind_check_workspace(d, spec->workspace_dir, err);

	if (r == 0 && spec->access != ACCESS_NONE &&
		strcmp(spec->agent_workspace_dir, spec->workspace_dir) != 0) {
		r = bind_check_workspace(d, spec->agent_workspace_dir, err);
	}
	if (r == 0 && spec->access != ACCESS_RW) {
		r = workspace_prepare(&d->arena, spec->workspace_dir, WORKSPACE_OWN, create, err);
	}
	if (r == 0 && (spec->access != ACCESS_NONE || d->workspace_given)) {
		r = workspace_prepare(&d->arena, spec->agent_workspace_dir,
			d->workspace_given ? WORKSPACE_GIVEN : WORKSPACE_AGENT, create, err);
	}
	return r;
}

/* What the agent finds in a workspace that is not its own. */
static int fill_workspace(const struct decision *d, struct error *err)
{
	int r = bootstrap_seed(d, err);

	return r == 0 ? skills_mirror(d, err) : r;
}

/* Commands on the host run in the agent's workspace; nothing of a container is needed for them. */
static int resolve_host(struct decision *d, unsigned flags, struct error *err)
{
	d->spec.workspace_dir = d->spec.agent_workspace_dir;
	return workspace_prepare(&d->arena, d->spec.agent_workspace_dir,
		d->workspace_given ? WORKSPACE_GIVEN : WORKSPACE_AGENT,
		(flags & RESOLVE_CREATE) != 0, err);
}

int sandbox_resolve(struct decision *decision, unsigned flags, const char **ret_backend_reason,
	struct error *err)
{
	const char *reason = NULL;
	int r = choose_backend(decision, &reason, err);

	if (r < 0) {
		return r;
	}
	if (decision->spec.backend == BACKEND_HOST) {
		r = resolve_host(decision, flags, err);
	} else {
		r = refuse_problem(decision, err);
		if (r == 0) {
			r = binds_resolve(decision, err);
		}
		if (r == 0) {
			r = prepare_workspaces(decision, flags, err);
		}
		if (r == 0 && (flags & RESOLVE_CREATE) != 0) {
			r = fill_workspace(decision, err);
		}
	}
	if (r == 0) {
		r = derive_user(decision, err);
	}
	if (r < 0) {
		return r;
	}
	/* There is no engine that could make one: a browser without a network still shows what is inside. */
	if (decision->spec.backend == BACKEND_NATIVE &&
		strcmp(decision->spec.network, decision->config->brand->browser_network) == 0) {
		decision->spec.network = "none";
	}
	decision->spec.instance = sandbox_instance(&decision->arena, decision->config);
	if (decision->spec.backend != BACKEND_NATIVE || (flags & RESOLVE_NATIVE_ONCE) == 0) {
		decision->spec.config_hash = config_hash(decision);
	}
	*ret_backend_reason = reason;
	return 0;
}
