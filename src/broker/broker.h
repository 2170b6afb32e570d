/* SPDX-License-Identifier: MIT */
/*
 * The broker: the half of the gateway that holds what is worth having. It decides, starts and stops
 * sandboxes, knows the tokens, and hands streams to its front, which it believes nothing. What its
 * files share.
 */
#ifndef BROKER_BROKER_H
#define BROKER_BROKER_H

#include <event2/event.h>

#include "broker/sessions.h"
#include "broker/tokens.h"
#include "broker/worker.h"
#include "bus/channel.h"
#include "bus/grant.h"
#include "policy/session.h"

struct audit;
struct front;
struct approval;
struct pruner;
struct sandbox;
struct tally;

struct broker {
	struct event_base *base;
	struct config_request config_request;
	struct config *config;
	uint64_t generation; /* of the configuration */
	struct tokens tokens;
	struct sessions *sessions;
	struct audit *audit;
	struct tally *tally; /* see record.c */
	char *front_path, *socket_path, *listen; /* as bound */
	int tcp_fd, unix_fd, lock_fd;
	uint64_t started_ns;
	int64_t started_wall_ms;
	struct front *front;
	struct request *requests; /* every one without an answer */
	size_t request_count;
	struct sandbox *sandboxes;
	struct approval *approvals;
	uint32_t approval_count;
	struct pruner *pruner;
	struct event *watchdog, *signals[4], *reload_event, *reload_timer;
	int inotify_fd;
	char *reload_problem; /* why the file is not what runs; NULL: it is */
	bool stopping;
	int exit_status;
};

/* --- request.c: one question of the front's --- */

/* From the packet until its answer. */
struct request {
	struct request *next, **slot; /* of the broker */
	struct broker *broker;
	uint32_t id, flags;
	struct arena arena;
	struct principal principal; /* a copy: the tokens may be read anew meanwhile */
	struct sender sender;
	const char *token; /* as presented; NULL: none */
	const char *transport, *model, *agent, *session, *tool, *workspace, *control;
	struct session_ref ref; /* agent and session as they resolve */
	struct request *next_waiter; /* of a sandbox */
	struct request_work *work; /* a worker that is at it */
};

/*
 * Read who asks, and whether the token is known and reaches the session. NULL: it was refused, and
 * answered. Ends by one of the two below.
 */
struct request *request_open(struct broker *broker, struct bus_packet *packet);
void request_reply(struct request *request, json_t *json, unsigned flags, const int *fds,
	size_t fd_count); /* json is taken over */
void request_fail(struct request *request, const char *type, const char *message, const char *hint);
void request_failf(struct request *request, const char *type, const char *fmt, ...) _printf_(3, 4);
/* Nobody waits for it any more: the front cancelled it or is gone. */
void request_drop(struct request *request);
struct request *request_by_id(const struct broker *broker, uint32_t id);

/*
 * Let a worker do it. done comes once, unless the request is dropped first; it has to end the request.
 * On failure the request was answered.
 */
typedef void (*request_done_fn)(
	struct request *request, struct worker_reply *reply, enum worker_keep *keep);
void request_work(struct request *request, worker_fn run, void *run_arg, request_done_fn done);
/* A done that passes the answer on as it is. */
void request_pass(struct request *request, struct worker_reply *reply, enum worker_keep *keep);

/* What was decided for a request, with its session's directives and its token's scope. */
struct request_decided {
	struct decide_request asked;
	struct session_directives directives;
	struct decision *decision;
};
int request_decide(
	struct request *request, const char *tool, struct request_decided *ret, struct error *err);
void request_decided_finish(struct request_decided *decided);
/* The grant for it, new reference. extras: of the sandbox; NULL: none. */
json_t *request_grant(
	struct request *request, struct request_decided *decided, const json_t *extras);
/* The same question about another session, as resolved; false: out of the token's reach. */
bool request_aim(struct request *request, const char *agent, const char *session);

/* --- acquire.c, acquire-table.c: sandboxes in use --- */

void acquire_request(struct request *request);
/* The front has let go of it, or is gone (name NULL: of all). */
void acquire_release(struct broker *broker, const char *name);
/* The same, and the browser's sandbox is removed: nobody could reach the browser. */
void acquire_discard(struct broker *broker, const char *name);
/* The front was asked to give it back, and something is at work in it. */
void acquire_busy(struct broker *broker, const char *name);
/* Browsers outside of sandboxes are given up: what allowed them is another configuration. */
void acquire_drop_outside(struct broker *broker);
/* Nobody waits for it any more. */
void acquire_forget_waiter(struct request *request);
size_t acquire_count(const struct broker *broker); /* the front holds */
size_t acquire_waiting(const struct broker *broker); /* requests for one that is being started */

/* --- ask.c: operations by name --- */

void ask_request(struct request *request, const char *op, json_t *args);

/* --- elevate.c --- */

void elevate_request(struct request *request, struct wire_bytes payload); /* SPAWN's */
json_t *approvals_list(struct request *request);
/* 0, or -ENOENT. */
int approvals_decide(struct request *request, const char *id, bool allow);
void approvals_forget(struct request *request);

/* --- front.c: the child that reads what others wrote --- */

int front_start(struct broker *broker, struct error *err);
/* Finish what runs, then end the loop; told twice, at once. */
void front_stop(struct broker *broker);
void front_free(struct broker *broker);
void front_send(
	struct broker *broker, const struct bus_message *message, const int *fds, size_t fd_count);
void front_event(struct broker *broker, const char *name, json_t *event); /* taken over */
void front_forget(struct broker *broker, const char *session); /* grants; NULL: all */
void front_settings(struct broker *broker);
/* A child ended: was it the front? */
void front_reaped(struct broker *broker, int pid, int status);
/* It serves, and has answered when it was last asked. */
bool front_is_well(const struct broker *broker);
json_t *front_status(const struct broker *broker); /* {"pid","restarts","ready"} */

/* --- main.c --- */

void broker_ready(struct broker *broker); /* the front serves */

/* --- reload.c --- */

void reload_config(struct broker *broker);
/* Log each error, without the line of the file it is in: that may hold a secret. */
void reload_log_issues(const struct config *config);
int reload_watch(struct broker *broker, struct error *err);
void reload_unwatch(struct broker *broker);

/* --- prune.c: what nobody needs any more --- */

struct pruner *pruner_start(struct broker *broker);
struct pruner *pruner_stop(struct pruner *pruner); /* takes NULL, returns NULL */

/* --- record.c: the audit log, and what is counted of it --- */

/* What a row has beside who, where and when. NULL: absent. */
struct record_fields {
	const char *kind; /* "sandbox"; NULL: "gateway" */
	const char *tool, *decision, *rule, *reason, *sandbox, *backend;
	int64_t duration_us; /* 0: absent */
	const json_t *detail; /* borrowed */
};
/* request NULL: the broker itself did it. */
void broker_record(struct broker *broker, const struct request *request, const char *action,
	const struct record_fields *fields);
/* A row that the front saw: {"kind","action","tool","outcome",..}. */
void broker_record_call(struct broker *broker, const struct request *request, const json_t *row);
int broker_record_open(struct broker *broker, struct error *err);
/* Take the tokens, and whatever in the configuration and in our environment looks like a secret, out of
 * all that is logged from here on. To be called before tokens_wipe(). */
void broker_record_secrets(
	struct broker *broker, const struct config *config, const struct tokens *tokens);

int64_t broker_wall_ms(void);

#endif
