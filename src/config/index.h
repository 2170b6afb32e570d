/* SPDX-License-Identifier: MIT */
/* Finding by name in what is too large to walk: no size of a file makes loading it slow. */
#ifndef CONFIG_INDEX_H
#define CONFIG_INDEX_H

#include <stddef.h>

#include "base/macro.h"
#include "config/doc.h"

/* Names and nodes are borrowed. A zeroed struct is valid and empty. */
struct doc_index {
	struct doc_index_entry {
		const char *name; /* NULL: free */
		struct doc_node *node;
	} * entries;
	size_t count, size; /* size is 0 or a power of two */
};

void doc_index_finish(struct doc_index *index);

/* The first node of a name stays: what is added under the same name later is not found. */
void doc_index_add(struct doc_index *index, const char *name, struct doc_node *node);
void doc_index_add_members(struct doc_index *index, const struct doc_node *object); /* NULL: none */
struct doc_node *doc_index_get(const struct doc_index *index, const char *name); /* NULL: absent */

#define _cleanup_doc_index_ _cleanup_(doc_index_finish)

#endif
