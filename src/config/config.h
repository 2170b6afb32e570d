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
#include "base/strv.h"

/* One row of the brand table (contract section 2). */
struct brand {
	const char *name; /* "openclaw" */
	const char *state_dir; /* ".openclaw", below home */
	const char *config_name; /* "openclaw.json" */
	const char *image; /* "openclaw-sandbox:bookworm-slim" */
	const char *browser_image, *browser_prefix, *browser_network;
	const char *container_prefix; /* "openclaw-sbx-" */
	const char *env_prefix; /* "OPENCLAW_" */
	const char *label_prefix; /* "openclaw." */
	const char *default_mode; /* "off"; creel: "all" */
};
const struct brand *brand_by_name(const char *name); /* NULL: unknown */
const struct brand *brand_at(size_t index); /* in search order; NULL: past the last */

/* Where the process environment comes in: an argument, so that loading is testable. */
struct config_env {
	const char *home; /* absolute */
	const char *(*get)(void *arg, const char *name); /* NULL: not set */
	void *arg;
};
/* The real one: $HOME, else the passwd file's entry for the caller; getenv. */
int config_env_from_process(struct config_env *ret, struct error *err);

struct config_request {
	const char *path; /* --config; NULL: search */
	const char *brand; /* --brand; NULL: from the file */
	struct config_env env;
};

/* One thing wrong with a configuration. line 0: no place in a file. */
struct config_issue {
	const char *file;
	int line, column; /* from 1; column counts characters */
	size_t offset; /* the same place in bytes */
	/* "agents.list[1].sandbox.mode" as written; "" for the whole file. For an unknown key: the
	 * object it stands in; message and place name the key. */
	const char *path;
	const char *message; /* what was found, what is allowed */
	const char *hint; /* nearest name or what to do; NULL */
	bool warning; /* does not make the configuration invalid */
};

/*
 * A loaded configuration. root is complete: includes merged, ${NAME} substituted, legacy layout
 * migrated, agents.entries also turned into items of agents.list, setupCommand a string, other
 * names of a key replaced by its own (noVncEnabled, timeoutSeconds, tools.bash), integers written
 * as 1e3 or 24.0 integers. Defaults are NOT filled in: a key that is absent is absent, so that the
 * decision can say "default" (config/merge.h knows them). Immutable after loading; what is borrowed
 * from it may be referenced, but its counts must be given back before config_free().
 */
struct config {
	struct arena arena;
	json_t *root; /* an object, also when there is no file */
	const struct brand *brand;
	const char *path; /* NULL: no file was found */
	const char *home, *state_dir;
	struct config_issue *issues; /* in file order; errors and warnings */
	size_t issue_count, error_count;
	struct strv passed_over; /* keys of the original that Creel has no use for and left alone */
	struct strv migrated; /* "agent.sandbox -> agents.defaults.sandbox", in order */
	const char **agent_keys; /* per item of agents.list, as written: "agents.list[0]" or
				  * "agents.entries.work" */
	size_t agent_count;
	void *private_; /* positions; see config_position() */
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

/* The same, as the file, line, column and offset of an issue. */
bool config_issue_place(const struct config *config, const char *path, struct config_issue *issue);

/* One issue for a person: "file:line:column: path: message", the line with a caret, the hint. */
void config_print_issue(
	const struct config *config, const struct config_issue *issue, struct buf *out);

/* "agents.list[1].tools" -> "agents.list.1.tools": how the original writes a path in its JSON. */
char *config_path_dotted(struct arena *a, const char *path);

/*
 * Bring the text of an old configuration (agent.*, routing.*) into the present layout. What did not
 * move keeps its text and comments; a block that moved takes its own comments along. *ret_text is
 * NULL when there is nothing to do; moved gets one line per move. The caller writes the file.
 * -EINVAL: the text cannot be read at all, or includes files where keys would move.
 */
int config_migrate_text(const char *name, const char *text, size_t len, char **ret_text,
	struct strv *moved, struct arena *a, struct error *err);

#endif
