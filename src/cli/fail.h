/* SPDX-License-Identifier: MIT */
/* How a command says that it failed: one line on stderr, or one object on stdout with --json. */
#ifndef CLI_FAIL_H
#define CLI_FAIL_H

#include "base/error.h"
#include "cli/cmd.h"
#include "config/config.h"

/* The closed set of error.code values; scripts match on them. */
#define CODE_USAGE "usage"
#define CODE_CONFIG_INVALID "config_invalid"
#define CODE_CONFIG_UNREADABLE "config_unreadable"
#define CODE_REFUSED "refused" /* the configuration or a rule forbids it */
#define CODE_SANDBOX "sandbox" /* the sandbox could not be made or was lost */
#define CODE_NOT_FOUND "not_found" /* the command, the key */
#define CODE_CANNOT_EXECUTE "cannot_execute"
#define CODE_IO "io"

struct failure {
	const char *code, *message;
	const char *hint; /* what to do; NULL */
	const char *file, *path; /* configuration file and key path; NULL */
	int line, column; /* 0: none */
};

/* Report. Returns status, so that a command can end in return fail(...). */
int fail(const struct cmd_call *call, int status, const struct failure *failure);
int fail_error(const struct cmd_call *call, int status, const char *code, const struct error *err);
int fail_usage(bool json, const char *message);

/*
 * An invalid configuration: every issue as file:line:column, the line with a caret, what is allowed
 * and the hint; with --json {"error":{...},"issues":[...]}.
 */
int fail_config(const struct cmd_call *call, int status, const struct config *config);

/* One issue; a new reference. */
json_t *issue_json(const struct config_issue *issue);

/* A whole document on stdout, indented, with a final newline. 0, or STATUS_FAILED after reporting
 * that stdout could not be written. */
int print_json(const struct cmd_call *call, json_t *object);
int print_text(const struct cmd_call *call, const struct buf *text);

#endif
