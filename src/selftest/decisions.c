/* SPDX-License-Identifier: MIT */
/* Attacks on the configuration and on what is decided from it: no sandbox is started for these. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "backend/native/plan.h"
#include "base/own.h"
#include "base/strv.h"
#include "sandbox/resolve.h"
#include "selftest/column.h"

enum { KEY_MAX = 64 * 1024, NESTING = 100000, KEYS = 200000, MOUNTS = 200 };

/* A place with a home, a workspace and some files, and what every attack works with. */
struct ground {
	struct selftest_column *out;
	struct decoy decoy;
	struct arena arena;
};

static const char *no_variable(void *arg, const char *name)
{
	(void)arg;
	(void)name;
	return NULL;
}

static int write_text(const char *dir, const char *name, const char *text, size_t len, char *path,
	size_t size, struct error *err)
{
	_cleanup_close_ int fd = FD_NONE;

	(void)snprintf(path, size, "%s/%s", dir, name);
	fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
	return fd >= 0 && write(fd, text, len) == (ssize_t)len
		       ? 0
		       : error_set(err, errno, "cannot write '%s'", path);
}

static int load_file(const char *home, const char *path, struct config **ret, struct error *err)
{
	const struct config_request request = {.path = path,
		.brand = path != NULL ? "creel" : NULL,
		.env = {.home = home, .get = no_variable}};
	struct config *config = NULL;
	int r = config_load(&request, &config, err);

	if (r < 0) {
		return r;
	}
	if (config->error_count > 0) {
		const struct config_issue *issue = config->issues;

		while (issue->warning) {
			issue++;
		}
		r = error_plain(err, EINVAL, "%s: %s", issue->path, issue->message);
		(void)config_free(config);
		return r;
	}
	*ret = config;
	return 0;
}

int decisions_load(const char *dir, const char *text, struct config **ret, struct error *err)
{
	char path[160];
	int r = write_text(dir, "selftest.json", text, strlen(text), path, sizeof(path), err);

	return r == 0 ? load_file(dir, path, ret, err) : r;
}

/* --- configurations that must be refused --- */

/* As far as a sandbox comes with this configuration: 0 all the way to its plan. */
static int carry_out(struct ground *g, const char *text, struct error *err)
{
	struct config *config = NULL;
	struct decision *decision = NULL;
	const struct decide_request request = {.workspace = g->decoy.workspace};
	const char *reason;
	int r = decisions_load(g->decoy.home, text, &config, err);

	if (r == 0) {
		r = decide(config, &request, &decision, err);
	}
	if (r == 0) {
		r = sandbox_resolve(decision, 0, &reason, err);
	}
	if (r == 0 && decision->spec.backend == BACKEND_NATIVE) {
		json_t *plan = native_plan_json(&decision->spec, err);

		r = plan != NULL ? 0 : -err->num;
		json_decref(plan);
	}
	(void)decision_free(decision);
	(void)config_free(config);
	return r;
}

/* Keys of agents.defaults.sandbox.docker; %B is a directory of ours, %H the home. */
static const char *docker_config(struct ground *g, const char *backend, const char *keys)
{
	_cleanup_buf_ struct buf text = {0};

	buf_addf(&text,
		"{agents: {defaults: {sandbox: {mode: 'all', backend: '%s', workspaceAccess: 'rw', "
		"docker: {dangerouslyAllowExternalBindSources: true, ",
		backend);
	for (; *keys != '\0'; keys++) {
		if (keys[0] == '%' && (keys[1] == 'B' || keys[1] == 'H')) {
			buf_add_str(&text, keys[1] == 'B' ? g->decoy.base : g->decoy.home);
			keys++;
		} else {
			buf_add_char(&text, *keys);
		}
	}
	buf_add_str(&text, "}}}}}");
	return arena_strdup(&g->arena, text.data);
}

enum { VARIANTS_MAX = 10 };

struct refusal {
	const char *id;
	const char *backend;
	const char *word; /* in the reason: it was refused for the right one */
	const char *keys[VARIANTS_MAX];
};

static const struct refusal refusals[] = {
	{"cfg-network-host", "docker", "network", {"network: 'host'", "network: 'HOST'"}},
	{"cfg-network-container", "docker", "network",
		{"network: 'container:abc'", "network: 'container:'"}},
	{"cfg-bind-root", "docker", "binds",
		{"binds: ['/:/x']", "binds: ['/:/x:ro']", "binds: ['/etc:/x']",
			"binds: ['/proc:/x:ro']", "binds: ['/sys:/x']", "binds: ['/dev:/x']",
			"binds: ['/root:/x']", "binds: ['/boot:/x']",
			"binds: ['//proc/../etc/.:/x']", "binds: ['/home:/x']"}},
	{"cfg-bind-socket", "docker", "binds",
		{"binds: ['/var/run/docker.sock:/x']", "binds: ['/run/docker.sock:/x:ro']",
			"binds: ['/run:/x']", "binds: ['/var/run:/x']",
			"binds: ['%B/docker.sock:/x']", "binds: ['/run/../run/docker.sock:/x']"}},
	{"cfg-bind-home", "docker", "binds",
		{"binds: ['%H/.ssh:/x:ro']", "binds: ['%H/.aws:/x:ro']",
			"binds: ['%H/.gnupg:/x:ro']", "binds: ['%H/.ssh/id_ed25519:/x:ro']",
			"binds: ['%H:/x:ro']", "binds: ['/home/somebody/.ssh:/x:ro']"}},
	{"cfg-bind-link", "docker", "binds",
		{"binds: ['%B/link-to-etc:/x']", "binds: ['%B/link-to-etc/ssl:/x']",
			"binds: ['%B/link-to-root:/x']", "binds: ['%B/link-to-root/etc:/x']"}},
	{"cfg-bind-target", "docker", "binds",
		{"binds: ['%B/ro:/proc/self/attr']", "binds: ['%B/ro:/proc']",
			"binds: ['%B/ro:/sys/fs']", "binds: ['%B/ro:/dev']",
			"binds: ['%B/ro:/dev/null']", "binds: ['%B/ro:/run/creel/init']",
			"binds: ['%B/ro:/run/creel']", "binds: ['%B/ro:/']",
			"binds: ['%B/ro:/x/../proc/1']", "binds: ['%B/ro:/workspace/.git']"}},
	{"cfg-bind-text", "docker", "binds",
		{"binds: ['%B/ro']", "binds: ['%B/ro:x']", "binds: ['ro:/x']",
			"binds: ['%B/ro:/x:suid']", "binds: ['%B/ro:/x:rw:dev']",
			"binds: ['%B\\\\ro:/x']", "binds: ['']", "binds: [':']"}},
	{"cfg-unconfined", "docker", "rofile",
		{"seccompProfile: 'unconfined'", "apparmorProfile: 'unconfined'",
			"seccompProfile: 'UNCONFINED'", "seccompProfile: ' unconfined '"}},
	{"cfg-privileged", "docker", "",
		{"privileged: true", "capAdd: ['SYS_ADMIN']", "devices: ['/dev/sda']",
			"pidMode: 'host'", "ipcMode: 'host'", "usernsMode: 'host'",
			"securityOpt: ['seccomp=unconfined']", "extraArgs: ['--privileged']",
			"cgroupParent: '/'"}},
	{"cfg-user-text", "native", "user",
		{"user: '1000:1000x'", "user: '+0:+0'", "user: ' 0:0'", "user: '1000:'",
			"user: '-1:-1'", "user: '4294967295:0'", "user: 'root'", "user: '0x0:0'",
			"user: '1e3'", "user: '1000:1000:0'"}},
};

static void try_refusal(struct ground *g, const struct refusal *refusal)
{
	struct error err = {0};
	size_t count = 0;

	for (; count < VARIANTS_MAX && refusal->keys[count] != NULL; count++) {
		const char *text = docker_config(g, refusal->backend, refusal->keys[count]);

		if (carry_out(g, text, &err) == 0) {
			column_set(g->out, refusal->id, OUTCOME_FELL, "taken: %s",
				refusal->keys[count]);
			return;
		}
		if (strstr(err.text, refusal->word) == NULL) {
			column_set(g->out, refusal->id, OUTCOME_BROKEN,
				"%s, for another reason: %.120s", refusal->keys[count], err.text);
			return;
		}
	}
	column_set(g->out, refusal->id, OUTCOME_HELD, "%zu variants refused by name", count);
}

static void try_backend(struct ground *g, const char *backend)
{
	struct error err = {0};
	/* Without an attack in it, it has to work; or refusing would show nothing. */
	int r = carry_out(g, docker_config(g, backend, "binds: ['%B/ro:/x:ro']"), &err);

	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		if (strcmp(refusals[i].backend, backend) != 0) {
			continue;
		}
		if (r == 0) {
			try_refusal(g, &refusals[i]);
		} else {
			column_set(g->out, refusals[i].id, OUTCOME_NA, "%.150s", err.text);
		}
	}
}

static void try_refusals(struct ground *g)
{
	try_backend(g, "docker");
	try_backend(g, "native");
}

static void many_mounts(struct ground *g)
{
	_cleanup_buf_ struct buf keys = {0};
	struct error err = {0};

	buf_add_str(&keys, "binds: [");
	for (int i = 0; i < MOUNTS; i++) {
		buf_addf(&keys, "'%%B/ro:/m%d:ro',", i);
	}
	buf_add_char(&keys, ']');
	if (carry_out(g, docker_config(g, "native", keys.data), &err) == 0) {
		column_set(
			g->out, "cfg-many-mounts", OUTCOME_FELL, "%d mounts are planned", MOUNTS);
	} else {
		column_set(g->out, "cfg-many-mounts", OUTCOME_HELD, "%.150s", err.text);
	}
}

/* Does the plan still hold a step of this name? */
static bool has_step(const json_t *plan, const char *name)
{
	const json_t *step;
	size_t i;

	json_array_foreach(plan, i, step)
	{
		const char *text = json_string_value(json_object_get(step, "step"));

		if (text != NULL && strcmp(text, name) == 0) {
			return true;
		}
	}
	return false;
}

/* The list is for layers that a kernel may lack; these cannot be given up by naming them. */
static void missing_layers(struct ground *g)
{
	static const char text[] =
		"{agents: {defaults: {sandbox: {mode: 'all', backend: 'native', native: {allowMissing: "
		"['userns', 'mountns', 'pidns', 'netns', 'ipcns', 'utsns', 'cgroupns', 'caps', "
		"'no-new-privs', 'rlimits', 'unprivileged-uid']}}}}}";
	static const char *const steps[] = {"clone", "network", "private", "become", "pivot",
		"noNewPrivs", "limitCapabilities", "dropCapabilities", "seccomp"};
	struct config *config = NULL;
	struct decision *decision = NULL;
	const struct decide_request request = {.workspace = g->decoy.workspace};
	const char *reason;
	json_t *plan = NULL;
	struct error err = {0};

	column_set(g->out, "cfg-missing-layer", OUTCOME_HELD, "the plan has all %zu steps",
		ARRAY_SIZE(steps));
	if (decisions_load(g->decoy.home, text, &config, &err) == 0 &&
		decide(config, &request, &decision, &err) == 0 &&
		sandbox_resolve(decision, 0, &reason, &err) == 0) {
		plan = native_plan_json(&decision->spec, &err);
	}
	if (plan == NULL) {
		column_set(g->out, "cfg-missing-layer", OUTCOME_HELD, "refused: %.150s", err.text);
	}
	for (size_t i = 0; plan != NULL && i < ARRAY_SIZE(steps); i++) {
		if (!has_step(plan, steps[i])) {
			column_set(
				g->out, "cfg-missing-layer", OUTCOME_FELL, "no step %s", steps[i]);
		}
	}
	json_decref(plan);
	(void)decision_free(decision);
	(void)config_free(config);
}

/* --- what lies in a workspace decides nothing --- */

static void in_workspace(struct ground *g)
{
	static const char evil[] =
		"{agents: {defaults: {sandbox: {mode: 'off'}}}, tools: {elevated: "
		"{enabled: true}}}";
	static const char *const names[] = {"creel.json", "openclaw.json", ".creel/creel.json",
		".openclaw/openclaw.json", ".env", "config.json"};
	struct config *config = NULL;
	struct decision *decision = NULL;
	const struct decide_request request = {.workspace = g->decoy.workspace};
	struct error err = {0};
	char path[160];
	int r;

	(void)snprintf(path, sizeof(path), "%s/.creel", g->decoy.workspace);
	(void)mkdir(path, 0700);
	(void)snprintf(path, sizeof(path), "%s/.openclaw", g->decoy.workspace);
	(void)mkdir(path, 0700);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		(void)write_text(g->decoy.workspace, names[i], evil, sizeof(evil) - 1, path,
			sizeof(path), &err);
	}
	/* As a person does who stands in it. */
	r = chdir(g->decoy.workspace) < 0 ? -errno : load_file(g->decoy.home, NULL, &config, &err);
	if (r == 0) {
		r = decide(config, &request, &decision, &err);
	}
	if (r < 0) {
		column_set(g->out, "cfg-in-workspace", OUTCOME_BROKEN, "%.150s", err.text);
	} else if (config->path != NULL || !decision->sandboxed) {
		column_set(
			g->out, "cfg-in-workspace", OUTCOME_FELL, "a file of the workspace counts");
	} else {
		column_set(g->out, "cfg-in-workspace", OUTCOME_HELD, "none of %zu files was read",
			ARRAY_SIZE(names));
	}
	(void)decision_free(decision);
	(void)config_free(config);
	(void)!chdir("/");
}

/* --- texts --- */

static void fill(struct buf *text, const char *piece, int count)
{
	for (int i = 0; i < count; i++) {
		buf_add_str(text, piece);
	}
}

static bool loads(struct ground *g, const struct buf *text, struct error *err)
{
	struct config *config = NULL;
	char path[160];
	int r = write_text(
		g->decoy.home, "bomb.json", text->data, text->len, path, sizeof(path), err);

	if (r == 0) {
		r = load_file(g->decoy.home, path, &config, err);
	}
	(void)config_free(config);
	return r == 0;
}

static void bombs(struct ground *g)
{
	_cleanup_buf_ struct buf nested = {0};
	_cleanup_buf_ struct buf wide = {0};
	_cleanup_buf_ struct buf open = {0};
	struct error err = {0};

	fill(&nested, "{a:[", NESTING);
	buf_add_str(&wide, "{");
	for (int i = 0; i < KEYS; i++) {
		buf_addf(&wide, "k%d:1e999,", i);
	}
	buf_add_str(&wide, "}");
	buf_add_str(&open, "{agents: '");
	fill(&open, "\\u0000\\x41", KEYS);
	if (loads(g, &nested, &err) || loads(g, &wide, &err) || loads(g, &open, &err)) {
		column_set(g->out, "cfg-bomb", OUTCOME_FELL, "it was taken for a configuration");
	} else {
		column_set(g->out, "cfg-bomb", OUTCOME_HELD, "refused: %.100s", err.text);
	}
}

static void prototypes(struct ground *g)
{
	static const char *const texts[] = {
		"{__proto__: {agents: {defaults: {sandbox: {mode: 'off'}}}}}",
		"{constructor: {prototype: {mode: 'off'}}}",
		"{agents: {__proto__: {defaults: {sandbox: {mode: 'off'}}}}}",
		"{agents: {defaults: {sandbox: {'mo\\u0064e\\u0000': 'off'}}}}",
	};
	const struct decide_request request = {.workspace = g->decoy.workspace};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct config *config = NULL;
		struct decision *decision = NULL;
		struct error err;
		bool fell = decisions_load(g->decoy.home, texts[i], &config, &err) == 0 &&
			    decide(config, &request, &decision, &err) == 0 && !decision->sandboxed;

		(void)decision_free(decision);
		(void)config_free(config);
		if (fell) {
			column_set(g->out, "cfg-proto", OUTCOME_FELL, "it counted: %s", texts[i]);
			return;
		}
	}
	column_set(g->out, "cfg-proto", OUTCOME_HELD, "refused or without effect");
}

/* --- decisions --- */

/* Decide under a configuration and hand the decision to look(); broken when that cannot be. */
static void decide_and_look(struct ground *g, const char *id, const char *text,
	const struct decide_request *request,
	void (*look)(struct ground *g, const char *id, const struct decision *decision))
{
	struct config *config = NULL;
	struct decision *decision = NULL;
	struct error err;
	int r = decisions_load(g->decoy.home, text, &config, &err);

	if (r == 0) {
		r = decide(config, request, &decision, &err);
	}
	if (r == 0) {
		look(g, id, decision);
	} else {
		column_set(g->out, id, OUTCOME_BROKEN, "%.150s", err.text);
	}
	(void)decision_free(decision);
	(void)config_free(config);
}

static void must_refuse_tool(struct ground *g, const char *id, const struct decision *decision)
{
	if (decision->tool.allowed) {
		column_set(g->out, id, OUTCOME_FELL, "%s is allowed", decision->tool.tool);
	} else {
		column_set(g->out, id, OUTCOME_HELD, "refused: %.120s", decision->tool.rule);
	}
}

static void must_sandbox(struct ground *g, const char *id, const struct decision *decision)
{
	column_set(g->out, id, decision_is_isolated(decision) ? OUTCOME_HELD : OUTCOME_FELL,
		"%s is %s", decision->session_key,
		decision_is_isolated(decision) ? "sandboxed" : "on the host");
}

static void must_not_elevate(struct ground *g, const char *id, const struct decision *decision)
{
	if (decision->elevated.granted) {
		column_set(g->out, id, OUTCOME_FELL, "it is granted");
	} else {
		column_set(g->out, id, OUTCOME_HELD, "refused by %zu gates",
			decision->elevated.failure_count);
	}
}

#define ALL "agents: {defaults: {sandbox: {mode: 'all', backend: 'native'}}}"
#define NON_MAIN "agents: {defaults: {sandbox: {mode: 'non-main', backend: 'native'}}}"

static void tool_rules(struct ground *g)
{
	static const struct {
		const char *id, *text, *tool;
	} rules[] = {
		{"dec-deny-all", "{" ALL ", tools: {deny: ['*']}}", "exec"},
		{"dec-deny-all", "{" ALL ", tools: {sandbox: {tools: {deny: ['*']}}}}", "read"},
		{"dec-deny-all", "{" ALL ", tools: {sandbox: {tools: {deny: ['ex*']}}}}", "exec"},
		{"dec-deny-wins", "{" ALL ", tools: {allow: ['exec'], deny: ['exec']}}", "exec"},
		{"dec-deny-wins",
			"{" ALL
			", tools: {sandbox: {tools: {allow: ['*'], deny: ['group:runtime']}}}}",
			"exec"},
		{"dec-name-case", "{" ALL ", tools: {deny: ['exec']}}", "EXEC"},
		{"dec-name-case", "{" ALL ", tools: {deny: ['exec']}}", " exec "},
		{"dec-name-case", "{" ALL ", tools: {deny: ['exec']}}", "bash"},
		{"dec-name-case", "{" ALL ", tools: {deny: ['EXEC ']}}", "exec"},
		{"dec-empty-allow", "{" ALL ", tools: {sandbox: {tools: {allow: ['']}}}}",
			"browser"},
		{"dec-empty-allow",
			"{" ALL ", tools: {sandbox: {tools: {deny: ['exec'], allow: []}}}}",
			"exec"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		const struct decide_request request = {
			.workspace = g->decoy.workspace, .tool = rules[i].tool};

		decide_and_look(g, rules[i].id, rules[i].text, &request, must_refuse_tool);
	}
}

static void sub_agents(struct ground *g)
{
	static const char *const sessions[] = {"agent:main:subagent:abc", "agent:main:subagent:a:b",
		"agent:main:cron:x", "whatsapp:group:1", "agent:main:main:subagent:x",
		"AGENT:MAIN:SUBAGENT:Y", "agent::subagent:z"};

	for (size_t i = 0; i < ARRAY_SIZE(sessions); i++) {
		const struct decide_request request = {.session = sessions[i],
			.workspace = g->decoy.workspace,
			.subagent_depth = 1};

		decide_and_look(g, "dec-sub-agents", "{" NON_MAIN "}", &request, must_sandbox);
	}
}

static void elevated(struct ground *g)
{
	static const char one[] =
		"{" ALL ", tools: {elevated: {enabled: true, allowFrom: {telegram: "
		"['1']}}}}";
	static const char off[] =
		"{" ALL ", tools: {elevated: {enabled: false, allowFrom: {telegram: "
		"['1']}}}}";
	static const struct {
		const char *id, *text, *provider, *sender, *directive;
		bool owner;
	} tries[] = {
		{"dec-elevated-sender", one, "telegram", "2", NULL, false},
		{"dec-elevated-sender", one, "telegram", "2", NULL, true},
		{"dec-elevated-sender", one, "discord", "1", NULL, true},
		{"dec-elevated-sender", one, "telegram", "1 ,2", "full", true},
		{"dec-elevated-sender", one, NULL, NULL, "full", true},
		{"dec-elevated-sender", one, "telegram", "11", "on", false},
		{"dec-elevated-sender", one, "telegram", "*", "on", false},
		{"dec-elevated-off", off, "telegram", "1", "full", true},
		{"dec-elevated-off", off, "telegram", "1", "on", true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		const struct decide_request request = {
			.session = "agent:main:telegram:direct:1",
			.workspace = g->decoy.workspace,
			.tool = "exec",
			.elevated = true,
			.session_elevated = tries[i].directive,
			.sender = {.provider = tries[i].provider,
				.id = tries[i].sender,
				.is_owner = tries[i].owner},
		};

		decide_and_look(g, tries[i].id, tries[i].text, &request, must_not_elevate);
	}
}

/* The name of the sandbox that a session gets, on the ground's arena; NULL: refused. */
static const char *sandbox_name(struct ground *g, const struct config *config, const char *session)
{
	const struct decide_request request = {.session = session};
	struct decision *decision = NULL;
	const char *name = NULL;
	struct error err;

	if (decide(config, &request, &decision, &err) == 0) {
		name = arena_printf(
			&g->arena, "%s\n%s", decision->spec.name, decision->spec.workspace_dir);
		if (strchr(decision->spec.name, '/') != NULL ||
			strstr(decision->spec.workspace_dir, "/../") != NULL) {
			column_set(g->out, "dec-session-keys", OUTCOME_FELL, "'%.60s' gives %.100s",
				session, name);
		}
	}
	(void)decision_free(decision);
	return name;
}

static void session_keys(struct ground *g)
{
	static const char *const keys[] = {"agent:main:a/b", "agent:main:a-b", "agent:main:a_b",
		"agent:main:a.b", "agent:main:a..b", "agent:main:../b", "agent:main:a b",
		"agent:a:b", "agent:main:/etc", "agent:main:a%2fb", "agent:main:\xc3\xa4",
		"agent:main:a\xcc\x88",
		"agent:main:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1",
		"agent:main:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa2"};
	const char *names[ARRAY_SIZE(keys)];
	struct config *config = NULL;
	struct error err;

	if (decisions_load(g->decoy.home,
		    "{agents: {defaults: {sandbox: {mode: 'all', scope: 'session', backend: "
		    "'native'}}}}",
		    &config, &err) < 0) {
		column_set(g->out, "dec-session-keys", OUTCOME_BROKEN, "%.150s", err.text);
		return;
	}
	column_set(g->out, "dec-session-keys", OUTCOME_HELD, "%zu keys give as many names",
		ARRAY_SIZE(keys));
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		names[i] = sandbox_name(g, config, keys[i]);
		for (size_t k = 0; k < i; k++) {
			if (names[i] != NULL && names[k] != NULL &&
				strcmp(names[i], names[k]) == 0) {
				column_set(g->out, "dec-session-keys", OUTCOME_FELL,
					"%.60s and %.60s have one sandbox", keys[k], keys[i]);
			}
		}
	}
	(void)config_free(config);
}

static void session_size(struct ground *g)
{
	char *key = arena_alloc(&g->arena, KEY_MAX + 1);
	struct config *config = NULL;
	struct error err;

	(void)memset(key, 'k', KEY_MAX);
	key[KEY_MAX] = '\0';
	if (decisions_load(g->decoy.home, "{" ALL "}", &config, &err) < 0) {
		column_set(g->out, "dec-session-size", OUTCOME_BROKEN, "%.150s", err.text);
		return;
	}
	if (sandbox_name(g, config, key) != NULL ||
		sandbox_name(g, config, "agent:main:\xff\xfe") != NULL) {
		column_set(g->out, "dec-session-size", OUTCOME_FELL, "a sandbox was decided on");
	} else {
		column_set(g->out, "dec-session-size", OUTCOME_HELD, "both are refused");
	}
	(void)config_free(config);
}

/* Creel's own programs raise nobody, so there is nothing in them to trick into it. */
static void own_programs(struct ground *g)
{
	struct stat st;
	char caps[64];

	if (getauxval(AT_SECURE) != 0 || stat("/proc/self/exe", &st) < 0 ||
		(st.st_mode & (S_ISUID | S_ISGID)) != 0 ||
		getxattr("/proc/self/exe", "security.capability", caps, sizeof(caps)) >= 0) {
		column_set(g->out, "own-set-id", OUTCOME_FELL,
			"creel is set-user-id or has file capabilities");
	} else {
		column_set(g->out, "own-set-id", OUTCOME_HELD,
			"neither set-user-id nor file capabilities");
	}
}

/* --- all of it --- */

static int make_ground(struct ground *g, int probe_fd, struct error *err)
{
	char path[160];
	int r = decoy_make(&g->decoy, probe_fd, geteuid(), err);

	if (r < 0) {
		return r;
	}
	(void)snprintf(path, sizeof(path), "%s/link-to-etc", g->decoy.base);
	(void)!symlink("/etc", path);
	(void)snprintf(path, sizeof(path), "%s/link-to-root", g->decoy.base);
	(void)!symlink("/", path);
	(void)snprintf(path, sizeof(path), "%s/docker.sock", g->decoy.base);
	(void)!link(g->decoy.path_socket, path);
	(void)snprintf(path, sizeof(path), "%s/.ssh", g->decoy.home);
	(void)mkdir(path, 0700);
	return 0;
}

/* Which part tries which attacks, by how their names begin. */
static const struct {
	const char *prefix;
	void (*run)(struct ground *g);
} parts[] = {
	{"cfg-", try_refusals},
	{"cfg-many-mounts", many_mounts},
	{"cfg-missing-layer", missing_layers},
	{"cfg-in-workspace", in_workspace},
	{"cfg-bomb", bombs},
	{"cfg-proto", prototypes},
	{"dec-", tool_rules},
	{"dec-sub-agents", sub_agents},
	{"dec-elevated", elevated},
	{"dec-session-keys", session_keys},
	{"dec-session-size", session_size},
	{"own-set-id", own_programs},
};

/* A part tries its whole table, for whichever of its attacks is wanted. */
static bool wants_part(const struct selftest_opts *opts, const char *prefix)
{
	for (size_t i = 0; i < attack_count; i++) {
		if (strncmp(attacks[i].id, prefix, strlen(prefix)) == 0 &&
			attack_is_listed(opts->only, attacks[i].id)) {
			return true;
		}
	}
	return false;
}

void decisions_run(struct selftest_column *out, const struct selftest_opts *opts, int probe_fd)
{
	struct ground g = {.out = out};
	struct error err;

	if (make_ground(&g, probe_fd, &err) < 0) {
		(void)snprintf(out->problem, sizeof(out->problem), "%.590s", err.text);
	} else {
		out->ran = true;
		for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
			if (wants_part(opts, parts[i].prefix)) {
				parts[i].run(&g);
			}
		}
	}
	for (size_t i = 0; i < attack_count; i++) {
		if (!attack_is_listed(opts->only, attacks[i].id)) {
			out->results[i] = (struct selftest_result){0};
		}
	}
	decoy_finish(&g.decoy);
	arena_finish(&g.arena);
}
