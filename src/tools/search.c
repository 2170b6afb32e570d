/* SPDX-License-Identifier: MIT */
/* ls, glob, grep: the tools that look around. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/args.h"
#include "tools/file_call.h"
#include "tools/search_rg.h"
#include "tools/utf8.h"

enum { GREP_LIMIT_DEFAULT = 100 }; /* as src/init/fs_grep.c */

static const char ls_parameters[] =
	"{\"type\":\"object\",\"properties\":{"
	"\"path\":{\"type\":\"string\",\"description\":\"Directory; default: the workspace\"},"
	"\"limit\":{\"type\":\"number\",\"description\":\"Most entries to show (default 500)\"}}}";

static const char glob_parameters[] =
	"{\"type\":\"object\",\"properties\":{"
	"\"pattern\":{\"type\":\"string\",\"description\":\"Like src/**/*.c\"},"
	"\"path\":{\"type\":\"string\",\"description\":\"Where to start; default: the workspace\"},"
	"\"noIgnore\":{\"type\":\"boolean\",\"description\":\"Look at what .gitignore hides, too\"},"
	"\"limit\":{\"type\":\"number\",\"description\":\"Most paths to show (default 1000)\"}},"
	"\"required\":[\"pattern\"]}";

static const char grep_parameters[] =
	"{\"type\":\"object\",\"properties\":{"
	"\"pattern\":{\"type\":\"string\",\"description\":\"Regular expression\"},"
	"\"path\":{\"type\":\"string\",\"description\":\"File or directory; default: the workspace\"},"
	"\"glob\":{\"type\":\"string\",\"description\":\"Only files that match, like *.c\"},"
	"\"ignoreCase\":{\"type\":\"boolean\"},"
	"\"literal\":{\"type\":\"boolean\",\"description\":\"The pattern is plain text\"},"
	"\"context\":{\"type\":\"number\",\"description\":\"Lines around each match\"},"
	"\"noIgnore\":{\"type\":\"boolean\",\"description\":\"Look at what .gitignore hides, too\"},"
	"\"limit\":{\"type\":\"number\",\"description\":\"Most matches to show (default 100)\"}},"
	"\"required\":[\"pattern\"]}";

static const char ls_output[] =
	"{\"type\":\"object\",\"properties\":{\"entries\":{\"type\":\"array\",\"items\":{"
	"\"type\":\"object\",\"properties\":{"
	"\"name\":{\"type\":\"string\"},"
	"\"type\":{\"type\":\"string\",\"description\":\"f file, d directory, l link, else special\"},"
	"\"size\":{\"type\":\"integer\"},"
	"\"mode\":{\"type\":\"integer\"},"
	"\"mtime\":{\"type\":\"integer\",\"description\":\"Seconds since 1970\"},"
	"\"target\":{\"type\":\"string\",\"description\":\"Where a link points\"}},"
	"\"required\":[\"name\",\"type\"]}},"
	"\"truncated\":{\"type\":\"boolean\"}}}";

static const char glob_output[] = "{\"type\":\"object\",\"properties\":{"
				  "\"count\":{\"type\":\"integer\"},"
				  "\"paths\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"
				  "\"truncated\":{\"type\":\"boolean\"}}}";

static int common_args(struct tool_call *call, const json_t *args, int64_t max,
	struct wire_file_request *request, const char **ret_path, struct error *err)
{
	bool no_ignore = false;
	int64_t limit = 0;
	int r = args_text(args, "path", 0, ret_path, err);

	(void)call;
	r = r < 0 ? r : args_int(args, "limit", 1, max, &limit, NULL, err);
	r = r < 0 ? r : args_bool(args, "noIgnore", &no_ignore, NULL, err);
	request->limit = (uint64_t)limit;
	request->flags |= no_ignore ? WIRE_FILE_NO_IGNORE : 0;
	if (r == 0 && *ret_path != NULL && (*ret_path)[0] == '\0') {
		*ret_path = NULL;
	}
	return r;
}

/* The next NUL-terminated piece; NULL at the end. */
static const char *next_piece(const char **at, const char *end)
{
	const char *piece = *at;
	const char *nul = piece < end ? memchr(piece, '\0', (size_t)(end - piece)) : NULL;

	if (nul == NULL) {
		return NULL;
	}
	*at = nul + 1;
	return piece;
}

static void finish(struct tool_call *call, struct buf *text, bool truncated, json_t *details)
{
	if (truncated) {
		buf_addf(text, "\n\n[More than is shown here: narrow it down, or raise limit]");
		(void)json_object_set_new(details, "truncated", json_true());
	}
	call_finish_text(call, text->data != NULL ? text->data : "", text->len, details);
}

static void on_entries(struct tool_call *call, struct file_answer *answer)
{
	const char *at = answer->data.data;
	const char *end = at != NULL ? at + answer->data.len : NULL;
	_cleanup_buf_ struct buf text = {0};
	json_t *entries = json_array();
	const char *entry, *target;

	while ((entry = next_piece(&at, end)) != NULL && (target = next_piece(&at, end)) != NULL) {
		unsigned mode = 0;
		uint64_t size = 0;
		int64_t mtime = 0;
		char type = '?';
		int name_at = 0;
		const char *name;

		/* A number out of range shows a wrong size, no more. NOLINTNEXTLINE(cert-err34-c) */
		if (sscanf(entry, "%c %o %" SCNu64 " %" SCNd64 "%n", &type, &mode, &size, &mtime,
			    &name_at) < 4) {
			break;
		}
		name = entry + name_at + 1; /* one blank, then a name that may begin with more */
		buf_addf(&text, "%s%s%s%s%s", text.len > 0 ? "\n" : "", name,
			type == 'd' ? "/" : "", type == 'l' ? " -> " : "",
			type == 'l' ? target : "");
		(void)json_array_append_new(entries,
			json_pack("{s:o, s:s%, s:I, s:i, s:I, s:o*}", "name",
				result_string(name, strlen(name)), "type", &type, (size_t)1, "size",
				(json_int_t)size, "mode", (int)mode, "mtime", (json_int_t)mtime,
				"target",
				type == 'l' ? result_string(target, strlen(target)) : NULL));
	}
	if (text.len == 0) {
		buf_add_str(&text, "(empty directory)");
	}
	finish(call, &text, answer->done.facts[1] != 0, json_pack("{s:o}", "entries", entries));
}

static int ls_start(struct tool_call *call, const json_t *args, struct error *err)
{
	struct wire_file_request request = {.op = WIRE_FILE_LS};
	struct file_call *file = file_call_new(call, on_entries);
	const char *path = NULL;
	int r = common_args(call, args, LIMIT_LIST_NAMES, &request, &path, err);

	return r < 0 ? r : file_call_send(file, &request, path, NULL, err);
}

static void on_paths(struct tool_call *call, struct file_answer *answer)
{
	const char *at = answer->data.data;
	const char *end = at != NULL ? at + answer->data.len : NULL;
	_cleanup_buf_ struct buf text = {0};
	json_t *paths = json_array();
	const char *path;

	while ((path = next_piece(&at, end)) != NULL) {
		buf_addf(&text, "%s%s", text.len > 0 ? "\n" : "", path);
		(void)json_array_append_new(paths, result_string(path, strlen(path)));
	}
	if (text.len == 0) {
		buf_add_str(&text, "No files found matching pattern");
	}
	finish(call, &text, answer->done.facts[1] != 0,
		json_pack(
			"{s:I, s:o}", "count", (json_int_t)answer->done.facts[0], "paths", paths));
}

static int glob_start(struct tool_call *call, const json_t *args, struct error *err)
{
	struct wire_file_request request = {.op = WIRE_FILE_GLOB};
	struct file_call *file = file_call_new(call, on_paths);
	struct file_bodies bodies = {0};
	const char *path = NULL;
	int r = args_text(args, "pattern", ARGS_REQUIRED | ARGS_NOT_EMPTY, &bodies.a, err);

	r = r < 0 ? r : common_args(call, args, LIMIT_GLOB_RESULTS, &request, &path, err);
	bodies.a_len = bodies.a != NULL ? strlen(bodies.a) : 0;
	return r < 0 ? r : file_call_send(file, &request, path, &bodies, err);
}

static void grep_finish(struct tool_call *call, const struct grep_answer *answer)
{
	_cleanup_buf_ struct buf text = {0};
	json_t *details = json_pack("{s:I, s:I, s:I}", "matches", (json_int_t)answer->matches,
		"files", (json_int_t)answer->files, "filesSearched",
		(json_int_t)answer->files_searched);
	size_t len = answer->text.len;

	while (len > 0 && answer->text.data[len - 1] == '\n') {
		len--;
	}
	if (len > 0) {
		utf8_clean(&text, answer->text.data, len);
	} else {
		buf_add_str(&text, "No matches found");
	}
	if (answer->lines_cut) {
		buf_add_str(&text, "\n\n[Long lines are cut: read the file to see them whole]");
	}
	finish(call, &text, answer->truncated, details);
}

/* A grep: what was asked, and the same for the built-in. In the file call's arena. */
struct grep {
	struct grep_query query;
	struct wire_file_request request;
	struct file_bodies bodies;
	struct search_rg *search;
};

static void on_lines(struct tool_call *call, struct file_answer *answer)
{
	const uint64_t *f = answer->done.facts;
	struct grep_answer found = {
		.text = answer->data, /* borrowed */
		.matches = f[0],
		.files = f[1],
		.files_searched = f[2],
		.truncated = f[3] != 0,
		.lines_cut = f[4] != 0,
	};

	grep_finish(call, &found);
}

static void on_rg(struct tool_call *call, struct grep_answer *answer)
{
	struct file_call *file = call->state;
	struct grep *g = file->more;
	struct error err;

	if (answer != NULL) {
		struct buf text = answer->text;

		grep_finish(call, answer);
		buf_finish(&text);
	} else if (file_call_send(file, &g->request, g->query.path, &g->bodies, &err) < 0) {
		call_fail(call, TOOL_FAIL_FAILED, err.text, NULL, NULL);
	}
}

static void grep_free(void *p)
{
	struct file_call *file = p;
	struct grep *g = file->more;

	g->search = search_rg_free(g->search);
}

static int grep_args(struct tool_call *call, const json_t *args, struct grep *g, struct error *err)
{
	struct grep_query *q = &g->query;
	int64_t context = 0;
	int r = args_text(args, "pattern", ARGS_REQUIRED | ARGS_NOT_EMPTY, &q->pattern, err);

	r = r < 0 ? r : args_text(args, "glob", 0, &q->glob, err);
	r = r < 0 ? r : args_bool(args, "ignoreCase", &q->ignore_case, NULL, err);
	r = r < 0 ? r : args_bool(args, "literal", &q->literal, NULL, err);
	r = r < 0 ? r : args_int(args, "context", 0, 20, &context, NULL, err);
	r = r < 0 ? r : common_args(call, args, LIMIT_GLOB_RESULTS, &g->request, &q->path, err);
	if (r < 0) {
		return r;
	}
	q->glob = q->glob != NULL && q->glob[0] != '\0' ? q->glob : NULL;
	q->context = (size_t)context;
	q->limit = g->request.limit > 0 ? (size_t)g->request.limit : GREP_LIMIT_DEFAULT;
	q->no_ignore = (g->request.flags & WIRE_FILE_NO_IGNORE) != 0;
	g->bodies = (struct file_bodies){
		.a = q->pattern,
		.a_len = strlen(q->pattern),
		.b = q->glob,
		.b_len = q->glob != NULL ? strlen(q->glob) : 0,
	};
	g->request.op = WIRE_FILE_GREP;
	g->request.offset = q->context;
	g->request.flags |=
		(q->ignore_case ? WIRE_FILE_IGNORE_CASE : 0) | (q->literal ? WIRE_FILE_LITERAL : 0);
	return 0;
}

static int grep_start(struct tool_call *call, const json_t *args, struct error *err)
{
	struct file_call *file = file_call_new(call, on_lines);
	struct grep *g = arena_alloc(&file->arena, sizeof(*g));
	int r;

	file->more = g;
	file->finish_more = grep_free;
	r = grep_args(call, args, g, err);
	if (r < 0) {
		return r;
	}
	g->search = search_rg_start(call, &g->query, on_rg);
	return g->search != NULL
		       ? 0
		       : file_call_send(file, &g->request, g->query.path, &g->bodies, err);
}

const struct tool tool_ls = {
	.name = "ls",
	.title = "List a directory",
	.summary = "List a directory.",
	.parameters = ls_parameters,
	.output = ls_output,
	.hints = TOOL_READS_ONLY | TOOL_IDEMPOTENT,
	.start = ls_start,
	.abort = file_call_abort,
};
const struct tool tool_glob = {
	.name = "glob",
	.title = "Find files",
	.summary = "Find files by a pattern, without what .gitignore hides.",
	.parameters = glob_parameters,
	.output = glob_output,
	.hints = TOOL_READS_ONLY | TOOL_IDEMPOTENT,
	.start = glob_start,
	.abort = file_call_abort,
};
const struct tool tool_grep = {
	.name = "grep",
	.title = "Search in files",
	.summary = "Search files for a regular expression, without what .gitignore hides.",
	.parameters = grep_parameters,
	.hints = TOOL_READS_ONLY | TOOL_IDEMPOTENT,
	.start = grep_start,
	.abort = file_call_abort,
};
