/* SPDX-License-Identifier: MIT */
/* Session keys, agent ids, and the names made from them. */
#include "policy/session.h"

#include <string.h>
#include <strings.h>

#include "base/hash.h"
#include "base/macro.h"
#include "base/path.h"
#include "policy/text.h"

static bool is_id_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static bool is_slug_char(char c)
{
	return is_id_char(c) || c == '.';
}

/* Runs of characters outside the class become one '-'; '-' at both ends goes; cut to max. */
static char *squeeze(struct arena *a, const char *text, bool (*keep)(char), size_t max)
{
	char *out = arena_alloc(a, strlen(text) + 1);
	size_t len = 0, skip = 0;

	for (; *text != '\0'; text++) {
		if (keep(*text)) {
			out[len++] = *text;
		} else if (len == 0 || keep(text[-1])) {
			out[len++] = '-';
		}
	}
	while (len > 0 && out[len - 1] == '-') {
		len--;
	}
	while (skip < len && out[skip] == '-') {
		skip++;
	}
	len -= skip;
	out[skip + (len < max ? len : max)] = '\0';
	return out + skip;
}

/* A well-formed id is only lowered: "-x" and "x-" are not, "x_-" is. */
static bool is_agent_id(const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len > SESSION_AGENT_MAX || text[0] == '_' || text[0] == '-') {
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		char c = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] + ('a' - 'A')) : text[i];

		if (!is_id_char(c)) {
			return false;
		}
	}
	return true;
}

char *session_agent_id(struct arena *a, const char *text)
{
	char *id = text_trim(a, text);
	size_t len;

	if (is_agent_id(id)) {
		return text_lower(a, id);
	}
	id = squeeze(a, text_lower(a, id), is_id_char, SESSION_AGENT_MAX);
	/* A cut can leave a '-' at the end. Where the id is none to begin with ("_x"), normalising it
	 * again would take that away: an id must stay what it is when it comes back in a key. */
	len = strlen(id);
	while (len > 0 && !is_agent_id(id) && id[len - 1] == '-') {
		id[--len] = '\0';
	}
	return *id != '\0' ? id : arena_strdup(a, "main");
}

static const char *entry_id(const json_t *entry)
{
	return json_string_value(json_object_get(entry, "id"));
}

static const json_t *agent_list(const json_t *root)
{
	return json_object_get(json_object_get(root, "agents"), "list");
}

const char *session_default_agent(struct arena *a, const json_t *root)
{
	const json_t *list = agent_list(root), *entry, *found = NULL;
	size_t i;

	json_array_foreach(list, i, entry)
	{
		if (entry_id(entry) == NULL) {
			continue;
		}
		if (json_is_true(json_object_get(entry, "default"))) {
			return session_agent_id(a, entry_id(entry));
		}
		found = found != NULL ? found : entry;
	}
	return found != NULL ? session_agent_id(a, entry_id(found)) : "main";
}

const json_t *session_agent_entry(
	struct arena *a, const json_t *root, const char *agent_id, size_t *ret_index)
{
	const json_t *list = agent_list(root), *entry;
	size_t i;

	json_array_foreach(list, i, entry)
	{
		const char *id = entry_id(entry);

		/* Most ids are written in their normal form: no copy for those that differ at once. */
		if (id != NULL &&
			(strcmp(id, agent_id) == 0 ||
				(!is_agent_id(id) || strcasecmp(id, agent_id) == 0)) &&
			strcmp(session_agent_id(a, id), agent_id) == 0) {
			*ret_index = i;
			return entry;
		}
	}
	return NULL;
}

bool session_key_parse(
	struct arena *a, const char *key, const char **ret_agent, const char **ret_rest)
{
	char *text = text_fold(a, key), *rest;
	const char *agent;
	size_t parts = 0, len = 0;

	/* Empty parts go: "agent::main:x" is "agent:main:x". */
	for (const char *p = text; *p != '\0';) {
		size_t part = strcspn(p, ":");

		if (part > 0) {
			if (parts++ > 0) {
				text[len++] = ':';
			}
			memmove(text + len, p, part);
			len += part;
		}
		p += part;
		p += *p == ':';
	}
	text[len] = '\0';
	if (parts < 3 || strncmp(text, "agent:", 6) != 0) {
		return false;
	}
	agent = text + 6;
	rest = strchr(text + 6, ':');
	*rest++ = '\0';
	*ret_agent = agent;
	*ret_rest = rest;
	return true;
}

static const char *main_name(struct arena *a, const json_t *session, bool *ret_configured)
{
	const char *name = json_string_value(json_object_get(session, "mainKey"));

	*ret_configured = !text_is_blank(name);
	return *ret_configured ? text_fold(a, name) : "main";
}

/* A key without ':' is a name within the agent; "global" is the one key that belongs to no agent. */
static const char *canonical_key(
	struct arena *a, const char *session, const struct session_ref *ref)
{
	char *raw = text_trim(a, session != NULL ? session : "");

	if (*raw == '\0') {
		return text_concat(a, "agent:", ref->agent_id, ":", ref->main_name, NULL);
	}
	if (strchr(raw, ':') != NULL || strcmp(raw, "global") == 0) {
		return raw;
	}
	return text_concat(a, "agent:", ref->agent_id, ":", text_lower(a, raw), NULL);
}

static bool is_main_alias(const char *key, const struct session_ref *ref)
{
	size_t prefix = strlen("agent:") + strlen(ref->agent_id) + 1;

	if (strcmp(key, ref->main_key) == 0) {
		return true;
	}
	if (strncmp(key, "agent:", 6) == 0) {
		if (strncmp(key + 6, ref->agent_id, prefix - 7) != 0 || key[prefix - 1] != ':') {
			return false;
		}
		key += prefix;
	}
	return strcmp(key, "main") == 0 || strcmp(key, ref->main_name) == 0;
}

void session_resolve(struct arena *a, const json_t *root, const char *agent, const char *session,
	struct session_ref *ret)
{
	const json_t *block = json_object_get(root, "session");
	const char *scope = json_string_value(json_object_get(block, "scope"));
	const char *from_key = "main", *rest = NULL;

	*ret = (struct session_ref){
		.global_scope = scope != NULL && strcmp(scope, "global") == 0,
	};
	ret->main_name = main_name(a, block, &ret->main_configured);
	if (!text_is_blank(agent)) {
		ret->agent_id = session_agent_id(a, agent);
	} else if (text_is_blank(session)) {
		/* The one global session is nobody's, and what is nobody's is main's. */
		ret->agent_id = ret->global_scope ? "main" : session_default_agent(a, root);
	} else {
		(void)session_key_parse(a, session, &from_key, &rest);
		ret->agent_id = session_agent_id(a, from_key);
	}
	ret->key = canonical_key(a, session, ret);
	ret->main_key = ret->global_scope ? "global"
					  : text_concat(a, "agent:", ret->agent_id, ":",
						    ret->main_name, NULL);
	ret->is_main = is_main_alias(ret->key, ret);
}

static const struct {
	const char *name, *channel;
} channel_names[] = {
	{"telegram", "telegram"},
	{"whatsapp", "whatsapp"},
	{"discord", "discord"},
	{"irc", "irc"},
	{"internet-relay-chat", "irc"},
	{"googlechat", "googlechat"},
	{"google-chat", "googlechat"},
	{"gchat", "googlechat"},
	{"slack", "slack"},
	{"signal", "signal"},
	{"imessage", "imessage"},
	{"imsg", "imessage"},
	{"webchat", "webchat"},
};

static const char *find_channel(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(channel_names); i++) {
		if (strcmp(channel_names[i].name, name) == 0) {
			return channel_names[i].channel;
		}
	}
	return NULL;
}

const char *session_channel_name(struct arena *a, const char *name)
{
	char *folded = text_fold(a, name);
	const char *known = find_channel(folded);

	return known != NULL ? known : folded;
}

const char *session_channel(struct arena *a, const char *key, const char *main_key)
{
	const char *agent, *rest;
	char *first;

	if (!session_key_parse(a, key, &agent, &rest)) {
		return NULL;
	}
	first = arena_strndup(a, rest, strcspn(rest, ":"));
	if (strcmp(first, main_key) == 0) {
		return NULL;
	}
	return find_channel(text_trim(a, first));
}

int session_subagent_depth(const char *key)
{
	static const char word[] = "subagent";
	int depth = 0;

	while (*key != '\0') {
		size_t part = strcspn(key, ":");

		if (part == sizeof(word) - 1 && strncasecmp(key, word, part) == 0) {
			depth++;
		}
		key += part;
		key += *key == ':';
	}
	return depth;
}

char *session_scope_key(
	struct arena *a, enum sandbox_scope scope, const char *key, const char *agent_id)
{
	char *trimmed;

	switch (scope) {
	case SCOPE_SHARED:
		return arena_strdup(a, "shared");
	case SCOPE_AGENT:
		return text_concat(a, "agent:", agent_id, NULL);
	case SCOPE_SESSION:
	case SCOPE_COUNT_:
		break;
	}
	trimmed = text_trim(a, key);
	return *trimmed != '\0' ? trimmed : arena_strdup(a, "main");
}

char *session_slug(struct arena *a, const char *value)
{
	char hex[HASH_HEX_SIZE];
	const char *text = text_trim(a, value), *safe;

	text = *text != '\0' ? text : "session";
	hash_sha256_hex(text, strlen(text), hex);
	safe = squeeze(a, text_lower(a, text), is_slug_char, SESSION_SLUG_TEXT_MAX);
	return arena_printf(a, "%s-%.8s", *safe != '\0' ? safe : "session", hex);
}

char *session_container_name(
	struct arena *a, const char *prefix, enum sandbox_scope scope, const char *scope_key)
{
	char *name = arena_printf(
		a, "%s%s", prefix, scope == SCOPE_SHARED ? "shared" : session_slug(a, scope_key));

	if (strlen(name) > SESSION_NAME_MAX) {
		name[SESSION_NAME_MAX] = '\0';
	}
	return name;
}

char *session_workspace_dir(
	struct arena *a, const char *root, enum sandbox_scope scope, const char *scope_key)
{
	if (scope == SCOPE_SHARED) {
		return arena_strdup(a, root);
	}
	return path_join(a, root, session_slug(a, scope_key));
}
