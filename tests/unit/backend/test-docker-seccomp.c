/* SPDX-License-Identifier: MIT */
/*
 * The profile that containers get, made into a filter the way a runtime does it, by libseccomp, and run
 * by a small BPF machine: next to the native filter, call by call.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/docker/seccomp.h"
#include "backend/native/seccomp-table.h"
#include "base/macro.h"
#include "base/mem.h"
#include "base/own.h"
#include "bpf.h"

enum { CODE_MAX = 4096 };

struct filter {
	struct sock_filter code[CODE_MAX];
	size_t len;
};

/* --- a runtime's part --- */

static uint32_t action_of(const json_t *rule)
{
	const char *name = json_string_value(json_object_get(rule, "action"));

	if (strcmp(name, "SCMP_ACT_ALLOW") == 0) {
		return SCMP_ACT_ALLOW;
	}
	assert_string_equal(name, "SCMP_ACT_ERRNO");
	return SCMP_ACT_ERRNO((uint32_t)json_integer_value(json_object_get(rule, "errnoRet")));
}

static bool applies(const json_t *rule, const char *capability)
{
	const json_t *wanted = json_object_get(json_object_get(rule, "includes"), "caps");
	const char *name = json_string_value(json_array_get(wanted, 0));

	return name == NULL || (capability != NULL && strcmp(name, capability) == 0);
}

static void add_rule(scmp_filter_ctx context, const json_t *rule)
{
	const json_t *args = json_object_get(rule, "args"), *item;
	struct scmp_arg_cmp compare[6];
	unsigned count = 0;
	size_t i;

	json_array_foreach(args, i, item)
	{
		assert_string_equal(
			json_string_value(json_object_get(item, "op")), "SCMP_CMP_MASKED_EQ");
		compare[count++] = (struct scmp_arg_cmp){
			.arg = (unsigned)json_integer_value(json_object_get(item, "index")),
			.op = SCMP_CMP_MASKED_EQ,
			.datum_a = (scmp_datum_t)json_integer_value(json_object_get(item, "value")),
			.datum_b =
				(scmp_datum_t)json_integer_value(json_object_get(item, "valueTwo")),
		};
	}
	json_array_foreach(json_object_get(rule, "names"), i, item)
	{
		int number = seccomp_syscall_resolve_name(json_string_value(item));

		/* A runtime leaves out what its libseccomp does not know. */
		if (number != __NR_SCMP_ERROR) {
			assert_int_equal(seccomp_rule_add_array(
						 context, action_of(rule), number, count, compare),
				0);
		}
	}
}

static void compile(bool installs, const char *capability, struct filter *ret)
{
	const struct sandbox_spec spec = {.read_only_root = !installs, .user = "0:0"};
	_cleanup_free_ char *option = docker_seccomp_option(&spec);
	json_t *profile = json_loads(option + strlen("seccomp="), 0, NULL), *rule;
	scmp_filter_ctx context = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	_cleanup_close_ int fd = memfd_create("filter", MFD_CLOEXEC);
	ssize_t n;
	size_t i;

	assert_non_null(profile);
	assert_int_equal(
		seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS), 0);
	json_array_foreach(json_object_get(profile, "syscalls"), i, rule)
	{
		if (applies(rule, capability)) {
			add_rule(context, rule);
		}
	}
	assert_int_equal(seccomp_export_bpf(context, fd), 0);
	n = pread(fd, ret->code, sizeof(ret->code), 0);
	assert_true(n > 0 && (size_t)n < sizeof(ret->code));
	ret->len = (size_t)n / sizeof(ret->code[0]);
	seccomp_release(context);
	json_decref(profile);
}

/* --- what it says --- */

static uint32_t run(const struct filter *filter, const struct seccomp_data *data)
{
	return bpf_run(filter->code, filter->len, data, NULL);
}

static uint32_t call(const struct filter *filter, const char *name, uint64_t arg0, uint64_t arg1,
	uint64_t arg2, uint64_t arg3)
{
	const struct seccomp_data data = {.arch = NATIVE,
		.nr = seccomp_syscall_resolve_name(name),
		.args = {arg0, arg1, arg2, arg3}};

	assert_true(data.nr >= 0);
	return run(filter, &data);
}

enum { ALLOW = SECCOMP_RET_ALLOW, REFUSE = SECCOMP_RET_ERRNO | EPERM };

static struct filter strict, installs, chroots, raw;

static int prepare(void **state)
{
	(void)state;
	compile(false, NULL, &strict);
	compile(true, NULL, &installs);
	compile(false, "CAP_SYS_CHROOT", &chroots);
	compile(false, "CAP_NET_RAW", &raw);
	return 0;
}

/* --- tests --- */

static bool is_more(const char *name)
{
	static const char *const more[] = {"ptrace", "process_vm_readv", "process_vm_writev"};

	for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
		if (strcmp(more[i], name) == 0) {
			return true;
		}
	}
	return false;
}

static uint32_t wanted(enum seccomp_verdict verdict, const char *name)
{
	if (verdict == VERDICT_ALLOW || is_more(name)) {
		return ALLOW;
	}
	return SECCOMP_RET_ERRNO | (verdict == VERDICT_ENOSYS ? ENOSYS : EPERM);
}

static void every_name_of_the_table_has_its_verdict(void **state)
{
	size_t known = 0;

	(void)state;
	for (size_t g = 0; g < ARRAY_SIZE(seccomp_table); g++) {
		const struct seccomp_group *group = &seccomp_table[g];

		for (size_t i = 0; group->names[i] != NULL && group->verdict != VERDICT_ARGS; i++) {
			if (seccomp_syscall_resolve_name(group->names[i]) < 0) {
				continue;
			}
			known++;
			if (call(&strict, group->names[i], 0, 0, 0, 0) !=
				wanted(group->verdict, group->names[i])) {
				fail_msg("%s", group->names[i]);
			}
		}
	}
	assert_true(known > 300);
}

static void arguments_decide(void **state)
{
	const uint64_t high = 1ULL << 32;

	(void)state;
	assert_int_equal(call(&strict, "clone", 0x01200011, 0, 0, 0), ALLOW);
	assert_int_equal(call(&strict, "clone", CLONE_NEWUSER | SIGCHLD, 0, 0, 0), REFUSE);
	assert_int_equal(call(&strict, "clone", CLONE_NEWNET | high, 0, 0, 0), REFUSE);
	for (uint64_t request = 0; request < 0x10000; request++) {
		bool refused = request == 0x5412 || request == 0x541C || request == 0x5423;

		assert_int_equal(
			call(&strict, "ioctl", 0, request, 0, 0), refused ? REFUSE : ALLOW);
		assert_int_equal(
			call(&strict, "ioctl", 0, request | high, 0, 0), refused ? REFUSE : ALLOW);
	}
	assert_int_equal(call(&strict, "ioctl", 0, 0x80000000, 0, 0), ALLOW);
	assert_int_equal(call(&strict, "ioctl", 0, 0xffffffff, 0, 0), ALLOW);
	for (uint64_t option = 0; option < 128; option++) {
		assert_int_equal(
			call(&strict, "prctl", option, 0, 0, 0), option == 35 ? REFUSE : ALLOW);
	}
	assert_int_equal(call(&strict, "personality", 0, 0, 0, 0), ALLOW);
	assert_int_equal(call(&strict, "personality", 8, 0, 0, 0), ALLOW); /* PER_LINUX32 */
	assert_int_equal(call(&strict, "personality", 0xffffffff, 0, 0, 0), ALLOW);
	assert_int_equal(call(&strict, "personality", 0x0400000, 0, 0, 0), REFUSE);
}

static void set_user_ids_are_for_package_managers(void **state)
{
	(void)state;
	for (uint64_t mode = 0; mode < 010000; mode++) {
		uint32_t wants = (mode & 06000) != 0 ? REFUSE : ALLOW;

		assert_int_equal(call(&strict, "fchmod", 3, mode, 0, 0), wants);
		assert_int_equal(call(&strict, "fchmodat", 3, 0, mode, 0), wants);
		assert_int_equal(call(&strict, "openat", 3, 0, O_CREAT | O_WRONLY, mode), wants);
		assert_int_equal(call(&strict, "openat", 3, 0, 020000000, mode), wants);
		assert_int_equal(call(&strict, "openat", 3, 0, O_RDONLY, mode), ALLOW);
		assert_int_equal(call(&installs, "fchmod", 3, mode, 0, 0), ALLOW);
		assert_int_equal(call(&installs, "openat", 3, 0, O_CREAT, mode), ALLOW);
	}
	assert_int_equal(call(&strict, "openat2", 0, 0, 0, 0), SECCOMP_RET_ERRNO | ENOSYS);
	assert_int_equal(call(&installs, "openat2", 0, 0, 0, 0), ALLOW);
	assert_int_equal(call(&installs, "unshare", 0, 0, 0, 0), REFUSE);
}

static bool is_known(int family)
{
	return family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK;
}

static void sockets_are_of_few_kinds(void **state)
{
	(void)state;
	for (int family = 0; family < 46; family++) {
		uint32_t result = call(&strict, "socket", (uint64_t)family, SOCK_STREAM, 0, 0);

		if (is_known(family)) {
			assert_int_equal(result, ALLOW);
		} else {
			assert_int_equal(result,
				family == AF_PACKET ? (uint32_t)REFUSE
						    : (uint32_t)(SECCOMP_RET_ERRNO | EAFNOSUPPORT));
		}
	}
	for (uint64_t type = 0; type < 16; type++) {
		for (uint64_t protocol = 0; protocol < 300; protocol++) {
			bool known = (type == SOCK_STREAM || type == SOCK_DGRAM) &&
				     (protocol == 0 || protocol == IPPROTO_TCP ||
					     protocol == IPPROTO_UDP || protocol == IPPROTO_ICMP ||
					     protocol == IPPROTO_ICMPV6);

			assert_int_equal(
				call(&strict, "socket", AF_INET, type | SOCK_CLOEXEC, protocol, 0),
				known ? ALLOW : REFUSE);
			assert_int_equal(
				call(&strict, "socket", AF_INET6 | 1ULL << 32, type, protocol, 0),
				known ? ALLOW : REFUSE);
		}
	}
	for (uint64_t protocol = 1; protocol < 32; protocol++) {
		assert_int_equal(call(&strict, "socket", AF_NETLINK, SOCK_RAW, protocol, 0),
			protocol == 9 ? (uint32_t)(SECCOMP_RET_ERRNO | EPROTONOSUPPORT)
				      : (uint32_t)REFUSE);
	}
	assert_int_equal(call(&strict, "socketpair", AF_UNIX, SOCK_STREAM, 0, 0), ALLOW);
	assert_int_equal(call(&strict, "socketpair", AF_TIPC, SOCK_STREAM, 0, 0), REFUSE);
}

static void what_capabilities_are_left_decides(void **state)
{
	(void)state;
	assert_int_equal(call(&strict, "chroot", 0, 0, 0, 0), REFUSE);
	assert_int_equal(call(&chroots, "chroot", 0, 0, 0, 0), ALLOW);
	assert_int_equal(call(&raw, "chroot", 0, 0, 0, 0), REFUSE);
	assert_int_equal(call(&raw, "socket", AF_INET, SOCK_RAW | SOCK_CLOEXEC, 1, 0), ALLOW);
	assert_int_equal(call(&raw, "socket", AF_PACKET, SOCK_DGRAM, 0x300, 0), ALLOW);
	assert_int_equal(call(&chroots, "socket", AF_PACKET, SOCK_DGRAM, 0x300, 0), REFUSE);
	assert_int_equal(call(&raw, "mount", 0, 0, 0, 0), REFUSE);
}

static void other_entries_are_killed(void **state)
{
	struct seccomp_data data = {.arch = AUDIT_ARCH_I386, .nr = 20};

	(void)state;
	assert_int_equal(run(&strict, &data), SECCOMP_RET_KILL_PROCESS);
#if defined(__x86_64__)
	data = (struct seccomp_data){.arch = NATIVE, .nr = 0x40000000 | 39};
	assert_int_equal(run(&strict, &data), SECCOMP_RET_KILL_PROCESS);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_name_of_the_table_has_its_verdict),
		cmocka_unit_test(arguments_decide),
		cmocka_unit_test(set_user_ids_are_for_package_managers),
		cmocka_unit_test(sockets_are_of_few_kinds),
		cmocka_unit_test(what_capabilities_are_left_decides),
		cmocka_unit_test(other_entries_are_killed),
	};

	return cmocka_run_group_tests(tests, prepare, NULL);
}
