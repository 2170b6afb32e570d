/* SPDX-License-Identifier: MIT */
/*
 * One command on the host, past the sandbox: every gate is checked here, a person is asked where that
 * is wanted, and what the front gets is a relay that takes the approved SPAWN, byte for byte, once.
 */
#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/backend.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/mem.h"
#include "base/own.h"
#include "broker/broker.h"
#include "sandbox/workspace.h"
#include "tools/tool.h"
#include "wire/relay.h"

enum {
	APPROVAL_SECONDS = 120, /* gateway.approvalSeconds when it is not configured */
	APPROVALS_MAX = 256, /* nobody answers more */
	ID_BYTES = 8,
	COMMAND_SHOWN = 2000,
};

struct approval {
	struct approval *next, **slot;
	struct request *request;
	char id[2 * ID_BYTES + 1];
	struct wire_bytes payload; /* of the request's arena */
	const char *command, *cwd;
	int64_t created_ms, seconds;
	struct event *timeout;
};

/* --- in the worker --- */

struct elevated_job {
	struct wire_bytes payload;
	const struct sandbox_spec *spec;
};

struct elevated_run {
	const struct elevated_job *job;
	struct link *link;
	struct relay *relay;
	bool used;
};

static int allow_spawn(
	void *arg, struct wire_bytes payload, struct wire_spawn *spawn, struct error *err)
{
	struct elevated_run *run = arg;
	const struct wire_bytes *approved = &run->job->payload;

	(void)spawn;
	if (run->used || payload.len != approved->len ||
		memcmp(payload.data, approved->data, payload.len) != 0) {
		return error_plain(err, EPERM, "this is not the command that was approved");
	}
	run->used = true;
	return 0;
}

static const struct relay_ops relay_ops = {.spawn = allow_spawn};

/* Until the command has ended and all of it is said, or nobody is there to hear it. */
static void serve(struct elevated_run *run, int lease_fd)
{
	struct error why;

	while (!relay_is_over(run->relay)) {
		struct pollfd fds[] = {
			{.fd = lease_fd, .events = POLLIN},
			{.fd = relay_fd(run->relay), .events = relay_events(run->relay)},
			{.fd = link_fd(run->link), .events = link_events(run->link)},
		};

		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR) {
			return;
		}
		if (fds[0].revents != 0 ||
			(fds[1].revents != 0 && relay_pump(run->relay, fds[1].revents, &why) < 0)) {
			return;
		}
		if (fds[2].revents != 0 && link_pump(run->link, fds[2].revents, &why) < 0 &&
			relay_pump(run->relay, POLLOUT, &why) < 0) {
			return;
		}
	}
}

static void run_elevated(struct worker_side *side, void *arg)
{
	struct elevated_run run = {.job = arg};
	struct sandbox_spec spec = *run.job->spec;
	const struct backend_ops *host = backend_by_kind(BACKEND_HOST);
	struct backend_start_opts opts = {0};
	_cleanup_arena_ struct arena arena = {0};
	struct backend_sandbox started;
	struct error err;
	int pair[2];

	spec.backend = BACKEND_HOST;
	/* Where it starts; the command has been approved by then. */
	if (workspace_prepare(&arena, spec.agent_workspace_dir, WORKSPACE_AGENT, true, &err) < 0 ||
		host->start(&spec, &opts, &started, &err) < 0) {
		worker_fail(side, TOOL_FAIL_UNAVAILABLE, &err);
		return;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		(void)error_set(&err, errno, "cannot make a relay");
		worker_fail(side, TOOL_FAIL_UNAVAILABLE, &err);
	} else {
		run.link = link_new(started.stream_fd, NULL, true, NULL, NULL);
		link_greet(run.link);
		run.relay = relay_new(pair[0], run.link, &relay_ops, &run);
		worker_answer(side, json_object(), &pair[1], 1);
		(void)close(pair[1]);
		serve(&run, worker_lease_fd(side));
		run.relay = relay_free(run.relay);
		run.link = link_free(run.link);
	}
	(void)host->finish(&started, &err);
}

/* --- approvals --- */

static void approval_free(struct approval *a)
{
	*a->slot = a->next;
	if (a->next != NULL) {
		a->next->slot = a->slot;
	}
	a->request->broker->approval_count--;
	event_free(a->timeout);
	free(a);
}

void approvals_forget(struct request *request)
{
	struct approval *next;

	for (struct approval *a = request->broker->approvals; a != NULL; a = next) {
		next = a->next;
		if (a->request == request) {
			approval_free(a);
		}
	}
}

static json_t *approval_json(const struct approval *a)
{
	const struct request *r = a->request;

	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:I}", "id", a->id, "agentId",
		r->ref.agent_id, "sessionKey", r->ref.key, "command", a->command, "cwd", a->cwd,
		"requestedBy", r->principal.name, "createdMs", (json_int_t)a->created_ms,
		"expiresMs", (json_int_t)a->created_ms + (json_int_t)a->seconds * 1000);
}

json_t *approvals_list(struct request *request)
{
	json_t *array = json_array();

	for (const struct approval *a = request->broker->approvals; a != NULL; a = a->next) {
		(void)json_array_append_new(array, approval_json(a));
	}
	return json_pack("{s:o}", "approvals", array);
}

static void start_elevated(struct request *request, struct wire_bytes payload);

static void settle(struct approval *a, bool allow, const char *by, const char *why)
{
	struct request *request = a->request;
	struct wire_bytes payload = a->payload;

	broker_record(request->broker, request, allow ? "approval.allowed" : "approval.denied",
		&(struct record_fields){.kind = "approval",
			.tool = "exec",
			.decision = allow ? "allowed" : "denied",
			.rule = allow ? NULL : "tools.exec.ask",
			.reason = by});
	front_event(request->broker, "approval.decided",
		json_pack("{s:s,s:s,s:s}", "id", a->id, "decision", allow ? "allow" : "deny",
			"sessionKey", request->ref.key));
	approval_free(a);
	if (allow) {
		start_elevated(request, payload);
	} else {
		request_fail(request, TOOL_FAIL_DENIED, why, NULL);
	}
}

static void on_timeout(evutil_socket_t fd, short events, void *arg)
{
	struct approval *a = arg;
	_cleanup_free_ char *why =
		xasprintf("nobody approved the command within %lld s", (long long)a->seconds);

	(void)fd;
	(void)events;
	settle(a, false, "timeout", why);
}

int approvals_decide(struct request *request, const char *id, bool allow)
{
	struct approval *a = request->broker->approvals;

	while (a != NULL && strcmp(a->id, id) != 0) {
		a = a->next;
	}
	if (a == NULL) {
		return -ENOENT;
	}
	settle(a, allow, request->principal.name, "the command was refused by a person");
	return 0;
}

static void ask_person(
	struct request *request, struct wire_bytes payload, const char *command, const char *cwd)
{
	struct broker *broker = request->broker;
	const json_t *seconds = config_get(broker->config, "gateway.approvalSeconds");
	struct timeval timeout = {0};
	unsigned char bytes[ID_BYTES];
	struct approval *a;
	json_t *detail;

	if (broker->approval_count >= APPROVALS_MAX) {
		request_fail(request, "busy", "too many commands wait for approval", NULL);
		return;
	}
	a = xcalloc(1, sizeof(*a));
	*a = (struct approval){
		.next = broker->approvals,
		.slot = &broker->approvals,
		.request = request,
		.payload = payload,
		.command = command,
		.cwd = cwd,
		.created_ms = broker_wall_ms(),
		.seconds =
			json_is_integer(seconds) ? json_integer_value(seconds) : APPROVAL_SECONDS,
	};
	if (a->next != NULL) {
		a->next->slot = &a->next;
	}
	broker->approvals = a;
	broker->approval_count++;
	randombytes_buf(bytes, sizeof(bytes));
	(void)sodium_bin2hex(a->id, sizeof(a->id), bytes, sizeof(bytes));
	a->timeout = evtimer_new(broker->base, on_timeout, a);
	timeout.tv_sec = (time_t)a->seconds;
	(void)event_add(a->timeout, &timeout);
	detail = json_pack("{s:s,s:s,s:s}", "id", a->id, "command", command, "cwd", cwd);
	broker_record(broker, request, "approval.requested",
		&(struct record_fields){.kind = "approval", .tool = "exec", .detail = detail});
	json_decref(detail);
	front_event(broker, "approval.requested", approval_json(a));
}

/* --- the gates --- */

/* tools.exec.NAME, the agent's first; NULL: not configured. */
static const char *exec_setting(struct request *request, const char *name)
{
	const json_t *root = request->broker->config->root;
	size_t index;
	const json_t *agent =
		session_agent_entry(&request->arena, root, request->ref.agent_id, &index);
	const json_t *exec = json_object_get(json_object_get(agent, "tools"), "exec");
	const char *value = json_string_value(json_object_get(exec, name));

	exec = json_object_get(json_object_get(root, "tools"), "exec");
	return value != NULL ? value : json_string_value(json_object_get(exec, name));
}

/* The place of a word in a list that goes from lax to strict; -1: it is not there. */
static int rank(const char *const *words, const char *word)
{
	for (int i = 0; word != NULL && words[i] != NULL; i++) {
		if (strcmp(words[i], word) == 0) {
			return i;
		}
	}
	return -1;
}

static int stricter(const char *const *words, const char *a, const char *b)
{
	int left = rank(words, a), right = rank(words, b);

	return left > right ? left : right;
}

enum verdict { GO, ASK, REFUSE };

/* What the configuration and the session's directives say of commands on the host. */
static enum verdict judge(struct request *request, const struct session_directives *directives)
{
	static const char *const securities[] = {"full", "allowlist", "deny", NULL};
	static const char *const asks[] = {"off", "on-miss", "always", NULL};
	const char *level = directives->elevated;
	int security =
		stricter(securities, exec_setting(request, "security"), directives->security);
	int ask = stricter(asks, exec_setting(request, "ask"), directives->ask);
	bool wants_ask;

	if (level == NULL) {
		level = json_string_value(
			config_get(request->broker->config, "agents.defaults.elevatedDefault"));
	}
	if (security == 2) {
		return REFUSE;
	}
	if (level != NULL && strcmp(level, "full") == 0) {
		return GO;
	}
	/* There is no list of known commands: with allowlist each one misses it. */
	wants_ask = security == 1 || (level != NULL && strcmp(level, "ask") == 0);
	return ask == 2 || (ask != 0 && wants_ask) ? ASK : GO;
}

static void refuse(struct request *request, const struct decision *d)
{
	_cleanup_buf_ struct buf text = {0};

	buf_add_str(
		&text, "elevated is not available right now (runtime=sandboxed). Failing gates:");
	for (size_t i = 0; i < d->elevated.failure_count; i++) {
		buf_addf(&text, "%s %s (%s)", i > 0 ? "," : "", d->elevated.failures[i].gate,
			d->elevated.failures[i].key);
	}
	broker_record(request->broker, request, "elevation.denied",
		&(struct record_fields){.kind = "elevation",
			.tool = "exec",
			.decision = "denied",
			.rule = d->elevated.failure_count > 0 ? d->elevated.failures[0].key
							      : "tools.elevated",
			.reason = text.data});
	request_fail(request, TOOL_FAIL_DENIED, text.data,
		"'creel sandbox explain --sender CHANNEL:ID' shows every gate");
}

static const char *shown(struct request *request, const char *const *argv)
{
	_cleanup_buf_ struct buf text = {0};
	bool shell =
		argv[1] != NULL && argv[2] != NULL && argv[3] == NULL && strcmp(argv[1], "-c") == 0;

	for (size_t i = shell ? 2 : 0; argv[i] != NULL; i++) {
		buf_add_str(&text, text.len > 0 ? " " : "");
		buf_add_printable(&text, argv[i], strlen(argv[i]), COMMAND_SHOWN);
	}
	return arena_strdup(&request->arena, text.data != NULL ? text.data : "");
}

static void on_elevated(struct request *request, struct worker_reply *reply, enum worker_keep *keep)
{
	if (reply->json == NULL || reply->fd_count == 0) {
		request_fail(request, reply->failure_type, reply->failure.text, NULL);
		return;
	}
	*keep = WORKER_UNTIL_ITS_END;
	request_reply(request, json_object(), 0, reply->fds, 1);
}

/* Every gate again: a person may have taken two minutes, and the configuration may be another. false:
 * it was refused, and answered. */
static bool pass_gates(struct request *request, struct request_decided *decided)
{
	struct decision *d;
	struct error err;

	if (request_decide(request, "exec", decided, &err) < 0) {
		request_fail(request, TOOL_FAIL_ARGUMENTS, err.text, NULL);
		return false;
	}
	d = decided->decision;
	if (!d->tool.allowed ||
		!principal_reaches_tool(&request->arena, &request->principal, "exec")) {
		request_fail(
			request, TOOL_FAIL_DENIED, "policy refuses exec in this session", NULL);
	} else if (!d->elevated.allowed_by_config || d->elevated.failure_count > 0) {
		refuse(request, d);
	} else {
		return true;
	}
	request_decided_finish(decided);
	return false;
}

static void start_elevated(struct request *request, struct wire_bytes payload)
{
	struct request_decided decided;
	struct elevated_job job = {.payload = payload};

	if (!pass_gates(request, &decided)) {
		return;
	}
	job.spec = &decided.decision->spec;
	broker_record(request->broker, request, "elevation.allowed",
		&(struct record_fields){
			.kind = "elevation", .tool = "exec", .decision = "allowed"});
	request_work(request, run_elevated, &job, on_elevated);
	request_decided_finish(&decided);
}

/* Arena memory: it is shown, and compared with what comes. */
static bool read_spawn(struct request *request, struct wire_bytes *payload, struct wire_spawn *ret)
{
	struct error err;
	uint8_t *copy = arena_alloc(&request->arena, payload->len + 1);

	(void)memcpy(copy, payload->data, payload->len);
	payload->data = copy;
	if (frame_get_spawn(*payload, &request->arena, ret, &err) < 0) {
		request_fail(request, TOOL_FAIL_ARGUMENTS, err.text, NULL);
		return false;
	}
	if (ret->uid != WIRE_NO_ID || ret->gid != WIRE_NO_ID || ret->rlimit_count > 0) {
		request_fail(request, TOOL_FAIL_DENIED,
			"a command on the host runs as the gateway's user", NULL);
		return false;
	}
	return true;
}

void elevate_request(struct request *request, struct wire_bytes payload)
{
	struct request_decided decided;
	struct wire_spawn spawn;
	const char *cwd, *command;
	enum verdict verdict;

	request->flags |= BUS_ELEVATED;
	if (payload.data == NULL) {
		request_fail(request, TOOL_FAIL_ARGUMENTS, "there is no command", NULL);
		return;
	}
	if (!read_spawn(request, &payload, &spawn) || !pass_gates(request, &decided)) {
		return;
	}
	command = shown(request, spawn.argv);
	cwd = arena_strdup(&request->arena, spawn.cwd != NULL ? spawn.cwd : "/");
	verdict = judge(request, &decided.directives);
	request_decided_finish(&decided);
	if (verdict == REFUSE) {
		broker_record(request->broker, request, "elevation.denied",
			&(struct record_fields){.kind = "elevation",
				.tool = "exec",
				.decision = "denied",
				.rule = "tools.exec.security"});
		request_fail(request, TOOL_FAIL_DENIED,
			"exec denied: security=deny for commands on the host (tools.exec.security, "
			"/exec security)",
			NULL);
	} else if (verdict == ASK) {
		ask_person(request, payload, command, cwd);
	} else {
		start_elevated(request, payload);
	}
}
