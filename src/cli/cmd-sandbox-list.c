/* SPDX-License-Identifier: MIT */
/* creel sandbox list: the lasting sandboxes that there are. */
#include <string.h>

#include "base/own.h"
#include "cli/sandboxes.h"
#include "cli/table.h"
#include "policy/report.h"

struct list_args {
	struct common_args common;
	bool browser, workspaces;
};

#define OFFSET(member) offsetof(struct list_args, member)
static const struct cmd_option options[] = {
	{"browser", 0, NULL, OPTION_FLAG, OFFSET(browser), "those of browsers instead"},
	{"workspaces", 0, NULL, OPTION_FLAG, OFFSET(workspaces),
		"and the workspaces that no sandbox uses any more"},
};

static bool is_of_kind(const void *arg, const struct lifecycle_sandbox *sandbox)
{
	return strcmp(sandbox->row.kind, arg) == 0;
}

/* --- JSON --- */

static json_t *workspaces_json(const struct lifecycle_workspaces *workspaces)
{
	json_t *list = json_array();

	for (size_t i = 0; i < workspaces->count; i++) {
		(void)json_array_append_new(
			list, json_pack("{s:s,s:I}", "path", workspaces->items[i].path,
				      "changedAtMs", (json_int_t)workspaces->items[i].changed_ms));
	}
	return list;
}

static int print_as_json(const struct cmd_call *call, const struct sandboxes *sandboxes,
	const struct lifecycle_workspaces *workspaces)
{
	const struct list_args *args = call->args;
	json_t *items = json_array(), *object;
	int status;

	for (size_t i = 0; i < sandboxes->list.count; i++) {
		(void)json_array_append_new(
			items, lifecycle_sandbox_json(&sandboxes->list.items[i]));
	}
	object = json_pack("{s:o}", args->browser ? "browsers" : "containers", items);
	if (args->workspaces) {
		(void)json_object_set_new(object, "workspaces", workspaces_json(workspaces));
	}
	if (sandboxes->list.warning != NULL) {
		(void)json_object_set_new(object, "warning", report_text(sandboxes->list.warning));
	}
	status = print_json(call, object);
	json_decref(object);
	return status;
}

/* --- text --- */

static void add_escaped(struct buf *out, const char *text)
{
	buf_add_escaped(out, text != NULL ? text : "?", text != NULL ? strlen(text) : 1, 400);
}

static void add_dangerous(struct buf *out, const char *lines)
{
	while (lines != NULL && *lines != '\0') {
		size_t len = strcspn(lines, "\n");

		buf_add_str(out, "  DANGER:  bound into it by dangerouslyAllowBindSources: ");
		buf_add_escaped(out, lines, len, 400);
		buf_add_char(out, '\n');
		lines += len + (lines[len] == '\n' ? 1 : 0);
	}
}

static void add_item(struct buf *out, const struct lifecycle_sandbox *item, int64_t now_ms)
{
	const struct registry_row *row = &item->row;

	add_escaped(out, row->name);
	buf_addf(out, "\n  Status:  %s%s\n  Image:   ", sandbox_status_name(item->status),
		item->in_use ? ", in use" : "");
	add_escaped(out, row->image);
	buf_addf(out, "%s\n  Backend: %s\n  Age:     ",
		item->image_matches ? "" : " (not the one that is configured)", row->backend);
	sandboxes_add_age(out, now_ms - row->created_ms);
	buf_add_str(out, "\n  Idle:    ");
	sandboxes_add_age(out, now_ms - row->last_used_ms);
	buf_add_str(out, "\n  Session: ");
	add_escaped(out, row->scope_key);
	buf_add_char(out, '\n');
	add_dangerous(out, row->dangerous);
}

static void add_totals(struct buf *out, const struct lifecycle_list *list, bool browser)
{
	size_t running = 0, other_image = 0;

	for (size_t i = 0; i < list->count; i++) {
		running += list->items[i].status == STATUS_RUNNING ? 1 : 0;
		other_image += list->items[i].image_matches ? 0 : 1;
	}
	buf_addf(out, "Total: %zu (%zu running)\n", list->count, running);
	if (other_image > 0) {
		buf_addf(out,
			"%zu of another image than is configured; 'creel sandbox recreate --all%s' "
			"takes them away\n",
			other_image, browser ? " --browser" : "");
	}
}

static int print_as_text(const struct cmd_call *call, const struct sandboxes *sandboxes,
	const struct lifecycle_workspaces *workspaces)
{
	const struct list_args *args = call->args;
	const struct lifecycle_list *list = &sandboxes->list;
	_cleanup_buf_ struct buf out = {0};
	int64_t now_ms = lifecycle_now_ms();

	for (size_t i = 0; i < list->count; i++) {
		add_item(&out, &list->items[i], now_ms);
	}
	if (list->count > 0) {
		add_totals(&out, list, args->browser);
	} else {
		buf_add_str(&out, args->browser ? "No sandbox browser containers found.\n"
						: "No sandbox containers found.\n");
	}
	for (size_t i = 0; i < workspaces->count; i++) {
		buf_add_str(&out, "Unused workspace: ");
		add_escaped(&out, workspaces->items[i].path);
		buf_add_str(&out, ", changed ");
		sandboxes_add_age(&out, now_ms - workspaces->items[i].changed_ms);
		buf_add_str(&out, " ago\n");
	}
	if (list->warning != NULL) {
		buf_add_str(&out, "Warning: ");
		buf_add_printable(&out, list->warning, strlen(list->warning), 0);
		buf_add_char(&out, '\n');
	}
	return print_text(call, &out);
}

static int run(const struct cmd_call *call)
{
	const struct list_args *args = call->args;
	_cleanup_sandboxes_ struct sandboxes sandboxes = {0};
	struct lifecycle_workspaces workspaces = {0};
	int status = sandboxes_read(call, &sandboxes);

	if (status != STATUS_OK) {
		return status;
	}
	if (args->workspaces) {
		lifecycle_workspaces(&sandboxes.list, &workspaces);
	}
	sandboxes_keep(&sandboxes.list, is_of_kind,
		sandbox_kind_name(args->browser ? KIND_BROWSER : KIND_SANDBOX));
	return args->common.json ? print_as_json(call, &sandboxes, &workspaces)
				 : print_as_text(call, &sandboxes, &workspaces);
}

const struct cmd cmd_sandbox_list = {
	.name = "sandbox list",
	.summary = "list the sandboxes that there are",
	.operands = "",
	.failed_status = STATUS_FAILED,
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.args_size = sizeof(struct list_args),
	.description =
		"Lists the lasting sandboxes of this instance, of every backend: whether they run, their "
		"image, their age, how long nobody has used them, whose they are, and what was bound into "
		"them against the rules.",
	.run = run,
};
