/* SPDX-License-Identifier: MIT */
/* creel sandbox prune: take away what is idle, old, left over. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "cli/gateway-client.h"
#include "cli/sandboxes.h"
#include "cli/table.h"

struct prune_args {
	struct common_args common;
	bool workspaces, force;
};

#define OFFSET(member) offsetof(struct prune_args, member)
static const struct cmd_option options[] = {
	{"workspaces", 0, NULL, OPTION_FLAG, OFFSET(workspaces),
		"and delete the workspaces that no sandbox uses any more"},
	{"force", 'f', NULL, OPTION_FLAG, OFFSET(force),
		"do not ask before workspaces are deleted"},
};

struct pruning {
	struct buf out;
	json_t *rows;
};

static void add_pruned(struct pruning *pruning, const char *name, const char *failure)
{
	json_t *row =
		json_pack("{s:s,s:b}", "containerName", name, "removed", failure == NULL ? 1 : 0);

	if (failure != NULL) {
		(void)json_object_set_new(row, "error", json_string(failure));
		buf_addf(&pruning->out, "%s: %s\n", name, failure);
	} else {
		buf_addf(&pruning->out, "Removed %s\n", name);
	}
	(void)json_array_append_new(pruning->rows, row);
}

static void on_pruned(
	void *arg, const struct lifecycle_sandbox *sandbox, const struct error *failure)
{
	add_pruned(arg, sandbox->row.name, failure != NULL ? failure->text : NULL);
}

/* -ENOENT: there is no gateway. */
static int prune_by_gateway(const struct sandboxes *sandboxes, struct pruning *pruning,
	struct lifecycle_pruned *ret, struct error *err)
{
	const struct gateway_request request = {
		.method = "POST", .path = "/v1/sandboxes/prune", .body = json_object()};
	const json_t *item, *removed, *failed;
	json_t *result;
	size_t i;
	int r = gateway_client_result(sandboxes->config, &request, &result, err);

	if (r < 0) {
		return r;
	}
	removed = json_object_get(result, "removed");
	failed = json_object_get(result, "failed");
	json_array_foreach(removed, i, item)
	{
		add_pruned(pruning, json_string_value(item), NULL);
	}
	json_array_foreach(failed, i, item)
	{
		add_pruned(pruning, json_string_value(json_object_get(item, "name")),
			json_string_value(json_object_get(item, "message")));
	}
	*ret = (struct lifecycle_pruned){
		.removed = json_array_size(removed),
		.failed = json_array_size(failed),
		.swept = (size_t)json_integer_value(json_object_get(result, "leftOvers")),
	};
	json_decref(result);
	return 0;
}

static void say_which(const struct lifecycle_workspaces *workspaces)
{
	_cleanup_buf_ struct buf out = {0};
	int64_t now_ms = lifecycle_now_ms();

	buf_add_str(&out, "These workspaces will be deleted with all that is in them:\n");
	for (size_t i = 0; i < workspaces->count; i++) {
		buf_add_str(&out, "  ");
		buf_add_escaped(
			&out, workspaces->items[i].path, strlen(workspaces->items[i].path), 400);
		buf_add_str(&out, " (changed ");
		sandboxes_add_age(&out, now_ms - workspaces->items[i].changed_ms);
		buf_add_str(&out, " ago)\n");
	}
	(void)!write(STDERR_FILENO, out.data, out.len);
}

/* How many could not be deleted. */
static size_t prune_workspaces(
	const struct prune_args *args, struct lifecycle_list *list, struct pruning *pruning)
{
	struct lifecycle_workspaces workspaces;
	size_t failed = 0;
	struct error err;

	lifecycle_workspaces(list, &workspaces);
	if (workspaces.count == 0) {
		return 0;
	}
	if (!args->force) {
		say_which(&workspaces);
		if (!sandboxes_confirm("Delete them?")) {
			buf_add_str(&pruning->out, "Cancelled.\n");
			return 0;
		}
	}
	for (size_t i = 0; i < workspaces.count; i++) {
		const char *path = workspaces.items[i].path;
		bool bad = lifecycle_workspace_remove(&workspaces.items[i], &err) < 0;

		failed += bad ? 1 : 0;
		buf_addf(&pruning->out, bad ? "%s: " : "Deleted %s", path);
		buf_addf(&pruning->out, "%s\n", bad ? err.text : "");
		(void)json_array_append_new(pruning->rows,
			json_pack("{s:s,s:b}", "workspace", path, "removed", bad ? 0 : 1));
	}
	return failed;
}

static int print_pruned(
	const struct cmd_call *call, struct pruning *pruning, const struct lifecycle_pruned *pruned)
{
	json_t *object = json_pack("{s:O,s:I,s:I,s:I}", "pruned", pruning->rows, "removed",
		(json_int_t)pruned->removed, "failed", (json_int_t)pruned->failed, "leftOvers",
		(json_int_t)pruned->swept);
	int status;

	buf_addf(&pruning->out, "Done: %zu removed, %zu failed", pruned->removed, pruned->failed);
	if (pruned->swept > 0) {
		buf_addf(&pruning->out, ", %zu left over", pruned->swept);
	}
	buf_add_char(&pruning->out, '\n');
	status =
		cmd_common(call)->json ? print_json(call, object) : print_text(call, &pruning->out);
	json_decref(object);
	return status;
}

static int run(const struct cmd_call *call)
{
	const struct prune_args *args = call->args;
	_cleanup_sandboxes_ struct sandboxes sandboxes = {0};
	struct pruning pruning = {0};
	struct lifecycle_pruned pruned;
	struct error err;
	int r, status = sandboxes_read(call, &sandboxes);

	if (status != STATUS_OK) {
		return status;
	}
	pruning.rows = json_array();
	r = prune_by_gateway(&sandboxes, &pruning, &pruned, &err);
	if (r == -ENOENT) {
		lifecycle_prune(sandboxes.lifecycle, &sandboxes.list, on_pruned, &pruning, &pruned);
	} else if (r < 0) {
		json_decref(pruning.rows);
		return fail_error(call, STATUS_FAILED, CODE_IO, &err);
	}
	if (args->workspaces) {
		lifecycle_list_finish(&sandboxes.list);
		lifecycle_list(sandboxes.lifecycle, &sandboxes.list);
		pruned.failed += prune_workspaces(args, &sandboxes.list, &pruning);
	}
	status = print_pruned(call, &pruning, &pruned);
	json_decref(pruning.rows);
	buf_finish(&pruning.out);
	return status == STATUS_OK && pruned.failed > 0 ? STATUS_FAILED : status;
}

const struct cmd cmd_sandbox_prune = {
	.name = "sandbox prune",
	.summary = "remove sandboxes that are idle or old",
	.operands = "",
	.failed_status = STATUS_FAILED,
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.args_size = sizeof(struct prune_args),
	.description =
		"Removes each sandbox that has been idle for longer than prune.idleHours of its own agent, or "
		"is older than its prune.maxAgeDays, unless somebody uses it right now, and whatever "
		"was left over by a creel or an engine that was killed. The same happens by itself, at "
		"most every five minutes, when sandboxes are used. Workspaces stay, unless --workspaces asks "
		"for those that no sandbox uses to be deleted.",
	.run = run,
};
