/* SPDX-License-Identifier: MIT */
/* One command of a caller's, over the caller's own connection: see the header. */
#include "gateway/exec-relay.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/own.h"
#include "base/path.h"
#include "gateway/internal.h"
#include "tools/base64.h"
#include "wire/relay.h"

struct exec_relay {
	struct gateway *gateway;
	struct caller_copy copy;
	int fd; /* until the relay has it */
	struct buf early;
	char *agent, *session, *workspace, *cwd;
	struct question *acquisition;
	struct held_grant *held;
	char *box_name;
	uint64_t serial; /* of that box; 0: not in it yet */
	struct buf wanted; /* elevated: the SPAWN that is asked for */
	struct link *host; /* elevated and allowed */
	struct event *gone; /* the caller, while a person is asked */
	struct relay *relay;
	struct event *read, *write, *retry;
	struct arena arena; /* what the command's frame is given */
	uint64_t tries, started_ns;
};

enum { READY_TRIES = 1000, READY_STEP_MS = 10 };

/* The box that it came into; NULL: that is gone, whatever has its name now. */
static struct front_box *own_box(const struct exec_relay *x)
{
	struct front_box *box = x->serial > 0 ? box_find(x->gateway, x->box_name) : NULL;

	return box != NULL && box_serial(box) == x->serial ? box : NULL;
}

static void leave_box(struct exec_relay *x)
{
	struct front_box *box = own_box(x);

	if (box != NULL) {
		box_unuse(box);
	}
}

static void relay_end(struct exec_relay *x)
{
	if (x->acquisition != NULL) {
		question_forget(x->acquisition);
	}
	x->relay = relay_free(x->relay);
	if (x->read != NULL) {
		event_free(x->read);
		event_free(x->write);
	}
	leave_box(x);
	if (x->host != NULL) {
		host_link_release(x->gateway, x->host);
	}
	if (x->gone != NULL) {
		event_free(x->gone);
	}
	if (x->retry != NULL) {
		event_free(x->retry);
	}
	cleanup_closep(&x->fd);
	held_grant_put(x->held);
	caller_copy_finish(&x->copy);
	buf_finish(&x->early);
	buf_finish(&x->wanted);
	arena_finish(&x->arena);
	free(x->agent);
	free(x->session);
	free(x->workspace);
	free(x->cwd);
	free(x->box_name);
	free(x);
}

/* --- before the upgrade --- */

/* A few hundred bytes into a fresh connection's buffer: taken whole, or the peer is gone. */
static void say(int fd, const char *text, size_t len)
{
	(void)!send(fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void refuse(struct exec_relay *x, const struct gateway_failure *failure)
{
	json_t *body = json_pack("{s:b,s:{s:s,s:s,s:s?}}", "ok", 0, "error", "type", failure->type,
		"message", failure->message, "hint", failure->hint);
	_cleanup_free_ char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
	_cleanup_buf_ struct buf out = {0};

	json_decref(body);
	if (text == NULL) {
		text = xstrdup("{\"ok\":false}");
	}
	buf_addf(&out,
		"HTTP/1.1 %d Refused\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
		"Connection: close\r\n\r\n%s",
		gateway_status_of(failure->type), strlen(text), text);
	say(x->fd, out.data, out.len);
	(void)shutdown(x->fd, SHUT_WR);
	relay_end(x);
}

static void refuse_plain(struct exec_relay *x, const char *type, const char *message)
{
	refuse(x, &(struct gateway_failure){.type = type, .message = message});
}

/* --- what runs --- */

static bool has_name(const struct strv *env, const char *name, size_t len)
{
	for (size_t i = 0; i < env->count; i++) {
		if (strncmp(env->items[i], name, len) == 0 && env->items[i][len] == '=') {
			return true;
		}
	}
	return false;
}

static void add_default(struct exec_relay *x, struct strv *env, const char *entry)
{
	if (!has_name(env, entry, strcspn(entry, "="))) {
		strv_add(env, &x->arena, entry);
	}
}

/* Declared, the image's, a login's: nothing of the caller's nor of ours (contract D22). */
static const char *const *command_env(struct exec_relay *x, bool terminal)
{
	const struct grant *grant = x->held->grant;
	struct strv env = {0};

	for (size_t i = 0; i < grant->decision.spec.env.count; i++) {
		strv_add(&env, &x->arena, grant->decision.spec.env.items[i]);
	}
	for (size_t i = 0; i < grant->image_env.count; i++) {
		add_default(x, &env, grant->image_env.items[i]);
	}
	add_default(x, &env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	add_default(x, &env, arena_printf(&x->arena, "HOME=%s", grant->decision.spec.workdir));
	if (terminal) {
		add_default(x, &env, "TERM=xterm");
	}
	return env.items;
}

/* The caller's directory as the sandbox sees it, when it is in a workspace. */
static const char *command_cwd(struct exec_relay *x)
{
	const struct sandbox_spec *spec = &x->held->grant->decision.spec;
	const char *cwd = x->cwd != NULL ? x->cwd : "";

	for (size_t i = 0; i < spec->mount_count; i++) {
		const struct spec_mount *m = &spec->mounts[i];

		if (m->source == NULL || m->target == NULL || !path_is_below(cwd, m->source)) {
			continue;
		}
		if (strcmp(cwd, m->source) == 0) {
			return m->target;
		}
		return path_join(&x->arena, m->target, cwd + strlen(m->source) + 1);
	}
	return spec->workdir;
}

static int on_spawn(
	void *arg, struct wire_bytes payload, struct wire_spawn *spawn, struct error *err)
{
	struct exec_relay *x = arg;

	(void)payload;
	if (x->host != NULL) {
		return 0; /* the broker's end lets nothing else pass */
	}
	if (own_box(x) == NULL) {
		return error_plain(err, EPIPE, "the sandbox is gone");
	}
	spawn->flags &= ~(uint32_t)(WIRE_SPAWN_LAST | WIRE_SPAWN_DETACHED | WIRE_SPAWN_LOGIN_ENV);
	spawn->uid = spawn->gid = WIRE_NO_ID;
	spawn->rlimit_count = 0;
	spawn->tag = NULL; /* it ends with its caller: nobody finds it again */
	spawn->cwd = command_cwd(x);
	spawn->env = command_env(x, (spawn->flags & WIRE_SPAWN_PTY) != 0);
	return 0;
}

static void on_blocked(void *arg)
{
	struct exec_relay *x = arg;

	(void)event_add(x->write, NULL);
}

static void set_text(json_t *row, const char *key, const char *text)
{
	if (text != NULL) {
		(void)json_object_set_new(row, key, json_string(text));
	}
}

static void on_ended(void *arg, const struct wire_exited *exited)
{
	struct exec_relay *x = arg;
	const struct grant *grant = x->held != NULL ? x->held->grant : NULL;
	json_t *row = json_pack("{s:s,s:s,s:s,s:s,s:I}", "kind", "call", "action", "exec", "tool",
		"exec", "decision", exited != NULL ? "allowed" : "failed", "durationUs",
		(json_int_t)((clock_now_ns() - x->started_ns) / 1000));

	set_text(row, "sandbox", grant != NULL ? grant->sandbox : NULL);
	set_text(row, "backend", grant != NULL ? grant->backend : "host");
	if (exited != NULL && exited->code >= 0) {
		(void)json_object_set_new(row, "exitCode", json_integer(exited->code));
	}
	gateway_audit_for(x->gateway, &x->copy.caller, x->agent, x->session, "call", row);
	/* Behind the callback that this is part of: see whether all is said. */
	if (x->write != NULL) {
		event_active(x->write, EV_WRITE, 1);
	}
}

static const struct relay_ops relay_ops = {
	.spawn = on_spawn, .blocked = on_blocked, .ended = on_ended};

static void pump(struct exec_relay *x, short revents)
{
	struct front_box *box = own_box(x);
	struct error why;

	if (relay_pump(x->relay, revents, &why) < 0 || relay_is_over(x->relay)) {
		relay_end(x);
	} else {
		if ((relay_events(x->relay) & POLLOUT) != 0) {
			(void)event_add(x->write, NULL);
		}
		if (x->host != NULL) {
			host_link_update(x->host);
		}
	}
	if (box != NULL) {
		box_update(box);
	}
}

static void on_readable(evutil_socket_t fd, short events, void *arg)
{
	(void)fd;
	(void)events;
	pump(arg, POLLIN);
}

static void on_writable(evutil_socket_t fd, short events, void *arg)
{
	(void)fd;
	(void)events;
	pump(arg, POLLOUT);
}

/* --- the upgrade --- */

static void upgrade(struct exec_relay *x, struct link *link)
{
	static const char switched[] = "HTTP/1.1 101 Switching Protocols\r\n"
				       "Upgrade: creel-frames\r\nConnection: Upgrade\r\n\r\n";
	struct error why;
	int fd = TAKE_FD(x->fd);

	say(fd, switched, sizeof(switched) - 1);
	x->read = event_new(x->gateway->base, fd, EV_READ | EV_PERSIST, on_readable, x);
	x->write = event_new(x->gateway->base, fd, EV_WRITE, on_writable, x);
	x->relay = relay_new(fd, link, &relay_ops, x);
	(void)event_add(x->read, NULL);
	if (relay_feed(x->relay, x->early.data, x->early.len, &why) < 0) {
		relay_end(x);
		return;
	}
	pump(x, POLLOUT);
}

static void enter(struct exec_relay *x, struct front_box *box)
{
	x->serial = box_serial(box);
	box_use(box);
	upgrade(x, box_link(box));
}

static void on_retry(evutil_socket_t fd, short events, void *arg)
{
	struct exec_relay *x = arg;
	struct front_box *box = box_find(x->gateway, x->box_name);
	struct timeval step = {.tv_usec = (suseconds_t)READY_STEP_MS * 1000};

	(void)fd;
	(void)events;
	if (box == NULL || ++x->tries > READY_TRIES) {
		refuse_plain(x, TOOL_FAIL_UNAVAILABLE, "the sandbox did not start");
	} else if (box_is_ready(box, x->held)) {
		enter(x, box);
	} else {
		(void)event_add(x->retry, &step);
	}
}

static void go(struct exec_relay *x, struct front_box *box)
{
	x->box_name = xstrdup(x->held->grant->sandbox);
	if (box_is_ready(box, x->held)) {
		enter(x, box);
		return;
	}
	x->retry = evtimer_new(x->gateway->base, on_retry, x);
	on_retry(-1, 0, x);
}

static void acquire(struct exec_relay *x);

static void on_grant(void *arg, struct bus_packet *packet, const struct gateway_failure *failure)
{
	struct exec_relay *x = arg;
	const struct tool_verdict *verdict;
	struct front_box *box;
	struct error err;

	x->acquisition = NULL;
	if (failure != NULL) {
		refuse(x, failure);
		return;
	}
	if (!gateway_take_grant(packet, &x->held, &err)) {
		refuse_plain(x, GATEWAY_FAIL_INTERNAL, err.text);
		return;
	}
	verdict = grant_verdict(x->held->grant, "exec");
	if (x->held->grant->sandbox == NULL ||
		(!x->held->grant->admin && (verdict == NULL || !verdict->allowed))) {
		refuse_plain(x, TOOL_FAIL_DENIED,
			verdict != NULL && verdict->reason != NULL ? verdict->reason
								   : "policy refuses exec");
		return;
	}
	if (!x->held->grant->decision.sandboxed) {
		refuse_plain(x, TOOL_FAIL_DENIED,
			"this session runs on the host: its owner runs commands there without us");
		return;
	}
	box = gateway_box_for(x->gateway, x->held->grant, packet);
	if (box == NULL) {
		/* Its stream ended while the answer was on the way. */
		held_grant_put(TAKE_PTR(x->held));
		acquire(x);
		return;
	}
	go(x, box);
}

static void acquire(struct exec_relay *x)
{
	struct bus_message message = {.kind = BUS_ACQUIRE, .flags = BUS_START};
	struct question *asked;
	int fd;

	question_caller(&message, &x->copy.caller, &fd);
	bus_set(&message, BUS_AGENT, x->agent);
	bus_set(&message, BUS_SESSION, x->session);
	bus_set(&message, BUS_WORKSPACE, x->workspace);
	bus_set(&message, BUS_TOOL, "exec");
	/* When it cannot even be asked, on_grant() has ended x. */
	asked = question_ask(x->gateway, &message, fd, on_grant, x);
	if (asked != NULL) {
		x->acquisition = asked;
	}
}

static char *take_text(const json_t *body, const char *key)
{
	const char *text = json_string_value(json_object_get(body, key));

	return text != NULL ? xstrdup(text) : NULL;
}

/* --- on the host --- */

static void on_gone(evutil_socket_t fd, short events, void *arg)
{
	(void)fd;
	(void)events;
	relay_end(arg);
}

static void on_elevated(void *arg, struct bus_packet *packet, const struct gateway_failure *failure)
{
	struct exec_relay *x = arg;

	x->acquisition = NULL;
	if (x->gone != NULL) {
		event_free(x->gone);
		x->gone = NULL;
	}
	if (failure != NULL) {
		refuse(x, failure);
	} else if (packet->fd_count == 0) {
		refuse_plain(x, GATEWAY_FAIL_INTERNAL, "the broker gave no relay");
	} else {
		x->host = host_link_new(x->gateway, TAKE_FD(packet->fds[0]));
		upgrade(x, x->host);
	}
}

/* The very frame that will be sent: what the broker lets pass is nothing else. */
static void elevate(struct exec_relay *x)
{
	struct bus_message message = {.kind = BUS_ELEVATE};
	struct question *asked;
	int fd;

	question_caller(&message, &x->copy.caller, &fd);
	bus_set(&message, BUS_AGENT, x->agent);
	bus_set(&message, BUS_SESSION, x->session);
	message.fields[BUS_SPAWN] =
		(struct wire_bytes){.data = (const uint8_t *)x->wanted.data, .len = x->wanted.len};
	x->gone = event_new(x->gateway->base, x->fd, EV_CLOSED, on_gone, x);
	(void)event_add(x->gone, NULL);
	/* As in acquire(). */
	asked = question_ask(x->gateway, &message, fd, on_elevated, x);
	if (asked != NULL) {
		x->acquisition = asked;
	}
}

void exec_relay_start(struct gateway *gateway, const struct exec_relay_opts *opts)
{
	const char *wanted = json_string_value(json_object_get(opts->body, "spawn"));
	struct exec_relay *x = xcalloc(1, sizeof(*x));

	*x = (struct exec_relay){
		.gateway = gateway,
		.started_ns = clock_now_ns(),
		.fd = opts->adopt_fd,
		.agent = take_text(opts->body, "agent"),
		.session = take_text(opts->body, "session"),
		.workspace = take_text(opts->body, "workspace"),
		.cwd = take_text(opts->body, "cwd"),
	};
	caller_copy_init(&x->copy, opts->caller);
	buf_add(&x->early, opts->early, opts->early_len);
	if (wanted == NULL) {
		acquire(x);
	} else if (base64_decode(&x->wanted, wanted, strlen(wanted)) < 0 || x->wanted.len == 0) {
		refuse_plain(x, TOOL_FAIL_ARGUMENTS, "spawn is no base64");
	} else {
		elevate(x);
	}
}
