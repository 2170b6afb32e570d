/* SPDX-License-Identifier: MIT */
/* The user's configuration: found, read, included, substituted, migrated, validated. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

/* One row of the brand table (contract section 2). */
struct brand {
	const char *name;             /* "openclaw" */
	const char *state_dir;        /* ".openclaw", below home */
	const char *config_name;      /* "openclaw.json" */
	const char *image;            /* "openclaw-sandbox:bookworm-slim" */
	const char *browser_image, *browser_prefix, *browser_network;
	const char *container_prefix; /* "openclaw-sbx-" */
	const char *env_prefix;       /* "OPENCLAW_" */
	const char *label_prefix;     /* "openclaw." */
	const char *default_mode;     /* "off"; creel: "all" */
};
const struct brand *brand_by_name(const char *name); /* NULL: unknown */

/* Where the process environment comes in: an argument, so that loading is testable. */
struct config_env {
	const char *home;                             /* absolute */
	const char *(*get)(void *arg, const char *name); /* NULL: not set */
	void *arg;
};
/* The real one: $HOME, else the passwd file's entry for the caller; getenv. */
int config_env_from_process(struct config_env *ret, struct error *err);

struct config_request {
	const char *path;  /* --config; NULL: search */
	const char *brand; /* --brand; NULL: from the file */
	struct config_env env;
};

/* One thing wrong with a configuration. line 0: no place in a file. */
struct config_issue {
	const char *file;
	int line, column;     /* from 1; column counts characters */
	const char *path;     /* "agents.list[1].sandbox.mode"; "" for the whole file */
	const char *message;  /* what was found, what is allowed */
	const char *hint;     /* nearest name or what to do; NULL */
	bool warning;         /* does not make the configuration invalid */
};

/*
 * A loaded configuration. root is complete: includes merged, ${NAME} substituted, legacy layout
 * migrated, agents.entries turned into agents.list. Defaults are NOT filled in: a key that is absent
 * is absent, so that the decision can say "default". Immutable after loading.
 */
struct config {
	struct arena arena;
	json_t *root;              /* an object, also when there is no file */
	const struct brand *brand;
	const char *path;          /* NULL: no file was found */
	const char *home, *state_dir;
	struct config_issue *issues; /* in file order; errors and warnings */
	size_t issue_count, error_count;
};

/*
 * 0: loaded; *ret is set also when issues make it invalid (error_count > 0): such a config must not
 * be decided on, only reported. Negative errno: nothing could be read at all (unreadable file,
 * explicit path missing), err says why. Free with config_free(), which takes NULL.
 */
int config_load(const struct config_request *request, struct config **ret, struct error *err);
struct config *config_free(struct config *config);

/*
 * The value at a path of keys and indexes, or NULL. config_get(c, "agents.list[1].sandbox.mode").
 * Borrowed from the config. For hot paths take the object once and use jansson.
 */
json_t *config_get(const struct config *config, const char *path);

/* Where a value stands, for an error found after loading. false: no place known. */
bool config_position(const struct config *config, const char *path, const char **ret_file,
	int *ret_line, int *ret_column);

#endif
