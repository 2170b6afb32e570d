/* SPDX-License-Identifier: MIT */
/* creel config validate: is the configuration one that Creel can work with. */
#include "cli/prepare.h"
#include "cli/table.h"
#include "policy/lint.h"

struct validate_args {
	struct common_args common;
	bool verbose;
};

static const struct cmd_option options[] = {
	{"verbose", 'v', NULL, OPTION_FLAG, offsetof(struct validate_args, verbose),
		"list also the keys that were left alone and the old ones that were read as new"},
};

static json_t *strings_json(const struct strv *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->count; i++) {
		json_array_append_new(array, json_string(list->items[i]));
	}
	return array;
}

static int print_valid_json(const struct cmd_call *call, const struct config *config,
	const struct config_issue *warnings, size_t warning_count)
{
	json_t *object = json_object(), *issues = json_array();
	int status;

	json_object_set_new(object, "valid", json_true());
	json_object_set_new(
		object, "path", config->path != NULL ? json_string(config->path) : json_null());
	json_object_set_new(object, "brand", json_string(config->brand->name));
	for (size_t i = 0; i < config->issue_count; i++) {
		json_array_append_new(issues, issue_json(&config->issues[i]));
	}
	for (size_t i = 0; i < warning_count; i++) {
		json_array_append_new(issues, issue_json(&warnings[i]));
	}
	json_object_set_new(object, "issues", issues);
	json_object_set_new(object, "passedOver", strings_json(&config->passed_over));
	json_object_set_new(object, "migrated", strings_json(&config->migrated));
	status = print_json(call, object);
	json_decref(object);
	return status;
}

static void add_list(struct buf *out, const char *title, const struct strv *list)
{
	if (list->count > 0) {
		buf_addf(out, "%s:\n", title);
	}
	for (size_t i = 0; i < list->count; i++) {
		buf_addf(out, "    %s\n", list->items[i]);
	}
}

static int print_valid(const struct cmd_call *call, const struct config *config,
	const struct config_issue *warnings, size_t warning_count)
{
	const struct validate_args *args = call->args;
	_cleanup_buf_ struct buf out = {0};

	if (config->path == NULL) {
		buf_add_str(&out, "no configuration file was found; the defaults are valid\n");
	} else {
		buf_addf(&out, "%s is valid (brand %s)\n", config->path, config->brand->name);
	}
	for (size_t i = 0; i < config->issue_count; i++) {
		config_print_issue(config, &config->issues[i], &out);
	}
	for (size_t i = 0; i < warning_count; i++) {
		config_print_issue(config, &warnings[i], &out);
	}
	if (args->verbose) {
		add_list(&out, "left alone, Creel has no use for them", &config->passed_over);
		add_list(&out, "read from their old places", &config->migrated);
	}
	return print_text(call, &out);
}

static int run(const struct cmd_call *call)
{
	_cleanup_config_ struct config *config = NULL;
	struct validate_args args = *(const struct validate_args *)call->args;
	struct cmd_call adjusted = *call;
	_cleanup_arena_ struct arena arena = {0};
	struct config_issue *warnings;
	size_t warning_count;
	int status;

	if (call->operand_count > 0) {
		args.common.config = call->operands[0];
	}
	adjusted.args = &args;
	status = prepare_config(&adjusted, false, &config);
	if (status != STATUS_OK) {
		return status;
	}
	warning_count = policy_lint(config, &arena, &warnings);
	return args.common.json ? print_valid_json(call, config, warnings, warning_count)
				: print_valid(call, config, warnings, warning_count);
}

const struct cmd cmd_config_validate = {
	.name = "config validate",
	.summary = "check a configuration file",
	.operands = "[FILE]",
	.max_operands = 1,
	.failed_status = STATUS_FAILED,
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.args_size = sizeof(struct validate_args),
	.description =
		"Reads the configuration as every other command does and reports all that is "
		"wrong with it: file, line, column, key, what was found, what is allowed. "
		"Status 1 when anything is.",
	.run = run,
};
