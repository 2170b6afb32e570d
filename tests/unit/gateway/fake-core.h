/* SPDX-License-Identifier: MIT */
/*
 * core.h without a broker and without sandboxes, so that what stands on it is tested alone. Two tokens:
 * "admin", and "main-only", which reaches the agent main. The tools: exec knows the commands "true",
 * "sleep MS" and "print BYTES"; read, write and their like say what they were given; browser is denied.
 */
#ifndef TESTS_FAKE_CORE_H
#define TESTS_FAKE_CORE_H

#include "gateway/core.h"

struct gateway *fake_gateway_new(struct event_base *base);
struct gateway *fake_gateway_free(struct gateway *gateway);
void fake_gateway_event(struct gateway *gateway, const char *kind, json_t *event);

#endif
