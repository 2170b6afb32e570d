/* SPDX-License-Identifier: MIT */
/*
 * Build-time tool: src/backend/native/seccomp-table.h to a C array of BPF on stdout.
 *
 * libseccomp gives the numbers of system calls for the target. The program itself is laid out here,
 * because three things are wanted at once that its rules cannot say: one filter, arguments compared
 * in their low 32 bits only (what the kernel looks at; CVE-2019-10063), and EPERM for some of a
 * call's arguments with ENOSYS for unknown calls.
 *
 * The shape is a binary tree over ranges of call numbers, the one with the fewest comparisons over all
 * numbers: the kernel runs a new filter once per number to find out which calls are always allowed, and
 * that is half of what loading it takes. Afterwards only the others run it, at five or six comparisons a call.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "backend/native/seccomp-table.h"

enum {
	MAX_CALLS = 1024,
	/* About how many calls a kernel has: beyond that nobody asks. */
	USUAL_CALLS = 480,
	MAX_RANGES = 256,
	MAX_CODE = 4096,
	X32_BIT = 0x40000000,
};

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

static const struct sock_filter check_clone[] = {
	/* CLONE_NEWTIME is in the bits of the exit signal: only unshare(2) takes it. */
	LOAD_ARG(0),
	IF_SET((unsigned)CLONE_NAMESPACES, 0, 1),
	RET(ERRNO(EPERM)),
	RET(SECCOMP_RET_ALLOW),
};

static const struct sock_filter check_ioctl[] = {
	LOAD_ARG(1),
	IF_EQ(KERNEL_TIOCSTI, 2, 0),
	IF_EQ(KERNEL_TIOCSETD, 1, 0),
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

/*
 * Of netlink, route alone: getifaddrs() needs it. Of inet, the protocols that programs use: any other
 * number makes the kernel load a module for whoever asks (DCCP: CVE-2017-6074; SCTP, SMC), and limits
 * on TCP do not hold for MPTCP.
 */
static const struct sock_filter check_socket[] = {
	LOAD_ARG(0),
	IF_EQ(AF_UNIX, 16, 0),
	IF_EQ(AF_INET, 5, 0),
	IF_EQ(AF_INET6, 4, 0),
	IF_EQ(AF_NETLINK, 1, 0),
	RET(ERRNO(EAFNOSUPPORT)),
	LOAD_ARG(2),
	IF_EQ(0, 10, 11), /* NETLINK_ROUTE */
	/* inet: low four bits of the type, then the protocol */
	LOAD_ARG(1),
	BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf),
	IF_EQ(SOCK_STREAM, 1, 0),
	IF_EQ(SOCK_DGRAM, 0, 7),
	LOAD_ARG(2),
	IF_EQ(0, 4, 0),
	IF_EQ(IPPROTO_TCP, 3, 0),
	IF_EQ(IPPROTO_UDP, 2, 0),
	IF_EQ(IPPROTO_ICMP, 1, 0),
	IF_EQ(IPPROTO_ICMPV6, 0, 1),
	RET(SECCOMP_RET_ALLOW),
	RET(ERRNO(EPERM)),
};

static const struct sock_filter check_socketpair[] = {
	LOAD_ARG(0),
	IF_EQ(AF_UNIX, 1, 0),
	RET(ERRNO(EAFNOSUPPORT)),
	RET(SECCOMP_RET_ALLOW),
};

/*
 * A set-user-id file in the workspace is one on the host too, owned by the workspace's owner: the
 * sandbox's own mounts ignore the bit, the host's need not. So nobody in here may set it.
 */
#define REFUSE_SET_ID(n) \
	LOAD_ARG(n), IF_SET(S_ISUID | S_ISGID, 0, 1), RET(ERRNO(EPERM)), RET(SECCOMP_RET_ALLOW)

static const struct sock_filter check_mode_second[] = {REFUSE_SET_ID(1)};
static const struct sock_filter check_mode_third[] = {REFUSE_SET_ID(2)};

/* The mode has a meaning only where a file may be made; elsewhere it is whatever was in the register. */
static const struct sock_filter check_open[] = {
	LOAD_ARG(1),
	IF_SET(O_CREAT | KERNEL_O_TMPFILE, 1, 0),
	RET(SECCOMP_RET_ALLOW),
	REFUSE_SET_ID(2),
};

static const struct sock_filter check_openat[] = {
	LOAD_ARG(2),
	IF_SET(O_CREAT | KERNEL_O_TMPFILE, 1, 0),
	RET(SECCOMP_RET_ALLOW),
	REFUSE_SET_ID(3),
};

struct check {
	const char *name;
	const struct sock_filter *code;
	size_t len;
};
#define CHECK_AS(call, check)                                                          \
	{                                                                              \
#		call, check_##check, sizeof(check_##check) / sizeof(check_##check[0]) \
	}
#define CHECK(call) CHECK_AS(call, call)
static const struct check checks[] = {CHECK(clone), CHECK(ioctl), CHECK(personality), CHECK(prctl),
	CHECK(socket), CHECK(socketpair), CHECK(open), CHECK(openat), CHECK_AS(chmod, mode_second),
	CHECK_AS(fchmod, mode_second), CHECK_AS(creat, mode_second), CHECK_AS(mknod, mode_second),
	CHECK_AS(fchmodat, mode_third), CHECK_AS(fchmodat2, mode_third),
	CHECK_AS(mknodat, mode_third)};

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
static struct range ranges[MAX_RANGES];
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
	if (a->check == NULL || b->check == NULL) {
		return a->check == b->check && a->action == b->action;
	}
	return a->check->code == b->check->code;
}

static void add_range(unsigned first, const struct outcome *outcome)
{
	if (range_count > 0 && same(&ranges[range_count - 1].outcome, outcome)) {
		return;
	}
	if (range_count == MAX_RANGES) {
		fail("more ranges than expected", "");
	}
	ranges[range_count++] = (struct range){.first = first, .outcome = *outcome};
}

static void make_ranges(void)
{
	for (unsigned n = 0; n < MAX_CALLS; n++) {
		add_range(n, &by_number[n]);
	}
#if defined(__x86_64__)
	/* x32 numbers, but for -1, which is how a tracer says "skip" and an honest ENOSYS. */
	add_range(X32_BIT, &(struct outcome){.action = SECCOMP_RET_KILL_PROCESS});
	add_range(0xffffffff, &(struct outcome){.action = ERRNO(ENOSYS)});
#endif
}

/* How many numbers are asked for between two ranges' beginnings. */
static unsigned numbers_in(size_t first, size_t last)
{
	unsigned from = ranges[first].first;
	unsigned to = last + 1 < range_count ? ranges[last + 1].first : USUAL_CALLS;

	to = to < USUAL_CALLS ? to : USUAL_CALLS;
	return to > from ? to - from : 0;
}

/* splits[i][j]: where the range that begins the right half of i to j is, in the tree with the fewest
 * comparisons. The textbook's optimal search tree with the numbers at its leaves. */
static size_t splits[MAX_RANGES][MAX_RANGES];

static void choose_splits(void)
{
	static unsigned costs[MAX_RANGES][MAX_RANGES];

	for (size_t len = 2; len <= range_count; len++) {
		for (size_t i = 0; i + len <= range_count; i++) {
			size_t j = i + len - 1;
			unsigned best = UINT_MAX;

			for (size_t split = i + 1; split <= j; split++) {
				unsigned cost = costs[i][split - 1] + costs[split][j];

				if (cost < best) {
					best = cost;
					splits[i][j] = split;
				}
			}
			costs[i][j] = best + numbers_in(i, j);
		}
	}
}

/*
 * The program is written backwards, leaves first, so that every jump goes to something that is there
 * already: what returns the same is there once. Half of the length is half of the kernel's work to
 * check, convert and translate it.
 */
static size_t emitted(const struct sock_filter *block, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		emit(block[len - 1 - i]);
	}
	return code_len;
}

/* Where an outcome begins, counted from the end of the program. */
static size_t outcome_label(const struct outcome *outcome)
{
	static struct {
		struct outcome outcome;
		size_t label;
	} known[32];
	static size_t count;
	const struct sock_filter plain = RET(outcome->action);

	for (size_t i = 0; i < count; i++) {
		if (same(&known[i].outcome, outcome)) {
			return known[i].label;
		}
	}
	if (count == sizeof(known) / sizeof(known[0])) {
		fail("more outcomes than expected", "");
	}
	known[count].outcome = *outcome;
	known[count].label = outcome->check != NULL
				     ? emitted(outcome->check->code, outcome->check->len)
				     : emitted(&plain, 1);
	return known[count++].label;
}

/* A conditional jump reaches 255 instructions: what is further gets a stepping stone. */
static size_t near(size_t label)
{
	size_t distance = code_len - label;

	if (distance <= 250) {
		return label;
	}
	emit((struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, (unsigned)distance));
	return code_len;
}

static size_t emit_tree(size_t first, size_t last)
{
	size_t middle = splits[first][last];
	size_t left, right;

	if (first == last) {
		return outcome_label(&ranges[first].outcome);
	}
	right = emit_tree(middle, last);
	left = emit_tree(first, middle - 1);
	right = near(right);
	left = near(left);
	emit((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, ranges[middle].first,
		(unsigned char)(code_len - right), (unsigned char)(code_len - left)));
	return code_len;
}

static size_t emit_calls(void)
{
	/* The outcomes first, where every branch of the tree reaches them. */
	for (size_t i = 0; i < range_count; i++) {
		(void)outcome_label(&ranges[i].outcome);
	}
	return emit_tree(0, range_count - 1);
}

static void emit_all(void)
{
	/* Calls of 32-bit programs have other numbers. */
	const struct sock_filter start[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4),
		IF_EQ(TARGET_AUDIT, 1, 0),
		RET(SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
	};
	size_t tree = emit_calls();

	/* What follows the start is the root of the tree, which is the last thing written. */
	if (tree != code_len) {
		fail("the table has one outcome for all calls", "");
	}
	(void)emitted(start, sizeof(start) / sizeof(start[0]));
}

/* With a listener, what is refused is put to it (seccomp_unotify(2)); it refuses in turn. What is
 * answered with ENOSYS stays: nobody was refused anything, programs only go another way. */
static unsigned told(const struct sock_filter *instruction)
{
	bool refuses = instruction->code == (BPF_RET | BPF_K) &&
		       (instruction->k == ERRNO(EPERM) || instruction->k == ERRNO(EAFNOSUPPORT));

	return refuses ? SECCOMP_RET_USER_NOTIF : instruction->k;
}

static void print_filter(const char *name, bool tell)
{
	(void)printf("static const struct sock_filter %s[] = {\n", name);
	for (size_t i = code_len; i-- > 0;) {
		(void)printf("\t{0x%02x, %u, %u, 0x%08x},\n", code[i].code, code[i].jt, code[i].jf,
			tell ? told(&code[i]) : code[i].k);
	}
	(void)printf("};\n");
}

static void print_refused(void)
{
	(void)printf("static const struct seccomp_refused {\n\tint number;\n"
		     "\tconst char *name, *reason;\n} seccomp_refused[] = {\n");
	for (size_t g = 0; g < sizeof(seccomp_table) / sizeof(seccomp_table[0]); g++) {
		const struct seccomp_group *group = &seccomp_table[g];
		bool refuses = group->verdict == VERDICT_EPERM || group->verdict == VERDICT_ARGS;

		for (const char *const *name = group->names; refuses && *name != NULL; name++) {
			int number = seccomp_syscall_resolve_name(*name);

			if (number >= 0) {
				(void)printf(
					"\t{%d, \"%s\", \"%s\"},\n", number, *name, group->reason);
			}
		}
	}
	(void)printf("};\n");
}

int main(void)
{
	read_table();
	make_ranges();
	choose_splits();
	emit_all();
	(void)printf("/* Made from seccomp-table.h by scripts/gen-seccomp.c. */\n");
	print_filter("seccomp_filter", false);
	print_filter("seccomp_filter_telling", true);
	print_refused();
	return ferror(stdout) || fflush(stdout) != 0 ? 1 : 0;
}
