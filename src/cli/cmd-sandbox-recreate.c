/* SPDX-License-Identifier: MIT */
/* creel sandbox recreate and rm: take sandboxes away. */
#include <string.h>

#include "base/own.h"
#include "cli/sandboxes.h"
#include "cli/table.h"
#include "policy/session.h"

struct recreate_args {
	struct common_args common;
	const char *session, *agent;
	bool all, browser, force;
};

#define OFFSET(member) offsetof(struct recreate_args, member)
#define OPTION_BROWSER                                                                        \
	{                                                                                     \
		"browser", 0, NULL, OPTION_FLAG, OFFSET(browser), "those of browsers instead" \
	}
#define OPTION_FORCE                                                         \
	{                                                                    \
		"force", 'f', NULL, OPTION_FLAG, OFFSET(force), "do not ask" \
	}

static const struct cmd_option recreate_options[] = {
	{"all", 0, NULL, OPTION_FLAG, OFFSET(all), "every sandbox"},
	{"session", 0, "KEY", OPTION_TEXT, OFFSET(session), "the sandbox of this session"},
	{"agent", 0, "AGENT", OPTION_TEXT, OFFSET(agent), "the sandboxes of this agent"},
	OPTION_BROWSER,
	OPTION_FORCE,
};

static const struct cmd_option rm_options[] = {OPTION_BROWSER, OPTION_FORCE};

struct filter {
	const char *kind;
	const char *session, *canonical; /* as given, and in full */
	const char *agent;
	char *const *names; /* of containers or scopes; NULL: any */
};

static bool is_named(const struct filter *filter, const struct registry_row *row)
{
	for (char *const *name = filter->names; *name != NULL; name++) {
		if (strcmp(*name, row->name) == 0 ||
			(row->scope_key != NULL && strcmp(*name, row->scope_key) == 0)) {
			return true;
		}
	}
	return false;
}

static bool passes(const void *arg, const struct lifecycle_sandbox *sandbox)
{
	const struct filter *filter = arg;
	const char *key = sandbox->row.scope_key;

	if (strcmp(sandbox->row.kind, filter->kind) != 0) {
		return false;
	}
	if (filter->session != NULL) {
		return key != NULL &&
		       (strcmp(key, filter->session) == 0 || strcmp(key, filter->canonical) == 0);
	}
	if (filter->agent != NULL) {
		return sandboxes_is_agents(sandbox, filter->agent);
	}
	return filter->names == NULL || is_named(filter, &sandbox->row);
}

static int run_filtered(const struct cmd_call *call, struct filter *filter)
{
	const struct recreate_args *args = call->args;
	_cleanup_sandboxes_ struct sandboxes sandboxes = {0};
	_cleanup_arena_ struct arena arena = {0};
	struct session_ref ref = {0};
	int status = sandboxes_read(call, &sandboxes);

	if (status != STATUS_OK) {
		return status;
	}
	if (filter->session != NULL) {
		session_resolve(&arena, sandboxes.config->root, NULL, filter->session, &ref);
		filter->canonical = ref.key;
	}
	if (filter->agent != NULL) {
		filter->agent = session_agent_id(&arena, filter->agent);
	}
	filter->kind = sandbox_kind_name(args->browser ? KIND_BROWSER : KIND_SANDBOX);
	sandboxes_keep(&sandboxes.list, passes, filter);
	return sandboxes_remove(call, &sandboxes, args->browser, args->force);
}

static int run_recreate(const struct cmd_call *call)
{
	const struct recreate_args *args = call->args;
	struct filter filter = {.session = args->session, .agent = args->agent};

	if (args->all + (args->session != NULL) + (args->agent != NULL) != 1) {
		return fail_usage(args->common.json,
			"sandbox recreate: say which: exactly one of --all, --session KEY and --agent "
			"AGENT");
	}
	return run_filtered(call, &filter);
}

static int run_rm(const struct cmd_call *call)
{
	struct filter filter = {.names = call->operands};

	return run_filtered(call, &filter);
}

const struct cmd cmd_sandbox_recreate = {
	.name = "sandbox recreate",
	.summary = "have sandboxes made anew",
	.operands = "",
	.failed_status = STATUS_FAILED,
	.options = recreate_options,
	.option_count = ARRAY_SIZE(recreate_options),
	.args_size = sizeof(struct recreate_args),
	.description =
		"Removes the sandboxes of all, of one session or of one agent, with what runs in them, so "
		"that the next call makes a new one from today's configuration. Says which and asks, "
		"unless --force. Workspaces stay.",
	.run = run_recreate,
};

const struct cmd cmd_sandbox_rm = {
	.name = "sandbox rm",
	.summary = "remove sandboxes by name",
	.operands = "NAME...",
	.min_operands = 1,
	.max_operands = -1,
	.failed_status = STATUS_FAILED,
	.options = rm_options,
	.option_count = ARRAY_SIZE(rm_options),
	.args_size = sizeof(struct recreate_args),
	.description =
		"Removes sandboxes, with what runs in them. NAME is a container's name or the key of its "
		"session, as 'creel sandbox list' prints them. Says which and asks, unless --force. "
		"Workspaces stay.",
	.run = run_rm,
};
