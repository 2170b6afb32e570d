/* SPDX-License-Identifier: MIT */
/* The check of scripts before they run (the texts begin with "exec preflight:"). */
#include "tools/preflight.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "wire/link_file.h"

enum { SCRIPT_MAX = 512 * 1024, KIND_TEXT = 0 };

struct preflight {
	struct link *link;
	uint32_t stream;
	bool waiting; /* for the answer to a request on stream */
	enum preflight_language language;
	char *cwd, *script;
	struct buf page;
	preflight_fn done;
	void *arg;
};

static const char *skip_blanks(const char *text)
{
	return text + strspn(text, " \t\r\n");
}

enum preflight_language preflight_script(
	const char *command, const char **ret_script, size_t *ret_len)
{
	static const struct {
		const char *program, *suffix;
		enum preflight_language language;
	} forms[] = {
		{"python", ".py", PREFLIGHT_PYTHON},
		{"python3", ".py", PREFLIGHT_PYTHON},
		{"node", ".js", PREFLIGHT_NODE},
	};
	const char *program = skip_blanks(command);
	size_t program_len = strcspn(program, " \t\r\n");
	const char *script = skip_blanks(program + program_len);
	/* What a shell would still change is no plain name. */
	size_t len = strcspn(script, " \t\r\n;&|<>()`'\"\\$*?[");

	if (len < 4 || (script[len] != '\0' && strchr(" \t\r\n;&|<>)", script[len]) == NULL)) {
		return PREFLIGHT_NONE;
	}
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (strlen(forms[i].program) == program_len &&
			memcmp(forms[i].program, program, program_len) == 0 &&
			memcmp(script + len - 3, forms[i].suffix, 3) == 0) {
			*ret_script = script;
			*ret_len = len;
			return forms[i].language;
		}
	}
	return PREFLIGHT_NONE;
}

static bool is_name_char(char c)
{
	return c == '_' || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_word_char(char c)
{
	return is_name_char(c) || (c >= 'a' && c <= 'z');
}

/* The length of the name behind a '$', in capitals and of at least two characters; else 0. */
static size_t variable_len(const char *name, const char *end)
{
	const char *p = name;

	if (p == end || (*p >= '0' && *p <= '9')) {
		return 0;
	}
	while (p < end && is_name_char(*p)) {
		p++;
	}
	return p - name >= 2 ? (size_t)(p - name) : 0;
}

static bool starts_with_node(const char *text, const char *end)
{
	while (text < end && strchr(" \t\r\n", *text) != NULL) {
		text++;
	}
	return end - text >= 4 && memcmp(text, "NODE", 4) == 0 &&
	       (end - text == 4 || !is_word_char(text[4]));
}

bool preflight_refuses(enum preflight_language language, const char *script, uint64_t first_line,
	const char *text, size_t len, struct buf *ret)
{
	const char *name = path_basename(script);
	const char *end = text + len;
	uint64_t line = first_line;

	if (language == PREFLIGHT_NODE && first_line == 1 && starts_with_node(text, end)) {
		buf_addf(ret,
			"exec preflight: %.200s begins with the word NODE: that is a line for a shell, "
			"not JavaScript",
			name);
		return true;
	}
	for (const char *p = text; p < end; p++) {
		size_t n = *p == '$' ? variable_len(p + 1, end) : 0;

		line += *p == '\n';
		if (n == 0) {
			continue;
		}
		n = n < 64 ? n : 64;
		buf_addf(ret,
			"exec preflight: %.200s:%llu names the shell variable $%.*s, which the shell "
			"does not fill in inside a script. Use %s%.*s%s there; where the text is meant "
			"as it stands, write the $ apart from the name",
			name, (unsigned long long)line, (int)n, p + 1,
			language == PREFLIGHT_NODE ? "process.env." : "os.environ.get(\"", (int)n,
			p + 1, language == PREFLIGHT_NODE ? "" : "\")");
		return true;
	}
	return false;
}

static void on_data(void *arg, const uint8_t *data, size_t len)
{
	struct preflight *p = arg;

	buf_add(&p->page, data, len);
}

static int ask(struct preflight *p, uint64_t first_line);

/* Facts as src/init/file_worker.c gives them for READ. */
static void on_done(void *arg, const struct wire_file_done *done)
{
	struct preflight *p = arg;
	_cleanup_buf_ struct buf refusal = {0};
	bool is_script =
		done->errnum == 0 && done->facts[0] == KIND_TEXT && done->facts[1] <= SCRIPT_MAX;
	uint64_t next_line = done->facts[4];

	p->waiting = false;
	if (is_script && p->page.len > 0 &&
		preflight_refuses(p->language, p->script, done->facts[2], p->page.data, p->page.len,
			&refusal)) {
		p->done(p->arg, refusal.data);
		return;
	}
	/* Lines only go up, so that this comes to an end whatever is answered. */
	if (is_script && next_line > done->facts[2] && ask(p, next_line) == 0) {
		return;
	}
	p->done(p->arg, NULL);
}

static void on_lost(void *arg, const struct error *why)
{
	struct preflight *p = arg;

	(void)why; /* the start of the command says it */
	p->waiting = false;
	p->done(p->arg, NULL);
}

static int ask(struct preflight *p, uint64_t first_line)
{
	static const struct link_file_ops ops = {.data = on_data, .done = on_done, .lost = on_lost};
	struct wire_file_request request = {
		.op = WIRE_FILE_READ,
		.flags = WIRE_FILE_BENEATH,
		.offset = first_line,
		.max_bytes = SCRIPT_MAX,
		.root = {(const uint8_t *)p->cwd, strlen(p->cwd)},
		.path = {(const uint8_t *)p->script, strlen(p->script)},
	};
	struct wire_bytes none = {0};
	struct error ignored;
	int r;

	buf_clear(&p->page);
	r = link_file_call(p->link, &request, none, none, &ops, p, &p->stream, &ignored);
	p->waiting = r == 0;
	return r;
}

struct preflight *preflight_start(
	struct link *link, const char *cwd, const char *command, preflight_fn done, void *arg)
{
	struct preflight *p;
	const char *script;
	size_t len;
	enum preflight_language language = preflight_script(command, &script, &len);

	if (language == PREFLIGHT_NONE) {
		return NULL;
	}
	p = xcalloc(1, sizeof(*p));
	*p = (struct preflight){
		.link = link,
		.language = language,
		.cwd = xstrdup(cwd),
		.script = xstrndup(script, len),
		.done = done,
		.arg = arg,
	};
	return ask(p, 1) == 0 ? p : preflight_free(p);
}

struct preflight *preflight_free(struct preflight *p)
{
	if (p == NULL) {
		return NULL;
	}
	if (p->waiting) {
		link_file_forget(p->link, p->stream);
	}
	buf_finish(&p->page);
	free(p->cwd);
	free(p->script);
	free(p);
	return NULL;
}
