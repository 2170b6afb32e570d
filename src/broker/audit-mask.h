/* SPDX-License-Identifier: MIT */
/* Taking secrets out of texts that are written down. */
#ifndef BROKER_AUDIT_MASK_H
#define BROKER_AUDIT_MASK_H

#include <jansson.h>

#include "base/buf.h"
#include "base/strv.h"

enum { AUDIT_SECRET_MIN = 6 };

/* Append text with every value of secrets (in capitals or not), the value of every NAME=value whose name looks like a secret's and
 * the word after "Bearer " replaced by "***". */
void audit_mask(struct buf *out, const char *text, const struct strv *secrets);

/* A copy with all strings masked; a new reference. */
json_t *audit_mask_json(const json_t *value, const struct strv *secrets);

#endif
