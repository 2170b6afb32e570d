/* SPDX-License-Identifier: MIT */
/* What only the broker sees, counted by name and up to two labels, for the metrics that its front renders. */
#ifndef BROKER_TALLY_H
#define BROKER_TALLY_H

#include <jansson.h>

struct tally;

struct tally *tally_new(void);
struct tally *tally_free(struct tally *tally); /* NULL ok; NULL */
/*
 * One more. name is one of ours; a label may come from anywhere (NULL: none), so that from
 * LIMIT_METRIC_SERIES rows on new ones count as "other".
 */
void tally_add(struct tally *tally, const char *name, const char *label, const char *label2);
/* [[name, label or null, label2 or null, count]], new reference. */
json_t *tally_json(const struct tally *tally);

#endif
