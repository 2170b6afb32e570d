/* SPDX-License-Identifier: MIT */
/*
 * Session keys and what is named after them. A canonical key is agent:<id>:<rest>; what a person
 * types ("main", "whatsapp:group:x") is turned into one here. Pure text.
 */
#ifndef POLICY_SESSION_H
#define POLICY_SESSION_H

#include <jansson.h>
#include <stdbool.h>

#include "base/arena.h"
#include "policy/decide.h"

enum {
	SESSION_NAME_MAX = 63, /* a container name is also a host name: RFC 1123 label length */
	SESSION_AGENT_MAX = 64,
	SESSION_SLUG_TEXT_MAX = 32,
};

/* Lower case, everything but [a-z0-9_-] turned into '-', at most 64 long; "main" when nothing is
 * left. */
char *session_agent_id(struct arena *a, const char *text);

/* The first agents.list entry with default: true, else the first, else "main". Normalised. */
const char *session_default_agent(struct arena *a, const json_t *root);

/* The entry of agents.list whose id normalises to agent_id; NULL when there is none. */
const json_t *session_agent_entry(
	struct arena *a, const json_t *root, const char *agent_id, size_t *ret_index);

/* agent:<id>:<rest>, any case, empty parts dropped. false: not of that form. Outputs are lower case. */
bool session_key_parse(
	struct arena *a, const char *key, const char **ret_agent, const char **ret_rest);

/* Who and where: agent from the option, else from the key, else the default agent; the key made
 * canonical; the key that counts as main; whether they are the same session. */
struct session_ref {
	const char *agent_id, *key, *main_key;
	const char *main_name; /* session.mainKey, normalised */
	bool main_configured, global_scope;
	bool is_main;
};
void session_resolve(struct arena *a, const json_t *root, const char *agent, const char *session,
	struct session_ref *ret);

/* The channel a canonical key belongs to ("whatsapp", "webchat"); NULL when it names none. */
const char *session_channel(struct arena *a, const char *key, const char *main_key);
/* The same for a name that somebody gave: aliases put right, lower case; never NULL. */
const char *session_channel_name(struct arena *a, const char *name);

/* How many sub-agents deep: the number of "subagent" parts. */
int session_subagent_depth(const char *key);

char *session_scope_key(
	struct arena *a, enum sandbox_scope scope, const char *key, const char *agent_id);
/* text-hash: safe as a file and container name, distinct for distinct values. */
char *session_slug(struct arena *a, const char *value);
/* prefix + slug (or "shared"), cut to 63. */
char *session_container_name(
	struct arena *a, const char *prefix, enum sandbox_scope scope, const char *scope_key);
/* root itself for the shared scope, else root/slug. */
char *session_workspace_dir(
	struct arena *a, const char *root, enum sandbox_scope scope, const char *scope_key);

#endif
