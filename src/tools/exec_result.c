/* SPDX-License-Identifier: MIT */
/* Texts and details of exec. */
#include "tools/exec_result.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "tools/denied_command.h"
#include "tools/utf8.h"

enum { TAIL_CHARS = 2000, EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 };

static json_int_t duration_ms(const struct tool_process *process)
{
	uint64_t end_ns = process->ended ? process->ended_ns : clock_now_ns();

	return (json_int_t)((end_ns - process->started_ns) / NS_PER_MS);
}

/* Why it counts as failed; empty: it completed, with whatever exit code. Returns the failure type. */
static const char *add_reason(struct buf *text, const struct exec_report *report)
{
	const struct tool_process *p = report->process;

	if (p->failed && p->fail_stage == WIRE_FAIL_EXEC &&
		(p->fail_errnum == ENOENT || p->fail_errnum == EACCES)) {
		buf_addf(text, "the sandbox has no usable /bin/sh: %s", p->fail_text);
		return TOOL_FAIL_FAILED;
	}
	if (p->failed) {
		buf_add_str(text, p->fail_text);
		/* No stage: it was lost with its sandbox, which is no fault of the command's. */
		return p->fail_stage == 0 ? TOOL_FAIL_UNAVAILABLE : TOOL_FAIL_FAILED;
	}
	if (p->exited && p->exit.timed_out) {
		buf_addf(text,
			"Command timed out after %" PRId64
			" seconds. If it is expected to take longer, "
			"run it again with a higher timeout (e.g. timeout=%" PRId64 ").",
			report->timeout_s, report->timeout_s < 150 ? 300 : report->timeout_s * 2);
		return TOOL_FAIL_TIMEOUT;
	}
	if (!p->exited || p->exit.signal != 0) {
		const char *signal_name = process_signal_name(p);

		if (signal_name != NULL) {
			buf_addf(text, "Command aborted by signal %s", signal_name);
		} else {
			buf_add_str(text, "Command aborted before an exit code was captured");
		}
		return report->aborted ? TOOL_FAIL_ABORTED : TOOL_FAIL_FAILED;
	}
	if (p->exit.code == EXIT_NOT_FOUND) {
		buf_add_str(text, "Command not found");
	} else if (p->exit.code == EXIT_NOT_EXECUTABLE) {
		buf_add_str(text, "Command not executable (permission denied)");
	}
	return TOOL_FAIL_FAILED;
}

static json_t *end_details(const struct exec_report *report, bool failed, const struct buf *shown)
{
	const struct tool_process *p = report->process;
	const char *signal_name = process_signal_name(p);
	json_t *details = json_object();

	(void)json_object_set_new(details, "status", json_string(failed ? "failed" : "completed"));
	(void)json_object_set_new(details, "exitCode",
		p->exited && p->exit.signal == 0 ? json_integer(p->exit.code) : json_null());
	if (signal_name != NULL) {
		(void)json_object_set_new(details, "exitSignal", json_string(signal_name));
	}
	(void)json_object_set_new(details, "durationMs", json_integer(duration_ms(p)));
	(void)json_object_set_new(details, "aggregated",
		json_stringn_nocheck(shown->data != NULL ? shown->data : "", shown->len));
	if (failed) {
		(void)json_object_set_new(
			details, "timedOut", json_boolean(p->exited && p->exit.timed_out));
	}
	(void)json_object_set_new(details, "cwd", result_string(report->cwd, strlen(report->cwd)));
	return details;
}

/* The output did not fit: what is missing, and where it can be read. */
static void add_cut_notice(struct tool_call *call, json_t *details,
	const struct exec_report *report, size_t shown_chars, size_t kept_chars)
{
	struct tool_process *p = report->process;
	uint64_t lost = p->out.dropped + p->out.missing;

	(void)json_object_set_new(details, "truncated", json_true());
	(void)json_object_set_new(details, "totalBytes", json_integer((json_int_t)p->out.end));
	(void)json_object_set_new(details, "lostBytes", json_integer((json_int_t)lost));
	call_warnf(call,
		"[Output truncated: the last %zu characters of %" PRIu64 " bytes are shown]",
		shown_chars, p->out.end);
	if (report->readable && kept_chars > shown_chars) {
		process_name(p);
		p->background = true;
		(void)json_object_set_new(details, "sessionId", json_string(p->id));
		call_warnf(call,
			"[More of it: process action=log sessionId=%s offset=%" PRIu64
			" limit=200]",
			p->id, p->out.dropped_lines);
	}
	if (lost > 0) {
		call_warnf(call,
			"[The first %" PRIu64
			" bytes were not kept; send the output to a file to have all of it]",
			lost);
	}
}

void exec_report_end(struct tool_call *call, const struct exec_report *report)
{
	struct tool_process *p = report->process;
	_cleanup_buf_ struct buf shown = {0};
	_cleanup_buf_ struct buf reason = {0};
	_cleanup_buf_ struct buf text = {0};
	size_t kept_chars = 0;
	const char *type;
	json_t *details;

	output_text(&p->out, report->output_chars, &shown, &kept_chars);
	type = add_reason(&reason, report);
	details = end_details(report, reason.len > 0, &shown);
	if (kept_chars > report->output_chars || p->out.dropped > 0 || p->out.missing > 0) {
		add_cut_notice(call, details, report,
			kept_chars < report->output_chars ? kept_chars : report->output_chars,
			kept_chars);
	}
	buf_add(&text, shown.data != NULL ? shown.data : "", shown.len);
	if (reason.len > 0) {
		buf_addf(&text, "%s%s", text.len > 0 ? "\n\n" : "", reason.data);
	} else if (p->exit.code != 0) {
		buf_addf(&text, "%s(Command exited with code %d)", text.len > 0 ? "\n\n" : "",
			p->exit.code);
	} else if (text.len == 0) {
		buf_add_str(&text, "(no output)");
	}
	denied_add(p, details, &text);
	/* Before the call ends: whoever hears of that may start others, which make room in the table. */
	if (p->id == NULL) {
		process_drop(p);
	}
	if (reason.len > 0) {
		call_fail(call, type, text.data, NULL, details);
	} else {
		call_finish_text(call, text.data, text.len, details);
	}
}

void exec_report_running(struct tool_call *call, struct tool_process *process, const char *cwd)
{
	_cleanup_buf_ struct buf tail = {0};
	_cleanup_buf_ struct buf text = {0};
	json_t *details = json_object();
	size_t total;

	output_text(&process->out, TAIL_CHARS, &tail, &total);
	buf_addf(&text,
		"Command still running (session %s, pid %u). Use process "
		"(list/poll/log/write/send-keys/kill/clear/remove) for follow-up.",
		process->id, process->pid);
	(void)json_object_set_new(details, "status", json_string("running"));
	(void)json_object_set_new(details, "sessionId", json_string(process->id));
	(void)json_object_set_new(details, "pid", json_integer(process->pid));
	(void)json_object_set_new(details, "startedAt", json_integer(process->started_ms));
	(void)json_object_set_new(details, "cwd", result_string(cwd, strlen(cwd)));
	(void)json_object_set_new(details, "tail",
		json_stringn_nocheck(tail.data != NULL ? tail.data : "", tail.len));
	call_finish_text(call, text.data, text.len, details);
}
