/* SPDX-License-Identifier: MIT */
/* Who belongs to which spawned process: marks, the walk through /proc, and killing a whole tree. */
#include "init/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/own.h"

#define MARK_TOP (UINT64_C(1) << 62)
#define MARK_SPAN (UINT64_C(1) << 40)

enum {
	/* Passes over a tree that keeps forking. Each stops all it sees: two are the rule. */
	MAX_PASSES = 100,
	STAT_SIZE = 512,
};

static const uint32_t mark_limits[2] = {TREE_MARK_LOCKS, TREE_MARK_RTTIME};

struct member {
	pid_t pid, parent;
	uint64_t start; /* clock ticks since boot: with the pid, which process this is */
	char state;
	bool ours; /* set by select_members() */
};

struct snapshot {
	struct member *list;
	size_t count, cap;
};

static void snapshot_finish(struct snapshot *s)
{
	free(s->list);
	s->list = NULL;
}

static int get_limit(pid_t pid, uint32_t resource, uint64_t *ret_hard)
{
	uint64_t limit[2] = {0};

	if (syscall(SYS_prlimit64, pid, resource, NULL, limit) < 0) {
		return -errno;
	}
	*ret_hard = limit[1];
	return 0;
}

void tree_init(struct tree *tree)
{
	*tree = (struct tree){
		.marks = true,
		.proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		.self = getpid(),
	};
	for (int i = 0; i < 2; i++) {
		uint64_t hard = 0;

		/* Inside another creel-init the limits are its marks already: go below them. */
		if (get_limit(0, mark_limits[i], &hard) < 0 || hard < 2 * MARK_SPAN) {
			tree->marks = false;
			return;
		}
		tree->base[i] = (hard < MARK_TOP ? hard : MARK_TOP) - MARK_SPAN;
	}
}

void tree_mark(const struct tree *tree, uint64_t serial, struct spawn_plan *plan)
{
	const uint64_t values[2] = {tree->base[0] + serial, tree->base[1] + MARK_SPAN - serial};

	for (int i = 0; tree->marks && i < 2; i++) {
		plan->marks[i] = (struct wire_rlimit){mark_limits[i], values[i], values[i]};
	}
	plan->mark_count = tree->marks ? 2 : 0;
}

/* /proc/PID/limits is for everybody: prlimit(2) is refused for another user's process. */
static uint64_t limit_from_file(const struct tree *tree, pid_t pid, const char *name)
{
	char path[40], text[2048];
	_cleanup_close_ int fd = FD_NONE;
	const char *at;
	uint64_t value = 0;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%d/limits", (int)pid);
	fd = openat(tree->proc_fd, path, O_RDONLY | O_CLOEXEC);
	n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
	if (n <= 0) {
		return 0;
	}
	text[n] = '\0';
	at = strstr(text, name);
	if (at == NULL) {
		return 0;
	}
	/* name, blanks, soft limit, blanks, hard limit: both are the mark, the soft one serves
	 * unless the process lowered it, which is not what counts: take the second. */
	at += strlen(name);
	at += strspn(at, " ");
	at += strcspn(at, " ");
	at += strspn(at, " ");
	if (*at < '0' || *at > '9') {
		return UINT64_MAX; /* "unlimited" */
	}
	while (*at >= '0' && *at <= '9') {
		value = value * 10 + (uint64_t)(*at++ - '0');
	}
	return value;
}

static void get_marks(const struct tree *tree, pid_t pid, uint64_t ret[2])
{
	static const char *const names[2] = {"Max file locks", "Max realtime timeout"};

	for (int i = 0; i < 2; i++) {
		if (get_limit(pid, mark_limits[i], &ret[i]) < 0) {
			ret[i] = limit_from_file(tree, pid, names[i]);
		}
	}
}

/* The number-th field after the name, as a number. */
static bool parse_field(const char *text, int number, uint64_t *ret)
{
	char digits[24];
	size_t len;

	for (int i = 0; i < number; i++) {
		text += strcspn(text, " ");
		text += *text == ' ';
	}
	len = strcspn(text, " ");
	if (len == 0 || len >= sizeof(digits)) {
		return false;
	}
	memcpy(digits, text, len);
	digits[len] = '\0';
	return num_parse_u64(digits, 0, UINT64_MAX, ret) == 0;
}

/* State, parent and start time from /proc/PID/stat, proc(5). The name in it is the process's own
 * choice and may hold blanks and parentheses: the fields start after the last ')'. */
static bool read_member(const struct tree *tree, pid_t pid, struct member *ret)
{
	char path[40], text[STAT_SIZE];
	_cleanup_close_ int fd = FD_NONE;
	uint64_t parent, start;
	const char *at;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%d/stat", (int)pid);
	fd = openat(tree->proc_fd, path, O_RDONLY | O_CLOEXEC);
	n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
	if (n <= 0) {
		return false;
	}
	text[n] = '\0';
	at = strrchr(text, ')');
	if (at == NULL || at[1] != ' ' || !parse_field(at + 2, 1, &parent) ||
		!parse_field(at + 2, 19, &start)) {
		return false;
	}
	*ret = (struct member){.pid = pid, .parent = (pid_t)parent, .start = start, .state = at[2]};
	return true;
}

static int by_pid(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

static void take_snapshot(const struct tree *tree, struct snapshot *s)
{
	/* fdopendir(3) takes the descriptor over and moves its position: it gets one of its own. */
	int fd = openat(tree->proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	s->count = 0;
	if (dir == NULL) {
		if (fd >= 0) {
			(void)close(fd);
		}
		return;
	}
	while ((entry = readdir(dir)) != NULL) {
		struct member m;
		uint32_t pid;

		if (num_parse_u32(entry->d_name, 1, INT32_MAX, &pid) < 0 ||
			!read_member(tree, (pid_t)pid, &m)) {
			continue;
		}
		if (s->count == s->cap) {
			s->cap = s->cap > 0 ? s->cap * 2 : 64;
			s->list = xreallocarray(s->list, s->cap, sizeof(*s->list));
		}
		s->list[s->count++] = m;
	}
	(void)closedir(dir);
	if (s->count > 0) {
		qsort(s->list, s->count, sizeof(*s->list), by_pid);
	}
}

static struct member *find(const struct snapshot *s, pid_t pid)
{
	struct member key = {.pid = pid};

	return s->count > 0 ? bsearch(&key, s->list, s->count, sizeof(key), by_pid) : NULL;
}

/* Is m below creel-init? A parent that went away in the meantime counts as not: the next pass sees
 * where its children came to. */
static bool is_descendant(const struct tree *tree, const struct snapshot *s, const struct member *m)
{
	for (size_t depth = 0; m != NULL && depth <= s->count; depth++) {
		if (m->parent == tree->self) {
			return true;
		}
		m = find(s, m->parent);
	}
	return false;
}

/*
 * The nearest ancestor with marks that add up decides, since a parent cannot be chosen. Where there
 * is none, the process is an orphan that lowered its marks: it belongs to every spawn that it can
 * have come from.
 */
static void read_range(const struct tree *tree, const struct snapshot *s, const struct member *m,
	uint64_t *ret_low, uint64_t *ret_high)
{
	bool first = true;

	*ret_low = *ret_high = 0;

	for (size_t depth = 0; m != NULL && depth <= s->count; depth++) {
		uint64_t marks[2] = {0}, from, to;

		get_marks(tree, m->pid, marks);
		/* What is below BASE or above BASE + SPAN was lowered, or never marked. */
		from = marks[0] > tree->base[0] ? marks[0] - tree->base[0] : 0;
		to = marks[1] > tree->base[1] + MARK_SPAN ? 0
							  : tree->base[1] + MARK_SPAN - marks[1];
		if (first || (from == to && from > 0)) {
			*ret_low = from;
			*ret_high = to;
			first = false;
		}
		if (from == to && from > 0) {
			break;
		}
		if (m->parent == tree->self) {
			break;
		}
		m = find(s, m->parent);
	}
}

static bool belongs(
	const struct tree *tree, const struct snapshot *s, const struct member *m, uint64_t serial)
{
	uint64_t low, high;

	read_range(tree, s, m, &low, &high);
	return serial >= low && serial <= high;
}

/* Marks the living members of a tree in a fresh snapshot; returns how many are not stopped yet, and
 * in *ret_alive how many there are. */
static int select_members(
	const struct tree *tree, uint64_t serial, struct snapshot *s, int *ret_alive)
{
	int running = 0, alive = 0;

	take_snapshot(tree, s);
	for (size_t i = 0; i < s->count; i++) {
		struct member *m = &s->list[i];

		if (m->pid == tree->self || m->state == 'Z' || m->state == 'X' ||
			!is_descendant(tree, s, m)) {
			continue;
		}
		m->ours = serial == TREE_ALL || (tree->marks && belongs(tree, s, m, serial));
		alive += m->ours;
		/* D: it cannot fork before it wakes, and then finds the signal. */
		running += m->ours && strchr("TtD", m->state) == NULL;
	}
	*ret_alive = alive;
	return running;
}

/*
 * The number of a process whose parent is not creel-init may belong to another one by now. A pidfd
 * holds on to whoever has it; the start time tells whether that is still the one that was looked at.
 */
static void signal_member(const struct tree *tree, const struct member *m, int signo)
{
	_cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, m->pid, 0);
	struct member now;

	if (fd < 0 && errno == ESRCH) {
		return;
	}
	if (!read_member(tree, m->pid, &now) || now.start != m->start) {
		return;
	}
	if (fd < 0) {
		/* A kernel or a filter without pidfds: the window is a few microseconds. */
		(void)kill(m->pid, signo);
		return;
	}
	(void)syscall(SYS_pidfd_send_signal, fd, signo, NULL, 0);
}

static void signal_members(const struct tree *tree, const struct snapshot *s, int signo)
{
	for (size_t i = 0; i < s->count; i++) {
		if (s->list[i].ours) {
			signal_member(tree, &s->list[i], signo);
		}
	}
}

int tree_signal(const struct tree *tree, uint64_t serial, pid_t leader, int signo)
{
	_cleanup_(snapshot_finish) struct snapshot s = {0};
	int alive = 0, running;

	/* The group first: one system call that no fork can slip through. */
	if (leader > 0) {
		(void)kill(-leader, signo);
	}
	if (tree->proc_fd < 0) {
		return leader > 0;
	}
	running = select_members(tree, serial, &s, &alive);
	for (int pass = 0; signo == SIGKILL && running > 0 && pass < MAX_PASSES; pass++) {
		signal_members(tree, &s, SIGSTOP);
		(void)sched_yield();
		running = select_members(tree, serial, &s, &alive);
	}
	if (signo == SIGKILL) {
		signal_members(tree, &s, SIGKILL);
		return alive;
	}
	/* The group has it already; a second TERM would end what a shell's trap began. */
	for (size_t i = 0; i < s.count; i++) {
		if (s.list[i].ours && leader > 0 && getpgid(s.list[i].pid) == leader) {
			s.list[i].ours = false;
		}
	}
	signal_members(tree, &s, signo);
	return alive;
}

int tree_has_any(const struct tree *tree, uint64_t last)
{
	_cleanup_(snapshot_finish) struct snapshot s = {0};
	int alive;

	if (tree->proc_fd < 0 || !tree->marks) {
		return -1;
	}
	(void)select_members(tree, TREE_ALL, &s, &alive);
	for (size_t i = 0; i < s.count; i++) {
		uint64_t low, high;

		if (!s.list[i].ours) {
			continue;
		}
		/* Workers of creel-init have no marks: low is beyond every spawn. */
		read_range(tree, &s, &s.list[i], &low, &high);
		if (low <= high && low <= last && high > 0) {
			return 1;
		}
	}
	return 0;
}

int tree_count(const struct tree *tree, uint64_t serial)
{
	_cleanup_(snapshot_finish) struct snapshot s = {0};
	int alive = 0;

	if (tree->proc_fd < 0) {
		return -1;
	}
	(void)select_members(tree, serial, &s, &alive);
	return alive;
}
