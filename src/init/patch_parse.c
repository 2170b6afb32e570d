/* SPDX-License-Identifier: MIT */
/* The grammar of patches, with the tolerance that models have come to rely on. */
#include "init/patch.h"

#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "base/macro.h"

static const char add_header[] = "*** Add File: ";
static const char delete_header[] = "*** Delete File: ";
static const char update_header[] = "*** Update File: ";
static const char move_header[] = "*** Move to: ";

/* The rest of the patch; line is the number of its first line. */
struct reader {
	struct span rest;
	size_t line;
};

static bool peek(const struct reader *r, struct span *ret)
{
	struct span rest = r->rest;

	return text_next_line(&rest, true, ret);
}

static void skip(struct reader *r)
{
	struct span line;

	(void)text_next_line(&r->rest, true, &line);
	r->line++;
}

static bool is_text(struct span line, const char *text)
{
	return line.len == strlen(text) && memcmp(line.data, text, line.len) == 0;
}

static bool cut_prefix(struct span *line, const char *prefix)
{
	size_t n = strlen(prefix);

	if (line->len < n || memcmp(line->data, prefix, n) != 0) {
		return false;
	}
	line->data += n;
	line->len -= n;
	return true;
}

/* Takes the first and the last line off *text. false: it has only one. */
static bool cut_ends(struct span *text, struct span *ret_first, struct span *ret_last)
{
	struct span rest = *text;
	size_t end = text->len;

	*ret_first = (struct span){"", 0};
	(void)text_next_line(&rest, true, ret_first);
	while (end > 0 && text->data[end - 1] != '\n') {
		end--;
	}
	*ret_last = (struct span){text->data + end, text->len - end};
	if (end == 0) {
		return false;
	}
	*text = (struct span){rest.data, (size_t)(text->data + end - rest.data)};
	return true;
}

/* Leaves in *text what is between the markers. Returns why not, or NULL. */
static const char *cut_markers(struct span *text)
{
	struct span first, last;
	bool two = cut_ends(text, &first, &last);

	if (!is_text(text_trim(first), "*** Begin Patch")) {
		return "The first line of the patch must be '*** Begin Patch'";
	}
	if (!two || !is_text(text_trim(last), "*** End Patch")) {
		return "The last line of the patch must be '*** End Patch'";
	}
	return NULL;
}

static int find_body(struct span text, struct reader *ret, struct error *err)
{
	struct span whole = text_trim(text), inner = whole, first, last;
	const char *why;

	if (whole.len == 0) {
		return error_plain(err, EINVAL, "Invalid patch: input is empty");
	}
	*ret = (struct reader){whole, 2};
	why = cut_markers(&ret->rest);
	if (why != NULL && cut_ends(&inner, &first, &last) && inner.len > 0) {
		first = text_trim(first);
		if ((is_text(first, "<<EOF") || is_text(first, "<<'EOF'") ||
			    is_text(first, "<<\"EOF\"")) &&
			last.len >= 3 && memcmp(last.data + last.len - 3, "EOF", 3) == 0) {
			inner.len -= inner.data[inner.len - 1] == '\n';
			*ret = (struct reader){inner, 3};
			why = cut_markers(&ret->rest);
		}
	}
	if (why != NULL) {
		return error_plain(err, EINVAL, "Invalid patch: %s", why);
	}
	return 0;
}

static int fail_at(const struct reader *r, const char *what, struct span line, struct error *err)
{
	_cleanup_buf_ struct buf text = {0};

	text_add_quoted(&text, line);
	return error_plain(
		err, EINVAL, "Invalid patch hunk at line %zu: %s%s", r->line, text.data, what);
}

static int take_path(struct reader *r, struct arena *arena, struct span path, const char **ret,
	struct error *err)
{
	if (memchr(path.data, '\0', path.len) != NULL) {
		return fail_at(r, ": a path cannot hold a NUL byte", path, err);
	}
	*ret = arena_strndup(arena, path.data, path.len);
	skip(r);
	return 0;
}

static int parse_chunk(struct reader *r, struct arena *arena, bool first, struct patch_chunk **ret,
	struct error *err)
{
	struct patch_chunk *chunk = arena_calloc(arena, 1, sizeof(*chunk));
	struct span line;

	(void)peek(r, &line);
	chunk->line = r->line;
	if (is_text(line, "@@")) {
		skip(r);
	} else if (cut_prefix(&line, "@@ ")) {
		chunk->context = line;
		skip(r);
	} else if (!first) {
		return fail_at(
			r, " is not the start of a chunk: a chunk starts with @@", line, err);
	}
	chunk->lines.data = r->rest.data;
	while (peek(r, &line)) {
		char sign = line.len > 0 ? line.data[0] : ' ';

		if (is_text(line, "*** End of File")) {
			if (chunk->old_count + chunk->new_count == 0) {
				return fail_at(r, ": the update hunk does not contain any lines",
					line, err);
			}
			chunk->at_end = true;
			chunk->lines.len = (size_t)(r->rest.data - chunk->lines.data);
			skip(r);
			*ret = chunk;
			return 0;
		}
		if (sign != ' ' && sign != '+' && sign != '-') {
			break;
		}
		chunk->old_count += sign != '+';
		chunk->new_count += sign != '-';
		skip(r);
	}
	if (chunk->old_count + chunk->new_count == 0) {
		if (!peek(r, &line)) {
			line = (struct span){"@@", 2};
		}
		return fail_at(r,
			": unexpected in an update hunk, where every line starts with ' ' "
			"(context), '+' (new) or '-' (old)",
			line, err);
	}
	chunk->lines.len = (size_t)(r->rest.data - chunk->lines.data);
	*ret = chunk;
	return 0;
}

static int parse_update(
	struct reader *r, struct arena *arena, struct patch_hunk *hunk, struct error *err)
{
	struct patch_chunk **end = &hunk->chunks;
	struct span line, trimmed;

	if (peek(r, &line)) {
		trimmed = text_trim(line);
		if (cut_prefix(&trimmed, move_header)) {
			if (take_path(r, arena, trimmed, &hunk->move, err) < 0) {
				return -err->num;
			}
		}
	}
	while (peek(r, &line)) {
		int ret;

		if (text_trim(line).len == 0) {
			skip(r);
			continue;
		}
		if (cut_prefix(&line, "***")) {
			break;
		}
		ret = parse_chunk(r, arena, end == &hunk->chunks, end, err);
		if (ret < 0) {
			return ret;
		}
		end = &(*end)->next;
	}
	if (hunk->chunks == NULL) {
		return error_plain(err, EINVAL,
			"Invalid patch hunk at line %zu: Update file hunk for path '%.512s' is empty",
			hunk->line, hunk->path);
	}
	return 0;
}

static int parse_hunk(
	struct reader *r, struct arena *arena, struct patch_hunk **ret, struct error *err)
{
	struct patch_hunk *hunk = arena_calloc(arena, 1, sizeof(*hunk));
	struct span line, header;

	(void)peek(r, &line);
	header = text_trim(line);
	hunk->line = r->line;
	if (cut_prefix(&header, add_header)) {
		hunk->action = PATCH_ADD;
	} else if (cut_prefix(&header, delete_header)) {
		hunk->action = PATCH_DELETE;
	} else if (cut_prefix(&header, update_header)) {
		hunk->action = PATCH_UPDATE;
	} else {
		return fail_at(r,
			" is not a valid hunk header. Valid hunk headers: "
			"'*** Add File: {path}', '*** Delete File: {path}', '*** Update File: {path}'",
			line, err);
	}
	*ret = hunk;
	if (take_path(r, arena, header, &hunk->path, err) < 0) {
		return -err->num;
	}
	if (hunk->action == PATCH_UPDATE) {
		return parse_update(r, arena, hunk, err);
	}
	hunk->added.data = r->rest.data;
	while (hunk->action == PATCH_ADD && peek(r, &line) && line.len > 0 && line.data[0] == '+') {
		skip(r);
	}
	hunk->added.len = (size_t)(r->rest.data - hunk->added.data);
	return 0;
}

int patch_parse(struct span text, struct arena *arena, struct patch_hunk **ret, struct error *err)
{
	struct patch_hunk *hunks = NULL, **end = &hunks;
	struct reader reader;
	int r;

	if (text.len > LIMIT_PATCH_INPUT) {
		return error_plain(err, E2BIG, "the patch is larger than %d bytes: split it",
			LIMIT_PATCH_INPUT);
	}
	r = find_body(text, &reader, err);
	while (r == 0 && reader.rest.len > 0) {
		r = parse_hunk(&reader, arena, end, err);
		if (r == 0) {
			end = &(*end)->next;
		}
	}
	if (r < 0) {
		return r;
	}
	if (hunks == NULL) {
		return error_plain(err, EINVAL, "No files were modified: the patch holds no hunk");
	}
	*ret = hunks;
	return 0;
}

void patch_added_text(const struct patch_hunk *hunk, struct buf *out)
{
	struct span rest = hunk->added, line;

	while (text_next_line(&rest, true, &line)) {
		buf_add(out, line.data + 1, line.len - 1);
		buf_add_char(out, '\n');
	}
}
