/* SPDX-License-Identifier: MIT */
#include "cli/terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/macro.h"

/* A process has one controlling terminal, and the exit paths take no argument. */
static struct termios saved;
static int saved_fd;
static volatile sig_atomic_t is_raw;

void terminal_size(uint16_t *ret_rows, uint16_t *ret_columns)
{
	struct winsize size = {0};

	*ret_rows = 24;
	*ret_columns = 80;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0) {
			*ret_rows = size.ws_row;
			*ret_columns = size.ws_col;
			return;
		}
	}
}

void terminal_restore(void)
{
	int num = errno;

	if (is_raw) {
		is_raw = 0;
		/* tcsetattr is async-signal-safe (signal-safety(7)). TCSADRAIN waits until what the
		 * command printed last has been shown under the settings it was printed for. */
		(void)tcsetattr(saved_fd, TCSADRAIN, &saved);
	}
	errno = num;
}

static void on_fatal(int signo)
{
	terminal_restore();
	(void)raise(signo); /* SA_RESETHAND: this time it ends the process */
}

static void catch_fatal_signals(void)
{
	static const int fatal[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
	struct sigaction action = {.sa_handler = on_fatal, .sa_flags = (int)SA_RESETHAND};

	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++) {
		(void)sigaction(fatal[i], &action, NULL);
	}
}

int terminal_make_raw(int fd)
{
	static bool registered;
	struct termios raw;

	if (tcgetattr(fd, &saved) < 0) {
		return errno == ENOTTY ? 0 : -errno;
	}
	if (!registered) {
		registered = true;
		(void)atexit(terminal_restore);
		catch_fatal_signals();
	}
	raw = saved;
	cfmakeraw(&raw);
	saved_fd = fd;
	is_raw = 1;
	if (tcsetattr(fd, TCSADRAIN, &raw) < 0) {
		int num = errno;

		terminal_restore();
		return -num;
	}
	return 0;
}
