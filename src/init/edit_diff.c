/* SPDX-License-Identifier: MIT */
/* What an edit changed, line by line, as models know it. */
#include "init/edit.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "base/mem.h"
#include "base/own.h"

/*
 * The shortest edit script by Myers' greedy algorithm ("An O(ND) Difference Algorithm", 1986), over
 * lines with their line ends. Of equally short scripts the peer's must be the one that is found, so
 * the order in which diagonals are tried, and which neighbour wins a tie, is part of the contract.
 */
enum {
	DIFF_CONTEXT = 4,
	DIFF_AFTER = 64, /* lines after the change that may take part in the script */
	DIFF_MAX_EDITS = 512, /* beyond that: all old lines out, all new lines in; 3 MiB of steps */
};

enum kind { KIND_SAME, KIND_OLD, KIND_NEW };

/* A run of lines of one kind at the end of a path; older ones are reached by prev. */
struct step {
	int prev; /* index, or -1 */
	int count;
	enum kind kind;
};

struct path {
	bool alive;
	int old_at; /* last old line that was passed, -1: none */
	int last; /* its newest step, or -1 */
};

struct script {
	const struct span *old, *new;
	int old_count, new_count;
	struct step *steps;
	int step_count, step_cap;
};

static int add_step(struct script *s, int prev, enum kind kind, int count)
{
	if (s->step_count == s->step_cap) {
		s->step_cap = s->step_cap > 0 ? s->step_cap * 2 : 64;
		s->steps = xreallocarray(s->steps, (size_t)s->step_cap, sizeof(*s->steps));
	}
	assert(s->steps != NULL);
	s->steps[s->step_count] = (struct step){prev, count, kind};
	return s->step_count++;
}

static int extend(struct script *s, int last, enum kind kind)
{
	assert(last < 0 || s->steps != NULL);
	if (last >= 0 && s->steps[last].kind == kind) {
		return add_step(s, s->steps[last].prev, kind, s->steps[last].count + 1);
	}
	return add_step(s, last, kind, 1);
}

static bool same_line(const struct span *a, const struct span *b)
{
	return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

/* Follow equal lines. Returns the last new line that was passed. */
static int follow_same(struct script *s, struct path *path, int diagonal)
{
	int old_at = path->old_at, new_at = old_at - diagonal, count = 0;

	while (old_at + 1 < s->old_count && new_at + 1 < s->new_count &&
		same_line(&s->old[old_at + 1], &s->new[new_at + 1])) {
		old_at++;
		new_at++;
		count++;
	}
	if (count > 0) {
		path->last = add_step(s, path->last, KIND_SAME, count);
	}
	path->old_at = old_at;
	return new_at;
}

/* The newest step of the whole script, or -2 when it takes more than DIFF_MAX_EDITS. */
static int find_script(struct script *s)
{
	_cleanup_free_ struct path *all = xcalloc(2 * DIFF_MAX_EDITS + 3, sizeof(*all));
	struct path *paths = all + DIFF_MAX_EDITS + 1; /* by diagonal: old_at - new_at */
	int low = -DIFF_MAX_EDITS, high = DIFF_MAX_EDITS, new_at;

	paths[0] = (struct path){true, -1, -1};
	new_at = follow_same(s, &paths[0], 0);
	if (paths[0].old_at + 1 >= s->old_count && new_at + 1 >= s->new_count) {
		return paths[0].last;
	}
	for (int edits = 1; edits <= DIFF_MAX_EDITS; edits++) {
		int from = low > -edits ? low : -edits, to = high < edits ? high : edits;

		for (int d = from; d <= to; d += 2) {
			struct path remove = paths[d - 1], add = paths[d + 1], *here = &paths[d];
			bool can_remove, can_add;

			paths[d - 1].alive = false;
			can_add = add.alive && add.old_at - d >= 0 && add.old_at - d < s->new_count;
			can_remove = remove.alive && remove.old_at + 1 < s->old_count;
			if (!can_add && !can_remove) {
				here->alive = false;
				continue;
			}
			if (!can_remove || (can_add && remove.old_at < add.old_at)) {
				*here = (struct path){
					true, add.old_at, extend(s, add.last, KIND_NEW)};
			} else {
				*here = (struct path){
					true, remove.old_at + 1, extend(s, remove.last, KIND_OLD)};
			}
			new_at = follow_same(s, here, d);
			if (here->old_at + 1 >= s->old_count && new_at + 1 >= s->new_count) {
				return here->last;
			}
			if (here->old_at + 1 >= s->old_count && d - 1 < high) {
				high = d - 1;
			}
			if (new_at + 1 >= s->new_count && d + 1 > low) {
				low = d + 1;
			}
		}
	}
	return -2;
}

/* Everything between the equal start and the equal end, out and in. */
static int block_script(struct script *s)
{
	int front = 0, back = 0, last = -1;
	int least = s->old_count < s->new_count ? s->old_count : s->new_count;

	while (front < least && same_line(&s->old[front], &s->new[front])) {
		front++;
	}
	while (back < least - front &&
		same_line(&s->old[s->old_count - 1 - back], &s->new[s->new_count - 1 - back])) {
		back++;
	}
	if (front > 0) {
		last = add_step(s, last, KIND_SAME, front);
	}
	if (s->old_count > front + back) {
		last = add_step(s, last, KIND_OLD, s->old_count - front - back);
	}
	if (s->new_count > front + back) {
		last = add_step(s, last, KIND_NEW, s->new_count - front - back);
	}
	return back > 0 ? add_step(s, last, KIND_SAME, back) : last;
}

static struct span *split_lines(struct span text, int *ret_count)
{
	struct span *lines = xcalloc(text_count_char(text, '\n') + 1, sizeof(*lines));
	int count = 0;

	while (text.len > 0) {
		const char *end = memchr(text.data, '\n', text.len);
		size_t n = end != NULL ? (size_t)(end - text.data) + 1 : text.len;

		lines[count++] = (struct span){text.data, n};
		text.data += n;
		text.len -= n;
	}
	*ret_count = count;
	return lines;
}

struct printer {
	struct buf *out;
	int width;
	size_t old_number, new_number, first_changed;
};

static void print_line(struct printer *p, char sign, size_t number, struct span line)
{
	if (line.len > 0 && line.data[line.len - 1] == '\n') {
		line.len--;
	}
	buf_addf(p->out, "%s%c%*zu ", p->out->len > 0 ? "\n" : "", sign, p->width, number);
	buf_add(p->out, line.data, line.len);
}

static void print_gap(struct printer *p)
{
	buf_addf(p->out, "%s %*s ...", p->out->len > 0 ? "\n" : "", p->width, "");
}

static void print_same(
	struct printer *p, const struct span *lines, size_t count, bool after, bool before)
{
	size_t first = 0, last = count;

	if (!after && count > DIFF_CONTEXT) {
		first = before ? count - DIFF_CONTEXT : count;
	}
	if (!before && last - first > DIFF_CONTEXT) {
		last = after ? first + DIFF_CONTEXT : first;
	}
	if (first > 0 && before) {
		print_gap(p);
	}
	for (size_t i = first; i < last && (after || before); i++) {
		print_line(p, ' ', p->old_number + i, lines[i]);
	}
	if (after && last < count) {
		print_gap(p);
	}
	p->old_number += count;
	p->new_number += count;
}

static void print_script(struct printer *p, const struct script *s, int last)
{
	const struct span *old = s->old, *new = s->new;
	int count = 0, at = last;
	_cleanup_free_ int *order = NULL;

	for (at = last; at >= 0; at = s->steps[at].prev) {
		count++;
	}
	order = xcalloc((size_t)count, sizeof(*order));
	for (int i = count; i-- > 0; last = s->steps[last].prev) {
		order[i] = last;
	}
	for (int i = 0; i < count; i++) {
		const struct step *step = &s->steps[order[i]];

		if (step->kind == KIND_SAME) {
			print_same(p, old, (size_t)step->count, i > 0, i + 1 < count);
			old += step->count;
			new += step->count;
			continue;
		}
		if (p->first_changed == 0) {
			p->first_changed = p->new_number;
		}
		for (int n = 0; n < step->count; n++) {
			if (step->kind == KIND_OLD) {
				print_line(p, '-', p->old_number++, *old++);
			} else {
				print_line(p, '+', p->new_number++, *new ++);
			}
		}
	}
}

/* The start of the line that at is in, then count lines further up. */
static size_t lines_up(struct span text, size_t at, int count)
{
	while (at > 0) {
		if (text.data[at - 1] == '\n' && count-- == 0) {
			break;
		}
		at--;
	}
	return at;
}

static size_t lines_down(struct span text, size_t at, size_t count)
{
	while (at < text.len && count > 0) {
		if (text.data[at++] == '\n') {
			count--;
		}
	}
	return at;
}

size_t edit_diff(struct span text, size_t start, size_t end, struct span new, struct buf *out)
{
	size_t total_old = text_count_char(text, '\n') + 1;
	size_t region_old = text_count_char((struct span){text.data + start, end - start}, '\n');
	size_t region_new = text_count_char(new, '\n');
	size_t total_new = total_old - region_old + region_new;
	/* Only what is around the change is compared: the rest is equal, however large. */
	size_t from = lines_up(text, start, DIFF_CONTEXT + 1);
	size_t to = lines_down(text, end, region_old + region_new + DIFF_AFTER);
	size_t before = text_count_char((struct span){text.data, from}, '\n');
	struct printer p = {.out = out, .old_number = before + 1, .new_number = before + 1};
	_cleanup_free_ struct span *old_lines = NULL, *new_lines = NULL;
	_cleanup_free_ struct step *steps = NULL;
	_cleanup_buf_ struct buf changed = {0};
	struct script s = {0};
	int last;

	buf_add(&changed, text.data + from, start - from);
	buf_add(&changed, new.data, new.len);
	buf_add(&changed, text.data + end, to - end);
	old_lines = split_lines((struct span){text.data + from, to - from}, &s.old_count);
	new_lines = split_lines((struct span){changed.data, changed.len}, &s.new_count);
	s.old = old_lines;
	s.new = new_lines;
	last = find_script(&s);
	if (last == -2) {
		s.step_count = 0;
		last = block_script(&s);
	}
	steps = s.steps;
	p.width = snprintf(NULL, 0, "%zu", total_old > total_new ? total_old : total_new);
	print_script(&p, &s, last);
	return p.first_changed;
}
