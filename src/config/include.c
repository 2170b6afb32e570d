/* SPDX-License-Identifier: MIT */
/* $include: parts of a configuration in other files of its directory. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/own.h"
#include "base/path.h"
#include "config/index.h"
#include "config/loader.h"

enum { INCLUDE_DEPTH = 10 };

/* The file being worked on and those that led to it. */
struct chain {
	const struct chain *up;
	const char *path; /* as the files write it: what relative names start from */
	const char *real; /* canonical */
	int depth;
};

struct includer {
	struct loader *loader;
	const char *root_dir, *real_root_dir; /* of the main file, as it was named and canonical */
};

static void process(struct includer *in, const struct chain *chain, struct doc_node *node);
static void deep_merge(struct doc_node *target, struct doc_node *source);

/* Keys that would change what every object is, in the language of the original. */
static bool is_prototype_key(const char *key)
{
	return strcmp(key, "__proto__") == 0 || strcmp(key, "constructor") == 0 ||
	       strcmp(key, "prototype") == 0;
}

static void merge_lists(struct doc_node *target, struct doc_node *source)
{
	struct doc_node *next;

	for (struct doc_node *child = source->first; child != NULL; child = next) {
		next = child->next;
		child->index = target->count;
		child->written_parent = target;
		doc_append(target, child);
	}
}

static void merge_objects(struct doc_node *target, struct doc_node *source)
{
	_cleanup_doc_index_ struct doc_index present = {0};
	struct doc_node *next;

	doc_index_add_members(&present, target);
	for (struct doc_node *child = source->first; child != NULL; child = next) {
		struct doc_node *same = doc_index_get(&present, child->key);

		next = child->next;
		if (is_prototype_key(child->key)) {
			continue;
		}
		if (same != NULL) {
			deep_merge(same, child);
		} else {
			doc_append(target, child);
		}
	}
}

/* Objects merge, lists are joined, anything else of source replaces target. */
static void deep_merge(struct doc_node *target, struct doc_node *source)
{
	if (target->type == DOC_ARRAY && source->type == DOC_ARRAY) {
		merge_lists(target, source);
		return;
	}
	if (target->type != DOC_OBJECT || source->type != DOC_OBJECT) {
		struct doc_node *link = target->next;

		*target = *source;
		target->next = link;
		return;
	}
	merge_objects(target, source);
}

static char *directory_of(struct arena *a, const char *path)
{
	size_t len = (size_t)(path_basename(path) - path);

	return arena_strndup(a, path, len > 1 ? len - 1 : len);
}

/* *ret_path is the named file's path as the files write it, the result where it really is; NULL:
 * reported. Neither may lead out of the main file's directory. */
static char *locate(struct includer *in, const struct chain *chain, const struct doc_node *name,
	const char **ret_path)
{
	struct loader *l = in->loader;
	const char *path = path_normalize(
		l->arena, path_join(l->arena, directory_of(l->arena, chain->path), name->text));
	_cleanup_free_ char *real = NULL;

	if (!path_is_below(path, in->root_dir)) {
		loader_file_error(l, name, "move the file below that directory",
			"$include '%s' leads out of the configuration's directory '%s'", name->text,
			in->root_dir);
		return NULL;
	}
	real = realpath(path, NULL);
	if (real == NULL) {
		loader_file_error(
			l, name, NULL, "cannot include '%s': %s", name->text, strerror(errno));
		return NULL;
	}
	if (!path_is_below(real, in->real_root_dir)) {
		loader_file_error(l, name, "a symbolic link on the way leads out of it",
			"$include '%s' leads out of the configuration's directory '%s'", name->text,
			in->root_dir);
		return NULL;
	}
	*ret_path = path;
	return arena_strdup(l->arena, real);
}

static bool check_chain(
	struct loader *l, const struct chain *chain, const char *real, const struct doc_node *name)
{
	for (const struct chain *up = chain; up != NULL; up = up->up) {
		if (strcmp(up->real, real) == 0) {
			loader_file_error(l, name, "remove one of the $include",
				"$include '%s' is a cycle: that file is being read already",
				name->text);
			return false;
		}
	}
	assert(chain != NULL);
	if (chain->depth >= INCLUDE_DEPTH) {
		loader_file_error(
			l, name, NULL, "$include '%s' is nested deeper than 10 files", name->text);
		return false;
	}
	if (l->includes >= LIMIT_CONFIG_INCLUDES) {
		loader_file_error(l, name, NULL, "more than 64 files are included");
		return false;
	}
	l->includes++;
	return true;
}

/* The content of one included file, its own includes resolved; NULL: reported. */
static struct doc_node *load(struct includer *in, const struct chain *chain,
	const struct doc_node *name, const struct doc_node *place)
{
	struct error err = {0};
	struct chain here = {.up = chain, .depth = chain->depth + 1};
	struct doc_node *root;

	if (name->type == DOC_BAD) {
		return NULL; /* reported when it was read */
	}
	if (name->type != DOC_STRING) {
		loader_file_error(in->loader, name, NULL, "$include takes file names; found %s",
			doc_type_name(name->type));
		return NULL;
	}
	here.real = locate(in, chain, name, &here.path);
	if (here.real == NULL || !check_chain(in->loader, chain, here.real, name)) {
		return NULL;
	}
	root = loader_parse_file(in->loader, here.real, place, &err);
	if (root == NULL) {
		if (err.num != 0) {
			loader_file_error(in->loader, name, NULL, "cannot include '%s': %s",
				name->text, err.text);
		}
		return NULL;
	}
	process(in, &here, root);
	return root;
}

/* NULL: nothing usable, reported. */
static struct doc_node *load_all(struct includer *in, const struct chain *chain,
	const struct doc_node *include, const struct doc_node *place)
{
	struct doc_node *merged;

	if (include->type != DOC_ARRAY) {
		return load(in, chain, include, place);
	}
	merged = doc_new(in->loader->arena, DOC_OBJECT, place);
	for (const struct doc_node *name = include->first; name != NULL; name = name->next) {
		struct doc_node *part = load(in, chain, name, place);

		if (part != NULL) {
			deep_merge(merged, part);
		}
	}
	return merged;
}

/* Put the included content in node's place, with node's other members over it. */
static void replace(struct includer *in, const struct chain *chain, struct doc_node *node)
{
	struct doc_node *include = doc_take(node, "$include");
	struct doc_node *content = load_all(in, chain, include, node);

	for (struct doc_node *child = node->first; child != NULL; child = child->next) {
		process(in, chain, child);
	}
	if (content == NULL) {
		node->type = DOC_BAD; /* without its content, what else it holds is not judged */
		return;
	}
	if (node->count > 0) {
		if (content->type != DOC_OBJECT) {
			loader_file_error(in->loader, include,
				"include it alone, or as a member's value",
				"the included file is %s, so no other key can stand beside "
				"$include",
				doc_type_name(content->type));
			node->type = DOC_BAD;
			return;
		}
		deep_merge(content, doc_alias(in->loader->arena, node));
	}
	node->type = content->type;
	node->boolean = content->boolean;
	node->source = content->source;
	node->offset = content->offset;
	node->count = content->count;
	if (content->type == DOC_OBJECT || content->type == DOC_ARRAY) {
		node->first = content->first;
		node->last = content->last;
	} else {
		node->integer = content->integer; /* the widest of the union's scalars */
	}
}

static void process(struct includer *in, const struct chain *chain, struct doc_node *node)
{
	if (node->type != DOC_OBJECT && node->type != DOC_ARRAY) {
		return;
	}
	if (doc_get(node, "$include") != NULL) {
		replace(in, chain, node);
		return;
	}
	for (struct doc_node *child = node->first; child != NULL; child = child->next) {
		process(in, chain, child);
	}
}

const struct doc_node *include_find(const struct doc_node *node)
{
	const struct doc_node *found = NULL;

	if (node == NULL || (node->type != DOC_OBJECT && node->type != DOC_ARRAY)) {
		return NULL;
	}
	for (const struct doc_node *child = node->first; child != NULL && found == NULL;
		child = child->next) {
		found = child->key != NULL && strcmp(child->key, "$include") == 0
				? child
				: include_find(child);
	}
	return found;
}

/* The directory is that of the path by which the main file was found: a configuration that is a
 * symbolic link includes what lies beside the link, as in the original. */
void include_resolve(struct loader *l)
{
	struct includer in = {.loader = l};
	struct chain chain = {0};
	_cleanup_free_ char *real = NULL, *real_dir = NULL;

	if (include_find(l->root) == NULL) {
		return;
	}
	chain.path = path_normalize(l->arena, l->config->path);
	in.root_dir = directory_of(l->arena, chain.path);
	real = realpath(l->config->path, NULL);
	real_dir = realpath(in.root_dir, NULL);
	if (real == NULL || real_dir == NULL) {
		loader_file_error(l, l->root, NULL, "cannot resolve the path of '%s': %s",
			chain.path, strerror(errno));
		return;
	}
	chain.real = real;
	in.real_root_dir = real_dir;
	process(&in, &chain, l->root);
}
