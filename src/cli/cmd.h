/* SPDX-License-Identifier: MIT */
/* What a subcommand is: one row of one table, from which parsing, help and completions come. */
#ifndef CLI_CMD_H
#define CLI_CMD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/macro.h"

/* Exit statuses (contract section 3). */
enum {
	STATUS_OK = 0,
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
	STATUS_TIMED_OUT = 124,
	STATUS_CREEL = 125, /* exec: Creel's own error, never the command's */
	STATUS_CANNOT_EXECUTE = 126,
	STATUS_NOT_FOUND = 127,
	STATUS_SIGNAL = 128, /* plus the signal's number */
};

enum option_type {
	OPTION_FLAG, /* bool */
	OPTION_TEXT, /* const char *: borrowed from argv; a FILE or DIR is never empty */
	OPTION_SECONDS, /* uint32_t milliseconds from "90", "0.5", "2m", "1h"; never 0 */
	OPTION_COUNT_
};

/* One option. offset is where its value stands in the command's own argument struct. */
struct cmd_option {
	const char *name; /* without the dashes */
	char letter; /* 0: no short form */
	const char *arg; /* name of the value; "FILE" and "DIR" are completed; NULL: a flag */
	enum option_type type;
	size_t offset;
	const char *help; /* lower case, no full stop */
};

/* Every argument struct begins with this one. */
struct common_args {
	const char *config, *brand;
	bool json, help;
};

/* Where a command accepts a fixed set of words as its first operand, for completion. */
struct cmd;
struct cmd_call {
	const struct cmd *cmd;
	const void *args; /* the command's struct, common_args first */
	char **operands; /* NULL-terminated */
	int operand_count;
};

struct cmd {
	const char *name; /* "exec", "sandbox explain" */
	const char *summary; /* one line: lower case, no full stop */
	const char *operands; /* "CMD [ARG...]"; "" when it takes none */
	int min_operands, max_operands; /* max -1: any number */
	bool operands_are_command; /* option parsing stops at the first operand */
	const char *operand_words; /* "bash zsh fish": what the operand can be; NULL: anything */
	int failed_status; /* STATUS_FAILED, or STATUS_CREEL for exec */
	const struct cmd_option *options; /* beside the common ones */
	size_t option_count;
	size_t args_size;
	const char *description; /* paragraphs for help, wrapped */
	int (*run)(const struct cmd_call *call);
};

enum { CMD_ARGS_MAX = 512 };

/* The table: every command, in the order of help. */
extern const struct cmd *const cmd_table[];
extern const size_t cmd_table_count;
extern const struct cmd_option cmd_common_options[];
extern const size_t cmd_common_option_count;

/* The row of that full name, or NULL. */
const struct cmd *cmd_find(const char *name);

/*
 * Find the command that argv[0], argv[1] name: 1 or 2 words used, in *ret_words. NULL: there is none,
 * and the usage error, with the nearest name, is in message.
 */
const struct cmd *cmd_from_words(char **argv, int *ret_words, struct buf *message);

/*
 * Parse argv (behind the command's words) into args, which is zeroed and CMD_ARGS_MAX bytes.
 * 0, or -EINVAL with one sentence in message. ret_call is filled also on error, as far as it came,
 * so that --json is known.
 */
int cmd_parse(const struct cmd *cmd, char **argv, void *args, struct cmd_call *ret_call,
	struct buf *message);

/* Help texts, ending in a newline. */
void cmd_add_overview(struct buf *out);
void cmd_add_help(struct buf *out, const struct cmd *cmd);

/* Completion scripts. */
enum completion_shell { SHELL_BASH, SHELL_ZSH, SHELL_FISH, SHELL_COUNT_ };
int completion_shell_from_name(const char *name); /* -EINVAL: unknown */
void completion_add_script(struct buf *out, enum completion_shell shell);

/* The candidate that a slip of the finger would turn into word, or NULL when none is near. */
const char *nearest_word(const char *word, const char *const *candidates, size_t count);

static inline const struct common_args *cmd_common(const struct cmd_call *call)
{
	return call->args;
}

#endif
