/* SPDX-License-Identifier: MIT */
/* Find one passage, exactly or tolerantly, and replace it. */
#include "init/edit.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "base/macro.h"

enum { EDIT_LINES_NAMED = 10 };

static const char bom[] = "\xef\xbb\xbf";

/* How a text is looked at: with "\n" for every line end, and folded on top of that. */
enum view { VIEW_LINES, VIEW_FOLDED };

/* Copies what a view shows, and finds which byte of the text is the view's byte number stop. */
struct walk {
	struct buf *out; /* may be NULL */
	size_t stop, seen;
	const char *found;
};

static void walk_show(struct walk *w, const char *at, const char *shown, size_t len)
{
	if (w->found == NULL && w->stop - w->seen < len) {
		w->found = at + (w->stop - w->seen);
	}
	if (w->out != NULL) {
		buf_add(w->out, shown, len);
	}
	w->seen += len;
}

static void walk_folded(struct walk *w, struct span line)
{
	size_t run = 0;

	line = text_trim_end(line);
	for (size_t at = 0; at < line.len;) {
		uint32_t point;
		size_t n = text_next(line.data + at, line.len - at, &point);
		char fold = text_fold(point);

		if (fold != '\0') {
			walk_show(w, line.data + run, line.data + run, at - run);
			walk_show(w, line.data + at, &fold, 1);
			run = at + n;
		}
		at += n;
	}
	walk_show(w, line.data + run, line.data + run, line.len - run);
}

/*
 * Walk text as the view shows it, appending to out (may be NULL). Returns the offset in text of the
 * view's byte number stop. Blanks that the view drops belong to what stands before them.
 */
static size_t view_walk(struct span text, enum view view, struct buf *out, size_t stop)
{
	struct walk w = {.out = out, .stop = stop};
	const char *at = text.data, *end = text.data + text.len;

	while (at < end && w.found == NULL) {
		const char *feed = memchr(at, '\n', (size_t)(end - at));
		const char *stop_at = feed != NULL ? feed : end;
		const char *cr = memchr(at, '\r', (size_t)(stop_at - at));
		struct span line = {at, (size_t)((cr != NULL ? cr : stop_at) - at)};

		if (view == VIEW_FOLDED) {
			walk_folded(&w, line);
		} else {
			walk_show(&w, line.data, line.data, line.len);
		}
		at += line.len;
		if (at < end) {
			walk_show(&w, at, "\n", 1);
			at += *at == '\r' && at + 1 == feed ? 2 : 1;
		}
	}
	return w.found != NULL ? (size_t)(w.found - text.data) : text.len;
}

static void view_make(struct span text, enum view view, struct buf *ret)
{
	(void)buf_reserve(ret, text.len); /* a view is never longer */
	(void)view_walk(text, view, ret, SIZE_MAX);
}

static struct span span_of(const struct buf *b)
{
	return (struct span){b->data != NULL ? b->data : "", b->len};
}

static const char *find(struct span text, struct span wanted)
{
	return text.len >= wanted.len ? memmem(text.data, text.len, wanted.data, wanted.len) : NULL;
}

/* How often wanted is in text without overlap, with the lines of the first ones for a message. */
static size_t count_matches(struct span text, struct span wanted, struct buf *lines)
{
	struct span rest = text;
	size_t count = 0, line = 1;
	const char *hit;

	while (wanted.len > 0 && (hit = find(rest, wanted)) != NULL) {
		line += text_count_char((struct span){rest.data, (size_t)(hit - rest.data)}, '\n');
		if (count < EDIT_LINES_NAMED) {
			buf_addf(lines, "%s%zu", count > 0 ? ", " : "", line);
		} else if (count == EDIT_LINES_NAMED) {
			buf_add_str(lines, ", ...");
		}
		count++;
		line += text_count_char(wanted, '\n');
		hit += wanted.len;
		rest = (struct span){hit, rest.len - (size_t)(hit - rest.data)};
	}
	return count;
}

static int fail_not_found(const struct edit_request *request, struct error *err)
{
	_cleanup_buf_ struct buf hint = {0};
	struct span rest = request->old, wanted = {0}, line, nearest = {0};
	size_t number = 0, nearest_number = 0;
	unsigned best = 49; /* less than half alike is no help */

	while (text_next_line(&rest, true, &line)) {
		wanted = line;
		if (text_trim(line).len > 0) {
			break;
		}
	}
	rest = request->text;
	while (text_next_line(&rest, true, &line)) {
		unsigned likeness = text_likeness(line, wanted);

		number++;
		if (likeness > best) {
			best = likeness;
			nearest = line;
			nearest_number = number;
		}
	}
	if (nearest_number > 0) {
		buf_addf(&hint, " The nearest to its first line is line %zu: ", nearest_number);
		text_add_quoted(&hint, nearest);
	}
	return error_plain(err, ENOENT,
		"Could not find the exact text in %s. The old text must match exactly including all "
		"whitespace and newlines.%s",
		request->name, hint.len > 0 ? hint.data : "");
}

/* Where the passage is in the view that shows it. */
struct match {
	enum view view;
	struct buf text; /* that view of the file; empty: the file itself */
	size_t start, len;
};

static int find_match(const struct edit_request *request, struct span text, struct span old,
	struct match *ret, struct error *err)
{
	_cleanup_buf_ struct buf lined = {0}, folded = {0}, folded_old = {0}, lines = {0};
	struct span whole = text;
	const char *exact, *hit;
	size_t count;

	if (memchr(text.data, '\r', text.len) != NULL) {
		view_make(text, VIEW_LINES, &lined);
		whole = span_of(&lined);
	}
	view_make(text, VIEW_FOLDED, &folded);
	view_make(old, VIEW_FOLDED, &folded_old);

	exact = find(whole, old);
	/* What looks the same counts as the same, or an edit could hit the wrong one of two. Text of
	 * blanks alone folds to nothing and can only be counted as it is. */
	if (folded_old.len > 0) {
		count = count_matches(span_of(&folded), span_of(&folded_old), &lines);
	} else {
		count = count_matches(whole, old, &lines);
	}
	if (count > 1) {
		return error_plain(err, EEXIST,
			"Found %zu occurrences of the text in %s (lines %s). The text must be unique. "
			"Please provide more context to make it unique.",
			count, request->name, lines.data);
	}
	if (exact != NULL) {
		ret->view = VIEW_LINES;
		ret->start = (size_t)(exact - whole.data);
		ret->len = old.len;
		ret->text = lined;
		lined = (struct buf){0};
		return 0;
	}
	hit = folded_old.len > 0 ? find(span_of(&folded), span_of(&folded_old)) : NULL;
	if (hit == NULL) {
		return fail_not_found(request, err);
	}
	ret->view = VIEW_FOLDED;
	ret->start = (size_t)(hit - folded.data);
	ret->len = folded_old.len;
	ret->text = folded;
	folded = (struct buf){0};
	return 0;
}

static void add_new_text(struct buf *out, struct span new, bool crlf)
{
	const char *end;

	while (crlf && new.len > 0 && (end = memchr(new.data, '\n', new.len)) != NULL) {
		size_t n = (size_t)(end - new.data);

		buf_add(out, new.data, n);
		buf_add_str(out, "\r\n");
		new.data += n + 1;
		new.len -= n + 1;
	}
	buf_add(out, new.data, new.len);
}

void edit_result_finish(struct edit_result *result)
{
	buf_finish(&result->text);
	buf_finish(&result->diff);
}

int edit_apply(const struct edit_request *request, struct edit_result *ret, struct error *err)
{
	_cleanup_buf_ struct buf old = {0}, new = {0}, shown_buf = {0};
	struct span text = request->text, shown;
	struct match match = {0};
	size_t bom_len = 0, start, end;
	int r;

	if (request->old.len == 0) {
		return error_plain(err, EINVAL,
			"oldText must not be empty: name the text of %s "
			"that is to be replaced",
			request->name);
	}
	if (text.len > LIMIT_EDIT_FILE || request->new.len > LIMIT_EDIT_FILE) {
		return error_plain(err, EFBIG, "%s is larger than the %d bytes that can be edited",
			request->name, LIMIT_EDIT_FILE);
	}
	if (text.len >= 3 && memcmp(text.data, bom, 3) == 0) {
		bom_len = 3;
		text.data += 3;
		text.len -= 3;
	}
	view_make(request->old, VIEW_LINES, &old);
	view_make(request->new, VIEW_LINES, &new);
	r = find_match(request, text, span_of(&old), &match, err);
	if (r < 0) {
		return r;
	}
	shown_buf = match.text;
	shown = match.text.data != NULL ? span_of(&match.text) : text;
	if (match.len == new.len &&
		(new.len == 0 || memcmp(shown.data + match.start, new.data, new.len) == 0)) {
		return error_plain(err, EINVAL,
			"No changes made to %s. The replacement produced identical content. This might "
			"indicate an issue with special characters or the text not existing as expected.",
			request->name);
	}

	start = view_walk(text, match.view, NULL, match.start);
	end = view_walk(text, match.view, NULL, match.start + match.len);
	assert(start <= end && end <= text.len);
	*ret = (struct edit_result){.tolerant = match.view == VIEW_FOLDED};
	(void)buf_reserve(&ret->text, request->text.len + 2 * new.len);
	buf_add(&ret->text, request->text.data, bom_len + start);
	add_new_text(&ret->text, span_of(&new), text_is_crlf(text));
	buf_add(&ret->text, text.data + end, text.len - end);
	buf_init(&ret->diff, LIMIT_EDIT_DIFF);
	ret->first_line =
		edit_diff(shown, match.start, match.start + match.len, span_of(&new), &ret->diff);
	return 0;
}
