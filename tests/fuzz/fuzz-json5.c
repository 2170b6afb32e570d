/* SPDX-License-Identifier: MIT */
/* The JSON5 reader and the migration of old texts, on any bytes. */
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "config/config.h"
#include "config/json5.h"
#include "config/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Places must lie in the text, and showing them must work. */
static void show_problems(const struct json5_result *result, const char *text, size_t len)
{
	for (const struct json5_problem *p = result->first; p != NULL; p = p->next) {
		_cleanup_buf_ struct buf out = {0};

		if (p->offset > len) {
			abort();
		}
		text_caret(text, len, p->offset, 1, &out);
	}
}

/* What was read can be written, and what was written reads as the same. */
static void check_round_trip(const struct doc_node *root)
{
	json_t *value = doc_to_heap_json(root), *again = NULL;
	_cleanup_free_ char *text =
		json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(17));
	struct error err = {0};

	if (text == NULL || json5_loads(text, strlen(text), "again", &again, &err) < 0 ||
		!json_equal(value, again)) {
		abort();
	}
	json_decref(value);
	json_decref(again);
}

static void check_migration(const char *text, size_t len)
{
	_cleanup_arena_ struct arena arena = {0};
	struct json5_result result;
	struct strv moved = {0};
	struct error err = {0};
	char *out = NULL;

	if (config_migrate_text("fuzz", text, len, &out, &moved, &arena, &err) == 0 &&
		out != NULL && json5_parse(&arena, out, strlen(out), 0, NULL, &result) < 0) {
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_arena_ struct arena arena = {0};
	struct json5_result result;
	const char *text = (const char *)data;

	if (json5_parse(&arena, text, size, 0, NULL, &result) == 0) {
		check_round_trip(result.root);
	}
	show_problems(&result, text, size);
	check_migration(text, size);
	return 0;
}
