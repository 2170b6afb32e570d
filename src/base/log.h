/* SPDX-License-Identifier: MIT */
/* Messages to the operator on stderr. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/macro.h"

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_COUNT_,
};

/*
 * One message is one line and one write(2), so that lines of several processes do not mix:
 * "creel: text" or "creel: warning: text". Control bytes and broken UTF-8 in the text come out
 * as \xNN: whoever chose a part of it cannot forge a second line or drive the terminal. Text
 * past 4 KiB is cut. errno is left as it was; a failed write is ignored.
 *
 * Library folders log at debug alone; errors travel in struct error until the command line or
 * the daemon prints them once.
 */
void log_print(enum log_level level, const char *fmt, ...) _printf_(2, 3);

/* What a message is about, for forms of the log that have fields; value NULL: not known. */
struct log_field {
	const char *key, *value;
};
/* For log_with(): LOG_FIELDS({"sandbox", name}). */
#define LOG_FIELDS(...) ((const struct log_field[]){__VA_ARGS__, {NULL, NULL}})
void log_with(enum log_level level, const struct log_field *fields, const char *fmt, ...)
	_printf_(3, 4);

/* Nothing below level is printed. At first: LOG_LEVEL_WARNING. */
void log_set_level(enum log_level level);
/* The name before the colon; at first "creel". Kept, not copied. */
void log_set_name(const char *name);

/* What is done to each text before it is written: appends what may be shown of it to out. fn NULL: nothing.
 * Kept, not copied; it must not log. */
struct buf;
typedef void (*log_filter_fn)(void *arg, const char *text, struct buf *out);
void log_set_filter(log_filter_fn fn, void *arg);

/* How a message becomes a line, appended without its newline (base/log_form.h). At first: log_text_line. */
struct log_message {
	enum log_level level;
	const char *program, *text;
	const struct log_field *fields; /* NULL: none */
};
typedef void (*log_line_fn)(struct buf *line, const struct log_message *message);
void log_text_line(struct buf *line, const struct log_message *message);
void log_set_line(log_line_fn fn);

#define log_error(...) log_print(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_print(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_print(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_print(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
