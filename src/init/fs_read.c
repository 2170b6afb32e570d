/* SPDX-License-Identifier: MIT */
/* One page of a file, whatever the file is, in a fixed buffer. */
#include <errno.h>
#include <string.h>

#include "base/image_type.h"
#include "base/limits.h"
#include "base/macro.h"
#include "base/own.h"
#include "init/edit_text.h"
#include "init/fs_path.h"

enum {
	READ_CHUNK = 64 * 1024,
	READ_SNIFF = 8 * 1024,
	MARKS_MAX = 512,
	MARK_EVERY = 1024 * 1024, /* bytes at first; doubles whenever the marks are full */
};

/*
 * Where lines are in the file that was read last, so that page after page of a large one does not
 * start from its first byte each time: marks[i] says how many line ends stand before byte
 * (i + 1) * every. It holds as long as size and times of the file do.
 */
static struct {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime, ctime;
	uint64_t every;
	size_t count;
	uint64_t marks[MARKS_MAX];
	uint64_t total_lines; /* 0: not known */
} cache;

static void cache_open(const struct stat *st)
{
	if (cache.every != 0 && cache.dev == st->st_dev && cache.ino == st->st_ino &&
		cache.size == st->st_size && cache.mtime.tv_sec == st->st_mtim.tv_sec &&
		cache.mtime.tv_nsec == st->st_mtim.tv_nsec &&
		cache.ctime.tv_sec == st->st_ctim.tv_sec &&
		cache.ctime.tv_nsec == st->st_ctim.tv_nsec) {
		return;
	}
	cache.dev = st->st_dev;
	cache.ino = st->st_ino;
	cache.size = st->st_size;
	cache.mtime = st->st_mtim;
	cache.ctime = st->st_ctim;
	cache.every = MARK_EVERY;
	cache.count = 0;
	cache.total_lines = 0;
}

/* ends line ends stand before byte offset. */
static void cache_mark(uint64_t offset, uint64_t ends)
{
	if (offset != (cache.count + 1) * cache.every) {
		return;
	}
	if (cache.count == MARKS_MAX) {
		for (size_t i = 0; i < MARKS_MAX / 2; i++) {
			cache.marks[i] = cache.marks[2 * i + 1];
		}
		cache.count = MARKS_MAX / 2;
		cache.every *= 2;
		if (offset != (cache.count + 1) * cache.every) {
			return;
		}
	}
	cache.marks[cache.count++] = ends;
}

/* The last mark before the end of the line before line. */
static void cache_find(uint64_t line, uint64_t *ret_offset, uint64_t *ret_ends)
{
	size_t low = 0, high = cache.count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (cache.marks[middle] + 1 < line) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	*ret_offset = low * cache.every;
	*ret_ends = low > 0 ? cache.marks[low - 1] : 0;
}

struct reader {
	int fd;
	const struct fs_place *place;
	char *chunk; /* READ_CHUNK bytes */
	size_t have, used; /* of chunk */
	uint64_t offset; /* of the byte behind chunk */
	uint64_t end; /* nothing is read from there on: the file may grow faster than we read */
	uint64_t ends; /* line ends before chunk + used */
	bool last_is_end; /* the byte before chunk + used is a line end, or there is none */
};

/* 1: there are bytes. 0: end. Chunks start at multiples of READ_CHUNK, so marks are met. */
static int fill(struct reader *r, struct error *err)
{
	ssize_t n;

	if (r->used < r->have) {
		return 1;
	}
	cache_mark(r->offset, r->ends);
	r->have = r->used = 0;
	for (;;) {
		size_t want = READ_CHUNK - r->have;

		if (want > r->end - r->offset) {
			want = (size_t)(r->end - r->offset);
		}
		n = want > 0 ? pread(r->fd, r->chunk + r->have, want, (off_t)r->offset) : 0;
		if (n < 0) {
			return error_set(err, errno, "cannot read '%s'", r->place->label);
		}
		r->have += (size_t)n;
		r->offset += (uint64_t)n;
		if (n == 0 || r->have == READ_CHUNK) {
			return r->have > 0;
		}
	}
}

/* The rest of the chunk, or as much of it as is on this line, its end included. */
static struct span next_piece(struct reader *r, bool *ret_line_end)
{
	struct span piece = {r->chunk + r->used, r->have - r->used};
	const char *end = memchr(piece.data, '\n', piece.len);

	if (end != NULL) {
		piece.len = (size_t)(end - piece.data) + 1;
	}
	*ret_line_end = end != NULL;
	r->used += piece.len;
	r->ends += end != NULL;
	r->last_is_end = end != NULL;
	return piece;
}

static uint64_t count_ends(const struct reader *r)
{
	return text_count_char((struct span){r->chunk + r->used, r->have - r->used}, '\n');
}

static void skip_chunk(struct reader *r, uint64_t ends)
{
	r->ends += ends;
	r->used = r->have;
	r->last_is_end = r->chunk[r->have - 1] == '\n';
}

static void jump(struct reader *r, uint64_t offset, uint64_t ends)
{
	r->offset = offset;
	r->ends = ends;
	r->have = r->used = 0;
	r->last_is_end = false;
}

/* 1: at the start of line. 0: the file ends before. */
static int find_line(struct reader *r, uint64_t line, struct error *err)
{
	uint64_t from, ends;

	cache_find(line, &from, &ends);
	if (from > 0) {
		jump(r, from, ends);
	}
	from = r->offset;
	while (r->ends + 1 < line) {
		int more = fill(r, err);
		bool end;

		if (more <= 0) {
			return more;
		}
		if (r->offset - from > LIMIT_READ_SKIP) {
			return error_plain(err, ETIMEDOUT,
				"line %llu of '%s' is too far into the file: use exec with sed -n or tail",
				(unsigned long long)line, r->place->label);
		}
		ends = count_ends(r);
		if (r->ends + ends + 1 < line) {
			skip_chunk(r, ends);
			continue;
		}
		while (r->used < r->have && r->ends + 1 < line) {
			(void)next_piece(r, &end);
		}
	}
	return 1;
}

/* Drops what came of a line that does not fit, and its predecessor's end. */
static void cut_data(struct buf *data, size_t len)
{
	data->len = len;
	if (len > 0 && data->data[len - 1] == '\n') {
		data->len--;
		if (data->len > 0 && data->data[data->len - 1] == '\r') {
			data->len--;
		}
	}
	if (data->data != NULL) {
		data->data[data->len] = '\0';
	}
}

static int read_long_line(
	struct reader *r, bool at_end, struct fs_read_result *ret, struct error *err)
{
	bool end = false;
	int more = 0;

	if (at_end) {
		/* Its newline is here already: read it again, as the end of the line. */
		r->used--;
		r->ends--;
		ret->data.len--;
	}
	ret->cut = FS_CUT_LONG_LINE;
	ret->long_line = ret->data.len;
	cut_data(&ret->data, 0);
	while (!end && ret->long_line < LIMIT_READ_COUNT && (more = fill(r, err)) > 0) {
		ret->long_line += next_piece(r, &end).len;
	}
	if (more < 0) {
		return more;
	}
	ret->long_line -= end;
	more = fill(r, err);
	ret->next_offset = more > 0 ? ret->first_line + 1 : 0;
	return more < 0 ? more : 0;
}

/* Lines into ret->data until a limit or the end. */
static int collect(struct reader *r, uint64_t lines, size_t max_bytes, struct fs_read_result *ret,
	struct error *err)
{
	for (;;) {
		size_t start = ret->data.len;
		bool end = false;
		int more = 0;

		if (ret->line_count == lines) {
			more = fill(r, err);
			if (more <= 0) {
				return more;
			}
			ret->cut = lines < LIMIT_READ_LINES ? FS_CUT_LIMIT : FS_CUT_LINES;
			cut_data(&ret->data, start);
			break;
		}
		while (!end && ret->data.len <= max_bytes + 1 && (more = fill(r, err)) > 0) {
			struct span piece = next_piece(r, &end);

			buf_add(&ret->data, piece.data, piece.len);
		}
		if (more < 0) {
			return more;
		}
		if (ret->data.len == start) {
			return 0;
		}
		if (ret->data.len - end > max_bytes) {
			if (ret->line_count == 0) {
				return read_long_line(r, end, ret, err);
			}
			ret->cut = FS_CUT_BYTES;
			cut_data(&ret->data, start);
			break;
		}
		ret->line_count++;
	}
	ret->next_offset = ret->first_line + ret->line_count;
	return 0;
}

/* Goes on to the end of the file, if that is not far; else a bit further with every call. */
static int count_rest(struct reader *r, struct error *err)
{
	uint64_t start;
	int more;

	if (cache.total_lines > 0) {
		return 0;
	}
	if (cache.count * cache.every > r->offset) {
		jump(r, cache.count * cache.every, cache.marks[cache.count - 1]);
	}
	start = r->offset;
	while ((more = fill(r, err)) > 0) {
		if (r->offset - start > LIMIT_READ_COUNT) {
			return 0;
		}
		skip_chunk(r, count_ends(r));
	}
	if (more == 0) {
		cache.total_lines = r->ends + !r->last_is_end;
	}
	return more;
}

static int read_text(struct reader *r, const struct fs_read_opts *opts, struct fs_read_result *ret,
	struct error *err)
{
	uint64_t lines = opts->limit;
	size_t max_bytes = opts->max_bytes > 0 ? opts->max_bytes : LIMIT_READ_PAGE;
	int found;

	if (lines == 0 || lines > LIMIT_READ_LINES) {
		lines = LIMIT_READ_LINES;
	}
	if (max_bytes > LIMIT_READ_PAGE_MAX) {
		max_bytes = LIMIT_READ_PAGE_MAX;
	}
	ret->first_line = opts->offset > 0 ? opts->offset : 1;
	found = find_line(r, ret->first_line, err);
	if (found > 0) {
		found = collect(r, lines, max_bytes, ret, err);
	} else if (found == 0) {
		r->used = r->have;
	}
	if (found >= 0) {
		found = count_rest(r, err);
	}
	if (found < 0) {
		return found;
	}
	ret->total_lines = cache.total_lines;
	if (ret->line_count == 0 && ret->cut == FS_CUT_NONE && ret->first_line > 1) {
		return error_plain(err, ERANGE,
			"Offset %llu is beyond end of file (%llu lines total)",
			(unsigned long long)ret->first_line, (unsigned long long)ret->total_lines);
	}
	return 0;
}

/* Fewer bytes than asked for at the end of the file, none behind it. */
static int read_raw(int fd, const struct fs_place *place, const struct fs_read_opts *opts,
	struct fs_read_result *ret, struct error *err)
{
	size_t want = opts->limit > 0 && opts->limit < LIMIT_READ_RAW ? (size_t)opts->limit
								      : LIMIT_READ_RAW;
	uint64_t offset = opts->offset;

	ret->kind = FS_READ_RAW;
	/* pread(2) refuses a range that ends behind the largest offset. */
	while (ret->data.len < want && offset <= INT64_MAX - READ_CHUNK) {
		size_t left = want - ret->data.len;
		size_t room = left < READ_CHUNK ? left : READ_CHUNK;
		ssize_t n = pread(fd, buf_reserve(&ret->data, room), room, (off_t)offset);

		if (n < 0) {
			return error_set(err, errno, "cannot read '%s'", place->label);
		}
		if (n == 0) {
			break;
		}
		buf_commit(&ret->data, (size_t)n);
		offset += (uint64_t)n;
	}
	return 0;
}

static int read_image(int fd, const struct fs_place *place, size_t max, struct fs_read_result *ret,
	struct error *err)
{
	int r;

	max = max > 0 ? max : LIMIT_READ_IMAGE;
	if (ret->size > max) {
		return 0; /* its size says so */
	}
	r = fs_read_whole(fd, max, place->label, &ret->data, err);
	if (r == 0) {
		image_type_size(
			(const uint8_t *)ret->data.data, ret->data.len, &ret->width, &ret->height);
	}
	return r;
}

void fs_read_result_finish(struct fs_read_result *result)
{
	buf_finish(&result->data);
}

int fs_read(const struct fs_root *root, const char *path, const struct fs_read_opts *opts,
	struct fs_read_result *ret, struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_(fs_place_finish) struct fs_place place = {.dirfd = FD_NONE};
	_cleanup_(fs_read_result_finish) struct fs_read_result result = {0};
	static char chunk[READ_CHUNK]; /* one call at a time, and no page faults for each */
	_cleanup_close_ int fd = FD_NONE;
	struct reader reader;
	struct stat st = {0};
	int r;

	r = fs_place_find(root, &arena, path, FS_FOLLOW, &place, err);
	if (r == 0) {
		r = fs_place_open(root, &place, &fd, &st, err);
	}
	if (r < 0) {
		return r;
	}
	if (opts->raw) {
		result.size = (uint64_t)st.st_size;
		r = read_raw(fd, &place, opts, &result, err);
		if (r == 0) {
			result.mime =
				image_type_mime((const uint8_t *)result.data.data, result.data.len);
			*ret = TAKE(result, (struct fs_read_result){0});
		}
		return r;
	}
	reader = (struct reader){.fd = fd, .place = &place, .chunk = chunk, .last_is_end = true};
	/* Files of /proc and their like have no size: what they give, up to a limit. */
	reader.end = st.st_size > 0 ? (uint64_t)st.st_size : LIMIT_EDIT_FILE;
	result.size = (uint64_t)st.st_size;
	if (st.st_size == 0) {
		cache.every = 0;
	}
	cache_open(&st);
	r = fill(&reader, err);
	if (r < 0) {
		return r;
	}
	result.mime = image_type_mime((const uint8_t *)chunk, reader.have);
	if (result.mime != NULL) {
		result.kind = FS_READ_IMAGE;
		r = read_image(fd, &place, opts->max_image, &result, err);
	} else if (memchr(chunk, '\0', reader.have < READ_SNIFF ? reader.have : READ_SNIFF) !=
		   NULL) {
		result.kind = FS_READ_BINARY;
		r = 0;
	} else {
		r = read_text(&reader, opts, &result, err);
	}
	if (r < 0) {
		return r;
	}
	*ret = result;
	result = (struct fs_read_result){0};
	return 0;
}
