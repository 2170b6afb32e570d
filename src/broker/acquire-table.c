/* SPDX-License-Identifier: MIT */
/* The table of the sandboxes in use: what is held of each, and the requests that wait for it. */
#include "broker/acquire-table.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/own.h"
#include "broker/home.h"
#include "tools/tool.h"

struct sandbox *sandbox_find(const struct broker *broker, const char *name)
{
	struct sandbox *s = broker->sandboxes;

	while (s != NULL && strcmp(s->name, name) != 0) {
		s = s->next;
	}
	return s;
}

struct sandbox *sandbox_new(struct broker *broker, const char *name)
{
	struct sandbox *s = xcalloc(1, sizeof(*s));

	*s = (struct sandbox){
		.broker = broker,
		.name = xstrdup(name),
		.lock_fd = FD_NONE,
		.next = broker->sandboxes,
		.slot = &broker->sandboxes,
	};
	if (s->next != NULL) {
		s->next->slot = &s->next;
	}
	broker->sandboxes = s;
	return s;
}

/* What it has of the sandbox itself. Whoever takes the lock next finds when it was used last. */
void sandbox_let_go(struct sandbox *s)
{
	if (s->worker != NULL) {
		worker_release(TAKE_PTR(s->worker));
	}
	if (s->looker != NULL) {
		worker_release(TAKE_PTR(s->looker));
	}
	if (s->lock_fd >= 0) {
		(void)sandbox_home_touch(s->lock_fd);
	}
	cleanup_closep(&s->lock_fd);
	s->lock_fd = FD_NONE;
	json_decref(TAKE_PTR(s->extras));
	free(TAKE_PTR(s->notice));
}

void sandbox_free(struct sandbox *s)
{
	*s->slot = s->next;
	if (s->next != NULL) {
		s->next->slot = s->slot;
	}
	sandbox_let_go(s);
	free(s->name);
	free(s);
}

size_t sandbox_count(const struct broker *broker)
{
	size_t count = 0;

	for (const struct sandbox *s = broker->sandboxes; s != NULL; s = s->next) {
		count++;
	}
	return count;
}

size_t acquire_count(const struct broker *broker)
{
	size_t count = 0;

	for (const struct sandbox *s = broker->sandboxes; s != NULL; s = s->next) {
		count += s->state != SANDBOX_STARTING;
	}
	return count;
}

size_t acquire_waiting(const struct broker *broker)
{
	size_t count = 0;

	for (const struct sandbox *s = broker->sandboxes; s != NULL; s = s->next) {
		for (const struct request *r = s->waiters; r != NULL; r = r->next_waiter) {
			count++;
		}
	}
	return count;
}

/* --- who waits --- */

void sandbox_wait(struct sandbox *s, struct request *r)
{
	struct request **at = &s->waiters;

	while (*at != NULL) {
		at = &(*at)->next_waiter;
	}
	r->next_waiter = NULL;
	*at = r;
}

void acquire_forget_waiter(struct request *request)
{
	for (struct sandbox *s = request->broker->sandboxes; s != NULL; s = s->next) {
		for (struct request **at = &s->waiters; *at != NULL; at = &(*at)->next_waiter) {
			if (*at == request) {
				*at = request->next_waiter;
				break;
			}
		}
	}
	request->next_waiter = NULL;
}

/* --- answers --- */

/* How a stream travels, and where denials are told. */
static size_t collect_fds(const struct worker_reply *reply, int fds[1 + DENIAL_FDS])
{
	size_t count = 0;

	if (reply == NULL) {
		return 0;
	}
	fds[count++] = reply->fds[0];
	if (reply->fd_count == 2 + DENIAL_FDS) {
		(void)memcpy(fds + count, reply->fds + 2, DENIAL_FDS * sizeof(*fds));
		count += DENIAL_FDS;
	}
	return count;
}

/* reply NULL: the front has the stream. false: it did not go along. */
bool sandbox_answer(struct request *r, const struct sandbox *s, const struct worker_reply *reply)
{
	int fds[1 + DENIAL_FDS];
	size_t count = collect_fds(reply, fds);
	struct request_decided decided;
	struct error err;
	json_t *grant;

	if (request_decide(r, NULL, &decided, &err) < 0) {
		request_fail(r, TOOL_FAIL_ARGUMENTS, err.text, NULL);
		return false;
	}
	grant = request_grant(r, &decided, s != NULL ? s->extras : NULL);
	if (grant != NULL && s != NULL) {
		(void)json_object_set_new(grant, "sandbox", json_string(s->name));
	}
	request_decided_finish(&decided);
	if (grant == NULL) {
		request_fail(r, "internal", "the decision cannot be written down", NULL);
		return false;
	}
	request_reply(r, grant, count == 0 && s != NULL ? BUS_HELD : 0, fds, count);
	return true;
}

struct request *sandbox_next_waiter(struct sandbox *s)
{
	struct request *r = s->waiters;

	s->waiters = r->next_waiter;
	r->next_waiter = NULL;
	return r;
}

void sandbox_fail_waiters(struct sandbox *s, const char *type, const char *why)
{
	while (s->waiters != NULL) {
		struct request *r = sandbox_next_waiter(s);

		broker_record(s->broker, r, "sandbox.failed",
			&(struct record_fields){.kind = "sandbox",
				.sandbox = s->name,
				.decision = "failed",
				.reason = why});
		request_fail(r, type, why, NULL);
	}
}

/* The first brings the stream to the front. false: none did. */
bool sandbox_answer_waiters(struct sandbox *s, const struct worker_reply *reply)
{
	while (s->waiters != NULL) {
		if (sandbox_answer(sandbox_next_waiter(s), s, reply)) {
			reply = NULL;
		}
	}
	return reply == NULL;
}
