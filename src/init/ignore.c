/* SPDX-License-Identifier: MIT */
/* Read and ask .gitignore rules. */
#include "init/ignore.h"

#include <string.h>

#include "base/path.h"
#include "init/edit_text.h"
#include "init/glob.h"

/* Blanks at the end go, but not one that is escaped. */
static struct span trim_pattern(struct span line)
{
	while (line.len > 0 && line.data[line.len - 1] == ' ') {
		size_t slashes = 0;

		while (slashes < line.len - 1 && line.data[line.len - 2 - slashes] == '\\') {
			slashes++;
		}
		if (slashes % 2 == 1) {
			break;
		}
		line.len--;
	}
	return line;
}

static bool parse_rule(struct span line, struct arena *arena, struct ignore_rule *ret)
{
	struct ignore_rule rule = {0};

	line = trim_pattern(line);
	if (line.len == 0 || line.data[0] == '#' || memchr(line.data, '\0', line.len) != NULL) {
		return false;
	}
	if (line.data[0] == '!') {
		rule.negate = true;
		line.data++;
		line.len--;
	}
	if (line.len > 0 && line.data[line.len - 1] == '/') {
		rule.dir_only = true;
		line.len--;
	}
	rule.anchored = line.len > 0 && memchr(line.data, '/', line.len) != NULL;
	if (line.len > 0 && line.data[0] == '/') {
		line.data++;
		line.len--;
	}
	if (line.len == 0) {
		return false;
	}
	rule.pattern = arena_strndup(arena, line.data, line.len);
	*ret = rule;
	return true;
}

void ignore_parse(const char *text, size_t len, struct arena *arena, struct ignore *ret)
{
	struct span rest = {text, len}, line;

	*ret = (struct ignore){0};
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		rest.data += 3;
		rest.len -= 3;
	}
	ret->rules = arena_calloc(arena, text_count_char(rest, '\n') + 1, sizeof(*ret->rules));
	while (text_next_line(&rest, true, &line)) {
		ret->count += parse_rule(line, arena, &ret->rules[ret->count]);
	}
}

bool ignore_match(const struct ignore *rules, const char *path, bool is_dir)
{
	const char *name = path_basename(path);

	for (; rules != NULL; rules = rules->above) {
		for (size_t i = rules->count; i-- > 0;) {
			const struct ignore_rule *rule = &rules->rules[i];

			if ((is_dir || !rule->dir_only) &&
				glob_match(rule->pattern,
					rule->anchored ? path + rules->base : name)) {
				return !rule->negate;
			}
		}
	}
	return false;
}
