/* SPDX-License-Identifier: MIT */
/* Match file names. */
#include "init/glob.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "base/macro.h"
#include "init/edit_text.h"

static uint32_t next_char(const char **text)
{
	uint32_t point;
	size_t n = text_next(*text, strnlen(*text, 4), &point);

	if (point == TEXT_INVALID) {
		point = 0x80000000U | (uint8_t) * *text;
		n = 1;
	}
	*text += n;
	return point;
}

/* "[:name:]" at p: whether c is in it; *ret_end is behind it. false and NULL: no class stands there. */
static bool in_class(const char *p, uint32_t c, const char **ret_end)
{
	static const struct {
		const char *name;
		int (*is)(int c);
	} classes[] = {
		{"alnum", isalnum},
		{"alpha", isalpha},
		{"digit", isdigit},
		{"lower", islower},
		{"punct", ispunct},
		{"space", isspace},
		{"upper", isupper},
		{"xdigit", isxdigit},
	};

	*ret_end = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		size_t n = strlen(classes[i].name);

		if (strncmp(p + 2, classes[i].name, n) == 0 && strncmp(p + 2 + n, ":]", 2) == 0) {
			*ret_end = p + n + 4;
			return c < 0x80 && classes[i].is((int)c) != 0;
		}
	}
	return false;
}

/* The set that starts behind '[' at p. Returns what is behind its ']', NULL: it has none. */
static const char *match_set(const char *p, uint32_t c, bool *ret_match)
{
	bool negate = *p == '!' || *p == '^', match = false;
	const char *first;

	p += negate;
	for (first = p; *p != ']' || p == first;) {
		uint32_t low, high;
		const char *end;

		if (*p == '\0') {
			return NULL;
		}
		if (p[0] == '[' && p[1] == ':') {
			bool is = in_class(p, c, &end);

			if (end != NULL) {
				match |= is;
				p = end;
				continue;
			}
		}
		p += *p == '\\' && p[1] != '\0';
		low = high = next_char(&p);
		if (p[0] == '-' && p[1] != ']' && p[1] != '\0') {
			p++;
			p += *p == '\\' && p[1] != '\0';
			high = next_char(&p);
		}
		match |= low <= c && c <= high;
	}
	*ret_match = match != negate;
	return p + 1;
}

/* One character of the pattern that is no star against one of the path. NULL: no match. */
static const char *match_one(const char *p, const char **path)
{
	const char *at = *path, *end;
	uint32_t c;
	bool match;

	if (*at == '\0' || *p == '\0') {
		return NULL;
	}
	c = next_char(&at);
	if (*p == '?' && c != '/') {
		*path = at;
		return p + 1;
	}
	if (*p == '[' && (end = match_set(p + 1, c, &match)) != NULL) {
		*path = at;
		return match && c != '/' ? end : NULL;
	}
	if (*p == '?') {
		return NULL;
	}
	p += *p == '\\' && p[1] != '\0';
	if (next_char(&p) != c) {
		return NULL;
	}
	*path = at;
	return p;
}

static bool is_globstar(const char *start, const char *p)
{
	return p[0] == '*' && p[1] == '*' && (p == start || p[-1] == '/') &&
	       (p[2] == '/' || p[2] == '\0');
}

bool glob_match(const char *pattern, const char *path)
{
	/* Where to go on when what follows the last star, or the last "**", does not fit. Earlier ones
	 * need no second try: whatever they could leave to the later one, it can take itself. */
	const char *p = pattern, *star = NULL, *star_path = NULL, *deep = NULL, *deep_path = NULL;

	for (;;) {
		const char *next;

		if (is_globstar(pattern, p)) {
			if (p[2] == '\0') {
				return *path != '\0';
			}
			p += 3;
			deep = p;
			deep_path = path;
			star = NULL;
			continue;
		}
		if (*p == '*') {
			while (*p == '*') {
				p++;
			}
			star = p;
			star_path = path;
			continue;
		}
		if (*p == '\0' && *path == '\0') {
			return true;
		}
		next = match_one(p, &path);
		if (next != NULL) {
			/* A star never reaches past the part that it is in. */
			star = path[-1] == '/' ? NULL : star;
			p = next;
			continue;
		}
		if (star != NULL && *star_path != '\0' && *star_path != '/') {
			(void)next_char(&star_path);
			p = star;
			path = star_path;
			continue;
		}
		star = NULL;
		deep_path = deep != NULL ? strchr(deep_path, '/') : NULL;
		if (deep_path == NULL) {
			return false;
		}
		deep_path++;
		p = deep;
		path = deep_path;
	}
}

/* The end of the braces that open at p, and the commas between: NULL when they are none. */
static const char *find_braces(const char *p, bool *ret_comma)
{
	int depth = 0;

	*ret_comma = false;
	for (; *p != '\0'; p++) {
		if (*p == '\\' && p[1] != '\0') {
			p++;
		} else if (*p == '{') {
			depth++;
		} else if (*p == '}' && --depth == 0) {
			return p;
		} else if (*p == ',' && depth == 1) {
			*ret_comma = true;
		}
	}
	return NULL;
}

/* Replaces the first braces of text by each of their alternatives, until there are none. */
static int expand(const char *text, const char *from, struct arena *arena, struct glob *ret,
	struct error *err)
{
	const char *open = from, *close = NULL, *item;
	int depth = 0;
	bool comma;

	for (; *open != '\0'; open++) {
		if (*open == '\\' && open[1] != '\0') {
			open++;
		} else if (*open == '{') {
			close = find_braces(open, &comma);
			if (close != NULL && comma) {
				break;
			}
		}
	}
	if (*open == '\0') {
		if (ret->patterns.count == LIMIT_GLOB_ALTERNATIVES) {
			return error_plain(err, E2BIG, "the pattern has more than %d alternatives",
				LIMIT_GLOB_ALTERNATIVES);
		}
		strv_add_ref(&ret->patterns, arena, text);
		return 0;
	}
	item = open + 1;
	for (const char *p = item; p <= close; p++) {
		char *made;
		int r;

		if (*p == '\\' && p + 1 < close) {
			p++;
			continue;
		}
		depth += *p == '{';
		depth -= *p == '}' && p < close;
		if (depth > 0 || (*p != ',' && p != close)) {
			continue;
		}
		made = arena_printf(arena, "%.*s%.*s%s", (int)(open - text), text, (int)(p - item),
			item, close + 1);
		r = expand(made, made + (open - text), arena, ret, err);
		if (r < 0) {
			return r;
		}
		item = p + 1;
	}
	return 0;
}

int glob_compile(const char *text, struct arena *arena, struct glob *ret, struct error *err)
{
	struct glob glob = {0};
	int r;

	/* Long enough for any path, short enough for the recursion over its braces. */
	if (strlen(text) > LIMIT_GREP_PATTERN) {
		return error_plain(
			err, E2BIG, "the pattern is longer than %d bytes", LIMIT_GREP_PATTERN);
	}
	while (text[0] == '.' && text[1] == '/') {
		text += 2;
	}
	r = expand(text, text, arena, &glob, err);
	if (r < 0) {
		return r;
	}
	*ret = glob;
	return 0;
}

bool glob_matches(const struct glob *glob, const char *path)
{
	for (size_t i = 0; i < glob->patterns.count; i++) {
		if (glob_match(glob->patterns.items[i], path)) {
			return true;
		}
	}
	return false;
}
