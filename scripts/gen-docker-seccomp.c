/* SPDX-License-Identifier: MIT */
/*
 * Build-time tool: src/backend/native/seccomp-table.h to seccomp profiles for container engines, as C
 * strings on stdout. One for containers whose root is read-only, one for those in which root installs
 * programs.
 *
 * What differs from a native sandbox, because any image has to run: what the capabilities that are
 * left allow (chroot, raw sockets), debuggers (creel-init cannot be traced there either), and
 * set-user-id files where a package manager makes them.
 *
 * The language of these profiles has no "all but": a call that is allowed for some arguments is listed
 * with what is allowed of them, and the rest falls to the default, EPERM. Arguments are compared in
 * their low 32 bits only, which is what the kernel looks at (CVE-2019-10063).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "backend/native/seccomp-table.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum {
	FAMILIES = 46, /* AF_MAX */
	TYPE_MASK = 0xf,
	ARGS_MAX = 3,
};
static const uint32_t WHOLE = 0xffffffff;

/* One argument: its bits of mask are value. */
struct arg {
	unsigned index;
	uint32_t mask, value;
};

struct rule {
	const char *name;
	struct arg args[ARGS_MAX];
	size_t arg_count;
	int error; /* 0: allowed */
	const char *capability; /* only with it; NULL: always */
};

/* --- output --- */

static bool first_rule = true;

/* A line of the C string. */
static void start_rule(void)
{
	(void)printf("\t\"%s", first_rule ? "" : ",");
	first_rule = false;
}

static void end_rule(int error)
{
	if (error == 0) {
		(void)printf("\\\"action\\\":\\\"SCMP_ACT_ALLOW\\\"}\",\n");
	} else {
		(void)printf(
			"\\\"action\\\":\\\"SCMP_ACT_ERRNO\\\",\\\"errnoRet\\\":%d}\",\n", error);
	}
}

static void put_arg(const struct arg *arg, bool first)
{
	(void)printf("%s{\\\"index\\\":%u,\\\"value\\\":%u,\\\"valueTwo\\\":%u,"
		     "\\\"op\\\":\\\"SCMP_CMP_MASKED_EQ\\\"}",
		first ? "" : ",", arg->index, arg->mask, arg->value);
}

static void put(const struct rule *rule)
{
	start_rule();
	(void)printf("{\\\"names\\\":[\\\"%s\\\"],", rule->name);
	if (rule->arg_count > 0) {
		(void)printf("\\\"args\\\":[");
		for (size_t i = 0; i < rule->arg_count; i++) {
			put_arg(&rule->args[i], i == 0);
		}
		(void)printf("],");
	}
	if (rule->capability != NULL) {
		(void)printf("\\\"includes\\\":{\\\"caps\\\":[\\\"%s\\\"]},", rule->capability);
	}
	end_rule(rule->error);
}

static void put_one(const char *name, unsigned index, uint32_t mask, uint32_t value)
{
	const struct rule rule = {.name = name, .args = {{index, mask, value}}, .arg_count = 1};

	put(&rule);
}

static void put_names(const char *const *names, int error)
{
	start_rule();
	(void)printf("{\\\"names\\\":[");
	for (size_t i = 0; names[i] != NULL; i++) {
		(void)printf("%s\\\"%s\\\"", i == 0 ? "" : ",", names[i]);
	}
	(void)printf("],");
	end_rule(error);
}

/* --- all values but some --- */

/*
 * What agrees with prefix above this bit, without the refused ones: one rule per subtree in which
 * none of them is.
 */
static void put_subtree(const char *name, unsigned index, int bit, uint32_t prefix,
	const uint32_t *refused, size_t count)
{
	uint32_t mask = bit == 31 ? 0 : WHOLE << (bit + 1);
	size_t inside = 0;

	for (size_t i = 0; i < count; i++) {
		inside += (refused[i] & mask) == prefix;
	}
	if (inside == 0) {
		put_one(name, index, mask, prefix);
	} else if (bit >= 0) {
		put_subtree(name, index, bit - 1, prefix, refused, count);
		put_subtree(name, index, bit - 1, prefix | UINT32_C(1) << bit, refused, count);
	}
}

static void put_all_but(const char *name, unsigned index, const uint32_t *refused, size_t count)
{
	put_subtree(name, index, 31, 0, refused, count);
}

/* --- the calls of which some arguments are allowed --- */

static void put_sockets(void)
{
	static const uint32_t inet[] = {AF_INET, AF_INET6}, types[] = {SOCK_STREAM, SOCK_DGRAM};
	static const uint32_t protocols[] = {
		0, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6};
	struct rule rule = {.name = "socket", .arg_count = 3};

	put_one("socket", 0, WHOLE, AF_UNIX);
	for (size_t i = 0; i < COUNT(inet) * COUNT(types) * COUNT(protocols); i++) {
		rule.args[0] = (struct arg){0, WHOLE, inet[i % 2]};
		rule.args[1] = (struct arg){1, TYPE_MASK, types[i / 2 % 2]};
		rule.args[2] = (struct arg){2, WHOLE, protocols[i / 4]};
		put(&rule);
	}
	rule.args[0] = (struct arg){0, WHOLE, AF_NETLINK};
	rule.args[1] = (struct arg){2, WHOLE, NETLINK_ROUTE};
	rule.arg_count = 2;
	put(&rule);
	/* As of a kernel without audit: useradd and others give up when it is forbidden. */
	rule.args[1].value = NETLINK_AUDIT;
	rule.error = EPROTONOSUPPORT;
	put(&rule);
	put_one("socketpair", 0, WHOLE, AF_UNIX);
}

/* ping and tcpdump, where capDrop leaves them what they need. */
static void put_raw_sockets(void)
{
	struct rule rule = {.name = "socket", .capability = "CAP_NET_RAW"};

	rule.arg_count = 2;
	rule.args[1] = (struct arg){1, TYPE_MASK, SOCK_RAW};
	rule.args[0] = (struct arg){0, WHOLE, AF_INET};
	put(&rule);
	rule.args[0].value = AF_INET6;
	put(&rule);
	rule.args[0].value = AF_PACKET;
	rule.arg_count = 1;
	put(&rule);
}

/* As of a kernel without them: programs then go another way. */
static void put_other_families(void)
{
	struct rule rule = {.name = "socket", .arg_count = 1, .error = EAFNOSUPPORT};

	for (uint32_t family = 0; family < FAMILIES; family++) {
		bool known = family == AF_UNIX || family == AF_INET || family == AF_INET6 ||
			     family == AF_NETLINK || family == AF_PACKET;

		if (!known) {
			rule.args[0] = (struct arg){0, WHOLE, family};
			put(&rule);
		}
	}
}

static void put_personalities(void)
{
	static const uint32_t allowed[] = {
		PER_LINUX, PER_LINUX32, UNAME26, UNAME26 | PER_LINUX32, ADDR_NO_RANDOMIZE, WHOLE};

	for (size_t i = 0; i < COUNT(allowed); i++) {
		put_one("personality", 0, WHOLE, allowed[i]);
	}
}

static void put_processes(void)
{
	static const uint32_t requests[] = {KERNEL_TIOCSTI, KERNEL_TIOCLINUX, KERNEL_TIOCSETD};
	static const uint32_t options[] = {PR_SET_MM};
	const struct rule chroot = {.name = "chroot", .capability = "CAP_SYS_CHROOT"};

	put_one("clone", 0, CLONE_NAMESPACES, 0);
	put_all_but("ioctl", 1, requests, COUNT(requests));
	put_all_but("prctl", 0, options, COUNT(options));
	put_personalities();
	put(&chroot);
}

/* --- set-user-id --- */

struct mode_call {
	const char *name;
	unsigned mode; /* which argument */
	int flags; /* which argument says whether a file is made; -1: always */
};

static const struct mode_call mode_calls[] = {{"chmod", 1, -1}, {"fchmod", 1, -1}, {"creat", 1, -1},
	{"mknod", 1, -1}, {"fchmodat", 2, -1}, {"fchmodat2", 2, -1}, {"mknodat", 2, -1},
	{"open", 2, 1}, {"openat", 3, 2}};

static void put_modes(bool installs)
{
	static const char *const openat2[] = {"openat2", NULL};

	for (size_t i = 0; i < COUNT(mode_calls); i++) {
		const struct mode_call *call = &mode_calls[i];
		const struct rule always = {.name = call->name};

		if (installs) {
			put(&always);
			continue;
		}
		put_one(call->name, call->mode, S_ISUID | S_ISGID, 0);
		if (call->flags >= 0) {
			put_one(call->name, (unsigned)call->flags, O_CREAT | KERNEL_O_TMPFILE, 0);
		}
	}
	put_names(openat2, installs ? 0 : ENOSYS);
}

/* --- the table, and what is more --- */

/* Debuggers and leak checkers. */
static const char *const more[] = {"ptrace", "process_vm_readv", "process_vm_writev", NULL};

/* openat2 is with the modes. */
static bool is_openat2(const struct seccomp_group *group)
{
	return strcmp(group->names[0], "openat2") == 0;
}

static void put_table(void)
{
	for (size_t g = 0; g < COUNT(seccomp_table); g++) {
		const struct seccomp_group *group = &seccomp_table[g];

		if (group->verdict == VERDICT_ALLOW) {
			put_names(group->names, 0);
		} else if (group->verdict == VERDICT_ENOSYS && !is_openat2(group)) {
			put_names(group->names, ENOSYS);
		}
	}
	put_names(more, 0);
}

/*
 * Programs of this machine's own kind alone. libseccomp cannot look into socketcall(2), by which 32-bit
 * programs make sockets: with those let in, every rule about sockets would be void.
 */
static void put_head(void)
{
	(void)printf(
		"\t\"{\\\"defaultAction\\\":\\\"SCMP_ACT_ERRNO\\\","
		"\\\"defaultErrnoRet\\\":%d,\\\"archMap\\\":["
		"{\\\"architecture\\\":\\\"SCMP_ARCH_X86_64\\\",\\\"subArchitectures\\\":[]},"
		"{\\\"architecture\\\":\\\"SCMP_ARCH_AARCH64\\\",\\\"subArchitectures\\\":[]}],"
		"\\\"syscalls\\\":[\",\n",
		EPERM);
}

static void put_end(const char *name, bool installs)
{
	(void)printf("static const char *const %s[] = {\n", name);
	put_modes(installs);
	(void)printf("\t\"]}\"};\n");
}

/* A profile is the beginning and one of the two ends, in pieces: C has no literals of that length. */
int main(void)
{
	(void)printf("/* Made from seccomp-table.h by scripts/gen-docker-seccomp.c. */\n"
		     "static const char *const docker_seccomp[] = {\n");
	put_head();
	put_table();
	put_processes();
	put_sockets();
	put_raw_sockets();
	put_other_families();
	(void)printf("};\n");
	put_end("docker_seccomp_read_only", false);
	put_end("docker_seccomp_installs", true);
	return ferror(stdout) || fflush(stdout) != 0 ? 1 : 0;
}
