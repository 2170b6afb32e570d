/* SPDX-License-Identifier: MIT */
/* The route of `creel exec`: a command whose streams are the connection itself. */
#include "base/arena.h"
#include "base/macro.h"
#include "gateway/exec-relay.h"
#include "gateway/routes.h"

/* What outlives the exchange; the descriptor is the same connection. */
static struct gateway_caller keep_caller(struct http_exchange *x, struct arena *arena)
{
	struct gateway_caller caller = *http_exchange_caller(x);
	struct sender *s = &caller.sender;
	const char **texts[] = {&caller.token, &s->provider, &s->id, &s->name, &s->username,
		&s->tag, &s->e164, &s->from};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		*texts[i] = arena_strdup(arena, *texts[i]);
	}
	caller.transport = "cli";
	return caller;
}

static void run_exec(struct http_exchange *x)
{
	struct gateway *gateway = http_exchange_gateway(x);
	_cleanup_arena_ struct arena arena = {0};
	struct gateway_caller caller;
	_cleanup_buf_ struct buf early = {0};
	json_t *fields = http_exchange_fields(x);
	int fd;

	if (fields == NULL) {
		return;
	}
	caller = keep_caller(x, &arena);
	fd = http_exchange_detach(x, &early);
	if (fd < 0) {
		json_decref(fields);
		http_exchange_fail(x, 409, "busy", "an earlier answer is still unread", NULL);
		return;
	}
	if (caller.local_fd >= 0) {
		caller.local_fd = fd;
	}
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
	{"spawn", HTTP_IN_BODY, HTTP_STRING,
		.doc = "elevated: the payload of the SPAWN frame that will be sent, in base64; it runs on the host "
		       "if every gate lets it"},
	FIELD_END,
};

const struct http_route routes_exec[] = {
	{HTTP_POST, "/v1/exec", "exec", "processes",
		"Run one command over this connection: Upgrade: creel-frames, then the frames of "
		"docs/PROTOCOL.md.",
		.flags = HTTP_ROUTE_SENDER, .run = run_exec, .fields = exec_fields,
		.upgrade = "creel-frames"},
	{.pattern = NULL},
};
