/* SPDX-License-Identifier: MIT */
/*
 * The command line, from the option tables. Not getopt_long: it takes any unambiguous abbreviation,
 * so that every new option would break somebody's script, and it words its errors itself.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/num.h"
#include "cli/cmd.h"

#define COMMON(member) offsetof(struct common_args, member)

const struct cmd_option cmd_common_options[] = {
	{"config", 0, "FILE", OPTION_TEXT, COMMON(config),
		"read this configuration instead of searching for one"},
	{"brand", 0, "BRAND", OPTION_TEXT, COMMON(brand),
		"creel, openclaw, clawdbot, verso or equabot: state directory, names and default image"},
	{"json", 0, NULL, OPTION_FLAG, COMMON(json), "print results and errors as JSON"},
	{"help", 'h', NULL, OPTION_FLAG, COMMON(help), "show this help"},
};
const size_t cmd_common_option_count = ARRAY_SIZE(cmd_common_options);

enum { MAX_OPTIONS = 32 };

/* The i-th option of a command, its own first; NULL behind the last. */
static const struct cmd_option *option_at(const struct cmd *cmd, size_t i)
{
	if (i < cmd->option_count) {
		return &cmd->options[i];
	}
	i -= cmd->option_count;
	return i < cmd_common_option_count ? &cmd_common_options[i] : NULL;
}

static const struct cmd_option *find_long(const struct cmd *cmd, const char *name, size_t len)
{
	const struct cmd_option *option;

	for (size_t i = 0; (option = option_at(cmd, i)) != NULL; i++) {
		if (strlen(option->name) == len && memcmp(option->name, name, len) == 0) {
			return option;
		}
	}
	return NULL;
}

static const struct cmd_option *find_letter(const struct cmd *cmd, char letter)
{
	const struct cmd_option *option;

	for (size_t i = 0; (option = option_at(cmd, i)) != NULL; i++) {
		if (option->letter == letter && letter != 0) {
			return option;
		}
	}
	return NULL;
}

static int unknown_option(const struct cmd *cmd, const char *name, size_t len, struct buf *message)
{
	const char *names[MAX_OPTIONS];
	_cleanup_buf_ struct buf given = {0};
	const struct cmd_option *option;
	const char *near;
	size_t count = 0;

	for (; count < MAX_OPTIONS && (option = option_at(cmd, count)) != NULL; count++) {
		names[count] = option->name;
	}
	buf_add(&given, name, len);
	near = nearest_word(given.data != NULL ? given.data : "", names, count);
	buf_addf(message, "%s: there is no option '--", cmd->name);
	buf_add_escaped(message, name, len, 60);
	buf_add_str(message, "'");
	if (near != NULL) {
		buf_addf(message, ", did you mean '--%s'?", near);
	} else {
		buf_addf(message, "; 'creel help %s' lists them", cmd->name);
	}
	return -EINVAL;
}

/* "90", "0.5", "1.5m", "2h" to milliseconds, rounded up. */
static int parse_seconds(const char *text, uint32_t *ret_ms)
{
	static const struct {
		char unit;
		uint64_t ms;
	} units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}};
	size_t len = strlen(text);
	uint64_t unit = 1000, ms = 0, place;
	bool fraction = false, digits = false;

	for (size_t i = 0; i < ARRAY_SIZE(units) && len > 0; i++) {
		if (text[len - 1] == units[i].unit) {
			unit = units[i].ms;
			len--;
			break;
		}
	}
	place = unit;
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '.' && !fraction) {
			fraction = true;
			continue;
		}
		if (text[i] < '0' || text[i] > '9') {
			return -EINVAL;
		}
		digits = true;
		if (!fraction) {
			ms = ms * 10 + (uint64_t)(text[i] - '0') * unit;
		} else {
			place /= 10;
			ms += (uint64_t)(text[i] - '0') * place;
		}
		if (ms > UINT32_MAX) {
			return -ERANGE;
		}
	}
	if (!digits || ms == 0) {
		return -EINVAL;
	}
	*ret_ms = (uint32_t)ms;
	return 0;
}

static bool is_path(const struct cmd_option *option)
{
	return strcmp(option->arg, "FILE") == 0 || strcmp(option->arg, "DIR") == 0;
}

static int set_value(const struct cmd *cmd, const struct cmd_option *option, const char *value,
	void *args, struct buf *message)
{
	char *place = (char *)args + option->offset;

	switch (option->type) {
	case OPTION_FLAG:
		*(bool *)(void *)place = true;
		return 0;
	case OPTION_TEXT:
		/* A session can have the empty name; a file cannot. */
		if (value[0] == '\0' && is_path(option)) {
			buf_addf(message, "%s: option '--%s' needs a %s that is not empty",
				cmd->name, option->name, option->arg);
			return -EINVAL;
		}
		*(const char **)(void *)place = value;
		return 0;
	case OPTION_SECONDS:
		if (parse_seconds(value, (uint32_t *)(void *)place) == 0) {
			return 0;
		}
		buf_addf(message,
			"%s: option '--%s' takes a time above 0 like 30, 0.5, 2m or 1h, not '",
			cmd->name, option->name);
		buf_add_escaped(message, value, strlen(value), 60);
		buf_add_str(message, "'");
		return -EINVAL;
	case OPTION_COUNT_:
		break;
	}
	return -EINVAL;
}

/* One option with its value. *i stands at its word and moves to the last word used. */
static int take_option(const struct cmd *cmd, const struct cmd_option *option, const char *attached,
	char **argv, int *i, void *args, struct buf *message)
{
	const char *value = attached;

	if (option->type == OPTION_FLAG) {
		if (attached != NULL) {
			buf_addf(message, "%s: option '--%s' takes no value", cmd->name,
				option->name);
			return -EINVAL;
		}
		return set_value(cmd, option, NULL, args, message);
	}
	if (value == NULL) {
		value = argv[*i + 1];
		if (value == NULL) {
			buf_addf(message, "%s: option '--%s' needs a value: %s", cmd->name,
				option->name, option->arg);
			return -EINVAL;
		}
		(*i)++;
	}
	return set_value(cmd, option, value, args, message);
}

static int take_long(const struct cmd *cmd, char **argv, int *i, void *args, struct buf *message)
{
	const char *name = argv[*i] + 2;
	size_t len = strcspn(name, "=");
	const struct cmd_option *option = find_long(cmd, name, len);

	if (option == NULL) {
		return unknown_option(cmd, name, len, message);
	}
	return take_option(
		cmd, option, name[len] == '=' ? name + len + 1 : NULL, argv, i, args, message);
}

/* "-t", "-th" and "-n5". */
static int take_letters(const struct cmd *cmd, char **argv, int *i, void *args, struct buf *message)
{
	const char *at = argv[*i] + 1;
	int r;

	for (; *at != '\0'; at++) {
		const struct cmd_option *option = find_letter(cmd, *at);

		if (option == NULL) {
			buf_addf(message, "%s: there is no option '-", cmd->name);
			buf_add_escaped(message, at, 1, 8);
			buf_addf(message, "'; 'creel help %s' lists them", cmd->name);
			return -EINVAL;
		}
		if (option->type != OPTION_FLAG) {
			return take_option(
				cmd, option, at[1] != '\0' ? at + 1 : NULL, argv, i, args, message);
		}
		r = take_option(cmd, option, NULL, argv, i, args, message);
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

static int check_operands(const struct cmd *cmd, int count, char **operands, struct buf *message)
{
	if (count < cmd->min_operands) {
		buf_addf(message, "%s: needs %s", cmd->name, cmd->operands);
		return -EINVAL;
	}
	if (cmd->max_operands >= 0 && count > cmd->max_operands) {
		const char *extra = operands[cmd->max_operands];

		buf_addf(message, "%s: takes %s%s, and there is one argument too many: '",
			cmd->name, cmd->max_operands == 0 ? "no arguments" : cmd->operands,
			cmd->max_operands == 0 ? "" : " alone");
		buf_add_escaped(message, extra, strlen(extra), 60);
		buf_add_str(message, "'");
		return -EINVAL;
	}
	return 0;
}

int cmd_parse(const struct cmd *cmd, char **argv, void *args, struct cmd_call *ret_call,
	struct buf *message)
{
	struct common_args *common = args;
	int operands = 0, i = 0, r = 0;

	*ret_call = (struct cmd_call){.cmd = cmd, .args = args, .operands = argv};
	/* Operands are moved to the front of argv, over the words that were used up. */
	for (; argv[i] != NULL; i++) {
		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		if (argv[i][0] != '-' || argv[i][1] == '\0') {
			if (cmd->operands_are_command) {
				break;
			}
			argv[operands++] = argv[i];
			continue;
		}
		r = argv[i][1] == '-' ? take_long(cmd, argv, &i, args, message)
				      : take_letters(cmd, argv, &i, args, message);
		if (r < 0) {
			return r;
		}
	}
	for (; argv[i] != NULL; i++) {
		argv[operands++] = argv[i];
	}
	argv[operands] = NULL;
	ret_call->operand_count = operands;
	return common->help ? 0 : check_operands(cmd, operands, argv, message);
}
