/* SPDX-License-Identifier: MIT */
/*
 * The file tools of creel-init behind a pipe, for tests in Python.
 *
 *	fs-driver WORKSPACE HOME FLAG...		FLAG: workspace-only, no-openat2
 *
 * A request and an answer are both a list of byte strings: u32 count, then u32 length and bytes of
 * each, little endian. A request starts with the name of an operation. An answer starts with "ok"
 * and the operation's fields, or is "error", the errno and the text.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/own.h"
#include "init/edit.h"
#include "init/fs_ops.h"
#include "init/glob.h"
#include "init/ignore.h"
#include "init/patch.h"

enum { ARGS_MAX = 8, REQUEST_MAX = 64 * 1024 * 1024 };

struct arg {
	char *data;
	uint32_t len;
};

static struct arg args[ARGS_MAX];
static struct buf answer;
static uint32_t answer_count;
static struct fs_root root;

static void put(const void *data, size_t len)
{
	buf_add_u32le(&answer, (uint32_t)len);
	buf_add(&answer, data, len);
	answer_count++;
}

static void put_text(const char *text)
{
	put(text, strlen(text));
}

static void put_number(uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRIu64, value);
	put_text(text);
}

static void put_buf(const struct buf *b)
{
	put(b->len > 0 ? b->data : "", b->len);
}

static void put_list(const struct strv *v)
{
	_cleanup_buf_ struct buf out = {0};

	for (size_t i = 0; i < v->count; i++) {
		buf_add(&out, v->items[i], strlen(v->items[i]) + 1);
	}
	put_buf(&out);
}

static uint64_t number(int i)
{
	uint64_t value = 0;

	if (args[i].data != NULL && num_parse_u64(args[i].data, 0, UINT64_MAX, &value) < 0) {
		abort();
	}
	return value;
}

static struct span span_of(int i)
{
	return (struct span){args[i].data, args[i].len};
}

static int run_read(struct error *err)
{
	struct fs_read_opts opts = {
		.offset = number(2),
		.limit = number(3),
		.max_bytes = number(4),
		.raw = number(5) != 0,
	};
	struct fs_read_result ret;
	int r = fs_read(&root, args[1].data, &opts, &ret, err);

	if (r < 0) {
		return r;
	}
	put_number(ret.kind);
	put_buf(&ret.data);
	put_number(ret.size);
	put_number(ret.first_line);
	put_number(ret.line_count);
	put_number(ret.next_offset);
	put_number(ret.total_lines);
	put_number(ret.cut);
	put_number(ret.long_line);
	put_text(ret.mime != NULL ? ret.mime : "");
	put_number(ret.width);
	put_number(ret.height);
	fs_read_result_finish(&ret);
	return 0;
}

static void put_written(const struct fs_write_result *w)
{
	put_number(w->created);
	put_number(w->in_place);
	put_number(w->bytes);
	put_number(w->other_names);
}

static int run_write(struct error *err)
{
	struct fs_write_result ret;
	int r = fs_write(&root, args[1].data, args[2].data, args[2].len, number(3) != 0, &ret, err);

	if (r == 0) {
		put_written(&ret);
	}
	return r;
}

static int run_edit(struct error *err)
{
	struct fs_edit_result ret;
	int r = fs_edit(&root, args[1].data, args[2].data, args[2].len, args[3].data, args[3].len,
		false, &ret, err);

	if (r < 0) {
		return r;
	}
	put_buf(&ret.diff);
	put_number(ret.first_line);
	put_number(ret.tolerant);
	put_number(ret.diff_cut);
	put_written(&ret.written);
	fs_edit_result_finish(&ret);
	return 0;
}

static int run_patch(struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	struct fs_patch_result ret;
	int r = fs_patch(&root, args[1].data, args[1].len, number(2) != 0, &arena, &ret, err);

	if (r < 0) {
		return r;
	}
	put_buf(&ret.text);
	put_list(&ret.added);
	put_list(&ret.modified);
	put_list(&ret.deleted);
	fs_patch_result_finish(&ret);
	return 0;
}

/* The engines alone: text, old, new; and text, patch (its first hunk). */
static int run_edit_text(struct error *err)
{
	struct edit_request request = {"f", span_of(1), span_of(2), span_of(3)};
	struct edit_result ret;
	int r = edit_apply(&request, &ret, err);

	if (r < 0) {
		return r;
	}
	put_buf(&ret.text);
	put_buf(&ret.diff);
	put_number(ret.first_line);
	put_number(ret.tolerant);
	edit_result_finish(&ret);
	return 0;
}

static int run_patch_text(struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	_cleanup_buf_ struct buf out = {0};
	struct patch_hunk *hunks;
	int r = patch_parse(span_of(2), &arena, &hunks, err);

	if (r == 0) {
		r = patch_apply(hunks, "f", span_of(1), &out, err);
	}
	if (r == 0) {
		put_buf(&out);
	}
	return r;
}

static int run_list(struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	struct fs_list_result ret;
	int r = fs_list(&root, args[1].data, number(2), &arena, &ret, err);

	if (r < 0) {
		return r;
	}
	put_number(ret.truncated);
	for (size_t i = 0; i < ret.count; i++) {
		const struct fs_entry *e = &ret.entries[i];
		char text[64];

		(void)snprintf(text, sizeof(text), "%c %" PRIu64 " %o ", e->type, e->size, e->mode);
		put_text(text);
		put_text(e->name);
		put_text(e->target != NULL ? e->target : "");
	}
	return 0;
}

static int run_glob(struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	struct fs_walk_opts opts = {
		.path = args[2].len > 0 ? args[2].data : NULL,
		.no_ignore = number(3) != 0,
		.limit = number(4),
	};
	struct fs_glob_result ret;
	int r = fs_glob(&root, args[1].data, &opts, &arena, &ret, err);

	if (r == 0) {
		put_list(&ret.paths);
		put_number(ret.truncated);
	}
	return r;
}

static int run_grep(struct error *err)
{
	struct fs_grep_opts opts = {
		.walk = {.path = args[2].len > 0 ? args[2].data : NULL, .limit = number(6)},
		.glob = args[3].len > 0 ? args[3].data : NULL,
		.literal = strchr(args[4].data, 'l') != NULL,
		.ignore_case = strchr(args[4].data, 'i') != NULL,
		.context = (unsigned)number(5),
	};
	struct fs_grep_result ret;
	int r = fs_grep(&root, args[1].data, &opts, &ret, err);

	if (r < 0) {
		return r;
	}
	put_buf(&ret.text);
	put_number(ret.matches);
	put_number(ret.files);
	put_number(ret.files_searched);
	put_number(ret.truncated);
	put_number(ret.lines_cut);
	fs_grep_result_finish(&ret);
	return 0;
}

static int run_glob_match(struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	struct glob glob;
	int r = glob_compile(args[1].data, &arena, &glob, err);

	if (r == 0) {
		put_number(glob_matches(&glob, args[2].data));
	}
	return r;
}

static int run_ignore_match(struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	struct ignore rules;

	(void)err;
	ignore_parse(args[1].data, args[1].len, &arena, &rules);
	put_number(ignore_match(&rules, args[2].data, number(3) != 0));
	return 0;
}

static const struct {
	const char *name;
	int (*run)(struct error *err);
} operations[] = {
	{"read", run_read},
	{"write", run_write},
	{"edit", run_edit},
	{"patch", run_patch},
	{"edit-text", run_edit_text},
	{"patch-text", run_patch_text},
	{"list", run_list},
	{"glob", run_glob},
	{"grep", run_grep},
	{"glob-match", run_glob_match},
	{"ignore-match", run_ignore_match},
};

static bool read_u32(uint32_t *ret)
{
	return fread(ret, sizeof(*ret), 1, stdin) == 1;
}

static bool read_request(void)
{
	uint32_t count;

	for (int i = 0; i < ARGS_MAX; i++) {
		free(args[i].data);
		args[i] = (struct arg){0};
	}
	if (!read_u32(&count) || count == 0 || count > ARGS_MAX) {
		return false;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (!read_u32(&args[i].len) || args[i].len > REQUEST_MAX) {
			return false;
		}
		/* Exactly as long as it is, so that a sanitizer sees what reads on. */
		args[i].data = xmalloc(args[i].len + 1);
		args[i].data[args[i].len] = '\0';
		if (fread(args[i].data, 1, args[i].len, stdin) != args[i].len) {
			return false;
		}
	}
	return true;
}

static void serve(void)
{
	struct error err = {0};
	int r = -ENOSYS;

	buf_clear(&answer);
	answer_count = 0;
	put_text("ok");
	for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
		if (strcmp(operations[i].name, args[0].data) == 0) {
			r = operations[i].run(&err);
		}
	}
	if (r < 0) {
		buf_clear(&answer);
		answer_count = 0;
		put_text("error");
		put_number((uint64_t)-r);
		put_text(err.num == -r ? err.text : "the error was not filled as returned");
	}
	(void)fwrite(&answer_count, sizeof(answer_count), 1, stdout);
	(void)fwrite(answer.data, 1, answer.len, stdout);
	(void)fflush(stdout);
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		return 2;
	}
	root.path = argv[1];
	root.home = argv[2];
	root.fd = open(argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root.fd < 0) {
		return 2;
	}
	for (int i = 3; i < argc; i++) {
		root.workspace_only |= strcmp(argv[i], "workspace-only") == 0;
		root.no_openat2 |= strcmp(argv[i], "no-openat2") == 0;
	}
	while (read_request()) {
		serve();
	}
	buf_finish(&answer);
	for (int i = 0; i < ARGS_MAX; i++) {
		free(args[i].data);
	}
	(void)close(root.fd);
	return 0;
}
