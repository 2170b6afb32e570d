/* SPDX-License-Identifier: MIT */
/* The route of `creel exec`: a command whose streams are the connection itself. */
#include "gateway/exec-relay.h"
#include "gateway/routes.h"

static void run_exec(struct http_exchange *x)
{
	struct gateway *gateway = http_exchange_gateway(x);
	struct gateway_caller caller = *http_exchange_caller(x);
	_cleanup_buf_ struct buf early = {0};
	_cleanup_buf_ struct buf token = {0};
	json_t *fields;
	int fd;

	fields = http_exchange_fields(x);
	if (fields == NULL) {
		return;
	}
	/* The exchange is dead behind detach, and with it its caller's token; the descriptor is the same
	 * connection. */
	if (caller.token != NULL) {
		buf_add_str(&token, caller.token);
		caller.token = token.data;
	}
	fd = http_exchange_detach(x, &early);
	if (fd < 0) {
		json_decref(fields);
		http_exchange_fail(x, 409, "busy", "an earlier answer is still unread", NULL);
		return;
	}
	if (caller.local_fd >= 0) {
		caller.local_fd = fd;
	}
	caller.transport = "cli";
	exec_relay_start(gateway, &(struct exec_relay_opts){
					  .caller = &caller,
					  .body = fields,
					  .adopt_fd = fd,
					  .early = early.data,
					  .early_len = early.len,
				  });
	json_decref(fields);
}

static const struct http_field exec_fields[] = {
	FIELD_SESSION(HTTP_IN_BODY),
	FIELD_AGENT(HTTP_IN_BODY),
	{"cwd", HTTP_IN_BODY, HTTP_STRING, .doc = "the caller's directory, a path of the host"},
	{"workspace", HTTP_IN_BODY, HTTP_STRING,
		.doc = "for administrators: the agent's workspace, an absolute path of the host"},
	FIELD_END,
};

const struct http_route routes_exec[] = {
	{HTTP_POST, "/v1/exec", "exec", "processes",
		"Run one command over this connection: Upgrade: creel-frames, then the frames of "
		"docs/PROTOCOL.md.",
		.run = run_exec, .fields = exec_fields, .upgrade = "creel-frames"},
	{.pattern = NULL},
};
