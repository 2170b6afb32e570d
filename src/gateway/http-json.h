/* SPDX-License-Identifier: MIT */
/* JSON that a client sent, within limits. */
#ifndef GATEWAY_HTTP_JSON_H
#define GATEWAY_HTTP_JSON_H

#include <jansson.h>

#include "base/error.h"

/*
 * Any JSON value, UTF-8, no name twice in an object, no NUL in a name. NULL with err: -EINVAL (no JSON; line
 * and column are named), -E2BIG (more than LIMIT_JSON_VALUES values or LIMIT_JSON_DEPTH levels: a
 * value costs up to 100 times its text in memory, so a body's size alone is no bound).
 */
json_t *http_json_load(const char *text, size_t len, struct error *err);

#endif
