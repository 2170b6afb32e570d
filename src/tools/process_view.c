/* SPDX-License-Identifier: MIT */
/* list, poll and log: texts and details. */
#include "tools/process_view.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/clock.h"
#include "tools/denied_command.h"
#include "tools/utf8.h"

enum {
	TAIL_CHARS = 2000,
	POLL_CHARS = 30000, /* as much as one poll shows; the rest is in log */
	LOG_LINES = 200,
	LIST_MAX = 500,
};

void process_view_say(struct tool_call *call, const char *status, const char *fmt, ...)
{
	_cleanup_buf_ struct buf text = {0};
	va_list args;

	va_start(args, fmt);
	buf_vaddf(&text, fmt, args);
	va_end(args);
	call_finish_text(call, text.data, text.len, json_pack("{s:s}", "status", status));
}

static uint64_t runtime_ms(const struct tool_process *p)
{
	return ((p->ended ? p->ended_ns : clock_now_ns()) - p->started_ns) / NS_PER_MS;
}

static void add_duration(struct buf *out, uint64_t ms)
{
	uint64_t s = ms / 1000;

	if (ms < 1000) {
		buf_addf(out, "%" PRIu64 "ms", ms);
	} else if (s < 60) {
		buf_addf(out, "%" PRIu64 "s", s);
	} else if (s < 3600) {
		buf_addf(out, "%" PRIu64 "m%" PRIu64 "s", s / 60, s % 60);
	} else {
		buf_addf(out, "%" PRIu64 "h%" PRIu64 "m", s / 3600, s / 60 % 60);
	}
}

static json_t *text_json(const struct buf *b)
{
	return json_stringn_nocheck(b->data != NULL ? b->data : "", b->len);
}

static void add_exit(json_t *details, const struct tool_process *p)
{
	const char *signal_name = process_signal_name(p);

	if (p->exited && p->exit.signal == 0) {
		(void)json_object_set_new(details, "exitCode", json_integer(p->exit.code));
	}
	if (signal_name != NULL) {
		(void)json_object_set_new(details, "exitSignal", json_string(signal_name));
	}
	if (p->exited && p->exit.timed_out) {
		(void)json_object_set_new(details, "timedOut", json_true());
	}
}

static json_t *list_entry(const struct tool_process *p)
{
	_cleanup_buf_ struct buf tail = {0};
	json_t *entry = json_object();
	size_t total;

	output_text(&p->out, TAIL_CHARS, &tail, &total);
	(void)json_object_set_new(entry, "sessionId", json_string(p->id));
	(void)json_object_set_new(entry, "status", json_string(process_status(p)));
	(void)json_object_set_new(entry, "pid", json_integer(p->pid));
	(void)json_object_set_new(entry, "startedAt", json_integer(p->started_ms));
	if (p->ended) {
		(void)json_object_set_new(entry, "endedAt", json_integer(p->ended_ms));
	}
	(void)json_object_set_new(entry, "runtimeMs", json_integer((json_int_t)runtime_ms(p)));
	(void)json_object_set_new(entry, "cwd", result_string(p->cwd, strlen(p->cwd)));
	(void)json_object_set_new(entry, "command", result_string(p->command, strlen(p->command)));
	(void)json_object_set_new(entry, "name", result_string(p->name, strlen(p->name)));
	(void)json_object_set_new(entry, "tail", text_json(&tail));
	(void)json_object_set_new(
		entry, "truncated", json_boolean(p->out.dropped > 0 || p->out.missing > 0));
	add_exit(entry, p);
	return entry;
}

void process_view_list(struct tool_call *call)
{
	_cleanup_buf_ struct buf text = {0};
	json_t *sessions = json_array();
	size_t more = 0;

	for (const struct tool_process *p = call->session->processes; p != NULL; p = p->next) {
		_cleanup_buf_ struct buf time = {0};

		if (p->id == NULL) {
			continue;
		}
		if (json_array_size(sessions) == LIST_MAX) {
			more++;
			continue;
		}
		add_duration(&time, runtime_ms(p));
		buf_addf(&text, "%s%s %-9s %s :: %s", text.len > 0 ? "\n" : "", p->id,
			process_status(p), time.data, p->name);
		(void)json_array_append_new(sessions, list_entry(p));
	}
	if (more > 0) {
		buf_addf(&text, "\n(%zu older ones not shown)", more);
	}
	if (text.len == 0) {
		buf_add_str(&text, "No running or recent sessions.");
	}
	call_finish_text(call, text.data, text.len,
		json_pack("{s:s, s:o}", "status", "completed", "sessions", sessions));
}

/* 5 s, 10 s, 30 s, 60 s: how long a model should leave a silent process alone. */
static json_int_t retry_ms(unsigned empty_polls)
{
	static const json_int_t waits[] = {5000, 10000, 30000, 60000};

	return waits[empty_polls < 4 ? empty_polls : 3];
}

static void add_losses(struct buf *text, json_t *details, uint64_t lost)
{
	if (lost > 0) {
		buf_addf(text, "[%" PRIu64 " bytes of output before this are lost]\n", lost);
		(void)json_object_set_new(details, "lostBytes", json_integer((json_int_t)lost));
	}
}

/* What came since the last poll; of an ended process that said all, its last words again. */
static void add_new_output(struct buf *text, json_t *details, struct tool_process *p)
{
	_cleanup_buf_ struct buf clean = {0};
	uint64_t lost;
	size_t len, cut = 0, chars;
	const char *raw = output_from(&p->out, p->poll_offset, &len, &lost);
	const char *shown;

	lost += p->out.missing - p->poll_missing;
	add_losses(text, details, lost);
	if (len == 0 && lost == 0 && p->ended) {
		output_text(&p->out, TAIL_CHARS, &clean, &chars);
	} else {
		utf8_clean(&clean, raw, len);
	}
	p->empty_polls = len == 0 && lost == 0 ? p->empty_polls + 1 : 0;
	p->poll_offset = output_position(&p->out);
	p->poll_missing = p->out.missing;
	shown = utf8_trim(clean.data != NULL ? clean.data : "", clean.len, &len);
	chars = utf8_count(shown, len);
	if (chars > POLL_CHARS) {
		cut = utf8_tail_offset(shown, len, POLL_CHARS);
		buf_addf(text, "[%zu characters before this: process action=log]\n",
			chars - POLL_CHARS);
	}
	buf_add(text, shown + cut, len - cut);
	if (len == 0) {
		buf_add_str(text, "(no new output)");
	}
}

void process_view_poll(struct tool_call *call, struct tool_process *p)
{
	_cleanup_buf_ struct buf text = {0};
	_cleanup_buf_ struct buf all = {0};
	json_t *details = json_object();
	size_t total;

	add_new_output(&text, details, p);
	if (!p->ended) {
		buf_add_str(&text, "\n\nProcess still running.");
		if (p->empty_polls > 0) {
			(void)json_object_set_new(
				details, "retryInMs", json_integer(retry_ms(p->empty_polls - 1)));
		}
	} else if (p->failed) {
		buf_addf(&text, "\n\nProcess failed: %s.", p->fail_text);
	} else if (process_signal_name(p) != NULL) {
		buf_addf(&text, "\n\nProcess exited with signal %s%s.", process_signal_name(p),
			p->exit.timed_out ? " (timed out)" : "");
	} else {
		buf_addf(&text, "\n\nProcess exited with code %d%s.", p->exit.code,
			p->exit.timed_out ? " (timed out)" : "");
	}
	output_text(&p->out, POLL_CHARS, &all, &total);
	(void)json_object_set_new(details, "status", json_string(process_status(p)));
	(void)json_object_set_new(details, "sessionId", json_string(p->id));
	(void)json_object_set_new(details, "name", result_string(p->name, strlen(p->name)));
	(void)json_object_set_new(details, "aggregated", text_json(&all));
	add_exit(details, p);
	denied_add(p, details, p->ended ? &text : NULL);
	call_finish_text(call, text.data, text.len, details);
}

/* Where line n begins (from 0); the end of the text when there are fewer. */
static const char *line_start(const char *text, const char *end, uint64_t n)
{
	while (n > 0 && text < end) {
		const char *lf = memchr(text, '\n', (size_t)(end - text));

		text = lf != NULL ? lf + 1 : end;
		n--;
	}
	return text;
}

struct line_range {
	uint64_t first, end;
};

static struct line_range choose_lines(const struct process_log_request *request, uint64_t total)
{
	struct line_range range = {.first = 0, .end = total};
	uint64_t limit = request->limit_given ? (uint64_t)request->limit : LOG_LINES;

	if (request->offset_given) {
		range.first = (uint64_t)request->offset < total ? (uint64_t)request->offset : total;
		if (request->limit_given && limit < total - range.first) {
			range.end = range.first + limit;
		}
		return range;
	}
	range.first = total > limit ? total - limit : 0;
	return range;
}

static void add_log_notes(struct buf *text, const struct tool_process *p,
	const struct process_log_request *request, struct line_range range, uint64_t total)
{
	if (!request->offset_given && !request->limit_given && range.first > 0) {
		buf_addf(text,
			"\n\n[showing last %d of %" PRIu64 " lines; pass offset/limit to page]",
			LOG_LINES, total);
	}
	if (range.first < p->out.dropped_lines || (range.first == 0 && p->out.dropped > 0)) {
		buf_addf(text,
			"\n\n[the first %" PRIu64 " bytes, up to line %" PRIu64
			", are not kept any more]",
			p->out.dropped, p->out.dropped_lines);
	}
	if (p->out.missing > 0) {
		buf_addf(text, "\n\n[%" PRIu64 " bytes of output are lost]", p->out.missing);
	}
}

static json_t *log_details(const struct tool_process *p, uint64_t total)
{
	json_t *details = json_object();
	const char *kept = p->out.kept.data != NULL ? p->out.kept.data : "";
	json_int_t chars = (json_int_t)utf8_count(kept, p->out.kept.len);
	json_int_t lost = (json_int_t)p->out.dropped + (json_int_t)p->out.missing;

	(void)json_object_set_new(details, "status", json_string(process_status(p)));
	(void)json_object_set_new(details, "sessionId", json_string(p->id));
	(void)json_object_set_new(details, "total", json_integer((json_int_t)total));
	(void)json_object_set_new(details, "totalLines", json_integer((json_int_t)total));
	(void)json_object_set_new(details, "totalChars", json_integer(chars));
	(void)json_object_set_new(details, "totalBytes", json_integer((json_int_t)p->out.end));
	(void)json_object_set_new(details, "lostBytes", json_integer(lost));
	(void)json_object_set_new(
		details, "truncated", json_boolean(p->out.dropped > 0 || p->out.missing > 0));
	(void)json_object_set_new(details, "name", result_string(p->name, strlen(p->name)));
	add_exit(details, p);
	denied_add(p, details, NULL);
	return details;
}

void process_view_log(struct tool_call *call, const struct tool_process *p,
	const struct process_log_request *request)
{
	uint64_t total = output_lines(&p->out);
	struct line_range range = choose_lines(request, total);
	uint64_t gone = p->out.dropped_lines;
	const char *kept = p->out.kept.data != NULL ? p->out.kept.data : "";
	const char *end = kept + p->out.kept.len;
	const char *from = line_start(kept, end, range.first > gone ? range.first - gone : 0);
	const char *to = range.end >= total
				 ? end
				 : line_start(kept, end, range.end > gone ? range.end - gone : 0);
	_cleanup_buf_ struct buf text = {0};

	utf8_clean(&text, from, (size_t)(to - from));
	while (text.len > 0 &&
		(text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r')) {
		text.data[--text.len] = '\0';
	}
	if (text.len == 0) {
		buf_add_str(&text,
			p->out.end == 0 ? "(no output recorded)" : "(no lines in this range)");
	}
	add_log_notes(&text, p, request, range, total);
	call_finish_text(call, text.data, text.len, log_details(p, total));
}
