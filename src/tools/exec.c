/* SPDX-License-Identifier: MIT */
/* exec: one shell command in the sandbox, waited for or left in the background. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/strv.h"
#include "tools/args.h"
#include "tools/denied.h"
#include "tools/exec_result.h"
#include "tools/internal.h"
#include "tools/preflight.h"
#include "tools/process_table.h"
#include "tools/workdir.h"

enum {
	YIELD_MS_DEFAULT = 10000,
	YIELD_MS_MIN = 10,
	YIELD_MS_MAX = 120000,
	TIMEOUT_S_DEFAULT = 1800,
	TIMEOUT_S_MAX = 4000000, /* fits the u32 of milliseconds on the wire */
	PTY_ROWS = 30,
	PTY_COLUMNS = 120,
};

static const char parameters[] =
	"{\"type\":\"object\",\"properties\":{"
	"\"command\":{\"type\":\"string\",\"description\":\"Shell command to run\"},"
	"\"workdir\":{\"type\":\"string\",\"description\":\"Working directory; default: the workspace\"},"
	"\"env\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"},"
	"\"description\":\"Environment variables for this command; PATH is put before the existing one\"},"
	"\"timeout\":{\"type\":\"number\",\"description\":\"Seconds until the command and all it started "
	"are ended\"},"
	"\"yieldMs\":{\"type\":\"number\",\"description\":\"Milliseconds to wait before the command goes on "
	"in the background (default 10000)\"},"
	"\"background\":{\"type\":\"boolean\",\"description\":\"Leave it in the background at once\"},"
	"\"pty\":{\"type\":\"boolean\",\"description\":\"Run it in a terminal, for interactive programs\"},"
	"\"elevated\":{\"type\":\"boolean\",\"description\":\"Run it on the host, where that is allowed\"},"
	"\"host\":{\"type\":\"string\",\"description\":\"sandbox, gateway or node\"},"
	"\"security\":{\"type\":\"string\",\"description\":\"deny, allowlist or full\"},"
	"\"ask\":{\"type\":\"string\",\"description\":\"off, on-miss or always\"},"
	"\"node\":{\"type\":\"string\"}},\"required\":[\"command\"]}";

/* As exec_result.c makes it. */
static const char output[] =
	"{\"type\":\"object\",\"properties\":{"
	"\"status\":{\"type\":\"string\",\"enum\":[\"completed\",\"failed\",\"running\"]},"
	"\"exitCode\":{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"null\"}]},"
	"\"exitSignal\":{\"type\":\"string\"},"
	"\"timedOut\":{\"type\":\"boolean\"},"
	"\"durationMs\":{\"type\":\"integer\"},"
	"\"aggregated\":{\"type\":\"string\",\"description\":\"Its output, stdout and stderr as they came\"},"
	"\"cwd\":{\"type\":\"string\"},"
	"\"truncated\":{\"type\":\"boolean\",\"description\":\"Only the end of the output is here\"},"
	"\"totalBytes\":{\"type\":\"integer\"},"
	"\"lostBytes\":{\"type\":\"integer\"},"
	"\"sessionId\":{\"type\":\"string\",\"description\":\"For process, when it runs in the "
	"background or has more output\"},"
	"\"pid\":{\"type\":\"integer\"},"
	"\"startedAt\":{\"type\":\"integer\",\"description\":\"Milliseconds since 1970\"},"
	"\"tail\":{\"type\":\"string\",\"description\":\"What it has printed so far\"}}}";

struct exec_request {
	const char *command, *workdir, *host, *security, *ask;
	bool background, background_given, pty, elevated, elevated_given;
	int64_t yield_ms, timeout_s;
	bool yield_given, timeout_given;
};

/* What an exec call remembers; the request's texts are the call's arguments. */
struct exec_state {
	struct arena arena;
	struct exec_request request;
	struct link *link;
	struct preflight *preflight; /* the look into a script that comes first; may be NULL */
	const char *cwd;
	struct wire_spawn wire; /* what is run; strings from the arena */
	const char *argv[4];
	bool on_host;
	bool asks; /* the session's host decides on it, and gives the link */
	bool can_yield;
	bool retried_cwd;
};

static void state_free(void *p)
{
	struct exec_state *state = p;

	(void)preflight_free(state->preflight);
	arena_finish(&state->arena);
	free(state);
}

static int read_request(const json_t *args, struct exec_request *req, struct error *err)
{
	int r = args_text(args, "command", ARGS_REQUIRED | ARGS_NOT_EMPTY, &req->command, err);

	if (r == 0 && req->command[strspn(req->command, " \t\r\n")] == '\0') {
		r = error_plain(
			err, EINVAL, "Missing required parameter: command must not be empty");
	}
	r = r < 0 ? r : args_text(args, "workdir", 0, &req->workdir, err);
	r = r < 0 ? r : args_text(args, "host", 0, &req->host, err);
	r = r < 0 ? r : args_text(args, "security", 0, &req->security, err);
	r = r < 0 ? r : args_text(args, "ask", 0, &req->ask, err);
	r = r < 0 ? r
		  : args_bool(args, "background", &req->background, &req->background_given, err);
	r = r < 0 ? r : args_bool(args, "pty", &req->pty, NULL, err);
	r = r < 0 ? r : args_bool(args, "elevated", &req->elevated, &req->elevated_given, err);
	r = r < 0 ? r
		  : args_int(args, "yieldMs", 0, INT32_MAX, &req->yield_ms, &req->yield_given, err);
	/* 0 and less: as if it were not there; models mean "no hurry" by it. */
	r = r < 0 ? r
		  : args_int(args, "timeout", INT32_MIN, TIMEOUT_S_MAX, &req->timeout_s,
			    &req->timeout_given, err);
	if (r == 0 && req->timeout_s <= 0) {
		req->timeout_given = false;
	}
	return r;
}

static int check_word(
	const char *name, const char *value, const char *const *words, struct error *err)
{
	if (value == NULL) {
		return 0;
	}
	for (size_t i = 0; words[i] != NULL; i++) {
		if (strcmp(words[i], value) == 0) {
			return 0;
		}
	}
	return error_plain(err, EINVAL, "parameter %s is '%.32s', allowed are %s, %s and %s", name,
		value, words[0], words[1], words[2]);
}

static int check_words(const struct exec_request *req, struct error *err)
{
	static const char *const hosts[] = {"sandbox", "gateway", "node", "auto", NULL};
	static const char *const levels[] = {"deny", "allowlist", "full", NULL};
	static const char *const asks[] = {"off", "on-miss", "always", NULL};
	int r = check_word("host", req->host, hosts, err);

	r = r < 0 ? r : check_word("security", req->security, levels, err);
	return r < 0 ? r : check_word("ask", req->ask, asks, err);
}

/* Where it runs: the session's own link, or the host's when elevated was asked for and granted
 * (contract D7). false: the call has ended. */
static bool choose_place(struct tool_call *call, struct exec_state *state)
{
	const struct decision *decision = call->decision;
	const struct exec_request *req = &state->request;
	const char *host = req->host;
	bool sandboxed = decision == NULL || decision->sandboxed;
	bool open = decision == NULL ||
		    (decision->elevated.allowed_by_config && decision->elevated.failure_count == 0);
	bool elevated = req->elevated;

	if (host == NULL) {
		host = json_string_value(setting_exec(decision, "host"));
	}
	if (!req->elevated_given && decision != NULL) {
		/* A default is no demand: where a gate is shut the command stays inside. */
		elevated = open && decision->elevated.requested;
	}
	state->link = call->session->link;
	state->on_host = !sandboxed;
	if (host != NULL && strcmp(host, "sandbox") == 0 && !sandboxed) {
		call_fail(call, TOOL_FAIL_FAILED,
			"exec host=sandbox is asked for, but the sandbox runtime is unavailable for this "
			"session",
			"set agents.defaults.sandbox.mode to all, or leave host out", NULL);
		return false;
	}
	if (elevated && !open) {
		denied_elevated(call);
		return false;
	}
	if (elevated && sandboxed) {
		if (call->session->host_link == NULL && call->session->host == NULL) {
			call_fail(call, TOOL_FAIL_UNAVAILABLE,
				"elevated is allowed here, but nothing runs on the host to take the "
				"command",
				"run it through the gateway, or with creel exec --elevated", NULL);
			return false;
		}
		state->link = call->session->host_link;
		state->asks = state->link == NULL;
		state->on_host = call->on_host = true;
		return true;
	}
	if (host != NULL && sandboxed && strcmp(host, "sandbox") != 0 &&
		strcmp(host, "auto") != 0) {
		call_failf(call, TOOL_FAIL_DENIED,
			"exec host not allowed (asked for %s, this session runs in the sandbox)",
			host);
		return false;
	}
	return true;
}

static void decide_yield(struct tool_call *call, struct exec_state *state)
{
	struct exec_request *req = &state->request;

	state->can_yield = call->session->may_background;
	if (!state->can_yield) {
		if (req->background || req->yield_given) {
			call_warnf(call,
				"Warning: background execution is disabled; running synchronously. "
				"(Nothing could look after the command later: the process tool is "
				"denied here, or the sandbox ends with this call.)");
		}
		req->background = false;
		return;
	}
	if (req->background) {
		req->yield_ms = 0;
		return;
	}
	if (!req->yield_given) {
		req->yield_ms = setting_exec_int(call->decision, "backgroundMs", YIELD_MS_DEFAULT,
			YIELD_MS_MIN, YIELD_MS_MAX);
	}
	req->yield_ms = req->yield_ms < YIELD_MS_MIN ? YIELD_MS_MIN : req->yield_ms;
	req->yield_ms = req->yield_ms > YIELD_MS_MAX ? YIELD_MS_MAX : req->yield_ms;
}

static void decide_timeout(struct tool_call *call, struct exec_state *state)
{
	struct exec_request *req = &state->request;

	if (req->timeout_given) {
		return;
	}
	/* Whoever asks for the background means to let it run. */
	if (state->can_yield && (req->background || req->yield_given)) {
		req->timeout_s = 0;
		return;
	}
	req->timeout_s =
		setting_exec_int(call->decision, "timeoutSec", TIMEOUT_S_DEFAULT, 1, TIMEOUT_S_MAX);
	req->timeout_s = setting_exec_int(
		call->decision, "timeoutSeconds", req->timeout_s, 1, TIMEOUT_S_MAX);
}

static int check_env_name(const char *name, bool on_host, struct error *err)
{
	/* reference 3.8: names that make a program on the host load or run something else */
	static const char *const blocked[] = {
		"NODE_OPTIONS",
		"NODE_PATH",
		"PYTHONHOME",
		"PYTHONPATH",
		"PERL5LIB",
		"PERL5OPT",
		"RUBYLIB",
		"RUBYOPT",
		"BASH_ENV",
		"ENV",
		"GIT_EXTERNAL_DIFF",
		"SHELL",
		"SHELLOPTS",
		"PS4",
		"GCONV_PATH",
		"IFS",
		"SSLKEYLOGFILE",
		"HOME",
		"ZDOTDIR",
		"PATH",
	};
	bool bad = false;

	if (name[0] == '\0' || strchr(name, '=') != NULL) {
		return error_plain(
			err, EINVAL, "parameter env: '%.64s' is no name of a variable", name);
	}
	if (!on_host) {
		return 0;
	}
	for (size_t i = 0; i < sizeof(blocked) / sizeof(blocked[0]); i++) {
		bad = bad || strcmp(blocked[i], name) == 0;
	}
	bad = bad || strncmp(name, "DYLD_", 5) == 0 || strncmp(name, "LD_", 3) == 0 ||
	      strncmp(name, "BASH_FUNC_", 10) == 0;
	if (bad) {
		return error_plain(err, EINVAL,
			"Security Violation: the variable %.64s may not be set for a command on the host",
			name);
	}
	return 0;
}

/* Declared variables first, the call's own last: the later one wins. *ret_path: to be put before
 * the login environment's PATH. */
static int build_env(struct tool_call *call, struct exec_state *state, struct strv *env,
	const char **ret_path, struct error *err)
{
	const struct decision *decision = call->decision;
	struct arena *arena = &state->arena;
	json_t *given = json_object_get(call->args, "env");
	const char *name;
	json_t *value;

	if (decision != NULL && !state->on_host) {
		strv_add(env, arena, arena_printf(arena, "HOME=%s", workdir_root(decision)));
		for (size_t i = 0; i < decision->spec.env.count; i++) {
			strv_add_ref(env, arena, decision->spec.env.items[i]);
		}
	}
	strv_add(env, arena,
		arena_printf(arena, "%sSHELL=exec",
			decision != NULL && decision->config != NULL &&
					decision->config->brand != NULL
				? decision->config->brand->env_prefix
				: "CREEL_"));
	if (given != NULL && !json_is_object(given) && !json_is_null(given)) {
		return error_plain(err, EINVAL, "parameter env must be an object of strings");
	}
	json_object_foreach(given, name, value)
	{
		const char *text = json_string_value(value);
		int r = check_env_name(name, state->on_host, err);

		if (r < 0) {
			return r;
		}
		if (text == NULL || strlen(text) != json_string_length(value)) {
			return error_plain(err, EINVAL,
				"parameter env: the value of '%.64s' must be a string without NUL",
				name);
		}
		if (strcmp(name, "PATH") == 0) {
			*ret_path = text;
		} else {
			strv_add(env, arena, arena_printf(arena, "%s=%s", name, text));
		}
	}
	return 0;
}

/* A PATH of the call or of tools.exec.pathPrepend comes before the one of the login environment. It
 * travels as a variable, never as a part of the script. */
static const char *prepend_path(
	struct tool_call *call, struct exec_state *state, struct strv *env, const char *path)
{
	const json_t *list = setting_exec(call->decision, "pathPrepend");
	_cleanup_buf_ struct buf all = {0};

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *dir = json_string_value(json_array_get(list, i));

		if (dir != NULL && dir[0] != '\0') {
			buf_addf(&all, "%s%s", all.len > 0 ? ":" : "", dir);
		}
	}
	if (path != NULL && path[0] != '\0') {
		buf_addf(&all, "%s%s", all.len > 0 ? ":" : "", path);
	}
	if (all.len == 0) {
		return state->request.command;
	}
	strv_add(
		env, &state->arena, arena_printf(&state->arena, "CREEL_PREPEND_PATH=%s", all.data));
	return arena_printf(&state->arena,
		"export PATH=\"${CREEL_PREPEND_PATH}:$PATH\"; unset CREEL_PREPEND_PATH\n%s",
		state->request.command);
}

static const char *map_cwd(struct tool_call *call, struct exec_state *state)
{
	const char *workdir = state->request.workdir;

	if (call->on_host && call->decision != NULL) {
		const char *dir = call->decision->spec.agent_workspace_dir;

		return workdir != NULL && workdir[0] == '/' ? workdir : dir != NULL ? dir : "/";
	}
	if (workdir == NULL || workdir[0] == '\0') {
		return workdir_root(call->decision);
	}
	return path_normalize(&state->arena, workdir_map(&state->arena, call->decision, workdir));
}

static void on_process(struct tool_call *call);

static int build_spawn(struct tool_call *call, struct exec_state *state, struct error *err)
{
	const struct exec_request *req = &state->request;
	struct wire_spawn *wire = &state->wire;
	struct strv env = {0};
	const char *path = NULL;
	int r = build_env(call, state, &env, &path, err);

	if (r < 0) {
		return r;
	}
	state->argv[0] = "/bin/sh";
	state->argv[1] = "-c";
	state->argv[2] = prepend_path(call, state, &env, path);
	*wire = (struct wire_spawn){
		.flags = WIRE_SPAWN_MERGE | WIRE_SPAWN_LOGIN_ENV,
		.uid = WIRE_NO_ID,
		.gid = WIRE_NO_ID,
		.timeout_ms = (uint32_t)req->timeout_s * 1000,
		.cwd = state->cwd,
		.argv = state->argv,
		.env = env.items,
	};
	if (req->pty) {
		wire->flags |= WIRE_SPAWN_PTY | (state->can_yield ? WIRE_SPAWN_STDIN : 0);
		wire->rows = PTY_ROWS;
		wire->columns = PTY_COLUMNS;
	} else if (state->can_yield && (req->background || req->yield_given)) {
		/* Otherwise nobody could write before it ends, and programs that look at their stdin
		 * (rg, git, ssh) would wait for a pipe that stays silent. */
		wire->flags |= WIRE_SPAWN_STDIN;
	}
	if (call->decision != NULL && call->decision->spec.ring_bytes > 0) {
		wire->ring_bytes = (uint32_t)(call->decision->spec.ring_bytes < LIMIT_RING_MAX
						      ? call->decision->spec.ring_bytes
						      : LIMIT_RING_MAX);
	}
	return 0;
}

static int start_process(struct tool_call *call, struct exec_state *state, struct error *err)
{
	struct tool_process *process;
	int r = process_start(
		call->session, state->link, &state->wire, state->request.command, &process, err);

	if (r < 0) {
		return r;
	}
	process->owns_link = state->asks;
	call->on_process = on_process;
	process_watch(call, process);
	return 0;
}

static int spawn(struct tool_call *call, struct exec_state *state, struct error *err)
{
	int r = build_spawn(call, state, err);

	return r < 0 ? r : start_process(call, state, err);
}

/* The directory is not there: said in a warning, and the workspace is used instead. */
static bool retry_in_workspace(struct tool_call *call, struct exec_state *state)
{
	struct tool_process *process = call->process;
	const char *root = map_cwd(call, state);
	struct error err;

	/* What the host's gates let pass was the command as it is. */
	if (!process->failed || process->fail_stage != WIRE_FAIL_CWD || state->retried_cwd ||
		state->asks || state->request.workdir == NULL) {
		return false;
	}
	call_warnf(call, "Warning: workdir \"%s\" is unavailable; using \"%s\".",
		state->request.workdir, workdir_root(call->decision));
	state->request.workdir = NULL;
	root = map_cwd(call, state);
	state->cwd = root;
	state->retried_cwd = true;
	process_unwatch(call);
	process_drop(process);
	if (spawn(call, state, &err) < 0) {
		call_fail(call, TOOL_FAIL_FAILED, err.text, NULL, NULL);
	}
	return true;
}

static void end_call(struct tool_call *call)
{
	const struct exec_state *state = call->state;
	struct tool_process *process = call->process;
	struct exec_report report = {
		.process = process,
		.cwd = state->cwd,
		.timeout_s = state->request.timeout_s,
		.output_chars = 200000,
		.readable = call->session->may_background,
		.aborted = call->aborted,
	};

	if (call->decision != NULL && call->decision->spec.output_limit_chars > 0) {
		report.output_chars = (size_t)call->decision->spec.output_limit_chars;
	}
	process_unwatch(call);
	exec_report_end(call, &report);
}

static void go_background(struct tool_call *call)
{
	const struct exec_state *state = call->state;
	struct tool_process *process = call->process;

	process_unwatch(call);
	process->background = true;
	process_name(process);
	exec_report_running(call, process, state->cwd);
}

static void on_process(struct tool_call *call)
{
	struct exec_state *state = call->state;
	struct tool_process *process = call->process;

	if (process->ended) {
		if (!retry_in_workspace(call, state)) {
			end_call(call);
		}
		return;
	}
	/* In the background at once: but only when it is known that it started. */
	if (process->spawned && state->request.background && !call->aborted) {
		go_background(call);
	}
}

static void on_yield(struct tool_call *call, uint64_t now_ns)
{
	(void)now_ns;
	if (call->process != NULL && !call->process->ended && !call->aborted) {
		go_background(call);
	}
}

static void start_yield_clock(struct tool_call *call, const struct exec_state *state)
{
	if (state->can_yield && !state->request.background) {
		call->deadline_ns = clock_after_ns((uint64_t)state->request.yield_ms * NS_PER_MS);
	}
}

static int run(struct tool_call *call, struct exec_state *state, struct error *err)
{
	int r = spawn(call, state, err);

	if (r == 0) {
		start_yield_clock(call, state);
	}
	return r;
}

static void on_host_answer(
	struct tool_call *call, struct link *link, const char *type, const char *why)
{
	struct exec_state *state = call->state;
	struct error err;

	if (link == NULL) {
		call_fail(call, type, why, NULL, NULL);
		return;
	}
	state->link = link;
	if (start_process(call, state, &err) < 0) {
		call->session->host->release(call->session->host_arg, link);
		call_fail(call, TOOL_FAIL_FAILED, err.text, NULL, NULL);
		return;
	}
	start_yield_clock(call, state);
}

/* The host sees the very bytes that will be sent: what it lets pass is nothing else. */
static int ask_host(struct tool_call *call, struct exec_state *state, struct error *err)
{
	const struct tool_session *session = call->session;
	_cleanup_buf_ struct buf frame = {0};
	int r = build_spawn(call, state, err);

	if (r == 0) {
		state->wire.tag =
			""; /* it ends with whoever gave the link: nobody finds it again */
		r = link_spawn_frame(&frame, 1, &state->wire, err);
	}
	if (r < 0) {
		return r;
	}
	call->on_host_answer = on_host_answer;
	call->asking = true;
	session->host->ask(session->host_arg, call->arg, call,
		(struct wire_bytes){(const uint8_t *)frame.data + FRAME_HEADER_SIZE,
			frame.len - FRAME_HEADER_SIZE});
	return 0;
}

static void on_preflight(void *arg, const char *refusal)
{
	struct tool_call *call = arg;
	struct error err;
	int r;

	if (refusal != NULL) {
		call_fail(call, TOOL_FAIL_FAILED, refusal, NULL, NULL);
		return;
	}
	r = run(call, call->state, &err);
	if (r < 0) {
		call_fail(call, r == -EINVAL ? TOOL_FAIL_ARGUMENTS : TOOL_FAIL_FAILED, err.text,
			NULL, NULL);
	}
}

static int start(struct tool_call *call, const json_t *args, struct error *err)
{
	struct exec_state *state = xcalloc(1, sizeof(*state));
	int r;

	call->state = state;
	call->free_state = state_free;
	call->tick = on_yield;
	r = read_request(args, &state->request, err);
	r = r < 0 ? r : check_words(&state->request, err);
	if (r < 0) {
		return r;
	}
	if (!choose_place(call, state)) {
		return 0;
	}
	decide_yield(call, state);
	decide_timeout(call, state);
	state->cwd = map_cwd(call, state);
	if (state->asks) {
		return ask_host(call, state, err);
	}
	state->preflight = preflight_start(
		state->link, state->cwd, state->request.command, on_preflight, call);
	return state->preflight != NULL ? 0 : run(call, state, err);
}

static void abort_exec(struct tool_call *call)
{
	if (call->process != NULL) {
		process_kill(call->process);
	} else {
		call_fail(call, TOOL_FAIL_ABORTED, "the call was aborted", NULL, NULL);
	}
}

const struct tool tool_exec = {
	.name = "exec",
	.title = "Run a command",
	.summary = "Run a shell command. Long ones go on in the background, see process.",
	.parameters = parameters,
	.output = output,
	.hints = TOOL_DESTRUCTIVE | TOOL_OPEN_WORLD,
	.start = start,
	.abort = abort_exec,
};
