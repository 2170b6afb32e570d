/* SPDX-License-Identifier: MIT */
/* Events and counters to rows that say who refused, what, by which rule, and which key allows it. */
#include "backend/denials.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/arena.h"
#include "base/macro.h"
#include "base/mem.h"
#include "base/num.h"
#include "native-seccomp.h"

enum {
	/* What nobody has looked at yet; more than a model would be told. Older events are lost. */
	RING_EVENTS = 128,
	/* A counter's file: snmp6 has 3 KiB, snmp 1.2. */
	FILE_SIZE = 8192,
	RING_SIZE = sizeof(uint64_t) + RING_EVENTS * sizeof(struct denial_event),
};

/* The counters, in the order in which they are told. */
enum counter { COUNT_ROUTES, COUNT_LOOKUPS, COUNT_MEMORY, COUNT_PIDS, COUNT_COUNT_ };

struct denials {
	struct denial_fds fds;
	struct sandbox_spec spec; /* backend, network, memory, pids_limit */
	char *network; /* owned */
	struct arena arena; /* of the rows that were told last */
	uint64_t next; /* sequence of the event to read next */
	struct denial_event waiting[RING_EVENTS]; /* of commands that still run */
	size_t waiting_count;
	uint64_t counters[COUNT_COUNT_];
};

void denial_fds_finish(struct denial_fds *fds)
{
	int *const all[] = {&fds->ring, &fds->net, &fds->net6, &fds->memory, &fds->pids};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		cleanup_closep(all[i]);
		*all[i] = FD_NONE;
	}
}

static int open_of(const char *dir, const char *name)
{
	char path[PATH_MAX + 32];

	if (dir[0] == '\0') {
		return FD_NONE;
	}
	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

void denial_fds_open(
	pid_t init, const char *memory, const char *pids, int ring_fd, struct denial_fds *ret)
{
	char proc[32];

	(void)snprintf(proc, sizeof(proc), "/proc/%d/net", init);
	*ret = (struct denial_fds){
		.ring = ring_fd,
		.net = open_of(proc, "snmp"),
		.net6 = open_of(proc, "snmp6"),
		.memory = open_of(memory, "memory.events"),
		.pids = open_of(pids, "pids.events"),
	};
	if (ret->memory < 0) { /* version 1 */
		ret->memory = open_of(memory, "memory.oom_control");
	}
}

int denial_fds_pack(struct denial_fds *fds, int ret[DENIAL_FDS])
{
	int *const all[DENIAL_FDS] = {&fds->ring, &fds->net, &fds->net6, &fds->memory, &fds->pids};

	for (size_t i = 0; i < DENIAL_FDS; i++) {
		if (*all[i] < 0) {
			*all[i] = memfd_create("creel-nothing", MFD_CLOEXEC);
		}
		if (*all[i] < 0) {
			return -errno;
		}
		ret[i] = *all[i];
	}
	return 0;
}

void denial_fds_unpack(const int fds[DENIAL_FDS], struct denial_fds *ret)
{
	*ret = (struct denial_fds){
		.ring = fds[0], .net = fds[1], .net6 = fds[2], .memory = fds[3], .pids = fds[4]};
}

/* the ring: the sequence that was written last, then the events */

static off_t place_of(uint64_t sequence)
{
	return (off_t)(sizeof(uint64_t) + (sequence % RING_EVENTS) * sizeof(struct denial_event));
}

int denial_ring_format(int fd)
{
	/* Read and written at fixed places: it never grows. */
	return ftruncate(fd, 0) < 0 || ftruncate(fd, RING_SIZE) < 0 ? -errno : 0;
}

int denial_ring_make(void)
{
	int fd = memfd_create("creel-denials", MFD_CLOEXEC);
	int r;

	if (fd < 0) {
		return -errno;
	}
	r = denial_ring_format(fd);
	if (r < 0) {
		(void)close(fd);
		return r;
	}
	return fd;
}

void denial_ring_add(int fd, const struct denial_event *event)
{
	/* The event before the number that makes it visible. What cannot be written is not told. */
	if (pwrite(fd, event, sizeof(*event), place_of(event->sequence)) !=
			(ssize_t)sizeof(*event) ||
		pwrite(fd, &event->sequence, sizeof(event->sequence), 0) < 0) {
		return;
	}
}

static uint64_t last_sequence(const struct denials *d)
{
	uint64_t last;

	return d->fds.ring >= 0 && pread(d->fds.ring, &last, sizeof(last), 0) == sizeof(last) ? last
											      : 0;
}

static void keep_waiting(struct denials *d, const struct denial_event *event)
{
	if (d->waiting_count == RING_EVENTS) {
		(void)memmove(
			d->waiting, d->waiting + 1, (RING_EVENTS - 1) * sizeof(d->waiting[0]));
		d->waiting_count--;
	}
	d->waiting[d->waiting_count++] = *event;
}

static void read_ring(struct denials *d)
{
	uint64_t last = last_sequence(d);

	if (last >= RING_EVENTS && d->next <= last - RING_EVENTS) {
		d->next = last - RING_EVENTS + 1;
	}
	for (; d->next <= last; d->next++) {
		struct denial_event event;

		/* Overwritten meanwhile: it is as lost as those before. */
		if (pread(d->fds.ring, &event, sizeof(event), place_of(d->next)) == sizeof(event) &&
			event.sequence == d->next) {
			keep_waiting(d, &event);
		}
	}
}

/* counters */

/* The value below a heading, for "Udp: InDatagrams NoPorts\nUdp: 3 1\n". */
static uint64_t table_value(const char *text, const char *row, const char *column)
{
	const char *names = strstr(text, row);
	const char *values = names != NULL ? strstr(names + 1, row) : NULL;
	size_t column_len = strlen(column);

	while (names != NULL && values != NULL) {
		size_t len = strcspn(names, " \n");

		if (len == column_len && memcmp(names, column, len) == 0) {
			return num_leading_u64(values);
		}
		names = names[len] == ' ' ? names + len + 1 : NULL;
		values += strcspn(values, " \n");
		values = *values == ' ' ? values + 1 : NULL;
	}
	return 0;
}

/* For lines of "name value", blanks or a tab between them. */
static uint64_t line_value(const char *text, const char *name)
{
	const char *at = text;
	size_t len = strlen(name);

	while (at != NULL && (strncmp(at, name, len) != 0 || strchr(" \t", at[len]) == NULL)) {
		at = strchr(at, '\n');
		at = at != NULL ? at + 1 : NULL;
	}
	return at != NULL ? num_leading_u64(at + len + strspn(at + len, " \t")) : 0;
}

/* Empty when there is no such file, or none any more. */
static const char *read_all(int fd, char text[FILE_SIZE])
{
	ssize_t n = fd >= 0 ? pread(fd, text, FILE_SIZE - 1, 0) : 0;

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void read_network(const struct denials *d, uint64_t ret[COUNT_COUNT_])
{
	char text[FILE_SIZE] = "";

	(void)read_all(d->fds.net, text);
	ret[COUNT_ROUTES] = table_value(text, "Ip:", "OutNoRoutes");
	ret[COUNT_LOOKUPS] = table_value(text, "Udp:", "NoPorts");
	ret[COUNT_ROUTES] += line_value(read_all(d->fds.net6, text), "Ip6OutNoRoutes");
	ret[COUNT_LOOKUPS] += line_value(text, "Udp6NoPorts");
}

static void read_groups(const struct denials *d, uint64_t ret[COUNT_COUNT_])
{
	char text[FILE_SIZE] = "";

	ret[COUNT_MEMORY] = line_value(read_all(d->fds.memory, text), "oom_kill");
	ret[COUNT_PIDS] = line_value(read_all(d->fds.pids, text), "max");
}

static void read_counters(const struct denials *d, uint64_t ret[COUNT_COUNT_])
{
	read_network(d, ret);
	read_groups(d, ret);
}

bool denials_pending(const struct denials *d, bool network, uint64_t *looked)
{
	uint64_t now[COUNT_COUNT_], last = last_sequence(d);
	bool more = last > *looked;

	(void)memcpy(now, d->counters, sizeof(now));
	read_groups(d, now);
	if (network) {
		read_network(d, now);
	}
	*looked = last;
	for (int i = 0; i < COUNT_COUNT_ && !more; i++) {
		more = now[i] > d->counters[i];
	}
	return more;
}

/* What no rule of ours limits may be counted for reasons of its own. */
static void close_unruled(struct denials *d)
{
	int *const network[] = {&d->fds.net, &d->fds.net6};

	for (size_t i = 0; i < ARRAY_SIZE(network) && strcmp(d->network, "none") != 0; i++) {
		cleanup_closep(network[i]);
		*network[i] = FD_NONE;
	}
	if (d->spec.memory <= 0) {
		cleanup_closep(&d->fds.memory);
		d->fds.memory = FD_NONE;
	}
	if (d->spec.pids_limit <= 0) {
		cleanup_closep(&d->fds.pids);
		d->fds.pids = FD_NONE;
	}
}

struct denials *denials_new(struct denial_fds *fds, const struct sandbox_spec *spec)
{
	struct denials *d = xcalloc(1, sizeof(*d));

	d->fds = *fds;
	*fds = (struct denial_fds)DENIAL_FDS_NONE;
	d->network = xstrdup(spec->network != NULL ? spec->network : "none");
	d->spec = (struct sandbox_spec){.backend = spec->backend,
		.network = d->network,
		.memory = spec->memory,
		.pids_limit = spec->pids_limit};
	close_unruled(d);
	d->next = last_sequence(d) + 1;
	read_counters(d, d->counters);
	return d;
}

struct denials *denials_free(struct denials *d)
{
	if (d != NULL) {
		denial_fds_finish(&d->fds);
		arena_finish(&d->arena);
		free(d->network);
		free(d);
	}
	return NULL;
}

/* rows */

const char *denial_source_name(enum denial_source source)
{
	static const char *const names[] = {
		[DENIAL_POLICY] = "policy",
		[DENIAL_FILE] = "file",
		[DENIAL_NOTIFICATION] = "notification",
		[DENIAL_COUNTER] = "counter",
		[DENIAL_EXIT] = "exit",
		[DENIAL_OUTPUT] = "output",
	};
	_Static_assert(ARRAY_SIZE(names) == DENIAL_SOURCE_COUNT_, "every source has a name");

	return names[source];
}

static struct denial network_row(struct denials *d, const char *what)
{
	return (struct denial){
		.layer = isolation_layer_name(LAYER_NETNS),
		.what = what,
		.rule = arena_printf(&d->arena, "docker.network: %s", d->network),
		/* A native sandbox has no other network to offer. */
		.fix = {"agents.defaults.sandbox.docker.network",
			d->spec.backend == BACKEND_DOCKER ? NULL
							  : "agents.defaults.sandbox.backend"},
	};
}

static struct denial counter_row(struct denials *d, enum counter counter)
{
	const struct sandbox_spec *spec = &d->spec;

	switch (counter) {
	case COUNT_ROUTES:
		return network_row(d, "connections out of the sandbox");
	case COUNT_LOOKUPS:
		return network_row(d, "datagrams to a port of loopback where nobody listens, as "
				      "name lookups are");
	case COUNT_MEMORY:
		return (struct denial){
			.layer = isolation_layer_name(LAYER_CGROUP_MEMORY),
			.what = "more memory: processes were killed",
			.rule = arena_printf(
				&d->arena, "docker.memory: %lld bytes", (long long)spec->memory),
			.fix = {"agents.defaults.sandbox.docker.memory"},
		};
	case COUNT_PIDS:
	case COUNT_COUNT_:
		break;
	}
	return (struct denial){
		.layer = isolation_layer_name(LAYER_CGROUP_PIDS),
		.what = "more processes",
		.rule = arena_printf(
			&d->arena, "docker.pidsLimit: %lld", (long long)spec->pids_limit),
		.fix = {"agents.defaults.sandbox.docker.pidsLimit"},
	};
}

static void tell_counters(struct denials *d, denial_fn told, void *arg)
{
	uint64_t now[COUNT_COUNT_];

	read_counters(d, now);
	for (int i = 0; i < COUNT_COUNT_; i++) {
		uint64_t before = d->counters[i];

		d->counters[i] = now[i];
		if (now[i] > before) {
			struct denial row = counter_row(d, (enum counter)i);

			row.source = DENIAL_COUNTER;
			row.count = now[i] - before;
			told(arg, &row);
		}
	}
}

/* What of a call that depends on its arguments is refused, in words. */
static const char *in_words(const char *name)
{
	static const struct {
		const char *name, *words;
	} table[] = {
		{"clone", "system call clone with a new namespace"},
		{"ioctl", "system call ioctl that types into a terminal or replaces it"},
		{"socket", "system call socket of this family or protocol"},
		{"socketpair", "system call socketpair of this family"},
		{"chmod", "a set-user-id or set-group-id bit (system call chmod)"},
		{"fchmod", "a set-user-id or set-group-id bit (system call fchmod)"},
		{"fchmodat", "a set-user-id or set-group-id bit (system call fchmodat)"},
		{"fchmodat2", "a set-user-id or set-group-id bit (system call fchmodat2)"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (strcmp(table[i].name, name) == 0) {
			return table[i].words;
		}
	}
	return NULL;
}

static struct denial call_row(struct denials *d, const struct denial_event *event)
{
	struct denial row = {
		.source = DENIAL_NOTIFICATION,
		.layer = isolation_layer_name(LAYER_SECCOMP),
		.fix = {"agents.defaults.sandbox.backend",
			"agents.defaults.sandbox.docker.seccompProfile"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(seccomp_refused); i++) {
		const struct seccomp_refused *refused = &seccomp_refused[i];

		if (refused->number == event->number) {
			row.what = in_words(refused->name);
			if (row.what == NULL) {
				row.what = arena_printf(&d->arena, "system call %s", refused->name);
			}
			row.rule = refused->reason;
			return row;
		}
	}
	row.what = arena_printf(&d->arena, "system call %d", event->number);
	row.rule = "";
	return row;
}

static bool told_before(const struct denial_event *events, size_t count, int32_t number)
{
	for (size_t i = 0; i < count; i++) {
		if (events[i].number == number) {
			return true;
		}
	}
	return false;
}

static void tell_calls(struct denials *d, uint32_t pid, denial_fn told, void *arg)
{
	struct denial_event mine[RING_EVENTS];
	size_t count = 0, kept = 0;

	read_ring(d);
	for (size_t i = 0; i < d->waiting_count; i++) {
		const struct denial_event *event = &d->waiting[i];

		if (pid != 0 && event->pid != pid && event->pid != 0) {
			d->waiting[kept++] = *event;
		} else if (!told_before(mine, count, event->number)) {
			mine[count++] = *event;
		}
	}
	d->waiting_count = kept;
	for (size_t i = 0; i < count; i++) {
		struct denial row = call_row(d, &mine[i]);

		told(arg, &row);
	}
}

void denials_collect(struct denials *d, uint32_t pid, denial_fn told, void *arg)
{
	arena_finish(&d->arena);
	tell_calls(d, pid, told, arg);
	tell_counters(d, told, arg);
}
