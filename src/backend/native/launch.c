/* SPDX-License-Identifier: MIT */
/* Starts the first process of a native sandbox: the parent's side of a plan. */
#include "backend/native/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "backend/native/apply.h"
#include "backend/native/facts.h"
#include "backend/native/plan.h"
#include "backend/native/rundir.h"
#include "base/own.h"
#include "base/path.h"
#include "os/sys.h"

#if defined(__SANITIZE_ADDRESS__)
#	define CREEL_ASAN
#elif defined(__has_feature)
#	if __has_feature(address_sanitizer)
#		define CREEL_ASAN
#	endif
#endif
#ifdef CREEL_ASAN
#	include <sanitizer/asan_interface.h>
#endif

enum { STACK_SIZE = 64 * 1024, MAX_TRIES = 1000 };

/* One attempt to start. Descriptors are FD_NONE when empty. */
struct attempt {
	const struct launch_request *request;
	struct plan plan;
	struct cgroup cgroup;
	int *slots;
	int control[2]; /* ours, the child's */
	int child_control[2]; /* the same, not touched before the child has executed */
	pid_t pid;
	bool has_facts; /* from the attempt before */
	bool needs_owner_uid; /* failed because a file system cannot idmap */
	int listener_fd; /* of the child's filter; FD_NONE: none */
	struct sys_processors processors; /* that we may use */
	unsigned starter_on, first_on; /* the processors of the two when they made the next one */
};

static void close_pair(int pair[2])
{
	for (int i = 0; i < 2; i++) {
		if (pair[i] >= 0) {
			(void)close(pair[i]);
			pair[i] = FD_NONE;
		}
	}
}

static void close_slots(const struct plan *plan, int *slots)
{
	for (size_t i = 0; slots != NULL && i < plan->source_count; i++) {
		if (slots[i] >= 0) {
			(void)close(slots[i]);
			slots[i] = FD_NONE;
		}
	}
}

static void attempt_finish(struct attempt *t)
{
	close_slots(&t->plan, t->slots);
	close_pair(t->control);
	cleanup_closep(&t->listener_fd);
	if (t->pid > 0) {
		(void)kill(t->pid, SIGKILL);
		while (waitpid(t->pid, NULL, 0) < 0 && errno == EINTR) {
		}
	}
	cgroup_remove(&t->cgroup);
}

/* A socket pair whose ends are out of the way of the child's 0-3. */
int launch_make_pair(int type, int pair[2], struct error *err)
{
	int raw[2];

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, raw) < 0) {
		return error_set(err, errno, "cannot start the sandbox: socketpair");
	}
	for (int i = 0; i < 2; i++) {
		pair[i] = raw[i] > 3 ? raw[i] : fcntl(raw[i], F_DUPFD_CLOEXEC, 4);
		if (pair[i] != raw[i]) {
			(void)close(raw[i]);
		}
		if (pair[i] < 0) {
			return error_set(
				err, errno, "cannot start the sandbox: out of descriptors");
		}
	}
	return 0;
}

/* Root opens the trees itself: the sandbox's uid may not even reach them. */
static int open_sources(struct attempt *t, struct error *err)
{
	if (t->plan.self_map) {
		return 0;
	}
	for (size_t i = 0; i < t->plan.source_count; i++) {
		t->slots[i] = apply_open_source(&t->plan.sources[i], err);
		if (t->slots[i] < 0) {
			t->slots[i] = FD_NONE;
			return error_prefix(err, "cannot start the sandbox");
		}
	}
	return 0;
}

static int explain_idmap(const struct plan_source *source, int fd, int num, struct error *err)
{
	struct statfs fs;

	(void)memset(&fs, 0, sizeof(fs));
	(void)fstatfs(fd, &fs);
	return error_set(err, num,
		"cannot start the sandbox: the file system of %s '%s' (type 0x%lx) has no idmapped mounts, "
		"so its owner cannot be mapped to an unprivileged user; give it to an ordinary user "
		"(chown 1000:1000) or move it to ext4, xfs or btrfs",
		source->key, source->path, (unsigned long)fs.f_type);
}

/*
 * Show the trees through the sandbox's own map: what their owner owns is the sandbox user's, and what
 * the sandbox writes is the owner's on disk. The user namespace of the child is the map.
 */
static int idmap_sources(struct attempt *t, int userns_fd, struct error *err)
{
	for (size_t i = 0; i < t->plan.source_count; i++) {
		const struct plan_source *source = &t->plan.sources[i];
		struct mount_attr attr = {
			.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns_fd};

		if (!source->idmap || t->plan.outside_uid == t->plan.inside_uid) {
			continue;
		}
		if (mount_setattr(t->slots[i], "", AT_EMPTY_PATH | AT_RECURSIVE, &attr,
			    sizeof(attr)) == 0) {
			continue;
		}
		/* A source for reading is of use as it is: what everybody may read. */
		if (source->read_only && (errno == EINVAL || errno == EOPNOTSUPP)) {
			continue;
		}
		t->needs_owner_uid = true;
		return explain_idmap(source, t->slots[i], errno, err);
	}
	return 0;
}

static int write_map(
	int proc_fd, const char *file, uint32_t inside, uint32_t outside, struct error *err)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%u %u 1\n", inside, outside);
	int r = sys_write_file(proc_fd, file, text, (size_t)n);

	return r < 0 ? error_set(err, -r, "cannot start the sandbox: writing %s", file) : 0;
}

/* What the child of root cannot do for itself. */
static int map_child(struct attempt *t, struct error *err)
{
	_cleanup_close_ int proc_fd = FD_NONE;
	_cleanup_close_ int userns_fd = FD_NONE;
	char path[32];
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%d", t->pid);
	proc_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc_fd < 0) {
		return error_set(err, errno, "cannot start the sandbox: '%s'", path);
	}
	r = write_map(proc_fd, "uid_map", t->plan.inside_uid, t->plan.outside_uid, err);
	if (r == 0) {
		r = write_map(proc_fd, "gid_map", t->plan.inside_gid, t->plan.outside_gid, err);
	}
	if (r < 0) {
		return r;
	}
	userns_fd = openat(proc_fd, "ns/user", O_RDONLY | O_CLOEXEC);
	if (userns_fd < 0) {
		return error_set(err, errno, "cannot start the sandbox: '%s/ns/user'", path);
	}
	return idmap_sources(t, userns_fd, err);
}

/* Room for as many descriptors as one message carries, aligned as its header wants. */
union rights {
	struct cmsghdr header;
	char space[CMSG_SPACE(PLAN_MAX_SOURCES * sizeof(int))];
};

/* With the trees that were opened for it, which it cannot have inherited. */
static int send_go(const struct attempt *t, struct error *err)
{
	char go = 'g';
	struct iovec iov = {.iov_base = &go, .iov_len = 1};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	size_t len = t->plan.source_count * sizeof(*t->slots);
	union rights rights;

	if (!t->plan.self_map && len > 0) {
		rights.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
			.cmsg_len = CMSG_LEN(len)};
		memcpy(CMSG_DATA(&rights.header), t->slots, len);
		message.msg_control = &rights;
		message.msg_controllen = CMSG_SPACE(len);
	}
	if (sendmsg(t->control[0], &message, MSG_NOSIGNAL) != 1) {
		return error_set(err, errno, "cannot start the sandbox: its first process is gone");
	}
	return 0;
}

/* Then tell it to go on. */
static int prepare_child(struct attempt *t, struct error *err)
{
	int r = t->plan.self_map ? 0 : map_child(t, err);

	if (r == 0 && t->plan.cgroup) {
		r = cgroup_attach(&t->cgroup, t->pid, err);
	}
	return r == 0 ? send_go(t, err) : r;
}

/* One message of the child: a struct error, or one byte with the listener of its filter. */
static ssize_t receive(struct attempt *t, struct error *ret)
{
	struct iovec iov = {.iov_base = ret, .iov_len = sizeof(*ret)};
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} rights;
	struct msghdr message = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &rights,
		.msg_controllen = sizeof(rights)};
	ssize_t n = recvmsg(t->control[0], &message, MSG_CMSG_CLOEXEC);

	if (n == 1 && message.msg_controllen >= CMSG_LEN(sizeof(int))) {
		cleanup_closep(&t->listener_fd);
		memcpy(&t->listener_fd, CMSG_DATA(&rights.header), sizeof(t->listener_fd));
	}
	return n;
}

/* End of file: creel-init runs, and the builder is gone. A struct error: why not. */
static int await_exec(struct attempt *t, struct error *err)
{
	struct error child;
	ssize_t n = -1;

	/* Until then the child shares errno, so that it cannot say whether a signal came in between.
	 * Asking again is right in any case: the end of the child ends it. */
	for (int tries = 0; (n < 0 || n == 1) && tries < MAX_TRIES; tries++) {
		n = receive(t, &child);
	}
	if (n == 0) {
		return 0;
	}
	if (n != (ssize_t)sizeof(child) || child.num <= 0) {
		return error_plain(err, EIO, "cannot start the sandbox: its first process died");
	}
	child.text[sizeof(child.text) - 1] = '\0';
	*err = child;
	return -err->num;
}

/* The parent has the plan ready, has written the maps, idmapped the trees and filled the control
 * group (where that is its to do). */
static int await_parent(const struct attempt *t, int control_fd, int *slots, struct error *err)
{
	char go;
	struct iovec iov = {.iov_base = &go, .iov_len = 1};
	union rights rights;
	struct msghdr message = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &rights,
		.msg_controllen = sizeof(rights)};

	/* No signal interrupts it: all are blocked. */
	if (recvmsg(control_fd, &message, MSG_CMSG_CLOEXEC) != 1) {
		/* The parent is gone, or on its way out: so is whoever could read the error. */
		return error_plain(err, EPIPE, "the starter of the sandbox is gone");
	}
	for (size_t i = 0; i < t->plan.source_count; i++) {
		slots[i] = FD_NONE;
	}
	if (t->plan.self_map || t->plan.source_count == 0) {
		return 0;
	}
	if (message.msg_controllen < CMSG_LEN(t->plan.source_count * sizeof(*slots)) ||
		(message.msg_flags & MSG_CTRUNC) != 0) {
		return error_plain(err, EMFILE, "cannot start the sandbox: out of descriptors");
	}
	memcpy(slots, CMSG_DATA(&rights.header), t->plan.source_count * sizeof(*slots));
	return 0;
}

/* What the first process and the builder have in common, on the stack of the first. */
struct child {
	struct attempt *attempt;
	struct apply_context context;
};

/* Who made us does the same for us, but may have to wait until we wait. */
static void leave_processor(const struct attempt *t, unsigned from)
{
	if (sys_processor() == from) {
		sys_place_apart(0, &t->processors, from);
	}
}

static int run_builder(void *arg)
{
	struct child *child = arg;
	struct apply_context *context = &child->context;
	struct error *err = &context->build_err;
	int r;

	leave_processor(child->attempt, child->attempt->first_on);
	r = await_parent(child->attempt, context->control_fd, context->slots, err);
	apply_tell_first(context);
	if (r == 0) {
		r = apply_build(context, err);
	}
	if (r < 0 && context->entered) {
		/* The first process may be creel-init by now, which goes when it sees how we ended. */
		(void)send(context->control_fd, err, sizeof(*err), MSG_NOSIGNAL);
	} else if (r < 0) {
		apply_tell_first(context);
	}
	return r < 0 ? 1 : 0;
}

/*
 * A second process for what is mounted, so that two processors can work. It shares all that can be
 * shared with the first. When that executes, the builder at most waits for the end of the old root; its
 * stack and context are in our memory, which stays as it is until end of file says that it is gone, too.
 */
static int start_builder(struct child *child, struct error *err)
{
	static struct {
		_Alignas(16) char stack[STACK_SIZE];
	} builder;

#ifdef CREEL_ASAN
	__asan_unpoison_memory_region(builder.stack, sizeof(builder.stack));
#endif
	child->context.builder = clone(run_builder, builder.stack + sizeof(builder.stack),
		CLONE_VM | CLONE_FILES | CLONE_FS | CLONE_SIGHAND | CLONE_UNTRACED | SIGCHLD,
		child);
	if (child->context.builder > 0) {
		sys_place_apart(child->context.builder, &child->attempt->processors,
			child->attempt->first_on);
	}
	return child->context.builder < 0
		       ? error_set(err, errno, "cannot start the sandbox: making its builder")
		       : 0;
}

/* Returns only when something failed, and then ends the process. */
static int run_child(void *arg)
{
	struct attempt *t = arg;
	int slots[PLAN_MAX_SOURCES];
	/* Descriptors are not shared with the parent: what that closes is open here. */
	struct child child = {
		.attempt = t,
		.context = {.plan = &t->plan,
			.slots = slots,
			.control_fd = t->child_control[1],
			.ruleset_fd = FD_NONE,
			.listen = t->request->listen,
			.stream_fd = t->request->stream_fd},
	};
	struct error err = {0};
	int r;

	leave_processor(t, t->starter_on);
	/* Or the end of the starter would not show as end of file, while we hold its end. */
	(void)close(t->child_control[0]);
	if (t->request->starter_fd >= 0) {
		(void)close(t->request->starter_fd);
	}
	r = apply_begin(&child.context, &err);
	if (r == 0) {
		t->first_on = sys_processor();
		r = start_builder(&child, &err);
	}
	if (r == 0) {
		r = apply_confine(&child.context, &err);
	}
	if (r < 0) {
		(void)send(child.context.control_fd, &err, sizeof(err), MSG_NOSIGNAL);
	}
	return 1;
}

/*
 * The first process, in namespaces of its own. It shares our memory until it executes: copying the
 * page tables, and then each page that either side writes, costs as much as all mounts. What that
 * takes:
 *  - a stack of its own, and nothing on it but what it calls;
 *  - errno is shared: only one of us at a time does anything that may fail and go on. First that is
 *    us, making the plan, while the child makes namespaces, where any error is the end, and its
 *    builder waits; then it is the builder, and we wait. They have no other state of the C library
 *    in use;
 *  - no handler of ours may run in there: signals stay blocked, and creel-init sets its own mask;
 *  - starter, first process and builder each get a processor: a scheduler that packs what runs for
 *    moments onto one makes them wait for each other instead. creel-init may use all again;
 *  - its change of ids makes the memory non-dumpable, and so keeps everybody else of that uid from
 *    reading ours. When it has executed we set back what it was.
 */
static int launch(struct attempt *t, struct error *err)
{
	static struct {
		_Alignas(16) char stack[STACK_SIZE];
	} child;
	sigset_t all, before;
	char why[200];
	pid_t pid;

#ifdef CREEL_ASAN
	/* The frames of the child before never returned. */
	__asan_unpoison_memory_region(child.stack, sizeof(child.stack));
#endif
	(void)memcpy(t->child_control, t->control, sizeof(t->child_control));
	sys_get_processors(&t->processors);
	t->starter_on = sys_processor();
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &before);
	pid = clone(run_child, child.stack + sizeof(child.stack),
		PLAN_CLONE_FIRST | CLONE_VM | SIGCHLD, t);
	if (pid < 0) {
		pid = -errno;
	}
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	if (pid < 0) {
		facts_explain_clone(-pid, why, sizeof(why));
		return error_set(err, -pid,
			"cannot make the namespaces of a sandbox (layer userns): %s", why);
	}
	t->pid = pid;
	sys_place_apart(pid, &t->processors, t->starter_on);
	(void)close(t->control[1]);
	t->control[1] = FD_NONE;
	return 0;
}

static int make_cgroup(struct attempt *t, const struct native_facts *facts, struct error *err)
{
	char name[64];

	if (!t->plan.cgroup) {
		return 0;
	}
	/* What a killed keeper left, if ever one was. */
	cgroup_sweep(&facts->cgroups, LAUNCH_CGROUP_PREFIX);
	(void)snprintf(name, sizeof(name), LAUNCH_CGROUP_PREFIX "%d-%08x", getpid(), arc4random());
	return cgroup_create(&facts->cgroups, name, &t->plan.limits, &t->cgroup, err);
}

/* While the first process makes its namespaces, and the helper of that the network. */
static int attempt_plan(
	struct attempt *t, const struct native_facts *facts, struct arena *arena, struct error *err)
{
	int r = plan_build(t->request->spec, facts, t->request->run_dir, arena, &t->plan, err);

	if (r < 0) {
		return r;
	}
	t->slots = arena_calloc(arena, t->plan.source_count, sizeof(*t->slots));
	for (size_t i = 0; i < t->plan.source_count; i++) {
		t->slots[i] = FD_NONE;
	}
	if (t->request->run_dir != NULL) {
		r = rundir_hand_over(
			t->request->run_dir, t->plan.outside_uid, t->plan.outside_gid, err);
	}
	if (r == 0) {
		r = open_sources(t, err);
	}
	return r == 0 ? make_cgroup(t, facts, err) : r;
}

/* If the child failed first, what went wrong here afterwards is only a consequence. */
static int child_reason(struct attempt *t, int r, struct error *err)
{
	struct error child;

	if (t->pid > 0 &&
		recv(t->control[0], &child, sizeof(child), MSG_DONTWAIT) ==
			(ssize_t)sizeof(child) &&
		child.num > 0) {
		child.text[sizeof(child.text) - 1] = '\0';
		*err = child;
		return -err->num;
	}
	return r;
}

static int attempt_start(
	struct attempt *t, struct native_facts *facts, struct arena *arena, struct error *err)
{
	/* Packets keep the error whole. */
	int r = launch_make_pair(SOCK_SEQPACKET, t->control, err);

	if (r == 0) {
		r = launch(t, err);
	}
	if (r == 0 && !t->has_facts) {
		r = facts_collect(t->request->spec, t->request->init_path, arena, facts, err);
	}
	if (r == 0 && facts->missing_workspace != NULL) {
		r = error_plain(err, ENOENT,
			"workspace '%s' does not exist; make it or name another one",
			facts->missing_workspace);
	}
	if (r == 0) {
		r = attempt_plan(t, facts, arena, err);
	}
	if (r == 0) {
		r = prepare_child(t, err);
	}
	r = r == 0 ? await_exec(t, err) : child_reason(t, r, err);
	if (r == 0) {
		sys_place(t->pid, &t->processors);
	}
	return r;
}

bool launch_needs_keeper(const struct sandbox_spec *spec)
{
	return spec->memory > 0 || spec->cpu_millis > 0 ||
	       (spec->pids_limit > 0 && !facts_nproc_per_namespace());
}

static void hand_out(struct attempt *t, struct launched *ret)
{
	*ret = (struct launched){.pid = t->pid, .host_uid = t->plan.outside_uid};
	ret->listener_fd = TAKE_FD(t->listener_fd);
	t->pid = 0;
	ret->cgroup = t->cgroup;
	(void)memset(&t->cgroup, 0, sizeof(t->cgroup));
	(void)memcpy(ret->missing, t->plan.missing, sizeof(ret->missing));
}

int launch_sandbox(const struct launch_request *request, struct launched *ret, struct error *err)
{
	_cleanup_arena_ struct arena arena = {0};
	int dumpable = prctl(PR_GET_DUMPABLE);
	struct native_facts facts = {0};
	bool has_facts = false;
	int r;

	for (;;) {
		struct attempt t = {.request = request,
			.control = {FD_NONE, FD_NONE},
			.has_facts = has_facts,
			.listener_fd = FD_NONE};

		r = attempt_start(&t, &facts, &arena, err);
		if (r == 0) {
			hand_out(&t, ret);
		}
		attempt_finish(&t);
		if (dumpable == 1) {
			(void)prctl(PR_SET_DUMPABLE, 1);
		}
		/* Once more, as the workspace's owner, who needs no map. */
		if (r < 0 && t.needs_owner_uid && !facts.force_owner_uid && facts.owner_uid != 0 &&
			facts.owner_gid != 0) {
			facts.force_owner_uid = true;
			has_facts = true;
			continue;
		}
		return r;
	}
}
