/* SPDX-License-Identifier: MIT */
/* Private to the report files: small JSON helpers. */
#ifndef POLICY_REPORT_INTERNAL_H
#define POLICY_REPORT_INTERNAL_H

#include <jansson.h>

#include "policy/report.h"

json_t *report_list(const struct strv *list);

/* {"n":{"soft","hard"}}; -1 is no limit. */
json_t *report_ulimits(const struct sandbox_spec *spec);
/* Cores: 1, 0.5. */
json_t *report_cpus(const struct sandbox_spec *spec);
json_t *report_mounts(const struct sandbox_spec *spec);
/* Sentences for a person. */
json_t *report_warnings(const struct decision *decision);

#endif
