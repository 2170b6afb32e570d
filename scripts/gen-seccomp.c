/* SPDX-License-Identifier: MIT */
/*
 * Build-time tool: src/backend/native/seccomp-table.h to a C array of BPF on stdout.
 *
 * libseccomp gives the numbers of system calls for the target. The program itself is laid out here,
 * because three things are wanted at once that its rules cannot say: one filter, arguments compared
 * in their low 32 bits only (what the kernel looks at; CVE-2019-10063), and EPERM for some of a
 * call's arguments with ENOSYS for unknown calls.
 *
 * The shape is a binary tree over ranges of call numbers, so that a call costs about eight
 * comparisons, and loading is quick too: the kernel runs a new filter once per number to find out
 * which calls are always allowed.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "backend/native/seccomp-table.h"

enum { MAX_CALLS = 1024, MAX_CODE = 4096, X32_BIT = 0x40000000 };

#define RET(action) BPF_STMT(BPF_RET | BPF_K, (action))
#define ERRNO(num) (SECCOMP_RET_ERRNO | (num))
/* Little endian: the low half of an argument comes first. */
#define LOAD_ARG(n) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 16 + 8 * (n))
#define IF_EQ(k, jt, jf) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), (jt), (jf))
#define IF_SET(k, jt, jf) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (k), (jt), (jf))

#if defined(__x86_64__)
#	define TARGET_AUDIT AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#	define TARGET_AUDIT AUDIT_ARCH_AARCH64
#else
#	error "this architecture has no system call table here yet"
#endif

enum {
	NAMESPACES = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
		     CLONE_NEWPID | CLONE_NEWNET,
	KERNEL_TIOCSTI = 0x5412,
	KERNEL_TIOCLINUX = 0x541C,
	PROTO_MPTCP = 262,
};

static const struct sock_filter check_clone[] = {
	/* CLONE_NEWTIME is in the bits of the exit signal: only unshare(2) takes it. */
	LOAD_ARG(0),
	IF_SET((unsigned)NAMESPACES, 0, 1),
	RET(ERRNO(EPERM)),
	RET(SECCOMP_RET_ALLOW),
};

static const struct sock_filter check_ioctl[] = {
	LOAD_ARG(1),
	IF_EQ(KERNEL_TIOCSTI, 1, 0),
	IF_EQ(KERNEL_TIOCLINUX, 0, 1),
	RET(ERRNO(EPERM)),
	RET(SECCOMP_RET_ALLOW),
};

static const struct sock_filter check_personality[] = {
	LOAD_ARG(0),
	IF_EQ(PER_LINUX, 4, 0),
	IF_EQ(UNAME26, 3, 0),
	IF_EQ(ADDR_NO_RANDOMIZE, 2,
		0), /* debuggers and some Lisp runtimes; weakens the caller alone */
	IF_EQ(0xffffffff, 1, 0),
	RET(ERRNO(EPERM)),
	RET(SECCOMP_RET_ALLOW),
};

static const struct sock_filter check_prctl[] = {
	/* PR_SET_MM rewrites where /proc/PID/exe and cmdline point. */
	LOAD_ARG(0),
	IF_EQ(PR_SET_MM, 0, 1),
	RET(ERRNO(EPERM)),
	RET(SECCOMP_RET_ALLOW),
};

static const struct sock_filter check_socket[] = {
	/* Of netlink, route alone: getifaddrs() needs it. */
	LOAD_ARG(0),
	IF_EQ(AF_UNIX, 12, 0),
	IF_EQ(AF_INET, 5, 0),
	IF_EQ(AF_INET6, 4, 0),
	IF_EQ(AF_NETLINK, 1, 0),
	RET(ERRNO(EAFNOSUPPORT)),
	LOAD_ARG(2),
	IF_EQ(0, 6, 7), /* NETLINK_ROUTE */
	/* inet: low four bits of the type, then the protocol */
	LOAD_ARG(1),
	BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf),
	IF_EQ(SOCK_RAW, 4, 0),
	IF_EQ(SOCK_PACKET, 3, 0),
	LOAD_ARG(2),
	IF_EQ(PROTO_MPTCP, 1, 0),
	RET(SECCOMP_RET_ALLOW),
	RET(ERRNO(EPERM)),
};

static const struct sock_filter check_socketpair[] = {
	LOAD_ARG(0),
	IF_EQ(AF_UNIX, 1, 0),
	RET(ERRNO(EAFNOSUPPORT)),
	RET(SECCOMP_RET_ALLOW),
};

struct check {
	const char *name;
	const struct sock_filter *code;
	size_t len;
};
#define CHECK(call)                                                                 \
	{                                                                           \
#		call, check_##call, sizeof(check_##call) / sizeof(check_##call[0]) \
	}
static const struct check checks[] = {CHECK(clone), CHECK(ioctl), CHECK(personality), CHECK(prctl),
	CHECK(socket), CHECK(socketpair)};

/* What happens to one number: a return value, or a check. */
struct outcome {
	unsigned action;
	const struct check *check;
};

/* From first on, up to the next range. */
struct range {
	unsigned first;
	struct outcome outcome;
};

static struct outcome by_number[MAX_CALLS];
static struct range ranges[MAX_CALLS + 1];
static size_t range_count;
static struct sock_filter code[MAX_CODE];
static size_t code_len;

__attribute__((noreturn)) static void fail(const char *what, const char *name)
{
	(void)fprintf(stderr, "gen-seccomp: %s '%s'\n", what, name);
	exit(1);
}

static void emit(struct sock_filter instruction)
{
	if (code_len == MAX_CODE) {
		fail("the filter is longer than the kernel takes", "");
	}
	code[code_len++] = instruction;
}

static const struct check *find_check(const char *name)
{
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		if (strcmp(checks[i].name, name) == 0) {
			return &checks[i];
		}
	}
	fail("no argument check for", name);
}

static struct outcome outcome_of(enum seccomp_verdict verdict, const char *name)
{
	switch (verdict) {
	case VERDICT_ALLOW:
		return (struct outcome){.action = SECCOMP_RET_ALLOW};
	case VERDICT_EPERM:
		return (struct outcome){.action = ERRNO(EPERM)};
	case VERDICT_ENOSYS:
		return (struct outcome){.action = ERRNO(ENOSYS)};
	case VERDICT_ARGS:
		return (struct outcome){.check = find_check(name)};
	}
	abort();
}

static void read_table(void)
{
	bool seen[MAX_CALLS] = {false};

	for (size_t i = 0; i < MAX_CALLS; i++) {
		by_number[i].action = ERRNO(ENOSYS);
	}
	for (size_t g = 0; g < sizeof(seccomp_table) / sizeof(seccomp_table[0]); g++) {
		const struct seccomp_group *group = &seccomp_table[g];

		for (const char *const *name = group->names; *name != NULL; name++) {
			int number = seccomp_syscall_resolve_name(*name);

			if (number < 0) {
				continue;
			}
			if (number >= MAX_CALLS || seen[number]) {
				fail("out of range or listed twice:", *name);
			}
			seen[number] = true;
			by_number[number] = outcome_of(group->verdict, *name);
		}
	}
}

static bool same(const struct outcome *a, const struct outcome *b)
{
	return a->action == b->action && a->check == b->check;
}

static void make_ranges(void)
{
	for (unsigned n = 0; n < MAX_CALLS; n++) {
		if (range_count == 0 || !same(&ranges[range_count - 1].outcome, &by_number[n])) {
			ranges[range_count++] = (struct range){.first = n, .outcome = by_number[n]};
		}
	}
}

static size_t tree_size(size_t first, size_t last);

/* The jump over a left half that is further than a conditional jump reaches (8 bits). */
static bool needs_long_jump(size_t first, size_t middle)
{
	return tree_size(first, middle - 1) > 255;
}

static size_t tree_size(size_t first, size_t last)
{
	size_t middle = first + (last - first + 1) / 2;

	if (first == last) {
		return ranges[first].outcome.check != NULL ? ranges[first].outcome.check->len : 1;
	}
	return 1 + (needs_long_jump(first, middle) ? 1 : 0) + tree_size(first, middle - 1) +
	       tree_size(middle, last);
}

static void emit_leaf(const struct outcome *outcome)
{
	if (outcome->check == NULL) {
		emit((struct sock_filter)RET(outcome->action));
		return;
	}
	for (size_t i = 0; i < outcome->check->len; i++) {
		emit(outcome->check->code[i]);
	}
}

static void emit_tree(size_t first, size_t last)
{
	size_t middle = first + (last - first + 1) / 2;
	unsigned left;

	if (first == last) {
		emit_leaf(&ranges[first].outcome);
		return;
	}
	left = (unsigned)tree_size(first, middle - 1);
	if (needs_long_jump(first, middle)) {
		emit((struct sock_filter)BPF_JUMP(
			BPF_JMP | BPF_JGE | BPF_K, ranges[middle].first, 0, 1));
		emit((struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, left));
	} else {
		emit((struct sock_filter)BPF_JUMP(
			BPF_JMP | BPF_JGE | BPF_K, ranges[middle].first, (unsigned char)left, 0));
	}
	emit_tree(first, middle - 1);
	emit_tree(middle, last);
}

static void emit_all(void)
{
	/* Calls by another ABI have other numbers: 32-bit programs, and x32's bit in the number. */
	emit((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4));
	emit((struct sock_filter)IF_EQ(TARGET_AUDIT, 1, 0));
	emit((struct sock_filter)RET(SECCOMP_RET_KILL_PROCESS));
	emit((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0));
#if defined(__x86_64__)
	/* x32 numbers, but for -1, which is how a tracer says "skip" and an honest ENOSYS. */
	emit((struct sock_filter)IF_EQ(0xffffffff, 2, 0));
	emit((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1));
	emit((struct sock_filter)RET(SECCOMP_RET_KILL_PROCESS));
#endif
	emit_tree(0, range_count - 1);
}

int main(void)
{
	read_table();
	make_ranges();
	emit_all();
	(void)printf("/* Made from seccomp-table.h by scripts/gen-seccomp.c. */\n"
		     "static const struct sock_filter seccomp_filter[] = {\n");
	for (size_t i = 0; i < code_len; i++) {
		(void)printf("\t{0x%02x, %u, %u, 0x%08x},\n", code[i].code, code[i].jt, code[i].jf,
			code[i].k);
	}
	(void)printf("};\n");
	return ferror(stdout) || fflush(stdout) != 0 ? 1 : 0;
}
