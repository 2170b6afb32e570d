/* SPDX-License-Identifier: MIT */
/* A look into the script that a command runs, before it runs: models mix up shell and language. */
#ifndef TOOLS_PREFLIGHT_H
#define TOOLS_PREFLIGHT_H

#include "base/buf.h"
#include "wire/link.h"

enum preflight_language { PREFLIGHT_NONE, PREFLIGHT_PYTHON, PREFLIGHT_NODE };

/* The script of "python X.py", "python3 X.py" and "node X.js", as it stands in command. */
enum preflight_language preflight_script(
	const char *command, const char **ret_script, size_t *ret_len);

/*
 * Does text, from first_line (counted from 1) of a script on, hold a shell variable such as $HOME, or
 * a Node script begin with the word NODE? The reason is put into ret, without a line end.
 */
bool preflight_refuses(enum preflight_language language, const char *script, uint64_t first_line,
	const char *text, size_t len, struct buf *ret);

/* refusal: NULL when the command may run. The preflight may be freed by it. */
typedef void (*preflight_fn)(void *arg, const char *refusal);

/*
 * Read the script in the sandbox, below cwd (absolute) and up to 512 KiB; scripts that cannot be read
 * there are none of this check's business. NULL: there is nothing to look into, done never comes.
 */
struct preflight;
struct preflight *preflight_start(
	struct link *link, const char *cwd, const char *command, preflight_fn done, void *arg);
struct preflight *preflight_free(struct preflight *preflight); /* done never comes; NULL ok */

#endif
