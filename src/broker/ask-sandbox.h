/* SPDX-License-Identifier: MIT */
/* Operations on lasting sandboxes, each in a worker: engines are asked and homes are locked. */
#ifndef BROKER_ASK_SANDBOX_H
#define BROKER_ASK_SANDBOX_H

#include "broker/broker.h"

void op_sandbox_list(struct request *request, json_t *args);
void op_sandbox_recreate(struct request *request, json_t *args);
void op_sandbox_rm(struct request *request, json_t *args);
void op_sandbox_prune(struct request *request, json_t *args);
/* Rows of the audit log of one session, or of all. */
void op_audit_query(struct request *request, json_t *args);

#endif
