/* SPDX-License-Identifier: MIT */
/* grep: lines of files that match, in a fixed buffer per file. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/own.h"
#include "init/edit_text.h"
#include "init/fs_walk.h"
#include "init/glob.h"

enum {
	GREP_WINDOW = 256 * 1024, /* a longer line is searched in pieces */
	GREP_KEEP = 16 * 1024, /* of what was searched, for context */
	GREP_LINE = 500, /* bytes of a line that are shown, as in the peer */
	GREP_CONTEXT_MAX = 20,
	GREP_DEFAULT = 100,
	REPEATS_MAX = 1000,
};

struct grep {
	const struct fs_root *root;
	const struct fs_grep_opts *opts;
	struct span literal; /* without opts->literal: unused */
	regex_t regex;
	bool has_regex;
	struct glob glob;
	bool glob_on_name;
	unsigned context;
	size_t limit;
	char *window; /* GREP_WINDOW + 1 bytes */
	uint64_t bytes, start_ns;
	struct fs_grep_result result;
};

/* One file: window[0, have) holds bytes, lines before at are done. */
struct search {
	struct grep *g;
	int fd;
	const char *shown;
	size_t have, at;
	uint64_t line; /* number of the line at at */
	uint64_t printed_to; /* the last line that was shown, 0: none */
	unsigned after; /* lines of context still to be shown */
	bool matched;
};

static bool is_match(struct grep *g, char *line, size_t len)
{
	char end;
	int r;

	if (g->opts->literal && !g->opts->ignore_case) {
		return memmem(line, len, g->literal.data, g->literal.len) != NULL;
	}
	if (g->opts->literal) {
		for (size_t i = 0; i + g->literal.len <= len; i++) {
			if (strncasecmp(line + i, g->literal.data, g->literal.len) == 0) {
				return true;
			}
		}
		return false;
	}
	end = line[len];
	line[len] = '\0';
	r = regexec(&g->regex, line, 0, NULL, 0);
	line[len] = end;
	return r == 0;
}

static void show(struct search *s, uint64_t number, const char *line, size_t len, char sign)
{
	struct grep *g = s->g;
	struct buf *out = &g->result.text;
	size_t start = out->len;

	if (number <= s->printed_to) {
		return;
	}
	if (g->context > 0 && out->len > 0 && (s->printed_to == 0 || number > s->printed_to + 1)) {
		buf_add_str(out, "--\n");
	}
	if (len > 0 && line[len - 1] == '\r') {
		len--;
	}
	buf_addf(out, "%s%c%llu%c ", s->shown, sign, (unsigned long long)number, sign);
	buf_add(out, line, len < GREP_LINE ? len : GREP_LINE);
	if (len > GREP_LINE) {
		buf_add_str(out, "... [truncated]");
		g->result.lines_cut = true;
	}
	buf_add_char(out, '\n');
	s->printed_to = number;
	if (out->overflow) {
		/* Whole lines only. */
		out->len = start;
		out->data[start] = '\0';
	}
}

static void show_before(struct search *s)
{
	const char *window = s->g->window;
	size_t at = s->at;
	unsigned back = 0;

	while (back < s->g->context && at > 0 && s->line > back + 1) {
		at--;
		while (at > 0 && window[at - 1] != '\n') {
			at--;
		}
		back++;
	}
	for (; back > 0; back--) {
		const char *end = memchr(window + at, '\n', s->at - at);
		size_t len = end != NULL ? (size_t)(end - window) - at : s->at - at;

		show(s, s->line - back, window + at, len, '-');
		at += len + 1;
	}
}

/* The line at [at, at + len). 1: the limit of matches was reached. */
static int search_line(struct search *s, size_t len)
{
	struct grep *g = s->g;
	char *line = g->window + s->at;

	if (is_match(g, line, len)) {
		if (g->result.matches == g->limit) {
			return 1;
		}
		g->result.matches++;
		s->matched = true;
		show_before(s);
		show(s, s->line, line, len, ':');
		s->after = g->context;
	} else if (s->after > 0) {
		s->after--;
		show(s, s->line, line, len, '-');
	}
	return g->result.text.overflow;
}

/* Make room and read on. 0: end of file, or the file cannot be read. */
static bool refill(struct search *s)
{
	size_t drop = s->at > GREP_KEEP ? s->at - GREP_KEEP : 0;
	ssize_t n;

	memmove(s->g->window, s->g->window + drop, s->have - drop);
	s->have -= drop;
	s->at -= drop;
	n = read(s->fd, s->g->window + s->have, GREP_WINDOW - s->have);
	if (n <= 0) {
		return false;
	}
	s->have += (size_t)n;
	s->g->bytes += (uint64_t)n;
	return true;
}

static int search_file(struct search *s)
{
	struct grep *g = s->g;
	bool more = refill(s);

	if (memchr(g->window, '\0', s->have < 8192 ? s->have : 8192) != NULL) {
		return 0; /* binary */
	}
	g->result.files_searched++;
	while (s->at < s->have || more) {
		const char *end = memchr(g->window + s->at, '\n', s->have - s->at);
		size_t len = end != NULL ? (size_t)(end - g->window) - s->at : s->have - s->at;

		if (end == NULL && more && len < GREP_WINDOW - GREP_KEEP) {
			more = refill(s);
			if (g->bytes > LIMIT_GREP_BYTES || fs_walk_is_late(g->start_ns)) {
				return 1;
			}
			continue;
		}
		if (search_line(s, len) != 0) {
			return 1;
		}
		s->at += len + (end != NULL);
		s->line += end != NULL;
	}
	return 0;
}

static int grep_entry(void *arg, const struct walk_entry *entry, struct error *err)
{
	struct grep *g = arg;
	_cleanup_close_ int fd = FD_NONE;
	struct search s = {.g = g, .shown = entry->shown, .line = 1};
	struct stat st;
	int r;

	(void)err;
	if (entry->type != DT_REG ||
		(g->opts->glob != NULL &&
			!glob_matches(&g->glob, g->glob_on_name ? entry->name : entry->path))) {
		return 0;
	}
	fd = openat(entry->dirfd, entry->name,
		O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
		(g->root->workspace_only && st.st_nlink > 1)) {
		return 0;
	}
	s.fd = fd;
	r = search_file(&s);
	g->result.files += s.matched;
	return r;
}

/*
 * The matcher of libc is linear in the text once a pattern is compiled, but a counted repeat is
 * written out when it is: nested ones could take all memory. \digit would need backtracking.
 */
static int check_pattern(const char *pattern, struct error *err)
{
	uint64_t product = 1, number = 0;
	bool in_count = false;

	if (*pattern == '\0' || strlen(pattern) > LIMIT_GREP_PATTERN) {
		return error_plain(err, EINVAL, "the pattern is empty or longer than %d bytes",
			LIMIT_GREP_PATTERN);
	}
	for (const char *p = pattern; *p != '\0'; p++) {
		if (*p == '\\' && p[1] != '\0') {
			p++;
			if (isdigit((unsigned char)*p)) {
				return error_plain(err, EINVAL,
					"the pattern refers back with \\%c: use exec with grep for that",
					*p);
			}
		} else if (*p == '{') {
			in_count = true;
			number = 0;
		} else if (in_count && isdigit((unsigned char)*p) && number <= REPEATS_MAX) {
			number = number * 10 + (uint64_t)(*p - '0');
		} else if (in_count && (*p == ',' || *p == '}')) {
			if (*p == '}' || p[1] == '}') {
				product *= number > 0 ? number : 1;
				in_count = false;
			}
			number = 0;
		}
		if (product > REPEATS_MAX) {
			return error_plain(err, EINVAL,
				"the pattern repeats more than %d times in all", REPEATS_MAX);
		}
	}
	return 0;
}

static int compile(struct grep *g, const char *pattern, struct error *err)
{
	char why[200];
	int r;

	if (g->opts->literal) {
		g->literal = (struct span){pattern, strlen(pattern)};
		return g->literal.len > 0 ? 0 : error_plain(err, EINVAL, "the pattern is empty");
	}
	r = check_pattern(pattern, err);
	if (r < 0) {
		return r;
	}
	r = regcomp(&g->regex, pattern,
		REG_EXTENDED | REG_NOSUB | (g->opts->ignore_case ? REG_ICASE : 0));
	if (r != 0) {
		(void)regerror(r, &g->regex, why, sizeof(why));
		return error_plain(err, EINVAL,
			"the pattern is no regular expression (%s): escape ( ) [ ] { } . * + ? with \\, "
			"or search literally",
			why);
	}
	g->has_regex = true;
	return 0;
}

static void grep_finish(struct grep *g)
{
	if (g->has_regex) {
		regfree(&g->regex);
	}
	free(g->window);
	buf_finish(&g->result.text);
}

void fs_grep_result_finish(struct fs_grep_result *result)
{
	buf_finish(&result->text);
}

int fs_grep(const struct fs_root *root, const char *pattern, const struct fs_grep_opts *opts,
	struct fs_grep_result *ret, struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_(grep_finish) struct grep g = {
		.root = root,
		.opts = opts,
		.context = opts->context < GREP_CONTEXT_MAX ? opts->context : GREP_CONTEXT_MAX,
		.limit = opts->walk.limit > 0 ? opts->walk.limit : GREP_DEFAULT,
	};
	int r = compile(&g, pattern, err);

	if (r == 0 && opts->glob != NULL) {
		g.glob_on_name = strchr(opts->glob, '/') == NULL;
		r = glob_compile(opts->glob, &arena, &g.glob, err);
	}
	if (r < 0) {
		return r;
	}
	g.start_ns = clock_now_ns();
	g.window = xmalloc(GREP_WINDOW + 1);
	buf_init(&g.result.text, LIMIT_GREP_OUTPUT);
	r = fs_walk(root, &opts->walk, grep_entry, &g, &g.result.truncated, err);
	if (r < 0) {
		return r;
	}
	*ret = g.result;
	g.result.text = (struct buf){0};
	return 0;
}
