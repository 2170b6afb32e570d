/* SPDX-License-Identifier: MIT */
/* Text of paths only: what they really are is looked up inside the sandbox. */
#include "tools/workdir.h"

#include <string.h>

#include "base/path.h"

const char *workdir_root(const struct decision *decision)
{
	if (decision == NULL) {
		return "/workspace";
	}
	if (!decision->sandboxed && decision->spec.agent_workspace_dir != NULL) {
		return decision->spec.agent_workspace_dir;
	}
	return decision->spec.workdir != NULL ? decision->spec.workdir : "/workspace";
}

/* Chat programs and models put no-break and typographic spaces where the file name has a blank.
 * Returns the bytes of such a space, 0: none. */
static size_t odd_space(const char *text)
{
	static const char *const spaces[] = {
		"\xc2\xa0",
		"\xe2\x80\x80",
		"\xe2\x80\x81",
		"\xe2\x80\x82",
		"\xe2\x80\x83",
		"\xe2\x80\x84",
		"\xe2\x80\x85",
		"\xe2\x80\x86",
		"\xe2\x80\x87",
		"\xe2\x80\x88",
		"\xe2\x80\x89",
		"\xe2\x80\x8a",
		"\xe2\x80\xaf",
		"\xe2\x81\x9f",
		"\xe3\x80\x80",
	};

	for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++) {
		size_t len = strlen(spaces[i]);

		if (strncmp(text, spaces[i], len) == 0) {
			return len;
		}
	}
	return 0;
}

static char *plain_spaces(struct arena *arena, const char *path)
{
	char *copy = arena_strdup(arena, path);
	char *to = copy;

	for (const char *from = path; *from != '\0';) {
		size_t len = odd_space(from);

		*to++ = len > 0 ? ' ' : *from;
		from += len > 0 ? len : 1;
	}
	*to = '\0';
	return copy;
}

/* The model saw it in a prompt or a log. A path that both sides have means the container's. */
const char *workdir_map_host(struct arena *arena, const struct decision *decision, const char *path)
{
	const char *host = decision != NULL ? decision->spec.workspace_dir : NULL;
	const char *root = workdir_root(decision);
	const char *clean;

	if (path[0] != '/' || host == NULL || !decision->sandboxed || strcmp(host, "/") == 0) {
		return path;
	}
	clean = path_normalize(arena, path);
	if (!path_is_below(clean, host) || path_is_below(clean, root)) {
		return path;
	}
	return path_join(arena, root, clean[strlen(host)] == '/' ? clean + strlen(host) + 1 : ".");
}

const char *workdir_map(struct arena *arena, const struct decision *decision, const char *path)
{
	const char *root = workdir_root(decision);
	const char *text = plain_spaces(arena, path);

	if (text[0] == '@') {
		text++;
	}
	text = path_expand_home(arena, text,
		decision != NULL && !decision->sandboxed && decision->config != NULL
			? decision->config->home
			: root);
	if (!path_is_absolute(text)) {
		return path_join(arena, root, text);
	}
	return workdir_map_host(arena, decision, text);
}

const char *workdir_display(const struct decision *decision, const char *path)
{
	const char *root = workdir_root(decision);
	size_t len = strlen(root);

	if (len > 1 && strncmp(path, root, len) == 0 && path[len] == '/' && path[len + 1] != '\0') {
		return path + len + 1;
	}
	return path;
}
