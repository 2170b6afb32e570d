/* SPDX-License-Identifier: MIT */
/* The one table of every key: what it may hold, is when absent, does, and how blocks merge. */
#ifndef CONFIG_SCHEMA_H
#define CONFIG_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "config/config.h"

struct loader;
struct doc_node;

enum schema_type {
	SCHEMA_ANY, /* accepted and not looked at */
	SCHEMA_BOOL,
	SCHEMA_INT, /* min..max */
	SCHEMA_NUMBER, /* min..max */
	SCHEMA_STRING,
	SCHEMA_ENUM, /* values: "a|b|c" */
	SCHEMA_STRINGS, /* a list of strings */
	SCHEMA_COMMAND, /* a string, or a list of strings that are its lines */
	SCHEMA_SIZE, /* "512m", or a number of bytes */
	SCHEMA_ULIMIT, /* a number, "soft:hard", or {soft, hard} */
	SCHEMA_IDS, /* a list of strings and numbers */
	SCHEMA_SECRET, /* a string, or an object that says where to find it */
	SCHEMA_OBJECT, /* members have their own rows; nothing else is allowed */
	SCHEMA_MAP, /* any names; the row "path.*" says what they hold */
	SCHEMA_LIST, /* the row "path[]" says what the items are */
	SCHEMA_TYPE_COUNT_,
};

/* How agents.list[] meets agents.defaults (or agents.list[].tools meets tools). */
enum schema_merge {
	MERGE_RULE_NONE, /* stands in one place only */
	MERGE_RULE_OVERRIDE, /* the agent's value replaces the other */
	MERGE_RULE_CONCAT, /* the agent's items follow the other's */
	MERGE_RULE_MAP, /* by name; the agent's wins */
	MERGE_RULE_DEFAULTS, /* read from agents.defaults alone */
	MERGE_RULE_COUNT_,
};

enum schema_flags {
	SCHEMA_PASSED = 1, /* of the original; Creel has no use for it and leaves it alone */
	SCHEMA_SECRET_VALUE = 2,
	SCHEMA_REQUIRED = 4,
	SCHEMA_NOT_SHARED = 8, /* the agent's value is passed over under scope shared */
	SCHEMA_RESERVED = 16, /* name kept for later; setting it is an error */
	SCHEMA_NONEMPTY = 32,
};

struct schema_row {
	const char *path; /* may start with "@sandbox", "@tools", "@agent", "@policy" */
	enum schema_type type;
	double min, max; /* both 0: no limits */
	/* SCHEMA_ENUM: the choices; with SCHEMA_PASSED: the members of path that the row is for. */
	const char *values;
	const char *def; /* JSON text, @brand@ in it stands for the brand's name; NULL: none */
	enum schema_merge merge;
	unsigned flags;
	const char *since; /* first configuration that had it: "clawdbot", "openclaw", "creel" */
	const char *alias; /* the present name of this key, in the same object */
	const char *doc; /* one sentence */
	void (*check)(struct loader *l, struct doc_node *node);
};

extern const struct schema_row schema_rows[];
extern const size_t schema_row_count;

/* What "@name" at the start of a path stands for; NULL-terminated. NULL: no such name. */
const char *const *schema_expand(const char *path, size_t *ret_prefix_len);

/* The table as a tree. Built at the first call and kept. */
struct schema_node {
	const char *name; /* a key; "*" and "[]" for members of maps and lists */
	size_t name_len;
	const struct schema_row *row; /* never NULL in the finished tree */
	struct schema_node *first, *last, *next;
	struct schema_node *any; /* "*" or "[]" */
};
const struct schema_node *schema_tree(void);
const struct schema_node *schema_child(const struct schema_node *node, const char *key);

/* The row for a real path ("agents.list[0].sandbox.mode"), or NULL. */
const struct schema_row *schema_find(const char *path);

/* The nearest known member name, or NULL when none is near. */
const char *schema_nearest(const struct schema_node *node, const char *name);

/* A row's default for a brand; NULL: none. Borrowed, lives as long as the process. */
json_t *schema_default(const struct schema_row *row, const struct brand *brand);

/* Generated texts, each from every row. */
json_t *config_schema_json(void); /* JSON Schema 2020-12; new reference */
void config_docs_markdown(struct buf *out); /* docs/CONFIG.md */
void config_docs_man(struct buf *out); /* scdoc source of the KEYS section */

#endif
