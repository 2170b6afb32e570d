/* SPDX-License-Identifier: MIT */
/* Sessions and what was said in them: <state>/gateway.db, which survives every end of the gateway. */
#ifndef BROKER_SESSIONS_H
#define BROKER_SESSIONS_H

#include <jansson.h>
#include <stdint.h>

#include "base/error.h"

struct sessions;

/* Directives of one session; NULL: not given. Owned strings. */
struct session_directives {
	char *elevated; /* "off", "on", "ask", "full" */
	char *host, *security, *ask, *node; /* of /exec */
};
void session_directives_finish(struct session_directives *directives);
/* {"elevated","exec":{"host",..}}: what is given. */
json_t *session_directives_json(const struct session_directives *directives);

/* A file that is no database any more is put aside, and said so in *ret_notice (owned; NULL). */
int sessions_open(const char *path, struct sessions **ret, char **ret_notice, struct error *err);
struct sessions *sessions_close(struct sessions *sessions); /* NULL ok; NULL */

/* It was used now; made if it is not there: 1. There are LIMIT_SESSIONS at most: those unused the longest that
 * have no directives make room; -ENOSPC: all have some. */
int sessions_touch(struct sessions *sessions, const char *key, const char *agent, int64_t now_ms,
	struct error *err);
/* All NULL when the session does not exist. Always fills *ret. */
void sessions_directives(
	struct sessions *sessions, const char *key, struct session_directives *ret);
/* Put in what is given; the rest stays as it is. The session is made if it is not there. */
int sessions_direct(struct sessions *sessions, const char *key, const char *agent,
	const struct session_directives *given, int64_t now_ms, struct error *err);
/* 1: it was there, 0: not. */
int sessions_end(struct sessions *sessions, const char *key, struct error *err);

/* [{"key","agentId","createdMs","usedMs","directives"}], latest use first; key NULL: all. */
json_t *sessions_list(struct sessions *sessions, const char *key);

#endif
