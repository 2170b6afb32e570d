/* SPDX-License-Identifier: MIT */
/* What this host has to say to a decision, for the commands that show one. */
#ifndef BACKEND_HOST_VIEW_H
#define BACKEND_HOST_VIEW_H

#include "backend/backend.h"
#include "policy/report.h"

/* Strings point into facts and error. */
struct host_view {
	struct host_fact facts[LAYER_COUNT_];
	struct report_layer layers[LAYER_COUNT_];
	struct error error; /* why the decision cannot be carried out; num 0: it can */
	struct report_host report;
};

/* Resolve the decision without changing anything, and probe the host's layers. */
void host_view_fill(struct decision *decision, struct host_view *ret);

#endif
