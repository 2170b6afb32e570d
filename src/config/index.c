/* SPDX-License-Identifier: MIT */
/* A hash table with open addressing, from names to nodes. */
#include "config/index.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { FIRST_SIZE = 16 };

/* FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/). Who writes the configuration may as well ask
 * for a slow program, so names that are chosen to collide need no defence. */
static uint64_t hash(const char *name)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (; *name != '\0'; name++) {
		h = (h ^ (unsigned char)*name) * UINT64_C(1099511628211);
	}
	return h ^ h >> 32;
}

/* The entry of a name, or the free one where it belongs. The table is never full. */
static struct doc_index_entry *find(const struct doc_index *index, const char *name)
{
	size_t at = (size_t)hash(name) & (index->size - 1);

	while (index->entries[at].name != NULL && strcmp(index->entries[at].name, name) != 0) {
		at = (at + 1) & (index->size - 1);
	}
	return &index->entries[at];
}

static void grow(struct doc_index *index)
{
	struct doc_index larger = {.size = index->size > 0 ? index->size * 2 : FIRST_SIZE};

	larger.count = index->count;
	larger.entries = xcalloc(larger.size, sizeof(*larger.entries));
	for (size_t i = 0; i < index->size; i++) {
		if (index->entries[i].name != NULL) {
			*find(&larger, index->entries[i].name) = index->entries[i];
		}
	}
	free(index->entries);
	*index = larger;
}

void doc_index_finish(struct doc_index *index)
{
	free(index->entries);
	*index = (struct doc_index){0};
}

void doc_index_add(struct doc_index *index, const char *name, struct doc_node *node)
{
	struct doc_index_entry *entry;

	if (index->count >= index->size / 2) {
		grow(index);
	}
	entry = find(index, name);
	if (entry->name == NULL) {
		*entry = (struct doc_index_entry){.name = name, .node = node};
		index->count++;
	}
}

void doc_index_add_members(struct doc_index *index, const struct doc_node *object)
{
	if (object == NULL || object->type != DOC_OBJECT) {
		return;
	}
	for (struct doc_node *child = object->first; child != NULL; child = child->next) {
		doc_index_add(index, child->key, child);
	}
}

struct doc_node *doc_index_get(const struct doc_index *index, const char *name)
{
	return index->size > 0 ? find(index, name)->node : NULL;
}
