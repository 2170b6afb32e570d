/* SPDX-License-Identifier: MIT */
/* Reading the audit log, and checking its chain. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/own.h"
#include "broker/audit-file.h"

enum { HEX_SIZE = HASH_HEX_SIZE - 1, READ_SIZE = 64 * 1024 };

bool audit_line_hashes(const char *line, size_t len, char ret_claimed[65], char ret_actual[65])
{
	/* ...,"hash":"<64>"} */
	size_t tail = strlen(AUDIT_HASH_MEMBER) + HEX_SIZE + 2;
	const char *member = line + len - tail;
	_cleanup_free_ char *body = NULL;

	if (len <= tail || memcmp(member, AUDIT_HASH_MEMBER, strlen(AUDIT_HASH_MEMBER)) != 0 ||
		memcmp(line + len - 2, "\"}", 2) != 0) {
		return false;
	}
	(void)memcpy(ret_claimed, member + strlen(AUDIT_HASH_MEMBER), HEX_SIZE);
	ret_claimed[HEX_SIZE] = '\0';
	body = xmalloc(len - tail + 1);
	(void)memcpy(body, line, len - tail);
	body[len - tail] = '}';
	hash_sha256_hex(body, len - tail + 1, ret_actual);
	return true;
}

/* --- lines of one file --- */

/* Returns false to end the reading. */
typedef bool (*line_fn)(void *arg, const char *line, size_t len);

/* Whole lines from *offset on, which ends behind the last one. 1: the callee had enough. */
static int read_lines(int fd, uint64_t *offset, line_fn fn, void *arg, struct error *err)
{
	_cleanup_buf_ struct buf in = {0};

	buf_init(&in, AUDIT_LINE_MAX + READ_SIZE);
	for (;;) {
		char *room = buf_reserve(&in, READ_SIZE);
		const char *line = in.data, *end;
		ssize_t n;

		if (room == NULL) {
			return error_plain(err, EBADMSG, "a line is longer than any row");
		}
		n = pread(fd, room, READ_SIZE, (off_t)(*offset + in.len));
		if (n <= 0) {
			return n < 0 ? error_set(err, errno, "cannot read the audit log") : 0;
		}
		buf_commit(&in, (size_t)n);
		line = in.data;
		while ((end = memchr(line, '\n', in.len - (size_t)(line - in.data))) != NULL) {
			if (!fn(arg, line, (size_t)(end - line))) {
				return 1;
			}
			line = end + 1;
		}
		*offset += (uint64_t)(line - in.data);
		buf_consume(&in, (size_t)(line - in.data));
	}
}

/* --- giving rows out --- */

struct reading {
	struct audit_position *position;
	audit_row_fn fn;
	void *arg;
};

static bool on_line(void *arg, const char *line, size_t len)
{
	struct reading *reading = arg;
	json_t *row = json_loadb(line, len, 0, NULL);
	uint64_t seq = (uint64_t)json_integer_value(json_object_get(row, "seq"));
	bool more = true;

	/* What is no row is for audit_verify() to find. */
	if (row != NULL && seq > reading->position->seq) {
		reading->position->seq = seq;
		more = reading->fn(reading->arg, line, len, row);
	}
	json_decref(row);
	return more;
}

static int read_aside(int dir_fd, const char *name, struct reading *reading, struct error *err)
{
	_cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	uint64_t offset = 0;

	if (fd < 0) {
		return error_set(err, errno, "cannot open '%s'", name);
	}
	return read_lines(fd, &offset, on_line, reading, err);
}

static int read_current(int dir_fd, struct reading *reading, struct error *err)
{
	_cleanup_close_ int fd = openat(dir_fd, AUDIT_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct audit_position *position = reading->position;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		return errno == ENOENT ? 0
				       : error_set(err, errno,
						 "cannot open the audit log '" AUDIT_FILE "'");
	}
	if (position->inode != st.st_ino || position->offset > (uint64_t)st.st_size) {
		position->inode = st.st_ino;
		position->offset = 0;
	}
	return read_lines(fd, &position->offset, on_line, reading, err);
}

/* The files put aside are read only when the current one is not the one where we were. */
static int read_missed(int dir_fd, struct reading *reading, struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	struct strv aside;
	struct stat st;
	int r;

	if (reading->position->inode != 0 &&
		fstatat(dir_fd, AUDIT_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		st.st_ino == reading->position->inode) {
		return 0;
	}
	r = audit_list_aside(dir_fd, &arena, &aside, err);
	for (size_t i = 0; r == 0 && i < aside.count; i++) {
		/* Its name is its last row. */
		if (strtoull(aside.items[i] + strlen("audit-"), NULL, 10) >
			reading->position->seq) {
			r = read_aside(dir_fd, aside.items[i], reading, err);
		}
	}
	return r;
}

int audit_read(const char *state_dir, struct audit_position *position, audit_row_fn fn, void *arg,
	struct error *err)
{
	_cleanup_close_ int dir_fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct reading reading = {.position = position, .fn = fn, .arg = arg};
	int r;

	if (dir_fd < 0) {
		return errno == ENOENT ? 0
				       : error_set(err, errno,
						 "cannot open the state directory '%s'", state_dir);
	}
	r = read_missed(dir_fd, &reading, err);
	if (r == 0) {
		r = read_current(dir_fd, &reading, err);
	}
	return r > 0 ? 0 : r;
}

/* --- the chain --- */

struct checking {
	struct audit_verdict *verdict;
	const char *file;
	uint64_t line;
	struct error *err;
	int r;
};

static bool bad(struct checking *c, const char *what)
{
	c->r = error_plain(
		c->err, EBADMSG, "%s, line %llu: %s", c->file, (unsigned long long)c->line, what);
	return false;
}

static bool check_line(void *arg, const char *line, size_t len)
{
	struct checking *c = arg;
	struct audit_verdict *v = c->verdict;
	char claimed[HASH_HEX_SIZE], actual[HASH_HEX_SIZE];
	json_t *row = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	uint64_t seq = (uint64_t)json_integer_value(json_object_get(row, "seq"));
	const char *prev = json_string_value(json_object_get(row, "prev"));
	bool follows = prev != NULL && (v->rows == 0 || strcmp(prev, v->last_hash) == 0);
	bool begins = seq != 1 || (prev != NULL && strcmp(prev, AUDIT_NO_HASH) == 0);

	c->line++;
	json_decref(row);
	if (row == NULL || seq == 0 || !audit_line_hashes(line, len, claimed, actual)) {
		return bad(c, "this is not a row of the audit log");
	}
	if (strcmp(claimed, actual) != 0) {
		return bad(c, "the row was changed after it was written");
	}
	if (!follows || !begins || (v->rows > 0 && seq != v->last_seq + 1)) {
		return bad(c, "rows before this one were removed, changed or put in");
	}
	v->first_seq = v->rows == 0 ? seq : v->first_seq;
	v->last_seq = seq;
	v->rows++;
	(void)memcpy(v->last_hash, actual, sizeof(actual));
	return true;
}

static int check_file(int dir_fd, const char *name, struct checking *c)
{
	_cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	uint64_t offset = 0;
	struct stat st;
	int r;

	c->file = name;
	c->line = 0;
	if (fd < 0) {
		return errno == ENOENT ? 0 : error_set(c->err, errno, "cannot open '%s'", name);
	}
	r = read_lines(fd, &offset, check_line, c, c->err);
	if (r == 0 && fstat(fd, &st) == 0 && (uint64_t)st.st_size > offset) {
		c->verdict->torn = true;
	}
	return r > 0 ? c->r : r;
}

int audit_verify(const char *state_dir, struct audit_verdict *ret, struct error *err)
{
	_cleanup_close_ int dir_fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_arena_ struct arena arena = {0};
	struct checking c = {.verdict = ret, .err = err};
	struct strv aside;
	int r;

	*ret = (struct audit_verdict){.last_hash = AUDIT_NO_HASH};
	if (dir_fd < 0) {
		return error_set(err, errno, "cannot open the state directory '%s'", state_dir);
	}
	r = audit_list_aside(dir_fd, &arena, &aside, err);
	for (size_t i = 0; r == 0 && i < aside.count; i++) {
		r = check_file(dir_fd, aside.items[i], &c);
	}
	return r == 0 ? check_file(dir_fd, AUDIT_FILE, &c) : r;
}
