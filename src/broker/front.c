/* SPDX-License-Identifier: MIT */
/* The front as a child: started, listened to, started again. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/log_form.h"
#include "base/macro.h"
#include "base/mem.h"
#include "base/own.h"
#include "broker/broker.h"
#include "broker/images.h"
#include "os/sys.h"
#include "tools/tool.h"

enum {
	FRONT_BUS_FD = 3, /* what is behind it: see src/gateway/main.c */
	/* One that dies sooner than this after its start is started again later and later. */
	STEADY_MS = 5 * 1000,
	BACKOFF_FIRST_MS = 10,
	BACKOFF_MAX_MS = 5000,
	/* A front that does not answer for two of these hangs, and is killed. */
	PING_S = 15,
	/* How long it may take to finish what runs when the gateway stops. */
	DRAIN_S = 20,
	IDLE_SECONDS = 300, /* gateway.idleSeconds when it is not configured */
};

struct front {
	pid_t pid; /* 0: none runs */
	struct bus_channel *channel;
	struct images *images;
	uint64_t started_ns;
	unsigned backoff_ms, restarts;
	bool ready, stopping;
	uint32_t pinged, ponged;
	struct event *restart, *ping, *deadline;
};

static void schedule(struct event *event, unsigned ms)
{
	struct timeval delay = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};

	(void)event_add(event, &delay);
}

/* --- what it says --- */

static void on_ask(struct broker *broker, struct bus_packet *packet)
{
	struct request *request = request_open(broker, packet);
	_cleanup_free_ char *op = bus_take(&packet->message, BUS_OP);
	struct error err;
	json_t *args;

	if (request == NULL) {
		return;
	}
	args = bus_packet_json(packet, &err);
	if (args == NULL || op == NULL) {
		json_decref(args);
		request_fail(request, TOOL_FAIL_ARGUMENTS, "the arguments are no JSON", NULL);
		return;
	}
	ask_request(request, op, args);
	json_decref(args);
}

/* A row of the front's own: what a command in the background ran into, whose caller is gone. */
static bool is_own_row(const struct bus_packet *packet)
{
	const struct wire_bytes *fields = packet->message.fields, *name = &fields[BUS_NAME];

	return fields[BUS_TOKEN].data == NULL && packet->fd_count == 0 &&
	       name->len == strlen("denial") && memcmp(name->data, "denial", name->len) == 0;
}

static void on_audit(struct broker *broker, struct bus_packet *packet)
{
	bool own = is_own_row(packet);
	struct request *request = own ? NULL : request_open(broker, packet);
	struct error err;
	json_t *row;

	if (!own && request == NULL) {
		return;
	}
	row = bus_packet_json(packet, &err);
	if (json_is_object(row)) {
		broker_record_call(broker, request, row);
	}
	json_decref(row);
	if (request != NULL) {
		request_drop(request);
	}
}

static void on_question(struct broker *broker, struct bus_packet *packet)
{
	struct request *request = request_open(broker, packet);

	if (request == NULL) {
		return;
	}
	if (packet->message.kind == BUS_ACQUIRE) {
		acquire_request(request);
	} else {
		elevate_request(request, packet->message.fields[BUS_SPAWN]);
	}
}

static void on_cancel(struct broker *broker, uint32_t id)
{
	struct request *request = request_by_id(broker, id);

	if (request != NULL) {
		request_drop(request);
	}
}

static void on_release(struct broker *broker, const struct bus_packet *packet)
{
	_cleanup_free_ char *name = bus_take(&packet->message, BUS_NAME);

	if (name != NULL && (packet->message.flags & BUS_REMOVE) != 0) {
		acquire_discard(broker, name);
	} else if (name != NULL) {
		acquire_release(broker, name);
	}
}

static void on_busy(struct broker *broker, const struct bus_packet *packet)
{
	_cleanup_free_ char *name = bus_take(&packet->message, BUS_NAME);

	if (name != NULL) {
		acquire_busy(broker, name);
	}
}

static void kill_front(struct front *front)
{
	if (front->pid > 0) {
		(void)kill(front->pid, SIGKILL);
	}
}

static void on_packet(void *arg, struct bus_packet *packet)
{
	struct broker *broker = arg;

	switch (packet->message.kind) {
	case BUS_ACQUIRE:
	case BUS_ELEVATE:
		on_question(broker, packet);
		break;
	case BUS_ASK:
		on_ask(broker, packet);
		break;
	case BUS_AUDIT:
		on_audit(broker, packet);
		break;
	case BUS_CANCEL:
		on_cancel(broker, packet->message.id);
		break;
	case BUS_RELEASE:
		on_release(broker, packet);
		break;
	case BUS_PONG:
		broker->front->ponged = packet->message.id;
		break;
	case BUS_BUSY:
		on_busy(broker, packet);
		break;
	case BUS_READY:
		broker->front->ready = true;
		broker_ready(broker);
		break;
	case BUS_REPLY:
	case BUS_FAILURE:
	case BUS_EVENT:
	case BUS_SETTINGS:
	case BUS_FORGET:
	case BUS_DROP:
	case BUS_PING:
	case BUS_STOP:
		log_error("the front sent what only the broker sends; it is ended");
		kill_front(broker->front);
		break;
	}
}

static void on_closed(void *arg, const struct error *why)
{
	struct broker *broker = arg;

	/* Its death is on the way, or it broke a rule: SIGCHLD does the rest. */
	if (why->num != EPIPE) {
		log_error("the front: %s", why->text);
	}
	kill_front(broker->front);
}

static const struct bus_channel_ops channel_ops = {.packet = on_packet, .closed = on_closed};

/* --- starting it --- */

static void put_fd(int fd, int target)
{
	if (fd >= 0) {
		(void)dup2(fd, target); /* without close-on-exec */
	}
}

__attribute__((noreturn)) static void run_front(
	const struct broker *broker, int bus_fd, int images_fd)
{
	char tcp[16], local[16], form[32], stream[64] = "JOURNAL_STREAM=";
	const char *const argv[] = {"creel-front", tcp, local, NULL};
	char *const env[] = {form, stream, NULL};
	const char *journal = getenv("JOURNAL_STREAM");
	int high[] = {bus_fd, images_fd, broker->tcp_fd, broker->unix_fd};
	sigset_t none;

	/* Out of the way of where they go. */
	for (int i = 0; i < (int)ARRAY_SIZE(high); i++) {
		high[i] = high[i] >= 0 ? fcntl(high[i], F_DUPFD_CLOEXEC, 16) : FD_NONE;
		put_fd(high[i], FRONT_BUS_FD + i);
	}
	(void)snprintf(form, sizeof(form), "CREEL_LOG=%s", log_form_name());
	if (journal != NULL) {
		(void)snprintf(stream, sizeof(stream), "JOURNAL_STREAM=%s", journal);
	}
	(void)snprintf(tcp, sizeof(tcp), "%d", broker->tcp_fd >= 0 ? FRONT_BUS_FD + 2 : -1);
	(void)snprintf(local, sizeof(local), "%d", broker->unix_fd >= 0 ? FRONT_BUS_FD + 3 : -1);
	(void)sys_close_range(FRONT_BUS_FD + 4, ~0U, 0);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	(void)execve(broker->front_path, (char *const *)(uintptr_t)argv, env);
	_exit(127);
}

static int launch(struct broker *broker, struct error *err)
{
	struct front *front = broker->front;
	_cleanup_close_ int images_fd = FD_NONE;
	int pair[2], r;

	front->images = images_free(front->images);
	r = images_new(broker->base, &front->images, &images_fd, err);
	if (r < 0) {
		return r;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		return error_set(err, errno, "cannot start the front: socketpair");
	}
	front->pid = fork();
	if (front->pid == 0) {
		run_front(broker, pair[1], images_fd);
	}
	(void)close(pair[1]);
	if (front->pid < 0) {
		front->pid = 0;
		(void)close(pair[0]);
		return error_set(err, errno, "cannot start the front: fork");
	}
	front->started_ns = clock_now_ns();
	front->ready = false;
	front->pinged = front->ponged = 0;
	front->channel = bus_channel_new(broker->base, pair[0], &channel_ops, broker);
	front_settings(broker);
	return 0;
}

static void on_restart(evutil_socket_t fd, short events, void *arg)
{
	struct broker *broker = arg;
	struct error err;

	(void)fd;
	(void)events;
	if (!broker->stopping && launch(broker, &err) < 0) {
		log_error("%s", err.text);
		schedule(broker->front->restart, BACKOFF_MAX_MS);
	}
}

static void on_ping(evutil_socket_t fd, short events, void *arg)
{
	struct broker *broker = arg;
	struct front *front = broker->front;
	struct bus_message ping = {.kind = BUS_PING, .id = front->pinged + 1};

	(void)fd;
	(void)events;
	schedule(front->ping, PING_S * 1000);
	if (front->pid <= 0) {
		return;
	}
	if (front->pinged > front->ponged + 1) {
		log_error("the front does not answer; it is ended and started again");
		kill_front(front);
		return;
	}
	front->pinged++;
	front_send(broker, &ping, NULL, 0);
}

static void on_deadline(evutil_socket_t fd, short events, void *arg)
{
	struct broker *broker = arg;

	(void)fd;
	(void)events;
	log_warning("the front has not finished within %d s; it is ended", DRAIN_S);
	kill_front(broker->front);
}

int front_start(struct broker *broker, struct error *err)
{
	struct front *front = xcalloc(1, sizeof(*front));

	broker->front = front;
	front->restart = evtimer_new(broker->base, on_restart, broker);
	front->ping = evtimer_new(broker->base, on_ping, broker);
	front->deadline = evtimer_new(broker->base, on_deadline, broker);
	schedule(front->ping, PING_S * 1000);
	return launch(broker, err);
}

/* --- its end --- */

static void clean_up(struct broker *broker)
{
	struct front *front = broker->front;

	front->channel = bus_channel_free(front->channel);
	front->images = images_free(front->images);
	front->pid = 0;
	front->ready = false;
	while (broker->requests != NULL) {
		request_drop(broker->requests);
	}
	/* The streams ended with it: each sandbox dials again, and is found by the next that asks. */
	acquire_release(broker, NULL);
}

static void record_end(struct broker *broker, int status, uint64_t lived_ms)
{
	json_t *detail = json_pack("{s:s,s:i}", "how", WIFSIGNALED(status) ? "signal" : "status",
		"number", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));

	broker_record(broker, NULL, "front.ended",
		&(struct record_fields){.duration_us = (int64_t)lived_ms * 1000, .detail = detail});
	json_decref(detail);
}

void front_reaped(struct broker *broker, int pid, int status)
{
	struct front *front = broker->front;
	uint64_t lived_ms;

	images_reaped(front != NULL ? front->images : NULL, pid);
	if (front == NULL || pid != front->pid) {
		return;
	}
	lived_ms = (clock_now_ns() - front->started_ns) / NS_PER_MS;
	clean_up(broker);
	if (broker->stopping) {
		(void)event_base_loopbreak(broker->base);
		return;
	}
	front->backoff_ms = lived_ms >= STEADY_MS    ? 0
			    : front->backoff_ms == 0 ? BACKOFF_FIRST_MS
						     : front->backoff_ms * 2;
	if (front->backoff_ms > BACKOFF_MAX_MS) {
		front->backoff_ms = BACKOFF_MAX_MS;
	}
	front->restarts++;
	log_error("the front ended (%s %d) after %llu ms; it is started again%s",
		WIFSIGNALED(status) ? "signal" : "status",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
		(unsigned long long)lived_ms,
		front->backoff_ms >= BACKOFF_MAX_MS ? ", it keeps ending" : "");
	record_end(broker, status, lived_ms);
	schedule(front->restart, front->backoff_ms);
}

void front_stop(struct broker *broker)
{
	struct bus_message stop = {.kind = BUS_STOP};
	struct front *front = broker->front;

	if (front == NULL || front->pid <= 0) {
		(void)event_base_loopbreak(broker->base);
		return;
	}
	if (front->stopping) {
		kill_front(front); /* told twice: now */
		return;
	}
	front->stopping = true;
	front_send(broker, &stop, NULL, 0);
	schedule(front->deadline, DRAIN_S * 1000);
}

void front_free(struct broker *broker)
{
	struct front *front = broker->front;

	if (front == NULL) {
		return;
	}
	if (front->pid > 0) {
		kill_front(front);
		(void)waitpid(front->pid, NULL, 0);
	}
	clean_up(broker);
	event_free(front->restart);
	event_free(front->ping);
	event_free(front->deadline);
	free(front);
	broker->front = NULL;
}

/* --- what it is told --- */

void front_send(
	struct broker *broker, const struct bus_message *message, const int *fds, size_t fd_count)
{
	struct front *front = broker->front;
	struct error err;

	if (front == NULL || front->channel == NULL) {
		return;
	}
	if (bus_channel_send(front->channel, message, fds, fd_count, &err) < 0 &&
		err.num != EPIPE) {
		log_error("cannot tell the front: %s", err.text);
		/* It would wait for ever for what could not be said. */
		kill_front(front);
	}
}

static void send_json(struct broker *broker, struct bus_message *message, json_t *json)
{
	_cleanup_free_ char *text = json_dumps(json, JSON_COMPACT);
	_cleanup_close_ int memfd = FD_NONE;
	struct error err;

	json_decref(json);
	if (text == NULL || bus_attach_json(message, text, &memfd, &err) < 0) {
		return;
	}
	front_send(broker, message, &memfd, memfd >= 0 ? 1 : 0);
}

void front_event(struct broker *broker, const char *name, json_t *event)
{
	struct bus_message message = {.kind = BUS_EVENT};

	bus_set(&message, BUS_NAME, name);
	send_json(broker, &message, event);
}

void front_forget(struct broker *broker, const char *session)
{
	struct bus_message message = {.kind = BUS_FORGET};

	bus_set(&message, BUS_SESSION, session);
	front_send(broker, &message, NULL, 0);
}

void front_settings(struct broker *broker)
{
	struct bus_message message = {.kind = BUS_SETTINGS};
	const json_t *idle = config_get(broker->config, "gateway.idleSeconds");

	send_json(broker, &message,
		json_pack("{s:s,s:s,s:s,s:s?,s:s?,s:I}", "log", log_form_name(), "version",
			CREEL_VERSION, "brand", broker->config->brand->name, "listen",
			broker->listen, "socket", broker->socket_path, "idleSeconds",
			json_is_integer(idle) ? json_integer_value(idle)
					      : (json_int_t)IDLE_SECONDS));
}

bool front_is_well(const struct broker *broker)
{
	const struct front *front = broker->front;

	return front != NULL && front->ready && front->pinged <= front->ponged + 1;
}

json_t *front_status(const struct broker *broker)
{
	const struct front *front = broker->front;

	return json_pack("{s:i,s:i,s:b}", "pid", front != NULL ? front->pid : 0, "restarts",
		front != NULL ? (int)front->restarts : 0, "ready", front != NULL && front->ready);
}
