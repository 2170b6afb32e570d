/* SPDX-License-Identifier: MIT */
/* What this host can isolate, layer by layer: for `creel doctor` and explain. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/backend.h"
#include "backend/native/facts.h"
#include "base/macro.h"
#include "base/num.h"
#include "os/cgroup.h"
#include "os/sys.h"

_printf_(2, 3) static void say_detail(struct host_fact *fact, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(fact->detail, sizeof(fact->detail), fmt, args);
	va_end(args);
}

static void say_fix(struct host_fact *fact, const char *text)
{
	(void)snprintf(fact->fix, sizeof(fact->fix), "%s", text);
}

/* Does a child with this namespace in a new user namespace come up and may it mount? 0 or errno. */
static int try_namespace(uint64_t flags)
{
	struct clone_args args = {.flags = CLONE_NEWUSER | flags, .exit_signal = SIGCHLD};
	pid_t pid = sys_clone3(&args);
	int status;

	if (pid < 0) {
		return -pid;
	}
	if (pid == 0) {
		/* AppArmor lets the namespace be made and then takes the capabilities out of it. */
		if ((flags & CLONE_NEWNS) != 0 &&
			mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
			_exit(errno);
		}
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
}

/* Making a network namespace waits for the last one to be taken down, many milliseconds on a host that
 * starts sandboxes. Where the others can be made, this kernel can refuse it for two reasons alone:
 * network_namespaces(7), namespaces(7). */
static bool network_namespaces_allowed(void)
{
	char most[32];
	uint64_t count;

	return access("/proc/self/ns/net", F_OK) == 0 &&
	       sys_read_file(AT_FDCWD, "/proc/sys/user/max_net_namespaces", most, sizeof(most)) >
		       0 &&
	       num_parse_u64(most, 0, UINT64_MAX, &count) == 0 && count > 0;
}

static void probe_namespaces(struct host_fact facts[LAYER_COUNT_])
{
	static const struct {
		enum isolation_layer layer;
		uint64_t flag;
	} namespaces[] = {
		{LAYER_USERNS, 0},
		{LAYER_MOUNTNS, CLONE_NEWNS},
		{LAYER_PIDNS, CLONE_NEWPID},
		{LAYER_NETNS, CLONE_NEWNET},
		{LAYER_IPCNS, CLONE_NEWIPC},
		{LAYER_UTSNS, CLONE_NEWUTS},
		{LAYER_CGROUPNS, CLONE_NEWCGROUP},
	};
	char why[sizeof(facts[0].fix)];
	uint64_t all = 0;
	bool together;

	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++) {
		all |= namespaces[i].flag;
	}
	/* All in one child first: most hosts have them all, and each child costs a millisecond. */
	together =
		network_namespaces_allowed() && try_namespace(all & ~(uint64_t)CLONE_NEWNET) == 0;
	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++) {
		struct host_fact *fact = &facts[namespaces[i].layer];
		int num = together ? 0 : try_namespace(namespaces[i].flag);

		fact->present = num == 0;
		if (num == 0) {
			say_detail(fact, together && namespaces[i].flag == CLONE_NEWNET
						 ? "allowed"
						 : "made and entered");
			continue;
		}
		say_detail(fact, "refused: %s", strerror(num));
		if (namespaces[i].layer == LAYER_MOUNTNS && (num == EPERM || num == EACCES)) {
			say_fix(fact,
				"sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an "
				"AppArmor profile for creel that allows userns");
		} else {
			facts_explain_clone(num, why, sizeof(why));
			say_fix(fact, why);
		}
	}
}

static void probe_landlock(struct host_fact *fact)
{
	int abi = sys_landlock_abi();

	fact->present = abi > 0;
	if (fact->present) {
		say_detail(fact, "ABI %d", abi);
	} else if (abi == -EOPNOTSUPP) {
		say_detail(fact, "built into the kernel but switched off");
		say_fix(fact, "add landlock to the boot parameter lsm=");
	} else {
		say_detail(fact, "not in this kernel");
		say_fix(fact, "Linux 5.13 or newer with CONFIG_SECURITY_LANDLOCK=y");
	}
}

static void probe_seccomp(struct host_fact *fact)
{
	fact->present = sys_has_seccomp();
	if (fact->present) {
		say_detail(fact, "filter mode");
	} else {
		say_detail(fact, "filters are not in this kernel");
		say_fix(fact, "a kernel with CONFIG_SECCOMP_FILTER=y");
	}
}

static void probe_cgroup(
	struct host_fact *fact, const struct cgroup_host *host, enum cgroup_controller controller)
{
	fact->present = host->available[controller];
	if (fact->present) {
		say_detail(
			fact, "version %d, below %.120s", host->version, host->parent[controller]);
		fact->fix[0] = '\0';
		return;
	}
	say_detail(fact, "no control group that this process may make has this controller");
	say_fix(fact,
		"run creel in a systemd service with Delegate=yes (systemd-run --user --scope -p "
		"Delegate=yes ...), or as root");
}

static void probe_limits(struct host_fact facts[LAYER_COUNT_])
{
	struct cgroup_host host;
	struct host_fact *pids = &facts[LAYER_CGROUP_PIDS];

	cgroup_probe(&host);
	facts[LAYER_RLIMITS].present = true;
	say_detail(&facts[LAYER_RLIMITS], "always");
	pids->present = facts_nproc_per_namespace();
	if (pids->present) {
		say_detail(pids,
			"carried by RLIMIT_NPROC, which counts one user namespace (Linux 5.14)");
	}
	probe_cgroup(&facts[LAYER_CGROUP_MEMORY], &host, CGROUP_MEMORY);
	probe_cgroup(&facts[LAYER_CGROUP_CPU], &host, CGROUP_CPU);
	if (!pids->present) {
		probe_cgroup(pids, &host, CGROUP_PIDS);
	}
}

static void probe_uid(struct host_fact *fact)
{
	fact->present = true;
	if (facts_is_privileged()) {
		say_detail(fact, "an id of its own per sandbox, from %d up", PLAN_UID_BASE);
	} else if (geteuid() != 0) {
		say_detail(fact, "uid %u, the caller's", geteuid());
	} else {
		say_detail(fact, "root of a user namespace, not of the host");
	}
}

void backend_native_probe(struct host_fact facts[LAYER_COUNT_])
{
	for (int i = 0; i < LAYER_COUNT_; i++) {
		facts[i] = (struct host_fact){.layer = (enum isolation_layer)i};
	}
	probe_namespaces(facts);
	probe_landlock(&facts[LAYER_LANDLOCK]);
	probe_seccomp(&facts[LAYER_SECCOMP]);
	probe_limits(facts);
	probe_uid(&facts[LAYER_UNPRIVILEGED_UID]);
	facts[LAYER_CAPS].present = facts[LAYER_NO_NEW_PRIVS].present = true;
	say_detail(&facts[LAYER_CAPS], "every set emptied, securebits locked");
	say_detail(&facts[LAYER_NO_NEW_PRIVS], "always");
}
