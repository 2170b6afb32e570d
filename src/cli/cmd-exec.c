/* SPDX-License-Identifier: MIT */
/* creel exec: one command where the decision says. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/own.h"
#include "base/path.h"
#include "cli/gateway-client.h"
#include "cli/place.h"
#include "cli/request.h"
#include "cli/session.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "sandbox/resolve.h"
#include "tools/base64.h"

struct exec_args {
	struct common_args common;
	struct request_args request;
	uint32_t timeout_ms;
	bool tty, elevated, once, denials, quiet;
};

#define OFFSET(member) offsetof(struct exec_args, member)
static const struct cmd_option options[] = {
	REQUEST_OPTION_AGENT(OFFSET(request)),
	REQUEST_OPTION_SESSION(OFFSET(request)),
	REQUEST_OPTION_WORKSPACE(OFFSET(request)),
	{"timeout", 0, "SECONDS", OPTION_SECONDS, OFFSET(timeout_ms),
		"end the command and all it started after this time, with status 124"},
	{"tty", 't', NULL, OPTION_FLAG, OFFSET(tty), "give the command a terminal"},
	{"elevated", 0, NULL, OPTION_FLAG, OFFSET(elevated),
		"run on the host instead, if every gate of tools.elevated lets --sender pass"},
	REQUEST_OPTION_SENDER(OFFSET(request)),
	{"once", 0, NULL, OPTION_FLAG, OFFSET(once),
		"run in a sandbox of its own that ends with the command"},
	{"denials", 0, NULL, OPTION_FLAG, OFFSET(denials),
		"say on standard error afterwards what the sandbox refused, and the key that allows it"},
	{"quiet", 'q', NULL, OPTION_FLAG, OFFSET(quiet),
		"do not say when the command runs without a sandbox or waits for one"},
};

/* --- where and as what --- */

/* On the host a command has the environment that the caller would give it. */
static void host_env(struct decision *decision, struct strv *ret)
{
	for (char **entry = environ; *entry != NULL; entry++) {
		strv_add_ref(ret, &decision->arena, *entry);
	}
}

/* Our working directory as it is seen through a mount, or NULL when it is not below its source. */
static const char *through_mount(
	struct arena *arena, const char *cwd, const char *source, const char *target)
{
	char real[PATH_MAX];

	if (source == NULL || realpath(source, real) == NULL || !path_is_below(cwd, real)) {
		return NULL;
	}
	if (strcmp(cwd, real) == 0) {
		return target;
	}
	return path_join(arena, target, cwd + strlen(real) + (strcmp(real, "/") == 0 ? 0 : 1));
}

/* The place that matches ours when we stand in the workspace, else the workdir. */
static const char *choose_cwd(struct decision *decision, bool on_host)
{
	const struct sandbox_spec *spec = &decision->spec;
	char cwd[PATH_MAX];
	const char *place = NULL;

	if (getcwd(cwd, sizeof(cwd)) == NULL) {
		cwd[0] = '\0';
	}
	if (on_host) {
		const char *dir = spec->agent_workspace_dir;

		place = through_mount(&decision->arena, cwd, dir, dir);
		return place != NULL ? place : dir;
	}
	for (size_t i = 0; i < spec->mount_count && place == NULL; i++) {
		if (spec->mounts[i].kind != MOUNT_BIND) {
			place = through_mount(&decision->arena, cwd, spec->mounts[i].source,
				spec->mounts[i].target);
		}
	}
	return place != NULL ? place : spec->workdir;
}

/* /dev/null on stdin is what a command without stdin gets anyway; saying so saves round trips. */
static bool stdin_is_null(void)
{
	struct stat st;

	return fstat(STDIN_FILENO, &st) < 0 || (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
}

/* --- what a person is told --- */

static void say_not_sandboxed(const struct decision *decision)
{
	const char *key = decision_provenance(decision, "sandbox.mode");
	_cleanup_buf_ struct buf out = {0};

	if (decision->elevated.granted && decision->sandboxed) {
		buf_add_str(&out, "creel: not sandboxed: the call is elevated\n");
	} else if (decision->mode == MODE_NON_MAIN) {
		buf_addf(&out, "creel: not sandboxed: %s is the main session and %s is non-main\n",
			decision->session_key, key);
	} else {
		buf_addf(&out, "creel: not sandboxed: %s is off\n",
			strcmp(key, "default") == 0 ? "agents.defaults.sandbox.mode by default"
						    : key);
	}
	(void)!write(STDERR_FILENO, out.data, out.len);
}

static void say_denial(void *unused, const struct denial *denial)
{
	_cleanup_buf_ struct buf out = {0};

	(void)unused;
	buf_addf(&out, "creel: refused: %s", denial->what);
	if (denial->count > 0) {
		buf_addf(&out, " (%" PRIu64 " times)", denial->count);
	}
	buf_addf(&out, " (%s; %s)", denial->layer, denial->rule);
	for (size_t i = 0; i < ARRAY_SIZE(denial->fix) && denial->fix[i] != NULL; i++) {
		buf_addf(&out, "%s%s", i == 0 ? "; to allow it: " : ", ", denial->fix[i]);
	}
	buf_add_str(&out, "\n");
	(void)!write(STDERR_FILENO, out.data, out.len);
}

static int refuse_elevated(const struct cmd_call *call, const struct decision *decision)
{
	_cleanup_buf_ struct buf message = {0};

	buf_add_str(&message, "elevated is not allowed here");
	for (size_t i = 0; i < decision->elevated.failure_count; i++) {
		buf_addf(&message, "%s %s (%s)", i == 0 ? ":" : ",",
			decision->elevated.failures[i].gate, decision->elevated.failures[i].key);
	}
	return fail(call, STATUS_CREEL,
		&(struct failure){
			.code = CODE_REFUSED,
			.message = message.data,
			.hint = "'creel sandbox explain --sender CHANNEL:ID' shows every gate",
		});
}

/* The words of a shell for a command that did not come to run. */
static int report_failed(const struct cmd_call *call, const char *cwd,
	const struct session_result *result, const struct error *err)
{
	int status = session_status(result);
	_cleanup_buf_ struct buf message = {0};
	const char *name = call->operands[0];

	if (result->failed_stage == WIRE_FAIL_CWD) {
		buf_addf(&message, "cannot start in '%s': %s", cwd, strerror(result->failed_num));
		return fail(call, status,
			&(struct failure){.code = CODE_SANDBOX, .message = message.data});
	}
	if (result->failed_stage != WIRE_FAIL_EXEC) {
		return fail_error(call, status, CODE_SANDBOX, err);
	}
	buf_add_escaped(&message, name, strlen(name), 400);
	if (status == STATUS_NOT_FOUND) {
		buf_add_str(&message, strchr(name, '/') != NULL ? ": no such file or directory"
								: ": command not found");
	} else {
		buf_addf(&message, ": %s",
			result->failed_num == EACCES    ? "permission denied"
			: result->failed_num == ENOEXEC ? "exec format error"
			: result->failed_num == EISDIR  ? "is a directory"
			: result->failed_num == E2BIG   ? "argument list too long"
							: strerror(result->failed_num));
	}
	return fail(call, status,
		&(struct failure){
			.code = status == STATUS_NOT_FOUND ? CODE_NOT_FOUND : CODE_CANNOT_EXECUTE,
			.message = message.data,
		});
}

static int report_result(const struct cmd_call *call, const char *cwd,
	const struct session_result *result, const struct error *err)
{
	int status = session_status(result);

	switch (result->end) {
	case SESSION_EXITED:
		return status;
	case SESSION_FAILED:
		return report_failed(call, cwd, result, err);
	case SESSION_LOST:
		return fail_error(call, status, CODE_SANDBOX, err);
	case SESSION_OUTPUT:
		return fail_error(call, status, CODE_IO, err);
	}
	return status;
}

/* --- doing it --- */

/* What the command line says; where and with which environment is for others to add. */
static void fill_request(const struct cmd_call *call, struct wire_spawn *ret)
{
	const struct exec_args *args = call->args;

	*ret = (struct wire_spawn){
		.flags = (args->tty ? WIRE_SPAWN_PTY | WIRE_SPAWN_STDIN : 0) |
			 (stdin_is_null() ? 0 : WIRE_SPAWN_STDIN),
		.uid = WIRE_NO_ID,
		.gid = WIRE_NO_ID,
		.timeout_ms = args->timeout_ms,
		.argv = (const char *const *)call->operands,
	};
	if (args->tty) {
		terminal_size(&ret->rows, &ret->columns);
	}
}

static void fill_spawn(const struct cmd_call *call, struct decision *decision, bool on_host,
	const struct place *place, struct wire_spawn *ret)
{
	const struct exec_args *args = call->args;
	struct strv env = {0};

	if (on_host) {
		host_env(decision, &env);
	} else {
		place_env(place, decision, args->tty, &env);
	}
	strv_add_ref(&env, &decision->arena, ""); /* at least one entry, so items is an array */
	env.items[--env.count] = NULL;
	fill_request(call, ret);
	/* With LAST the counters would go together with the command. */
	ret->flags |= place->lasting || place->denials != NULL ? 0 : WIRE_SPAWN_LAST;
	ret->cwd = choose_cwd(decision, on_host);
	ret->env = env.items;
}

static int run_in(const struct cmd_call *call, struct decision *decision, bool on_host)
{
	const struct exec_args *args = call->args;
	const struct place_opts opts = {
		.once = args->once, .denials = args->denials, .quiet = args->quiet};
	struct place place = PLACE_NONE;
	struct session_result result = {0};
	struct wire_spawn spawn;
	struct error err, ignored;
	int status;

	if (place_open(&place, decision, &opts, &err) < 0) {
		return fail_error(call, STATUS_CREEL, CODE_SANDBOX, &err);
	}
	fill_spawn(call, decision, on_host, &place, &spawn);
	session_run(place.link, &spawn, &result, &err);
	status = report_result(call, spawn.cwd, &result, &err);
	if (place.denials != NULL) {
		denials_collect(place.denials, 0, say_denial, NULL);
	}
	if (place_close(&place, &ignored) < 0 && status == STATUS_OK) {
		status = fail_error(call, STATUS_CREEL, CODE_SANDBOX, &ignored);
	}
	return status;
}

enum { NO_GATEWAY = -1 };

static int run_on_stream(
	const struct cmd_call *call, int adopt_fd, const struct wire_spawn *spawn, const char *cwd)
{
	struct link *link = link_new(adopt_fd, NULL, false, NULL, NULL);
	struct session_result result = {0};
	struct error err;
	int status;

	session_run(link, spawn, &result, &err);
	status = report_result(call, cwd, &result, &err);
	(void)link_free(link);
	return status;
}

static int fail_gateway(const struct cmd_call *call, int r, const struct error *err)
{
	if (r == -ENOENT) {
		return NO_GATEWAY;
	}
	return fail_error(call, STATUS_CREEL, r == -EPERM ? CODE_REFUSED : CODE_SANDBOX, err);
}

/* body is taken over. */
static int ask_gateway(const struct config *config, json_t *body, int *ret_fd, struct error *err)
{
	return gateway_client_upgrade(config,
		&(struct gateway_request){.method = "POST", .path = "/v1/exec", .body = body},
		"creel-frames", ret_fd, err);
}

/* Its sandboxes are held by it; environment and directory are its business too. */
static int run_through_gateway(const struct cmd_call *call, struct decision *decision)
{
	_cleanup_free_ char *cwd = getcwd(NULL, 0);
	static const char *const no_env[] = {NULL};
	struct wire_spawn spawn;
	struct error err;
	int fd;
	int r = ask_gateway(decision->config,
		json_pack("{s:s,s:s,s:s?,s:s?}", "agentId", decision->agent_id, "sessionKey",
			decision->session_key, "cwd", cwd, "workspace",
			decision->workspace_given ? decision->spec.agent_workspace_dir : NULL),
		&fd, &err);

	if (r < 0) {
		return fail_gateway(call, r, &err);
	}
	fill_request(call, &spawn);
	spawn.env = no_env;
	return run_on_stream(call, fd, &spawn, decision->spec.workdir);
}

/* The gateway checks every gate with its sessions' directives, asks a person where that is wanted, and lets
 * this SPAWN pass, byte for byte. */
static int run_elevated(
	const struct cmd_call *call, struct decision *decision, const struct sender *sender)
{
	const struct place on_host = {.lasting = true};
	_cleanup_buf_ struct buf frame = {0}, text = {0};
	struct wire_spawn spawn;
	struct error err;
	int fd = FD_NONE, r = gateway_client_connect(decision->config, &fd, &err);

	cleanup_closep(&fd);
	if (r == -ENOENT) {
		return NO_GATEWAY;
	}
	fill_spawn(call, decision, true, &on_host, &spawn);
	r = link_spawn_frame(&frame, 1, &spawn, &err);
	if (r == 0) {
		base64_add(&text, frame.data + FRAME_HEADER_SIZE, frame.len - FRAME_HEADER_SIZE);
		r = ask_gateway(decision->config,
			json_pack("{s:s,s:s,s:s%,s:{s:s*,s:s*,s:s*}}", "agentId",
				decision->agent_id, "sessionKey", decision->session_key, "spawn",
				text.data, text.len, "sender", "provider", sender->provider, "id",
				sender->id, "from", sender->from),
			&fd, &err);
	}
	/* One that died over it may have been about to refuse: nothing runs without its word. */
	if (r < 0) {
		return fail_error(
			call, STATUS_CREEL, r == -EPERM ? CODE_REFUSED : CODE_SANDBOX, &err);
	}
	return run_on_stream(call, fd, &spawn, spawn.cwd);
}

/* NO_GATEWAY: there is none, or this command is none of its business. */
static int run_held(
	const struct cmd_call *call, struct decision *decision, const struct sender *sender)
{
	const struct exec_args *args = call->args;

	if (!decision->sandboxed || decision->host_configured || args->once || args->denials) {
		return NO_GATEWAY;
	}
	return decision->elevated.granted ? run_elevated(call, decision, sender)
					  : run_through_gateway(call, decision);
}

static int run_decided(
	const struct cmd_call *call, struct decision *decision, const struct sender *sender)
{
	const struct exec_args *args = call->args;
	bool on_host = !decision->sandboxed || decision->elevated.granted;
	const char *reason = NULL;
	struct error err;
	int status;

	if (args->elevated && decision->sandboxed && !decision->elevated.granted) {
		return refuse_elevated(call, decision);
	}
	status = run_held(call, decision, sender);
	if (status != NO_GATEWAY) {
		return status;
	}
	if (on_host) {
		decision->spec.backend = BACKEND_HOST;
	} else if (sandbox_resolve(decision, RESOLVE_CREATE | RESOLVE_NATIVE_ONCE, &reason, &err) <
		   0) {
		return fail_error(call, STATUS_CREEL, CODE_REFUSED, &err);
	}
	on_host = decision->spec.backend == BACKEND_HOST;
	if (on_host && !args->quiet) {
		say_not_sandboxed(decision);
	}
	return run_in(call, decision, on_host);
}

static int run(const struct cmd_call *call)
{
	const struct exec_args *args = call->args;
	_cleanup_decided_ struct decided decided = {0};
	int status = request_decide(call, &args->request, "exec", args->elevated, &decided);

	return status == STATUS_OK ? run_decided(call, decided.decision, &decided.request.sender)
				   : status;
}

const struct cmd cmd_exec = {
	.name = "exec",
	.summary = "run one command in the sandbox",
	.operands = "CMD [ARG...]",
	.min_operands = 1,
	.max_operands = -1,
	.operands_are_command = true,
	.failed_status = STATUS_CREEL,
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.args_size = sizeof(struct exec_args),
	.description =
		"Runs CMD where the configuration says: in the container of its session, agent or all, which "
		"is made when it is first needed and lasts; in a native sandbox of its own that ends with "
		"the command; or on the host when the decision is that nothing is sandboxed. Standard "
		"input, output and error, signals and the exit status pass through. Status 124 is a "
		"timeout, 125 an error of creel's own, 126 a command that cannot be executed, 127 one "
		"that is not there, 128+N a signal.",
	.run = run,
};
