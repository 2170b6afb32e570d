/* SPDX-License-Identifier: MIT */
/* grep by the rg of the image, with the answers of the built-in one. */
#ifndef TOOLS_SEARCH_RG_H
#define TOOLS_SEARCH_RG_H

#include "tools/internal.h"

struct grep_query {
	const char *pattern;
	const char *glob, *path; /* NULL: not given */
	bool ignore_case, literal, no_ignore;
	size_t context, limit; /* limit: matching lines */
};

struct grep_answer {
	struct buf text; /* owned; lines as fs_grep() of init/fs_ops.h writes them */
	uint64_t matches, files, files_searched;
	bool truncated, lines_cut;
};

struct search_rg;
/* answer: NULL when rg cannot answer as the built-in one would (rg is not there, its output is too
 * much, a name is no text): ask that. Called at most once. */
typedef void (*search_rg_fn)(struct tool_call *call, struct grep_answer *answer);

/* query must live as long as the search. NULL: no question for rg; done never comes. */
struct search_rg *search_rg_start(
	struct tool_call *call, const struct grep_query *query, search_rg_fn done);
struct search_rg *search_rg_free(struct search_rg *search); /* ends rg; NULL ok */

/* What rg --json printed, sorted and cut like the built-in's answer. false: not to be had from it. */
bool search_rg_parse(
	const char *json, size_t len, const struct grep_query *query, struct grep_answer *ret);

#endif
