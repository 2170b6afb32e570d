/* SPDX-License-Identifier: MIT */
#include "sandbox/registry.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/own.h"
#include "base/path.h"

enum {
	SCHEMA_VERSION = 1,
	/* Several creels write at once, each for well under a millisecond. */
	BUSY_TIMEOUT_MS = 5000,
};

struct registry {
	sqlite3 *db;
};

/*
 * SQLite is loaded when the registry is needed, which most command lines never do: with the library
 * of mathematics that it brings along it would make every start of creel half again as long.
 */
// clang-format off
#define FUNCTIONS(X) \
	X(open_v2) X(close) X(exec) X(errmsg) X(extended_errcode) X(busy_timeout) X(prepare_v2) \
	X(step) X(finalize) X(column_int) X(column_int64) X(column_text) X(bind_text) X(bind_int64)
// clang-format on

/* NOLINTNEXTLINE(bugprone-macro-parentheses): a member's name cannot stand in parentheses. */
#define DECLARE(name) __typeof__(sqlite3_##name) *name;
static struct {
	FUNCTIONS(DECLARE)
	bool loaded;
} lib;

#define SQLITE_LIBRARY "libsqlite3.so.0"

static bool load_one(void *library, const char *name, void *ret)
{
	void *symbol = dlsym(library, name);

	(void)memcpy(
		ret, &symbol, sizeof(symbol)); /* dlopen(3): a data pointer that is a function's */
	return symbol != NULL;
}

static int load(struct error *err)
{
	void *library = lib.loaded ? NULL : dlopen(SQLITE_LIBRARY, RTLD_NOW | RTLD_LOCAL);
	bool ok = lib.loaded || library != NULL;

#define LOAD(name) ok = ok && (lib.loaded || load_one(library, "sqlite3_" #name, &lib.name));
	FUNCTIONS(LOAD)
	lib.loaded = ok;
	return ok ? 0
		  : error_plain(err, ELIBACC,
			    "cannot load " SQLITE_LIBRARY
			    ", which the sandbox registry is kept with; "
			    "install libsqlite3-0");
}

#define COLUMNS                                                                                     \
	"name, kind, backend, scope_key, agent, image, config_hash, socket, workspace, dangerous, " \
	"created_ms, last_used_ms"

static const char schema[] = "CREATE TABLE sandboxes ("
			     "name TEXT NOT NULL PRIMARY KEY, kind TEXT NOT NULL, "
			     "backend TEXT NOT NULL, scope_key TEXT, agent TEXT, image TEXT, "
			     "config_hash TEXT, socket TEXT, workspace TEXT, dangerous TEXT, "
			     "created_ms INTEGER NOT NULL, last_used_ms INTEGER NOT NULL"
			     ") STRICT, WITHOUT ROWID;"
			     "PRAGMA user_version = 1;";

static int database_errno(int code)
{
	switch (code & 0xff) {
	case SQLITE_FULL:
		return ENOSPC;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return EBUSY;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return EACCES;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return EUCLEAN;
	default:
		return EIO;
	}
}

static int database_error(struct registry *r, const char *doing, struct error *err)
{
	return error_plain(err, database_errno(lib.extended_errcode(r->db)),
		"cannot %s the sandbox registry: %s", doing, lib.errmsg(r->db));
}

static int run(struct registry *r, const char *sql, const char *doing, struct error *err)
{
	return lib.exec(r->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0
								   : database_error(r, doing, err);
}

static int read_version(struct registry *r, int *ret, struct error *err)
{
	sqlite3_stmt *statement = NULL;
	int n = lib.prepare_v2(r->db, "PRAGMA user_version", -1, &statement, NULL);

	if (n == SQLITE_OK) {
		n = lib.step(statement);
	}
	*ret = n == SQLITE_ROW ? lib.column_int(statement, 0) : -1;
	(void)lib.finalize(statement);
	return n == SQLITE_ROW ? 0 : database_error(r, "read", err);
}

/* A file that was cut or overwritten may still be opened. */
static int check(struct registry *r, struct error *err)
{
	sqlite3_stmt *statement = NULL;
	const unsigned char *answer = NULL;
	int n = lib.prepare_v2(r->db, "PRAGMA quick_check(1)", -1, &statement, NULL);
	bool sound;

	if (n == SQLITE_OK && lib.step(statement) == SQLITE_ROW) {
		answer = lib.column_text(statement, 0);
	}
	sound = answer != NULL && strcmp((const char *)answer, "ok") == 0;
	(void)lib.finalize(statement);
	return sound ? 0 : error_plain(err, EUCLEAN, "the sandbox registry is damaged");
}

/* One of two that find an empty file makes the table. */
static int make_schema(struct registry *r, bool *ret_new, struct error *err)
{
	struct error ignored;
	int version = 0;
	int n = run(r, "BEGIN IMMEDIATE", "make", err);

	if (n < 0) {
		return n;
	}
	n = read_version(r, &version, err);
	if (n == 0 && version == 0) {
		n = run(r, schema, "make", err);
		*ret_new = n == 0;
	}
	n = n < 0 ? n : run(r, "COMMIT", "make", err);
	if (n < 0) {
		(void)run(r, "ROLLBACK", "make", &ignored);
	}
	return n;
}

/* -EUCLEAN: it is not what we write; begin anew. */
static int open_file(const char *path, struct registry **ret, bool *ret_new, struct error *err)
{
	struct registry *r = xcalloc(1, sizeof(*r));
	int version = 0;
	int n = lib.open_v2(path, &r->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW, NULL);

	n = n == SQLITE_OK ? 0 : database_error(r, "open", err);
	if (n == 0) {
		(void)lib.busy_timeout(r->db, BUSY_TIMEOUT_MS);
		/* A row lost to a power failure is found again; waiting for a disk is not worth it. */
		n = run(r, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;", "open", err);
	}
	n = n < 0 ? n : read_version(r, &version, err);
	if (n == 0 && version == 0) {
		n = make_schema(r, ret_new, err);
	} else if (n == 0 && version != SCHEMA_VERSION) {
		n = error_plain(err, EUCLEAN, "'%s' is of version %d, not %d", path, version,
			SCHEMA_VERSION);
	}
	n = n < 0 ? n : check(r, err);
	if (n < 0) {
		(void)registry_close(r);
		return n;
	}
	*ret = r;
	return 0;
}

static void set_aside(struct arena *arena, const char *path)
{
	(void)rename(path, arena_printf(arena, "%s.broken", path));
	(void)unlink(arena_printf(arena, "%s-wal", path));
	(void)unlink(arena_printf(arena, "%s-shm", path));
}

/* SQLite gives -wal and -shm the mode of the file. */
static int make_private(const char *path, struct error *err)
{
	_cleanup_close_ int fd =
		open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

	if (fd < 0 || fchmod(fd, 0600) < 0) {
		return error_set(err, errno, "cannot open the sandbox registry '%s'", path);
	}
	return 0;
}

int registry_open(const char *state_dir, struct registry **ret, bool *ret_new, struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	const char *dir = path_join(&arena, state_dir, "sandbox");
	const char *path = path_join(&arena, dir, "registry.db");
	int r;

	*ret_new = false;
	r = load(err);
	if (r < 0) {
		return r;
	}
	if ((mkdir(state_dir, 0700) < 0 && errno != EEXIST) ||
		(mkdir(dir, 0700) < 0 && errno != EEXIST)) {
		return error_set(err, errno, "cannot make the directory '%s'", dir);
	}
	for (int tries = 0;; tries++) {
		r = make_private(path, err);
		r = r < 0 ? r : open_file(path, ret, ret_new, err);
		if (r != -EUCLEAN || tries > 0) {
			return r;
		}
		set_aside(&arena, path);
	}
}

struct registry *registry_close(struct registry *registry)
{
	if (registry != NULL) {
		(void)lib.close(registry->db);
		free(registry);
	}
	return NULL;
}

/* --- rows --- */

static void bind_texts(sqlite3_stmt *statement, const struct registry_row *row)
{
	const char *const texts[] = {row->name, row->kind, row->backend, row->scope_key, row->agent,
		row->image, row->config_hash, row->socket, row->workspace, row->dangerous};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		(void)lib.bind_text(statement, (int)i + 1, texts[i], -1, SQLITE_STATIC);
	}
	(void)lib.bind_int64(statement, (int)ARRAY_SIZE(texts) + 1, row->created_ms);
	(void)lib.bind_int64(statement, (int)ARRAY_SIZE(texts) + 2, row->last_used_ms);
}

int registry_put(struct registry *registry, const struct registry_row *row, struct error *err)
{
	static const char sql[] =
		"INSERT INTO sandboxes (" COLUMNS ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?) "
		"ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, backend = excluded.backend, "
		"scope_key = excluded.scope_key, agent = excluded.agent, image = excluded.image, "
		"config_hash = excluded.config_hash, socket = excluded.socket, "
		"workspace = coalesce(excluded.workspace, workspace), "
		"dangerous = excluded.dangerous, created_ms = excluded.created_ms, "
		"last_used_ms = max(last_used_ms, excluded.last_used_ms)";
	sqlite3_stmt *statement = NULL;
	int n = lib.prepare_v2(registry->db, sql, -1, &statement, NULL);

	if (n == SQLITE_OK) {
		bind_texts(statement, row);
		n = lib.step(statement);
	}
	(void)lib.finalize(statement);
	return n == SQLITE_DONE ? 0 : database_error(registry, "write", err);
}

int registry_drop(struct registry *registry, const char *name, struct error *err)
{
	sqlite3_stmt *statement = NULL;
	int n = lib.prepare_v2(
		registry->db, "DELETE FROM sandboxes WHERE name = ?", -1, &statement, NULL);

	if (n == SQLITE_OK) {
		(void)lib.bind_text(statement, 1, name, -1, SQLITE_STATIC);
		n = lib.step(statement);
	}
	(void)lib.finalize(statement);
	return n == SQLITE_DONE ? 0 : database_error(registry, "write", err);
}

static const char *take_text(sqlite3_stmt *statement, int column, struct arena *arena)
{
	const char *text = (const char *)lib.column_text(statement, column);

	return text != NULL ? arena_strdup(arena, text) : NULL;
}

static void take_row(sqlite3_stmt *statement, struct arena *arena, struct registry_row *ret)
{
	const char **const texts[] = {&ret->name, &ret->kind, &ret->backend, &ret->scope_key,
		&ret->agent, &ret->image, &ret->config_hash, &ret->socket, &ret->workspace,
		&ret->dangerous};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		*texts[i] = take_text(statement, (int)i, arena);
	}
	ret->created_ms = lib.column_int64(statement, (int)ARRAY_SIZE(texts));
	ret->last_used_ms = lib.column_int64(statement, (int)ARRAY_SIZE(texts) + 1);
}

int registry_all(struct registry *registry, struct arena *arena, struct registry_rows *ret,
	struct error *err)
{
	static const char sql[] = "SELECT " COLUMNS " FROM sandboxes ORDER BY created_ms, name";
	sqlite3_stmt *statement = NULL;
	struct registry_rows rows = {0};
	size_t room = 0;
	int n = lib.prepare_v2(registry->db, sql, -1, &statement, NULL);

	while (n == SQLITE_OK || n == SQLITE_ROW) {
		n = lib.step(statement);
		if (n != SQLITE_ROW) {
			break;
		}
		if (rows.count == room) {
			struct registry_row *more;

			room = room > 0 ? room * 2 : 16;
			more = arena_calloc(arena, room, sizeof(*more));
			if (rows.count > 0) {
				(void)memcpy(more, rows.items, rows.count * sizeof(*more));
			}
			rows.items = more;
		}
		take_row(statement, arena, &rows.items[rows.count++]);
	}
	(void)lib.finalize(statement);
	if (n != SQLITE_DONE) {
		return database_error(registry, "read", err);
	}
	*ret = rows;
	return 0;
}
