/* SPDX-License-Identifier: MIT */
/* Grants that are held: a call of a caller who was here before does not touch the broker. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "base/mem.h"
#include "base/own.h"
#include "base/secret.h"
#include "gateway/internal.h"

enum {
	BUCKETS = 1024,
	/* Above this the oldest of a bucket makes room: callers that come with ever new senders. */
	BUCKET_MAX = 16,
};

struct entry {
	struct entry *next;
	char *key;
	struct held_grant *held;
};

struct grants {
	struct entry *buckets[BUCKETS];
};

struct held_grant *held_grant_new(struct grant *grant)
{
	struct held_grant *held = xcalloc(1, sizeof(*held));

	held->grant = grant;
	held->uses = 1;
	return held;
}

void held_grant_put(struct held_grant *held)
{
	if (held != NULL && --held->uses == 0) {
		held->grant = grant_free(held->grant);
		free(held);
	}
}

void caller_copy_init(struct caller_copy *copy, const struct gateway_caller *caller)
{
	struct arena *a = &copy->arena;
	const struct sender *s = &caller->sender;

	*copy = (struct caller_copy){.fd = FD_NONE};
	if (caller->token == NULL && caller->local_fd >= 0) {
		copy->fd = fcntl(caller->local_fd, F_DUPFD_CLOEXEC, 3);
	}
	copy->caller = (struct gateway_caller){
		.token = arena_strdup(a, caller->token),
		.local_fd = copy->fd,
		.sender =
			{
				.provider = arena_strdup(a, s->provider),
				.id = arena_strdup(a, s->id),
				.name = arena_strdup(a, s->name),
				.username = arena_strdup(a, s->username),
				.tag = arena_strdup(a, s->tag),
				.e164 = arena_strdup(a, s->e164),
				.from = arena_strdup(a, s->from),
				.is_owner = s->is_owner,
			},
		.transport = arena_strdup(a, caller->transport),
		.model_provider = arena_strdup(a, caller->model_provider),
	};
}

void caller_copy_finish(struct caller_copy *copy)
{
	cleanup_closep(&copy->fd);
	copy->fd = FD_NONE;
	secret_wipe(copy->caller.token);
	arena_finish(&copy->arena);
}

/* Lengths keep "a","bc" and "ab","c" apart. */
static void add_part(struct buf *out, const char *text)
{
	if (text == NULL) {
		buf_add_char(out, '-');
	} else {
		buf_addf(out, "%zu:", strlen(text));
		buf_add_str(out, text);
	}
}

char *grants_key(const struct gateway_caller *caller, const char *agent, const char *session)
{
	const struct sender *s = &caller->sender;
	const char *parts[] = {caller->token, agent, session, caller->model_provider, s->provider,
		s->id, s->name, s->username, s->tag, s->e164, s->from};
	struct buf key = {0};

	buf_add_char(&key, caller->token == NULL && caller->local_fd >= 0 ? 'L' : 'T');
	buf_add_char(&key, s->is_owner ? 'o' : '-');
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		add_part(&key, parts[i]);
	}
	return buf_take(&key);
}

/* FNV-1a: spreads, and need not resist anybody, for buckets are bounded. */
static size_t bucket_of(const char *key)
{
	uint32_t hash = 2166136261U;

	for (; *key != '\0'; key++) {
		hash = (hash ^ (uint8_t)*key) * 16777619U;
	}
	return hash % BUCKETS;
}

struct grants *grants_new(void)
{
	return xcalloc(1, sizeof(struct grants));
}

static void entry_free(struct entry *e)
{
	held_grant_put(e->held);
	(void)secret_free(e->key);
	free(e);
}

struct grants *grants_free(struct grants *grants)
{
	grants_forget(grants, NULL);
	free(grants);
	return NULL;
}

struct held_grant *grants_find(struct grants *grants, const char *key)
{
	struct entry *e = grants->buckets[bucket_of(key)];

	while (e != NULL && !secret_text_equal(e->key, key)) {
		e = e->next;
	}
	return e != NULL ? e->held : NULL;
}

void grants_add(struct grants *grants, const char *key, struct held_grant *held)
{
	struct entry **at = &grants->buckets[bucket_of(key)], *e = xcalloc(1, sizeof(*e));
	size_t count = 0;

	held->uses++;
	*e = (struct entry){.next = *at, .key = xstrdup(key), .held = held};
	*at = e;
	while (*at != NULL) {
		struct entry *old = *at;

		/* The same key again, or one too many. */
		if (old != e && (secret_text_equal(old->key, key) || ++count >= BUCKET_MAX)) {
			*at = old->next;
			entry_free(old);
		} else {
			at = &old->next;
		}
	}
}

static bool is_of_session(const struct grant *grant, const void *session)
{
	return session == NULL || strcmp(grant->decision.session_key, session) == 0;
}

static bool is_of_box(const struct grant *grant, const void *name)
{
	return grant->sandbox != NULL && strcmp(grant->sandbox, name) == 0;
}

static void forget_if(
	struct grants *grants, bool (*matches)(const struct grant *, const void *), const void *arg)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		struct entry **at = &grants->buckets[i];

		while (*at != NULL) {
			struct entry *e = *at;

			if (matches(e->held->grant, arg)) {
				*at = e->next;
				entry_free(e);
			} else {
				at = &e->next;
			}
		}
	}
}

void grants_forget(struct grants *grants, const char *session)
{
	forget_if(grants, is_of_session, session);
}

void grants_forget_box(struct grants *grants, const char *name)
{
	forget_if(grants, is_of_box, name);
}
