/* SPDX-License-Identifier: MIT */
#include "broker/tally.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

enum { LABEL_MAX = 120 };

struct row {
	const char *name;
	char *label, *label2; /* NULL: none */
	uint64_t count;
};

struct tally {
	struct row *rows;
	size_t count;
};

struct tally *tally_new(void)
{
	return xcalloc(1, sizeof(struct tally));
}

struct tally *tally_free(struct tally *tally)
{
	for (size_t i = 0; tally != NULL && i < tally->count; i++) {
		free(tally->rows[i].label);
		free(tally->rows[i].label2);
	}
	if (tally != NULL) {
		free(tally->rows);
		free(tally);
	}
	return NULL;
}

static bool is_label(const char *kept, const char *label)
{
	return kept == NULL || label == NULL ? kept == label : strncmp(kept, label, LABEL_MAX) == 0;
}

static struct row *find(
	struct tally *tally, const char *name, const char *label, const char *label2)
{
	for (size_t i = 0; i < tally->count; i++) {
		struct row *row = &tally->rows[i];

		if (strcmp(row->name, name) == 0 && is_label(row->label, label) &&
			is_label(row->label2, label2)) {
			return row;
		}
	}
	return NULL;
}

static char *copy(const char *label)
{
	return label != NULL ? xstrndup(label, LABEL_MAX) : NULL;
}

void tally_add(struct tally *tally, const char *name, const char *label, const char *label2)
{
	struct row *row = find(tally, name, label, label2);

	if (row == NULL && tally->count >= LIMIT_METRIC_SERIES) {
		label = label != NULL ? "other" : NULL;
		label2 = label2 != NULL ? "other" : NULL;
		row = find(tally, name, label, label2);
	}
	if (row == NULL) {
		tally->rows = xreallocarray(tally->rows, tally->count + 1, sizeof(*tally->rows));
		row = &tally->rows[tally->count++];
		*row = (struct row){.name = name, .label = copy(label), .label2 = copy(label2)};
	}
	row->count++;
}

/* A label of any bytes; what is no UTF-8 has no name. */
static json_t *text(const char *label)
{
	json_t *string = label != NULL ? json_string(label) : json_null();

	return string != NULL ? string : json_string("other");
}

json_t *tally_json(const struct tally *tally)
{
	json_t *list = json_array();

	for (size_t i = 0; i < tally->count; i++) {
		const struct row *row = &tally->rows[i];

		(void)json_array_append_new(
			list, json_pack("[s,o,o,I]", row->name, text(row->label), text(row->label2),
				      (json_int_t)row->count));
	}
	return list;
}
