/* SPDX-License-Identifier: MIT */
/*
 * The columns of the matrix. Each is run by a process of its own, which may give up root, leave
 * descriptors open and put secrets into its environment; its results are in memory that we share.
 */
#include "selftest/selftest.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/own.h"
#include "base/path.h"
#include "os/sys.h"
#include "sandbox/engine.h"
#include "selftest/column.h"

/* Columns: the decisions, three native ones, two of docker, and one per other runtime. */
enum { NOBODY = 65534, RUNTIMES_MAX = 8, COLUMNS_MAX = 6 + RUNTIMES_MAX };

static size_t column_size(void)
{
	return sizeof(struct selftest_column) + attack_count * sizeof(struct selftest_result);
}

static struct selftest_column *add_column(struct selftest *s, const char *name)
{
	struct selftest_column *column = mmap(
		NULL, column_size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert(s->column_count < COLUMNS_MAX);
	if (column == MAP_FAILED) {
		(void)fprintf(stderr, "creel: out of memory for the results of a self-test\n");
		abort();
	}
	(void)snprintf(column->name, sizeof(column->name), "%s", name);
	s->columns[s->column_count++] = column;
	return column;
}

/* creel-probe, beside this program, in the build tree, or where it is installed. */
static int open_probe(struct error *err)
{
	static const char *const beside[] = {"creel-probe", "../selftest/creel-probe",
		"../libexec/creel/creel-probe", "../../src/selftest/creel-probe"};
	_cleanup_arena_ struct arena arena = {0};
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	int fd = FD_NONE;

	exe[n > 0 ? n : 0] = '\0';
	if (n > 0) {
		*strrchr(exe, '/') = '\0';
	}
	for (size_t i = 0; i < ARRAY_SIZE(beside) && fd < 0; i++) {
		fd = open(path_join(&arena, exe, beside[i]), O_RDONLY | O_CLOEXEC);
	}
	if (fd < 0) {
		fd = open(CREEL_LIBEXECDIR "/creel-probe", O_RDONLY | O_CLOEXEC);
	}
	return fd >= 0 ? fd
		       : error_plain(err, ENOENT,
				 "creel-probe is neither beside this program nor in " CREEL_LIBEXECDIR
				 "; install creel, or build it with make");
}

/* --- which columns --- */

static void add_native(struct selftest *s)
{
	bool root = geteuid() == 0;
	struct selftest_column *column;

	if (root) {
		column = add_column(s, "native");
		column->backend = BACKEND_NATIVE;
		column = add_column(s, "native, uid 0");
		column->backend = BACKEND_NATIVE;
		column->inside_root = true;
	}
	column = add_column(s, root ? "native, by user" : "native");
	column->backend = BACKEND_NATIVE;
	column->as_user = root;
}

/* What sandboxes of an empty configuration would use. The path is the arena's. */
static const char *find_socket(const struct selftest_opts *opts, struct arena *arena)
{
	struct config config = {.root = json_object(),
		.brand = brand_by_name("creel"),
		.home = "/",
		.state_dir = "/nonexistent"};
	const struct decide_request request = {.workspace = "/tmp"};
	const char *path = opts->docker_socket;
	struct decision *decision = NULL;
	struct error ignored;

	if (path == NULL && decide(&config, &request, &decision, &ignored) == 0 &&
		engine_find(decision, &ignored) == 0) {
		path = arena_strdup(arena, decision->spec.docker_socket);
	}
	(void)decision_free(decision);
	json_decref(config.root);
	return path;
}

/* It becomes part of a configuration. */
static bool is_plain_name(const char *name)
{
	return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
	       strlen(name);
}

static void add_docker(struct selftest *s, const struct selftest_opts *opts)
{
	_cleanup_arena_ struct arena arena = {0};
	struct selftest_column *column = add_column(s, "docker");
	const char *socket = find_socket(opts, &arena);
	struct strv runtimes = {0};
	struct error ignored;

	column->backend = BACKEND_DOCKER;
	/* No engine: the one column says so. */
	if (socket == NULL || engine_other_runtimes(socket, &arena, &runtimes, &ignored) < 0) {
		return;
	}
	column = add_column(s, "docker, uid 0");
	column->backend = BACKEND_DOCKER;
	column->inside_root = true;
	for (size_t i = 0; i < runtimes.count && i < RUNTIMES_MAX; i++) {
		if (is_plain_name(runtimes.items[i])) {
			column = add_column(
				s, arena_printf(&arena, "docker, %.14s", runtimes.items[i]));
			column->backend = BACKEND_DOCKER;
			(void)snprintf(
				column->runtime, sizeof(column->runtime), "%s", runtimes.items[i]);
		}
	}
}

static void add_columns(struct selftest *s, const struct selftest_opts *opts)
{
	struct selftest_column *column;

	if (opts->backend == NULL || strcmp(opts->backend, "native") == 0) {
		add_native(s);
	}
	if (opts->backend == NULL || strcmp(opts->backend, "docker") == 0) {
		add_docker(s, opts);
	}
	column = add_column(s, "decisions");
	column->decisions = true;
}

/* --- running --- */

static int become_nobody(void)
{
	if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
		setresuid(NOBODY, NOBODY, NOBODY) < 0) {
		return -errno;
	}
	/* Changing ids takes it away, and with it the way to write the own id map. */
	return prctl(PR_SET_DUMPABLE, 1) < 0 ? -errno : 0;
}

__attribute__((noreturn)) static void be_column(
	struct selftest_column *column, const struct selftest_opts *opts, int probe_fd)
{
	int r = column->as_user ? become_nobody() : 0;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (r < 0) {
		(void)snprintf(column->problem, sizeof(column->problem),
			"cannot become an ordinary user: %s", strerror(-r));
		_exit(1);
	}
	decoy_sweep();
	/* A starter that is not to be killed first must not hand that on. Root may lower it. */
	(void)sys_write_file(AT_FDCWD, "/proc/self/oom_score_adj", "-500", 4);
	if (column->decisions) {
		decisions_run(column, opts, probe_fd);
	} else {
		column_run(column, opts, probe_fd);
	}
	_exit(0);
}

/* Nobody tries what is not there to be attacked. */
static void add_absent(struct selftest_column *column, const struct selftest_opts *opts)
{
	for (size_t i = 0; i < attack_count; i++) {
		bool is_here = (attacks[i].area == AREA_CONTROL) == column->decisions;

		if (attacks[i].kind == ATTACK_ABSENT && is_here && column->ran &&
			attack_is_listed(opts->only, attacks[i].id)) {
			column_set(column, attacks[i].id, OUTCOME_NA, "%s", attacks[i].why);
		}
	}
}

static void run_column(
	struct selftest_column *column, const struct selftest_opts *opts, int probe_fd)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		be_column(column, opts, probe_fd);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
	}
	if (pid < 0 || (!WIFEXITED(status) && column->problem[0] == '\0')) {
		column->ran = false;
		(void)snprintf(column->problem, sizeof(column->problem),
			"the process that ran it was ended by signal %d", WTERMSIG(status));
	}
	add_absent(column, opts);
}

int selftest_run(const struct selftest_opts *opts, struct selftest **ret, struct error *err)
{
	_cleanup_close_ int probe_fd = open_probe(err);
	struct selftest *s;

	if (probe_fd < 0) {
		return probe_fd;
	}
	s = xcalloc(1, sizeof(*s));
	s->columns = xcalloc(COLUMNS_MAX, sizeof(struct selftest_column *));
	add_columns(s, opts);
	for (size_t i = 0; i < s->column_count; i++) {
		run_column(s->columns[i], opts, probe_fd);
	}
	*ret = s;
	return 0;
}

struct selftest *selftest_free(struct selftest *selftest)
{
	if (selftest == NULL) {
		return NULL;
	}
	for (size_t i = 0; i < selftest->column_count; i++) {
		(void)munmap(selftest->columns[i], column_size());
	}
	free(selftest->columns);
	free(selftest);
	return NULL;
}

size_t selftest_count(const struct selftest *selftest, enum outcome outcome)
{
	size_t count = 0;

	for (size_t i = 0; i < selftest->column_count; i++) {
		for (size_t k = 0; k < attack_count; k++) {
			count += selftest->columns[i]->results[k].outcome == outcome;
		}
	}
	return count;
}

enum outcome selftest_worst(const struct selftest *selftest, size_t attack)
{
	static const enum outcome order[] = {
		OUTCOME_FELL, OUTCOME_BROKEN, OUTCOME_HELD, OUTCOME_NA};

	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		for (size_t k = 0; k < selftest->column_count; k++) {
			if (selftest->columns[k]->results[attack].outcome == order[i]) {
				return order[i];
			}
		}
	}
	return OUTCOME_NONE;
}
