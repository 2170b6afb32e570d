/* SPDX-License-Identifier: MIT */
/* Who asks, whether they may, and what is decided for them. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/mem.h"
#include "base/own.h"
#include "base/secret.h"
#include "broker/broker.h"
#include "tools/tool.h"

/*
 * Is that descriptor a connection to our socket, made by our own user or by root? The front cannot
 * make one: it may call neither socket(2) nor connect(2).
 */
static bool is_local_peer(const struct broker *broker, int fd)
{
	struct sockaddr_un name = {0};
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t len = sizeof(name) - 1, peer_len = sizeof(peer);

	return broker->socket_path != NULL &&
	       getsockname(fd, (struct sockaddr *)&name, &len) == 0 && name.sun_family == AF_UNIX &&
	       strcmp(name.sun_path, broker->socket_path) == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_len) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

static void copy_list(struct arena *a, const struct strv *from, struct strv *ret)
{
	for (size_t i = 0; i < from->count; i++) {
		strv_add(ret, a, from->items[i]);
	}
}

static bool authenticate(struct request *r, const char *token, const struct bus_packet *packet)
{
	const struct principal *found = NULL;

	if (token != NULL) {
		found = tokens_find(&r->broker->tokens, token);
	} else if ((packet->message.flags & BUS_LOCAL) != 0 && packet->fd_count > 0 &&
		   is_local_peer(r->broker, packet->fds[0])) {
		found = &principal_local;
	}
	if (found == NULL) {
		return false;
	}
	r->principal.name = arena_strdup(&r->arena, found->name);
	r->principal.admin = found->admin;
	r->principal.elevated = found->elevated || found->admin;
	copy_list(&r->arena, &found->agents, &r->principal.agents);
	copy_list(&r->arena, &found->sessions, &r->principal.sessions);
	copy_list(&r->arena, &found->tools, &r->principal.tools);
	return true;
}

static const char *text_of(struct request *r, const struct bus_message *m, enum bus_field field)
{
	const struct wire_bytes *bytes = &m->fields[field];

	return bytes->data != NULL ? arena_strndup(&r->arena, (const char *)bytes->data, bytes->len)
				   : NULL;
}

static void read_caller(struct request *r, const struct bus_message *m)
{
	r->transport = text_of(r, m, BUS_TRANSPORT);
	r->model = text_of(r, m, BUS_MODEL);
	r->sender = (struct sender){
		.provider = text_of(r, m, BUS_SENDER_PROVIDER),
		.id = text_of(r, m, BUS_SENDER_ID),
		.name = text_of(r, m, BUS_SENDER_NAME),
		.username = text_of(r, m, BUS_SENDER_USERNAME),
		.tag = text_of(r, m, BUS_SENDER_TAG),
		.e164 = text_of(r, m, BUS_SENDER_E164),
		.from = text_of(r, m, BUS_SENDER_FROM),
		/* Who is the owner is for an administrator to say. */
		.is_owner = (m->flags & BUS_OWNER) != 0 && r->principal.admin,
	};
}

static void link_request(struct request *r)
{
	struct broker *broker = r->broker;

	r->next = broker->requests;
	r->slot = &broker->requests;
	if (r->next != NULL) {
		r->next->slot = &r->next;
	}
	broker->requests = r;
	broker->request_count++;
}

struct request_work {
	struct request *request; /* NULL: dropped meanwhile */
	request_done_fn done;
};

static void request_free(struct request *r)
{
	struct arena arena = r->arena;

	if (r->work != NULL) {
		r->work->request = NULL;
	}
	acquire_forget_waiter(r);
	approvals_forget(r);
	secret_wipe(r->token);
	*r->slot = r->next;
	if (r->next != NULL) {
		r->next->slot = r->slot;
	}
	r->broker->request_count--;
	free(r);
	arena_finish(&arena);
}

bool request_aim(struct request *r, const char *agent, const char *session)
{
	r->agent = agent;
	r->session = session;
	session_resolve(&r->arena, r->broker->config->root, agent, session, &r->ref);
	return principal_reaches_agent(&r->principal, r->ref.agent_id) &&
	       principal_reaches_session(&r->principal, r->ref.key);
}

static void refuse_scope(struct request *r)
{
	broker_record(r->broker, r, "refused",
		&(struct record_fields){.decision = "deny", .rule = "gateway.tokens"});
	request_failf(r, "forbidden",
		"the token '%s' does not reach agent '%s', session '%s' "
		"(gateway.tokens: agents, sessions)",
		r->principal.name, r->ref.agent_id, r->ref.key);
}

struct request *request_open(struct broker *broker, struct bus_packet *packet)
{
	struct request *r = xcalloc(1, sizeof(*r));
	const struct bus_message *m = &packet->message;

	r->broker = broker;
	r->id = m->id;
	r->flags = m->flags;
	link_request(r);
	if (broker->request_count > LIMIT_BROKER_REQUESTS) {
		request_fail(r, "busy", "too many questions have no answer yet, try again", NULL);
		return NULL;
	}
	r->token = text_of(r, m, BUS_TOKEN);
	if (!authenticate(r, r->token, packet)) {
		r->principal.name = "nobody";
		broker_record(broker, r, "refused",
			&(struct record_fields){.decision = "deny", .rule = "token"});
		request_fail(r, "unauthorized", "no token that this gateway knows",
			"send 'Authorization: Bearer TOKEN' with a token of gateway.tokens");
		return NULL;
	}
	read_caller(r, m);
	r->tool = text_of(r, m, BUS_TOOL);
	r->control = text_of(r, m, BUS_CONTROL);
	r->workspace = text_of(r, m, BUS_WORKSPACE);
	if (r->workspace != NULL && !r->principal.admin) {
		request_fail(r, "forbidden", "only an administrator names a workspace", NULL);
		return NULL;
	}
	if (!request_aim(r, text_of(r, m, BUS_AGENT), text_of(r, m, BUS_SESSION)) &&
		(m->kind == BUS_ACQUIRE || m->kind == BUS_ELEVATE || m->kind == BUS_AUDIT)) {
		refuse_scope(r);
		return NULL;
	}
	return r;
}

void request_reply(struct request *r, json_t *json, unsigned flags, const int *fds, size_t fd_count)
{
	struct bus_message message = {.kind = BUS_REPLY, .id = r->id, .flags = flags};
	_cleanup_free_ char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
	_cleanup_close_ int memfd = FD_NONE;
	int all[BUS_FDS_MAX];
	struct error err;

	json_decref(json);
	if (text == NULL || bus_attach_json(&message, text, &memfd, &err) < 0) {
		request_fail(r, "internal", "the answer cannot be sent", NULL);
		return;
	}
	for (size_t i = 0; i < fd_count; i++) {
		all[i] = fds[i];
	}
	if (memfd >= 0) {
		all[fd_count++] = memfd;
	}
	front_send(r->broker, &message, all, fd_count);
	request_free(r);
}

void request_fail(struct request *r, const char *type, const char *message, const char *hint)
{
	struct bus_message failure = {.kind = BUS_FAILURE, .id = r->id};

	bus_set(&failure, BUS_TYPE, type);
	bus_set(&failure, BUS_MESSAGE, message);
	bus_set(&failure, BUS_HINT, hint);
	front_send(r->broker, &failure, NULL, 0);
	request_free(r);
}

void request_failf(struct request *r, const char *type, const char *fmt, ...)
{
	_cleanup_buf_ struct buf text = {0};
	va_list args;

	va_start(args, fmt);
	buf_vaddf(&text, fmt, args);
	va_end(args);
	request_fail(r, type, text.data, NULL);
}

void request_drop(struct request *r)
{
	request_free(r);
}

struct request *request_by_id(const struct broker *broker, uint32_t id)
{
	struct request *r = broker->requests;

	while (r != NULL && r->id != id) {
		r = r->next;
	}
	return r;
}

/* --- work --- */

enum { WORKS_MAX = 64 };
static size_t works;

static void on_work_done(
	void *arg, struct worker *worker, struct worker_reply *reply, enum worker_keep *keep)
{
	struct request_work *work = arg;

	(void)worker;
	works--;
	if (work->request != NULL) {
		work->request->work = NULL;
		work->done(work->request, reply, keep);
	}
	free(work);
}

void request_work(struct request *r, worker_fn run, void *run_arg, request_done_fn done)
{
	struct request_work *work;
	struct error err;

	if (works >= WORKS_MAX) {
		request_fail(r, "busy", "too much is being done at once, try again", NULL);
		return;
	}
	work = xcalloc(1, sizeof(*work));
	*work = (struct request_work){.request = r, .done = done};
	if (worker_start(r->broker->base,
		    &(struct worker_job){
			    .run = run,
			    .run_arg = run_arg,
			    .done = on_work_done,
			    .done_arg = work,
		    },
		    &err) < 0) {
		free(work);
		request_fail(r, TOOL_FAIL_UNAVAILABLE, err.text, NULL);
		return;
	}
	works++;
	r->work = work;
}

/* Its type is request_done_fn's. NOLINTNEXTLINE(readability-non-const-parameter) */
void request_pass(struct request *r, struct worker_reply *reply, enum worker_keep *keep)
{
	(void)keep;
	if (reply->json == NULL) {
		request_fail(r, reply->failure_type, reply->failure.text, NULL);
	} else {
		request_reply(r, json_incref(reply->json), 0, NULL, 0);
	}
}

/* --- deciding --- */

/* A token that may not elevate is one more gate. */
static void close_gate(struct request *r, struct decision *d)
{
	size_t count = d->elevated.failure_count;
	struct gate_failure *failures = arena_calloc(&d->arena, count + 1, sizeof(*failures));

	if (count > 0) {
		(void)memcpy(failures, d->elevated.failures, count * sizeof(*failures));
	}
	failures[count] = (struct gate_failure){.gate = "token",
		.key = arena_printf(&d->arena, "gateway.tokens '%s': elevated", r->principal.name)};
	d->elevated.failures = failures;
	d->elevated.failure_count = count + 1;
	d->elevated.allowed_by_config = false;
	d->elevated.granted = false;
}

int request_decide(
	struct request *r, const char *tool, struct request_decided *ret, struct error *err)
{
	int result;

	*ret = (struct request_decided){0};
	sessions_directives(r->broker->sessions, r->ref.key, &ret->directives);
	ret->asked = (struct decide_request){
		.agent = r->agent,
		.session = r->session,
		.workspace = r->workspace,
		.tool = tool,
		.model_provider = r->model,
		.sender = r->sender,
		.elevated = (r->flags & BUS_ELEVATED) != 0,
		.session_elevated = ret->directives.elevated,
		.subagent_depth = session_subagent_depth(r->ref.key),
		.browser = (r->flags & BUS_BROWSER) != 0,
	};
	result = decide(r->broker->config, &ret->asked, &ret->decision, err);
	if (result < 0) {
		session_directives_finish(&ret->directives);
		return result;
	}
	if (!r->principal.elevated) {
		close_gate(r, ret->decision);
	}
	return 0;
}

void request_decided_finish(struct request_decided *decided)
{
	decided->decision = decision_free(decided->decision);
	session_directives_finish(&decided->directives);
}

/* Tools beyond the token's are refused as by a policy of that name. */
static void narrow_tools(struct request *r, json_t *tools)
{
	const char *name;
	json_t *verdict;

	json_object_foreach(tools, name, verdict)
	{
		if (principal_reaches_tool(&r->arena, &r->principal, name)) {
			continue;
		}
		(void)json_object_update_new(
			verdict, json_pack("{s:b,s:s,s:s,s:s,s:[s],s:n}", "allowed", 0, "layer",
					 "token", "rule", "gateway.tokens[].tools", "reason",
					 "the caller's token does not name this tool", "fix",
					 "gateway.tokens[].tools", "message"));
	}
}

static void direct(json_t *exec, const char *key, const char *value)
{
	if (value != NULL) {
		(void)json_object_set_new(exec, key, json_string(value));
	}
}

/* The agent's own settings come before all others; a session's directives before those. */
static void apply_directives(
	json_t *settings, const struct session_directives *d, const char *agent)
{
	json_t *list = json_object_get(json_object_get(settings, "agents"), "list");
	json_t *exec;

	if (d->host == NULL && d->security == NULL && d->ask == NULL && d->node == NULL) {
		return;
	}
	if (json_array_size(list) == 0) {
		(void)json_array_append_new(list, json_pack("{s:s,s:{}}", "id", agent, "tools"));
	}
	settings = json_object_get(json_array_get(list, 0), "tools");
	exec = json_object_get(settings, "exec");
	if (exec == NULL) {
		exec = json_object();
		(void)json_object_set_new(settings, "exec", exec);
	}
	direct(exec, "host", d->host);
	direct(exec, "security", d->security);
	direct(exec, "ask", d->ask);
	direct(exec, "node", d->node);
}

json_t *request_grant(struct request *r, struct request_decided *decided, const json_t *extras)
{
	json_t *grant = grant_encode(decided->decision, &decided->asked);

	if (grant == NULL) {
		return NULL;
	}
	narrow_tools(r, json_object_get(grant, "tools"));
	(void)json_object_set_new(grant, "admin", json_boolean(r->principal.admin));
	apply_directives(json_object_get(grant, "settings"), &decided->directives,
		decided->decision->agent_id);
	if (extras != NULL) {
		const json_t *spec = json_object_get(extras, "spec");

		(void)json_object_update(json_object_get(grant, "spec"), (json_t *)(uintptr_t)spec);
		(void)json_object_update(grant, json_object_get(extras, "top"));
	}
	return grant;
}
