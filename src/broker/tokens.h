/* SPDX-License-Identifier: MIT */
/* Who may call, and what each may do (contract section 7). */
#ifndef BROKER_TOKENS_H
#define BROKER_TOKENS_H

#include "policy/decide.h"

enum { TOKEN_HASH_SIZE = 32 };

/* One caller. Empty lists: no restriction by them. */
struct principal {
	const char *name;
	uint8_t sha256[TOKEN_HASH_SIZE];
	struct strv agents, sessions, tools;
	bool elevated, admin;
};

/* Memory is the arena's. */
struct tokens {
	struct arena arena;
	struct principal *items;
	size_t count;
	struct strv texts; /* the tokens themselves, until tokens_wipe() */
};

/*
 * Read gateway.tokens and gateway.auth.token. Without any of them, <state>/gateway-token counts as an
 * administrator's, and is made (0600) when it is not there. -EINVAL and others: which token cannot be
 * read and why; *ret is empty then.
 */
int tokens_load(const struct config *config, struct tokens *ret, struct error *err);
void tokens_finish(struct tokens *tokens);

/* Overwrite the tokens themselves, in the configuration too: from here on their hashes do. Only the audit
 * log keeps them, to take them out of what it writes (audit_set_secrets()). */
void tokens_wipe(struct tokens *tokens, struct config *config);

/* Whose token this is; NULL: nobody's. All are compared, each in constant time. */
const struct principal *tokens_find(const struct tokens *tokens, const char *token);

/* Whoever reached us through the unix socket: our own user, or root. */
extern const struct principal principal_local;

bool principal_reaches_agent(const struct principal *principal, const char *agent_id);
bool principal_reaches_session(const struct principal *principal, const char *session_key);
bool principal_reaches_tool(struct arena *a, const struct principal *principal, const char *tool);

#endif
