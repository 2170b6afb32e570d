/* SPDX-License-Identifier: MIT */
/* creel audit: the rows of the audit log. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/num.h"
#include "base/own.h"
#include "broker/audit.h"
#include "cli/prepare.h"
#include "cli/table.h"

enum {
	/* Where the state directory cannot be watched, and against what a watch may miss. */
	FOLLOW_STEP_MS = 1000,
	LIMIT_MAX = 1000000,
};

struct audit_args {
	struct common_args common;
	const char *session, *agent, *kind, *tool, *limit;
	bool follow;
};

#define OFFSET(member) offsetof(struct audit_args, member)
static const struct cmd_option options[] = {
	{"follow", 'f', NULL, OPTION_FLAG, OFFSET(follow), "go on printing what is added"},
	{"session", 0, "KEY", OPTION_TEXT, OFFSET(session), "only rows of this session"},
	{"agent", 0, "AGENT", OPTION_TEXT, OFFSET(agent), "only rows of this agent"},
	{"kind", 0, "KIND", OPTION_TEXT, OFFSET(kind),
		"only rows of this kind: call, denial, elevation, sandbox, ..."},
	{"tool", 0, "TOOL", OPTION_TEXT, OFFSET(tool), "only rows about this tool"},
	{"limit", 'n', "N", OPTION_TEXT, OFFSET(limit), "only the last N of these rows"},
};

/* --- one row for a person --- */

static const char *text_of(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text != NULL ? text : "";
}

static void add_named(struct buf *out, const json_t *row, const char *key, const char *name)
{
	const char *text = text_of(row, key);

	if (text[0] != '\0') {
		buf_addf(out, " %s=", name);
		buf_add_printable(out, text, strlen(text), 200);
	}
}

/* "2026-11-25T19:58:38.123Z  call       exec  allowed  main agent:main:main  exit=0 1.2ms" */
static void add_row_text(struct buf *out, const json_t *row)
{
	const json_t *number = json_object_get(row, "durationUs");

	buf_addf(out, "%s %-9s ", text_of(row, "time"), text_of(row, "kind"));
	buf_add_printable(out, text_of(row, "action"), strlen(text_of(row, "action")), 60);
	add_named(out, row, "decision", "decision");
	add_named(out, row, "actor", "by");
	add_named(out, row, "sender", "sender");
	add_named(out, row, "session", "session");
	add_named(out, row, "tool", "tool");
	add_named(out, row, "sandbox", "sandbox");
	add_named(out, json_object_get(row, "detail"), "layer", "layer");
	add_named(out, row, "rule", "rule");
	if (json_is_integer(number)) {
		buf_addf(out, " took=%.1fms", (double)json_integer_value(number) / 1000);
	}
	number = json_object_get(row, "exit");
	if (json_is_integer(number)) {
		buf_addf(out, " exit=%lld", (long long)json_integer_value(number));
	}
	add_named(out, row, "reason", "reason");
	buf_add_char(out, '\n');
}

/* --- which rows, and how many --- */

struct view {
	const struct cmd_call *call;
	const struct audit_args *args;
	struct buf out;
	uint64_t limit; /* 0: all */
	struct strv last; /* with a limit: the newest rows, as a ring from the index next */
	size_t next;
	int status;
};

static bool is_wanted(const struct audit_args *args, const json_t *row)
{
	const struct {
		const char *key, *wanted;
	} filters[] = {{"session", args->session}, {"agent", args->agent}, {"kind", args->kind},
		{"tool", args->tool}};

	for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
		if (filters[i].wanted != NULL &&
			strcmp(filters[i].wanted, text_of(row, filters[i].key)) != 0) {
			return false;
		}
	}
	return true;
}

static bool flush(struct view *view)
{
	view->status = view->out.len > 0 ? print_text(view->call, &view->out) : STATUS_OK;
	buf_clear(&view->out);
	return view->status == STATUS_OK;
}

static bool on_row(void *arg, const char *text, size_t len, const json_t *row)
{
	enum { FLUSH_AT = 64 * 1024 };
	struct view *view = arg;
	size_t before = view->out.len;

	if (!is_wanted(view->args, row)) {
		return true;
	}
	if (view->args->common.json) {
		buf_add(&view->out, text, len);
		buf_add_char(&view->out, '\n');
	} else {
		add_row_text(&view->out, row);
	}
	if (view->limit == 0) {
		return view->out.len < FLUSH_AT || flush(view);
	}
	/* Kept until it is known to be one of the last. */
	free((char *)(uintptr_t)view->last.items[view->next]);
	view->last.items[view->next] = strdup(view->out.data + before);
	view->next = (view->next + 1) % view->limit;
	view->out.len = before;
	return true;
}

static bool flush_last(struct view *view)
{
	buf_clear(&view->out);
	for (uint64_t i = 0; i < view->limit; i++) {
		char *text = (char *)(uintptr_t)view->last.items[(view->next + i) % view->limit];

		if (text != NULL) {
			buf_add_str(&view->out, text);
			free(text);
		}
	}
	free(view->last.items);
	view->last.items = NULL;
	view->limit = 0;
	return flush(view);
}

/* --- doing it --- */

static void wait_for_more(int watch_fd)
{
	struct pollfd fds[2] = {
		{.fd = watch_fd, .events = POLLIN},
		/* Whoever reads us may leave: POLLERR comes without being asked for. */
		{.fd = STDOUT_FILENO},
	};
	char events[4096];

	(void)poll(fds, 2, FOLLOW_STEP_MS);
	while (watch_fd >= 0 && read(watch_fd, events, sizeof(events)) > 0) {
	}
	if ((fds[1].revents & POLLERR) != 0) {
		exit(STATUS_OK);
	}
}

static int show(struct view *view, const char *state_dir)
{
	_cleanup_close_ int watch_fd = FD_NONE;
	struct audit_position position = {0};
	struct error err;

	if (view->args->follow) {
		watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
		(void)inotify_add_watch(watch_fd, state_dir, IN_MODIFY | IN_CREATE | IN_MOVED_TO);
	}
	do {
		if (audit_read(state_dir, &position, on_row, view, &err) < 0) {
			return fail_error(view->call, STATUS_FAILED, CODE_IO, &err);
		}
		if (view->limit > 0 ? !flush_last(view) : !flush(view)) {
			return view->status;
		}
		if (view->args->follow) {
			wait_for_more(watch_fd);
		}
	} while (view->args->follow);
	return STATUS_OK;
}

static int run(const struct cmd_call *call)
{
	const struct audit_args *args = call->args;
	_cleanup_config_ struct config *config = NULL;
	struct view view = {.call = call, .args = args};
	int status;

	if (args->limit != NULL && num_parse_u64(args->limit, 1, LIMIT_MAX, &view.limit) < 0) {
		return fail_usage(
			args->common.json, "audit: --limit takes a number from 1 to 1000000");
	}
	/* An invalid configuration says where the log is, too. */
	status = prepare_config(call, true, &config);
	if (status != STATUS_OK) {
		return status;
	}
	if (view.limit > 0) {
		view.last.items = calloc(view.limit, sizeof(*view.last.items));
		if (view.last.items == NULL) {
			abort();
		}
	}
	status = show(&view, config->state_dir);
	buf_finish(&view.out);
	return status;
}

const struct cmd cmd_audit = {
	.name = "audit",
	.summary = "print the audit log: what was decided and done, and by whom",
	.operands = "",
	.failed_status = STATUS_FAILED,
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.args_size = sizeof(struct audit_args),
	.description =
		"Prints the rows of the audit log, oldest first: a line each, or with --json the rows as "
		"they are written, one object a line. 'creel audit verify' checks that none was changed or "
		"removed.",
	.run = run,
};
