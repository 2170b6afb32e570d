/* SPDX-License-Identifier: MIT */
/* Messages to the operator on stderr. */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"

enum { LOG_TEXT_SIZE = 4096 };

/* Set once at start, read afterwards. */
static enum log_level max_level = LOG_LEVEL_WARNING;
static const char *program = "creel";
static log_filter_fn filter;
static void *filter_arg;

static const char *const prefixes[] = {
	[LOG_LEVEL_ERROR] = "",
	[LOG_LEVEL_WARNING] = "warning: ",
	[LOG_LEVEL_INFO] = "",
	[LOG_LEVEL_DEBUG] = "debug: ",
};
_Static_assert(ARRAY_SIZE(prefixes) == LOG_LEVEL_COUNT_, "one prefix per level");

void log_set_level(enum log_level level)
{
	max_level = level;
}

void log_set_name(const char *name)
{
	program = name;
}

void log_set_filter(log_filter_fn fn, void *arg)
{
	filter = fn;
	filter_arg = arg;
}

void log_print(enum log_level level, const char *fmt, ...)
{
	_cleanup_buf_ struct buf line = {0}, shown = {0};
	char text[LOG_TEXT_SIZE];
	int saved = errno;
	va_list args;
	ssize_t n;

	if (level > max_level) {
		return;
	}
	va_start(args, fmt);
	if (vsnprintf(text, sizeof(text), fmt, args) < 0) {
		text[0] = '\0';
	}
	va_end(args);

	buf_addf(&line, "%s: %s", program, prefixes[level]);
	if (filter != NULL) {
		filter(filter_arg, text, &shown);
		buf_add_printable(&line, shown.data, shown.len, 0);
	} else {
		buf_add_printable(&line, text, strlen(text), 0);
	}
	buf_add_char(&line, '\n');
	do {
		n = write(STDERR_FILENO, line.data, line.len);
	} while (n < 0 && errno == EINTR);
	errno = saved;
}
