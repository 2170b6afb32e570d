/* SPDX-License-Identifier: MIT */
/* The running gateway, asked over its unix socket: who owns that needs no token. */
#ifndef CLI_GATEWAY_CLIENT_H
#define CLI_GATEWAY_CLIENT_H

#include <jansson.h>

#include "base/buf.h"
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

/* The same, of which only the result is wanted. -ENOENT also when it died over it; -ESRCH: what is asked
 * about is not there; -EPERM: refused. err has what it said. */
int gateway_client_result(const struct config *config, const struct gateway_request *request,
	json_t **ret, struct error *err);
/* One segment of a path, or a value of a query, percent-encoded. */
void gateway_client_add_encoded(struct buf *out, const char *text);

/*
 * A request that leaves HTTP: *ret_fd speaks the protocol from here on, blocking. -ENOENT as for results;
 * -EPERM: refused, and err says why; others: it did not answer.
 */
int gateway_client_upgrade(const struct config *config, const struct gateway_request *request,
	const char *protocol, int *ret_fd, struct error *err);

#endif
