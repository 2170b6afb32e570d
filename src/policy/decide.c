/* SPDX-License-Identifier: MIT */
/* The decision: mode, scope, access, workspace; the parts that are larger stand in their own files. */
#include "policy/decide.h"

#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "base/macro.h"
#include "base/mem.h"
#include "base/path.h"
#include "policy/text.h"
#include "policy/view.h"

enum {
	DEFAULT_PRUNE_IDLE_HOURS = 24,
	DEFAULT_PRUNE_MAX_AGE_DAYS = 7,
};

/* A text value out of a fixed set; the first entry of names that equals it. */
static int find_name(const char *text, const char *(*name_of)(int), int count)
{
	for (int i = 0; text != NULL && i < count; i++) {
		if (strcmp(name_of(i), text) == 0) {
			return i;
		}
	}
	return -1;
}

static const char *mode_at(int i)
{
	return sandbox_mode_name((enum sandbox_mode)i);
}

static const char *scope_at(int i)
{
	return sandbox_scope_name((enum sandbox_scope)i);
}

static const char *access_at(int i)
{
	return workspace_access_name((enum workspace_access)i);
}

static const char *backend_at(int i)
{
	return backend_kind_name((enum backend_kind)i);
}

/* One enumerated sandbox key with its provenance; -1 when nothing sets it. */
static int get_enum(
	struct view *v, const char *key, const char *field, const char *(*name_of)(int), int count)
{
	enum view_level level;
	const json_t *value = view_get(v, VIEW_TOP, key, &level);
	int found = find_name(json_string_value(value), name_of, count);

	if (found >= 0) {
		view_provenance(v, field, view_key(v, level, VIEW_TOP, key));
	}
	return found;
}

/* Who and which session, and where that was said. */
static void decide_session(struct view *v)
{
	struct decision *d = v->decision;
	const struct decide_request *r = v->request;
	const char *session = text_is_blank(r->session) ? "default" : "--session";
	const char *main_key = v->session.main_configured ? "session.mainKey" : "default";

	d->agent_id = v->session.agent_id;
	d->session_key = v->session.key;
	d->main_session_key = v->session.main_key;
	view_provenance(v, "agentId", text_is_blank(r->agent) ? session : "--agent");
	view_provenance(v, "sessionKey", text_is_blank(r->session) ? main_key : session);
	view_provenance(v, "mainSessionKey", v->session.global_scope ? "session.scope" : main_key);
}

static void decide_mode(struct view *v)
{
	struct decision *d = v->decision;
	int mode = get_enum(v, "mode", "sandbox.mode", mode_at, MODE_COUNT_);

	if (mode < 0) {
		mode = find_name(d->config->brand->default_mode, mode_at, MODE_COUNT_);
		/* Without a word from anybody the safe answer is a sandbox. */
		mode = mode < 0 ? MODE_ALL : mode;
		view_provenance(v, "sandbox.mode", "default");
	}
	d->mode = (enum sandbox_mode)mode;
	d->is_main = v->session.is_main;
	d->sandboxed = d->mode == MODE_ALL || (d->mode == MODE_NON_MAIN && !d->is_main);
	view_provenance(v, "sandbox.sessionIsSandboxed", decision_provenance(d, "sandbox.mode"));
}

/* scope anywhere beats the older perSession anywhere. */
static void decide_scope(struct view *v)
{
	struct decision *d = v->decision;
	enum view_level level;
	const json_t *per_session;
	int scope = get_enum(v, "scope", "sandbox.scope", scope_at, SCOPE_COUNT_);

	if (scope < 0) {
		per_session = view_get(v, VIEW_TOP, "perSession", &level);
		scope = json_is_false(per_session) ? SCOPE_SHARED : SCOPE_SESSION;
		view_provenance(v, "sandbox.scope", view_key(v, level, VIEW_TOP, "perSession"));
	}
	d->scope = (enum sandbox_scope)scope;
	v->shared = d->scope == SCOPE_SHARED;
	d->spec.scope_key =
		session_scope_key(v->arena, d->scope, v->session.key, v->session.agent_id);
}

static void decide_access(struct view *v)
{
	int access =
		get_enum(v, "workspaceAccess", "sandbox.workspaceAccess", access_at, ACCESS_COUNT_);

	if (access < 0) {
		/* Who names a directory for one command means that the command may work in it. */
		access = v->request->workspace != NULL ? ACCESS_RW : ACCESS_NONE;
		view_provenance(v, "sandbox.workspaceAccess",
			v->request->workspace != NULL ? "--workspace" : "default");
	}
	v->decision->spec.access = (enum workspace_access)access;
}

/* A directory from the configuration as an absolute, normalised path. */
static const char *host_dir(struct view *v, const char *text)
{
	const struct config *c = v->decision->config;

	text = path_expand_home(v->arena, text, c->home);
	return path_normalize(v->arena, path_join(v->arena, c->state_dir, text));
}

static void decide_agent_workspace(struct view *v)
{
	struct decision *d = v->decision;
	struct arena *a = v->arena;
	const char *field = "sandbox.agentWorkspace", *id = v->session.agent_id;
	const char *agents = json_string_value(json_object_get(v->agent, "workspace"));
	const char *shared = json_string_value(json_object_get(v->defaults, "workspace"));
	bool is_default = strcmp(id, session_default_agent(a, v->root)) == 0;

	if (v->request->workspace != NULL) {
		d->spec.agent_workspace_dir = path_normalize(a, v->request->workspace);
		d->workspace_given = true;
		view_provenance(v, field, "--workspace");
	} else if (!text_is_blank(agents)) {
		d->spec.agent_workspace_dir = host_dir(v, text_trim(a, agents));
		view_provenance(v, field, view_agent_key(v, "workspace"));
	} else if (is_default && !text_is_blank(shared)) {
		d->spec.agent_workspace_dir = host_dir(v, text_trim(a, shared));
		view_provenance(v, field, "agents.defaults.workspace");
	} else {
		/* Two agents never share a workspace unless somebody says so. */
		d->spec.agent_workspace_dir = host_dir(
			v, is_default ? "workspace" : text_concat(a, "workspace-", id, NULL));
		view_provenance(v, field, "default");
	}
}

static void decide_workspace(struct view *v)
{
	struct decision *d = v->decision;
	enum view_level level;
	const char *root = json_string_value(view_get(v, VIEW_TOP, "workspaceRoot", &level)), *dir;

	d->workspace_root = root != NULL ? path_expand_home(v->arena, root, d->config->home)
					 : path_join(v->arena, d->config->state_dir, "sandboxes");
	view_provenance(v, "sandbox.workspaceRoot",
		view_key(v, root != NULL ? level : VIEW_DEFAULT, VIEW_TOP, "workspaceRoot"));
	/* A blank root would make the state directory, with its tokens, the shared workspace. */
	dir = host_dir(v, text_is_blank(d->workspace_root) ? "sandboxes" : d->workspace_root);
	decide_agent_workspace(v);
	d->spec.workspace_dir = d->spec.access == ACCESS_RW ? d->spec.agent_workspace_dir
							    : session_workspace_dir(v->arena, dir,
								      d->scope, d->spec.scope_key);
	view_provenance(v, "sandbox.workspace",
		decision_provenance(d, d->spec.access == ACCESS_RW ? "sandbox.agentWorkspace"
								   : "sandbox.workspaceRoot"));
}

static void decide_backend(struct view *v)
{
	int backend = get_enum(v, "backend", "sandbox.backend", backend_at, BACKEND_COUNT_);

	if (backend < 0) {
		backend = BACKEND_AUTO;
		view_provenance(v, "sandbox.backend", "default");
	}
	v->decision->spec.backend = (enum backend_kind)backend;
	v->decision->host_configured = backend == BACKEND_HOST;
}

static int64_t decide_prune_value(
	struct view *v, const char *key, const char *field, int64_t fallback)
{
	enum view_level level;
	const json_t *value = view_get(v, VIEW_PRUNE, key, &level);

	view_provenance(v, field, view_key(v, level, VIEW_PRUNE, key));
	return json_is_integer(value) ? json_integer_value(value) : fallback;
}

static void add_fix(struct view *v, const char *key)
{
	strv_add_ref(&v->decision->fix_it, v->arena, key);
}

/* What a person may want to change after reading an explanation, as key or key=value. */
static void decide_fix_it(struct view *v)
{
	struct decision *d = v->decision;

	if (d->sandboxed) {
		add_fix(v, "agents.defaults.sandbox.mode=off");
		if (v->agent != NULL) {
			add_fix(v, view_agent_key(v, "sandbox.mode=off"));
		}
		add_fix(v, "tools.sandbox.tools.allow");
		add_fix(v, "tools.sandbox.tools.deny");
		if (v->agent != NULL) {
			add_fix(v, view_agent_key(v, "tools.sandbox.tools.allow"));
			add_fix(v, view_agent_key(v, "tools.sandbox.tools.deny"));
		}
	} else {
		add_fix(v, "agents.defaults.sandbox.mode=all");
	}
	add_fix(v, "tools.elevated.enabled");
	if (d->elevated.channel != NULL) {
		add_fix(v, text_concat(v->arena, "tools.elevated.allowFrom.", d->elevated.channel,
				   NULL));
	}
}

/* What a request names ends up in names of containers, in logs and in answers to a model. */
static int check_name(const char *what, const char *text, struct error *err)
{
	if (text == NULL) {
		return 0;
	}
	if (strlen(text) > LIMIT_NAME_BYTES) {
		return error_plain(err, EINVAL, "the %s is %zu bytes long; at most %d are taken",
			what, strlen(text), LIMIT_NAME_BYTES);
	}
	if (!text_is_utf8(text)) {
		return error_plain(err, EINVAL, "the %s is not valid UTF-8", what);
	}
	return 0;
}

static int check_names(const struct decide_request *request, struct error *err)
{
	const struct {
		const char *what, *text;
	} names[] = {
		{"agent", request->agent},
		{"session key", request->session},
		{"tool name", request->tool},
		{"model provider", request->model_provider},
		{"sender's channel", request->sender.provider},
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(names); i++) {
		r = check_name(names[i].what, names[i].text, err);
	}
	return r;
}

static int check_request(
	const struct config *config, const struct decide_request *request, struct error *err)
{
	if (config->error_count > 0) {
		return error_plain(err, EINVAL,
			"the configuration %s has %zu errors; nothing is decided on it",
			config->path != NULL ? config->path : "", config->error_count);
	}
	if (request->workspace != NULL && !path_is_absolute(request->workspace)) {
		return error_plain(err, EINVAL,
			"the workspace '%s' is not an absolute path; give the full path",
			request->workspace);
	}
	return check_names(request, err);
}

int decide(const struct config *config, const struct decide_request *request, struct decision **ret,
	struct error *err)
{
	int r = check_request(config, request, err);
	struct decision *d;
	struct view v;

	if (r < 0) {
		return r;
	}
	d = xcalloc(1, sizeof(*d));
	d->config = config;
	view_init(&v, d, request);
	decide_session(&v);
	decide_mode(&v);
	decide_scope(&v);
	decide_access(&v);
	decide_workspace(&v);
	decide_backend(&v);
	decide_spec(&v);
	d->prune_idle_hours = decide_prune_value(
		&v, "idleHours", "sandbox.prune.idleHours", DEFAULT_PRUNE_IDLE_HOURS);
	d->prune_max_age_days = decide_prune_value(
		&v, "maxAgeDays", "sandbox.prune.maxAgeDays", DEFAULT_PRUNE_MAX_AGE_DAYS);
	decide_sandbox_tools(&v);
	decide_elevated(&v);
	if (request->tool != NULL) {
		decide_tool(&v, request->tool, &d->tool);
		elevated_apply(&v, &d->tool);
	} else {
		d->tool.allowed = true;
	}
	decide_fix_it(&v);
	*ret = d;
	return 0;
}

void decision_check_tool(struct decision *decision, const struct decide_request *request,
	const char *tool, struct tool_verdict *ret)
{
	struct view v;

	view_init(&v, decision, request);
	decide_tool(&v, tool, ret);
}

struct decision *decision_free(struct decision *decision)
{
	if (decision != NULL) {
		struct arena arena = decision->arena;

		arena_finish(&arena);
		free(decision);
	}
	return NULL;
}

bool decision_is_isolated(const struct decision *decision)
{
	return decision->sandboxed && !decision->host_configured;
}

const char *decision_provenance(const struct decision *decision, const char *field)
{
	/* From the end: where two levels set parts of one field, the later one decided. */
	for (size_t i = decision->provenance_count; i > 0; i--) {
		if (strcmp(decision->provenance[i - 1].field, field) == 0) {
			return decision->provenance[i - 1].key;
		}
	}
	return NULL;
}
