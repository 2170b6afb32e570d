/* SPDX-License-Identifier: MIT */
/* The system call filter, run by a small BPF machine: every name of the table, every ABI. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "backend/native/seccomp-table.h"
#include "base/macro.h"
#include "bpf.h"
#include "native-seccomp.h"

static uint32_t run(const struct seccomp_data *data)
{
	return bpf_run(seccomp_filter, ARRAY_SIZE(seccomp_filter), data, NULL);
}

static uint32_t verdict(uint32_t arch, int number, uint64_t arg0, uint64_t arg1, uint64_t arg2)
{
	const struct seccomp_data data = {.arch = arch, .nr = number, .args = {arg0, arg1, arg2}};

	return run(&data);
}

static uint32_t call(const char *name, uint64_t arg0, uint64_t arg1, uint64_t arg2)
{
	int number = seccomp_syscall_resolve_name(name);

	assert_true(number >= 0);
	return verdict(NATIVE, number, arg0, arg1, arg2);
}

static uint32_t wanted(enum seccomp_verdict group)
{
	switch (group) {
	case VERDICT_ALLOW:
		return SECCOMP_RET_ALLOW;
	case VERDICT_EPERM:
		return SECCOMP_RET_ERRNO | EPERM;
	case VERDICT_ENOSYS:
		return SECCOMP_RET_ERRNO | ENOSYS;
	case VERDICT_ARGS:
		break;
	}
	return 0;
}

static void every_name_gets_its_verdict(void **state)
{
	size_t known = 0;

	(void)state;
	for (size_t g = 0; g < ARRAY_SIZE(seccomp_table); g++) {
		const struct seccomp_group *group = &seccomp_table[g];

		for (size_t i = 0; group->names[i] != NULL && group->verdict != VERDICT_ARGS; i++) {
			int number = seccomp_syscall_resolve_name(group->names[i]);

			if (number < 0) {
				continue;
			}
			known++;
			if (verdict(NATIVE, number, 0, 0, 0) != wanted(group->verdict)) {
				fail_msg("%s", group->names[i]);
			}
		}
	}
	assert_true(known > 300);
}

static bool in_table(int number)
{
	for (size_t g = 0; g < ARRAY_SIZE(seccomp_table); g++) {
		for (const char *const *name = seccomp_table[g].names; *name != NULL; name++) {
			if (seccomp_syscall_resolve_name(*name) == number) {
				return true;
			}
		}
	}
	return false;
}

static void what_is_in_no_group_is_unknown(void **state)
{
	(void)state;
	for (int number = 0; number < 2048; number++) {
		if (!in_table(number) &&
			verdict(NATIVE, number, 0, 0, 0) != (SECCOMP_RET_ERRNO | ENOSYS)) {
			fail_msg("%d", number);
		}
	}
	assert_int_equal(verdict(NATIVE, -1, 0, 0, 0), SECCOMP_RET_ERRNO | ENOSYS);
}

static void other_entries_are_killed(void **state)
{
	(void)state;
	for (int number = 0; number < 512; number++) {
		assert_int_equal(
			verdict(AUDIT_ARCH_I386, number, 0, 0, 0), SECCOMP_RET_KILL_PROCESS);
		assert_int_equal(
			verdict(AUDIT_ARCH_ARM, number, 0, 0, 0), SECCOMP_RET_KILL_PROCESS);
#if defined(__x86_64__)
		assert_int_equal(
			verdict(NATIVE, 0x40000000 | number, 0, 0, 0), SECCOMP_RET_KILL_PROCESS);
#endif
	}
}

static void arguments_decide(void **state)
{
	const uint64_t high = 1ULL << 32;
	const uint32_t allow = SECCOMP_RET_ALLOW;
	const uint32_t eperm = SECCOMP_RET_ERRNO | EPERM;
	const uint32_t family = SECCOMP_RET_ERRNO | EAFNOSUPPORT;

	(void)state;
	assert_int_equal(call("clone", 0x01200011, 0, 0), allow); /* what fork() does */
	for (uint64_t bit = 0; bit < 32; bit++) {
		uint64_t flag = 1ULL << bit;
		bool namespace =
			(flag & (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
					CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)) != 0;

		assert_int_equal(call("clone", flag, 0, 0), namespace ? eperm : allow);
		assert_int_equal(call("clone", flag | high, 0, 0), namespace ? eperm : allow);
	}
	assert_int_equal(call("ioctl", 0, 0x5401, 0), allow);
	assert_int_equal(call("ioctl", 0, 0x5411, 0), allow);
	assert_int_equal(call("ioctl", 0, 0x5412, 0), eperm);
	assert_int_equal(call("ioctl", 0, 0x5412 | high, 0), eperm);
	assert_int_equal(call("ioctl", 0, 0x541C | high << 7, 0), eperm);
	assert_int_equal(call("ioctl", 0, 0x5423, 0), eperm); /* TIOCSETD */
	assert_int_equal(call("ioctl", 0, 0x5423 | high, 0), eperm);
	assert_int_equal(call("personality", 0, 0, 0), allow);
	assert_int_equal(call("personality", 0xffffffff, 0, 0), allow);
	assert_int_equal(call("personality", 0x0400000, 0, 0), eperm); /* READ_IMPLIES_EXEC */
	assert_int_equal(call("personality", 8, 0, 0), eperm); /* PER_LINUX32 */
	assert_int_equal(call("prctl", 35, 0, 0), eperm); /* PR_SET_MM */
	assert_int_equal(call("prctl", 15, 0, 0), allow);
	assert_int_equal(call("socketpair", AF_UNIX, 0, 0), allow);
	assert_int_equal(call("socketpair", AF_INET, 0, 0), family);
}

static uint32_t call_openat(uint64_t flags, uint64_t mode)
{
	const struct seccomp_data data = {.arch = NATIVE,
		.nr = seccomp_syscall_resolve_name("openat"),
		.args = {(uint64_t)AT_FDCWD, 0, flags, mode}};

	return run(&data);
}

static void nobody_sets_user_ids(void **state)
{
	static const char *const second[] = {"fchmod", "chmod", "creat", "mknod"};
	static const char *const third[] = {"fchmodat", "mknodat", "fchmodat2"};
	const uint32_t allow = SECCOMP_RET_ALLOW;
	const uint32_t eperm = SECCOMP_RET_ERRNO | EPERM;

	(void)state;
	for (uint64_t mode = 0; mode < 010000; mode++) {
		uint32_t wants = (mode & 06000) != 0 ? eperm : allow;

		for (size_t i = 0; i < ARRAY_SIZE(second); i++) {
			int number = seccomp_syscall_resolve_name(second[i]);

			assert_true(
				number < 0 || verdict(NATIVE, number, 06000, mode, 06000) == wants);
		}
		for (size_t i = 0; i < ARRAY_SIZE(third); i++) {
			int number = seccomp_syscall_resolve_name(third[i]);

			assert_true(
				number < 0 || verdict(NATIVE, number, 06000, 06000, mode) == wants);
		}
		assert_int_equal(call_openat(O_WRONLY | O_CREAT, mode), wants);
		assert_int_equal(call_openat(O_RDWR | 020000000 | O_DIRECTORY, mode), wants);
		/* Without a file to make the mode is whatever happened to be there. */
		assert_int_equal(call_openat(O_WRONLY | O_TRUNC, mode), allow);
		assert_int_equal(call_openat(O_RDONLY | O_DIRECTORY, mode), allow);
	}
	assert_int_equal(call("fchmod", 3, S_IFREG | 04755 | 1ULL << 32, 0), eperm);
#if defined(__x86_64__)
	assert_int_equal(call("open", 0, O_WRONLY | O_CREAT, 04755), eperm);
	assert_int_equal(call("open", 0, O_WRONLY | O_CREAT, 01777), allow);
	assert_int_equal(call("open", 0, O_RDONLY, 04755), allow);
#endif
}

static void sockets_are_of_few_kinds(void **state)
{
	const uint32_t eperm = SECCOMP_RET_ERRNO | EPERM;

	(void)state;
	for (int domain = 0; domain < 64; domain++) {
		bool known = domain == AF_UNIX || domain == AF_INET || domain == AF_INET6 ||
			     domain == AF_NETLINK;

		assert_int_equal(call("socket", (uint64_t)domain, SOCK_STREAM, 0),
			known ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO | EAFNOSUPPORT);
	}
	assert_int_equal(call("socket", AF_INET, SOCK_RAW | SOCK_CLOEXEC, 1), eperm);
	assert_int_equal(call("socket", AF_INET6, SOCK_RAW | SOCK_NONBLOCK, 0), eperm);
	assert_int_equal(call("socket", AF_INET, 10 /* SOCK_PACKET */, 0), eperm);
	assert_int_equal(call("socket", AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 262), eperm);
	assert_int_equal(call("socket", AF_INET, SOCK_DGRAM, 17), SECCOMP_RET_ALLOW);
	for (uint64_t type = 0; type < 16; type++) {
		for (uint64_t protocol = 0; protocol < 512; protocol++) {
			bool known = (type == SOCK_STREAM || type == SOCK_DGRAM) &&
				     (protocol == 0 || protocol == IPPROTO_TCP ||
					     protocol == IPPROTO_UDP || protocol == IPPROTO_ICMP ||
					     protocol == IPPROTO_ICMPV6);

			assert_int_equal(call("socket", AF_INET, type | SOCK_CLOEXEC, protocol),
				known ? SECCOMP_RET_ALLOW : eperm);
			assert_int_equal(call("socket", AF_INET6, type | 1ULL << 32, protocol),
				known ? SECCOMP_RET_ALLOW : eperm);
		}
	}
	assert_int_equal(call("socket", AF_NETLINK, SOCK_RAW, 0), SECCOMP_RET_ALLOW);
	for (uint64_t protocol = 1; protocol < 32; protocol++) {
		assert_int_equal(call("socket", AF_NETLINK, SOCK_RAW, protocol), eperm);
	}
}

static void a_call_costs_little(void **state)
{
	(void)state;
	for (int number = 0; number < 512; number++) {
		const struct seccomp_data data = {.arch = NATIVE, .nr = number};
		size_t steps;

		(void)bpf_run(seccomp_filter, ARRAY_SIZE(seccomp_filter), &data, &steps);
		assert_true(steps < 32);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_name_gets_its_verdict),
		cmocka_unit_test(what_is_in_no_group_is_unknown),
		cmocka_unit_test(other_entries_are_killed),
		cmocka_unit_test(arguments_decide),
		cmocka_unit_test(nobody_sets_user_ids),
		cmocka_unit_test(sockets_are_of_few_kinds),
		cmocka_unit_test(a_call_costs_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
