/* SPDX-License-Identifier: MIT */
/* Reading configuration files whole, and finding and showing places in them. */
#include "config/source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/own.h"
#include "config/unicode.h"

/* Columns shown before the place in a long line, and in all. */
enum { SHOWN_BEFORE = 60, SHOWN_COLUMNS = 100 };

static int open_regular(const char *path, struct stat *ret_stat, struct error *err)
{
	/* O_NONBLOCK: a fifo in the file's place must not hang the caller. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0) {
		return error_set(err, errno, "cannot read '%s'", path);
	}
	if (fstat(fd, ret_stat) < 0) {
		return error_set(err, errno, "cannot read '%s'", path);
	}
	if (S_ISDIR(ret_stat->st_mode)) {
		return error_plain(
			err, EISDIR, "'%s' is a directory, not a configuration file", path);
	}
	if (!S_ISREG(ret_stat->st_mode)) {
		return error_plain(err, EINVAL, "'%s' is not a regular file", path);
	}
	if (ret_stat->st_size > LIMIT_CONFIG_BYTES) {
		return error_plain(err, EFBIG, "'%s' is larger than 16 MiB", path);
	}
	return TAKE_FD(fd);
}

/* 1: all of it; 0: the file is not of this length any more. */
static int read_all(int fd, char *text, size_t len, const char *path, struct error *err)
{
	size_t done = 0;

	/* One byte more than the size: a file that grew meanwhile is noticed. */
	while (done <= len) {
		ssize_t n = read(fd, text + done, len + 1 - done);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return error_set(err, errno, "cannot read '%s'", path);
		}
		if (n == 0) {
			break;
		}
		done += (size_t)n;
	}
	text[len] = '\0';
	return done == len;
}

static bool same_version(int fd, const struct stat *before)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_size == before->st_size &&
	       st.st_mtim.tv_sec == before->st_mtim.tv_sec &&
	       st.st_mtim.tv_nsec == before->st_mtim.tv_nsec;
}

static int add_source(struct sources *sources, struct arena *a, struct source source)
{
	if (sources->count >= sources->cap) {
		size_t cap = sources->cap > 0 ? sources->cap * 2 : 4;
		struct source *items = arena_calloc(a, cap, sizeof(*items));

		if (sources->count > 0) {
			memcpy(items, sources->items, sources->count * sizeof(*items));
		}
		sources->items = items;
		sources->cap = cap;
	}
	sources->items[sources->count] = source;
	return (int)sources->count++;
}

int source_read(struct sources *sources, struct arena *a, const char *path, uint16_t *ret_index,
	struct error *err)
{
	struct stat st;
	_cleanup_close_ int fd = open_regular(path, &st, err);
	char *text;
	size_t len;
	int r;

	if (fd < 0) {
		return fd;
	}
	len = (size_t)st.st_size;
	if (len > LIMIT_CONFIG_BYTES - sources->bytes) {
		return error_plain(err, EFBIG,
			"with '%s' the configuration is larger than 16 MiB in all", path);
	}
	text = arena_alloc(a, len + 2);
	r = read_all(fd, text, len, path, err);
	if (r < 0) {
		return r;
	}
	if (r == 0 || !same_version(fd, &st)) {
		return error_plain(
			err, EAGAIN, "'%s' changed while it was being read; try again", path);
	}
	sources->bytes += len;
	if (sources->count >= SOURCES_MAX) {
		return error_plain(err, E2BIG, "too many configuration files");
	}
	*ret_index = (uint16_t)add_source(sources, a,
		(struct source){.name = arena_strdup(a, path), .text = text, .len = len});
	return 0;
}

bool text_ends_line(const char *text, size_t len, size_t offset)
{
	return text[offset] == '\n' ||
	       (text[offset] == '\r' && (offset + 1 >= len || text[offset + 1] != '\n'));
}

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

void text_advance(const char *text, size_t len, size_t *offset, size_t to, int *line, int *column)
{
	size_t at = *offset;

	/* A byte order mark is no column of the first line. */
	if (at == 0 && to >= 3 && len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		at = 3;
	}
	for (; at < to && at < len; at++) {
		if (text_ends_line(text, len, at)) {
			++*line;
			*column = 1;
		} else {
			*column += !is_continuation(text[at]);
		}
	}
	*offset = at;
}

void text_position(const char *text, size_t len, size_t offset, int *ret_line, int *ret_column)
{
	size_t at = 0;

	*ret_line = *ret_column = 1;
	text_advance(text, len, &at, offset, ret_line, ret_column);
}

/* One character for display: its bytes, columns and what to print. */
struct glyph {
	size_t len;
	int width;
	bool tab, bad;
};

static struct glyph next_glyph(const char *text, size_t at, size_t end)
{
	unsigned char first = (unsigned char)text[at];
	struct glyph g = {.len = 1, .width = 1};
	uint32_t c = first;

	if (first == '\t') {
		g.tab = true;
	} else if (first < 0x20 || first == 0x7f) {
		g.bad = true;
	} else if (first >= 0x80) {
		while (at + g.len < end && g.len < 4 && is_continuation(text[at + g.len])) {
			c = (c & (g.len == 1 ? 0x7fU >> (first < 0xe0          ? 2
								: first < 0xf0 ? 3
									       : 4)
					     : 0xffffffU))
				    << 6 |
			    ((unsigned char)text[at + g.len] & 0x3fU);
			g.len++;
		}
		/* C1 controls and bytes that are no character must not reach a terminal. */
		g.bad = g.len == 1 || c < 0xa0;
		g.width = g.bad ? 1 : unicode_width(c);
	}
	return g;
}

static void add_glyph(struct buf *out, const char *text, size_t at, struct glyph g)
{
	if (g.bad) {
		buf_add_char(out, '?');
	} else {
		buf_add(out, text + at, g.len);
	}
}

/* Where to start showing so that at most SHOWN_BEFORE columns of the line stand before offset. */
static size_t shown_start(const char *text, size_t len, size_t offset)
{
	size_t at = offset;
	int columns = 0;

	while (at > 0 && columns < SHOWN_BEFORE && !text_ends_line(text, len, at - 1)) {
		at--;
		columns += !is_continuation(text[at]);
	}
	while (at > 0 && at < offset && is_continuation(text[at])) {
		at--;
	}
	return at;
}

static bool is_line_end(const char *text, size_t len, size_t at)
{
	return at >= len || text[at] == '\n' || text[at] == '\r';
}

void text_caret(const char *text, size_t len, size_t offset, int line, struct buf *out)
{
	_cleanup_buf_ struct buf marker = {0};
	size_t at;
	bool cut;
	int columns = 0;

	offset = offset > len ? len : offset;
	at = shown_start(text, len, offset);
	cut = at > 0 && !text_ends_line(text, len, at - 1);
	buf_addf(out, "%5d | %s", line, cut ? "..." : "");
	buf_addf(&marker, "      | %s", cut ? "   " : "");
	while (!is_line_end(text, len, at) && columns < SHOWN_COLUMNS) {
		struct glyph g = next_glyph(text, at, len);

		add_glyph(out, text, at, g);
		if (at < offset) {
			for (int i = 0; i < g.width; i++) {
				buf_add_char(&marker, g.tab ? '\t' : ' ');
			}
		}
		columns += g.width > 0 ? g.width : 1;
		at += g.len;
	}
	buf_addf(out, "%s\n%s^\n", is_line_end(text, len, at) ? "" : "...", marker.data);
}
