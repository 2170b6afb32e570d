/* SPDX-License-Identifier: MIT */
/* Find the configuration, read it, and answer questions about it. */
#include "config/config.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/own.h"
#include "base/path.h"
#include "config/json5.h"
#include "config/loader.h"

static const char *process_getenv(void *arg, const char *name)
{
	(void)arg;
	return getenv(name);
}

int config_env_from_process(struct config_env *ret, struct error *err)
{
	const char *home = getenv("HOME");

	if (home == NULL || *home == '\0') {
		const struct passwd *entry = getpwuid(geteuid());

		home = entry != NULL ? entry->pw_dir : NULL;
	}
	if (home == NULL || *home != '/') {
		return error_plain(
			err, ENOENT, "no home directory is known; set HOME to an absolute path");
	}
	*ret = (struct config_env){.home = home, .get = process_getenv};
	return 0;
}

bool loader_is_full(const struct loader *l)
{
	return l->issue_count >= LOADER_ISSUES_MAX;
}

static void add_issue(struct loader *l, struct pending_issue issue)
{
	if (loader_is_full(l)) {
		return;
	}
	if (l->issue_count >= l->issue_cap) {
		l->issue_cap = l->issue_cap > 0 ? l->issue_cap * 2 : 16;
		l->issues = xreallocarray(l->issues, l->issue_cap, sizeof(*l->issues));
	}
	issue.order = l->issue_count;
	l->issues[l->issue_count++] = issue;
}

/* With its text and, unless it has one, the path of about. */
static _printf_(4, 0) void add_formatted(struct loader *l, struct pending_issue issue,
	const struct doc_node *about, const char *fmt, va_list args)
{
	_cleanup_buf_ struct buf text = {0};

	if (loader_is_full(l)) {
		return;
	}
	buf_vaddf(&text, fmt, args);
	issue.message = arena_strdup(l->arena, text.data != NULL ? text.data : "");
	if (issue.path == NULL) {
		issue.path = doc_path(l->arena, about);
	}
	add_issue(l, issue);
}

void loader_error(
	struct loader *l, const struct doc_node *node, const char *hint, const char *fmt, ...)
{
	struct pending_issue issue = {.source = node->source, .offset = node->offset, .hint = hint};
	va_list args;

	va_start(args, fmt);
	add_formatted(l, issue, node, fmt, args);
	va_end(args);
}

void loader_warning(
	struct loader *l, const struct doc_node *node, const char *hint, const char *fmt, ...)
{
	struct pending_issue issue = {
		.source = node->source, .offset = node->offset, .warning = true, .hint = hint};
	va_list args;

	va_start(args, fmt);
	add_formatted(l, issue, node, fmt, args);
	va_end(args);
}

void loader_key_error(struct loader *l, const struct doc_node *object,
	const struct doc_node *member, const char *hint, const char *fmt, ...)
{
	struct pending_issue issue = {
		.source = member->source, .offset = member->key_offset, .hint = hint};
	va_list args;

	va_start(args, fmt);
	add_formatted(l, issue, object, fmt, args);
	va_end(args);
}

void loader_file_error(
	struct loader *l, const struct doc_node *node, const char *hint, const char *fmt, ...)
{
	struct pending_issue issue = {
		.source = node->source, .offset = node->offset, .path = "", .hint = hint};
	va_list args;

	va_start(args, fmt);
	add_formatted(l, issue, node, fmt, args);
	va_end(args);
}

struct doc_node *loader_parse_file(
	struct loader *l, const char *path, const struct doc_node *place, struct error *err)
{
	struct json5_result result;
	const struct source *source;
	uint16_t index;

	if (source_read(&l->sources, l->arena, path, &index, err) < 0) {
		return NULL;
	}
	source = &l->sources.items[index];
	if (json5_parse(l->arena, source->text, source->len, index, place, &result) < 0) {
		for (const struct json5_problem *p = result.first; p != NULL; p = p->next) {
			add_issue(l, (struct pending_issue){.source = index,
					     .offset = p->offset,
					     .path = p->path,
					     .message = p->message,
					     .hint = p->hint});
		}
	}
	return result.root;
}

/* The files in the order in which they were read, each from top to bottom. */
static int compare_issues(const void *a, const void *b)
{
	const struct pending_issue *x = a, *y = b;

	if (x->source != y->source) {
		return x->source < y->source ? -1 : 1;
	}
	if (x->offset != y->offset) {
		return x->offset < y->offset ? -1 : 1;
	}
	return x->order < y->order ? -1 : x->order > y->order;
}

/* Places in ascending order: each file is walked once, however many issues it has. */
struct cursor {
	uint16_t source;
	size_t offset;
	int line, column;
};

static void position_next(
	struct cursor *at, uint16_t index, const struct source *source, size_t offset)
{
	if (at->line == 0 || at->source != index) {
		*at = (struct cursor){.source = index, .line = 1, .column = 1};
	}
	text_advance(source->text, source->len, &at->offset, offset, &at->line, &at->column);
}

/* Keys and texts of the file are quoted in messages: they must not drive a terminal. */
static const char *printable(struct arena *a, const char *text)
{
	char *copy = NULL;

	for (size_t i = 0; text != NULL && text[i] != '\0'; i++) {
		unsigned char c = (unsigned char)text[i];
		bool c1 = c == 0xc2 && (unsigned char)text[i + 1] < 0xa0;

		if (c >= 0x20 && c != 0x7f && !c1) {
			continue;
		}
		if (copy == NULL) {
			text = copy = arena_strdup(a, text);
		}
		copy[i] = '?';
		if (c1) {
			copy[++i] = '?';
		}
	}
	return text;
}

static void finish_issues(struct loader *l)
{
	struct config *config = l->config;
	struct cursor cursor = {0};

	if (l->issue_count > 0) {
		qsort(l->issues, l->issue_count, sizeof(*l->issues), compare_issues);
	}
	config->issues = arena_calloc(l->arena, l->issue_count, sizeof(*config->issues));
	config->issue_count = l->issue_count;
	for (size_t i = 0; i < l->issue_count; i++) {
		const struct pending_issue *from = &l->issues[i];
		const struct source *source = &l->sources.items[from->source];
		struct config_issue *to = &config->issues[i];

		*to = (struct config_issue){.file = source->name,
			.offset = from->offset,
			.path = printable(l->arena, from->path),
			.message = printable(l->arena, from->message),
			.hint = printable(l->arena, from->hint),
			.warning = from->warning};
		position_next(&cursor, from->source, source, from->offset);
		to->line = cursor.line;
		to->column = cursor.column;
		config->error_count += !from->warning;
	}
	free(l->issues);
}

/* What config_position() and config_print_issue() need after loading. */
struct config_private {
	struct doc_node *root;
	struct sources sources;
};

static bool is_named(const char *path, size_t len, const char *name)
{
	size_t name_len = strlen(name);

	return len > name_len && path[len - name_len - 1] == '/' &&
	       memcmp(path + len - name_len, name, name_len) == 0;
}

/* The brand whose directory an absolute file stands in, else the one whose file name it has. */
static const struct brand *brand_of_path(struct arena *a, const char *file)
{
	const char *path = path_normalize(a, file), *base = path_basename(path);
	size_t dir_len = base > path ? (size_t)(base - path) - 1 : 0;

	for (size_t i = 0; brand_at(i) != NULL; i++) {
		if (is_named(path, dir_len, brand_at(i)->state_dir)) {
			return brand_at(i);
		}
	}
	for (size_t i = 0; brand_at(i) != NULL; i++) {
		if (strcmp(base, brand_at(i)->config_name) == 0) {
			return brand_at(i);
		}
	}
	return brand_at(0);
}

static const char *absolute(struct arena *a, const char *path)
{
	_cleanup_free_ char *cwd = NULL;

	if (path == NULL || path_is_absolute(path)) {
		return path;
	}
	cwd = getcwd(NULL, 0);
	return path_join(a, cwd != NULL ? cwd : "/", path);
}

/* The state directory of a brand: <PREFIX>STATE_DIR, else below home. */
static const char *state_dir(
	struct arena *a, const struct config_env *env, const struct brand *brand)
{
	const char *set = env->get(env->arg, arena_printf(a, "%sSTATE_DIR", brand->env_prefix));

	if (set != NULL && *set != '\0') {
		return absolute(a, path_expand_home(a, set, env->home));
	}
	return path_join(a, env->home, brand->state_dir);
}

/* --config, $CREEL_CONFIG, then each brand's own place, which is a standard one. NULL: there is
 * none. */
static const char *find_file(
	struct arena *a, const struct config_request *request, bool *ret_standard)
{
	const char *named = request->path;

	*ret_standard = false;
	if (named == NULL) {
		named = request->env.get(request->env.arg, "CREEL_CONFIG");
		named = named != NULL && *named != '\0' ? named : NULL;
	}
	if (named != NULL) {
		return path_expand_home(a, named, request->env.home);
	}
	*ret_standard = true;
	for (size_t i = 0; brand_at(i) != NULL; i++) {
		const struct brand *brand = brand_at(i);
		const char *path;
		struct stat st;

		if (request->brand != NULL && strcmp(request->brand, brand->name) != 0) {
			continue;
		}
		path = path_join(a, state_dir(a, &request->env, brand), brand->config_name);
		/* A file that is there but unreadable must not be passed over for the next one. */
		if (lstat(path, &st) == 0 || (errno != ENOENT && errno != ENOTDIR)) {
			return path;
		}
	}
	return NULL;
}

static const struct brand *brand_of_standard_path(
	struct arena *a, const struct config_env *env, const char *path)
{
	for (size_t i = 0; brand_at(i) != NULL; i++) {
		const struct brand *brand = brand_at(i);

		if (strcmp(path, path_join(a, state_dir(a, env, brand), brand->config_name)) == 0) {
			return brand;
		}
	}
	return brand_of_path(a, path);
}

static int choose_brand(struct config *config, const struct config_request *request, bool standard,
	struct error *err)
{
	if (request->brand != NULL) {
		config->brand = brand_by_name(request->brand);
		if (config->brand == NULL) {
			return error_plain(err, EINVAL,
				"unknown brand '%s'; use creel, openclaw, clawdbot, verso or "
				"equabot",
				request->brand);
		}
	} else if (config->path == NULL) {
		config->brand = brand_at(0);
	} else if (standard) {
		config->brand = brand_of_standard_path(&config->arena, &request->env, config->path);
	} else {
		config->brand = brand_of_path(&config->arena, config->path);
	}
	return 0;
}

static void run_steps(struct loader *l)
{
	struct doc_node *empty = doc_new(l->arena, DOC_OBJECT, l->root);

	include_resolve(l);
	if (l->root->type != DOC_OBJECT) {
		if (l->issue_count == 0) {
			loader_error(l, l->root, "write { ... }",
				"a configuration is an object; found %s",
				doc_type_name(l->root->type));
		}
		l->root = empty;
		return;
	}
	migrate_doc(l);
	env_substitute(l);
	validate_doc(l);
	normalize_doc(l);
}

static int read_config(struct loader *l, struct error *err)
{
	static const struct doc_node empty = {.type = DOC_OBJECT};
	struct config *config = l->config;
	struct error cause = {0};

	l->root = doc_alias(l->arena, &empty);
	if (config->path != NULL) {
		struct doc_node *root = loader_parse_file(l, config->path, NULL, &cause);

		if (root == NULL && cause.num != 0) {
			*err = cause;
			return -cause.num;
		}
		if (root != NULL && root->type != DOC_OBJECT && root->type != DOC_BAD) {
			loader_error(l, root, "write { ... }",
				"a configuration is an object; found %s",
				doc_type_name(root->type));
		} else if (root != NULL && root->type == DOC_OBJECT) {
			l->root = root;
			run_steps(l);
		}
	}
	return 0;
}

int config_load(const struct config_request *request, struct config **ret, struct error *err)
{
	struct config *config = xcalloc(1, sizeof(*config));
	struct loader l = {.config = config, .arena = &config->arena, .env = &request->env};
	struct config_private *private;
	bool standard;
	int r;

	if (request->path != NULL && *request->path == '\0') {
		free(config);
		return error_plain(err, EINVAL, "the name of the configuration file is empty");
	}
	config->path = absolute(l.arena, find_file(l.arena, request, &standard));
	config->home = arena_strdup(l.arena, request->env.home);
	r = choose_brand(config, request, standard, err);
	if (r == 0) {
		config->state_dir =
			arena_strdup(l.arena, state_dir(l.arena, &request->env, config->brand));
		r = read_config(&l, err);
	}
	if (r < 0) {
		free(l.issues);
		(void)config_free(config);
		return r;
	}
	finish_issues(&l);
	config->root = doc_to_json(l.arena, l.root);
	private = arena_alloc(l.arena, sizeof(*private));
	*private = (struct config_private){.root = l.root, .sources = l.sources};
	config->private_ = private;
	*ret = config;
	return 0;
}

struct config *config_free(struct config *config)
{
	if (config != NULL) {
		arena_finish(&config->arena);
		free(config);
	}
	return NULL;
}

static json_t *json_step(const json_t *value, const struct doc_step *step)
{
	char key[256];

	if (json_is_array(value)) {
		return step->key == NULL || step->numeric ? json_array_get(value, step->index)
							  : NULL;
	}
	if (!json_is_object(value) || step->key == NULL || step->key_len >= sizeof(key)) {
		return NULL;
	}
	memcpy(key, step->key, step->key_len);
	key[step->key_len] = '\0';
	return json_object_get(value, key);
}

json_t *config_get(const struct config *config, const char *path)
{
	json_t *value = config->root;
	struct doc_step step;

	while (value != NULL && *path != '\0') {
		if (!doc_path_step(&path, &step)) {
			return NULL;
		}
		value = json_step(value, &step);
	}
	return value;
}

bool config_issue_place(const struct config *config, const char *path, struct config_issue *issue)
{
	const struct config_private *private = config->private_;
	const struct doc_node *node = doc_at(private->root, path);
	const struct source *source;

	if (node == NULL || node->source >= private->sources.count) {
		return false;
	}
	source = &private->sources.items[node->source];
	issue->file = source->name;
	issue->offset = node->offset;
	text_position(source->text, source->len, node->offset, &issue->line, &issue->column);
	return true;
}

bool config_position(const struct config *config, const char *path, const char **ret_file,
	int *ret_line, int *ret_column)
{
	struct config_issue place;

	if (!config_issue_place(config, path, &place)) {
		return false;
	}
	*ret_file = place.file;
	*ret_line = place.line;
	*ret_column = place.column;
	return true;
}

void config_print_issue(
	const struct config *config, const struct config_issue *issue, struct buf *out)
{
	const struct config_private *private = config->private_;

	buf_addf(out, "%s:%d:%d: %s%s%s", issue->file, issue->line, issue->column,
		issue->warning ? "warning: " : "", issue->path, issue->path[0] != '\0' ? ": " : "");
	buf_addf(out, "%s\n", issue->message);
	for (size_t i = 0; i < private->sources.count; i++) {
		const struct source *source = &private->sources.items[i];

		if (issue->line > 0 && strcmp(source->name, issue->file) == 0) {
			text_caret(source->text, source->len, issue->offset, issue->line, out);
			break;
		}
	}
	if (issue->hint != NULL) {
		buf_addf(out, "      = %s\n", issue->hint);
	}
}

char *config_path_dotted(struct arena *a, const char *path)
{
	_cleanup_buf_ struct buf out = {0};

	for (const char *p = path; *p != '\0'; p++) {
		bool index = *p == '[' && p[1] >= '0' && p[1] <= '9';

		if (index && out.len > 0) {
			buf_add_char(&out, '.');
		} else if (!index && !(*p == ']' && p > path && p[-1] >= '0' && p[-1] <= '9')) {
			buf_add_char(&out, *p);
		}
	}
	return arena_strdup(a, out.data != NULL ? out.data : "");
}
