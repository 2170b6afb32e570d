/* SPDX-License-Identifier: MIT */
/* What is told of refusals: from rings and counter files that the tests write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../scratch.h"
#include "backend/denials.h"

struct world {
	struct sandbox_spec spec;
	int ring, net, net6, memory, pids; /* the writers' descriptors */
	struct denials *denials;
	char told[4096]; /* "LAYER WHAT|RULE|FIX\n" per row */
	size_t rows;
};

static int make(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct denial_fds fds;

	w->spec = (struct sandbox_spec){.network = "none", .memory = 1000, .pids_limit = 12};
	w->ring = denial_ring_make();
	w->net = memfd_create("net", 0);
	w->net6 = memfd_create("net6", 0);
	w->memory = memfd_create("memory", 0);
	w->pids = memfd_create("pids", 0);
	assert_true(w->ring >= 0 && w->pids >= 0);
	fds = (struct denial_fds){.ring = dup(w->ring),
		.net = dup(w->net),
		.net6 = dup(w->net6),
		.memory = dup(w->memory),
		.pids = dup(w->pids)};
	w->denials = denials_new(&fds, &w->spec);
	assert_int_equal(fds.ring, FD_NONE);
	*state = w;
	return 0;
}

static int drop(void **state)
{
	struct world *w = *state;

	w->denials = denials_free(w->denials);
	(void)close(w->ring);
	(void)close(w->net);
	(void)close(w->net6);
	(void)close(w->memory);
	(void)close(w->pids);
	free(w);
	return 0;
}

static void on_told(void *arg, const struct denial *row)
{
	struct world *w = arg;
	size_t len = strlen(w->told);

	w->rows++;
	(void)snprintf(w->told + len, sizeof(w->told) - len, "%s %s %s", row->layer, row->what,
		denial_source_name(row->source));
	len = strlen(w->told);
	if (row->count > 0) {
		(void)snprintf(w->told + len, sizeof(w->told) - len, " %llu",
			(unsigned long long)row->count);
	}
	len = strlen(w->told);
	(void)snprintf(w->told + len, sizeof(w->told) - len, "|%s|%s\n", row->rule, row->fix[0]);
}

static const char *collect(struct world *w, uint32_t pid)
{
	w->told[0] = '\0';
	w->rows = 0;
	denials_collect(w->denials, pid, on_told, w);
	return w->told;
}

static void add(struct world *w, uint64_t sequence, uint32_t pid, int number)
{
	denial_ring_add(w->ring,
		&(struct denial_event){.sequence = sequence, .pid = pid, .number = number});
}

static void put(int fd, const char *text)
{
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, text, strlen(text), 0), (ssize_t)strlen(text));
}

static void a_call_is_its_commands(void **state)
{
	struct world *w = *state;

	add(w, 1, 7, SYS_mount);
	add(w, 2, 8, SYS_ptrace);
	add(w, 3, 7, SYS_mount);
	assert_non_null(strstr(collect(w, 7),
		"seccomp system call mount notification|mounts: the view of the file system is the sandbox|"
		"agents.defaults.sandbox.backend\n"));
	assert_int_equal(w->rows, 1);
	/* Told once, and the other command's is still there. */
	assert_string_equal(collect(w, 7), "");
	assert_non_null(strstr(collect(w, 8), "system call ptrace"));
	assert_int_equal(w->rows, 1);
}

static void whose_it_was_may_be_unknown(void **state)
{
	struct world *w = *state;

	add(w, 1, 0, SYS_mount);
	add(w, 2, 9, 100000);
	assert_non_null(strstr(collect(w, 7), "system call mount"));
	assert_int_equal(w->rows, 1);
	/* Nobody's in particular: everything. */
	assert_non_null(strstr(collect(w, 0), "seccomp system call 100000 notification||"));
}

static void a_full_ring_keeps_the_newest(void **state)
{
	struct world *w = *state;

	for (uint64_t i = 1; i <= 1000; i++) {
		add(w, i, i == 1000 ? 7 : 8, i == 1000 ? SYS_mount : SYS_ptrace);
	}
	assert_non_null(strstr(collect(w, 7), "system call mount"));
	for (uint64_t i = 1001; i <= 2000; i++) {
		add(w, i, 8, SYS_ptrace);
		if (i % 100 == 0) {
			(void)collect(w, 7);
			assert_int_equal(w->rows, 0);
		}
	}
	(void)collect(w, 8);
	assert_int_equal(w->rows, 1);
}

/* As in the kernel: a line of names, a line of numbers; other rows begin alike. */
static const char snmp[] = "Ip: Forwarding DefaultTTL OutNoRoutes X\nIp: 2 64 %d 9\n"
			   "Udp: InDatagrams NoPorts InErrors\nUdp: 5 %d 0\n"
			   "UdpLite: InDatagrams NoPorts InErrors\nUdpLite: 7 77 7\n";

static void put_net(struct world *w, int routes, int lookups, int routes6)
{
	char text[512];

	(void)snprintf(text, sizeof(text), snmp, routes, lookups);
	put(w->net, text);
	(void)snprintf(text, sizeof(text),
		"Ip6InReceives                   \t55\nIp6OutNoRoutes                  \t%d\n"
		"Ip6OutNoRoutesX                 \t9\nUdp6NoPorts \t0\n",
		routes6);
	put(w->net6, text);
}

static void counters_tell_what_is_new(void **state)
{
	struct world *w = *state;

	put_net(w, 0, 0, 0);
	assert_string_equal(collect(w, 7), "");
	put_net(w, 2, 0, 3);
	assert_string_equal(collect(w, 7),
		"netns connections out of the sandbox counter 5|docker.network: none|"
		"agents.defaults.sandbox.docker.network\n");
	assert_string_equal(collect(w, 7), "");
	put_net(w, 2, 4, 3);
	assert_non_null(strstr(collect(w, 7), "name lookups are counter 4|"));
	put(w->memory, "low 0\nhigh 0\nmax 12\noom 1\noom_kill 2\noom_group_kill 0\n");
	put(w->pids, "max 3\n");
	assert_string_equal(collect(w, 7),
		"cgroup.memory more memory: processes were killed counter 2|docker.memory: 1000 bytes|"
		"agents.defaults.sandbox.docker.memory\n"
		"cgroup.pids more processes counter 3|docker.pidsLimit: 12|"
		"agents.defaults.sandbox.docker.pidsLimit\n");
}

static void what_is_new_is_pending(void **state)
{
	struct world *w = *state;
	uint64_t mine = 0, theirs = 0;

	assert_false(denials_pending(w->denials, true, &mine));
	add(w, 1, 7, SYS_mount);
	assert_true(denials_pending(w->denials, false, &mine));
	(void)collect(w, 8);
	/* To each who asks, once. */
	assert_false(denials_pending(w->denials, true, &mine));
	assert_true(denials_pending(w->denials, false, &theirs));
	put_net(w, 1, 0, 0);
	assert_false(denials_pending(w->denials, false, &mine));
	assert_true(denials_pending(w->denials, true, &mine));
	(void)collect(w, 7);
	assert_false(denials_pending(w->denials, true, &mine));
	put(w->pids, "max 1\n");
	assert_true(denials_pending(w->denials, false, &mine));
}

/* A host that is short of memory kills as well, and a bridge has places it cannot reach. */
static void what_no_rule_limits_is_not_told(void **state)
{
	struct world *w = *state;
	struct denial_fds fds = {.ring = FD_NONE,
		.net = dup(w->net),
		.net6 = dup(w->net6),
		.memory = dup(w->memory),
		.pids = dup(w->pids)};

	w->denials = denials_free(w->denials);
	w->denials = denials_new(&fds, &(struct sandbox_spec){.network = "bridge"});
	put_net(w, 5, 5, 5);
	put(w->memory, "oom_kill 2\n");
	put(w->pids, "max 3\n");
	assert_string_equal(collect(w, 7), "");
}

static void put_file(const char *dir, const char *name, const char *text)
{
	char path[128];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void check_groups(
	struct world *w, const char *memory_file, const char *before, const char *after)
{
	char dir[SCRATCH_PATH_SIZE];
	struct denial_fds fds;

	scratch_make(dir, "denials");
	put_file(dir, memory_file, before);
	put_file(dir, "pids.events", "max 1\n");
	denial_fds_open(getpid(), dir, dir, FD_NONE, &fds);
	assert_true(fds.memory >= 0 && fds.pids >= 0 && fds.net >= 0);
	w->denials = denials_free(w->denials);
	w->denials = denials_new(&fds, &w->spec);
	put_file(dir, memory_file, after);
	put_file(dir, "pids.events", "max 4\n");
	(void)collect(w, 7);
	assert_non_null(strstr(w->told, "were killed counter 2|docker.memory: 1000 bytes|"));
	assert_non_null(strstr(w->told, "more processes counter 3|docker.pidsLimit: 12|"));
	scratch_remove(dir);
}

static void groups_of_both_versions_are_read(void **state)
{
	check_groups(*state, "memory.events", "low 0\nhigh 0\nmax 9\noom 1\noom_kill 1\n",
		"low 0\nhigh 0\nmax 12\noom 3\noom_kill 3\n");
	check_groups(*state, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n",
		"oom_kill_disable 0\nunder_oom 1\noom_kill 7\n");
}

static void what_is_not_there_is_not_told(void **state)
{
	static const char *const odd[] = {"", "Ip:", "Ip: OutNoRoutes",
		"Ip: OutNoRoutes\nIp:", "Ip: OutNoRoutes\nIp: \n", "Ip: A OutNoRoutes\nIp: 1\n",
		"Ip: OutNoRoutes\nIp: x\n",
		"Ip: OutNoRoutes\nIp: 99999999999999999999999999999999\n"};
	struct denial_fds none = DENIAL_FDS_NONE;
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		put(w->net, odd[i]);
		put(w->net6, odd[i]);
		put(w->pids, odd[i]);
		assert_string_equal(collect(w, 7), "");
	}
	w->denials = denials_free(w->denials);
	w->denials = denials_new(&none, &w->spec);
	assert_string_equal(collect(w, 7), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_call_is_its_commands, make, drop),
		cmocka_unit_test_setup_teardown(whose_it_was_may_be_unknown, make, drop),
		cmocka_unit_test_setup_teardown(a_full_ring_keeps_the_newest, make, drop),
		cmocka_unit_test_setup_teardown(counters_tell_what_is_new, make, drop),
		cmocka_unit_test_setup_teardown(what_is_new_is_pending, make, drop),
		cmocka_unit_test_setup_teardown(what_no_rule_limits_is_not_told, make, drop),
		cmocka_unit_test_setup_teardown(groups_of_both_versions_are_read, make, drop),
		cmocka_unit_test_setup_teardown(what_is_not_there_is_not_told, make, drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
