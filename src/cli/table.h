/* SPDX-License-Identifier: MIT */
/* The rows of the command table, one per file. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include "cli/cmd.h"

extern const struct cmd cmd_exec;
extern const struct cmd cmd_tool;
extern const struct cmd cmd_mcp;
extern const struct cmd cmd_gateway_run;
extern const struct cmd cmd_gateway_status;
extern const struct cmd cmd_gateway_stop;
extern const struct cmd cmd_approval_list;
extern const struct cmd cmd_approval_allow;
extern const struct cmd cmd_approval_deny;
extern const struct cmd cmd_doctor;
extern const struct cmd cmd_selftest;
extern const struct cmd cmd_sandbox_explain;
extern const struct cmd cmd_sandbox_plan;
extern const struct cmd cmd_sandbox_list;
extern const struct cmd cmd_sandbox_recreate;
extern const struct cmd cmd_sandbox_rm;
extern const struct cmd cmd_sandbox_prune;
extern const struct cmd cmd_sandbox_stage;
extern const struct cmd cmd_policy_check;
extern const struct cmd cmd_policy_match;
extern const struct cmd cmd_config_validate;
extern const struct cmd cmd_config_get;
extern const struct cmd cmd_config_migrate;
extern const struct cmd cmd_config_schema;
extern const struct cmd cmd_config_docs;
extern const struct cmd cmd_audit;
extern const struct cmd cmd_audit_verify;
extern const struct cmd cmd_image_build;
extern const struct cmd cmd_completion;

#endif
