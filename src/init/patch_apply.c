/* SPDX-License-Identifier: MIT */
/* Find the places of an update and build the new text. */
#include "init/patch.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "base/macro.h"
#include "base/mem.h"
#include "base/own.h"

enum strictness { AS_IS, TRIMMED_END, TRIMMED, FOLDED, STRICTNESS_COUNT_ };

/* The file by lines. A last line without an end counts; nothing stands behind the last end. */
struct lines {
	struct span text;
	uint32_t *starts; /* count + 1: the last is the end of the text */
	size_t count;
	bool crlf;
};

/* Lines [at, at + old_count) of the file become the new lines of chunk. */
struct place {
	const struct patch_chunk *chunk;
	size_t at, old_count, new_count;
	size_t skip; /* the first new lines are what the place before this one has written already */
};

struct apply {
	const char *name;
	struct lines file;
	struct span *wanted; /* the lines that the current chunk looks for */
	uint64_t compares;
	struct place *places, *last; /* last: the newest that is not only appended */
	size_t place_count;
	size_t append_at; /* where chunks go that only add */
	struct error *err;
};

static void index_lines(struct span text, struct lines *ret)
{
	struct span rest = text, line;
	size_t count = 0;

	*ret = (struct lines){.text = text, .crlf = text_is_crlf(text)};
	ret->starts = xreallocarray(NULL, text_count_char(text, '\n') + 2, sizeof(*ret->starts));
	ret->starts[0] = 0;
	while (text_next_line(&rest, false, &line)) {
		ret->starts[++count] = (uint32_t)(text.len - rest.len);
	}
	ret->count = count;
}

/* With its line end. */
static struct span raw_line(const struct lines *file, size_t i)
{
	return (struct span){
		file->text.data + file->starts[i], file->starts[i + 1] - file->starts[i]};
}

static struct span line_at(const struct lines *file, size_t i)
{
	struct span line = raw_line(file, i);

	if (line.len > 0 && line.data[line.len - 1] == '\n') {
		line.len--;
		line.len -= line.len > 0 && line.data[line.len - 1] == '\r';
	}
	return line;
}

static bool is_same(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static bool is_match(struct span a, struct span b, enum strictness strictness)
{
	switch (strictness) {
	case AS_IS:
		return is_same(a, b);
	case TRIMMED_END:
		return is_same(text_trim_end(a), text_trim_end(b));
	case TRIMMED:
		return is_same(text_trim(a), text_trim(b));
	case FOLDED:
		return text_equal_folded(text_trim(a), text_trim(b));
	case STRICTNESS_COUNT_:
		break;
	}
	return false;
}

/* 1 and *ret: wanted starts there. 0: nowhere from start on. -E2BIG. */
static int seek(struct apply *a, const struct span *wanted, size_t count, size_t start, size_t *ret)
{
	if (count == 0) {
		*ret = start;
		return 1;
	}
	for (enum strictness s = AS_IS; s < STRICTNESS_COUNT_; s++) {
		for (size_t at = start; count <= a->file.count && at <= a->file.count - count;
			at++) {
			size_t i = 0;

			while (i < count && is_match(line_at(&a->file, at + i), wanted[i], s)) {
				i++;
			}
			a->compares += i + 1;
			if (a->compares > LIMIT_PATCH_COMPARES) {
				return error_plain(a->err, E2BIG,
					"%s and its patch repeat too much to be compared: name more "
					"context, or split the patch",
					a->name);
			}
			if (i == count) {
				*ret = at;
				return 1;
			}
		}
	}
	return 0;
}

/* How many of the wanted lines stand at their place when the first is at line at. */
static size_t count_same(struct apply *a, const struct span *wanted, size_t count, size_t at)
{
	size_t same = 0;

	for (size_t i = 0; i < count && at + i < a->file.count; i++) {
		struct span line = line_at(&a->file, at + i);

		a->compares++;
		same += is_match(line, wanted[i], FOLDED) && text_trim(line).len > 0;
	}
	return same;
}

/*
 * Names the first wanted line that differs where most of the others agree, and what stands there.
 * Where no place has two lines in common: the line that is most like the first wanted one.
 */
static void explain(struct apply *a, const struct span *wanted, size_t count, struct buf *out)
{
	size_t best_at = 0, best = 0, bad = 0, found = SIZE_MAX;
	unsigned likeness = 49; /* less than half alike is no help */

	for (size_t at = 0; count > 1 && at < a->file.count; at++) {
		size_t same = count_same(a, wanted, count, at);

		if (same > best) {
			best = same;
			best_at = at;
		}
		if (a->compares > LIMIT_PATCH_COMPARES) {
			break;
		}
	}
	if (best > 0) {
		while (bad < count && best_at + bad < a->file.count &&
			is_match(line_at(&a->file, best_at + bad), wanted[bad], FOLDED)) {
			bad++;
		}
		found = best_at + bad;
		bad = bad < count ? bad : count - 1;
	} else {
		while (bad + 1 < count && text_trim(wanted[bad]).len == 0) {
			bad++;
		}
		for (size_t at = 0; at < a->file.count; at++) {
			unsigned like = text_likeness(line_at(&a->file, at), wanted[bad]);

			if (like > likeness) {
				likeness = like;
				found = at;
			}
		}
	}
	buf_add_str(out, "expected ");
	text_add_quoted(out, wanted[bad]);
	if (found < a->file.count) {
		buf_addf(out, ", the nearest is line %zu: ", found + 1);
		text_add_quoted(out, line_at(&a->file, found));
	} else if (found != SIZE_MAX) {
		buf_addf(out, ", but the file ends at line %zu", a->file.count);
	} else {
		buf_add_str(out, ", and no line is like it");
	}
}

static int fail_chunk(struct apply *a, const struct patch_chunk *chunk, size_t number,
	const struct span *wanted, size_t count, size_t start)
{
	_cleanup_buf_ struct buf why = {0};
	bool context = wanted != a->wanted;
	size_t earlier;

	a->compares = 0;
	if (!chunk->at_end && start > 0 && seek(a, wanted, count, 0, &earlier) == 1) {
		buf_addf(&why,
			"found at line %zu, before the place that the patch has reached "
			"(line %zu): put the chunks in the order of the file",
			earlier + 1, start + 1);
	} else {
		a->compares = 0;
		explain(a, wanted, count, &why);
		if (chunk->at_end && !context) {
			buf_add_str(&why, " (*** End of File: only the end of the file counts)");
		}
	}
	if (context) {
		_cleanup_buf_ struct buf line = {0};

		text_add_quoted(&line, *wanted);
		return error_plain(a->err, ENOENT,
			"Failed to find context %s in %s (chunk %zu, line %zu of the patch): %s",
			line.data, a->name, number, chunk->line, why.data);
	}
	return error_plain(a->err, ENOENT,
		"Failed to find expected lines in %s (chunk %zu, line %zu of the patch): %s",
		a->name, number, chunk->line, why.data);
}

static size_t read_wanted(const struct patch_chunk *chunk, struct span *wanted)
{
	struct span rest = chunk->lines, line;
	size_t count = 0;

	while (text_next_line(&rest, true, &line)) {
		if (line.len == 0) {
			wanted[count++] = line;
		} else if (line.data[0] != '+') {
			wanted[count++] = (struct span){line.data + 1, line.len - 1};
		}
	}
	return count;
}

/* The new line number i of a chunk; *ret_kept: it is context. */
static struct span new_line(struct span *rest, bool *ret_kept)
{
	struct span line = {"", 0};

	*ret_kept = false;
	while (text_next_line(rest, true, &line)) {
		if (line.len == 0 || line.data[0] != '-') {
			*ret_kept = line.len == 0 || line.data[0] == ' ';
			break;
		}
	}
	return line.len == 0 ? line : (struct span){line.data + 1, line.len - 1};
}

/* Are the last count new lines of the place before the first ones of this one? */
static bool is_shared(const struct place *before, const struct place *place, size_t count)
{
	struct span old = before->chunk->lines, new = place->chunk->lines;
	bool kept;

	if (count > before->old_count || count > before->new_count || count > place->new_count) {
		return false;
	}
	for (size_t i = count; i < before->new_count; i++) {
		(void)new_line(&old, &kept);
	}
	for (size_t i = 0; i < count; i++) {
		if (!is_same(new_line(&old, &kept), new_line(&new, &kept))) {
			return false;
		}
	}
	return true;
}

static bool ends_with_blank_line(const struct patch_chunk *chunk)
{
	struct span rest = chunk->lines, last = {"", 0};
	bool kept;

	for (size_t i = 0; i < chunk->new_count; i++) {
		last = new_line(&rest, &kept);
	}
	return chunk->new_count > 0 && last.len == 0;
}

/* Finds one chunk from line *next on, and moves *next behind it. */
static int find_chunk(struct apply *a, const struct patch_chunk *chunk, size_t number, size_t *next)
{
	struct place place = {chunk, 0, read_wanted(chunk, a->wanted), chunk->new_count, 0};
	size_t start, least = *next;
	int r;

	if (chunk->context.len > 0) {
		r = seek(a, &chunk->context, 1, least, &start);
		if (r <= 0) {
			return r < 0 ? r : fail_chunk(a, chunk, number, &chunk->context, 1, least);
		}
		*next = least = start + 1;
	}
	if (place.old_count == 0) {
		place.at = a->append_at;
		a->places[a->place_count++] = place;
		return 0;
	}
	for (;;) {
		start = least;
		if (chunk->at_end && place.old_count > 0 && place.old_count <= a->file.count) {
			start = a->file.count - place.old_count;
		}
		r = seek(a, a->wanted, place.old_count, start, &place.at);
		if (r != 0 || place.old_count == 0 || a->wanted[place.old_count - 1].len > 0 ||
			place.old_count < chunk->old_count) {
			break;
		}
		/* An empty line before the next chunk or the end is often only a separator. */
		place.old_count--;
		place.new_count -= ends_with_blank_line(chunk);
	}
	if (r <= 0) {
		return r < 0 ? r : fail_chunk(a, chunk, number, a->wanted, chunk->old_count, least);
	}
	if (a->last != NULL && place.at < a->last->at + a->last->old_count) {
		/* Pinned to the end, it may share lines with the chunk before it, if both agree on them. */
		place.skip = a->last->at + a->last->old_count - place.at;
		if (!is_shared(a->last, &place, place.skip)) {
			return fail_chunk(a, chunk, number, a->wanted, chunk->old_count, least);
		}
	}
	a->last = &a->places[a->place_count];
	*next = place.at + place.old_count;
	a->places[a->place_count++] = place;
	return 0;
}

/* Node reads text as UTF-8 and writes what it read: one U+FFFD for what it could not. */
static void add_utf8(struct buf *out, struct span text)
{
	size_t run = 0, at = 0;

	while (at < text.len) {
		uint32_t point;
		size_t n = text_next(text.data + at, text.len - at, &point);

		if (point == TEXT_INVALID) {
			buf_add(out, text.data + run, at - run);
			buf_add_str(out, "\xef\xbf\xbd");
			run = at + n;
		}
		at += n;
	}
	buf_add(out, text.data + run, text.len - run);
}

static void add_line(struct buf *out, struct span line, bool crlf)
{
	add_utf8(out, line);
	buf_add_str(out, crlf ? "\r\n" : "\n");
}

static bool ends_crlf(struct span raw, bool otherwise)
{
	if (raw.len == 0 || raw.data[raw.len - 1] != '\n') {
		return otherwise;
	}
	return raw.len > 1 && raw.data[raw.len - 2] == '\r';
}

static void add_place(const struct apply *a, const struct place *place, struct buf *out)
{
	struct span rest = place->chunk->lines, line;
	size_t old_at = place->at, written = 0;

	while (text_next_line(&rest, true, &line) && written < place->new_count) {
		char sign = line.len > 0 ? line.data[0] : ' ';
		bool crlf = a->file.crlf;

		if (sign != '+') {
			/* A line that stays keeps its end. */
			if (old_at < a->file.count) {
				crlf = ends_crlf(raw_line(&a->file, old_at), crlf);
			}
			old_at++;
		}
		if (sign == '-') {
			continue;
		}
		if (written++ >= place->skip) {
			add_line(out,
				line.len > 0 ? (struct span){line.data + 1, line.len - 1} : line,
				crlf);
		}
	}
}

/* The next place from p on that only adds lines at the end, or that does not. */
static const struct place *next_place(const struct apply *a, const struct place *p, bool appends)
{
	while (p < a->places + a->place_count && (p->chunk->old_count == 0) != appends) {
		p++;
	}
	return p;
}

static void build(const struct apply *a, struct buf *out)
{
	const struct place *end = a->places + a->place_count;
	const struct place *change = next_place(a, a->places, false);
	const struct place *append = next_place(a, a->places, true);
	size_t at = 0;

	for (;;) {
		bool change_due = change < end && at >= change->at;

		/* Where both are due, their order is that of the patch. */
		if (append < end && at >= a->append_at && (!change_due || append < change)) {
			add_place(a, append, out);
			append = next_place(a, append + 1, true);
		} else if (change_due) {
			add_place(a, change, out);
			at = change->at + change->old_count;
			change = next_place(a, change + 1, false);
		} else if (at < a->file.count) {
			add_line(out, line_at(&a->file, at),
				ends_crlf(raw_line(&a->file, at), a->file.crlf));
			at++;
		} else {
			break;
		}
	}
	/* As in the peer, an empty last line stands for the end of the line before it. */
	if (out->len > 0 && out->data[out->len - 1] == '\n') {
		size_t n = out->len > 1 && out->data[out->len - 2] == '\r' ? 2 : 1;

		if (out->len == n || out->data[out->len - n - 1] == '\n') {
			out->len -= n;
			out->data[out->len] = '\0';
		}
	}
}

int patch_apply(const struct patch_hunk *hunk, const char *name, struct span text, struct buf *out,
	struct error *err)
{
	struct apply a = {.name = name, .err = err};
	_cleanup_buf_ struct buf made = {0};
	_cleanup_free_ uint32_t *starts = NULL;
	_cleanup_free_ struct span *wanted = NULL;
	_cleanup_free_ struct place *places = NULL;
	size_t chunks = 0, most = 1, number = 0, next = 0;

	assert(hunk->action == PATCH_UPDATE);
	if (text.len > LIMIT_EDIT_FILE) {
		return error_plain(err, EFBIG, "%s is larger than the %d bytes that can be patched",
			name, LIMIT_EDIT_FILE);
	}
	for (const struct patch_chunk *c = hunk->chunks; c != NULL; c = c->next) {
		most = c->old_count > most ? c->old_count : most;
		chunks++;
	}
	index_lines(text, &a.file);
	starts = a.file.starts;
	a.wanted = wanted = xcalloc(most, sizeof(*wanted));
	a.places = places = xcalloc(chunks + 1, sizeof(*places));
	a.append_at = a.file.count;
	if (a.file.count > 0 && line_at(&a.file, a.file.count - 1).len == 0) {
		a.append_at--;
	}
	for (const struct patch_chunk *c = hunk->chunks; c != NULL; c = c->next) {
		int r = find_chunk(&a, c, ++number, &next);

		if (r < 0) {
			return r;
		}
	}
	(void)buf_reserve(&made, text.len + 1024);
	build(&a, &made);
	buf_add(out, made.data, made.len);
	return 0;
}
