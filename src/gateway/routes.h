/* SPDX-License-Identifier: MIT */
/* The tables of routes, and the fields that many of them share. */
#ifndef GATEWAY_ROUTES_H
#define GATEWAY_ROUTES_H

#include "gateway/http.h"

extern const struct http_route routes_meta[], routes_tools[], routes_files[], routes_processes[],
	routes_admin[], routes_browser[], routes_events[], routes_exec[], routes_mcp[];

#define FIELD_SESSION(where)                                                                 \
	{                                                                                    \
		"sessionKey", where, HTTP_STRING,                                            \
			.as = "session",                                                     \
			.doc = "whose sandbox; the agent's main session when it is left out" \
	}
#define FIELD_AGENT(where)                                                                   \
	{                                                                                    \
		"agentId", where, HTTP_STRING,                                               \
			.as = "agent", .doc = "of that session, if its key does not name it" \
	}
#define FIELD_END    \
	{            \
		NULL \
	}

/* JSON Schemas that several rows have. */
#define ANSWER_TOOL                                                                               \
	"{\"type\":\"object\",\"required\":[\"content\",\"details\"],\"properties\":{"            \
	"\"content\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"type\"]," \
	"\"properties\":{\"type\":{\"enum\":[\"text\",\"image\"]}}}},"                            \
	"\"details\":{\"type\":\"object\"}}}"
#define ANSWER_OBJECT "{\"type\":\"object\"}"
#define ANSWER_LIST(name)                                                          \
	"{\"type\":\"object\",\"required\":[\"" name "\"],\"properties\":{\"" name \
	"\":{\"type\":\"array\"}}}"

#endif
