/* SPDX-License-Identifier: MIT */
/* What is tried, in the order in which it is printed. */
#include "selftest/attack.h"

#include <string.h>

#define INSIDE(id, about, area, title)                             \
	{                                                          \
		id, about, AREA_##area, ATTACK_INSIDE, title, NULL \
	}
#define AROUND(id, about, area, title)                             \
	{                                                          \
		id, about, AREA_##area, ATTACK_AROUND, title, NULL \
	}
#define DECISION(id, about, title)                                    \
	{                                                             \
		id, about, AREA_CONTROL, ATTACK_DECISION, title, NULL \
	}
#define ABSENT(id, about, area, title, why)                       \
	{                                                         \
		id, about, AREA_##area, ATTACK_ABSENT, title, why \
	}

#define NO_PROXY "Creel has no egress proxy: a native sandbox has no network at all"
#define NO_ALLOWLIST "Creel judges no command lines: what a sandbox may do does not depend on them"

const struct attack attacks[] = {
	/* files */
	INSIDE("fs-symlink-write", "CVE-2026-39861", FILES,
		"write to a host file through a link in the workspace"),
	INSIDE("fs-symlink-read", "", FILES, "read a host file through a link in the workspace"),
	INSIDE("fs-plain-read", "", FILES, "read a host file by its path"),
	INSIDE("fs-dot-dot", "", FILES, "reach the host's root by .. and /proc/self"),
	INSIDE("fs-other-roots", "", FILES, "write through /proc/PID/root of every process"),
	INSIDE("fs-chroot", "", FILES, "leave by chroot and .."),
	INSIDE("fs-hard-link", "", FILES, "hard-link a protected file and write the link"),
	INSIDE("fs-by-handle", "", FILES, "open any inode by a file handle (\"shocker\")"),
	INSIDE("fs-write-system", "", FILES, "make files in /usr, /etc, /dev and others"),
	INSIDE("fs-write-init", "", FILES, "write or replace creel-init"),
	INSIDE("fs-remount", "", FILES, "remount the root read-write"),
	INSIDE("fs-remount-bind", "", FILES, "remount a read-only bind read-write"),
	INSIDE("fs-mount-tmpfs", "", FILES, "mount a tmpfs"),
	INSIDE("fs-bind-over", "", FILES, "bind a directory over /etc"),
	INSIDE("fs-uncover", "", FILES, "unmount what covers parts of /proc"),
	INSIDE("fs-propagate", "", FILES, "make mounts shared with the host"),
	INSIDE("fs-new-mount-calls", "", FILES, "open_tree, fsopen, mount_setattr, move_mount"),
	INSIDE("fs-mount-types", "", FILES, "mount proc, overlay, fuse, 9p, nfs and others"),
	INSIDE("fs-pivot-root", "", FILES, "pivot_root"),
	INSIDE("fs-block-device", "", FILES, "make and open a node of the host's disk"),
	INSIDE("fs-memory-device", "", FILES, "make and open /dev/mem"),
	INSIDE("fs-device-list", "", FILES, "find a device that not everybody may have"),
	INSIDE("fs-make-set-id", "", FILES, "leave a set-user-id file in the workspace"),
	INSIDE("fs-run-set-id", "CVE-2020-5291", FILES, "run root's set-user-id file"),
	INSIDE("fs-run-file-caps", "CVE-2022-29162, CVE-2022-27650", FILES,
		"run a file with capabilities"),
	INSIDE("ro-write", "", FILES, "write to a read-only bind"),
	INSIDE("ro-shape", "", FILES, "truncate, extend, rename or remove in a read-only bind"),
	INSIDE("ro-attributes", "", FILES, "change mode, times or attributes there"),
	INSIDE("ro-clone", "", FILES, "clone or copy into a descriptor for reading"),
	INSIDE("ro-map", "", FILES, "make a shared mapping of a read-only file writable"),
	INSIDE("ro-self-mem", "", FILES, "write a read-only mapping through /proc/self/mem"),
	INSIDE("ro-dirty-cow", "CVE-2016-5195", FILES, "race for the private copy of a page"),
	INSIDE("ro-dirty-pipe", "CVE-2022-0847", FILES, "append to a spliced page"),
	AROUND("fs-planted-link", "CVE-2021-30465, CVE-2024-45310", FILES,
		"a link in the workspace where a bind is to be mounted"),
	AROUND("fs-hostile-dev", "CVE-2025-31133, CVE-2025-52565, CVE-2026-41579, CVE-2026-47766",
		FILES, "an image whose /dev is a link"),
	AROUND("fs-hostile-proc", "CVE-2023-27561, CVE-2023-28642, CVE-2025-52881", FILES,
		"an image whose /proc and /sys are links"),
	AROUND("fs-tool-race", "CVE-2026-44112, CVE-2026-44113", FILES,
		"swap a link while a file tool writes and reads"),
	AROUND("fs-decoys", "CVE-2024-23652", FILES,
		"after it all, including the end: no host file changed, added or gone"),

	/* processes */
	INSIDE("proc-trace-init", "", PROCESSES, "trace creel-init"),
	INSIDE("proc-read-init", "", PROCESSES, "read creel-init's memory"),
	INSIDE("proc-take-descriptor", "", PROCESSES, "take creel-init's descriptors"),
	INSIDE("proc-open-init", "", PROCESSES, "open creel-init's memory, environment, files"),
	INSIDE("proc-kill-init", "", PROCESSES, "end or stop creel-init"),
	INSIDE("proc-weigh-init", "", PROCESSES, "let others be killed before creel-init"),
	INSIDE("proc-see-host", "", PROCESSES, "find a process of the host in /proc"),
	INSIDE("proc-signal-host", "", PROCESSES, "end a process of the host"),
	INSIDE("proc-pidfd-host", "", PROCESSES, "hold a process of the host"),
	INSIDE("proc-trace-host", "", PROCESSES, "trace a process of the host"),
	INSIDE("proc-renice-host", "", PROCESSES, "slow down a process of the host"),
	INSIDE("proc-secrets", "", PROCESSES, "find a secret of the host in /proc"),
	INSIDE("proc-environment", "", PROCESSES, "find the host's environment in one's own"),
	INSIDE("proc-descriptors", "CVE-2024-21626", PROCESSES, "find an open descriptor"),
	INSIDE("proc-working-directory", "CVE-2024-21626", PROCESSES,
		"stand in a directory of the host"),
	INSIDE("proc-oom-score", "", PROCESSES, "let others be killed first when memory is short"),
	INSIDE("proc-scheduling", "", PROCESSES, "take a real-time priority"),
	INSIDE("proc-unshare-user", "", PROCESSES, "unshare a user namespace and mount in it"),
	INSIDE("proc-clone-user", "", PROCESSES, "clone into a user namespace"),
	INSIDE("proc-clone3-user", "", PROCESSES, "the same by clone3, whose flags no filter sees"),
	INSIDE("proc-unshare-others", "", PROCESSES, "unshare any other namespace"),
	INSIDE("proc-setns", "", PROCESSES, "join creel-init's or the host's namespaces"),
	INSIDE("proc-host-name", "", PROCESSES, "learn or set the host's name"),
	INSIDE("proc-tiocsti", "CVE-2017-5226", PROCESSES, "type into the terminal"),
	INSIDE("proc-tiocsti-high", "CVE-2019-10063", PROCESSES,
		"the same, with a bit that a filter might look at"),
	INSIDE("proc-tioclinux", "", PROCESSES, "paste into the console"),
	INSIDE("proc-line-discipline", "CVE-2017-2636", PROCESSES, "load a line discipline"),
	INSIDE("proc-overwrite-launcher", "CVE-2019-5736", PROCESSES,
		"overwrite the program that started the sandbox"),
	INSIDE("proc-memfd-exec", "", PROCESSES, "run a program that has no path"),
	AROUND("proc-spawn-sites", "GHSA-474h-prjg-mmw3", PROCESSES,
		"find a way of spawning (terminal, background) that confines less"),
	AROUND("proc-foreign-directory", "CVE-2024-21626", PROCESSES,
		"start a program, or a sandbox, in /proc/self/fd/N"),
	AROUND("proc-orphans", "", PROCESSES, "outlive the sandbox"),
	AROUND("proc-alive", "", PROCESSES, "leave creel-init unable to answer"),

	/* the kernel */
	INSIDE("kern-bpf", "", KERNEL, "bpf"),
	INSIDE("kern-perf", "", KERNEL, "perf_event_open"),
	INSIDE("kern-userfaultfd", "", KERNEL, "userfaultfd"),
	INSIDE("kern-io-uring", "", KERNEL, "io_uring, a second road to most calls"),
	INSIDE("kern-keys", "", KERNEL, "the kernel's keyrings, which are the host's"),
	INSIDE("kern-modules", "", KERNEL, "load or remove modules"),
	INSIDE("kern-kexec", "", KERNEL, "load another kernel"),
	INSIDE("kern-reboot", "", KERNEL, "restart the machine"),
	INSIDE("kern-clock", "", KERNEL, "set the clock"),
	INSIDE("kern-swap", "", KERNEL, "add swap space"),
	INSIDE("kern-quota", "", KERNEL, "disk quotas"),
	INSIDE("kern-acct", "", KERNEL, "process accounting"),
	INSIDE("kern-log", "", KERNEL, "read the kernel's log"),
	INSIDE("kern-ports", "", KERNEL, "input and output ports"),
	INSIDE("kern-ldt", "", KERNEL, "modify_ldt"),
	INSIDE("kern-personality", "", KERNEL, "personality bits that make attacks easier"),
	INSIDE("kern-unknown-call", "", KERNEL, "calls that the filter does not know"),
	INSIDE("kern-x32", "", KERNEL, "calls by x32 numbers"),
	INSIDE("kern-i386", "", KERNEL, "calls by int 0x80"),
	INSIDE("kern-filter-over", "", KERNEL, "soften the filter by one of one's own"),
	INSIDE("layer-seccomp", "", KERNEL, "run without a seccomp filter"),
	INSIDE("layer-no-new-privs", "", KERNEL, "run without no_new_privs"),
	INSIDE("layer-capabilities", "CVE-2022-29162", KERNEL, "run with a capability in any set"),
	INSIDE("layer-landlock", "", KERNEL, "run without a Landlock domain"),
	INSIDE("kern-knobs", "CVE-2019-19921", KERNEL,
		"core_pattern, modprobe, sysrq and other knobs"),
	INSIDE("kern-leaks", "", KERNEL, "kcore, keys, timer_list and other leaks"),
	INSIDE("kern-interrupts", "", KERNEL, "/proc/interrupts, which tells when somebody types"),
	INSIDE("kern-addresses", "", KERNEL, "kernel addresses in kallsyms"),
	INSIDE("kern-cgroups", "CVE-2023-25809, CVE-2022-0492", KERNEL,
		"write to the tree of control groups"),

	/* resources */
	INSIDE("res-forks", "", RESOURCES, "a fork bomb"),
	INSIDE("res-threads", "", RESOURCES, "threads without end"),
	INSIDE("res-memory", "", RESOURCES, "twice the memory limit"),
	INSIDE("res-fill-tmp", "", RESOURCES, "fill /tmp"),
	INSIDE("res-fill-inodes", "", RESOURCES, "empty files without end in /tmp"),
	INSIDE("res-shared-memory", "", RESOURCES, "all of the host's memory in /dev/shm"),
	INSIDE("res-descriptors", "", RESOURCES, "descriptors without end"),
	INSIDE("res-inotify", "", RESOURCES, "the starter's share of inotify instances"),
	INSIDE("res-timers", "", RESOURCES, "the starter's share of timers"),
	INSIDE("res-terminals", "", RESOURCES, "all terminals of the host"),
	INSIDE("res-core-files", "", RESOURCES, "a core file"),
	INSIDE("res-foreign-lock", "", RESOURCES, "lock a file that others share"),
	INSIDE("res-orphans", "", RESOURCES, "leave processes that no signal reaches"),
	AROUND("res-output-flood", "", RESOURCES, "256 MiB of output to a reader that is slow"),

	/* the network */
	INSIDE("net-interfaces", "", NETWORK, "find an interface beside loopback"),
	INSIDE("net-host-tcp", "", NETWORK, "a port on the host's loopback, such as a gateway's"),
	INSIDE("net-host-tcp6", "", NETWORK, "the same by IPv6 and mapped addresses"),
	INSIDE("net-host-udp", "", NETWORK, "a datagram to the host's loopback"),
	INSIDE("net-world-tcp", "GHSA-72w7-mf9g-733p", NETWORK,
		"the world, private networks, a cloud's metadata"),
	INSIDE("net-world-dns", "", NETWORK, "tunnel through any resolver"),
	INSIDE("net-world-ipv6", "", NETWORK, "the world, neighbours and multicast by IPv6"),
	INSIDE("net-raw", "", NETWORK, "raw and packet sockets"),
	INSIDE("net-transports", "", NETWORK, "SCTP, MPTCP, DCCP, SMC, UDP-Lite"),
	INSIDE("net-families", "", NETWORK, "vsock, alg, xdp and other families"),
	INSIDE("net-netlink", "", NETWORK, "netlink beyond routes (netfilter, audit, uevents)"),
	INSIDE("net-netlink-write", "CVE-2021-43784", NETWORK, "change interfaces by netlink"),
	INSIDE("net-host-abstract", "", NETWORK, "an abstract socket of the host"),
	INSIDE("net-host-path", "", NETWORK, "a socket file of the host"),
	INSIDE("net-known-sockets", "", NETWORK, "docker, dbus, X11, systemd and other sockets"),
	INSIDE("net-own-gateway", "", NETWORK, "the socket and token that creel-init used"),
	INSIDE("net-sibling-abstract", "", NETWORK, "an abstract socket of another sandbox"),
	INSIDE("net-sibling-tcp", "", NETWORK, "a port of another sandbox"),
	INSIDE("net-shared-ipc", "", NETWORK, "System V objects of others"),
	AROUND("net-host-reaches-in", "", NETWORK,
		"be reached from the host on a port bound to 0.0.0.0"),
	AROUND("net-nobody-came", "", NETWORK, "after it all: no byte arrived at any decoy"),
	ABSENT("net-proxy-names", "nul in SOCKS5 names", NETWORK,
		"trick a proxy's list of names (rebinding, NUL, suffixes, SNI, smuggling)",
		NO_PROXY),
	ABSENT("net-proxy-secrets", "", NETWORK, "have a proxy put a secret where it can be read",
		NO_PROXY),
	ABSENT("net-policy-kernel", "GHSA-72w7-mf9g-733p", NETWORK,
		"a kernel without network rules of Landlock", "the network namespace keeps it in"),

	/* configurations and decisions */
	DECISION("cfg-network-host", "", "docker.network host"),
	DECISION("cfg-network-container", "GHSA-ww6v-v748-x7g9", "docker.network container:ID"),
	DECISION("cfg-bind-root", "CVE-2026-27002", "bind /, /etc, /proc, /sys, /dev, /root"),
	DECISION("cfg-bind-socket", "CVE-2026-27002", "bind an engine's socket, or its directory"),
	DECISION("cfg-bind-home", "", "bind ~/.ssh, ~/.aws, ~/.gnupg"),
	DECISION("cfg-bind-link", "", "bind a link that leads there"),
	DECISION("cfg-bind-target", "CVE-2019-16884, CVE-2019-19921, CVE-2023-28642",
		"bind over /proc/self/attr, /sys, /dev, /run/creel"),
	DECISION("cfg-bind-text", "", "bind entries with .., backslashes, too many parts"),
	DECISION("cfg-unconfined", "", "unconfined seccomp or AppArmor profiles"),
	DECISION(
		"cfg-privileged", "CVE-2024-23653", "privileged, capAdd, devices, pid or ipc host"),
	DECISION("cfg-user-text", "CVE-2026-30892", "a user that parses as another"),
	DECISION("cfg-many-mounts", "CVE-2021-43784", "more mounts than a message holds"),
	DECISION("cfg-missing-layer", "GHSA-72w7-mf9g-733p",
		"give up the namespaces by allowMissing"),
	DECISION("cfg-in-workspace", "CVE-2026-25725", "a configuration or .env in the workspace"),
	DECISION("cfg-bomb", "", "JSON5 that nests, repeats, never ends"),
	DECISION("cfg-proto", "", "__proto__ and duplicate keys"),
	DECISION("dec-deny-all", "", "a tool that a wildcard denies"),
	DECISION("dec-deny-wins", "", "allow what is denied"),
	DECISION("dec-empty-allow", "", "an empty or missing list, and what it means"),
	DECISION("dec-sub-agents", "GHSA-474h-prjg-mmw3", "a sub-agent outside of the sandbox"),
	DECISION("dec-elevated-sender", "CVE-2026-44118", "elevated, asked for by a stranger"),
	DECISION("dec-elevated-off", "", "elevated after it was switched off"),
	DECISION("dec-session-keys", "", "session keys that collide or hold / and .."),
	DECISION("dec-session-size", "", "a session key of 64 KiB, or not UTF-8"),
	DECISION("dec-name-case", "", "tool names in other case or with blanks"),
	DECISION("own-set-id", "CVE-2020-5291", "privileges of Creel's own programs"),
	ABSENT("dec-command-lists", "CVE-2026-44115, CVE-2026-22708", CONTROL,
		"a command that an allowlist misreads (heredoc, built-ins, $())", NO_ALLOWLIST),
	ABSENT("dec-command-policy", "CVE-2025-24965, CVE-2019-18837", CONTROL,
		"files that an engine reads from the image as its own",
		"creel-init reads nothing of the image"),
	ABSENT("dec-build", "CVE-2024-23651", CONTROL, "cache mounts of a build",
		"Creel builds no images"),
};
const size_t attack_count = sizeof(attacks) / sizeof(attacks[0]);

const char *attack_area_name(enum attack_area area)
{
	static const char *const names[AREA_COUNT_] = {"files", "processes", "kernel", "resources",
		"network", "configuration and decisions"};

	return names[area];
}

const char *outcome_name(enum outcome outcome)
{
	switch (outcome) {
	case OUTCOME_HELD:
		return "held";
	case OUTCOME_FELL:
		return "fell";
	case OUTCOME_NA:
		return "n/a";
	case OUTCOME_BROKEN:
		return "broken";
	case OUTCOME_NONE:
		break;
	}
	return "-";
}

bool attack_is_listed(const char *list, const char *id)
{
	size_t len = strlen(id);

	while (list != NULL && *list != '\0') {
		size_t item = strcspn(list, ",");

		if (item == len && memcmp(list, id, len) == 0) {
			return true;
		}
		list += item + (list[item] == ',' ? 1 : 0);
	}
	return list == NULL;
}

int attack_index(const char *id)
{
	for (size_t i = 0; i < attack_count; i++) {
		if (strcmp(attacks[i].id, id) == 0) {
			return (int)i;
		}
	}
	return -1;
}
