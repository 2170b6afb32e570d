/* SPDX-License-Identifier: MIT */
/* The running gateway, asked over its unix socket: who owns that needs no token. */
#ifndef CLI_GATEWAY_CLIENT_H
#define CLI_GATEWAY_CLIENT_H

#include <jansson.h>

#include "base/error.h"
#include "config/config.h"

/* Connect. -ENOENT: none runs for this state directory; others: it cannot be reached, and why. */
int gateway_client_connect(const struct config *config, int *ret_fd, struct error *err);

/*
 * One request, waited for. body (taken over; NULL: none) is JSON. *ret is the answer's JSON, new; its
 * status in *ret_status. -ENOENT as above; -EIO and others: no answer came.
 */
struct gateway_request {
	const char *method, *path;
	json_t *body;
};
int gateway_client_ask(const struct config *config, const struct gateway_request *request,
	int *ret_status, json_t **ret, struct error *err);

/*
 * POST /v1/exec: *ret_fd speaks frames from here on. -ENOENT as above; -EPERM: refused, and err says
 * why; others: it did not answer.
 */
int gateway_client_exec(const struct config *config, json_t *body, int *ret_fd, struct error *err);

#endif
