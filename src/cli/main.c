/* SPDX-License-Identifier: MIT */
/* creel: finds the command in the table and runs it. */
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/fail.h"

/*
 * A caller may have closed 0, 1 or 2. The next open(2) would then take that number, and a socket or
 * a configuration would be read or written as if it were the caller's terminal. Each hole is filled
 * with /dev/null opened the wrong way round: using it fails as a closed descriptor does.
 */
static void fill_standard_fds(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 &&
			open("/dev/null", (fd == STDIN_FILENO ? O_WRONLY : O_RDONLY)) != fd) {
			abort();
		}
	}
}

static bool asks_for_json(char **argv)
{
	for (int i = 0; argv[i] != NULL && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			return true;
		}
	}
	return false;
}

static int print_help(const struct cmd *cmd)
{
	struct common_args args = {0};
	struct cmd_call call = {.cmd = cmd, .args = &args};
	_cleanup_buf_ struct buf out = {0};

	if (cmd != NULL) {
		cmd_add_help(&out, cmd);
	} else {
		cmd_add_overview(&out);
	}
	return print_text(&call, &out);
}

static int run_help(char **argv)
{
	_cleanup_buf_ struct buf message = {0};
	const struct cmd *cmd;
	int words;

	if (argv[0] == NULL || argv[0][0] == '-') {
		return print_help(NULL);
	}
	cmd = cmd_from_words(argv, &words, &message);
	return cmd != NULL ? print_help(cmd) : fail_usage(false, message.data);
}

static int print_version(void)
{
	struct common_args args = {0};
	struct cmd_call call = {.args = &args};
	_cleanup_buf_ struct buf out = {0};

	buf_add_str(&out, "creel " CREEL_VERSION "\n");
	return print_text(&call, &out);
}

static int run_command(char **argv)
{
	_Alignas(max_align_t) char args[CMD_ARGS_MAX] = {0};
	_cleanup_buf_ struct buf message = {0};
	struct cmd_call call = {0};
	const struct cmd *cmd;
	int words = 0;

	cmd = cmd_from_words(argv, &words, &message);
	if (cmd == NULL) {
		return fail_usage(asks_for_json(argv), message.data);
	}
	if (cmd_parse(cmd, argv + words, args, &call, &message) < 0) {
		return fail_usage(cmd_common(&call)->json || asks_for_json(argv), message.data);
	}
	return cmd_common(&call)->help ? print_help(cmd) : cmd->run(&call);
}

int main(int argc, char **argv)
{
	fill_standard_fds();
	/* Or jansson would open /dev/urandom for it: against hash collisions in JSON of strangers. */
	json_object_seed(arc4random());
	if (argc < 2) {
		return fail_usage(false, "no command given; 'creel help' lists them");
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		return print_version();
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		return print_help(NULL);
	}
	if (strcmp(argv[1], "help") == 0) {
		return run_help(argv + 2);
	}
	return run_command(argv + 1);
}
