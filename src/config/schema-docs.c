/* SPDX-License-Identifier: MIT */
/* The key table as documentation: docs/CONFIG.md and the manual page. */
#include <assert.h>
#include <string.h>

#include "base/macro.h"
#include "base/own.h"
#include "config/schema.h"

/* Parts of the documentation, in order; a row belongs to the last one whose prefix it has. */
static const struct part {
	const char *prefix;
	const char *title;
	const char *intro;
} parts[] = {
	{"", "Top level", "Any other key at the top level is an error."},
	{"agents.defaults.", "agents.defaults", "What all agents have in common."},
	{"agents.list[]", "agents.list[]",
		"One agent each. `agents.entries.<id>` holds the same keys, with the id as "
		"the name of the "
		"entry."},
	{"sandbox.", "sandbox",
		"Stands in `agents.defaults.sandbox` for all agents and in "
		"`agents.list[].sandbox` for one."},
	{"tools.", "tools",
		"Stands at the top level for all agents and in `agents.list[].tools` for "
		"one, where the "
		"table says *both*."},
	{"session.", "session", "How conversations become session keys."},
	{"browser.", "browser", "The browser on the host. The sandboxed one is `sandbox.browser`."},
	{"gateway.", "gateway", "The daemon."},
};

static const char preface[] =
	"The configuration is one JSON5 file: JSON with comments, unquoted keys, single "
	"quotes and\n"
	"trailing commas. Creel looks for it in this order and takes the first that is there:\n"
	"\n"
	"1. `--config FILE`\n"
	"2. the file that `CREEL_CONFIG` names\n"
	"3. `~/.creel/creel.json`\n"
	"4. `~/.openclaw/openclaw.json`\n"
	"5. `~/.clawdbot/clawdbot.json`\n"
	"6. `~/.verso/verso.json`\n"
	"7. `~/.equabot/equabot.json`\n"
	"\n"
	"The file's place gives the brand, and `--brand NAME` overrides it. The brand "
	"decides where state\n"
	"is kept, what images and containers are called, and what `sandbox.mode` is when "
	"nothing sets it:\n"
	"`all` for `creel`, `off` for the others, which are configurations of programs that "
	"sandbox only\n"
	"when told to.\n";

static const char rules[] =
	"- An unknown key in a block that Creel owns is an error with its place and the "
	"nearest known\n"
	"  name. Blocks that only the original uses are left alone; `creel config validate "
	"--verbose`\n"
	"  lists them.\n"
	"- `\"$include\": \"file.json5\"`, or a list of files, puts their content in the "
	"object's place.\n"
	"  Objects merge, lists are joined, later files win over earlier ones and the "
	"object's own keys\n"
	"  over all. Files stay in the directory of the configuration or below it.\n"
	"- `${NAME}` in a text is the variable's value: the environment's, else that of the file "
	"`.env` in\n"
	"  the state directory, else that of the `env` block.\n"
	"  Names are upper case. A variable that is not set is an error; `$${NAME}` is the "
	"text itself.\n"
	"- The old layout (`agent`, `routing`, `tools.bash`) is understood; `creel config "
	"migrate` rewrites\n"
	"  a file.\n"
	"- Duplicate keys, NUL, half surrogate pairs, integers beyond 64 bits, `NaN` and "
	"`Infinity` are\n"
	"  errors. A file has at most 16 MiB and 64 levels.\n";

static const char *merge_text(const struct schema_row *row)
{
	bool not_shared = (row->flags & SCHEMA_NOT_SHARED) != 0;

	switch (row->merge) {
	case MERGE_RULE_OVERRIDE:
		return not_shared ? "agent's wins; ignored under scope shared" : "agent's wins";
	case MERGE_RULE_CONCAT:
		return "both, global first; agent's ignored under scope shared";
	case MERGE_RULE_MAP:
		return not_shared ? "by name, agent's wins; ignored under scope shared"
				  : "by name, agent's wins";
	case MERGE_RULE_DEFAULTS:
		return "global only";
	case MERGE_RULE_NONE:
	case MERGE_RULE_COUNT_:
		break;
	}
	return "";
}

/* "@sandbox.docker" is written "sandbox.docker"; the part's introduction says where it stands. */
static void display_path(const struct schema_row *row, struct buf *out)
{
	static const struct {
		const char *from, *to;
	} names[] = {{"@sandbox", "sandbox"}, {"@tools", "tools"}, {"@agent", "agents.list[]"},
		{"@defaults", "agents.defaults"}, {"@policy", "tools.sandbox.tools"}};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		size_t len = strlen(names[i].from);

		if (strncmp(row->path, names[i].from, len) == 0) {
			buf_addf(out, "%s%s", names[i].to, row->path + len);
			return;
		}
	}
	buf_add_str(out, row->path);
}

static void type_text(const struct schema_row *row, struct buf *out)
{
	static const char *const names[] = {
		[SCHEMA_ANY] = "anything",
		[SCHEMA_BOOL] = "boolean",
		[SCHEMA_INT] = "integer",
		[SCHEMA_NUMBER] = "number",
		[SCHEMA_STRING] = "string",
		[SCHEMA_ENUM] = "",
		[SCHEMA_STRINGS] = "list of strings",
		[SCHEMA_COMMAND] = "string or list of strings",
		[SCHEMA_SIZE] = "size",
		[SCHEMA_ULIMIT] = "limit",
		[SCHEMA_IDS] = "list of strings or numbers",
		[SCHEMA_SECRET] = "string or secret reference",
		[SCHEMA_OBJECT] = "object",
		[SCHEMA_MAP] = "map",
		[SCHEMA_LIST] = "list",
	};
	_Static_assert(ARRAY_SIZE(names) == SCHEMA_TYPE_COUNT_, "one name per type");

	if (row->type == SCHEMA_ENUM) {
		assert(row->values != NULL);
		for (const char *p = row->values; *p != '\0'; p++) {
			if (*p == '|') {
				buf_add_str(out, ", ");
			} else {
				buf_add_char(out, *p);
			}
		}
		return;
	}
	buf_add_str(out, names[row->type]);
	if (row->min < row->max) {
		buf_addf(out, " %.15g to %.15g", row->min, row->max);
	}
}

/* The default as a person reads it. */
static void default_text(const struct schema_row *row, struct buf *out)
{
	const char *p = row->def != NULL ? row->def : "";

	while (*p != '\0') {
		if (strncmp(p, "@mode@", 6) == 0) {
			buf_add_str(out, "all or off: see the brand");
			p += 6;
		} else if (strncmp(p, "@brand@", 7) == 0) {
			buf_add_str(out, "<brand>");
			p += 7;
		} else {
			buf_add_char(out, *p++);
		}
	}
}

static const struct part *part_of(const char *path)
{
	const struct part *found = &parts[0];

	for (size_t i = 1; i < ARRAY_SIZE(parts); i++) {
		if (strncmp(path, parts[i].prefix, strlen(parts[i].prefix)) == 0) {
			found = &parts[i];
		}
	}
	return found;
}

static void add_names(const char *values, const char *mark, struct buf *out)
{
	for (const char *p = values; *p != '\0';) {
		size_t len = strcspn(p, " ");

		buf_addf(out, "%s%s%.*s%s", p == values ? "" : ", ", mark, (int)len, p, mark);
		p += len;
		p += strspn(p, " ");
	}
}

static void notes(const struct schema_row *row, struct buf *out)
{
	if (strncmp(row->path, "@tools", 6) == 0) {
		buf_add_str(out, " *both*");
	}
	if (strncmp(row->path, "@policy", 7) == 0) {
		buf_add_str(
			out, " The same in `tools.subagents.tools` and `tools.toolsBySender.*`.");
	}
	if (row->flags & SCHEMA_REQUIRED) {
		buf_add_str(out, " Required.");
	}
	if (row->flags & SCHEMA_SECRET_VALUE) {
		buf_add_str(out, " Masked in every output.");
	}
	if (row->alias != NULL) {
		buf_addf(out, " Write `%s`.", row->alias);
	}
}

static void markdown_row(const struct schema_row *row, const char *path, struct buf *out)
{
	_cleanup_buf_ struct buf type = {0};
	_cleanup_buf_ struct buf value = {0};

	type_text(row, &type);
	default_text(row, &value);
	buf_addf(out, "| `%s` | %s | %s%s%s | %s | %s | %s", *path != '\0' ? path : "(the file)",
		type.data, value.len > 0 ? "`" : "", value.len > 0 ? value.data : "",
		value.len > 0 ? "`" : "", merge_text(row), row->since, row->doc);
	notes(row, out);
	buf_add_str(out, " |\n");
}

/* The rows of one part; those that are passed over come last, as one sentence. */
static void markdown_part(const struct part *part, struct buf *out)
{
	buf_addf(out,
		"\n## %s\n\n%s\n\n| key | type | default | agent and global | since | |\n"
		"| --- | --- | --- | --- | --- | --- |\n",
		part->title, part->intro);
	for (size_t i = 0; i < schema_row_count; i++) {
		const struct schema_row *row = &schema_rows[i];
		_cleanup_buf_ struct buf path = {0};

		display_path(row, &path);
		buf_add_str(&path, "");
		if (!((row->flags & SCHEMA_PASSED) && row->values != NULL) &&
			part_of(path.data) == part) {
			markdown_row(row, path.data, out);
		}
	}
	for (size_t i = 0; i < schema_row_count; i++) {
		const struct schema_row *row = &schema_rows[i];
		_cleanup_buf_ struct buf path = {0};

		display_path(row, &path);
		buf_add_str(&path, *row->path != '\0' ? "." : "");
		if ((row->flags & SCHEMA_PASSED) && row->values != NULL &&
			part_of(path.data) == part) {
			buf_addf(out, "\nAccepted and left alone%s%s%s: ",
				*row->path != '\0' ? " in `" : "",
				*row->path != '\0' ? path.data : "", *row->path != '\0' ? "`" : "");
			add_names(row->values, "`", out);
			buf_add_str(out, ".\n");
		}
	}
}

void config_docs_markdown(struct buf *out)
{
	buf_add_str(out,
		"<!-- Generated by `creel config docs`; edit src/config/schema-table.c. -->\n"
		"# Configuration\n\n");
	buf_add_str(out, preface);
	buf_add_str(out, "\n| brand | state | image | container names | environment |\n"
			 "| --- | --- | --- | --- | --- |\n");
	for (size_t i = 0; brand_at(i) != NULL; i++) {
		const struct brand *b = brand_at(i);

		buf_addf(out, "| %s | `~/%s`, or `%sSTATE_DIR` | `%s` | `%s...` | `%s...` |\n",
			b->name, b->state_dir, b->env_prefix, b->image, b->container_prefix,
			b->env_prefix);
	}
	buf_addf(out, "\n## Rules\n\n%s", rules);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		markdown_part(&parts[i], out);
	}
}

/* scdoc gives meaning to these; inside a word an underscore is safe, but not every reader knows. */
static void add_man(struct buf *out, const char *text)
{
	for (const char *p = text; *p != '\0'; p++) {
		bool line_start = p == text || p[-1] == '\n';

		/* A numbered item is a line that starts with a point. */
		if (*p == '`' || (line_start && *p >= '0' && *p <= '9' && p[1] == '.')) {
			continue;
		}
		if (strchr("_*\\<>#", *p) != NULL) {
			buf_add_char(out, '\\');
		}
		buf_add_char(out, *p);
	}
}

static void man_row(const struct schema_row *row, struct buf *out)
{
	_cleanup_buf_ struct buf path = {0};
	_cleanup_buf_ struct buf line = {0};

	display_path(row, &path);
	if ((row->flags & SCHEMA_PASSED) && row->values != NULL) {
		buf_add_str(&line, "Accepted and left alone: ");
		add_names(row->values, "", &line);
		buf_add_str(&line, ".");
	} else {
		type_text(row, &line);
		if (row->def != NULL) {
			buf_add_str(&line, "; default ");
			default_text(row, &line);
		}
		if (*merge_text(row) != '\0') {
			buf_addf(&line, "; %s", merge_text(row));
		}
		buf_addf(&line, ". %s", row->doc);
		notes(row, &line);
	}
	buf_add_char(out, '*');
	add_man(out, path.len > 0 ? path.data : "(top level)");
	buf_add_str(out, "*\n\t");
	add_man(out, line.data);
	buf_add_str(out, "\n\n");
}

void config_docs_man(struct buf *out)
{
	buf_add_str(out,
		"creel-config(5)\n\n# NAME\n\ncreel-config - the configuration of Creel\n\n"
		"# DESCRIPTION\n\n");
	add_man(out, preface);
	buf_add_str(out, "\n# RULES\n\n");
	add_man(out, rules);
	buf_add_str(out, "\n# BRANDS\n\n");
	for (size_t i = 0; brand_at(i) != NULL; i++) {
		const struct brand *b = brand_at(i);

		buf_addf(out, "*%s*\n\tstate in ~/%s or $", b->name, b->state_dir);
		add_man(out, b->env_prefix);
		buf_addf(out, "STATE\\_DIR; image %s; container names %s...; mode %s\n\n", b->image,
			b->container_prefix, b->default_mode);
	}
	buf_add_str(out,
		"# KEYS\n\nsandbox stands in agents.defaults and in each item of agents.list; "
		"tools at the top level and in each item of agents.list, where its text says "
		"both.\n\n");
	for (size_t i = 0; i < schema_row_count; i++) {
		man_row(&schema_rows[i], out);
	}
	buf_add_str(out, "# SEE ALSO\n\n*creel*(1)\n");
}
