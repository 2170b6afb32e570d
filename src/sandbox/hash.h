/* SPDX-License-Identifier: MIT */
/* The hash that tells whether a running sandbox still is what the configuration asks for. */
#ifndef SANDBOX_HASH_H
#define SANDBOX_HASH_H

#include <jansson.h>

#include "base/arena.h"
#include "policy/decide.h"

/* SHA-256, lower-case hex, of the compact JSON of value with its object keys sorted and null members
 * left out; lists keep their order. */
char *config_hash_json(struct arena *a, const json_t *value);

/* The hash of a resolved decision: its docker block with the derived user, the access and the two
 * directories. Memory from the decision. */
const char *config_hash(struct decision *decision);

#endif
