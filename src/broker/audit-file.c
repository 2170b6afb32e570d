/* SPDX-License-Identifier: MIT */
#include "broker/audit-file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/own.h"

enum { SEQ_DIGITS = 12, MAX_ASIDE = 10000 };

#define ASIDE_PREFIX "audit-"
#define ASIDE_SUFFIX ".jsonl"

static bool is_aside(const char *name)
{
	size_t prefix = strlen(ASIDE_PREFIX);

	return strncmp(name, ASIDE_PREFIX, prefix) == 0 &&
	       strspn(name + prefix, "0123456789") == SEQ_DIGITS &&
	       strcmp(name + prefix + SEQ_DIGITS, ASIDE_SUFFIX) == 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int audit_list_aside(int dir_fd, struct arena *arena, struct strv *ret, struct error *err)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	*ret = (struct strv){0};
	if (list == NULL) {
		cleanup_closep(&fd);
		return error_set(err, errno, "cannot list the state directory");
	}
	while ((entry = readdir(list)) != NULL && ret->count < MAX_ASIDE) {
		if (is_aside(entry->d_name)) {
			strv_add(ret, arena, entry->d_name);
		}
	}
	(void)closedir(list);
	if (ret->count > 0) {
		qsort(ret->items, ret->count, sizeof(*ret->items), by_name);
	}
	return 0;
}

int audit_put_aside(int dir_fd, uint64_t seq, unsigned keep, struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	struct strv aside;
	char *name = arena_printf(
		&arena, ASIDE_PREFIX "%0*llu" ASIDE_SUFFIX, SEQ_DIGITS, (unsigned long long)seq);
	int r;

	if (renameat2(dir_fd, AUDIT_FILE, dir_fd, name, RENAME_NOREPLACE) < 0) {
		return error_set(err, errno, "cannot put the audit log aside as '%s'", name);
	}
	r = audit_list_aside(dir_fd, &arena, &aside, err);
	for (size_t i = 0; r == 0 && i + keep < aside.count; i++) {
		(void)unlinkat(dir_fd, aside.items[i], 0);
	}
	return r;
}

/* --- the end --- */

static int take_last_line(const char *line, size_t len, struct audit_end *ret, struct error *err)
{
	char claimed[HASH_HEX_SIZE], actual[HASH_HEX_SIZE];
	json_t *row = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	json_int_t seq = json_integer_value(json_object_get(row, "seq"));

	json_decref(row);
	if (seq <= 0 || !audit_line_hashes(line, len, claimed, actual) ||
		strcmp(claimed, actual) != 0) {
		return error_plain(err, EBADMSG,
			"the last line of the audit log is not a row that Creel wrote; look at it with "
			"'creel audit verify', and move " AUDIT_FILE " away to begin a new one");
	}
	ret->seq = (uint64_t)seq;
	(void)memcpy(ret->hash, actual, sizeof(actual));
	return 0;
}

/* The last whole line of a file. 0: there is none. */
static int read_end(int fd, struct audit_end *ret, struct error *err)
{
	_cleanup_free_ char *tail = xmalloc(AUDIT_LINE_MAX);
	const char *last, *before;
	struct stat st;
	off_t from;
	ssize_t n;

	if (fstat(fd, &st) < 0) {
		return error_set(err, errno, "cannot look at the audit log");
	}
	from = st.st_size > AUDIT_LINE_MAX ? st.st_size - AUDIT_LINE_MAX : 0;
	n = pread(fd, tail, (size_t)(st.st_size - from), from);
	if (n < 0) {
		return error_set(err, errno, "cannot read the audit log");
	}
	last = n > 0 ? memrchr(tail, '\n', (size_t)n) : NULL;
	if (last == NULL && from > 0) {
		return error_plain(err, EBADMSG,
			"the audit log ends in a line that is no row; move " AUDIT_FILE " away");
	}
	ret->size = last != NULL ? (uint64_t)from + (uint64_t)(last - tail) + 1 : 0;
	ret->torn = (uint64_t)from + (uint64_t)n - ret->size;
	if (last == NULL) {
		return 0;
	}
	before = last > tail ? memrchr(tail, '\n', (size_t)(last - tail)) : NULL;
	before = before != NULL ? before + 1 : tail;
	return take_last_line(before, (size_t)(last - before), ret, err);
}

int audit_find_end(int dir_fd, int fd, struct audit_end *ret, struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_close_ int aside_fd = FD_NONE;
	struct strv aside;
	uint64_t torn;
	int r;

	*ret = (struct audit_end){.hash = AUDIT_NO_HASH};
	r = read_end(fd, ret, err);
	if (r < 0 || ret->seq > 0) {
		return r;
	}
	r = audit_list_aside(dir_fd, &arena, &aside, err);
	if (r < 0 || aside.count == 0) {
		return r;
	}
	torn = ret->torn;
	aside_fd = openat(dir_fd, aside.items[aside.count - 1], O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	r = aside_fd < 0 ? error_set(err, errno, "cannot open '%s'", aside.items[aside.count - 1])
			 : read_end(aside_fd, ret, err);
	ret->size = 0;
	ret->torn = torn;
	return r;
}
