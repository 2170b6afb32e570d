/* SPDX-License-Identifier: MIT */
/* Arguments of a tool call: whatever JSON a model made up, read strictly but kindly. */
#ifndef TOOLS_ARGS_H
#define TOOLS_ARGS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/*
 * An own object with the aliases of parameters resolved (file_path, old_string, new_string) and
 * structured text flattened ([{"type":"text","text":".."}] becomes the text). NULL and null count
 * as {}. -EINVAL when it is no object.
 */
int args_normalize(const json_t *args, json_t **ret, struct error *err);

enum args_flag {
	ARGS_REQUIRED = 1,
	ARGS_NOT_EMPTY = 2, /* "" counts as missing */
};

/* Texts carry no NUL: they end up in paths, argv and environments. Absent: *ret is left alone. */
int args_text(
	const json_t *args, const char *name, unsigned flags, const char **ret, struct error *err);
/* Content: any bytes, NUL too. */
int args_content(const json_t *args, const char *name, unsigned flags, const char **ret,
	size_t *ret_len, struct error *err);
/* true, false, or the strings "true" and "false". *ret_given may be NULL. */
int args_bool(const json_t *args, const char *name, bool *ret, bool *ret_given, struct error *err);
/* An integer, a number (rounded down), or a decimal string; outside min..max it is refused. */
int args_int(const json_t *args, const char *name, int64_t min, int64_t max, int64_t *ret,
	bool *ret_given, struct error *err);

#endif
