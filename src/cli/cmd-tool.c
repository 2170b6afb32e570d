/* SPDX-License-Identifier: MIT */
/* creel tool: tool calls in a sandbox of their own. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/own.h"
#include "cli/gateway-client.h"
#include "cli/request.h"
#include "cli/table.h"
#include "cli/tool-run.h"

enum {
	/* One call's JSON: a write of 16 MiB with every byte escaped stays below. */
	LINE_MAX_BYTES = 64 * 1024 * 1024,
	READ_SIZE = 64 * 1024,
};

struct tool_args {
	struct common_args common;
	const char *args;
	struct request_args request;
	bool batch, list, once, quiet;
};

#define OFFSET(member) offsetof(struct tool_args, member)
static const struct cmd_option options[] = {
	{"args", 0, "JSON", OPTION_TEXT, OFFSET(args),
		"the tool's arguments; - reads them from stdin"},
	REQUEST_OPTION_AGENT(OFFSET(request)),
	REQUEST_OPTION_SESSION(OFFSET(request)),
	REQUEST_OPTION_WORKSPACE(OFFSET(request)),
	REQUEST_OPTION_SENDER(OFFSET(request)),
	{"batch", 0, NULL, OPTION_FLAG, OFFSET(batch),
		"read {\"id\",\"tool\",\"args\"} lines from stdin, answer each with a line"},
	{"list", 0, NULL, OPTION_FLAG, OFFSET(list), "list the tools and what policy says of them"},
	{"once", 0, NULL, OPTION_FLAG, OFFSET(once),
		"call in a sandbox of its own that ends with the call"},
	{"quiet", 'q', NULL, OPTION_FLAG, OFFSET(quiet),
		"say nothing of waiting and of changed configurations"},
};

/* What all of this file works on. */
struct work {
	const struct cmd_call *call;
	struct decided *decided;
	struct decision *decision; /* of decided */
	struct tool_run run;
	size_t running;
	bool broken; /* stdout cannot be written any more */
	bool gateway; /* one runs, and is asked */
	struct buf input; /* batch: less than a line */
};

/* One call of a batch, or the only one. */
struct pending {
	struct work *work;
	json_t *id;
	bool done;
	int status;
};

static json_t *error_json(const struct tool_result *result)
{
	json_t *error = json_pack(
		"{s:s, s:s}", "code", result->failure.type, "message", result->failure.message);

	if (error == NULL) {
		error = json_pack("{s:s, s:s}", "code", result->failure.type, "message",
			"the tool failed, and its message is no text");
	}
	if (result->failure.hint != NULL) {
		(void)json_object_set_new(error, "hint", json_string(result->failure.hint));
	}
	if (result->details != NULL) {
		(void)json_object_set(error, "details", result->details);
	}
	return error;
}

static json_t *success_json(const struct tool_result *result)
{
	json_t *object = json_object();

	(void)json_object_set(object, "content", result->content);
	(void)json_object_set(object, "details", result->details);
	return object;
}

static bool write_all(const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, data, len);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return false;
		}
		data += n;
		len -= (size_t)n;
	}
	return true;
}

/* --- through the gateway --- */

/* It holds the sandboxes, and would let nobody else in. */
static bool may_use_gateway(const struct work *work)
{
	const struct tool_args *args = work->call->args;

	return decision_is_isolated(work->decision) && !args->once &&
	       args->request.workspace == NULL;
}

static json_t *invocation(const struct work *work, const char *name, const json_t *args)
{
	const struct sender *s = &work->decided->request.sender;
	json_t *body = json_pack("{s:s,s:o,s:s,s:s}", "tool", name, "args",
		args != NULL ? json_incref((json_t *)(uintptr_t)args) : json_object(), "agentId",
		work->decision->agent_id, "sessionKey", work->decision->session_key);

	if (body != NULL && s->id != NULL) {
		(void)json_object_set_new(body, "sender",
			json_pack("{s:s*,s:s,s:s*}", "provider", s->provider, "id", s->id, "from",
				s->from));
	}
	return body;
}

static void read_invocation(const json_t *answer, struct tool_result *ret)
{
	const json_t *result = json_object_get(answer, "result");
	const json_t *error = json_object_get(answer, "error");
	const char *type = json_string_value(json_object_get(error, "type"));
	const char *text = json_string_value(json_object_get(error, "message"));
	const char *hint = json_string_value(json_object_get(error, "hint"));
	const json_t *from = error != NULL ? error : result;

	*ret = (struct tool_result){
		.content = json_incref(json_object_get(result, "content")),
		.details = json_incref(json_object_get(from, "details")),
	};
	if (error != NULL) {
		ret->failure.type = type != NULL ? type : "failed";
		ret->failure.message =
			xstrdup(text != NULL ? text : "the gateway refused the call");
		ret->failure.hint = hint != NULL ? xstrdup(hint) : NULL;
	}
}

static bool gateway_runs(const struct work *work)
{
	struct error ignored;
	int fd, r = gateway_client_connect(work->decision->config, &fd, &ignored);

	if (r == 0) {
		(void)close(fd);
	}
	return r == 0;
}

/* One call, waited for. */
static void call_gateway(
	const struct work *work, const char *name, const json_t *args, tool_done_fn done, void *arg)
{
	const struct gateway_request request = {
		"POST", "/tools/invoke", invocation(work, name, args)};
	struct tool_result result = {0};
	json_t *answer = NULL;
	struct error err;
	int http, r = gateway_client_ask(work->decision->config, &request, &http, &answer, &err);

	if (r == 0) {
		read_invocation(answer, &result);
	} else {
		result.failure.type = TOOL_FAIL_UNAVAILABLE;
		result.failure.message = xstrdup(err.text);
	}
	done(arg, &result);
	json_decref(answer);
}

/* --- batch --- */

static void print_line(struct work *work, json_t *object)
{
	_cleanup_free_ char *text = json_dumps(object, JSON_COMPACT);
	_cleanup_buf_ struct buf line = {0};

	json_decref(object);
	buf_addf(&line, "%s\n", text != NULL ? text : "{\"error\":{\"code\":\"io\"}}");
	if (!work->broken && !write_all(line.data, line.len)) {
		work->broken = true;
	}
}

static json_t *answer_json(const json_t *id)
{
	json_t *object = json_object();

	(void)json_object_set(object, "id", id != NULL ? (json_t *)(uintptr_t)id : json_null());
	return object;
}

static void on_batch_done(void *arg, struct tool_result *result)
{
	struct pending *pending = arg;
	json_t *line = answer_json(pending->id);

	if (result->failure.message != NULL) {
		(void)json_object_set_new(line, "error", error_json(result));
	} else {
		(void)json_object_set_new(line, "result", success_json(result));
	}
	print_line(pending->work, line);
	tool_result_finish(result);
	pending->work->running--;
	json_decref(pending->id);
	free(pending);
}

static void refuse_line(struct work *work, const json_t *id, const char *message)
{
	json_t *line = answer_json(id);

	(void)json_object_set_new(line, "error",
		json_pack("{s:s, s:s}", "code", TOOL_FAIL_ARGUMENTS, "message", message));
	print_line(work, line);
}

static void start_line(struct work *work, const char *text, size_t len)
{
	json_error_t why;
	json_t *line = json_loadb(text, len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &why);
	const char *name = json_string_value(json_object_get(line, "tool"));
	struct tool_verdict verdict = {0};
	struct pending *pending;

	if (line == NULL || name == NULL) {
		refuse_line(work, json_object_get(line, "id"),
			line == NULL ? why.text : "a line needs \"tool\", the name of one");
		json_decref(line);
		return;
	}
	decision_check_tool(work->decision, &work->decided->request, name, &verdict);
	pending = xcalloc(1, sizeof(*pending));
	pending->work = work;
	pending->id = json_incref(json_object_get(line, "id"));
	work->running++;
	if (work->gateway) {
		call_gateway(work, name, json_object_get(line, "args"), on_batch_done, pending);
		json_decref(line);
		return;
	}
	(void)tool_call_start(work->run.session, name, json_object_get(line, "args"),
		&(struct tool_call_opts){
			.verdict = &verdict,
			.done = on_batch_done,
			.arg = pending,
		});
	json_decref(line);
}

static void start_lines(struct work *work, bool at_end)
{
	size_t from = 0;

	for (;;) {
		const char *text = work->input.data + from;
		const char *lf =
			work->input.len > from ? memchr(text, '\n', work->input.len - from) : NULL;
		size_t len = lf != NULL ? (size_t)(lf - text) : work->input.len - from;

		if (lf == NULL && (!at_end || len == 0)) {
			break;
		}
		if (strspn(text, " \t\r\n") < len) {
			start_line(work, text, len);
		}
		from += len + (lf != NULL ? 1 : 0);
		if (lf == NULL) {
			break;
		}
	}
	if (from > 0) {
		buf_consume(&work->input, from);
	}
}

/* false: stdin is at its end, or broken. */
static bool read_input(struct work *work)
{
	char *room = buf_reserve(&work->input, READ_SIZE);
	ssize_t n = room != NULL ? read(STDIN_FILENO, room, READ_SIZE) : 0;

	if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
		return true;
	}
	if (n > 0) {
		buf_commit(&work->input, (size_t)n);
	} else if (work->input.overflow) {
		refuse_line(work, NULL, "a line of more than 64 MiB");
	}
	start_lines(work, n <= 0);
	return n > 0;
}

static int run_batch(struct work *work)
{
	bool open = true;

	buf_init(&work->input, LINE_MAX_BYTES);
	while (work->gateway && open && !work->broken) {
		open = read_input(work);
	}
	while ((open || work->running > 0) && !work->broken) {
		if (tool_run_turn(&work->run, open ? STDIN_FILENO : FD_NONE) && open) {
			open = read_input(work);
		}
	}
	buf_finish(&work->input);
	return work->broken ? STATUS_FAILED : STATUS_OK;
}

/* --- one call --- */

static int print_and_drop(const struct cmd_call *call, json_t *object)
{
	int status = print_json(call, object);

	json_decref(object);
	return status;
}

static int print_failure(const struct cmd_call *call, const struct tool_result *result)
{
	if (!cmd_common(call)->json) {
		return fail(call, STATUS_FAILED,
			&(struct failure){
				.code = result->failure.type,
				.message = result->failure.message,
				.hint = result->failure.hint,
			});
	}
	(void)print_and_drop(call, json_pack("{s:o}", "error", error_json(result)));
	return STATUS_FAILED;
}

/* For a person: the texts; an image by its type. */
static int print_content(const struct cmd_call *call, const json_t *content)
{
	_cleanup_buf_ struct buf out = {0};

	for (size_t i = 0; i < json_array_size(content); i++) {
		const json_t *block = json_array_get(content, i);
		const json_t *text = json_object_get(block, "text");

		if (text != NULL) {
			buf_add(&out, json_string_value(text), json_string_length(text));
		} else {
			buf_addf(&out, "[%s]",
				json_string_value(json_object_get(block, "mimeType")));
		}
		buf_add_char(&out, '\n');
	}
	return print_text(call, &out);
}

static void on_done(void *arg, struct tool_result *result)
{
	struct pending *pending = arg;
	const struct cmd_call *call = pending->work->call;

	pending->done = true;
	if (result->failure.message != NULL) {
		pending->status = print_failure(call, result);
	} else if (cmd_common(call)->json) {
		pending->status = print_and_drop(call, success_json(result));
	} else {
		pending->status = print_content(call, result->content);
	}
	tool_result_finish(result);
}

static int run_one(struct work *work, const char *name, const json_t *args)
{
	struct pending pending = {.work = work};

	(void)tool_call_start(work->run.session, name, args,
		&(struct tool_call_opts){
			.verdict = &work->decision->tool,
			.done = on_done,
			.arg = &pending,
		});
	while (!pending.done) {
		(void)tool_run_turn(&work->run, FD_NONE);
	}
	return pending.status;
}

static int read_all_stdin(struct buf *out)
{
	buf_init(out, LINE_MAX_BYTES);
	for (;;) {
		char *room = buf_reserve(out, READ_SIZE);
		ssize_t n = room != NULL ? read(STDIN_FILENO, room, READ_SIZE) : -1;

		if (n < 0 && errno == EINTR && room != NULL) {
			continue;
		}
		if (n <= 0) {
			return n < 0 ? -EIO : 0;
		}
		buf_commit(out, (size_t)n);
	}
}

/* The arguments from --args; NULL with a status when they are no JSON. */
static json_t *load_args(const struct cmd_call *call, const char *text, int *ret_status)
{
	_cleanup_buf_ struct buf input = {0}, message = {0};
	json_error_t why;
	json_t *args;

	if (text == NULL) {
		return json_object();
	}
	if (strcmp(text, "-") == 0) {
		if (read_all_stdin(&input) < 0) {
			buf_clear(&input);
		}
		text = input.data != NULL ? input.data : "";
		args = json_loadb(text, input.len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &why);
	} else {
		args = json_loads(text, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &why);
	}
	if (args == NULL) {
		buf_addf(&message, "--args is no JSON object: %s (line %d, column %d)", why.text,
			why.line, why.column);
		*ret_status = fail(call, STATUS_USAGE,
			&(struct failure){.code = CODE_USAGE, .message = message.data});
	}
	return args;
}

/* --- list --- */

static json_t *list_entry(struct work *work, const struct tool *tool)
{
	struct tool_verdict verdict = {0};
	json_t *entry = json_object();
	bool offered;

	decision_check_tool(work->decision, &work->decided->request, tool->name, &verdict);
	offered = verdict.allowed && tool_is_offered(tool, work->decision);
	(void)json_object_set_new(entry, "name", json_string(tool->name));
	(void)json_object_set_new(entry, "summary", json_string(tool->summary));
	(void)json_object_set_new(entry, "offered", json_boolean(offered));
	if (!verdict.allowed) {
		(void)json_object_set_new(entry, "layer", json_string(verdict.layer));
		(void)json_object_set_new(entry, "reason", json_string(verdict.reason));
	} else if (!offered) {
		(void)json_object_set_new(entry, "layer", json_string("workspace"));
		(void)json_object_set_new(entry, "reason",
			json_string("the workspace is read-only (workspaceAccess ro)"));
	}
	(void)json_object_set_new(entry, "parameters", json_loads(tool->parameters, 0, NULL));
	return entry;
}

static int list_tools(struct work *work)
{
	_cleanup_buf_ struct buf text = {0};
	json_t *tools = json_array();
	size_t count;
	const struct tool *const *table = tool_table(&count);

	for (size_t i = 0; i < count; i++) {
		json_t *entry = list_entry(work, table[i]);

		buf_addf(&text, "%-12s %-4s %s\n", table[i]->name,
			json_is_true(json_object_get(entry, "offered")) ? "yes" : "no",
			table[i]->summary);
		(void)json_array_append_new(tools, entry);
	}
	if (cmd_common(work->call)->json) {
		return print_and_drop(work->call, json_pack("{s:o}", "tools", tools));
	}
	json_decref(tools);
	return print_text(work->call, &text);
}

/* --- doing it --- */

/* No gate stands against elevated commands here (contract D7). */
static bool may_use_host(const struct decision *decision)
{
	return decision->sandboxed && decision->elevated.allowed_by_config &&
	       decision->elevated.failure_count == 0;
}

/* Asked for by this call, or for all of the session, and granted. */
static bool wants_host(const struct decision *decision, const json_t *args)
{
	const json_t *elevated = json_object_get(args, "elevated");

	return may_use_host(decision) &&
	       (elevated != NULL ? !json_is_false(elevated) : decision->elevated.requested);
}

static int start_run(struct work *work, bool needs_sandbox, struct tool_run_opts *opts)
{
	const struct tool_args *args = work->call->args;
	bool refused = false;
	struct error err;

	if (!needs_sandbox) {
		tool_run_start_idle(&work->run, work->decision);
		return STATUS_OK;
	}
	opts->once = args->once;
	opts->quiet = args->quiet;
	if (tool_run_start(&work->run, work->decision, opts, &refused, &err) < 0) {
		return fail_error(
			work->call, STATUS_FAILED, refused ? CODE_REFUSED : CODE_SANDBOX, &err);
	}
	return STATUS_OK;
}

static int run_call(struct work *work, const char *name)
{
	const struct tool_args *args = work->call->args;
	const struct tool *tool = tool_by_name(name);
	int status = STATUS_OK;
	json_t *json = load_args(work->call, args->args, &status);

	if (json == NULL) {
		return status;
	}
	if (work->gateway) {
		struct pending pending = {.work = work};

		call_gateway(work, name, json, on_done, &pending);
		json_decref(json);
		return pending.status;
	}
	status = start_run(work,
		work->decision->tool.allowed && tool != NULL &&
			tool_is_offered(tool, work->decision),
		&(struct tool_run_opts){.with_host = wants_host(work->decision, json)});
	if (status == STATUS_OK) {
		status = run_one(work, name, json);
	}
	tool_run_finish(&work->run);
	json_decref(json);
	return status;
}

static int run_decided(struct work *work)
{
	const struct tool_args *args = work->call->args;
	struct tool_verdict process = {0};
	int status;

	if (args->list) {
		return list_tools(work);
	}
	work->gateway = may_use_gateway(work) && gateway_runs(work);
	if (!args->batch) {
		return run_call(work, work->call->operands[0]);
	}
	if (work->gateway) {
		return run_batch(work);
	}
	decision_check_tool(work->decision, &work->decided->request, "process", &process);
	status = start_run(work, true,
		&(struct tool_run_opts){
			.may_background = process.allowed,
			.with_host = may_use_host(work->decision),
		});
	if (status == STATUS_OK) {
		status = run_batch(work);
	}
	tool_run_finish(&work->run);
	return status;
}

static int run(const struct cmd_call *call)
{
	const struct tool_args *args = call->args;
	const char *name = call->operand_count > 0 ? call->operands[0] : NULL;
	_cleanup_decided_ struct decided decided = {0};
	struct work work = {.call = call, .decided = &decided};
	int status;

	if ((name != NULL) == (args->batch || args->list)) {
		return fail_usage(
			cmd_common(call)->json, "tool: name one tool, or give --batch or --list");
	}
	status = request_decide(call, &args->request, name, false, &decided);
	work.decision = decided.decision;
	return status == 0 ? run_decided(&work) : status;
}

const struct cmd cmd_tool = {
	.name = "tool",
	.summary = "call a tool in the sandbox, as an agent would",
	.operands = "[NAME]",
	.min_operands = 0,
	.max_operands = 1,
	.failed_status = STATUS_FAILED,
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.args_size = sizeof(struct tool_args),
	.description =
		"Calls the tool NAME where the configuration says: in the lasting container of its session, "
		"agent or all, or in a native sandbox that ends with the call; "
		"and prints its result: {\"content\",\"details\"} with --json. With --batch every line of "
		"standard input is one call, all in one sandbox and at the same time unless they touch the "
		"same file, and each is answered by one line, {\"id\",\"result\"} or {\"id\",\"error\"}.",
	.run = run,
};
