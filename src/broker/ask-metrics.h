/* SPDX-License-Identifier: MIT */
#ifndef BROKER_ASK_METRICS_H
#define BROKER_ASK_METRICS_H

#include "broker/broker.h"

/*
 * What the broker knows of the gateway's figures, in a worker, for it looks at every sandbox:
 * {"startedMs","sessions","approvals","acquires","held","restarts","sandboxes":[[backend,state,count]],
 * "counts": as tally_json()}.
 */
void op_metrics(struct request *request, json_t *args);

#endif
