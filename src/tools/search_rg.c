/* SPDX-License-Identifier: MIT */
/*
 * rg searches a large tree on every core. Its answer is taken only where it is the built-in's own:
 * what the two understand differently is never asked of it.
 */
#include "tools/search_rg.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/strv.h"
#include "tools/process_table.h"
#include "tools/workdir.h"

enum {
	LINE_SHOWN = 500, /* bytes, as src/init/fs_grep.c */
	SNIFFED = 8192, /* a NUL in here makes a file binary, as there */
	LINES_MAX = 65536,
};

/* Fixed places: what a PATH of the workspace's making names is never run. */
static const char *const programs[] = {"/usr/bin/rg", "/usr/local/bin/rg"};

struct search_rg {
	struct tool_call *call;
	const struct grep_query *query;
	search_rg_fn done;
	struct arena arena;
	struct tool_process *process;
};

/* --- the answer --- */

struct line {
	const char *path, *text; /* of the JSON */
	size_t len;
	json_int_t number;
	bool match, shown;
};

struct lines {
	struct line *items;
	size_t count, cap;
	json_t *owner; /* array of the parsed messages that the texts belong to */
	json_int_t searched;
	bool bad;
};

static void lines_finish(struct lines *lines)
{
	free(lines->items);
	json_decref(lines->owner);
}

/* NULL: no text; rg writes {"bytes"} for what is no UTF-8. */
static const json_t *text_of(const json_t *data, const char *key)
{
	return json_object_get(json_object_get(data, key), "text");
}

static void add_line(struct lines *lines, const json_t *data, bool match)
{
	const json_t *path = text_of(data, "path"), *text = text_of(data, "lines");
	struct line line = {
		.path = json_string_value(path),
		.text = json_string_value(text),
		.len = json_string_length(text),
		.number = json_integer_value(json_object_get(data, "line_number")),
		.match = match,
	};

	if (line.path == NULL || line.text == NULL || line.number < 1 ||
		lines->count == LINES_MAX) {
		lines->bad = true;
		return;
	}
	while (line.len > 0 && line.text[line.len - 1] == '\n') {
		line.len--;
	}
	line.path += strncmp(line.path, "./", 2) == 0 ? 2 : 0;
	if (lines->count == lines->cap) {
		lines->cap = lines->cap > 0 ? lines->cap * 2 : 64;
		lines->items = xreallocarray(lines->items, lines->cap, sizeof(line));
	}
	lines->items[lines->count++] = line;
}

/* The file is at its end; a binary one has no lines. */
static void end_file(struct lines *lines, const json_t *data)
{
	const json_t *offset = json_object_get(data, "binary_offset");
	const char *path = json_string_value(text_of(data, "path"));

	if (path == NULL) {
		lines->bad = true;
		return;
	}
	path += strncmp(path, "./", 2) == 0 ? 2 : 0;
	while (json_is_integer(offset) && json_integer_value(offset) < SNIFFED &&
		lines->count > 0 && strcmp(lines->items[lines->count - 1].path, path) == 0) {
		lines->count--;
	}
}

static void add_message(struct lines *lines, json_t *message)
{
	const char *type = json_string_value(json_object_get(message, "type"));
	const json_t *data = json_object_get(message, "data");

	if (type == NULL) {
		lines->bad = true;
	} else if (strcmp(type, "match") == 0 || strcmp(type, "context") == 0) {
		add_line(lines, data, type[0] == 'm');
		(void)json_array_append(lines->owner, message);
	} else if (strcmp(type, "end") == 0) {
		end_file(lines, data);
	} else if (strcmp(type, "summary") == 0) {
		lines->searched = json_integer_value(
			json_object_get(json_object_get(data, "stats"), "searches"));
	}
}

static void parse_lines(struct lines *lines, const char *text, size_t len)
{
	const char *end = text + len;

	lines->owner = json_array();
	while (text < end && !lines->bad) {
		const char *lf = memchr(text, '\n', (size_t)(end - text));
		size_t size = lf != NULL ? (size_t)(lf - text) : (size_t)(end - text);
		json_t *message = json_loadb(text, size, 0, NULL);

		lines->bad = lf == NULL || message == NULL;
		if (!lines->bad) {
			add_message(lines, message);
		}
		json_decref(message);
		text += size + 1;
	}
}

static int compare_lines(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	int r = strcmp(x->path, y->path);

	return r != 0 ? r : (x->number > y->number) - (x->number < y->number);
}

static bool is_near(const struct line *line, const struct line *match, size_t context)
{
	json_int_t apart = line->number - match->number;

	return strcmp(line->path, match->path) == 0 &&
	       (apart < 0 ? -apart : apart) <= (json_int_t)context;
}

/* The first matches up to the limit, and the context of those alone. */
static void choose(struct lines *lines, const struct grep_query *query, struct grep_answer *ret)
{
	const struct line *last = NULL;

	for (size_t i = 0; i < lines->count; i++) {
		struct line *line = &lines->items[i];

		if (!line->match) {
			continue;
		}
		if (ret->matches == query->limit) {
			ret->truncated = true;
			return;
		}
		ret->matches++;
		ret->files += last == NULL || strcmp(last->path, line->path) != 0;
		line->shown = true;
		last = line;
		for (size_t j = i; j > 0 && is_near(line - (i - j + 1), line, query->context);
			j--) {
			lines->items[j - 1].shown |= !lines->items[j - 1].match;
		}
		for (size_t j = i + 1;
			j < lines->count && is_near(&lines->items[j], line, query->context); j++) {
			lines->items[j].shown |= !lines->items[j].match;
		}
	}
}

/* false: it does not fit, nothing was added. */
static bool add_shown(struct grep_answer *ret, const struct line *line, bool apart)
{
	struct buf *out = &ret->text;
	size_t start = out->len;
	size_t len = line->len;
	char sign = line->match ? ':' : '-';

	len -= len > 0 && line->text[len - 1] == '\r';
	buf_addf(out, "%s%s%c%lld%c ", apart && out->len > 0 ? "--\n" : "", line->path, sign,
		(long long)line->number, sign);
	buf_add(out, line->text, len < LINE_SHOWN ? len : LINE_SHOWN);
	if (len > LINE_SHOWN) {
		buf_add_str(out, "... [truncated]");
		ret->lines_cut = true;
	}
	buf_add_char(out, '\n');
	if (out->overflow) {
		out->len = start;
	}
	return !out->overflow;
}

bool search_rg_parse(
	const char *json, size_t len, const struct grep_query *query, struct grep_answer *ret)
{
	_cleanup_(lines_finish) struct lines lines = {0};
	const struct line *before = NULL;

	parse_lines(&lines, json, len);
	if (lines.bad) {
		return false;
	}
	if (lines.count > 1) {
		qsort(lines.items, lines.count, sizeof(*lines.items), compare_lines);
	}
	*ret = (struct grep_answer){.files_searched = (uint64_t)lines.searched};
	buf_init(&ret->text, LIMIT_GREP_OUTPUT);
	choose(&lines, query, ret);
	for (size_t i = 0; i < lines.count && !ret->text.overflow; i++) {
		const struct line *line = &lines.items[i];
		bool apart = query->context > 0 &&
			     (before == NULL || strcmp(before->path, line->path) != 0 ||
				     line->number > before->number + 1);

		if (!line->shown) {
			continue;
		}
		if (!add_shown(ret, line, apart)) {
			ret->truncated = true;
		}
		before = line;
	}
	return true;
}

/* --- the question --- */

static bool is_plain(const struct tool_call *call, const struct grep_query *query)
{
	const struct decision *decision = call->decision;

	/* Outside a sandbox the directories above the workspace are not the tool's business, and with
	 * workspaceOnly every single open is checked: both are what the built-in does. */
	return decision != NULL && decision->sandboxed &&
	       !setting_bool(decision, "tools.fs.workspaceOnly", false) &&
	       call->session->rg_tried < sizeof(programs) / sizeof(programs[0]) &&
	       /* lines are alternatives to rg; a bad pattern has its text from the built-in */
	       strchr(query->pattern, '\n') == NULL &&
	       strlen(query->pattern) <= LIMIT_GREP_PATTERN &&
	       /* A glob of rg's own would reach what .gitignore hides; one of a file type does not,
		* but knows names alone. */
	       (query->glob == NULL || (strchr(query->glob, '/') == NULL &&
					       strncmp(query->glob, "include:", 8) != 0));
}

/* The whole workspace: below it rg 13 misreads the anchored rules of the directories above, and what
 * is elsewhere has no .gitignore files above it that count. */
static bool is_whole_workspace(struct search_rg *search)
{
	const struct decision *decision = search->call->decision;
	const char *path = search->query->path;

	return path == NULL ||
	       strcmp(path_normalize(&search->arena, workdir_map(&search->arena, decision, path)),
		       workdir_root(decision)) == 0;
}

static void build_argv(struct search_rg *search, struct strv *argv)
{
	static const char *const always[] = {"--no-config", "--json", "--no-messages", "--hidden",
		"--no-require-git", "--no-ignore-global", "--no-ignore-dot", "--no-mmap",
		"--encoding=none", "--glob=!.git"};
	const struct grep_query *query = search->query;
	struct arena *arena = &search->arena;

	strv_add_ref(argv, arena, programs[search->call->session->rg_tried]);
	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++) {
		strv_add_ref(argv, arena, always[i]);
	}
	/* One more than wanted tells that there are more. */
	strv_add(argv, arena, arena_printf(arena, "--max-count=%zu", query->limit + 1));
	strv_add(argv, arena, arena_printf(arena, "--context=%zu", query->context));
	if (query->ignore_case) {
		strv_add_ref(argv, arena, "--ignore-case");
	}
	if (query->literal) {
		strv_add_ref(argv, arena, "--fixed-strings");
	}
	if (query->no_ignore) {
		strv_add_ref(argv, arena, "--no-ignore");
	}
	if (query->glob != NULL) {
		strv_add(argv, arena, arena_printf(arena, "--type-add=creel:%s", query->glob));
		strv_add_ref(argv, arena, "--type=creel");
	}
	strv_add(argv, arena, arena_printf(arena, "--regexp=%s", query->pattern));
	strv_add_ref(argv, arena, "--");
	strv_add_ref(argv, arena, "./");
}

static void on_process(struct tool_call *call);

static bool start_process(struct search_rg *search)
{
	struct tool_call *call = search->call;
	struct strv argv = {0};
	struct error ignored;
	static const char *const no_env[] = {NULL};
	struct wire_spawn spawn = {
		.flags = WIRE_SPAWN_MERGE,
		.uid = WIRE_NO_ID,
		.gid = WIRE_NO_ID,
		.timeout_ms = LIMIT_WALK_MS,
		.cwd = workdir_root(call->decision),
		.env = no_env,
	};

	build_argv(search, &argv);
	spawn.argv = argv.items;
	if (process_start(call->session, call->session->link, &spawn, "rg", &search->process,
		    &ignored) < 0) {
		return false;
	}
	call->on_process = on_process;
	process_watch(call, search->process);
	return true;
}

static void drop_process(struct search_rg *search)
{
	struct tool_process *process = search->process;

	search->process = NULL;
	if (process != NULL) {
		if (search->call->process == process) {
			process_unwatch(search->call);
		}
		process_drop(process);
	}
}

/* Not in this image: the next place, and never again where it was looked for. */
static bool try_next(struct search_rg *search)
{
	const struct tool_process *process = search->process;
	bool missing = process->failed && process->fail_stage == WIRE_FAIL_EXEC;
	struct tool_session *session = search->call->session;

	if (!missing) {
		return false;
	}
	session->rg_tried++;
	drop_process(search);
	return session->rg_tried < sizeof(programs) / sizeof(programs[0]) && start_process(search);
}

static void finish(struct search_rg *search)
{
	struct tool_call *call = search->call;
	const struct tool_process *process = search->process;
	struct grep_answer answer = {0};
	const char *text;
	uint64_t lost;
	size_t len;
	/* 1: nothing was found. */
	bool whole = process != NULL && process->exited && process->exit.signal == 0 &&
		     process->exit.code <= 1 && process->out.dropped == 0 &&
		     process->out.missing == 0;

	if (whole) {
		text = output_from(&process->out, 0, &len, &lost);
		whole = search_rg_parse(text, len, search->query, &answer);
	}
	drop_process(search);
	search->done(call, whole ? &answer : NULL);
}

static void on_process(struct tool_call *call)
{
	struct search_rg *search = call->search;
	const struct tool_process *process = search->process;

	if (process->ended ? !try_next(search)
			   : process->out.dropped > 0 || process->out.missing > 0) {
		finish(search);
	}
}

struct search_rg *search_rg_start(
	struct tool_call *call, const struct grep_query *query, search_rg_fn done)
{
	struct search_rg *search;

	if (!is_plain(call, query)) {
		return NULL;
	}
	search = xcalloc(1, sizeof(*search));
	search->call = call;
	search->query = query;
	search->done = done;
	call->search = search;
	if (!is_whole_workspace(search) || !start_process(search)) {
		call->search = NULL;
		return search_rg_free(search);
	}
	return search;
}

struct search_rg *search_rg_free(struct search_rg *search)
{
	if (search == NULL) {
		return NULL;
	}
	drop_process(search);
	arena_finish(&search->arena);
	free(search);
	return NULL;
}
