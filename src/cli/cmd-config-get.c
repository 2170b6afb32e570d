/* SPDX-License-Identifier: MIT */
/* creel config get: one value, as it is after includes, variables and migration. */
#include <string.h>

#include "base/own.h"
#include "cli/prepare.h"
#include "cli/table.h"
#include "config/schema.h"
#include "policy/report.h"

struct get_args {
	struct common_args common;
	bool reveal;
};

static const struct cmd_option options[] = {
	{"reveal", 0, NULL, OPTION_FLAG, offsetof(struct get_args, reveal),
		"print secrets instead of masking them"},
};

struct found {
	json_t *value; /* NULL: neither set nor with a default; owned */
	bool is_set;
	const char *file;
	int line, column;
};

static int print_found_json(const struct cmd_call *call, const char *key, const struct found *found)
{
	json_t *object = json_object();
	int status;

	json_object_set_new(object, "key", json_string(key));
	json_object_set(object, "value", found->value);
	json_object_set_new(object, "source", json_string(found->is_set ? "file" : "default"));
	json_object_set_new(
		object, "file", found->file != NULL ? json_string(found->file) : json_null());
	json_object_set_new(object, "line", json_integer(found->line));
	json_object_set_new(object, "column", json_integer(found->column));
	status = print_json(call, object);
	json_decref(object);
	return status;
}

/* Strings bare, so that a script can use them; everything else as JSON. */
static int print_found(const struct cmd_call *call, const struct found *found)
{
	_cleanup_buf_ struct buf out = {0};
	_cleanup_free_ char *text = NULL;

	if (json_is_string(found->value)) {
		buf_add_str(&out, json_string_value(found->value));
	} else {
		text = json_dumps(found->value, JSON_INDENT(2) | JSON_ENCODE_ANY);
		buf_add_str(&out, text != NULL ? text : "null");
	}
	buf_add_char(&out, '\n');
	return print_text(call, &out);
}

static int report_absent(const struct cmd_call *call, const char *key)
{
	_cleanup_buf_ struct buf message = {0};

	buf_add_str(&message, "'");
	buf_add_escaped(&message, key, strlen(key), 200);
	buf_addf(&message, "' %s",
		schema_find(key) != NULL ? "is not set and has no default"
					 : "is not a key of the configuration");
	return fail(call, STATUS_FAILED,
		&(struct failure){
			.code = CODE_NOT_FOUND,
			.message = message.data,
			.path = key,
			.hint = "'creel config docs' lists every key",
		});
}

static const char *last_name(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot != NULL ? dot + 1 : path;
}

/* A new reference without what must not be shown. Containers may hold secrets deeper inside; depth is
 * bounded by the reader (LIMIT_CONFIG_DEPTH). */
static json_t *masked(const char *name, json_t *value)
{
	json_t *copy, *item;
	const char *key;
	size_t i;

	if (json_is_object(value)) {
		copy = json_object();
		json_object_foreach(value, key, item)
		{
			json_object_set_new(copy, key, masked(key, item));
		}
		return copy;
	}
	if (json_is_array(value)) {
		copy = json_array();
		json_array_foreach(value, i, item)
		{
			json_array_append_new(copy, masked(name, item));
		}
		return copy;
	}
	return json_is_string(value) && report_is_secret(name) ? json_string("***")
							       : json_incref(value);
}

static void look_up(const struct config *config, const char *key, bool reveal, struct found *ret)
{
	const struct schema_row *row = schema_find(key);
	bool secret = row != NULL && (row->flags & SCHEMA_SECRET_VALUE) != 0;
	json_t *value = config_get(config, key);

	if (value != NULL) {
		ret->is_set = true;
		(void)config_position(config, key, &ret->file, &ret->line, &ret->column);
	} else if (row != NULL) {
		value = schema_default(row, config->brand);
	}
	if (value != NULL) {
		ret->value = reveal ? json_incref(value)
				    : masked(secret ? "secret" : last_name(key), value);
	}
}

static int run(const struct cmd_call *call)
{
	const struct get_args *args = call->args;
	_cleanup_config_ struct config *config = NULL;
	const char *key = call->operands[0];
	struct found found = {0};
	int status = prepare_config(call, false, &config);

	if (status != STATUS_OK) {
		return status;
	}
	look_up(config, key, args->reveal, &found);
	if (found.value == NULL) {
		return report_absent(call, key);
	}
	status =
		args->common.json ? print_found_json(call, key, &found) : print_found(call, &found);
	json_decref(found.value);
	return status;
}

const struct cmd cmd_config_get = {
	.name = "config get",
	.summary = "print one value of the configuration",
	.operands = "KEY",
	.min_operands = 1,
	.max_operands = 1,
	.failed_status = STATUS_FAILED,
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.args_size = sizeof(struct get_args),
	.description =
		"Prints the value at KEY, for example agents.defaults.sandbox.mode or "
		"agents.list[0].id, after includes, variables and migration; the default when the "
		"files do not set it. Secrets are masked.",
	.run = run,
};
