/* SPDX-License-Identifier: MIT */
/* The options that say for whom a decision is made, and the request they make. */
#ifndef CLI_REQUEST_H
#define CLI_REQUEST_H

#include "cli/prepare.h"

/* A command's argument struct has one of these; request_options() describe it. */
struct request_args {
	const char *agent, *session, *workspace, *sender;
	const char *provider; /* of the model */
	bool owner;
};

/* Rows for an option table. base is the offset of the struct request_args. */
#define REQUEST_OFFSET(base, member) ((base) + offsetof(struct request_args, member))
#define REQUEST_OPTION_AGENT(base)                                             \
	{                                                                      \
		"agent", 0, "AGENT", OPTION_TEXT, REQUEST_OFFSET(base, agent), \
			"decide as for this agent"                             \
	}
#define REQUEST_OPTION_SESSION(base)                                                    \
	{                                                                               \
		"session", 0, "KEY", OPTION_TEXT, REQUEST_OFFSET(base, session),        \
			"decide as for this session; default: the agent's main session" \
	}
#define REQUEST_OPTION_WORKSPACE(base)                                               \
	{                                                                            \
		"workspace", 0, "DIR", OPTION_TEXT, REQUEST_OFFSET(base, workspace), \
			"use this directory as the agent's workspace"                \
	}
#define REQUEST_OPTION_SENDER(base)                                                    \
	{                                                                              \
		"sender", 0, "SENDER", OPTION_TEXT, REQUEST_OFFSET(base, sender),      \
			"who asks, as tools.elevated.allowFrom names them: CHANNEL:ID" \
	}

/* What stands behind a decision; finish with request_finish(). A zeroed one is empty. */
struct decided {
	struct config *config;
	struct decide_request request;
	struct decision *decision;
	struct arena arena;
	char *workspace;
};
void decided_finish(struct decided *decided);
#define _cleanup_decided_ _cleanup_(decided_finish)

/*
 * Load, decide. tool may be NULL. Reports what went wrong and returns the exit status then; 0 when
 * the decision is there.
 */
int request_decide(const struct cmd_call *call, const struct request_args *args, const char *tool,
	bool elevated, struct decided *ret);

#endif
