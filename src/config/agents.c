/* SPDX-License-Identifier: MIT */
/* Agent ids, and the list that all forms of writing agents end up in. */
#include "config/agents.h"

#include <stdbool.h>
#include <string.h>

#include "config/loader.h"

enum { AGENT_ID_MAX = 64 };

static bool is_id_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static char lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* Already an id but for its case. */
static bool is_id(const char *id, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!is_id_char(lower(id[i]))) {
			return false;
		}
	}
	return len > 0 && len <= AGENT_ID_MAX && id[0] != '_' && id[0] != '-';
}

char *agent_id_normalize(struct arena *a, const char *id)
{
	size_t len, n = 0;
	bool plain;
	char *out;

	id += strspn(id, " \t\n\v\f\r");
	len = strlen(id);
	while (len > 0 && strchr(" \t\n\v\f\r", id[len - 1]) != NULL) {
		len--;
	}
	plain = is_id(id, len);
	out = arena_alloc(a, len + 1);
	for (size_t i = 0; i < len; i++) {
		char c = lower(id[i]);

		if (is_id_char(c)) {
			out[n++] = c;
		} else if (n == 0 || out[n - 1] != '-' || is_id_char(lower(id[i - 1]))) {
			out[n++] = '-';
		}
	}
	if (!plain) {
		size_t start = strspn(out, "-");

		memmove(out, out + start, n - start + 1);
		n -= start;
		while (n > 0 && out[n - 1] == '-') {
			n--;
		}
	}
	n = n < AGENT_ID_MAX ? n : AGENT_ID_MAX;
	out[n] = '\0';
	return n > 0 ? out : arena_strdup(a, "main");
}

/* An entry of agents.entries as an item of agents.list: the key is its id. */
static struct doc_node *entry_to_item(struct loader *l, const struct doc_node *entry)
{
	struct doc_node *item = doc_alias(l->arena, entry);
	struct doc_node *id;

	if (doc_get(entry, "id") == NULL) {
		id = doc_new_string(l->arena, entry->key, entry);
		id->key = "id";
		id->key_len = 2;
		id->written_key = NULL;
		id->offset = entry->key_offset;
		id->written_parent = entry;
		id->next = item->first;
		item->first = id;
		item->last = item->last != NULL ? item->last : id;
		item->count++;
	}
	item->written_key = entry->written_key != NULL ? entry->written_key : entry->key;
	item->key = NULL;
	item->key_len = 0;
	return item;
}

static void entries_to_list(struct loader *l)
{
	struct doc_node *agents = doc_get(l->root, "agents");
	const struct doc_node *entries = doc_get(agents, "entries");
	struct doc_node *list = doc_get(agents, "list");

	if (entries == NULL || entries->type != DOC_OBJECT) {
		return;
	}
	if (list == NULL) {
		list = doc_new(l->arena, DOC_ARRAY, entries);
		doc_set(agents, "list", list);
	}
	for (const struct doc_node *entry = entries->first; entry != NULL; entry = entry->next) {
		if (entry->type == DOC_OBJECT && list->type == DOC_ARRAY) {
			doc_append(list, entry_to_item(l, entry));
		}
	}
}

static void name_agents(struct loader *l)
{
	const struct doc_node *list = doc_get(doc_get(l->root, "agents"), "list");
	struct config *config = l->config;
	size_t i = 0;

	if (list == NULL || list->type != DOC_ARRAY) {
		return;
	}
	config->agent_keys = arena_calloc(l->arena, list->count, sizeof(*config->agent_keys));
	config->agent_count = list->count;
	for (const struct doc_node *item = list->first; item != NULL; item = item->next) {
		bool entry =
			item->written_parent != NULL && item->written_parent->type == DOC_OBJECT;

		config->agent_keys[i] = entry ? doc_path(l->arena, item)
					      : arena_printf(l->arena, "agents.list[%zu]", i);
		i++;
	}
}

/* setupCommand may be a list of lines. */
static void join_lines(struct loader *l, struct doc_node *command)
{
	_cleanup_(buf_finish) struct buf text = {0};

	for (const struct doc_node *line = command->first; line != NULL; line = line->next) {
		if (line->type == DOC_STRING) {
			buf_addf(&text, "%s%s", line != command->first ? "\n" : "", line->text);
		}
	}
	command->type = DOC_STRING;
	command->count = (uint32_t)text.len;
	command->text = arena_strdup(l->arena, text.data != NULL ? text.data : "");
}

static void join_setup_command(struct loader *l, const struct doc_node *block)
{
	struct doc_node *command =
		doc_get(doc_get(doc_get(block, "sandbox"), "docker"), "setupCommand");

	if (command != NULL && command->type == DOC_ARRAY) {
		join_lines(l, command);
	}
}

void normalize_doc(struct loader *l)
{
	const struct doc_node *agents = doc_get(l->root, "agents"), *list;

	entries_to_list(l);
	name_agents(l);
	list = doc_get(agents, "list");
	join_setup_command(l, doc_get(agents, "defaults"));
	for (const struct doc_node *item = list != NULL && list->type == DOC_ARRAY ? list->first
										   : NULL;
		item != NULL; item = item->next) {
		join_setup_command(l, item);
	}
}
