/* SPDX-License-Identifier: MIT */
/* Messages to the operator on stderr. */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"

enum { LOG_TEXT_SIZE = 4096, FIELDS_MAX = 4 };

/* Set once at start, read afterwards. */
static enum log_level max_level = LOG_LEVEL_WARNING;
static const char *program = "creel";
static log_filter_fn filter;
static void *filter_arg;
static log_line_fn make_line = log_text_line;

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

void log_text_line(struct buf *line, const struct log_message *m)
{
	buf_addf(line, "%s: %s", m->program, prefixes[m->level]);
	buf_add_printable(line, m->text, strlen(m->text), 0);
}

void log_set_line(log_line_fn fn)
{
	make_line = fn;
}

static void write_line(const struct log_message *message)
{
	_cleanup_buf_ struct buf line = {0};
	ssize_t n;

	make_line(&line, message);
	buf_add_char(&line, '\n');
	do {
		n = write(STDERR_FILENO, line.data, line.len);
	} while (n < 0 && errno == EINTR);
}

/* Fields past those are left out. */
static void write_filtered(const struct log_message *message)
{
	struct buf shown[1 + FIELDS_MAX] = {0};
	struct log_field fields[FIELDS_MAX + 1] = {0};
	struct log_message filtered = *message;

	filter(filter_arg, message->text, &shown[0]);
	filtered.text = shown[0].data != NULL ? shown[0].data : "";
	for (size_t i = 0;
		message->fields != NULL && i < FIELDS_MAX && message->fields[i].key != NULL; i++) {
		fields[i].key = message->fields[i].key;
		if (message->fields[i].value != NULL) {
			filter(filter_arg, message->fields[i].value, &shown[i + 1]);
			fields[i].value = shown[i + 1].data;
		}
	}
	filtered.fields = fields;
	write_line(&filtered);
	for (size_t i = 0; i < ARRAY_SIZE(shown); i++) {
		buf_finish(&shown[i]);
	}
}

static _printf_(3, 0) void print(
	enum log_level level, const struct log_field *fields, const char *fmt, va_list args)
{
	char text[LOG_TEXT_SIZE];
	struct log_message message = {
		.level = level, .program = program, .text = text, .fields = fields};
	int saved = errno;

	if (level > max_level) {
		return;
	}
	if (vsnprintf(text, sizeof(text), fmt, args) < 0) {
		text[0] = '\0';
	}
	if (filter != NULL) {
		write_filtered(&message);
	} else {
		write_line(&message);
	}
	errno = saved;
}

void log_print(enum log_level level, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	print(level, NULL, fmt, args);
	va_end(args);
}

void log_with(enum log_level level, const struct log_field *fields, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	print(level, fields, fmt, args);
	va_end(args);
}
