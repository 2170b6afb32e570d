/* SPDX-License-Identifier: MIT */
/* creel config schema: every key as JSON Schema. */
#include "cli/fail.h"
#include "cli/table.h"
#include "config/schema.h"

static int run(const struct cmd_call *call)
{
	json_t *schema = config_schema_json();
	int status = print_json(call, schema);

	json_decref(schema);
	return status;
}

const struct cmd cmd_config_schema = {
	.name = "config schema",
	.summary = "print the JSON Schema of the configuration",
	.operands = "",
	.failed_status = STATUS_FAILED,
	.args_size = sizeof(struct common_args),
	.description = "Prints a JSON Schema (2020-12) of every key, for editors and validators.",
	.run = run,
};
