/* SPDX-License-Identifier: MIT */
/* Starts, asks and ends sandboxes for the tests of what holds inside. */
#include "rig.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ORDINARY = 65534 };

void rig_init(struct rig *rig, uid_t owner)
{
	static const char *const tmpfs[] = {"/tmp:size=16m", "/var/tmp", "/run", NULL};

	(void)memset(rig, 0, sizeof(*rig));
	(void)snprintf(rig->workspace, sizeof(rig->workspace), "/tmp/creel test.XXXXXX");
	if (mkdtemp(rig->workspace) == NULL || chmod(rig->workspace, 0700) < 0 ||
		(geteuid() == 0 && chown(rig->workspace, owner, owner) < 0)) {
		perror("workspace");
		exit(1);
	}
	rig->mounts[0] = (struct spec_mount){
		.kind = MOUNT_WORKSPACE, .source = rig->workspace, .target = "/workspace"};
	rig->spec = (struct sandbox_spec){
		.backend = BACKEND_NATIVE,
		.name = rig->workspace,
		.workdir = "/workspace",
		.read_only_root = true,
		.access = ACCESS_RW,
		.workspace_dir = rig->workspace,
		.network = "none",
		.tmpfs = {.items = (const char **)(uintptr_t)tmpfs, .count = 3},
		.pids_limit = 64,
		.mounts = rig->mounts,
		.mount_count = 1,
	};
}

int rig_start(struct rig *rig)
{
	const char *listen = getenv("CREEL_LISTEN");
	const struct backend_start_opts opts = {
		.init_path = getenv("CREEL_PROBE"),
		.denials = listen != NULL && strcmp(listen, "1") == 0,
	};

	return backend_by_kind(BACKEND_NATIVE)->start(&rig->spec, &opts, &rig->sandbox, &rig->err);
}

const char *rig_ask(struct rig *rig, const char *question)
{
	size_t len = 0;

	if (send(rig->sandbox.stream_fd, question, strlen(question), MSG_NOSIGNAL) < 0) {
		return "(cannot ask)";
	}
	while (len < sizeof(rig->answer) - 1) {
		ssize_t n = recv(rig->sandbox.stream_fd, rig->answer + len,
			sizeof(rig->answer) - 1 - len, 0);

		if (n <= 0) {
			return "(no answer)";
		}
		len += (size_t)n;
		if (rig->answer[len - 1] == '\n') {
			break;
		}
	}
	rig->answer[len - 1] = '\0';
	return rig->answer;
}

pid_t rig_first(const struct rig *rig)
{
	pid_t keeper = rig->sandbox.keeper;
	char path[64];
	int pid = 0;
	FILE *file;

	if (!rig->sandbox.kept) {
		return keeper;
	}
	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", keeper, keeper);
	file = fopen(path, "re");
	if (file == NULL || fscanf(file, "%d", &pid) != 1) {
		pid = 0;
	}
	if (file != NULL) {
		(void)fclose(file);
	}
	return pid;
}

void rig_finish(struct rig *rig)
{
	struct error err;
	char command[512];

	if (rig->sandbox.keeper > 0) {
		(void)close(rig->sandbox.stream_fd);
		(void)backend_by_kind(BACKEND_NATIVE)->finish(&rig->sandbox, &err);
		if (rig->sandbox.has_denials) {
			denial_fds_finish(&rig->sandbox.denials);
		}
	}
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", rig->workspace);
	if (system(command) != 0) {
		(void)fprintf(stderr, "cannot remove %s\n", rig->workspace);
	}
}

bool rig_host_has_layers(void)
{
	struct host_fact facts[LAYER_COUNT_];

	backend_native_probe(facts);
	for (int i = 0; i < LAYER_COUNT_; i++) {
		if (!facts[i].present && i != LAYER_CGROUP_MEMORY && i != LAYER_CGROUP_CPU) {
			(void)printf("skipped: this host has no %s: %s\n",
				isolation_layer_name((enum isolation_layer)i), facts[i].detail);
			return false;
		}
	}
	return true;
}

static int run_as(uid_t uid, int (*what)(void))
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 ||
			setresuid(uid, uid, uid) < 0) {
			_exit(1);
		}
		/* Changing ids takes it away, and with it the way to write the own id map. */
		(void)prctl(PR_SET_DUMPABLE, 1);
		exit(what());
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int rig_run(int (*what)(void))
{
	int failed = what();

	return geteuid() == 0 ? failed + run_as(ORDINARY, what) : failed;
}
