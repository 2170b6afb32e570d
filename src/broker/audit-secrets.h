/* SPDX-License-Identifier: MIT */
/*
 * What no row of the audit log and no line of the log may show: found by the rule that `creel config get`
 * and `creel sandbox explain` mask by (policy/report.h), and by the schema's own marks.
 */
#ifndef BROKER_AUDIT_SECRETS_H
#define BROKER_AUDIT_SECRETS_H

#include <jansson.h>

#include "base/strv.h"

/* Values of a configuration as loaded, its ${NAME} replaced: of keys that the schema marks, of keys and of
 * variables whose names look like a secret's, private keys, and passwords in URLs. Appended, copied. */
void audit_secrets_of_config(const json_t *root, struct arena *a, struct strv *ret);

/* The same of "NAME=value" strings, NULL-terminated; NULL is taken. */
void audit_secrets_of_env(char *const *env, struct arena *a, struct strv *ret);

#endif
