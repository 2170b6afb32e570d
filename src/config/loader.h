/* SPDX-License-Identifier: MIT */
/* What the steps of loading a configuration share. Private to src/config/. */
#ifndef CONFIG_LOADER_H
#define CONFIG_LOADER_H

#include "config/config.h"
#include "config/doc.h"
#include "config/source.h"

struct pending_issue {
	uint16_t source;
	uint32_t offset;
	bool warning;
	size_t order; /* of two at one place, the one found first stands first */
	const char *path, *message, *hint;
};

struct loader {
	struct config *config;
	struct arena *arena; /* the config's */
	const struct config_env *env;
	struct sources sources;
	struct doc_node *root;
	struct pending_issue *issues;
	size_t issue_count, issue_cap;
	unsigned includes;
};

/* More than a person reads; past it one file cannot fill memory with complaints. */
enum { LOADER_ISSUES_MAX = 1000 };

/* No more is reported: nothing is gained by looking for more. */
bool loader_is_full(const struct loader *l);

/* Report on a value, at its place and under its path as written. hint: NULL or arena memory. */
void loader_error(struct loader *l, const struct doc_node *node, const char *hint, const char *fmt,
	...) _printf_(4, 5);
void loader_warning(struct loader *l, const struct doc_node *node, const char *hint,
	const char *fmt, ...) _printf_(4, 5);
/* Report on a key: at the key's place, under the path of the object it stands in. */
void loader_key_error(struct loader *l, const struct doc_node *object,
	const struct doc_node *member, const char *hint, const char *fmt, ...) _printf_(5, 6);
/* Report at a node's place, but on the file as a whole: the path is "". */
void loader_file_error(struct loader *l, const struct doc_node *node, const char *hint,
	const char *fmt, ...) _printf_(4, 5);

/* Read and parse a file; its problems become issues. NULL: unusable (an issue or err says why). */
struct doc_node *loader_parse_file(
	struct loader *l, const char *path, const struct doc_node *place, struct error *err);

/* The steps, in order. Each works on l->root and reports what is wrong. */
void include_resolve(struct loader *l);
void migrate_doc(struct loader *l);
void env_substitute(struct loader *l);
void validate_doc(struct loader *l);
void normalize_doc(struct loader *l);

/* The first $include in a value, or NULL. */
const struct doc_node *include_find(const struct doc_node *node);

/* Move the keys of the old layout; one line per move goes into moved. */
void migrate_layout(struct arena *a, struct doc_node *root, struct strv *moved);

#endif
