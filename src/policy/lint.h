/* SPDX-License-Identifier: MIT */
/* What is allowed in a configuration and hardly meant. */
#ifndef POLICY_LINT_H
#define POLICY_LINT_H

#include "config/config.h"

/*
 * Warnings about the tool lists of a valid configuration, in the order in which its files are
 * read: an allow list in which nothing names a tool, and an entry one slip away from a tool's name.
 * At most 100 are given. *ret_issues and all texts are memory of a; the return value is their number.
 */
size_t policy_lint(const struct config *config, struct arena *a, struct config_issue **ret_issues);

#endif
