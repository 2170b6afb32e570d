/* SPDX-License-Identifier: MIT */
#include "cli/fail.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/own.h"

/* A path or an argument may hold bytes that are no UTF-8, which JSON cannot carry: \\xNN instead. */
static json_t *text_json(const char *text)
{
	_cleanup_buf_ struct buf escaped = {0};
	json_t *string = json_string(text);

	if (string != NULL) {
		return string;
	}
	buf_add_escaped(&escaped, text, strlen(text), 0);
	return json_string(escaped.data);
}

static json_t *text_or_null(const char *text)
{
	return text != NULL ? text_json(text) : json_null();
}

static json_t *number_or_null(int number)
{
	return number > 0 ? json_integer(number) : json_null();
}

/* stderr and stdout by write(2): nothing else of stdio is needed, and no buffer is left behind. */
static int write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return -errno;
		}
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static json_t *failure_json(const struct failure *failure)
{
	json_t *object = json_object();

	json_object_set_new(object, "code", json_string(failure->code));
	json_object_set_new(object, "message", text_json(failure->message));
	json_object_set_new(object, "hint", text_or_null(failure->hint));
	json_object_set_new(object, "file", text_or_null(failure->file));
	json_object_set_new(object, "path", text_or_null(failure->path));
	json_object_set_new(object, "line", number_or_null(failure->line));
	json_object_set_new(object, "column", number_or_null(failure->column));
	return object;
}

static int write_json(json_t *object)
{
	_cleanup_free_ char *text = json_dumps(object, JSON_INDENT(2) | JSON_ENCODE_ANY);
	_cleanup_buf_ struct buf out = {0};

	buf_add_str(&out, text != NULL ? text : "null");
	buf_add_char(&out, '\n');
	return write_all(STDOUT_FILENO, out.data, out.len);
}

static void report_text(const struct failure *failure)
{
	_cleanup_buf_ struct buf out = {0};

	buf_add_str(&out, "creel: ");
	if (failure->file != NULL && failure->line > 0) {
		buf_addf(&out, "%s:%d:%d: ", failure->file, failure->line, failure->column);
	}
	buf_add_str(&out, failure->message);
	buf_add_char(&out, '\n');
	if (failure->hint != NULL) {
		buf_addf(&out, "creel: hint: %s\n", failure->hint);
	}
	(void)write_all(STDERR_FILENO, out.data, out.len);
}

static void report(bool json, const struct failure *failure)
{
	json_t *object;

	if (!json) {
		report_text(failure);
		return;
	}
	object = json_object();
	json_object_set_new(object, "error", failure_json(failure));
	(void)write_json(object);
	json_decref(object);
}

int fail(const struct cmd_call *call, int status, const struct failure *failure)
{
	report(cmd_common(call)->json, failure);
	return status;
}

int fail_error(const struct cmd_call *call, int status, const char *code, const struct error *err)
{
	return fail(call, status, &(struct failure){.code = code, .message = err->text});
}

int fail_usage(bool json, const char *message)
{
	report(json, &(struct failure){.code = CODE_USAGE, .message = message});
	return STATUS_USAGE;
}

json_t *issue_json(const struct config_issue *issue)
{
	_cleanup_arena_ struct arena arena = {0};
	json_t *object = json_object();

	/* Lists as the original writes them: agents.list.0.tools. */
	json_object_set_new(object, "path", text_json(config_path_dotted(&arena, issue->path)));
	json_object_set_new(object, "message", text_json(issue->message));
	json_object_set_new(object, "hint", text_or_null(issue->hint));
	json_object_set_new(object, "file", text_or_null(issue->file));
	json_object_set_new(object, "line", number_or_null(issue->line));
	json_object_set_new(object, "column", number_or_null(issue->column));
	json_object_set_new(object, "severity", json_string(issue->warning ? "warning" : "error"));
	return object;
}

static const struct config_issue *first_error(const struct config *config)
{
	for (size_t i = 0; i < config->issue_count; i++) {
		if (!config->issues[i].warning) {
			return &config->issues[i];
		}
	}
	return NULL;
}

static void fail_config_json(const struct config *config, const struct failure *failure)
{
	json_t *object = json_object(), *issues = json_array();

	json_object_set_new(object, "error", failure_json(failure));
	for (size_t i = 0; i < config->issue_count; i++) {
		json_array_append_new(issues, issue_json(&config->issues[i]));
	}
	json_object_set_new(object, "issues", issues);
	(void)write_json(object);
	json_decref(object);
}

int fail_config(const struct cmd_call *call, int status, const struct config *config)
{
	const struct config_issue *first = first_error(config);
	_cleanup_buf_ struct buf message = {0}, out = {0};
	_cleanup_arena_ struct arena arena = {0};
	struct failure failure = {.code = CODE_CONFIG_INVALID};

	buf_addf(&message, "the configuration %s is not valid",
		config->path != NULL ? config->path : "");
	if (config->error_count > 1) {
		buf_addf(&message, " (%zu errors)", config->error_count);
	}
	if (first != NULL && cmd_common(call)->json) {
		buf_addf(&message, ": %s%s%s", first->path, first->path[0] != '\0' ? ": " : "",
			first->message);
		failure.file = first->file;
		failure.path = config_path_dotted(&arena, first->path);
		failure.line = first->line;
		failure.column = first->column;
		failure.hint = first->hint;
	}
	failure.message = message.data;
	if (cmd_common(call)->json) {
		fail_config_json(config, &failure);
		return status;
	}
	buf_addf(&out, "creel: %s\n", message.data);
	for (size_t i = 0; i < config->issue_count; i++) {
		if (!config->issues[i].warning) {
			config_print_issue(config, &config->issues[i], &out);
		}
	}
	(void)write_all(STDERR_FILENO, out.data, out.len);
	return status;
}

static int stdout_failed(int r)
{
	_cleanup_buf_ struct buf out = {0};

	/* A reader that has seen enough (head) is no failure worth a word. */
	if (r != -EPIPE) {
		buf_addf(&out, "creel: cannot write to standard output: %s\n", strerror(-r));
		(void)write_all(STDERR_FILENO, out.data, out.len);
	}
	return STATUS_FAILED;
}

int print_json(const struct cmd_call *call, json_t *object)
{
	int r = write_json(object);

	(void)call;
	return r < 0 ? stdout_failed(r) : STATUS_OK;
}

int print_text(const struct cmd_call *call, const struct buf *text)
{
	int r = text->len > 0 ? write_all(STDOUT_FILENO, text->data, text->len) : 0;

	(void)call;
	return r < 0 ? stdout_failed(r) : STATUS_OK;
}
