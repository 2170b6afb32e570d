/* SPDX-License-Identifier: MIT */
/* Names of errors in lines of output. */
#include "tools/denied_hint.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "base/arena.h"
#include "base/limits.h"
#include "base/macro.h"
#include "base/path.h"
#include "tools/denied_place.h"

#define KEY(name) "agents.defaults.sandbox.docker." name

enum { LINE_MAX_LOOKED = 1024, PATH_MAX_TOLD = 256 };

struct hints {
	const struct hint_request *request;
	struct arena arena;
	denial_fn told;
	void *arg;
	const char *line; /* the one that is looked at */
	const char *error; /* the error's name in it */
};

static void tell(struct hints *h, const struct denial *denial)
{
	struct denial row = *denial;

	row.source = DENIAL_OUTPUT;
	h->told(h->arg, &row);
}

/* --- the path beside an error --- */

static bool ends_path(char c)
{
	return c == '\0' || isspace((unsigned char)c) != 0 || strchr("'\":,;)`", c) != NULL;
}

/* 'x', "x" or `x': what stands in quotes. UTF-8's quotes are what the C library writes in UTF-8 locales. */
static const char *quoted(struct hints *h)
{
	static const struct {
		const char *open, *close;
	} marks[] = {{"'", "'"}, {"\"", "\""}, {"\xe2\x80\x98", "\xe2\x80\x99"}, {"`", "'"}};

	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		const char *open = strstr(h->line, marks[i].open);
		const char *from = open != NULL ? open + strlen(marks[i].open) : NULL;
		const char *to = from != NULL ? strstr(from, marks[i].close) : NULL;

		if (to != NULL && to > from) {
			return arena_strndup(&h->arena, from, (size_t)(to - from));
		}
	}
	return NULL;
}

/* "sh: 1: cannot create x: Read-only file system": the last word before the error. */
static const char *last_word(struct hints *h)
{
	const char *to = h->error, *from;

	while (to > h->line && (to[-1] == ' ' || to[-1] == ':')) {
		to--;
	}
	from = to;
	while (from > h->line && !ends_path(from[-1])) {
		from--;
	}
	return to > from ? arena_strndup(&h->arena, from, (size_t)(to - from)) : NULL;
}

/* What stands there when a program does not know what it writes to. */
static bool is_no_path(const char *text)
{
	static const char *const words[] = {"error", "standard output", "stdout", "-"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(text, words[i]) == 0) {
			return true;
		}
	}
	return false;
}

/* The path that a line speaks of, absolute; NULL: none. */
static const char *path_in(struct hints *h)
{
	const char *path = quoted(h);

	path = path != NULL ? path : last_word(h);
	if (path == NULL || strlen(path) > PATH_MAX_TOLD || is_no_path(path)) {
		return NULL;
	}
	return path_normalize(&h->arena, path_join(&h->arena, h->request->cwd, path));
}

/* --- errors --- */

static void on_read_only(struct hints *h)
{
	const char *path = path_in(h);
	struct denial row;

	if (path == NULL) {
		denied_place_somewhere(&row);
		tell(h, &row);
	} else if (denied_place_read_only(h->request->spec, path, &h->arena, &row)) {
		tell(h, &row);
	}
}

/* Reading is refused with the same words: only where the line says that it was a write. */
static void on_permission(struct hints *h)
{
	static const char *const verbs[] = {"create", "touch", "mkdir", "remove", "unlink",
		"rename", "move", "write", "overwrite", "append"};

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strstr(h->line, verbs[i]) != NULL) {
			on_read_only(h);
			return;
		}
	}
}

static const struct spec_ulimit *ulimit_of(const struct hints *h, const char *name)
{
	const struct sandbox_spec *spec = h->request->spec;

	for (size_t i = 0; i < spec->ulimit_count; i++) {
		if (strcmp(spec->ulimits[i].name, name) == 0) {
			return &spec->ulimits[i];
		}
	}
	return NULL;
}

static void tell_ulimit(struct hints *h, const char *name, const char *what)
{
	if (ulimit_of(h, name) != NULL) {
		tell(h, &(struct denial){.layer = isolation_layer_name(LAYER_RLIMITS),
				.what = what,
				.rule = arena_printf(&h->arena, "docker.ulimits: %s", name),
				.fix = {KEY("ulimits")}});
	}
}

static void on_full(struct hints *h)
{
	const char *path = path_in(h);
	struct denial row;

	if (path == NULL) {
		tell(h, &(struct denial){.layer = "mount",
				.what = "more data in a tmpfs, unless the disk of the host is full",
				.rule = "docker.tmpfs",
				.fix = {KEY("tmpfs")}});
	} else if (denied_place_full(h->request->spec, path, &h->arena, &row)) {
		tell(h, &row);
	}
}

/* Nothing of ours sets quotas: that much can be said. */
static void on_quota(struct hints *h)
{
	tell(h, &(struct denial){.layer = "disk",
			.what = "more data on the disk of the host",
			.rule = "a quota of the host, which no key of ours sets"});
}

static void on_too_large(struct hints *h)
{
	tell_ulimit(h, "fsize", "a larger file");
}

static void on_many_files(struct hints *h)
{
	tell_ulimit(h, "nofile", "more open files");
}

static void on_no_process(struct hints *h)
{
	const struct sandbox_spec *spec = h->request->spec;

	if (spec->pids_limit > 0) {
		tell(h, &(struct denial){.layer = isolation_layer_name(
						 spec->backend == BACKEND_DOCKER ? LAYER_CGROUP_PIDS
										 : LAYER_RLIMITS),
				.what = "more processes",
				.rule = arena_printf(
					&h->arena, "docker.pidsLimit: %" PRId64, spec->pids_limit),
				.fix = {KEY("pidsLimit")}});
	}
	tell_ulimit(h, "nproc", "more processes of this user");
}

static void on_again(struct hints *h)
{
	/* Full pipes and sockets say the same. */
	if (strcasestr(h->line, "fork") != NULL || strstr(h->line, "thread") != NULL ||
		strstr(h->line, "clone") != NULL || strstr(h->line, "spawn") != NULL) {
		on_no_process(h);
	}
}

static void on_no_memory(struct hints *h)
{
	const struct sandbox_spec *spec = h->request->spec;

	if (spec->memory > 0) {
		tell(h, &(struct denial){.layer = isolation_layer_name(LAYER_CGROUP_MEMORY),
				.what = "more memory",
				.rule = arena_printf(&h->arena, "docker.memory: %" PRId64 " bytes",
					spec->memory),
				.fix = {KEY("memory")}});
	}
	tell_ulimit(h, "as", "more address space");
	tell_ulimit(h, "data", "more memory of its own");
	tell_ulimit(h, "memlock", "more locked memory");
}

static void on_no_network(struct hints *h)
{
	const struct sandbox_spec *spec = h->request->spec;

	if (spec->network != NULL && strcmp(spec->network, "none") == 0) {
		tell(h, &(struct denial){.layer = isolation_layer_name(LAYER_NETNS),
				.what = "connections out of the sandbox",
				.rule = "docker.network: none",
				.fix = {KEY("network"),
					spec->backend == BACKEND_DOCKER
						? NULL
						: "agents.defaults.sandbox.backend"}});
	}
}

/* A capability that nobody has here, or a filter: in a container nobody says which. */
static void on_not_permitted(struct hints *h)
{
	if (h->request->spec->backend == BACKEND_DOCKER) {
		tell(h, &(struct denial){.layer = isolation_layer_name(LAYER_CAPS),
				.what = "something that takes a capability, or a system call that "
					"the engine's filter refuses",
				.rule = "docker.capDrop, docker.seccompProfile",
				.fix = {KEY("capDrop"), KEY("seccompProfile")}});
	}
}

/* What is looked for, in the spelling of the C library; others differ in the case of the first letter
 * (Go, Rust) or write the name (Node). */
static const struct hint {
	const char *text, *name;
	void (*found)(struct hints *h);
} hints[] = {
	{"ead-only file system", "EROFS", on_read_only},
	{"o space left on device", "ENOSPC", on_full},
	{"isk quota exceeded", "EDQUOT", on_quota},
	{"ile too large", "EFBIG", on_too_large},
	{"oo many open files", "EMFILE", on_many_files},
	{"esource temporarily unavailable", "EAGAIN", on_again},
	{"annot fork", "can't start new thread", on_no_process},
	{"annot allocate memory", "MemoryError", on_no_memory},
	{"std::bad_alloc", "ENOMEM", on_no_memory},
	{"etwork is unreachable", "ENETUNREACH", on_no_network},
	{"emporary failure in name resolution", "EAI_AGAIN", on_no_network},
	{"ould not resolve host", "Name or service not known", on_no_network},
	{"peration not permitted", "EPERM", on_not_permitted},
	{"ermission denied", "EACCES", on_permission},
};

static void look_at_line(struct hints *h)
{
	for (size_t i = 0; i < ARRAY_SIZE(hints); i++) {
		const char *text = strstr(h->line, hints[i].text);

		/* The first letter is not part of the text that was looked for. */
		text = text != NULL && text > h->line ? text - 1 : text;
		h->error = text != NULL ? text : strstr(h->line, hints[i].name);
		if (h->error != NULL) {
			hints[i].found(h);
			return;
		}
	}
}

void denied_hints(const struct hint_request *request, denial_fn told, void *arg)
{
	char line[LINE_MAX_LOOKED + 1];
	struct hints h = {.request = request, .told = told, .arg = arg, .line = line};
	size_t skip = request->len > LIMIT_HINT_OUTPUT ? request->len - LIMIT_HINT_OUTPUT : 0;
	const char *at = request->output + skip, *end = request->output + request->len;

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *to = newline != NULL ? newline : end;

		size_t len =
			(size_t)(to - at) < LINE_MAX_LOOKED ? (size_t)(to - at) : LINE_MAX_LOOKED;

		(void)memcpy(line, at, len);
		line[len] = '\0';
		look_at_line(&h);
		arena_finish(&h.arena);
		at = newline != NULL ? newline + 1 : end;
	}
}
