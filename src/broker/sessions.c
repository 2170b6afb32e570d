/* SPDX-License-Identifier: MIT */
/* The table of sessions in SQLite. */
#include "broker/sessions.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/macro.h"
#include "base/mem.h"
#include "base/own.h"

enum { BUSY_TIMEOUT_MS = 2000 };

enum query {
	QUERY_TOUCH,
	QUERY_GET,
	QUERY_DIRECT,
	QUERY_END,
	QUERY_LIST,
	QUERY_HOW_MANY,
	QUERY_MAKE_ROOM,
	QUERY_COUNT_,
};

#define COLUMNS "elevated, exec_host, exec_security, exec_ask, exec_node"

static const char schema[] =
	"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
	"CREATE TABLE IF NOT EXISTS sessions (key TEXT PRIMARY KEY, agent TEXT NOT NULL,"
	" created_ms INTEGER NOT NULL, used_ms INTEGER NOT NULL,"
	" elevated TEXT, exec_host TEXT, exec_security TEXT, exec_ask TEXT, exec_node TEXT)"
	" WITHOUT ROWID;"
	"PRAGMA user_version=1;";

static const char *const texts[QUERY_COUNT_] = {
	[QUERY_TOUCH] = "INSERT INTO sessions(key, agent, created_ms, used_ms) VALUES(?1,?2,?3,?3)"
			" ON CONFLICT(key) DO UPDATE SET used_ms=?3",
	[QUERY_GET] = "SELECT " COLUMNS " FROM sessions WHERE key=?1",
	[QUERY_DIRECT] =
		"INSERT INTO sessions(key, agent, created_ms, used_ms, " COLUMNS ")"
		" VALUES(?1,?2,?3,?3,?4,?5,?6,?7,?8) ON CONFLICT(key) DO UPDATE SET used_ms=?3,"
		" elevated=coalesce(?4,elevated), exec_host=coalesce(?5,exec_host),"
		" exec_security=coalesce(?6,exec_security), exec_ask=coalesce(?7,exec_ask),"
		" exec_node=coalesce(?8,exec_node)",
	[QUERY_END] = "DELETE FROM sessions WHERE key=?1",
	[QUERY_LIST] = "SELECT key, agent, created_ms, used_ms, " COLUMNS
		       " FROM sessions WHERE ?1 IS NULL OR key=?1 ORDER BY used_ms DESC, key",
	[QUERY_HOW_MANY] = "SELECT count(*) FROM sessions",
	/* Many at once, because it looks at all. */
	[QUERY_MAKE_ROOM] =
		"DELETE FROM sessions WHERE key IN (SELECT key FROM sessions"
		" WHERE coalesce(elevated,exec_host,exec_security,exec_ask,exec_node) IS NULL"
		" ORDER BY used_ms LIMIT 256)",
};

struct sessions {
	sqlite3 *db;
	sqlite3_stmt *queries[QUERY_COUNT_];
	int64_t count; /* of rows */
};

void session_directives_finish(struct session_directives *d)
{
	free(d->elevated);
	free(d->host);
	free(d->security);
	free(d->ask);
	free(d->node);
	*d = (struct session_directives){0};
}

static void put(json_t *object, const char *key, const char *value)
{
	if (value != NULL) {
		(void)json_object_set_new(object, key, json_string(value));
	}
}

json_t *session_directives_json(const struct session_directives *d)
{
	json_t *object = json_object(), *exec = json_object();

	put(object, "elevated", d->elevated);
	put(exec, "host", d->host);
	put(exec, "security", d->security);
	put(exec, "ask", d->ask);
	put(exec, "node", d->node);
	if (json_object_size(exec) > 0) {
		(void)json_object_set(object, "exec", exec);
	}
	json_decref(exec);
	return object;
}

static int failed(const struct sessions *s, struct error *err)
{
	return error_plain(err, EIO, "the sessions' database: %s", sqlite3_errmsg(s->db));
}

static int prepare(struct sessions *s, struct error *err)
{
	if (sqlite3_exec(s->db, schema, NULL, NULL, NULL) != SQLITE_OK) {
		return failed(s, err);
	}
	for (size_t i = 0; i < QUERY_COUNT_; i++) {
		if (sqlite3_prepare_v2(s->db, texts[i], -1, &s->queries[i], NULL) != SQLITE_OK) {
			return failed(s, err);
		}
	}
	if (sqlite3_step(s->queries[QUERY_HOW_MANY]) != SQLITE_ROW) {
		return failed(s, err);
	}
	s->count = sqlite3_column_int64(s->queries[QUERY_HOW_MANY], 0);
	(void)sqlite3_reset(s->queries[QUERY_HOW_MANY]);
	return 0;
}

static int open_at(const char *path, struct sessions **ret, struct error *err)
{
	struct sessions *s = xcalloc(1, sizeof(*s));
	mode_t old = umask(0077);
	int r = sqlite3_open_v2(path, &s->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);

	(void)umask(old);
	if (r != SQLITE_OK) {
		r = s->db != NULL ? failed(s, err)
				  : error_plain(err, ENOMEM, "cannot open '%s'", path);
	} else {
		(void)sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MS);
		r = prepare(s, err);
	}
	if (r < 0) {
		(void)sessions_close(s);
		return error_prefix(err, "'%s'", path);
	}
	*ret = s;
	return 0;
}

int sessions_open(const char *path, struct sessions **ret, char **ret_notice, struct error *err)
{
	_cleanup_free_ char *aside = xasprintf("%s.broken", path);
	int r = open_at(path, ret, err);
	struct stat st;

	*ret_notice = NULL;
	/* What is in it is lost either way; the gateway goes on without. */
	if (r < 0 && stat(path, &st) == 0 && S_ISREG(st.st_mode) && rename(path, aside) == 0) {
		*ret_notice = xasprintf(
			"%s; it is kept as '%s' and a new one is begun: directives are lost",
			err->text, aside);
		r = open_at(path, ret, err);
	}
	return r;
}

struct sessions *sessions_close(struct sessions *s)
{
	if (s != NULL) {
		for (size_t i = 0; i < QUERY_COUNT_; i++) {
			(void)sqlite3_finalize(s->queries[i]);
		}
		(void)sqlite3_close(s->db);
		free(s);
	}
	return NULL;
}

static void bind(sqlite3_stmt *q, int index, const char *text)
{
	(void)sqlite3_bind_text(q, index, text, -1, SQLITE_STATIC);
}

/* Run one that gives no rows, and let go of what was bound. */
static int finish(const struct sessions *s, sqlite3_stmt *q, struct error *err)
{
	int r = sqlite3_step(q) == SQLITE_DONE ? 0 : failed(s, err);

	(void)sqlite3_reset(q);
	(void)sqlite3_clear_bindings(q);
	return r;
}

static bool is_known(const struct sessions *s, const char *key)
{
	sqlite3_stmt *q = s->queries[QUERY_GET];
	bool known;

	bind(q, 1, key);
	known = sqlite3_step(q) == SQLITE_ROW;
	(void)sqlite3_reset(q);
	(void)sqlite3_clear_bindings(q);
	return known;
}

/* For one more. What has directives stays: without it "elevated off" would be on again. */
static int make_room(struct sessions *s, struct error *err)
{
	int r;

	if (s->count < LIMIT_SESSIONS) {
		return 0;
	}
	r = finish(s, s->queries[QUERY_MAKE_ROOM], err);
	if (r == 0) {
		s->count -= sqlite3_changes(s->db);
	}
	if (r == 0 && s->count >= LIMIT_SESSIONS) {
		r = error_plain(err, ENOSPC,
			"%d sessions have directives, which is the most that are remembered: end some",
			LIMIT_SESSIONS);
	}
	return r;
}

/* The row of a session with what a query sets in it. given: NULL, no directives. 1: it is a new one. */
static int set_row(struct sessions *s, enum query query, const char *key, const char *agent,
	const struct session_directives *given, int64_t now_ms, struct error *err)
{
	bool known = is_known(s, key);
	sqlite3_stmt *q = s->queries[query];
	int r = known ? 0 : make_room(s, err);

	if (r < 0) {
		return r;
	}
	bind(q, 1, key);
	bind(q, 2, agent);
	(void)sqlite3_bind_int64(q, 3, now_ms);
	if (given != NULL) {
		bind(q, 4, given->elevated);
		bind(q, 5, given->host);
		bind(q, 6, given->security);
		bind(q, 7, given->ask);
		bind(q, 8, given->node);
	}
	r = finish(s, q, err);
	s->count += r == 0 && !known;
	return r < 0 ? r : !known;
}

int sessions_touch(
	struct sessions *s, const char *key, const char *agent, int64_t now_ms, struct error *err)
{
	return set_row(s, QUERY_TOUCH, key, agent, NULL, now_ms, err);
}

static char *column(sqlite3_stmt *q, int index)
{
	const char *text = (const char *)sqlite3_column_text(q, index);

	return text != NULL ? xstrdup(text) : NULL;
}

static void read_directives(sqlite3_stmt *q, int first, struct session_directives *ret)
{
	*ret = (struct session_directives){
		.elevated = column(q, first),
		.host = column(q, first + 1),
		.security = column(q, first + 2),
		.ask = column(q, first + 3),
		.node = column(q, first + 4),
	};
}

void sessions_directives(struct sessions *s, const char *key, struct session_directives *ret)
{
	sqlite3_stmt *q = s->queries[QUERY_GET];

	*ret = (struct session_directives){0};
	bind(q, 1, key);
	if (sqlite3_step(q) == SQLITE_ROW) {
		read_directives(q, 0, ret);
	}
	(void)sqlite3_reset(q);
	(void)sqlite3_clear_bindings(q);
}

int sessions_direct(struct sessions *s, const char *key, const char *agent,
	const struct session_directives *given, int64_t now_ms, struct error *err)
{
	int r = set_row(s, QUERY_DIRECT, key, agent, given, now_ms, err);

	return r < 0 ? r : 0;
}

int sessions_end(struct sessions *s, const char *key, struct error *err)
{
	sqlite3_stmt *q = s->queries[QUERY_END];
	int r;

	bind(q, 1, key);
	r = finish(s, q, err);
	if (r < 0) {
		return r;
	}
	r = sqlite3_changes(s->db);
	s->count -= r;
	return r > 0;
}

json_t *sessions_list(struct sessions *s, const char *key)
{
	sqlite3_stmt *q = s->queries[QUERY_LIST];
	json_t *array = json_array();

	bind(q, 1, key);
	while (sqlite3_step(q) == SQLITE_ROW) {
		struct session_directives d;

		read_directives(q, 4, &d);
		(void)json_array_append_new(
			array, json_pack("{s:s,s:s,s:I,s:I,s:o}", "key",
				       (const char *)sqlite3_column_text(q, 0), "agentId",
				       (const char *)sqlite3_column_text(q, 1), "createdMs",
				       (json_int_t)sqlite3_column_int64(q, 2), "usedMs",
				       (json_int_t)sqlite3_column_int64(q, 3), "directives",
				       session_directives_json(&d)));
		session_directives_finish(&d);
	}
	(void)sqlite3_reset(q);
	(void)sqlite3_clear_bindings(q);
	return array;
}
