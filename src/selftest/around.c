/* SPDX-License-Identifier: MIT */
/* What the host tries with a sandbox: other ways of spawning, floods, hostile images and workspaces. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/own.h"
#include "selftest/column.h"
#include "wire/link_file.h"

enum {
	ANSWER_TIMEOUT_MS = 20000,
	FLOOD_WAIT_MS = 300,
	/* Twice what both channels may have on the way. */
	FLOOD_MAX = 4 * LIMIT_CREDIT_WINDOW,
	RACE_ROUNDS = 200,
};

static const char *const posture_argv[] = {"/workspace/creel-probe", "posture", NULL};

/* What a process that is spawned like this says of its confinement; "" when it says nothing. */
static void posture(struct column *c, uint32_t flags, char *ret, size_t size)
{
	struct peer_run run = {.greedy = true};
	struct error err;

	ret[0] = '\0';
	if (peer_spawn(&c->main, &run, posture_argv, flags, &err) == 0 &&
		peer_wait(&run, ANSWER_TIMEOUT_MS, &err) == 0 && run.out.data != NULL) {
		size_t len = strcspn(run.out.data, "\r\n");

		len = len < size ? len : size - 1;
		(void)memcpy(ret, run.out.data, len);
		ret[len] = '\0';
	}
	peer_run_finish(&run);
}

static void spawn_sites(struct column *c)
{
	static const struct {
		uint32_t flags;
		const char *name;
	} sites[] = {
		{WIRE_SPAWN_PTY | WIRE_SPAWN_STDIN, "with a terminal"},
		{WIRE_SPAWN_MERGE, "with one output"},
		{WIRE_SPAWN_STDIN, "with input"},
		{WIRE_SPAWN_LOGIN_ENV, "with a login's environment"},
	};
	char plain[1024], other[1024];

	posture(c, 0, plain, sizeof(plain));
	if (plain[0] == '\0') {
		column_set(
			c->out, "proc-spawn-sites", OUTCOME_BROKEN, "creel-probe does not answer");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(sites); i++) {
		posture(c, sites[i].flags, other, sizeof(other));
		if (strcmp(plain, other) != 0) {
			column_set(c->out, "proc-spawn-sites", OUTCOME_FELL,
				"spawning %s differs: %.120s", sites[i].name, other);
			return;
		}
	}
	column_set(c->out, "proc-spawn-sites", OUTCOME_HELD, "five ways confine alike");
}

/* runc once kept a descriptor of the host's root open: whoever started there was outside. */
static void foreign_directory(struct column *c)
{
	static const char *const argv[] = {
		"/workspace/creel-probe", "run", "only=proc-working-directory", NULL};
	static const char *const directories[] = {"/proc/1/cwd", "/proc/1/root", "/proc/1/fd/0",
		"/proc/self/fd/0", "/proc/self/fd/3", "/proc/self/fd/4", "/proc/self/fd/5",
		"/proc/self/fd/6", "/proc/self/fd/7", "/proc/self/fd/8", "/proc/self/fd/9",
		"/proc/self/fd/900"};
	size_t started = 0;

	for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
		struct peer_run run = {.greedy = true, .cwd = directories[i]};
		struct error err;
		bool ran = peer_spawn(&c->main, &run, argv, 0, &err) == 0 &&
			   peer_wait(&run, ANSWER_TIMEOUT_MS, &err) == 0 && run.out.data != NULL;

		started += ran;
		if (ran && strstr(run.out.data, "\theld\t") == NULL) {
			column_set(c->out, "proc-foreign-directory", OUTCOME_FELL,
				"%s leads out of the sandbox", directories[i]);
		}
		peer_run_finish(&run);
	}
	column_set(c->out, "proc-foreign-directory", OUTCOME_HELD, "%zu of %zu start, and inside",
		started, ARRAY_SIZE(directories));
}

/* A reader that takes nothing must not make anybody's memory grow. */
static void output_flood(struct column *c)
{
	static const char *const argv[] = {"/workspace/creel-probe", "flood", NULL};
	struct peer_run run = {.greedy = false};
	struct error err;

	if (peer_spawn(&c->main, &run, argv, 0, &err) < 0) {
		column_set(c->out, "res-output-flood", OUTCOME_BROKEN, "%.150s", err.text);
		return;
	}
	peer_serve(&c->main, FLOOD_WAIT_MS);
	if (run.over || run.out_bytes > FLOOD_MAX) {
		column_set(c->out, "res-output-flood", OUTCOME_FELL,
			"%llu bytes came although nobody took them",
			(unsigned long long)run.out_bytes);
	} else {
		column_set(c->out, "res-output-flood", OUTCOME_HELD,
			"the program waits after %llu KiB",
			(unsigned long long)run.out_bytes / 1024);
	}
	peer_run_finish(&run);
}

/* Does creel-init still start programs? */
static void still_alive(struct column *c)
{
	char text[1024];

	posture(c, 0, text, sizeof(text));
	column_set(c->out, "proc-alive", text[0] != '\0' ? OUTCOME_HELD : OUTCOME_FELL, "%s",
		text[0] != '\0' ? "it starts programs as before" : "it starts no program any more");
}

static void reach_in(struct column *c)
{
	const struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)c->decoy.sibling_port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool reached = connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;

	column_set(c->out, "net-host-reaches-in", reached ? OUTCOME_FELL : OUTCOME_HELD, "%s",
		reached ? "the host's loopback leads into a sandbox" : strerror(errno));
}

/* --- file tools --- */

struct file_call {
	bool over;
	bool leaked;
	const char *canary;
};

static void on_file_data(void *arg, const uint8_t *data, size_t len)
{
	struct file_call *call = arg;

	call->leaked =
		call->leaked || memmem(data, len, call->canary, strlen(call->canary)) != NULL;
}

static void on_file_done(void *arg, const struct wire_file_done *done)
{
	struct file_call *call = arg;

	(void)done;
	call->over = true;
}

static void on_file_lost(void *arg, const struct error *why)
{
	(void)why;
	((struct file_call *)arg)->over = true;
}

static const struct link_file_ops file_ops = {
	.data = on_file_data,
	.done = on_file_done,
	.lost = on_file_lost,
};

/* One request through the link "race" in the workspace. */
static bool one_file_call(struct column *c, enum wire_file_op op, struct error *err)
{
	static const char text[] = "written by a tool\n";
	const struct wire_file_request request = {
		.op = op,
		.flags = WIRE_FILE_BENEATH | WIRE_FILE_NO_SYNC,
		.limit = 100,
		.max_bytes = 4096,
		.root = {(const uint8_t *)"/workspace", 10},
		.path = {(const uint8_t *)"race/fs-tool-race", 17},
	};
	struct wire_bytes body = {
		(const uint8_t *)text, op == WIRE_FILE_WRITE ? sizeof(text) - 1 : 0};
	struct file_call call = {.canary = c->decoy.canary};
	uint32_t stream;

	if (link_file_call(c->main.link, &request, body, (struct wire_bytes){0}, &file_ops, &call,
		    &stream, err) < 0) {
		return false;
	}
	for (int i = 0; !call.over && i < ANSWER_TIMEOUT_MS; i++) {
		peer_serve(&c->main, 0);
	}
	link_file_forget(c->main.link, stream);
	return call.leaked;
}

/* Swap "race" between a directory and a link that leads outside, as fast as can be, until killed. */
static pid_t start_swapper(const struct decoy *decoy)
{
	char race[160], real[160], link[160];
	pid_t starter = getpid();
	pid_t pid;

	(void)snprintf(race, sizeof(race), "%s/race", decoy->workspace);
	(void)snprintf(real, sizeof(real), "%s/race-real", decoy->workspace);
	(void)snprintf(link, sizeof(link), "%s/race-link", decoy->workspace);
	if (mkdir(real, 0777) < 0 || chmod(real, 0777) < 0 || symlink(decoy->outside, link) < 0 ||
		symlink("race-real", race) < 0) {
		return -1;
	}
	pid = fork();
	if (pid != 0) {
		return pid;
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() == starter) {
		(void)renameat2(AT_FDCWD, race, AT_FDCWD, link, RENAME_EXCHANGE);
	}
	_exit(0);
}

static void tool_race(struct column *c)
{
	pid_t pid = start_swapper(&c->decoy);
	struct error err = {0};
	bool leaked = false;

	if (pid < 0) {
		column_set(c->out, "fs-tool-race", OUTCOME_BROKEN, "no race: %s", strerror(errno));
		return;
	}
	for (int i = 0; i < RACE_ROUNDS && !leaked; i++) {
		leaked = one_file_call(c, i % 2 == 0 ? WIRE_FILE_WRITE : WIRE_FILE_READ, &err);
	}
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	/* Whether it was written to is looked at in the end, as for every decoy file. */
	column_set(c->out, "fs-tool-race", leaked ? OUTCOME_FELL : OUTCOME_HELD, "%s",
		leaked ? "a tool read the host's file" : "200 calls stayed inside");
}

void around_while_running(struct column *c)
{
	static const struct {
		const char *id;
		void (*run)(struct column *c);
	} parts[] = {
		{"proc-spawn-sites", spawn_sites},
		{"proc-foreign-directory", foreign_directory},
		{"res-output-flood", output_flood},
		{"fs-tool-race", tool_race},
		{"net-host-reaches-in", reach_in},
		{"proc-alive", still_alive},
	};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (column_wants(c, parts[i].id)) {
			parts[i].run(c);
		}
	}
}

/* --- other sandboxes --- */

/* Start a sandbox of this spec and let it say its posture: did it run at all? */
static int try_start(const struct sandbox_spec *spec, struct error *err)
{
	struct peer peer;
	struct peer_run run = {.greedy = true};
	struct error ignored;
	int r = peer_start(&peer, spec, err);

	if (r == 0) {
		r = peer_spawn(&peer, &run, posture_argv, 0, err);
	}
	if (r == 0) {
		r = peer_wait(&run, ANSWER_TIMEOUT_MS, err);
	}
	peer_run_finish(&run);
	(void)peer_finish(&peer, &ignored);
	return r;
}

/* An earlier run left data -> OUTSIDE in its workspace, and now something is mounted there. */
static void planted_link(struct column *c)
{
	struct sandbox_spec spec = c->decision->spec;
	struct spec_mount mounts[4];
	char link[160], made[160];
	struct error err;
	struct stat st;
	int r;

	if (spec.mount_count + 1 > ARRAY_SIZE(mounts)) {
		column_set(c->out, "fs-planted-link", OUTCOME_NA, "more mounts than expected");
		return;
	}
	(void)snprintf(link, sizeof(link), "%s/data", c->decoy.workspace);
	(void)snprintf(made, sizeof(made), "%s/deep", c->decoy.outside);
	if (symlink(c->decoy.outside, link) < 0) {
		column_set(c->out, "fs-planted-link", OUTCOME_BROKEN, "%s", strerror(errno));
		return;
	}
	(void)memcpy(mounts, spec.mounts, spec.mount_count * sizeof(*mounts));
	mounts[spec.mount_count] = (struct spec_mount){.kind = MOUNT_BIND,
		.source = c->decoy.read_only,
		.target = "/workspace/data/deep",
		.read_only = true,
		.key = "binds"};
	spec.mounts = mounts;
	spec.mount_count++;
	r = try_start(&spec, &err);
	if (lstat(made, &st) == 0) {
		(void)rmdir(made);
		column_set(c->out, "fs-planted-link", OUTCOME_FELL, "a directory was made outside");
	} else {
		column_set(c->out, "fs-planted-link", OUTCOME_HELD, "%s",
			r < 0 ? "it does not start, and nothing was made outside"
			      : "the link was not followed out");
	}
	(void)unlink(link);
}

/* A working directory of the sandbox itself that is somebody's descriptor. */
static void foreign_workdir(struct column *c)
{
	struct sandbox_spec spec = c->decision->spec;
	struct error err;
	char what[160] = "";

	/* A container takes a hundred times as long; 7 and 8 are what runc had open. */
	bool slow = c->out->backend == BACKEND_DOCKER;

	for (int fd = slow ? 7 : 3; fd < (slow ? 9 : 12); fd++) {
		char workdir[32];

		(void)snprintf(workdir, sizeof(workdir), "/proc/self/fd/%d", fd);
		spec.workdir = workdir;
		(void)try_start(&spec, &err);
	}
	if (!decoy_files_whole(&c->decoy, what, sizeof(what))) {
		column_set(c->out, "proc-foreign-directory", OUTCOME_FELL, "%s", what);
	}
}

/* An unpacked image whose system directories are links to the outside. */
static int make_image(const struct column *c, char *image, size_t size, bool dev)
{
	static const char *const dirs[] = {"", "/usr", "/etc", "/var", "/bin"};
	static const char *const dev_links[] = {"/dev"};
	static const char *const proc_links[] = {"/proc", "/sys"};
	const char *const *links = dev ? dev_links : proc_links;
	size_t count = dev ? ARRAY_SIZE(dev_links) : ARRAY_SIZE(proc_links);
	char path[200];

	(void)snprintf(image, size, "%s/%s", c->decoy.base, dev ? "image-dev" : "image-proc");
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", image, dirs[i]);
		if (mkdir(path, 0755) < 0 || chmod(path, 0755) < 0) {
			return -errno;
		}
	}
	for (size_t i = 0; i < count; i++) {
		(void)snprintf(path, sizeof(path), "%s%s", image, links[i]);
		if (symlink(c->decoy.outside, path) < 0) {
			return -errno;
		}
	}
	return 0;
}

static void hostile_image(struct column *c, const char *id, bool dev)
{
	struct sandbox_spec spec = c->decision->spec;
	char image[160], what[160] = "";
	struct error err;
	int r;

	if (c->out->backend != BACKEND_NATIVE) {
		column_set(
			c->out, id, OUTCOME_NA, "the engine unpacks and mounts its images itself");
		return;
	}
	r = make_image(c, image, sizeof(image), dev);
	if (r < 0) {
		column_set(c->out, id, OUTCOME_BROKEN, "%s", strerror(-r));
		return;
	}
	spec.native_root = image;
	r = try_start(&spec, &err);
	if (!decoy_files_whole(&c->decoy, what, sizeof(what))) {
		column_set(c->out, id, OUTCOME_FELL, "%s", what);
	} else {
		column_set(c->out, id, OUTCOME_HELD, "%s, and nothing outside changed",
			r == 0 ? "it starts with places of its own" : "it does not start");
	}
}

void around_other_starts(struct column *c)
{
	if (column_wants(c, "fs-planted-link")) {
		planted_link(c);
	}
	if (column_wants(c, "proc-foreign-directory")) {
		foreign_workdir(c);
	}
	if (column_wants(c, "fs-hostile-dev")) {
		hostile_image(c, "fs-hostile-dev", true);
	}
	if (column_wants(c, "fs-hostile-proc")) {
		hostile_image(c, "fs-hostile-proc", false);
	}
}
