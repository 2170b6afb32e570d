/* SPDX-License-Identifier: MIT */
/* Writing the audit log. */
#include "broker/audit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/own.h"
#include "base/secret.h"
#include "broker/audit-file.h"
#include "broker/audit-mask.h"
#include "policy/report.h"

enum {
	FILE_MODE = 0600,
	DEFAULT_FILES = 8,
	/* A row: a command, a reason, a few names. What is longer has its detail left out. */
	ROW_MAX = AUDIT_LINE_MAX - 512,
	OPEN_TRIES = 10,
	LEARNT_MAX = 256,
	LEARNT_SIZE = 32,
};
#define DEFAULT_MAX_BYTES (UINT64_C(64) * 1024 * 1024)

struct audit {
	int dir_fd, fd;
	struct audit_opts opts;
	/* What the last row was when we looked, and how long the file was then. */
	uint64_t seq, size;
	char hash[HASH_HEX_SIZE];
	struct arena arena; /* of secrets */
	struct strv secrets;
	char learnt[LEARNT_MAX][LEARNT_SIZE]; /* the oldest makes room */
	size_t learnt_count, learnt_next;
};

/* --- the file --- */

static int open_file(struct audit *audit, struct error *err)
{
	cleanup_closep(&audit->fd);
	audit->fd = openat(audit->dir_fd, AUDIT_FILE,
		O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	audit->size = 0;
	return audit->fd < 0 ? error_set(err, errno, "cannot open the audit log '" AUDIT_FILE "'")
			     : 0;
}

/* Another process may have put the file aside. */
static bool is_current(const struct audit *audit)
{
	struct stat ours, named;

	return fstat(audit->fd, &ours) == 0 &&
	       fstatat(audit->dir_fd, AUDIT_FILE, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}

static int lock_current(struct audit *audit, struct error *err)
{
	for (int i = 0; i < OPEN_TRIES; i++) {
		int r = audit->fd < 0 ? open_file(audit, err) : 0;

		if (r < 0) {
			return r;
		}
		while (flock(audit->fd, LOCK_EX) < 0) {
			if (errno != EINTR) {
				return error_set(err, errno, "cannot lock the audit log");
			}
		}
		if (is_current(audit)) {
			return 0;
		}
		cleanup_closep(&audit->fd);
		audit->fd = FD_NONE;
	}
	return error_plain(err, EAGAIN, "the audit log is replaced again and again");
}

static void unlock(const struct audit *audit)
{
	(void)flock(audit->fd, LOCK_UN);
}

/* --- rows --- */

static void add_time(json_t *row)
{
	struct timespec now;
	struct tm tm;
	char date[32], text[48];

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	(void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(text, sizeof(text), "%s.%03ldZ", date, now.tv_nsec / 1000000);
	(void)json_object_set_new(row, "time", json_string(text));
}

/* Borrowed, in a list of the arena's. */
static void list_secrets(
	const struct audit *audit, const char *one_more, struct arena *a, struct strv *ret)
{
	for (size_t i = 0; i < audit->secrets.count; i++) {
		strv_add_ref(ret, a, audit->secrets.items[i]);
	}
	for (size_t i = 0; i < audit->learnt_count; i++) {
		strv_add_ref(ret, a, audit->learnt[i]);
	}
	if (one_more != NULL) {
		strv_add_ref(ret, a, one_more);
	}
}

void audit_mask_text(const struct audit *audit, const char *text, struct buf *out)
{
	_cleanup_arena_ struct arena arena = {0};
	struct strv secrets = {0};

	list_secrets(audit, NULL, &arena, &secrets);
	audit_mask(out, text, &secrets);
}

static void add_text(const struct strv *secrets, json_t *row, const char *key, const char *text)
{
	_cleanup_buf_ struct buf masked = {0};

	if (text != NULL) {
		audit_mask(&masked, text, secrets);
		(void)json_object_set_new(
			row, key, report_text(masked.data != NULL ? masked.data : ""));
	}
}

static void add_number(json_t *row, const char *key, int64_t value)
{
	if (value >= 0) {
		(void)json_object_set_new(row, key, json_integer(value));
	}
}

static json_t *row_json(const struct audit *audit, const struct audit_entry *entry)
{
	const struct {
		const char *key, *text;
		bool own; /* a word of ours, as somebody's password may be */
	} texts[] = {
		{"kind", entry->kind, .own = true},
		{"action", entry->action},
		{"actor", entry->actor},
		{"sender", entry->sender},
		{"agent", entry->agent},
		{"session", entry->session},
		{"tool", entry->tool},
		{"sandbox", entry->sandbox},
		{"backend", entry->backend, .own = true},
		{"decision", entry->decision, .own = true},
		{"rule", entry->rule},
		{"reason", entry->reason},
	};
	_cleanup_arena_ struct arena arena = {0};
	struct strv secrets = {0}, none = {0};
	json_t *row = json_object();

	list_secrets(audit, entry->secret, &arena, &secrets);
	(void)json_object_set_new(row, "seq", json_integer((json_int_t)audit->seq + 1));
	add_time(row);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		add_text(texts[i].own ? &none : &secrets, row, texts[i].key, texts[i].text);
	}
	add_number(row, "durationUs", entry->duration_us);
	if (entry->has_exit) {
		(void)json_object_set_new(row, "exit", json_integer(entry->exit_code));
	}
	add_number(row, "bytesIn", entry->bytes_in);
	add_number(row, "bytesOut", entry->bytes_out);
	if (entry->detail != NULL) {
		(void)json_object_set_new(row, "detail", audit_mask_json(entry->detail, &secrets));
	}
	(void)json_object_set_new(row, "prev", json_string(audit->hash));
	return row;
}

/* The line with its hash; jansson writes no newline into it, and escapes every control character. */
static void add_line(struct buf *line, json_t *row, char ret_hash[HASH_HEX_SIZE])
{
	_cleanup_free_ char *text = json_dumps(row, JSON_COMPACT | JSON_ENSURE_ASCII);
	size_t len = strlen(text);

	hash_sha256_hex(text, len, ret_hash);
	buf_add(line, text, len - 1);
	buf_addf(line, AUDIT_HASH_MEMBER "%s\"}\n", ret_hash);
}

static int append(struct audit *audit, const struct buf *line, struct error *err)
{
	ssize_t n;
	int num;

	do {
		n = write(audit->fd, line->data, line->len);
	} while (n < 0 && errno == EINTR);
	if (n == (ssize_t)line->len) {
		audit->size += line->len;
		return 0;
	}
	num = n < 0 ? errno : ENOSPC;
	/* Half a row would be the end of the chain. */
	if (n > 0 && ftruncate(audit->fd, (off_t)audit->size) < 0) {
		num = errno;
	}
	return error_set(err, num, "cannot write the audit log");
}

static int write_row(struct audit *audit, const struct audit_entry *entry, struct error *err)
{
	_cleanup_buf_ struct buf line = {0};
	char hash[HASH_HEX_SIZE];
	json_t *row = row_json(audit, entry);
	int r;

	add_line(&line, row, hash);
	if (line.len > ROW_MAX) {
		struct audit_entry shorter = *entry;

		json_decref(row);
		shorter.detail = NULL;
		shorter.reason = "too long for one row: its detail is left out";
		shorter.session = shorter.sender = NULL;
		row = row_json(audit, &shorter);
		buf_clear(&line);
		add_line(&line, row, hash);
	}
	json_decref(row);
	r = append(audit, &line, err);
	if (r == 0) {
		audit->seq++;
		(void)memcpy(audit->hash, hash, sizeof(hash));
	}
	return r;
}

/* --- the end of the log as it is --- */

/* Somebody else has written, or nobody of us ever has: where does the chain stand? */
static int catch_up(struct audit *audit, struct error *err)
{
	struct audit_end end;
	struct stat st;
	int r;

	if (fstat(audit->fd, &st) < 0) {
		return error_set(err, errno, "cannot look at the audit log");
	}
	if (audit->size == (uint64_t)st.st_size && audit->size > 0) {
		return 0;
	}
	r = audit_find_end(audit->dir_fd, audit->fd, &end, err);
	if (r < 0) {
		return r;
	}
	audit->seq = end.seq;
	audit->size = end.size;
	(void)memcpy(audit->hash, end.hash, sizeof(audit->hash));
	if (end.torn > 0) {
		struct audit_entry entry = AUDIT_ENTRY("audit", "repaired");

		if (ftruncate(audit->fd, (off_t)end.size) < 0) {
			return error_set(err, errno, "cannot drop half a row of the audit log");
		}
		entry.reason = "the row after the one before this was cut off, and is dropped";
		entry.bytes_in = (int64_t)end.torn;
		return write_row(audit, &entry, err);
	}
	return 0;
}

/* Between the renaming and our lock somebody else may have begun the new file, and written to it. */
static int rotate(struct audit *audit, struct error *err)
{
	int r = audit_put_aside(audit->dir_fd, audit->seq, audit->opts.files, err);

	unlock(audit);
	cleanup_closep(&audit->fd);
	audit->fd = FD_NONE;
	if (r == 0) {
		r = lock_current(audit, err);
	}
	return r == 0 ? catch_up(audit, err) : r;
}

/* --- interface --- */

int audit_row(struct audit *audit, const struct audit_entry *entry, struct error *err)
{
	int r = lock_current(audit, err);

	if (r < 0) {
		return r;
	}
	r = catch_up(audit, err);
	if (r == 0 && audit->size >= audit->opts.max_bytes) {
		r = rotate(audit, err);
	}
	if (r == 0) {
		r = write_row(audit, entry, err);
	}
	if (audit->fd >= 0) {
		unlock(audit);
	}
	return r;
}

int audit_sync(struct audit *audit, struct error *err)
{
	return audit->fd >= 0 && fdatasync(audit->fd) < 0
		       ? error_set(err, errno, "cannot bring the audit log to the disk")
		       : 0;
}

static void forget_secrets(struct audit *audit)
{
	for (size_t i = 0; i < audit->secrets.count; i++) {
		secret_wipe(audit->secrets.items[i]);
	}
	arena_finish(&audit->arena);
	audit->arena = (struct arena){0};
	audit->secrets = (struct strv){0};
}

void audit_set_secrets(struct audit *audit, const struct strv *values)
{
	forget_secrets(audit);
	for (size_t i = 0; i < values->count; i++) {
		if (!strv_contains(&audit->secrets, values->items[i])) {
			strv_add(&audit->secrets, &audit->arena, values->items[i]);
		}
	}
}

void audit_learn_secret(struct audit *audit, const char *value)
{
	if (strlen(value) >= LEARNT_SIZE) {
		return;
	}
	for (size_t i = 0; i < audit->learnt_count; i++) {
		if (strcmp(audit->learnt[i], value) == 0) {
			return;
		}
	}
	(void)stpcpy(audit->learnt[audit->learnt_next], value);
	audit->learnt_next = (audit->learnt_next + 1) % LEARNT_MAX;
	audit->learnt_count += audit->learnt_count < LEARNT_MAX ? 1 : 0;
}

int audit_open(
	const char *state_dir, const struct audit_opts *opts, struct audit **ret, struct error *err)
{
	struct audit *audit = xcalloc(1, sizeof(*audit));
	int r;

	audit->fd = FD_NONE;
	audit->opts = opts != NULL ? *opts : (struct audit_opts){0};
	audit->opts.max_bytes =
		audit->opts.max_bytes > 0 ? audit->opts.max_bytes : DEFAULT_MAX_BYTES;
	audit->opts.files = audit->opts.files > 0 ? audit->opts.files : DEFAULT_FILES;
	audit->dir_fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = audit->dir_fd < 0
		    ? error_set(err, errno, "cannot open the state directory '%s'", state_dir)
		    : lock_current(audit, err);
	if (r == 0) {
		r = catch_up(audit, err);
		unlock(audit);
	}
	if (r < 0) {
		(void)audit_close(audit);
		return r;
	}
	*ret = audit;
	return 0;
}

struct audit *audit_close(struct audit *audit)
{
	if (audit != NULL) {
		cleanup_closep(&audit->fd);
		cleanup_closep(&audit->dir_fd);
		forget_secrets(audit);
		explicit_bzero(audit->learnt, sizeof(audit->learnt));
		free(audit);
	}
	return NULL;
}
