/* SPDX-License-Identifier: MIT */
/* One way of starting a sandbox: decoys, a neighbour, the probes inside, what the host tries. */
#include "selftest/column.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/own.h"
#include "os/sys.h"
#include "sandbox/resolve.h"

/* Owner of the workspace where root starts the sandbox: "nobody", who owns nothing else. */
enum { OWNER = 65534, ARGS_MAX = 24, ARG_SIZE = 160 };

bool column_wants(const struct column *column, const char *id)
{
	return attack_is_listed(column->opts->only, id);
}

void column_set(
	struct selftest_column *out, const char *id, enum outcome outcome, const char *fmt, ...)
{
	int index = attack_index(id);
	struct selftest_result *result;
	va_list args;

	if (index < 0) {
		return;
	}
	result = &out->results[index];
	if (result->outcome == OUTCOME_FELL) {
		return;
	}
	result->outcome = outcome;
	va_start(args, fmt);
	(void)vsnprintf(result->why, sizeof(result->why), fmt, args);
	va_end(args);
}

/* --- the configuration --- */

static void add_docker_keys(const struct column *c, struct buf *text)
{
	const struct selftest_column *out = c->out;

	buf_addf(text,
		"pidsLimit: %d, memory: '%dm', tmpfs: ['/tmp:size=16m', '/var/tmp', '/run'], "
		"binds: ['%s:/ro:ro'], dangerouslyAllowExternalBindSources: true",
		COLUMN_PIDS, COLUMN_MEMORY_MIB, c->decoy.read_only);
	if (out->inside_root) {
		buf_add_str(text, ", user: '0:0'");
	}
	if (out->runtime[0] != '\0') {
		buf_addf(text, ", runtime: '%s'", out->runtime);
	}
	if (c->opts->docker_socket != NULL) {
		buf_addf(text, ", socket: '%s'", c->opts->docker_socket);
	}
}

/* What a careful user would write; the limits are low so that reaching them is quick. */
static int load_config(struct column *c, struct error *err)
{
	_cleanup_buf_ struct buf text = {0};

	buf_addf(&text,
		"{agents: {defaults: {workspace: '%s', sandbox: {mode: 'all', scope: 'session', "
		"backend: '%s', workspaceAccess: 'rw', native: {allowMissing: ['cgroup.memory', "
		"'cgroup.cpu', 'landlock']}, docker: {",
		c->decoy.workspace, backend_kind_name(c->out->backend));
	add_docker_keys(c, &text);
	buf_add_str(&text, "}}}}}\n");
	return decisions_load(c->decoy.home, text.data, &c->config, err);
}

static int decide_for(
	struct column *c, const char *session, struct decision **ret, struct error *err)
{
	const struct decide_request request = {.session = session, .workspace = c->decoy.workspace};
	const char *reason;
	int r = decide(c->config, &request, ret, err);

	return r == 0 ? sandbox_resolve(*ret, RESOLVE_CREATE, &reason, err) : r;
}

/* --- the probes --- */

/* "key=value" items for creel-probe, on the decision's arena. */
static void probe_items(const struct column *c, struct arena *arena, struct strv *ret)
{
	const struct decoy *d = &c->decoy;
	char reversed[DECOY_CANARY_HEX + 1];
	struct utsname names;
	bool has_memory = !c->main.sandbox.missing[LAYER_CGROUP_MEMORY];

	for (size_t i = 0; i < DECOY_CANARY_HEX; i++) {
		reversed[i] = d->canary[DECOY_CANARY_HEX - 1 - i];
	}
	reversed[DECOY_CANARY_HEX] = '\0';
	strv_add_ref(ret, arena, arena_printf(arena, "outside=%s", d->outside));
	strv_add_ref(ret, arena, arena_printf(arena, "abstract=%s", d->abstract));
	strv_add_ref(ret, arena, arena_printf(arena, "sibling-abstract=%s", d->sibling_abstract));
	strv_add_ref(ret, arena, arena_printf(arena, "path-socket=%s", d->path_socket));
	strv_add_ref(ret, arena, arena_printf(arena, "canary=%s", reversed));
	strv_add_ref(ret, arena,
		arena_printf(arena, "node=%s", uname(&names) == 0 ? names.nodename : ""));
	strv_add_ref(ret, arena, arena_printf(arena, "tcp=%d", d->tcp_port));
	strv_add_ref(ret, arena, arena_printf(arena, "udp=%d", d->udp_port));
	strv_add_ref(ret, arena, arena_printf(arena, "sibling-port=%d", d->sibling_port));
	strv_add_ref(ret, arena, arena_printf(arena, "victim=%d", d->victim));
	strv_add_ref(ret, arena, arena_printf(arena, "pids=%d", COLUMN_PIDS));
	strv_add_ref(
		ret, arena, arena_printf(arena, "memory=%d", has_memory ? COLUMN_MEMORY_MIB : 0));
	if (c->out->backend == BACKEND_DOCKER) {
		strv_add_ref(ret, arena, "engine=1");
	}
	if (c->opts->only != NULL) {
		strv_add_ref(ret, arena, arena_printf(arena, "only=%s", c->opts->only));
	}
}

static enum outcome outcome_from_name(const char *name)
{
	for (int i = OUTCOME_HELD; i <= OUTCOME_BROKEN; i++) {
		if (strcmp(outcome_name((enum outcome)i), name) == 0) {
			return (enum outcome)i;
		}
	}
	return OUTCOME_BROKEN;
}

/* What comes out of a sandbox is hostile: names are looked up, texts escaped. */
static void take_line(struct selftest_column *out, char *line)
{
	_cleanup_buf_ struct buf why = {0};
	char *outcome = strchr(line, '\t');
	char *reason = outcome != NULL ? strchr(outcome + 1, '\t') : NULL;
	int index;

	if (reason == NULL) {
		return;
	}
	*outcome++ = '\0';
	*reason++ = '\0';
	index = attack_index(line);
	if (index < 0 || attacks[index].kind != ATTACK_INSIDE) {
		return;
	}
	buf_add_printable(&why, reason, strlen(reason), PROBE_WHY_MAX - 10);
	column_set(out, line, outcome_from_name(outcome), "%s", why.len > 0 ? why.data : "");
}

static void take_lines(struct selftest_column *out, char *text)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line != NULL;
		line = strtok_r(NULL, "\n", &save)) {
		take_line(out, line);
	}
}

/* A probe that never reported was ended by something, and that is not a good sign. */
static void mark_silent(struct column *c, const char *reason)
{
	for (size_t i = 0; i < attack_count; i++) {
		if (attacks[i].kind == ATTACK_INSIDE && column_wants(c, attacks[i].id) &&
			c->out->results[i].outcome == OUTCOME_NONE) {
			column_set(c->out, attacks[i].id, OUTCOME_BROKEN, "%s", reason);
		}
	}
}

static void run_probes(struct column *c)
{
	_cleanup_arena_ struct arena arena = {0};
	struct peer_run run = {.greedy = true};
	struct strv argv = {0};
	struct error err;
	int r;

	strv_add_ref(&argv, &arena, "/workspace/creel-probe");
	strv_add_ref(&argv, &arena, "run");
	probe_items(c, &arena, &argv);
	r = peer_spawn(&c->main, &run, argv.items, 0, &err);
	if (r == 0) {
		r = peer_wait(&run, COLUMN_RUN_TIMEOUT_MS, &err);
	}
	if (run.out.data != NULL) {
		take_lines(c->out, run.out.data);
	}
	mark_silent(c, r < 0 ? err.text : "it did not report");
	peer_run_finish(&run);
}

/* --- the neighbour --- */

static int start_sibling(struct column *c, struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	struct strv argv = {0};
	int r = peer_start(&c->sibling, &c->sibling_decision->spec, err);

	if (r < 0) {
		return r;
	}
	strv_add_ref(&argv, &arena, "/workspace/creel-probe");
	strv_add_ref(&argv, &arena, "sibling");
	probe_items(c, &arena, &argv);
	c->sibling_run.greedy = true;
	r = peer_spawn(&c->sibling, &c->sibling_run, argv.items, 0, err);
	return r == 0 ? peer_wait_word(&c->sibling_run, "ready 1 1\n", 10000, err) : r;
}

static void ask_sibling(struct column *c)
{
	static const char visit[] = "visit ";
	const char *text;

	peer_serve(&c->sibling, 20);
	text = c->sibling_run.out.data != NULL ? c->sibling_run.out.data : "";
	for (text = strstr(text, visit); text != NULL; text = strstr(text, visit)) {
		char name[64];

		text += sizeof(visit) - 1;
		(void)snprintf(name, sizeof(name), "%.60s", text);
		name[strcspn(name, "\n")] = '\0';
		column_set(c->out, name, OUTCOME_FELL, "it arrived in the other sandbox");
	}
	if (c->sibling_run.over) {
		column_set(c->out, "proc-signal-host", OUTCOME_FELL, "the other sandbox ended");
	}
}

/* --- all of it --- */

struct verification {
	struct selftest_column *out;
	bool reached;
};

static void on_reached(void *arg, const char *id, const char *what)
{
	struct verification *v = arg;

	v->reached = v->reached || strncmp(id, "net-", 4) == 0;
	column_set(v->out, id, OUTCOME_FELL, "%s", what);
}

static void verify(struct column *c)
{
	struct verification v = {.out = c->out};
	char what[160] = "";

	decoy_verify(&c->decoy, on_reached, &v);
	if (column_wants(c, "net-nobody-came")) {
		column_set(c->out, "net-nobody-came", v.reached ? OUTCOME_FELL : OUTCOME_HELD, "%s",
			v.reached ? "see above" : "nothing arrived at four sockets");
	}
	if (column_wants(c, "fs-decoys")) {
		bool whole = decoy_files_whole(&c->decoy, what, sizeof(what));

		column_set(c->out, "fs-decoys", whole ? OUTCOME_HELD : OUTCOME_FELL, "%s",
			whole ? "all as they were made" : what);
	}
	if (column_wants(c, "proc-orphans")) {
		bool gone = decoy_orphans_gone(&c->decoy);

		column_set(c->out, "proc-orphans", gone ? OUTCOME_HELD : OUTCOME_FELL, "%s",
			gone ? "nothing holds the lock of an orphan" : "an orphan still runs");
	}
}

static void did_not_run(struct selftest_column *out, const struct error *err)
{
	out->ran = false;
	(void)snprintf(out->problem, sizeof(out->problem), "%.590s", err->text);
}

static int prepare(struct column *c, struct error *err)
{
	/* A sandbox's user is who owns the workspace. */
	int r = decoy_make(&c->decoy, c->probe_fd, c->out->inside_root ? 0 : OWNER, err);

	if (r == 0) {
		r = load_config(c, err);
	}
	if (r == 0) {
		r = decide_for(c, "selftest", &c->decision, err);
	}
	if (r == 0) {
		r = decide_for(c, "neighbour", &c->sibling_decision, err);
	}
	if (r == 0) {
		r = start_sibling(c, err);
	}
	return r == 0 ? peer_start(&c->main, &c->decision->spec, err) : r;
}

static void play(struct column *c)
{
	struct error err;

	c->out->ran = true;
	run_probes(c);
	around_while_running(c);
	ask_sibling(c);
	if (peer_finish(&c->main, &err) < 0) {
		column_set(c->out, "proc-alive", OUTCOME_BROKEN, "%.150s", err.text);
	}
	around_other_starts(c);
}

void column_run(struct selftest_column *out, const struct selftest_opts *opts, int probe_fd)
{
	struct column c = {.out = out, .opts = opts, .probe_fd = probe_fd};
	struct error err, ignored;
	int r = prepare(&c, &err);

	if (r == 0) {
		play(&c);
	} else {
		did_not_run(out, &err);
	}
	(void)peer_finish(&c.main, &ignored);
	peer_run_finish(&c.sibling_run);
	(void)peer_finish(&c.sibling, &ignored);
	if (r == 0) {
		verify(&c);
	}
	decoy_finish(&c.decoy);
	c.sibling_decision = decision_free(c.sibling_decision);
	c.decision = decision_free(c.decision);
	c.config = config_free(c.config);
}
