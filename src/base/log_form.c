/* SPDX-License-Identifier: MIT */
#include "base/log_form.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"

/* Set at start, and when the configuration is read. */
static bool is_json, starts_as_json, is_journal;

static const struct {
	const char *name;
	char priority; /* syslog's */
} levels[] = {
	[LOG_LEVEL_ERROR] = {"error", '3'},
	[LOG_LEVEL_WARNING] = {"warning", '4'},
	[LOG_LEVEL_INFO] = {"info", '6'},
	[LOG_LEVEL_DEBUG] = {"debug", '7'},
};
_Static_assert(ARRAY_SIZE(levels) == LOG_LEVEL_COUNT_, "one row per level");

/* No control characters and no broken UTF-8 are left in it: two are to be escaped. */
static void add_string(struct buf *line, const char *text)
{
	_cleanup_buf_ struct buf shown = {0};

	buf_add_printable(&shown, text, strlen(text), 0);
	buf_add_char(line, '"');
	for (size_t i = 0; i < shown.len; i++) {
		if (shown.data[i] == '"' || shown.data[i] == '\\') {
			buf_add_char(line, '\\');
		}
		buf_add_char(line, shown.data[i]);
	}
	buf_add_char(line, '"');
}

static void add_member(struct buf *line, const char *key, const char *text)
{
	buf_add_str(line, line->len > 0 ? "," : "{");
	add_string(line, key);
	buf_add_char(line, ':');
	add_string(line, text);
}

static void add_time(struct buf *line)
{
	struct timespec now = {0};
	struct tm tm = {0};
	char date[32], text[48];

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	(void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(text, sizeof(text), "%s.%03ldZ", date, now.tv_nsec / 1000000);
	add_member(line, "time", text);
}

static void json_line(struct buf *line, const struct log_message *m)
{
	add_time(line);
	add_member(line, "level", levels[m->level].name);
	add_member(line, "program", m->program);
	buf_addf(line, ",\"pid\":%d", getpid());
	add_member(line, "message", m->text);
	for (const struct log_field *field = m->fields; field != NULL && field->key != NULL;
		field++) {
		if (field->value != NULL) {
			add_member(line, field->key, field->value);
		}
	}
	buf_add_char(line, '}');
}

static void journal_line(struct buf *line, const struct log_message *m)
{
	buf_addf(line, "<%c>", levels[m->level].priority);
	log_text_line(line, m);
}

static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat st;
	char ours[64];

	if (stream == NULL || fstat(STDERR_FILENO, &st) < 0) {
		return false;
	}
	(void)snprintf(ours, sizeof(ours), "%llu:%llu", (unsigned long long)st.st_dev,
		(unsigned long long)st.st_ino);
	return strcmp(stream, ours) == 0;
}

void log_form_open(void)
{
	const char *name = getenv("CREEL_LOG");

	tzset(); /* whose files gmtime_r() would open later */
	is_journal = stderr_is_journal();
	starts_as_json = name != NULL && strcmp(name, "json") == 0;
	(void)log_form_set(NULL);
}

bool log_form_set(const char *name)
{
	if (name != NULL && strcmp(name, "text") != 0 && strcmp(name, "json") != 0) {
		return false;
	}
	is_json = name != NULL ? name[0] == 'j' : starts_as_json;
	log_set_line(is_json ? json_line : is_journal ? journal_line : log_text_line);
	return true;
}

const char *log_form_name(void)
{
	return is_json ? "json" : "text";
}
